//! System events: what is called before, during and after startup, shutdown, and events of the application's own.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::{Rc, Weak};

use twistor_deferred::Deferred;

use crate::ReactorHandle;
use crate::error::TriggerError;
use crate::inner::{Notice, Stage};
use crate::sources::SourceHost;

/// The event that a starting reactor fires.
pub const STARTUP: &str = "startup";
/// The event that a stopping reactor fires.
pub const SHUTDOWN: &str = "shutdown";

/// When a trigger is called, relative to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before it. What a trigger of this phase returns as a Deferred is waited for, the loop running as ever meanwhile.
    Before,
    /// While it happens.
    During,
    /// After it.
    After,
}

/// What a trigger may return: nothing, or a [`Deferred`] that is waited for (in [`Phase::Before`] alone).
pub trait IntoWait {
    /// What to wait for, if anything.
    fn into_wait(self) -> Option<Deferred<()>>;
}

impl IntoWait for () {
    fn into_wait(self) -> Option<Deferred<()>> {
        None
    }
}

impl<T: 'static> IntoWait for Deferred<T> {
    fn into_wait(self) -> Option<Deferred<()>> {
        Some(self.map(drop))
    }
}

impl<T: 'static> IntoWait for Option<Deferred<T>> {
    fn into_wait(self) -> Option<Deferred<()>> {
        self.map(|wait| wait.map(drop))
    }
}

type TriggerFn = Box<dyn FnOnce(&ReactorHandle) -> Option<Deferred<()>>>;

/// A registered trigger. Dropping the handle leaves the trigger in place.
pub struct Trigger {
    slot: Rc<Slot>,
}

impl Trigger {
    /// Takes the trigger back, before it is fired. What it owns is dropped.
    ///
    /// # Errors
    ///
    /// If it was fired (or is being fired), or removed before.
    pub fn remove(&self) -> Result<(), TriggerError> {
        let state = self.slot.state.replace(SlotState::Removed);
        match state {
            SlotState::Waiting(f) => {
                twistor_deferred::drop_contained(f);
                Ok(())
            }
            SlotState::Fired => {
                self.slot.state.replace(SlotState::Fired);
                Err(TriggerError::AlreadyFired)
            }
            SlotState::Removed => Err(TriggerError::AlreadyRemoved),
        }
    }
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.slot.state.borrow() {
            SlotState::Waiting(_) => "waiting",
            SlotState::Fired => "fired",
            SlotState::Removed => "removed",
        };
        write!(f, "Trigger({state})")
    }
}

struct Slot {
    state: RefCell<SlotState>,
}

/// A trigger that is queued as a notification. It is taken back when the queue is dropped.
struct Queued(Rc<Slot>);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.discard();
    }
}

enum SlotState {
    Waiting(TriggerFn),
    Fired,
    Removed,
}

impl Slot {
    fn new(f: TriggerFn) -> Rc<Self> {
        Rc::new(Self { state: RefCell::new(SlotState::Waiting(f)) })
    }

    fn is_waiting(&self) -> bool {
        matches!(*self.state.borrow(), SlotState::Waiting(_))
    }

    /// Drops what will never be called, although a [`Trigger`] may be left.
    fn discard(&self) {
        if self.is_waiting() {
            let state = self.state.replace(SlotState::Removed);
            twistor_deferred::drop_contained(state);
        }
    }

    /// Calls the trigger, unless it was removed. Panics are logged.
    fn fire(&self, reactor: &ReactorHandle, event: &str) -> Option<Deferred<()>> {
        let previous = {
            let mut state = self.state.borrow_mut();
            if !matches!(*state, SlotState::Waiting(_)) {
                return None;
            }
            std::mem::replace(&mut *state, SlotState::Fired)
        };
        let SlotState::Waiting(f) = previous else { return None };
        reactor.guard(format_args!("a trigger of the event {event:?}"), || f(reactor)).ok().flatten()
    }
}

type Phases = BTreeMap<Phase, VecDeque<Rc<Slot>>>;

#[derive(Default)]
pub(crate) struct Triggers {
    events: RefCell<BTreeMap<String, Phases>>,
    /// Deferreds of the before-triggers of startup, later of shutdown, that have not fired. A new cell each time, since those of a run
    /// that crashed may still fire.
    waits: RefCell<Rc<Cell<usize>>>,
}

impl Triggers {
    fn add(&self, phase: Phase, event: &str, f: TriggerFn) -> Trigger {
        let slot = Slot::new(f);
        let mut events = self.events.borrow_mut();
        let slots = events.entry(event.to_owned()).or_default().entry(phase).or_default();
        if slots.len() == slots.capacity() {
            // Before it grows: those that were removed go. Room for as many again makes this cheap.
            slots.retain(|slot| slot.is_waiting());
            slots.reserve(slots.len());
        }
        slots.push_back(Rc::clone(&slot));
        Trigger { slot }
    }

    fn next(&self, phase: Phase, event: &str) -> Option<Rc<Slot>> {
        self.events.borrow_mut().get_mut(event)?.get_mut(&phase)?.pop_front()
    }

