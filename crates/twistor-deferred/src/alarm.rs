//! [`Alarm`]: a call that a clock is to make to an object of this crate's.
//!
//! What repeats on a clock (a loop, a cooperator) is kept alive by the clock's pending call and not by
//! handles. So it must not keep the clock alive in turn, and it has a [`WeakClock`]; it must be let go at
//! once when it has nothing to do, whether or not the clock can take a call back; and it has to hear when the
//! clock drops the call, since nobody else would ever tell those who wait for it.
//!
//! The pending call and the [`Alarm`] share a slot with the object to wake. Whoever empties it first decides
//! what comes of the call: the clock (it is made, or it was dropped) or the alarm (it is not wanted any
//! more).

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::{Clock, DelayedCall, Moment};

/// What an [`Alarm`] wakes. One of the two is called, once, unless the alarm is dropped first.
pub(crate) trait Wake {
    /// The time has come.
    fn wake(self: Rc<Self>);
    /// The clock has dropped the call and will never make it: it is gone, or was cleared.
    fn forsake(self: Rc<Self>);
}

type Slot = Rc<Cell<Option<Rc<dyn Wake>>>>;

/// A call that is to come. Dropped, it does not come, and the clock holds nothing of its target any more.
pub(crate) struct Alarm {
    slot: Slot,
    /// The call itself, if the clock can take it back.
    call: Option<DelayedCall>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let target = self.slot.take();
        if let Some(call) = &self.call {
            // It was made, or dropped, if this does nothing.
            let _ = call.cancel();
        }
        drop(target);
    }
}

/// The clock's side of an alarm.
struct Ticket(Slot);

impl Ticket {
    fn redeem(&self) {
        if let Some(target) = self.0.take() {
            target.wake();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(target) = self.0.take() {
            target.forsake();
        }
    }
}

/// A clock of whatever type that is not kept alive. Everything is `None` once it is gone.
pub(crate) struct WeakClock(Box<dyn AnyClock>);

impl WeakClock {
    pub(crate) fn new<C: Clock>(clock: &C) -> Self {
        Self(Box::new(clock.downgrade()))
    }

    /// The time at this very instant.
    pub(crate) fn read(&self) -> Option<Moment> {
        self.0.read()
    }

    /// Has `target` woken with [`Clock::call_soon`].
    pub(crate) fn wake_soon(&self, target: Rc<dyn Wake>) -> Option<Alarm> {
        alarm(target, |ticket| self.0.soon(ticket))
    }

    /// Has `target` woken at `moment`, or in the next turn if that is past; never, if it is `None`.
    pub(crate) fn wake_at(&self, moment: Option<Moment>, target: Rc<dyn Wake>) -> Option<Alarm> {
        alarm(target, |ticket| self.0.at(moment, ticket))
    }

    /// Has `target` woken in the next turn.
    pub(crate) fn wake_next_turn(&self, target: Rc<dyn Wake>) -> Option<Alarm> {
        self.wake_at(Some(Moment::ZERO), target)
    }
}

fn alarm(target: Rc<dyn Wake>, make: impl FnOnce(Ticket) -> Option<DelayedCall>) -> Option<Alarm> {
    // The slot is filled afterwards: a clock that refuses the call drops the ticket at once, and then nobody
    // is to be called.
    let slot = Slot::default();
    let call = make(Ticket(Rc::clone(&slot)));
    if Rc::strong_count(&slot) == 1 {
        return None;
    }
    slot.set(Some(target));
    Some(Alarm { slot, call })
}

/// [`Clock`], with its types forgotten.
trait AnyClock {
    fn read(&self) -> Option<Moment>;
    fn soon(&self, ticket: Ticket) -> Option<DelayedCall>;
    fn at(&self, moment: Option<Moment>, ticket: Ticket) -> Option<DelayedCall>;
}

impl<C: Clock> AnyClock for Box<dyn Fn() -> Option<C>> {
    fn read(&self) -> Option<Moment> {
        Some(self()?.read())
    }

    fn soon(&self, ticket: Ticket) -> Option<DelayedCall> {
        self()?.call_soon(move || ticket.redeem());
        None
    }

    fn at(&self, moment: Option<Moment>, ticket: Ticket) -> Option<DelayedCall> {
        let clock = self()?;
        let delay = moment.map_or(Duration::MAX, |at| at.saturating_duration_since(clock.now()));
        Some(clock.call_later(delay, move || ticket.redeem()))
    }
}
