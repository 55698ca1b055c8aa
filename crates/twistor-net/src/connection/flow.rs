//! Back-pressure: the marks, and what the protocol and a producer are told when they are passed.

use std::cell::RefCell;
use std::rc::Rc;

use twistor_deferred::drop_contained;
use twistor_reactor::CloseReason;

use super::extras::{Extras, HIGH_WATER, LOW_WATER, ProducerEntry, ProducerState};
use super::{Conn, NOTE_FLOW, Transport};
use crate::closing::{Input, State};
use crate::error::ProducerRegistered;
use crate::{Flow, Producer, ProducerKind};

/// What the protocol's writing side was told, and is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    /// It may write.
    Flowing,
    /// Over the mark: `pause_writing` is queued.
    PausePending,
    /// It was paused.
    Paused,
    /// Down to the mark: `resume_writing` is queued.
    ResumePending,
}

impl Pressure {
    pub(super) const fn is_full(self) -> bool {
        matches!(self, Self::PausePending | Self::Paused)
    }
}

impl Conn {
    #[inline]
    pub(super) fn marks(&self) -> (usize, usize) {
        let own = self.extras.with(|extras| (extras.limits.high, extras.limits.low));
        own.unwrap_or((HIGH_WATER, LOW_WATER))
    }

    /// After a write: what to tell the writer, now and by a notification.
    #[inline]
    pub(super) fn check_marks(self: &Rc<Self>) -> Flow {
        let pending = self.pending();
        if self.pressure.get() == Pressure::Flowing && pending <= HIGH_WATER && self.plain.get() {
            return Flow::Ready;
        }
        if let Some(reason) = self.overflow(pending) {
            self.abort(reason);
            return Flow::Closed;
        }
        if pending <= self.marks().0 {
            return if self.pressure.get().is_full() { Flow::Full } else { Flow::Ready };
        }
        match self.pressure.get() {
            Pressure::Flowing => {
                self.pressure.set(Pressure::PausePending);
                self.queue_note(NOTE_FLOW);
            }
            Pressure::ResumePending => self.pressure.set(Pressure::Paused), // The two cancel out.
            Pressure::PausePending | Pressure::Paused => {}
        }
        Flow::Full
    }

    /// After a flush that found `before` bytes and left `pending`.
    pub(super) fn check_resume(self: &Rc<Self>, before: usize, pending: usize) {
        let (high, low) = self.marks();
        let retained = self.retained();
        // What filters hold back may be waiting for more to be written: it cannot be waited for down to the low mark.
        let room = pending <= low || (pending - retained <= low && retained <= high);
        if self.pressure.get().is_full() && room {
            match self.pressure.get() {
                Pressure::Paused => {
                    self.pressure.set(Pressure::ResumePending);
                    self.queue_note(NOTE_FLOW);
                }
                _ => self.pressure.set(Pressure::Flowing), // The pause was not told yet.
            }
        }
        // A flush of nothing is no reason to ask: a producer that has nothing now would be asked in a loop that never sleeps.
        if before > 0 && pending == retained && retained <= high {
            self.ask_pull_producer();
        }
    }

    /// A new protocol has the slot: it has heard nothing of the pressure so far.
    pub(super) fn repeat_pressure(self: &Rc<Self>) {
        match self.pressure.get() {
            Pressure::Paused => {
                self.pressure.set(Pressure::PausePending);
                self.queue_note(NOTE_FLOW);
            }
            Pressure::ResumePending => self.pressure.set(Pressure::Flowing),
            Pressure::Flowing | Pressure::PausePending => {}
        }
    }

    /// Ends the connection at once, from inside a call of the user's.
    pub(super) fn abort(self: &Rc<Self>, reason: CloseReason) {
        if !self.state.get().is_over() || self.state.get() == State::Finishing {
            self.replace_reason(reason);
        }
        self.apply(Input::Abort);
    }

    /// The notification: tells what is to be told by now.
    pub(super) fn tell_flow(self: &Rc<Self>) {
        if self.state.get().is_lost() {
            return;
        }
        match self.pressure.get() {
            Pressure::PausePending => {
                self.pressure.set(Pressure::Paused);
                self.call_protocol("pause_writing", |protocol, transport| protocol.pause_writing(transport));
            }
            Pressure::ResumePending => {
                self.pressure.set(Pressure::Flowing);
                self.call_protocol("resume_writing", |protocol, transport| {
                    protocol.resume_writing(transport)
                });
            }
            Pressure::Flowing | Pressure::Paused => {}
        }
        self.tell_producer();
        if self.state.get().waits_for_flush() {
            self.flush_output(); // A producer that was resumed may hold the close no longer.
        }
    }

