//! [`LoopingCall`]: the same function again and again.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use thiserror::Error;

use crate::alarm::WeakClock;
use crate::{Clock, Deferred, IntoOutcome};
use engine::Engine;
use grid::Grid;

mod engine;
mod grid;

/// Calls a function again and again, an interval apart, until it is stopped or the function fails.
///
/// **The grid.** Calls are due at `start + n * interval` and nowhere else, however long each of them takes: a
/// loop does not drift. Ticks that pass while the program is busy, or while a call is not through, are
/// skipped and never made up for; a function that has to know how many there were is given to
/// [`with_count`](Self::with_count). An interval of zero is one call a turn. One that is too long to
/// represent never passes.
///
/// **The function** may return whatever a callback may: `()`, a `Result`, or a Deferred, which is waited for
/// before the next call. What it says on success is dropped. A failure or a panic ends the loop. It is never
/// called from inside a method of the loop, and may call any of them.
///
/// **The Deferred** that starting gives fires when the loop is over: with `()` when it was stopped, with the failure
/// when the function failed, with [`Abandoned`](crate::Abandoned) when the clock is gone. Cancelling it stops
/// the loop, cancels the Deferred of a call that is not through, and fails it with [`Cancelled`](crate::Cancelled).
///
/// Clones are handles of the same loop. **Dropping them, or the Deferred, does not stop it**: the clock keeps
/// a running loop. A loop that is stopped is kept by its handles alone, its function included; a function
/// that owns a handle of its own loop therefore keeps itself, so let it take the handle out of where it is
/// when it stops for good.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use twistor_deferred::{LoopingCall, ManualClock};
///
/// let clock = ManualClock::new();
/// let beats = Rc::new(Cell::new(0));
/// let heart = Rc::clone(&beats);
/// let beating = LoopingCall::new(&clock, move || heart.set(heart.get() + 1));
///
/// let over = beating.start(Duration::from_secs(1))?;
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(beats.get(), 4, "at once, and after 1, 2 and 3 seconds");
///
/// beating.stop()?;
/// assert!(over.try_take().unwrap().is_ok());
/// # Ok::<(), twistor_deferred::LoopingCallError>(())
/// ```
#[derive(Clone)]
pub struct LoopingCall {
    engine: Rc<Engine>,
}

/// Why a loop did not do as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoopingCallError {
    /// It cannot be started: it is running.
    #[error("the looping call is running already")]
    Running,
    /// It cannot be started yet: it was stopped, and its last call is not through. Its Deferred fires when it is.
    #[error("the looping call was stopped and its last call is not through")]
    Stopping,
    /// It cannot be stopped or reset: it is not running.
    #[error("the looping call is not running")]
    NotRunning,
}

impl LoopingCall {
    /// A loop that will call `f` on `clock`. It does nothing until it is started.
    #[must_use]
    pub fn new<R: IntoOutcome>(clock: &impl Clock, mut f: impl FnMut() -> R + 'static) -> Self {
        Self::with_count(clock, move |_| f())
    }

    /// A loop that tells `f` how many ticks of the grid have passed since the last call: 1 in general, more
    /// after ticks were skipped, never 0.
    ///
    /// The first call of [`start`](Self::start) counts the start as a tick; that of
    /// [`start_later`](Self::start_later) counts those since the start. So, over a run, the counts add up to
    /// the ticks that have passed, those that a [`reset`](Self::reset) came before excepted. With an interval
    /// of zero it is always 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::RefCell, rc::Rc, time::Duration};
    /// use twistor_deferred::{LoopingCall, Timers};
    ///
    /// let timers = Timers::new();
    /// let counts = Rc::new(RefCell::new(Vec::new()));
    /// let seen = Rc::clone(&counts);
    /// let counting = LoopingCall::with_count(&timers, move |count| seen.borrow_mut().push(count));
    /// let _over = counting.start(Duration::from_secs(1));
    /// // The program is busy until 3.5 seconds have passed.
    /// for millis in [0, 3_500, 4_000] {
    ///     timers.set_now(twistor_deferred::Moment::from_nanos(millis * 1_000_000));
    ///     let pass = timers.begin_pass();
    ///     while let Some(due) = timers.pop_due(&pass) {
    ///         due.run();
    ///     }
    /// }
    /// assert_eq!(*counts.borrow(), [1, 3, 1]);
    /// ```
    #[must_use]
    pub fn with_count<R: IntoOutcome>(clock: &impl Clock, mut f: impl FnMut(u64) -> R + 'static) -> Self {
        let body = move |count| f(count).into_outcome().forget_value();
        Self { engine: Rc::new(Engine::new(WeakClock::new(clock), Box::new(body))) }
    }