    /// Calls every trigger of a phase, those added meanwhile included, and gives the Deferreds that those of [`Phase::Before`] returned.
    pub(crate) fn fire_phase(&self, reactor: &ReactorHandle, phase: Phase, event: &str) -> Vec<Deferred<()>> {
        let mut waits = Vec::new();
        let crashed = || matches!(reactor.inner.stage.get(), Stage::Crashing | Stage::Ending);
        while !crashed() {
            let Some(slot) = self.next(phase, event) else { break };
            let wait = slot.fire(reactor, event);
            match phase {
                Phase::Before => waits.extend(wait),
                Phase::During | Phase::After => drop(wait),
            }
        }
        waits
    }

    /// How many Deferreds startup or shutdown waits for.
    pub(crate) fn waits(&self) -> usize {
        self.waits.borrow().get()
    }

    /// Waits for the Deferreds of before-triggers: the loop asks [`waits`](Self::waits) every turn.
    pub(crate) fn wait_for(&self, waits: Vec<Deferred<()>>, event: &'static str) {
        let count = Rc::new(Cell::new(waits.len()));
        self.waits.replace(Rc::clone(&count));
        for wait in waits {
            let count = Rc::clone(&count);
            wait.add_both(move |result| {
                count.set(count.get() - 1);
                if let Err(failure) = result {
                    tracing::error!("a Deferred that {event} waited for failed: {failure:#}");
                }
            });
        }
    }

    /// Drops every trigger uncalled.
    pub(crate) fn clear(&self) {
        let events = std::mem::take(&mut *self.events.borrow_mut());
        for slot in events.into_values().flat_map(BTreeMap::into_values).flatten() {
            slot.discard();
        }
    }
}

impl ReactorHandle {
    /// Calls `f` once when `event` is fired, in `phase` of it, after the triggers that were added before.
    ///
    /// Events are named by text: [`STARTUP`] and [`SHUTDOWN`] are the reactor's own, any other name is the application's, fired with
    /// [`fire_system_event`](Self::fire_system_event). A trigger is forgotten when it was called. One that is added to the current or
    /// a later phase of an event that is being fired is still called. A panic of `f` is logged, and the others are called.
    ///
    /// In [`Phase::Before`], a [`Deferred`] that `f` returns is waited for, success or failure; before shutdown at most
    /// [`shutdown_timeout`](crate::Limits::shutdown_timeout). The loop runs as ever meanwhile.
    pub fn add_system_event_trigger<R: IntoWait>(
        &self,
        phase: Phase,
        event: &str,
        f: impl FnOnce(&Self) -> R + 'static,
    ) -> Trigger {
        if self.inner.is_gone() {
            twistor_deferred::drop_contained(f);
            return Trigger { slot: Rc::new(Slot { state: RefCell::new(SlotState::Removed) }) };
        }
        self.inner.triggers.add(phase, event, Box::new(move |reactor| f(reactor).into_wait()))
    }

    /// Calls `f` once as soon as the reactor runs: after startup, or, if it runs already, after the present call has returned.
    ///
    /// The handle takes it back, until it was called.
    pub fn call_when_running(&self, f: impl FnOnce(&Self) + 'static) -> Trigger {
        if !self.inner.stage.get().is_running() {
            return self.add_system_event_trigger(Phase::After, STARTUP, f);
        }
        let slot = Slot::new(Box::new(move |reactor: &Self| {
            f(reactor);
            None
        }));
        let queued = Queued(Rc::clone(&slot));
        self.notify(move |reactor| {
            queued.0.fire(reactor, STARTUP);
        });
        Trigger { slot }
    }

    /// Fires an event of the application's own: its triggers are called after the present call has returned, before-triggers first,
    /// the others when every Deferred of those has fired. An event without triggers does nothing.
    pub fn fire_system_event(&self, event: &str) {
        let event = event.to_owned();
        self.notify(move |reactor| reactor.begin_event(&event));
    }

    fn begin_event(&self, event: &str) {
        let waits = self.inner.triggers.fire_phase(self, Phase::Before, event);
        let countdown = Rc::new(Countdown { reactor: self.downgrade(), event: event.to_owned() });
        for wait in waits {
            let countdown = Rc::clone(&countdown);
            wait.add_both(move |result| {
                if let Err(failure) = result {
                    tracing::error!("a Deferred that an event waited for failed: {failure:#}");
                }
                drop(countdown);
            });
        }
    }

    pub(crate) fn finish_event(&self, event: &str) {
        for phase in [Phase::During, Phase::After] {
            self.inner.triggers.fire_phase(self, phase, event);
        }
    }
}

/// Goes on with an event when its last holder lets go: queued, since that may be inside a call of the user's.
struct Countdown {
    reactor: Weak<crate::inner::Inner>,
    event: String,
}

impl Drop for Countdown {
    fn drop(&mut self) {
        if let Some(inner) = self.reactor.upgrade() {
            let event = std::mem::take(&mut self.event);
            inner.queue(Notice::Call(Box::new(move |reactor| reactor.finish_event(&event))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sig_08_removed_triggers_leave_their_queue() {
        let triggers = Triggers::default();
        let kept = triggers.add(Phase::Before, SHUTDOWN, Box::new(|_| None));
        for _ in 0..1_000 {
            triggers.add(Phase::Before, SHUTDOWN, Box::new(|_| None)).remove().unwrap();
        }
        assert!(triggers.events.borrow()[SHUTDOWN][&Phase::Before].len() < 10);
        kept.remove().unwrap();
    }
}
