//! Waiting for a while, and then doing something.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::{Clock, Deferred, DelayedCall, IntoOutcome, deferred};

/// Calls `f` once, when `delay` has passed, and gives a Deferred of what comes of it: a value, a failure, a panic, or
/// the result of the Deferred that `f` returns.
///
/// The delay is that of [`Clock::call_later`]: zero means the next turn, and one too long to represent never
/// passes. Cancelling the Deferred before `f` was called takes the call off the clock and drops `f`, both at
/// once, and fails with [`Cancelled`](crate::Cancelled); afterwards it cancels what `f` has returned.
/// **Dropping the Deferred cancels nothing**: `f` is called all the same. If the clock goes before the time
/// has come, `f` is dropped uncalled and the failure is [`Abandoned`](crate::Abandoned).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use twistor_deferred::{ManualClock, defer_later};
///
/// let clock = ManualClock::new();
/// let number = defer_later(&clock, Duration::from_secs(5), || {
///     let number: u16 = "8080".parse()?;
///     Ok(number)
/// });
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(number.try_take().unwrap().unwrap(), 8080);
///
/// let never = defer_later(&clock, Duration::from_secs(5), || unreachable!("cancelled") as ());
/// never.cancel();
/// assert!(clock.delayed_calls().is_empty());
/// assert!(never.try_take().unwrap().unwrap_err().is_cancelled());
/// ```
#[track_caller]
pub fn defer_later<R: IntoOutcome>(
    clock: &impl Clock,
    delay: Duration,
    f: impl FnOnce() -> R + 'static,
) -> Deferred<R::Value> {
    sleep(clock, delay).add_callback(move |()| f())
}

/// A Deferred that fires when `delay` has passed: [`defer_later`] with nothing to call, and with the same rules.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use twistor_deferred::{ManualClock, sleep};
///
/// let clock = ManualClock::new();
/// let rested = sleep(&clock, Duration::from_secs(1)).map(|()| "good morning");
/// clock.advance(Duration::from_millis(999));
/// assert!(!rested.has_result());
/// clock.advance(Duration::from_millis(1));
/// assert_eq!(rested.try_take().unwrap().unwrap(), "good morning");
/// ```
#[must_use = "nobody waits unless something is added to the Deferred"]
#[track_caller]
pub fn sleep(clock: &impl Clock, delay: Duration) -> Deferred<()> {
    let (promise, passed) = deferred();
    let call = Rc::new(Cell::new(None::<DelayedCall>));
    let pending = Rc::clone(&call);
    promise.on_cancel(move || {
        if let Some(call) = pending.take() {
            // The promise goes with the call. It is pending: had it been made, nothing would be left to cancel.
            let _ = call.cancel();
        }
    });
    call.set(Some(clock.call_later(delay, move || promise.callback(()))));
    passed
}
