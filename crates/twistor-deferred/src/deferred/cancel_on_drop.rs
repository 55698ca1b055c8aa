//! [`CancelOnDrop`]: a Deferred that behaves, when dropped, as futures do.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Deferred;
use crate::Failure;
use crate::chain::cancel_dropped;

/// A future with the result of a [`Deferred`], which cancels it when dropped. Made by [`Deferred::cancel_on_drop`].
///
/// Polled after it has given its result it panics, as a Deferred does.
#[must_use = "dropping it cancels the Deferred"]
pub struct CancelOnDrop<T> {
    deferred: Deferred<T>,
}

impl<T> Deferred<T> {
    /// A future with the same result, which cancels what the chain waits for if it is dropped before that result came.
    ///
    /// A Deferred that is dropped lets the work go on; users of futures expect a loser of a `select!` to stop. Dropping the
    /// future does what [`Deferred::cancel`] does, and no more:
    ///
    /// - if the result is here, or was given out, nothing is cancelled; a failure that nobody looked at is logged;
    /// - if the chain is being run at the moment, because one of its own callbacks drops the future, nothing is cancelled
    ///   and the chain goes on;
    /// - otherwise the canceller is called and the chain's callbacks hear [`Cancelled`](crate::Cancelled), or what the
    ///   canceller fired, before the drop returns. What is left at the end of the chain is dropped, a failure is logged
    ///   unless it is `Cancelled`. The task that polled the future is not woken.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::deferred;
    ///
    /// let (promise, answer) = deferred::<u8>();
    /// let future = answer.cancel_on_drop();
    /// assert!(!promise.is_cancelled());
    /// drop(future);
    /// assert!(promise.is_cancelled());
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop { deferred: self }
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.deferred).poll(cx)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        // Detached first, so that the cancel wakes nobody.
        self.deferred.tail.slot().detach(self.deferred.chain());
        cancel_dropped(self.deferred.chain());
    }
}

impl<T> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&self.deferred).finish()
    }
}