    /// Starts the loop, with the first call soon: it is queued with [`Clock::call_soon`] and made after
    /// whoever called this has returned, and the grid begins now. Gives the Deferred of its end.
    ///
    /// A loop that is over can be started again, by a callback of that Deferred too, with a grid of its own.
    /// On a clock that is gone the Deferred has failed with [`Abandoned`](crate::Abandoned) already.
    ///
    /// # Errors
    ///
    /// [`LoopingCallError::Running`] or [`LoopingCallError::Stopping`]; nothing has changed then.
    #[track_caller]
    pub fn start(&self, interval: Duration) -> Result<Deferred<()>, LoopingCallError> {
        self.engine.start(interval, Grid::from_now)
    }

    /// Starts the loop with the first call an interval from now, and otherwise as [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// [`LoopingCallError::Running`] or [`LoopingCallError::Stopping`]; nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use twistor_deferred::{Failure, LoopingCall, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// let once = LoopingCall::new(&clock, || Err::<(), _>(Failure::message("no more")));
    /// let over = once.start_later(Duration::from_secs(60))?;
    /// clock.advance(Duration::from_secs(59));
    /// assert!(once.is_running());
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(over.try_take().unwrap().unwrap_err().to_string(), "no more");
    /// # Ok::<(), twistor_deferred::LoopingCallError>(())
    /// ```
    #[track_caller]
    pub fn start_later(&self, interval: Duration) -> Result<Deferred<()>, LoopingCallError> {
        self.engine.start(interval, Grid::from_later)
    }

    /// Stops the loop: there is no further call, and the Deferred of [`start`](Self::start) fires, inside this call.
    ///
    /// If a call is being made (by the function itself, say) or its Deferred is pending, that one is not
    /// interrupted, and the loop's Deferred fires when it is through.
    ///
    /// # Errors
    ///
    /// [`LoopingCallError::NotRunning`] if it was not started, is over, or was stopped before.
    pub fn stop(&self) -> Result<(), LoopingCallError> {
        self.engine.stop()
    }

    /// Lets the next tick go and begins the grid anew: the next call is an interval from now.
    ///
    /// Does nothing while a call is being made or its Deferred is pending. A first call that was promised
    /// soon is made all the same.
    ///
    /// # Errors
    ///
    /// [`LoopingCallError::NotRunning`] if it was not started, is over, or was stopped before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc, time::Duration};
    /// use twistor_deferred::{LoopingCall, ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// let given_up = Rc::new(Cell::new(false));
    /// let flag = Rc::clone(&given_up);
    /// let patience = LoopingCall::new(&clock, move || flag.set(true));
    /// let _over = patience.start_later(Duration::from_secs(10))?;
    /// for _ in 0..5 {
    ///     clock.advance(Duration::from_secs(9));
    ///     patience.reset()?;
    /// }
    /// assert!(!given_up.get());
    /// clock.advance(Duration::from_secs(10));
    /// assert!(given_up.get());
    /// # Ok::<(), twistor_deferred::LoopingCallError>(())
    /// ```
    pub fn reset(&self) -> Result<(), LoopingCallError> {
        self.engine.reset()
    }

    /// Whether the loop was started and neither stopped nor ended by a failure.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.engine.is_running()
    }

    /// The time between two calls; `None` if the loop is not running.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.engine.interval()
    }
}

/// `idle`, `waiting`, `calling`, `waiting for a Deferred` or `stopping`.
impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoopingCall({})", self.engine.state_name())
    }
}
