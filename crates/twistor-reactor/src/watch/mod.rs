//! The FD set: any descriptor of the user's, with an object that is called when it is ready.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;

use crate::error::LendError;
use crate::kernel::Interest;
use crate::{CloseReason, ReactorHandle};

mod cell;

pub(crate) use self::cell::WatchObject;

use self::cell::{Hold, WatchCell, already_watched};

/// An object with a descriptor, owned by the reactor and called when the descriptor is ready.
///
/// Readiness is level-triggered, whatever the kernel below does: [`do_read`](Self::do_read) is called every turn while data remains
/// and reading is of interest. The descriptor must be non-blocking if its calls may block.
///
/// The number that `as_fd` gives must stay the same while the object is watched. Twisted's `IReadDescriptor` and `IWriteDescriptor`
/// in one.
pub trait Descriptor: AsFd + Sized + 'static {
    /// The descriptor is readable. The default removes the interest in reading.
    ///
    /// # Errors
    ///
    /// An error ends the watch: [`connection_lost`](Self::connection_lost) gets the reason, and the object is dropped.
    /// [`CloseReason::Done`] is the way to report the end of input.
    fn do_read(&mut self, watch: &Watch<Self>) -> Result<(), CloseReason> {
        watch.remove_reader();
        Ok(())
    }

    /// The descriptor is writable. The default removes the interest in writing.
    ///
    /// # Errors
    ///
    /// As [`do_read`](Self::do_read).
    fn do_write(&mut self, watch: &Watch<Self>) -> Result<(), CloseReason> {
        watch.remove_writer();
        Ok(())
    }

    /// The watch has ended: an error was returned, a callback panicked, the other end hung up, the descriptor vanished, or the reactor
    /// ends. Called once, and last; not after [`Watch::remove`].
    fn connection_lost(&mut self, reason: &CloseReason) {
        let _ = reason;
    }

    /// Whether the end of input leaves the object alive for writing: then it hears
    /// [`read_connection_lost`](Self::read_connection_lost) instead of `connection_lost`. Default false.
    fn is_half_closeable(&self) -> bool {
        false
    }

    /// The input ended, and the interest in reading was removed. For half-closeable objects alone.
    fn read_connection_lost(&mut self, watch: &Watch<Self>) {
        let _ = watch;
    }

    /// What log lines about it begin with.
    fn log_prefix(&self) -> String {
        "-".to_owned()
    }
}

/// A watched object. A cheap clone; dropping it leaves the object watched.
pub struct Watch<D: Descriptor> {
    cell: Rc<WatchCell<D>>,
}

/// Why an object is not watched, and the object.
pub struct WatchError<D> {
    /// The object.
    pub object: D,
    /// What the system said: `EBADF` for a closed descriptor, `AlreadyExists` for one that is watched already.
    pub error: io::Error,
}

/// A watched object of a type that is not known here.
#[derive(Clone)]
pub struct AnyWatch {
    object: Rc<dyn WatchObject>,
}

impl ReactorHandle {
    /// Watches `object` for reading. The reactor owns it from now on; [`Watch`] reaches it.
    ///
    /// # Errors
    ///
    /// Gives the object back with the reason: one registration a descriptor, so `AlreadyExists` if its number is watched already (use
    /// [`Watch::add_reader`]), `EBADF` if it is closed, `NotConnected` if the reactor is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use std::io::Read;
    /// use std::os::fd::{AsFd, BorrowedFd};
    /// use twistor_reactor::{CloseReason, Descriptor, Reactor, ReactorHandle, Watch};
    ///
    /// struct Reader(std::io::PipeReader, ReactorHandle);
    ///
    /// impl AsFd for Reader {
    ///     fn as_fd(&self) -> BorrowedFd<'_> {
    ///         self.0.as_fd()
    ///     }
    /// }
    ///
    /// impl Descriptor for Reader {
    ///     fn do_read(&mut self, _watch: &Watch<Self>) -> Result<(), CloseReason> {
    ///         let mut buffer = [0; 16];
    ///         match self.0.read(&mut buffer)? {
    ///             0 => Err(CloseReason::Done),
    ///             _ => Ok(()),
    ///         }
    ///     }
    ///     fn connection_lost(&mut self, reason: &CloseReason) {
    ///         assert!(reason.is_clean());
    ///         self.1.stop().unwrap();
    ///     }
    /// }
    ///
    /// let mut reactor = Reactor::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// reactor.add_reader(Reader(reader, reactor.handle())).map_err(|e| e.error)?;
    /// drop(writer);
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_reader<D: Descriptor>(&self, object: D) -> Result<Watch<D>, WatchError<D>> {
        self.watch(object, Interest::READ)
    }

