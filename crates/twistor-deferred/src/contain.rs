//! Running other people's code without being taken down by it.
//!
//! Closures, their destructors and the destructors of values are the user's code and may panic. Whoever runs them
//! inside a loop uses these functions. They need `panic = "unwind"`; with `panic = "abort"` the process ends as usual.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f` and gives what it returns, or the text of its panic.
///
/// The panic ends here: a payload whose own destructor panics is survived too. The panic hook has run by then, so
/// the usual message is on standard error unless the application says otherwise.
///
/// # Errors
///
/// The panic's text, as [`panic_text`] finds it.
///
/// # Examples
///
/// ```
/// assert_eq!(twistor_deferred::contain(|| 2 + 2), Ok(4));
/// assert_eq!(twistor_deferred::contain(|| -> u8 { panic!("no {}", "way") }), Err("no way".to_owned()));
/// ```
#[inline]
pub fn contain<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(panic_text)
}

/// The text of a panic's payload, and a stock phrase for a payload that is not text.
///
/// The payload is dropped; should its destructor panic, that second panic ends here and its own payload is leaked.
///
/// # Examples
///
/// ```
/// let payload = std::panic::catch_unwind(|| panic!("boom")).unwrap_err();
/// assert_eq!(twistor_deferred::panic_text(payload), "boom");
/// ```
#[must_use]
pub fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let payload = match payload.downcast::<String>() {
        Ok(text) => return *text,
        Err(payload) => payload,
    };
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        return (*text).to_owned();
    }
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Dropping this one could panic again, without end.
        mem::forget(second);
    }
    "a panic with a payload that is not text".to_owned()
}

/// Drops a value of the user's. A panic in its destructor is logged as an error and goes no further.
///
/// # Examples
///
/// ```
/// struct Rude;
/// impl Drop for Rude {
///     fn drop(&mut self) {
///         panic!("not going");
///     }
/// }
/// twistor_deferred::drop_contained(Rude);
/// ```
#[inline]
pub fn drop_contained<T>(value: T) {
    if !mem::needs_drop::<T>() {
        return;
    }
    if let Err(text) = contain(|| drop(value)) {
        log_panic("dropping a value", &text);
    }
}

/// Logs a panic that was contained. A subscriber that panics itself is contained as well.
pub(crate) fn log_panic(during: &'static str, text: &str) {
    let _ = contain(|| tracing::error!(panic = text, "panic while {during}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Rude;

    impl Drop for Rude {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_survived() {
        let text = contain(|| std::panic::panic_any(7_u8)).unwrap_err();
        assert!(text.contains("not text"));
        let text = contain(|| std::panic::panic_any(Rude)).unwrap_err();
        assert!(text.contains("not text"));
    }

    #[test]
    fn a_drop_that_panics_is_contained() {
        drop_contained(vec![7]);
        drop_contained(Rude);
    }
}
