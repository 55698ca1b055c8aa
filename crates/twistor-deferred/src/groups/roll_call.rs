//! [`RollCall`]: who of a group has arrived, and how the group ends.
//!
//! | phase     | `keep`                | `decide`                              | cancelled                         |
//! |-----------|-----------------------|---------------------------------------|-----------------------------------|
//! | `Open`    | the last one: fire    | `Decided`, release the others, fire   | `Over`, cancel the inputs         |
//! | `Decided` | dropped               | dropped                               | fire                              |
//! | `Over`    | dropped               | dropped                               | nothing                           |
//!
//! Firing enters `Over` first. The phase is taken out of its cell, changed and put back before any of the
//! user's code runs: a promise's callbacks, a canceller, a destructor.
//!
//! An input that waits owns its callback, which owns the roll call, which has the input's canceller and so
//! its chain: a circle, that is broken when the input fires or the group ends. One or the other happens at
//! the latest when the input's promise is dropped. The way from the group's Deferred to the roll call is
//! weak, so that it adds no circle of its own.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use super::FailureGroup;
use super::slots::{Others, Slot, Slots};
use crate::contain::drop_contained;
use crate::{Deferred, Failure, Promise, deferred};

/// The state of a group with `S` for slots, that is to end with an `R`.
pub(super) struct RollCall<S, R> {
    phase: Cell<Phase<S, R>>,
}

#[derive(Default)]
enum Phase<S, R> {
    /// Nothing is decided, and `absent` inputs, at least one, have not arrived.
    Open { slots: S, absent: usize, promise: Promise<R> },
    /// The result is certain, and the other inputs are being cancelled or let go.
    Decided { promise: Promise<R>, result: Result<R, Failure> },
    /// The group has ended, or is being looked at.
    #[default]
    Over,
}

impl<S: Slots + 'static, R: 'static> RollCall<S, R> {
    /// The state of a group with at least one input, and its Deferred. Each input is to be given to `hear`.
    #[track_caller]
    pub(super) fn new(slots: S) -> (Rc<Self>, Deferred<R>) {
        let (promise, group) = deferred();
        let roll = Rc::new_cyclic(|roll: &Weak<Self>| {
            let roll = Weak::clone(roll);
            promise.on_cancel(move || {
                if let Some(roll) = roll.upgrade() {
                    roll.cancel();
                }
            });
            Self { phase: Cell::new(Phase::Open { absent: slots.count(), slots, promise }) }
        });
        (roll, group)
    }

    /// Has `arrive` called with the result of `input`: now, if it has fired.
    pub(super) fn hear<T: 'static>(
        self: &Rc<Self>,
        input: Deferred<T>,
        arrive: impl FnOnce(&Self, Result<T, Failure>) + 'static,
    ) {
        match input.try_take() {
            Ok(result) => arrive(self, result),
            Err(input) => {
                let roll = Rc::clone(self);
                drop(input.add_both(move |result| arrive(&roll, result)));
            }
        }
    }

    /// An input has arrived, and `kept` is kept of it in its `place`. If it was the last, the group fires
    /// with what `finish` makes of all.
    pub(super) fn keep<X>(
        &self,
        kept: X,
        place: impl FnOnce(&mut S) -> &mut Slot<X>,
        finish: impl FnOnce(S::All) -> Result<R, Failure>,
    ) {
        match self.phase.take() {
            Phase::Open { mut slots, absent: 1, promise } => {
                *place(&mut slots) = Slot::Kept(kept);
                promise.fire(finish(slots.into_all()));
            }
            Phase::Open { mut slots, absent, promise } => {
                let canceller = std::mem::replace(place(&mut slots), Slot::Kept(kept));
                self.phase.set(Phase::Open { slots, absent: absent - 1, promise });
                drop(canceller);
            }
            ended => {
                self.phase.set(ended);
                drop_contained(kept);
            }
        }
    }

    /// An input has arrived, and because of it the group ends with `result`, once the other inputs are
    /// cancelled or let go.
    pub(super) fn decide(&self, result: Result<R, Failure>, others: Others) {
        match self.phase.take() {
            Phase::Open { slots, promise, .. } => {
                self.phase.set(Phase::Decided { promise, result });
                // Among them is the one that has arrived: its chain is through, and a cancel does nothing to
                // it.
                slots.release(others);
                self.fire_decided();
            }
            ended => {
                self.phase.set(ended);
                drop_contained(result);
            }
        }
    }

    /// The group's Deferred is cancelled. If its promise is unfired when this returns, it fails with
    /// `Cancelled`.
    fn cancel(&self) {
        match self.phase.take() {
            Phase::Open { slots, promise, .. } => {
                slots.release(Others::AreCancelled);
                drop(promise);
            }
            decided => {
                self.phase.set(decided);
                self.fire_decided();
            }
        }
    }

    /// Fires with the result that is certain, unless that was done: by a cancel from within the release of
    /// the others.
    fn fire_decided(&self) {
        if let Phase::Decided { promise, result } = self.phase.take() {
            promise.fire(result);
        }
    }
}

/// A roll call for a first value: what is kept are failures.
impl<R: 'static> RollCall<Vec<Slot<Failure>>, R> {
    /// Input `index` has arrived: a value ends the group, and so does the last failure.
    pub(super) fn candidate(&self, index: usize, result: Result<R, Failure>, others: Others) {
        match result {
            Ok(winner) => self.decide(Ok(winner), others),
            Err(failure) => self.keep(
                failure,
                |slots| &mut slots[index],
                |failures| Err(Failure::new(FailureGroup::new(failures))),
            ),
        }
    }
}
