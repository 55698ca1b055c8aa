//! A graceful end: no new connections, a word to the old ones, a deadline.

use std::rc::Rc;
use std::time::Duration;

use tracing::{debug, warn};
use twistor_deferred::{Deferred, Failure, Panicked, Promise, deferred, succeed};
use twistor_reactor::sources::SourceHost;
use twistor_reactor::{CloseReason, DelayedCall};

use super::port::{Core, PortState};
use crate::Factory;
use crate::connection::{Conn, Transport};

/// How a drain ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that ended by themselves.
    pub closed: usize,
    /// Connections that were cut off: at the deadline, or by the end of the reactor before it.
    pub aborted: usize,
}

/// A drain under way.
pub(super) struct Drain {
    promises: Vec<Promise<Drained>>,
    deadline: DelayedCall,
    report: Drained,
}

impl<F: Factory> Core<F> {
    pub(super) fn begin_drain(self: &Rc<Self>, deadline: Duration) -> Deferred<Drained> {
        if self.reactor.is_gone() {
            return succeed(Drained::default());
        }
        let (promise, drained) = deferred();
        self.close_socket();
        self.state.set(PortState::Draining);
        if let Some(drain) = self.drain.borrow_mut().as_mut() {
            drain.promises.push(promise);
            return drained;
        }
        let weak = self.this.clone();
        let timer = self.reactor.call_later(deadline, move || {
            if let Some(core) = weak.upgrade() {
                core.drain_expired();
            }
        });
        let drain = Drain { promises: vec![promise], deadline: timer, report: Drained::default() };
        *self.drain.borrow_mut() = Some(drain);
        debug!("draining {} connections of {}", self.connections.get(), self.address());
        let core = Rc::clone(self);
        self.reactor.notify(move |_| {
            for conn in core.live_connections() {
                conn.request_close();
            }
            core.check_drained();
        });
        drained
    }

    /// The connections of this port: found in the reactor's table, so that nothing is kept for them in better times.
    fn live_connections(&self) -> Vec<Rc<Conn>> {
        let me = self.this.as_ptr().cast::<()>();
        let sources = self.reactor.sources().into_iter();
        let conns = sources.filter_map(|(_, source)| source.as_any().downcast::<Conn>().ok());
        conns.filter(|conn| conn.is_owned_by(me)).collect()
    }

    fn drain_expired(self: &Rc<Self>) {
        let left = self.live_connections();
        if !left.is_empty() {
            warn!("aborting {} connections of {} that did not close in time", left.len(), self.address());
        }
        for conn in left {
            Transport::new(conn).abort_connection();
        }
    }

    /// A connection ended, for `reason`.
    pub(super) fn count_drained(&self, reason: &CloseReason) {
        if let Some(drain) = self.drain.borrow_mut().as_mut() {
            match reason {
                CloseReason::ReactorGone => drain.report.aborted += 1,
                CloseReason::Aborted if !drain.deadline.active() => drain.report.aborted += 1,
                _ => drain.report.closed += 1,
            }
        }
    }

    /// Ends the drain if it was the last connection. Called from the loop.
    pub(super) fn check_drained(self: &Rc<Self>) {
        if self.connections.get() > 0 {
            return;
        }
        let Some(drain) = self.drain.borrow_mut().take() else { return };
        let _ = drain.deadline.cancel(); // It may have fired.
        if self.state.get() == PortState::Draining {
            self.state.set(PortState::Stopped);
        }
        let stopped = if self.state.get() == PortState::Stopped { self.stop_factory() } else { Ok(()) };
        let report = drain.report;
        for promise in drain.promises {
            promise.fire(stopped.clone().map(|()| report).map_err(|text| Failure::new(Panicked(text))));
        }
    }
}
