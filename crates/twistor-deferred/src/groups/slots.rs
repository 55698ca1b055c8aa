//! [`Slot`]: the place of one input, and [`Slots`]: those of a whole group.

use crate::contain::drop_contained;
use crate::{Canceller, Deferred};

/// What a group has of one input.
pub(super) enum Slot<X> {
    /// It has not arrived.
    Waiting(Canceller),
    /// It has arrived, and this is to be kept of it.
    Kept(X),
}

/// What becomes of the inputs that wait when a group ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    KeepRunning,
    AreCancelled,
}

/// The slots of a group: a `Vec`, or a tuple with a type for each input.
pub(super) trait Slots {
    /// What is kept, with nothing around it.
    type All;

    /// How many there are.
    fn count(&self) -> usize;

    /// Unwraps what was kept of every input; all have arrived.
    fn into_all(self) -> Self::All;

    /// Drops what was kept and lets go of the inputs, one by one, in order. **This runs the user's code.**
    fn release(self, others: Others);
}

impl<X> Slot<X> {
    pub(super) fn of<T>(input: &Deferred<T>) -> Self {
        Self::Waiting(input.canceller())
    }

    /// What was kept of an input that has arrived.
    pub(super) fn into_kept(self) -> X {
        match self {
            Self::Kept(kept) => kept,
            // A group is complete when as many inputs were kept as it has, and each of them is heard once.
            Self::Waiting(_) => unreachable!("a complete group has something of every input"),
        }
    }

    /// Drops what was kept, or lets go of the input. **This runs the user's code.**
    pub(super) fn release(self, others: Others) {
        match self {
            Self::Waiting(canceller) => {
                if others == Others::AreCancelled {
                    canceller.cancel();
                }
            }
            Self::Kept(kept) => drop_contained(kept),
        }
    }
}

impl<X> Slots for Vec<Slot<X>> {
    type All = Vec<X>;

    fn count(&self) -> usize {
        self.len()
    }

    fn into_all(self) -> Vec<X> {
        self.into_iter().map(Slot::into_kept).collect()
    }

    fn release(self, others: Others) {
        for slot in self {
            slot.release(others);
        }
    }
}
