//! What stands behind a [`Watch`]: the object in its cell, and how the kernel holds its descriptor.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;

use twistor_deferred::contain;

use super::{Descriptor, Watch};
use crate::error::ReactorGone;
use crate::kernel::{Interest, Polled, Readiness, Token};
use crate::sources::{Source, SourceHost, SourceKind};
use crate::{CloseReason, ReactorHandle};

pub(super) struct WatchCell<D: Descriptor> {
    pub(super) reactor: ReactorHandle,
    pub(super) token: Cell<Option<Token>>,
    pub(super) fd: RawFd,
    pub(super) interest: Cell<Interest>,
    pub(super) hold: Cell<Hold>,
    /// Whether the reactor was asked for [`Source::again`] and has not called it yet: it is asked once.
    pub(super) asked_again: Cell<bool>,
    /// `None` once the watch has ended.
    pub(super) object: RefCell<Option<D>>,
    /// What the log lines of the object's callbacks are in, if somebody listens.
    pub(super) span: RefCell<Option<tracing::Span>>,
    /// Why the watch ended while the object was lent.
    pub(super) lost_meanwhile: RefCell<Option<CloseReason>>,
}

/// How the kernel holds the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Not at all: nothing is of interest.
    Idle,
    /// It sends events.
    Events,
    /// It cannot poll it: ready every turn.
    Always,
    /// The watch has ended.
    Ended,
}

/// What is asked of watched objects of any type.
pub(crate) trait WatchObject {
    fn fd(&self) -> RawFd;
    fn interest(&self) -> Interest;
    fn is_held(&self) -> bool;
    fn is_active(&self) -> bool;
    fn log_prefix(&self) -> String;
    fn drop_interest(self: Rc<Self>);
    /// The descriptor was closed behind our back, and its number is another's now.
    fn vanish(self: Rc<Self>);
    fn as_any(self: Rc<Self>) -> Rc<dyn std::any::Any>;
}

pub(super) fn already_watched(fd: RawFd) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, format!("descriptor {fd} is watched already"))
}