    /// Watches `object` for writing. As [`add_reader`](Self::add_reader) otherwise.
    ///
    /// # Errors
    ///
    /// As [`add_reader`](Self::add_reader).
    pub fn add_writer<D: Descriptor>(&self, object: D) -> Result<Watch<D>, WatchError<D>> {
        self.watch(object, Interest::WRITE)
    }

    /// The objects that are watched for reading, in the order of their descriptors. The library's own descriptors are not among them.
    #[must_use]
    pub fn readers(&self) -> Vec<AnyWatch> {
        self.watches().filter(AnyWatch::is_reader).collect()
    }

    /// The objects that are watched for writing.
    #[must_use]
    pub fn writers(&self) -> Vec<AnyWatch> {
        self.watches().filter(AnyWatch::is_writer).collect()
    }

    /// Removes every interest, and gives each object that had one, once. The objects stay with the reactor, unwatched: take them with
    /// [`Watch::remove`].
    pub fn remove_all(&self) -> Vec<AnyWatch> {
        let removed: Vec<_> = self.watches().filter(|watch| watch.is_reader() || watch.is_writer()).collect();
        for watch in &removed {
            Rc::clone(&watch.object).drop_interest();
        }
        removed
    }

    fn watches(&self) -> impl Iterator<Item = AnyWatch> {
        let objects: Vec<_> = self.inner.descriptors.borrow().values().cloned().collect();
        objects.into_iter().map(|object| AnyWatch { object })
    }

    fn watch<D: Descriptor>(&self, object: D, interest: Interest) -> Result<Watch<D>, WatchError<D>> {
        let fd = object.as_fd().as_raw_fd();
        let former = self.inner.descriptors.borrow().get(&fd).cloned();
        if former.as_ref().is_some_and(|former| !former.is_held()) {
            return Err(WatchError { object, error: already_watched(fd) });
        }
        let cell = Rc::new(WatchCell {
            reactor: self.clone(),
            token: Cell::new(None),
            fd,
            interest: Cell::new(interest),
            hold: Cell::new(Hold::Idle),
            asked_again: Cell::new(false),
            object: RefCell::new(Some(object)),
            span: RefCell::new(None),
            lost_meanwhile: RefCell::new(None),
        });
        if let Err(error) = cell.begin(interest, former.is_some()) {
            cell.hold.set(Hold::Ended);
            let object = cell.object.borrow_mut().take().expect("nobody else has seen the cell");
            return Err(WatchError { object, error });
        }
        let replaced =
            self.inner.descriptors.borrow_mut().insert(fd, Rc::clone(&cell) as Rc<dyn WatchObject>);
        if let Some(former) = replaced {
            // The kernel took the number as new, so the former holder's descriptor was closed behind our back.
            former.vanish();
        }
        Ok(Watch { cell })
    }
}

impl<D: Descriptor> Watch<D> {
    /// Adds the interest in reading. Again: nothing. If the system refuses, the object hears `connection_lost`.
    pub fn add_reader(&self) {
        self.cell.set_interest(self.cell.interest.get() | Interest::READ);
    }

    /// Adds the interest in writing. As [`add_reader`](Self::add_reader).
    pub fn add_writer(&self) {
        self.cell.set_interest(self.cell.interest.get() | Interest::WRITE);
    }

    /// Removes the interest in reading; that in writing stays. Again: nothing.
    pub fn remove_reader(&self) {
        self.cell.set_interest(self.cell.interest.get().without(Interest::READ));
    }

    /// Removes the interest in writing; that in reading stays. Again: nothing.
    ///
    /// Without any interest the descriptor is out of the poller: not even a hang-up is noticed. The reactor still owns the object, and
    /// tells it when it ends.
    pub fn remove_writer(&self) {
        self.cell.set_interest(self.cell.interest.get().without(Interest::WRITE));
    }

