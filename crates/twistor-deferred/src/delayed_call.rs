//! [`DelayedCall`]: the handle of one scheduled call.

use std::cell::Cell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use thiserror::Error;

use crate::Moment;
use crate::contain::drop_contained;
use crate::timers::Shared;

/// The handle of a scheduled call: to cancel it, to move it, or to ask when it is due.
///
/// Clones are handles of the same call. **Dropping a handle does not cancel the call.** From the moment a call is
/// about to run it counts as called, inside its own function too.
///
/// A call that is moved takes its place among those due at the same time as if it had been made just then; moved
/// during a pass of the timers, it is out of that pass.
#[derive(Clone)]
pub struct DelayedCall {
    pub(crate) call: Rc<Call<dyn Code>>,
    pub(crate) timers: Weak<Shared>,
}

/// Why a call could not be cancelled or moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimerError {
    /// It has run, or is running.
    #[error("the delayed call was called already")]
    AlreadyCalled,
    /// It was cancelled earlier.
    #[error("the delayed call was cancelled already")]
    AlreadyCancelled,
    /// The timers were cleared, closed or dropped, and the call with them; or it was made after that.
    #[error("the delayed call is gone with its timers")]
    Cleared,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Pending,
    Called,
    Cancelled,
    Cleared,
}

/// Where a call stands: when it is due, and its number among those due then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// `None` is too far away to represent.
    pub(crate) at: Option<Moment>,
    /// Grows with each call made or moved.
    pub(crate) order: u64,
}

/// One call, shared by its handles and the timers: a single allocation, function included.
pub(crate) struct Call<F: ?Sized> {
    pub(crate) status: Cell<Status>,
    pub(crate) due: Cell<Due>,
    /// The key of this call's one valid entry in the heap, which may be earlier than `due`.
    pub(crate) queued: Cell<Option<(Moment, u64)>>,
    /// Its place in the slab; valid while pending.
    pub(crate) index: Cell<usize>,
    pub(crate) code: F,
}

/// A function that is there until it is called or dropped.
pub(crate) trait Code {
    fn call(&self);
    /// Drops it uncalled, a panic contained.
    fn discard(&self);
}

impl<F: FnOnce()> Code for Cell<Option<F>> {
    fn call(&self) {
        if let Some(f) = self.take() {
            f();
        }
    }

    fn discard(&self) {
        drop_contained(self.take());
    }
}

impl<F: ?Sized> Call<F> {
    fn check(&self) -> Result<(), TimerError> {
        match self.status.get() {
            Status::Pending => Ok(()),
            Status::Called => Err(TimerError::AlreadyCalled),
            Status::Cancelled => Err(TimerError::AlreadyCancelled),
            Status::Cleared => Err(TimerError::Cleared),
        }
    }
}

impl DelayedCall {
    /// Cancels the call. Its function is dropped before this returns; a panic in its destructor is contained.
    ///
    /// # Errors
    ///
    /// If the call is not pending any more, the [`TimerError`] says why.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use twistor_deferred::{TimerError, Timers};
    ///
    /// let timers = Timers::new();
    /// let call = timers.schedule_after(Duration::from_secs(1), || unreachable!());
    /// assert_eq!(call.cancel(), Ok(()));
    /// assert_eq!(call.cancel(), Err(TimerError::AlreadyCancelled));
    /// assert!(timers.is_empty());
    /// ```
    pub fn cancel(&self) -> Result<(), TimerError> {
        self.pending()?.cancel(&self.call);
        self.call.code.discard();
        Ok(())
    }

    /// Makes the call due `delay` from now, whenever it was due before.
    ///
    /// # Errors
    ///
    /// If the call is not pending any more, the [`TimerError`] says why.
    pub fn reset(&self, delay: Duration) -> Result<(), TimerError> {
        let timers = self.pending()?;
        timers.move_to(&self.call, timers.now().checked_add(delay));
        Ok(())
    }

    /// Makes the call due `by` later than it is.
    ///
    /// # Errors
    ///
    /// If the call is not pending any more, the [`TimerError`] says why.
    pub fn delay(&self, by: Duration) -> Result<(), TimerError> {
        let timers = self.pending()?;
        timers.move_to(&self.call, self.time().and_then(|at| at.checked_add(by)));
        Ok(())
    }

    /// Makes the call due `by` earlier than it is, but not earlier than now. A call that is too far away to represent
    /// stays there; [`DelayedCall::reset`] brings it back.
    ///
    /// # Errors
    ///
    /// If the call is not pending any more, the [`TimerError`] says why.
    pub fn bring_forward(&self, by: Duration) -> Result<(), TimerError> {
        let timers = self.pending()?;
        timers.move_to(&self.call, self.time().map(|at| at.checked_sub(by).unwrap_or(Moment::ZERO)));
        Ok(())
    }

    /// Whether the call is still to come.
    #[must_use]
    pub fn active(&self) -> bool {
        self.pending().is_ok()
    }

    /// When the call is due, or was; `None` if that is too far away to represent, so that it never comes.
    #[must_use]
    pub fn time(&self) -> Option<Moment> {
        self.call.due.get().at
    }

    /// The timers, if the call is pending.
    fn pending(&self) -> Result<Rc<Shared>, TimerError> {
        self.call.check()?;
        self.timers.upgrade().ok_or(TimerError::Cleared)
    }
}

impl fmt::Debug for DelayedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayedCall")
            .field("time", &self.time())
            .field("status", &self.call.status.get())
            .finish()
    }
}