impl<D: Descriptor> WatchCell<D> {
    /// Registers a new object. `clash` says that our table has an owner of the number already.
    pub(super) fn begin(self: &Rc<Self>, interest: Interest, clash: bool) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, ReactorGone);
        let kernel = self.reactor.kernel().ok_or_else(gone)?;
        kernel.descriptors()?;
        let token = self.reactor.register(Rc::clone(self) as Rc<dyn Source>).ok_or_else(gone)?;
        self.token.set(Some(token));
        let hold = self.hold_by_kernel(token, interest).and_then(|hold| match hold {
            Hold::Always if clash => Err(already_watched(self.fd)),
            hold => Ok(hold),
        });
        match hold {
            Ok(hold) => {
                self.hold.set(hold);
                Ok(())
            }
            Err(error) => {
                self.reactor.deregister(token);
                Err(error)
            }
        }
    }

    /// Made with the first event, and only if somebody listens.
    fn make_span(&self) {
        let listened_to = tracing::enabled!(target: "twistor::watch", tracing::Level::INFO);
        if listened_to && self.span.borrow().is_none() {
            let prefix = self.log_prefix();
            *self.span.borrow_mut() =
                Some(tracing::info_span!(target: "twistor::watch", "watch", system = %prefix));
        }
    }

    /// Runs `f`, calls of the object, inside its span.
    fn in_span<R>(&self, f: impl FnOnce() -> R) -> R {
        let span = self.span.borrow().clone();
        match span {
            Some(span) => span.in_scope(f),
            None => f(),
        }
    }

    fn hold_by_kernel(&self, token: Token, interest: Interest) -> io::Result<Hold> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, ReactorGone);
        let kernel = self.reactor.kernel().ok_or_else(gone)?;
        let polled = self.with_fd(|fd| kernel.descriptors()?.watch(fd, token, interest))?;
        match polled {
            Polled::Events => Ok(Hold::Events),
            Polled::Never => {
                self.ask_again(token);
                Ok(Hold::Always)
            }
        }
    }

    fn ask_again(&self, token: Token) {
        if !self.asked_again.replace(true) {
            self.reactor.again(token);
        }
    }

    /// Calls `f` with the descriptor. Never while the object is being called: whoever calls it settles afterwards.
    fn with_fd<R>(&self, f: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        let object = self.object.try_borrow().map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        let object = object.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let result = contain(|| match object.as_fd() {
            // Under another number than the one we know it would be somebody else's registration.
            fd if fd.as_raw_fd() != self.fd => {
                Err(io::Error::new(io::ErrorKind::NotFound, "the object has another descriptor than before"))
            }
            fd => f(fd),
        });
        result.unwrap_or_else(|text| Err(io::Error::other(format!("as_fd panicked: {text}"))))
    }

    pub(super) fn set_interest(self: &Rc<Self>, interest: Interest) {
        let before = self.interest.replace(interest);
        if before == interest || self.hold.get() == Hold::Ended {
            return;
        }
        if self.object.try_borrow().is_err() {
            return; // Inside a call of the object: `settle` follows when it returns.
        }
        self.settle();
    }

    /// Makes the kernel's side agree with the interest, and asks it to report again what is ready still.
    pub(super) fn settle(self: &Rc<Self>) {
        let (Some(token), Some(kernel)) = (self.token.get(), self.reactor.kernel()) else { return };
        let interest = self.interest.get();
        let result = match (self.hold.get(), interest.is_none()) {
            (Hold::Ended, _) | (Hold::Idle, true) => return,
            (Hold::Idle, false) => self.hold_by_kernel(token, interest).map(|hold| self.hold.set(hold)),
            (Hold::Events, true) => {
                self.hold.set(Hold::Idle);
                kernel.descriptors().and_then(|descriptors| descriptors.unwatch(self.fd))
            }
            (Hold::Events, false) => kernel
                .descriptors()
                .and_then(|descriptors| self.with_fd(|fd| descriptors.rearm(fd, token, interest))),
            (Hold::Always, true) => {
                self.hold.set(Hold::Idle);
                Ok(())
            }
            (Hold::Always, false) => {
                self.ask_again(token);
                Ok(())
            }
        };
        if let Err(error) = result {
            let cell = Rc::clone(self);
            self.reactor.notify(move |_| cell.lose(&CloseReason::from(error)));
        }
    }

    /// Calls the object, then acts on what it answered.
    pub(super) fn call(
        self: &Rc<Self>,
        f: impl FnOnce(&mut D, &Watch<D>) -> Result<(), CloseReason>,
    ) -> bool {
        let watch = Watch { cell: Rc::clone(self) };
        let outcome = {
            let Ok(mut slot) = self.object.try_borrow_mut() else { return false };
            let Some(object) = slot.as_mut() else { return false };
            self.in_span(|| self.guard("a watched object", || f(object, &watch)))
        };
        match outcome {
            Ok(Ok(())) => true,
            Ok(Err(reason)) => {
                self.lose(&reason);
                false
            }
            Err(text) => {
                self.lose(&CloseReason::panicked(text));
                false
            }
        }
    }

    fn call_read(self: &Rc<Self>) -> bool {
        let mut ended = false;
        let alive = self.call(|object, watch| match object.do_read(watch) {
            Err(CloseReason::Done) if object.is_half_closeable() => {
                ended = true;
                Ok(())
            }
            result => result,
        });
        if ended { self.end_reading() } else { alive }
    }

    /// The input ended for an object that goes on writing.
    fn end_reading(self: &Rc<Self>) -> bool {
        self.interest.set(self.interest.get().without(Interest::READ));
        self.call(|object, watch| {
            object.read_connection_lost(watch);
            Ok(())
        })
    }

    /// Calls `f`, code of the object's, and contains its panic.
    fn guard<R>(&self, what: &str, f: impl FnOnce() -> R) -> Result<R, String> {
        self.reactor.guard_for(self.token.get(), what, f)
    }

    /// The other end is gone, and there is nothing to read (FDS-06).
    fn hang_up(self: &Rc<Self>) {
        if !self.interest.get().is_read() {
            return self.lose(&CloseReason::from(io::Error::from(io::ErrorKind::BrokenPipe)));
        }
        let asked = |object: &Option<D>| object.as_ref().is_some_and(D::is_half_closeable);
        let ask = || self.object.try_borrow().is_ok_and(|object| asked(&object));
        let half = self.guard("is_half_closeable", ask).unwrap_or(false);
        if half {
            self.end_reading();
        } else {
            self.lose(&CloseReason::Done);
        }
    }

    /// Ends the watch, tells the object why, and drops it.
    pub(super) fn lose(self: &Rc<Self>, reason: &CloseReason) {
        let object = match self.object.try_borrow_mut() {
            Ok(mut object) => object.take(),
            Err(_) => {
                // Lent to a `try_with` inside of which the reactor is dropped: told when it comes back.
                let former = self.lost_meanwhile.replace(Some(reason.clone()));
                return twistor_deferred::drop_contained(former);
            }
        };
        let Some(mut object) = object else { return };
        let source = self.token.get();
        self.detach();
        let call = || object.connection_lost(reason);
        let what = "connection_lost of a watched object";
        let _ = self.in_span(|| self.reactor.guard_for(source, what, call));
        twistor_deferred::drop_contained(object);
    }

    /// Takes the watch out of the kernel and of our tables.
    pub(super) fn detach(&self) {
        let hold = self.hold.replace(Hold::Ended);
        if hold == Hold::Events {
            if let Some(kernel) = self.reactor.kernel() {
                // A descriptor that was closed behind our back is out of the poller already.
                let _ = kernel.descriptors().and_then(|descriptors| descriptors.unwatch(self.fd));
            }
        }
        if hold != Hold::Ended {
            let mut descriptors = self.reactor.inner.descriptors.borrow_mut();
            if descriptors.get(&self.fd).is_some_and(|holder| !holder.is_active()) {
                descriptors.remove(&self.fd);
            }
        }
        if let Some(token) = self.token.take() {
            self.reactor.deregister(token);
        }
    }

    fn dispatch(self: &Rc<Self>, readiness: Readiness) {
        let interest = self.interest.get();
        if interest.is_none() || self.hold.get() == Hold::Ended {
            return;
        }
        self.make_span();
        if readiness.is_hang_up() && !readiness.has_data() {
            self.hang_up();
        } else {
            let alive = !(interest.is_read() && readiness.is_readable()) || self.call_read();
            // Asked anew: reading may have removed the interest.
            if alive && self.interest.get().is_write() && readiness.is_writable() {
                self.call(|object, watch| object.do_write(watch));
            }
        }
        self.settle();
    }
}

