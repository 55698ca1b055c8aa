//! [`Canceller`]: a handle to cancel a chain that has gone elsewhere.

use std::fmt;
use std::rc::Rc;

use crate::chain::{Chain, Phase, cancel, cancel_in_turn, where_it_waits};

/// Cancels whatever a chain waits for at the time, wherever its [`Deferred`](crate::Deferred) has gone.
///
/// The Deferred may have been consumed by adding to it, returned from a callback, or dropped. Once the chain is
/// through, cancelling does nothing; that holds for an inner chain even if the one that waited for it goes on. Keeping
/// or dropping a canceller changes nothing about the chain. A canceller of an inner chain whose last callback returns the next round, and that
/// one's the next, keeps every round it went through in memory: take it from the outer Deferred of such a loop.
///
/// # Examples
///
/// ```
/// use twistor_deferred::deferred;
///
/// let (promise, answer) = deferred::<u8>();
/// let canceller = answer.canceller();
/// let answer = answer.map(|n| n + 1).add_errback(|failure| if failure.is_cancelled() { Ok(0) } else { Err(failure) });
/// canceller.cancel();
/// assert_eq!(answer.try_take().unwrap().unwrap(), 0);
/// # drop(promise);
/// ```
#[derive(Clone)]
pub struct Canceller {
    chain: Rc<dyn Chain>,
}

impl Canceller {
    pub(crate) const fn new(chain: Rc<dyn Chain>) -> Self {
        Self { chain }
    }

    /// Cancels what the chain waits for, as [`Deferred::cancel`](crate::Deferred::cancel) does. May be called as often
    /// as you like, from anywhere.
    pub fn cancel(&self) {
        cancel(&self.chain);
    }

    /// As [`cancel`](Self::cancel), after the cancel that is being passed on.
    #[doc(hidden)]
    pub fn cancel_in_turn(&self) {
        cancel_in_turn(&self.chain);
    }

    /// Whether the chain waits for something that a cancel would reach.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        where_it_waits(&self.chain).0.links().phase() == Phase::Pending
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canceller({})", if self.is_waiting() { "waiting" } else { "idle" })
    }
}
