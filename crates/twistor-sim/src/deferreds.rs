//! Looking at a Deferred from a test, without waiting.

use std::error::Error;

use twistor_deferred::{Deferred, Failure};

/// The value of a Deferred that has one now.
///
/// # Panics
///
/// If it has no result yet, or has failed; the message says which, and how far it has come.
///
/// # Examples
///
/// ```
/// use twistor_deferred::succeed;
/// use twistor_sim::success_of;
///
/// assert_eq!(success_of(succeed(20).map(|n| n + 1)), 21);
/// ```
#[track_caller]
pub fn success_of<T>(deferred: Deferred<T>) -> T {
    match deferred.try_take() {
        Ok(Ok(value)) => value,
        Ok(Err(failure)) => panic!("a value was expected, but the Deferred failed: {failure:#}"),
        Err(waiting) => {
            panic!("a value was expected, but there is no result yet: {waiting:?}; {LET_IT_HAPPEN}")
        }
    }
}

/// The failure of a Deferred that has failed now, with an `E` as its error (its sources are not searched).
///
/// # Panics
///
/// If it has no result yet, has a value, or has failed with something else.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{Cancelled, deferred};
/// use twistor_sim::failure_of;
///
/// let (_promise, poem) = deferred::<String>();
/// poem.cancel();
/// failure_of::<Cancelled>(poem);
/// ```
#[track_caller]
pub fn failure_of<E: Error + 'static>(deferred: Deferred<impl Sized>) -> Failure {
    let shown = format!("{deferred:?}");
    let name = std::any::type_name::<E>();
    match deferred.try_take() {
        Ok(Err(failure)) if failure.check::<E>() => failure,
        Ok(Err(failure)) => {
            panic!("a failure with {name} was expected, but it is another: {failure:#} ({failure:?})")
        }
        Ok(Ok(_)) => panic!("a failure with {name} was expected, but there is a value: {shown}"),
        Err(_) => {
            panic!("a failure with {name} was expected, but there is no result yet: {shown}; {LET_IT_HAPPEN}")
        }
    }
}

/// Checks that a Deferred has no result yet. It is left as it is.
///
/// # Panics
///
/// If it has one.
///
/// # Examples
///
/// ```
/// use twistor_deferred::deferred;
/// use twistor_sim::{assert_no_result, success_of};
///
/// let (promise, answer) = deferred();
/// assert_no_result(&answer);
/// promise.callback(42);
/// assert_eq!(success_of(answer), 42);
/// ```
#[track_caller]
pub fn assert_no_result<T>(deferred: &Deferred<T>) {
    assert!(!deferred.has_result(), "no result was expected yet, but it is here: {deferred:?}");
}

/// Waits for a failure with an `E` as its error: the Deferred that is returned has that failure as its value, and fails if there is another
/// result.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{Abandoned, deferred};
/// use twistor_sim::{assert_failure, assert_no_result, success_of};
///
/// let (promise, answer) = deferred::<u8>();
/// let failure = assert_failure::<Abandoned>(answer);
/// assert_no_result(&failure);
/// drop(promise);
/// assert!(success_of(failure).is_abandoned());
/// ```
pub fn assert_failure<E: Error + 'static>(deferred: Deferred<impl Sized + 'static>) -> Deferred<Failure> {
    let name = std::any::type_name::<E>();
    deferred.add_both(move |result| match result {
        Err(failure) if failure.check::<E>() => Ok(failure),
        Err(failure) => Err(Failure::message(format!(
            "a failure with {name} was expected, but it is another: {failure:#}"
        ))),
        Ok(_) => Err(Failure::message(format!("a failure with {name} was expected, but there is a value"))),
    })
}

/// What to do about a result that has not come.
const LET_IT_HAPPEN: &str =
    "fire its promise, or let it happen with TestReactor::settle or pass, or ManualClock::advance";