impl<D: Descriptor> Source for WatchCell<D> {
    fn ready(self: Rc<Self>, _reactor: &ReactorHandle, readiness: Readiness) {
        self.dispatch(readiness);
    }

    fn again(self: Rc<Self>, _reactor: &ReactorHandle) {
        self.asked_again.set(false);
        if let (Hold::Always, Some(token)) = (self.hold.get(), self.token.get()) {
            self.dispatch(Readiness::new(token).readable().writable());
        }
    }

    fn shut_down(self: Rc<Self>, _reactor: &ReactorHandle, reason: &CloseReason) {
        self.lose(reason);
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Watch
    }

    fn describe(&self) -> Option<String> {
        let prefix = WatchObject::log_prefix(self);
        Some(format!("watched descriptor {} ({prefix}), {:?}", self.fd, WatchObject::interest(self)))
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn std::any::Any> {
        self
    }
}

impl<D: Descriptor> WatchObject for WatchCell<D> {
    fn fd(&self) -> RawFd {
        self.fd
    }

    fn interest(&self) -> Interest {
        if self.hold.get() == Hold::Ended { Interest::NONE } else { self.interest.get() }
    }

    fn is_held(&self) -> bool {
        self.hold.get() != Hold::Idle
    }

    fn is_active(&self) -> bool {
        self.hold.get() != Hold::Ended
    }

    fn log_prefix(&self) -> String {
        let prefix = || {
            let object = self.object.try_borrow().ok()?;
            let object = object.as_ref()?;
            self.guard("log_prefix", || object.log_prefix()).ok()
        };
        prefix().unwrap_or_else(|| "-".to_owned())
    }

    fn drop_interest(self: Rc<Self>) {
        self.set_interest(Interest::NONE);
    }

    fn vanish(self: Rc<Self>) {
        self.hold.set(Hold::Idle); // Out of the poller by itself; the number is another's now.
        let reactor = self.reactor.clone();
        reactor.notify(move |_| {
            let error = io::Error::new(
                io::ErrorKind::NotFound,
                "the descriptor was closed behind the reactor's back",
            );
            self.lose(&CloseReason::from(error));
        });
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn std::any::Any> {
        self
    }
}
