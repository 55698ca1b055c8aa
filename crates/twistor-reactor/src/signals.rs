//! Signals of the process: SIGINT and SIGTERM stop the reactor, others are the application's.
//!
//! The first SIGINT or SIGTERM stops the reactor in order; a second one, of either, ends the loop at once. After the run they act by default
//! again. [`ReactorHandle::on_signal`] takes one over, or any other.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use tracing::{info, warn};

use crate::ReactorHandle;
use crate::kernel::{Readiness, Token};
use crate::sources::{Source, SourceHost, SourceKind};

/// SIGINT, the interrupt of the terminal (signal(7)): the same number on every Unix.
pub const SIGINT: i32 = 2;
/// SIGTERM, the polite request to end (signal(7)): the same number on every Unix.
pub const SIGTERM: i32 = 15;

#[derive(Default)]
pub(crate) struct SignalTable {
    /// The built-in handlers, while the reactor runs.
    built_in: RefCell<Vec<Token>>,
    /// The signal that stopped the reactor.
    exit: Cell<Option<i32>>,
    /// Signals the application handles itself, each with how many handlers.
    taken: RefCell<Vec<i32>>,
}

impl SignalTable {
    pub(crate) fn exit_signal(&self) -> Option<i32> {
        self.exit.get()
    }
}

/// A handler of a signal. Dropping it leaves the handler in place.
pub struct SignalHandler {
    reactor: ReactorHandle,
    token: Token,
    signal: i32,
}

impl SignalHandler {
    /// Ends the handling: if nobody else handles the signal, it acts by default again. What the handler owns is dropped. Again, or
    /// after the reactor is gone: nothing.
    pub fn remove(&self) {
        if let Some(source) = self.reactor.deregister(self.token) {
            self.reactor.unwatch_signal(self.token);
            let mut taken = self.reactor.inner.signals.taken.borrow_mut();
            if let Some(at) = taken.iter().position(|&signal| signal == self.signal) {
                taken.swap_remove(at);
            }
            drop(taken);
            twistor_deferred::drop_contained(source);
        }
    }
}

impl fmt::Debug for SignalHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalHandler({})", self.signal)
    }
}

impl ReactorHandle {
    /// Calls `f` on the reactor's thread for each arrival of `signal` (signal(7)), as soon as the loop gets to it.
    ///
    /// Arrivals that come together may be seen as one. Several handlers of one signal are all called, in the order they were added. A
    /// handler of SIGINT or SIGTERM replaces what those do to a running reactor (stop it). It holds from now on, not only while the
    /// reactor runs, until it is removed or the reactor is dropped. A panic of `f` is logged.
    ///
    /// # Errors
    ///
    /// For signals that cannot be caught (SIGKILL, SIGSTOP) or must not be (SIGSEGV, SIGILL, SIGFPE), and if the kernel has no
    /// signals.
    pub fn on_signal(&self, signal: i32, f: impl FnMut(&Self) + 'static) -> io::Result<SignalHandler> {
        let source = Rc::new(SignalSource {
            token: Cell::new(None),
            action: Action::User { signal, f: RefCell::new(Box::new(f)) },
        });
        let token = self
            .watch_signal(signal, Rc::clone(&source))
            .inspect_err(|_| twistor_deferred::drop_contained(source))?;
        self.inner.signals.taken.borrow_mut().push(signal);
        Ok(SignalHandler { reactor: self.clone(), token, signal })
    }

    /// The signal that stopped the reactor, if one did, so that a launcher can end by it.
    #[must_use]
    pub fn exit_signal(&self) -> Option<i32> {
        self.inner.signals.exit_signal()
    }

    /// At startup: SIGINT and SIGTERM stop the reactor.
    pub(crate) fn install_signals(&self) {
        self.inner.signals.exit.set(None);
        if !self.inner.handle_signals {
            return;
        }
        for signal in [SIGINT, SIGTERM] {
            let source = Rc::new(SignalSource { token: Cell::new(None), action: Action::Stop(signal) });
            match self.watch_signal(signal, source) {
                Ok(token) => self.inner.signals.built_in.borrow_mut().push(token),
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(error) => warn!("signal {signal} cannot be handled: {error}"),
            }
        }
    }

    /// After the run: they act by default again.
    pub(crate) fn restore_signals(&self) {
        let tokens = std::mem::take(&mut *self.inner.signals.built_in.borrow_mut());
        for token in tokens {
            self.deregister(token);
            self.unwatch_signal(token);
        }
    }

    fn watch_signal(&self, signal: i32, source: Rc<SignalSource>) -> io::Result<Token> {
        let Some(kernel) = self.inner.kernel() else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, crate::error::ReactorGone));
        };
        let signals = kernel.signals()?;
        let Some(token) = self.register(Rc::clone(&source) as Rc<dyn Source>) else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, crate::error::ReactorGone));
        };
        source.token.set(Some(token));
        if let Err(error) = signals.watch(signal, token) {
            self.deregister(token);
            return Err(error);
        }
        Ok(token)
    }

    fn unwatch_signal(&self, token: Token) {
        if let Some(kernel) = self.inner.kernel() {
            if let Ok(signals) = kernel.signals() {
                signals.unwatch(token);
            }
        }
    }

    /// What SIGINT and SIGTERM do: the first stops in order, the second ends the loop at once.
    fn signal_to_stop(&self, signal: i32, times: usize) {
        if self.inner.signals.taken.borrow().contains(&signal) {
            return; // The application handles it itself.
        }
        let first = self.inner.signals.exit.replace(Some(signal)).is_none();
        if first {
            info!("received signal {signal}, stopping");
            if self.stop().is_err() {
                info!("the reactor is stopping already");
            }
        }
        if !first || times > 1 {
            warn!("received signal {signal} again, ending at once");
            self.crash();
        }
    }
}

struct SignalSource {
    token: Cell<Option<Token>>,
    action: Action,
}

enum Action {
    Stop(i32),
    User { signal: i32, f: RefCell<UserFn> },
}

type UserFn = Box<dyn FnMut(&ReactorHandle)>;

impl SignalSource {
    fn arrived(&self, reactor: &ReactorHandle, token: Token) {
        let Some(kernel) = reactor.inner.kernel() else { return };
        let times = kernel.signals().map_or(0, |signals| signals.arrivals(token));
        if times == 0 {
            return;
        }
        match &self.action {
            Action::Stop(signal) => reactor.signal_to_stop(*signal, times),
            Action::User { signal, f } => {
                for _ in 0..times {
                    // The handler may remove itself: it is called as often as the signal came before that.
                    if self.token.get().is_none_or(|token| !reactor.is_registered(token)) {
                        break;
                    }
                    let Ok(mut f) = f.try_borrow_mut() else { break };
                    let _ = reactor.guard(format_args!("a handler of signal {signal}"), || f(reactor));
                }
            }
        }
    }
}

impl Source for SignalSource {
    fn ready(self: Rc<Self>, reactor: &ReactorHandle, readiness: Readiness) {
        self.arrived(reactor, readiness.token);
        twistor_deferred::drop_contained(self); // A handler that removed itself goes now, with what it owns.
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Internal
    }

    fn describe(&self) -> Option<String> {
        match &self.action {
            Action::Stop(_) => None,
            Action::User { signal, .. } => Some(format!("handler of signal {signal}")),
        }
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn std::any::Any> {
        self
    }
}