    /// Ends the watch and gives the object back; `connection_lost` is not called.
    ///
    /// # Errors
    ///
    /// [`LendError::Busy`] from inside a call of the object (return an error there instead), [`LendError::Gone`] if it ended before.
    pub fn remove(&self) -> Result<D, LendError> {
        let object = self.cell.object.try_borrow_mut().map_err(|_| LendError::Busy)?.take();
        let object = object.ok_or(LendError::Gone)?;
        self.cell.detach();
        Ok(object)
    }

    /// Lends the object, at once.
    ///
    /// # Errors
    ///
    /// [`LendError::Busy`] from inside a call of the object, [`LendError::Gone`] after its end; `f` is dropped uncalled.
    pub fn try_with<R>(&self, f: impl FnOnce(&mut D, &Self) -> R) -> Result<R, LendError> {
        /// Makes the kernel's side agree with what `f` did to the interest, also if it panics.
        struct Settle<'a, D: Descriptor>(&'a Rc<WatchCell<D>>);
        impl<D: Descriptor> Drop for Settle<'_, D> {
            fn drop(&mut self) {
                self.0.settle();
                if let Some(reason) = self.0.lost_meanwhile.take() {
                    self.0.lose(&reason);
                }
            }
        }
        drop(self.cell.object.try_borrow_mut().map_err(|_| LendError::Busy)?);
        let _settle = Settle(&self.cell); // Declared first, so dropped after the borrow has ended.
        let mut object = self.cell.object.borrow_mut();
        let object = object.as_mut().ok_or(LendError::Gone)?;
        Ok(f(object, self))
    }

    /// Calls `f` with the object after the present call has returned, in order with other notifications; drops it if the object is gone
    /// by then. A panic of `f` ends the watch.
    pub fn post(&self, f: impl FnOnce(&mut D, &Self) + 'static) {
        let cell = Rc::clone(&self.cell);
        self.cell.reactor.notify(move |_| {
            cell.call(|object, watch| {
                f(object, watch);
                Ok(())
            });
            cell.settle();
        });
    }

    /// Whether the object is watched or held: not ended and not removed.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.cell.hold.get() != Hold::Ended
    }

    /// This watch, without its type.
    #[must_use]
    pub fn any(&self) -> AnyWatch {
        AnyWatch { object: Rc::clone(&self.cell) as Rc<dyn WatchObject> }
    }
}

impl<D: Descriptor> Clone for Watch<D> {
    fn clone(&self) -> Self {
        Self { cell: Rc::clone(&self.cell) }
    }
}

impl AnyWatch {
    /// The number of the descriptor.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.object.fd()
    }

    /// Whether it is watched for reading.
    #[must_use]
    pub fn is_reader(&self) -> bool {
        self.object.interest().is_read()
    }

    /// Whether it is watched for writing.
    #[must_use]
    pub fn is_writer(&self) -> bool {
        self.object.interest().is_write()
    }

    /// What the object calls itself in log lines; `-` while it is being called.
    #[must_use]
    pub fn log_prefix(&self) -> String {
        self.object.log_prefix()
    }

    /// The watch with its type, if the object is a `D`.
    #[must_use]
    pub fn downcast<D: Descriptor>(&self) -> Option<Watch<D>> {
        let any = Rc::clone(&self.object).as_any();
        any.downcast::<WatchCell<D>>().ok().map(|cell| Watch { cell })
    }

    /// Whether the object is a `D`.
    #[must_use]
    pub fn is<D: Descriptor>(&self) -> bool {
        self.downcast::<D>().is_some()
    }
}

impl<D: Descriptor> fmt::Debug for Watch<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch(fd {}, {:?}, {:?})", self.cell.fd, self.cell.interest.get(), self.cell.hold.get())
    }
}

impl fmt::Debug for AnyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyWatch(fd {}, {:?})", self.fd(), self.object.interest())
    }
}

impl<D> fmt::Debug for WatchError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<D> fmt::Display for WatchError<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "watching the descriptor failed: {}", self.error)
    }
}

impl<D> std::error::Error for WatchError<D> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
