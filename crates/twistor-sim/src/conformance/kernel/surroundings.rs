use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use twistor_reactor::kernel::{Interest, Kernel};

use crate::{Answer, Call, ScriptGuard, ScriptedKernel, errno};

/// A kernel, and what can happen around it that it has to tell of.
///
/// A boxed kernel is one, in surroundings where nothing can be arranged: the cases that need a signal to be raised, descriptors to run
/// out or one of the user's to become ready are left out then. Implement it to have those run too: [`kernel`](Self::kernel) alone is
/// enough for the last, over a kernel that watches real descriptors.
///
/// # Examples
///
/// A kernel of one's own (here it is one of this crate's), in a world where signals can be raised:
///
/// ```
/// use std::io;
/// use twistor_reactor::kernel::Kernel;
/// use twistor_sim::conformance::{self, Surroundings};
/// use twistor_sim::ScriptedKernel;
///
/// struct Loud(ScriptedKernel);
///
/// impl Surroundings for Loud {
///     fn kernel(&self) -> &dyn Kernel {
///         &self.0
///     }
///     fn raise(&self, signal: i32) -> io::Result<()> {
///         self.0.raise(signal);
///         Ok(())
///     }
/// }
///
/// conformance::kernel_case("a_watched_signal_is_told_and_counted", || Loud(ScriptedKernel::new()));
/// ```
pub trait Surroundings {
    /// The kernel.
    fn kernel(&self) -> &dyn Kernel;

    /// Raises `signal`, which somebody watches.
    ///
    /// # Errors
    ///
    /// `Unsupported` if that cannot be arranged: the case is left out.
    fn raise(&self, signal: i32) -> io::Result<()> {
        let _ = signal;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes all descriptors that are left, so that an accept is answered with `EMFILE`, until the answer is dropped.
    ///
    /// # Errors
    ///
    /// `Unsupported` if that cannot be arranged: the case is left out.
    fn starve(&self) -> io::Result<Box<dyn fmt::Debug + '_>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A descriptor for [`Descriptors`](twistor_reactor::kernel::Descriptors) to watch, writable and not readable. By default one end of a
    /// pair of real sockets.
    ///
    /// # Errors
    ///
    /// `Unsupported` if that cannot be arranged: the case is left out. The default: what `socketpair(2)` answers.
    fn channel(&self) -> io::Result<Box<dyn Channel + '_>> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Box::new(SocketPair { ours, theirs: Some(theirs) }))
    }
}

/// A descriptor whose readiness is the case's to decide. It is writable all the time.
pub trait Channel {
    /// The descriptor.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Makes it readable.
    fn fill(&mut self);

    /// Makes it not readable again.
    fn drain(&mut self);

    /// Hangs up its other end.
    fn hang_up(&mut self);
}

struct SocketPair {
    ours: UnixStream,
    theirs: Option<UnixStream>,
}

impl Channel for SocketPair {
    fn fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    fn fill(&mut self) {
        let mut theirs = self.theirs.as_ref().expect("it is not hung up");
        theirs.write_all(b"x").expect("there is room for a byte");
    }

    fn drain(&mut self) {
        self.ours.read_exact(&mut [0]).expect("it was filled");
    }

    fn hang_up(&mut self) {
        self.theirs = None;
    }
}

/// A kernel alone.
impl Surroundings for Box<dyn Kernel> {
    fn kernel(&self) -> &dyn Kernel {
        &**self
    }

    fn channel(&self) -> io::Result<Box<dyn Channel + '_>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A kernel alone.
impl<K: Kernel> Surroundings for Box<K> {
    fn kernel(&self) -> &dyn Kernel {
        &**self
    }

    fn channel(&self) -> io::Result<Box<dyn Channel + '_>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Surroundings for ScriptedKernel {
    fn kernel(&self) -> &dyn Kernel {
        self
    }

    fn raise(&self, signal: i32) -> io::Result<()> {
        Self::raise(self, signal);
        Ok(())
    }

    fn starve(&self) -> io::Result<Box<dyn fmt::Debug + '_>> {
        let guard: ScriptGuard = self.script(Call::Accept, Answer::Errno(errno::EMFILE)).always().guard();
        Ok(Box::new(guard))
    }

    fn channel(&self) -> io::Result<Box<dyn Channel + '_>> {
        let (ours, _) = UnixStream::pair()?;
        self.set_ready(ours.as_fd(), Interest::WRITE);
        Ok(Box::new(ScriptedChannel { kernel: self, ours }))
    }
}

/// A descriptor that a scripted kernel knows nothing of but what it is told.
struct ScriptedChannel<'a> {
    kernel: &'a ScriptedKernel,
    ours: UnixStream,
}

impl Channel for ScriptedChannel<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    fn fill(&mut self) {
        self.kernel.set_ready(self.ours.as_fd(), Interest::READ | Interest::WRITE);
    }

    fn drain(&mut self) {
        self.kernel.set_ready(self.ours.as_fd(), Interest::WRITE);
    }

    fn hang_up(&mut self) {
        self.kernel.hang_up(self.ours.as_fd());
    }
}
