//! The idle time-out and the deadline of a close.

use std::rc::Rc;
use std::time::Duration;

use super::Conn;
use super::extras::{Extras, Idle};
use crate::closing::{Input, State};
use twistor_reactor::{CloseReason, DelayedCall};

impl Conn {
    /// Sets or clears the idle time-out, and gives the one before.
    pub(super) fn set_timeout(self: &Rc<Self>, limit: Option<Duration>) -> Option<Duration> {
        let before = self.take_extra(|extras| extras.idle.take());
        if let Some(idle) = &before {
            let _ = idle.call.cancel(); // Fired already, if this is its own callback.
        }
        if let Some(limit) = limit {
            if !self.state.get().is_over() {
                let call = self.call_when_idle(limit);
                let last = self.reactor.now();
                self.with_extras(|extras| extras.idle = Some(Idle { limit, last, call }));
            }
        }
        before.map(|idle| idle.limit)
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.extras.with(|extras| extras.idle.as_ref().map(|idle| idle.limit)).flatten()
    }

    /// Something came or was written. The timer finds out by itself when it fires: storing the time is all there is to do.
    #[inline]
    pub(super) fn note_activity(&self) {
        self.extras.with(|extras| {
            if let Some(idle) = extras.idle.as_mut() {
                idle.last = self.reactor.now();
            }
        });
    }

    /// The peer took something.
    #[inline]
    pub(super) fn note_progress(&self) {
        if !self.plain.get() {
            self.note_progress_in_clocks();
        }
    }

    #[inline(never)]
    fn note_progress_in_clocks(&self) {
        self.extras.with(|extras| {
            for idle in extras.idle.iter_mut().chain(extras.close.iter_mut()) {
                idle.last = self.reactor.now();
            }
        });
    }

    fn call_when_idle(self: &Rc<Self>, delay: Duration) -> DelayedCall {
        /// A time-out of nothing at all must not keep the loop from sleeping.
        const LEAST: Duration = Duration::from_millis(1);
        let conn = Rc::downgrade(self);
        self.reactor.call_later(delay.max(LEAST), move || {
            if let Some(conn) = conn.upgrade() {
                conn.in_span(|| conn.idle_timer_fired());
            }
        })
    }

    fn idle_timer_fired(self: &Rc<Self>) {
        self.make();
        if self.state.get() == State::Closing || self.state.get().is_over() {
            return; // The deadline of the close is what counts now.
        }
        let now = self.reactor.now();
        let idle = |extras: &mut Extras| extras.idle.as_ref().map(|idle| (idle.limit, idle.last));
        let Some((limit, last)) = self.extras.with(idle).flatten() else { return };
        let idle_for = now.saturating_duration_since(last);
        let expired = idle_for >= limit;
        // A protocol that stays hears of it again after the same time.
        let call = self.call_when_idle(if expired { limit } else { limit - idle_for });
        self.with_extras(|extras| {
            if let Some(idle) = extras.idle.as_mut() {
                idle.call = call;
                if expired {
                    idle.last = now;
                }
            }
        });
        if expired && !self.state.get().is_over() {
            self.call_protocol("timeout_connection", |p, transport| p.timeout_connection(transport));
        }
    }

    /// A close that has to wait gets its deadline, once.
    pub(super) fn limit_close(self: &Rc<Self>) {
        if !matches!(self.state.get(), State::Closing | State::HalfClosing) {
            return;
        }
        let close = |extras: &mut Extras| (extras.close.is_some(), extras.limits.close_timeout);
        let (running, own) = self.extras.with(close).unwrap_or((false, None));
        let Some(limit) = own.unwrap_or_else(|| self.context.limits.borrow().close_timeout) else { return };
        if running {
            return;
        }
        let last = self.reactor.now();
        let call = self.call_when_close_expires(limit, limit);
        self.with_extras(|extras| extras.close = Some(Idle { limit, last, call }));
    }

    fn call_when_close_expires(self: &Rc<Self>, delay: Duration, limit: Duration) -> DelayedCall {
        let conn = Rc::downgrade(self);
        self.reactor.call_later(delay, move || {
            if let Some(conn) = conn.upgrade() {
                conn.in_span(|| conn.close_timer_fired(limit));
            }
        })
    }

    /// The deadline counts from the last byte that the peer took.
    fn close_timer_fired(self: &Rc<Self>, limit: Duration) {
        let last = self.extras.with(|extras| extras.close.as_ref().map(|close| close.last)).flatten();
        let Some(last) = last else { return };
        let idle_for = self.reactor.now().saturating_duration_since(last);
        if idle_for < limit {
            let call = self.call_when_close_expires(limit - idle_for, limit);
            self.with_extras(|extras| {
                if let Some(close) = extras.close.as_mut() {
                    close.call = call;
                }
            });
            return;
        }
        if self.state.get().waits_for_flush() {
            self.note_reason(CloseReason::CloseTimedOut(limit));
        }
        self.apply(Input::Deadline);
    }

    pub(super) fn stop_clocks(&self) {
        let timers = self.extras.with(|extras| [extras.close.take(), extras.idle.take()]);
        for idle in timers.into_iter().flatten().flatten() {
            let _ = idle.call.cancel();
        }
    }
}
