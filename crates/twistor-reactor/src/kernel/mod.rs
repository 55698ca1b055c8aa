//! The kernel is a trait: everything the library asks of the operating system, and nothing else.
//!
//! The loop, the timers, the transports and all of the protocols above them run unchanged over the real
//! kernel (`MioKernel`: epoll or kqueue) or over a kernel of memory (`twistor-sim`). What every kernel promises:
//!
//! - **Everything that can become ready has a [`Token`]**: sockets, watched descriptors, signals, name lookups.
//!   Whoever opens one registers it under a token it was given; [`Kernel::wait`] reports that token. A kernel never
//!   interprets a token, and may report one whose owner is gone: the reactor drops such an event.
//! - **Readiness is edge-triggered and may be spurious.** A source is reported when it *becomes* ready; whoever is told reads until
//!   `WouldBlock`, or until the kernel itself said that nothing is left ([`Received::drained`]). A call on a source that is not
//!   ready answers `WouldBlock`, never blocks.
//! - **A socket is registered once**, for both directions, until it is dropped. Dropping it deregisters and closes it.
//! - **All methods take `&self`**, so that bytes can be lent to a protocol while it asks its transport anything.
//! - **The only clock is [`Kernel::now`], the only randomness [`Kernel::seed`].** The rest of the library asks nothing of the machine.
//!
//! The core is small. What some kernels cannot do is behind a small trait of its own, reached through the kernel; the default
//! says [`io::ErrorKind::Unsupported`]. Datagrams, UNIX paths, child processes and standard streams get such traits when they come.

mod options;
mod readiness;
mod stream;
mod token;

#[cfg(feature = "mio")]
mod real;

pub use self::options::{ConnectOptions, KeepAlive, ListenOptions, SocketOption, SocketOptionKind};
pub use self::readiness::{Interest, Readiness};
pub use self::stream::{Accepted, ConnectProgress, Received, ReceivedData, StreamListener, StreamSocket};
pub use self::token::Token;

#[cfg(feature = "mio")]
pub use self::real::MioKernel;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::task::Waker;
use std::time::{Duration, SystemTime};

use twistor_deferred::Moment;

