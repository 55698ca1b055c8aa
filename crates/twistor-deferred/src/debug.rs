//! Debug mode: Deferreds and failures that remember where they come from.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Turns debug mode on or off, for the whole process and for what is made from now on.
///
/// In debug mode every Deferred knows where it was made and where it was fired, and every [`Failure`](crate::Failure) where it was made. The
/// log line of an unhandled failure says so, and so does `{:?}` of a Deferred. With `RUST_BACKTRACE=1` the whole
/// stacks are kept and logged. A panic of a timed call also logs where the call was made. It costs an
/// allocation a Deferred, and a walk of the stack if stacks are kept; nothing behaves differently.
///
/// The environment variable `TWISTOR_DEBUG`, if it is set to anything but nothing or `0`, turns it on without a call.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{deferred, set_debug};
///
/// set_debug(true);
/// let (_promise, answer) = deferred::<u8>();
/// assert!(format!("{answer:?}").contains("made at "));
/// ```
pub fn set_debug(on: bool) {
    MODE.store(if on { ON } else { OFF }, Ordering::Relaxed);
}

/// Whether debug mode is on: see [`set_debug`].
#[must_use]
#[inline]
pub fn is_debug() -> bool {
    match MODE.load(Ordering::Relaxed) {
        UNKNOWN => ask_environment(),
        mode => mode == ON,
    }
}

#[cold]
#[inline(never)]
#[expect(clippy::disallowed_methods, reason = "what is logged depends on it, and nothing else")]
fn ask_environment() -> bool {
    let on = std::env::var("TWISTOR_DEBUG").is_ok_and(|value| !value.is_empty() && value != "0");
    // Somebody who has called `set_debug` meanwhile knows better.
    let mode = if on { ON } else { OFF };
    let _ = MODE.compare_exchange(UNKNOWN, mode, Ordering::Relaxed, Ordering::Relaxed);
    on
}

/// A spot in the program where something happened, known in debug mode.
///
/// `{}` shows file, line and column, `{:#}` the stack below them too, if stacks are kept.
#[derive(Clone)]
pub struct Place {
    location: &'static Location<'static>,
    stack: Option<Arc<Backtrace>>,
}

impl Place {
    /// The caller's caller, if debug mode is on.
    #[track_caller]
    pub(crate) fn here() -> Option<Self> {
        if is_debug() { Some(Self::of(Location::caller())) } else { None }
    }

    #[cold]
    fn of(location: &'static Location<'static>) -> Self {
        let stack = Backtrace::capture();
        let stack = (stack.status() == BacktraceStatus::Captured).then(|| Arc::new(stack));
        Self { location, stack }
    }

    /// The line of source code.
    #[must_use]
    pub const fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location)?;
        match &self.stack {
            Some(stack) if f.alternate() => write!(f, "\n{stack}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.location)
    }
}

/// The life of a Deferred as far as its logs tell.
pub(crate) struct Trace {
    pub(crate) made: Place,
    pub(crate) fired: Option<Place>,
}

impl Trace {
    /// Begins one, if debug mode is on.
    #[track_caller]
    pub(crate) fn begin() -> Option<Box<Self>> {
        Place::here().map(|made| Box::new(Self { made, fired: None }))
    }
}