    #[inline]
    pub(super) fn has_producer(&self) -> bool {
        self.extras.is_some_and(|extras| extras.producer.is_some())
    }

    /// Whether a close has to wait for the producer: for one that was asked for a piece or is paused, until it unregisters or is
    /// resumed. One that runs has written what it had, and is told to stop (PROD-07); so two transports that feed each other do not
    /// wait for each other.
    pub(super) fn producer_holds_close(&self) -> bool {
        self.extras.is_some_and(|extras| {
            let holds = |entry: &ProducerEntry| {
                entry.kind == ProducerKind::Pull || entry.told == ProducerState::Paused
            };
            extras.producer.as_ref().is_some_and(holds)
        })
    }

    pub(super) fn register_producer<T: Producer>(
        self: &Rc<Self>,
        producer: T,
        kind: ProducerKind,
    ) -> Result<(), ProducerRegistered<T>> {
        let state = self.state.get();
        if state.is_over() || state.waits_for_flush() && !self.has_producer() {
            self.stop_stranger(producer);
            return Ok(());
        }
        if self.has_producer() {
            return Err(ProducerRegistered(producer));
        }
        let told = match kind {
            ProducerKind::Push => ProducerState::Running,
            ProducerKind::Pull => ProducerState::Due,
        };
        let object: Rc<RefCell<Box<dyn Producer>>> = Rc::new(RefCell::new(Box::new(producer)));
        self.with_extras(|extras| extras.producer = Some(ProducerEntry { kind, object, told }));
        if kind == ProducerKind::Pull || self.pressure.get().is_full() {
            self.queue_note(NOTE_FLOW);
        }
        Ok(())
    }

    /// A producer that came too late.
    fn stop_stranger(self: &Rc<Self>, mut producer: impl Producer) {
        let transport = Transport::new(Rc::clone(self));
        let conn = Rc::clone(self);
        self.reactor.notify(move |_| {
            let _ = conn.guard("stop_producing", || producer.stop_producing(&transport));
            drop_contained(producer);
        });
    }

    pub(super) fn unregister_producer(self: &Rc<Self>) {
        let entry = self.take_extra(|extras| extras.producer.take());
        if entry.is_some() && self.state.get().waits_for_flush() {
            self.plan_flush();
        }
        drop_contained(entry);
    }

    /// The connection is lost.
    pub(super) fn stop_producer(self: &Rc<Self>) {
        let entry = self.take_extra(|extras| extras.producer.take());
        let Some(entry) = entry else { return };
        let transport = Transport::new(Rc::clone(self));
        if let Ok(mut producer) = entry.object.try_borrow_mut() {
            let _ = self.guard("stop_producing", || producer.stop_producing(&transport));
        }
        drop_contained(entry);
    }

    /// Everything was sent: a pull producer is due, with the next dispatch.
    pub(super) fn ask_pull_producer(self: &Rc<Self>) {
        let due = self.extras.with(|extras| match &mut extras.producer {
            Some(entry) if entry.kind == ProducerKind::Pull && entry.told == ProducerState::Running => {
                entry.told = ProducerState::Due;
                true
            }
            _ => false,
        });
        if due == Some(true) {
            self.come_again();
        }
    }

    /// Tells the producer what it is to do, if that is not what it was told last.
    pub(super) fn tell_producer(self: &Rc<Self>) {
        if !self.state.get().takes_writes(true) {
            return; // Nothing it could write would be sent.
        }
        let full = self.pressure.get().is_full();
        let due = |extras: &mut Extras| {
            let entry = extras.producer.as_mut()?;
            let pause = match (entry.kind, entry.told, full) {
                (ProducerKind::Push, ProducerState::Running, true) => true,
                (ProducerKind::Push, ProducerState::Paused, false)
                | (ProducerKind::Pull, ProducerState::Due, _) => false,
                _ => return None,
            };
            entry.told = if pause { ProducerState::Paused } else { ProducerState::Running };
            Some((Rc::clone(&entry.object), pause))
        };
        let Some((object, pause)) = self.extras.with(due).flatten() else { return };
        let transport = Transport::new(Rc::clone(self));
        let outcome = match object.try_borrow_mut() {
            Ok(mut producer) if pause => {
                self.guard("pause_producing", || producer.pause_producing(&transport))
            }
            Ok(mut producer) => self.guard("resume_producing", || producer.resume_producing(&transport)),
            Err(_) => Ok(()),
        };
        drop_contained(object);
        if let Err(text) = outcome {
            self.stop_producer(); // It is told that it is over, and the close does not wait for it.
            self.panicked(text);
        }
    }
}