/// Everything that the library asks of the operating system. See the [module](self) for what every kernel promises.
pub trait Kernel: 'static {
    /// The time since this kernel began, on a clock that never goes backwards. The only clock in the library.
    fn now(&self) -> Moment;

    /// The time of day. For certificates and logs alone: no decision of the library depends on it.
    fn wall_time(&self) -> SystemTime;

    /// Waits until something is ready, the waker was woken, or `timeout` has passed, and appends what is ready to `ready`.
    ///
    /// Zero polls without sleeping; `None` sleeps until something happens. May return early with nothing. A timeout is never
    /// cut short on purpose: it is rounded *up* to the kernel's granularity. `EINTR` is retried or returned as nothing ready.
    ///
    /// # Errors
    ///
    /// Only if the kernel's own poller is broken, or (kernels of memory) if nothing could ever become ready. The reactor ends its
    /// run with this error.
    fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()>;

    /// What ends a [`wait`](Self::wait) from any thread, at once or the next time it is entered. Wakes collapse into one.
    fn waker(&self) -> Waker;

    /// The one source of randomness: the seed of the reactor's generator.
    fn seed(&self) -> u64;

    /// Binds `address` and listens.
    ///
    /// # Errors
    ///
    /// What `socket(2)`, `bind(2)` and `listen(2)` answer.
    fn listen_stream(
        &self,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<Box<dyn StreamListener>>;

    /// Begins to connect to `address`; ask [`StreamSocket::connect_progress`] when the socket becomes writable.
    ///
    /// # Errors
    ///
    /// What `socket(2)`, `bind(2)` and `connect(2)` answer at once; some refusals come here, most of them later.
    fn connect_stream(
        &self,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<Box<dyn StreamSocket>>;

    /// A listening socket that somebody else made. It is closed when dropped, never shut down, so that other holders of the same
    /// socket keep accepting.
    ///
    /// # Errors
    ///
    /// `Unsupported` for kernels without descriptors and for sockets that are no TCP listeners.
    fn adopt_listener(&self, fd: OwnedFd) -> io::Result<Box<dyn StreamListener>> {
        drop(fd);
        unsupported("adopted listening sockets")
    }

    /// A connected stream socket that somebody else made.
    ///
    /// # Errors
    ///
    /// `Unsupported` for kernels without descriptors and for sockets that are no TCP streams.
    fn adopt_stream(&self, fd: OwnedFd) -> io::Result<Box<dyn StreamSocket>> {
        drop(fd);
        unsupported("adopted sockets")
    }

    /// Watching descriptors that the user owns.
    ///
    /// # Errors
    ///
    /// `Unsupported` where there are none.
    fn descriptors(&self) -> io::Result<&dyn Descriptors> {
        unsupported("watching descriptors")
    }

    /// Host names to addresses.
    ///
    /// # Errors
    ///
    /// `Unsupported` where there is no resolver.
    fn resolver(&self) -> io::Result<&dyn Resolver> {
        unsupported("name lookups")
    }

    /// Jobs on threads.
    ///
    /// # Errors
    ///
    /// `Unsupported` where there are no threads, not even simulated ones.
    fn jobs(&self) -> io::Result<&dyn Jobs> {
        unsupported("jobs on threads")
    }

    /// Signals of the process.
    ///
    /// # Errors
    ///
    /// `Unsupported` where there are none.
    fn signals(&self) -> io::Result<&dyn Signals> {
        unsupported("signals")
    }

    /// A descriptor that is readable when [`wait`](Self::wait) has something to report, for a loop above this one.
    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Watching descriptors of the user's. One registration a descriptor.
pub trait Descriptors {
    /// Begins to watch `fd`.
    ///
    /// # Errors
    ///
    /// What `epoll_ctl(2)` answers: `EBADF` for a closed descriptor, `EEXIST` for one that is watched already. `InvalidInput` for an interest
    /// in nothing. A descriptor that the kernel cannot poll is no error: see [`Polled::Never`].
    fn watch(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<Polled>;

    /// Changes the interest and asks for a new report if `fd` is ready now: with one `rearm` a callback, readiness is
    /// level-triggered.
    ///
    /// # Errors
    ///
    /// What `epoll_ctl(2)` answers: `EBADF` or `ENOENT` if the descriptor was closed behind our back, or is not watched. `InvalidInput` for an
    /// interest in nothing: [unwatch](Self::unwatch) it instead.
    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()>;

    /// Stops watching. Takes a bare number, since the descriptor may be closed already.
    ///
    /// # Errors
    ///
    /// As [`rearm`](Self::rearm).
    fn unwatch(&self, fd: RawFd) -> io::Result<()>;
}

/// Whether the kernel can tell when a descriptor becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Events will come.
    Events,
    /// The kernel refuses to poll it (`EPERM`: a regular file), so it counts as ready every turn. It is not registered.
    Never,
}

/// Name lookups. An answer is announced by an event for its token, then fetched once.
pub trait Resolver {
    /// Begins to look up the addresses of `host`.
    ///
    /// # Errors
    ///
    /// If no lookup can be started now (too many are waiting). Failures of the lookup itself come as its answer.
    fn look_up(&self, host: &str, token: Token) -> io::Result<()>;

    /// The answer for `token`, in the resolver's order, if there is one; the second call gives `None`.
    fn answer(&self, token: Token) -> Option<io::Result<Vec<IpAddr>>>;

    /// Forgets a lookup: no event and no answer come any more. Unknown tokens are ignored.
    fn cancel(&self, token: Token);
}

/// A piece of work for a thread. It must not panic: whoever submits it contains the panics of what it runs.
pub type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads. Threads are made on demand, up to a limit, and kept.
pub trait Jobs {
    /// Runs `job` on a thread, in order of submission as far as threads are free. A kernel without real threads runs it in line,
    /// at the latest in the next [`Kernel::wait`].
    fn submit(&self, job: Job);

    /// Sets how many threads there are at least and at most; busy threads finish their job first.
    fn resize(&self, least: usize, most: usize);

    /// How many jobs are running, and how many wait for a thread.
    fn load(&self) -> JobLoad;

    /// Ends the pool: no job is accepted any more (it is dropped unrun), what is queued still runs, then the threads end. With
    /// `abandon`, what is queued is dropped too and threads that are busy are left behind.
    fn close(&self, abandon: bool);
}

/// What a pool of threads is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobLoad {
    /// Threads alive.
    pub threads: usize,
    /// Jobs that are running.
    pub running: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
}

/// Signals of the process, by number.
pub trait Signals {
    /// From now on `signal` does not act by default but is reported under `token`.
    ///
    /// # Errors
    ///
    /// For signals that cannot be caught (`SIGKILL`, `SIGSTOP`, and those of a crash).
    fn watch(&self, signal: i32, token: Token) -> io::Result<()>;

    /// How often the signal of `token` came since the last call.
    fn arrivals(&self, token: Token) -> usize;

    /// Stops reporting. When nobody watches a signal any more, it acts by default again.
    fn unwatch(&self, token: Token);
}

/// Duplicates a descriptor, close-on-exec, for objects that are adopted while their owner keeps the original.
///
/// # Errors
///
/// What `fcntl(2)` answers: `EMFILE` above all.
pub fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}

fn unsupported<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("this kernel does not offer {what}")))
}
