//! The mark of a reactor that ends: what fails by that is no error.

use std::cell::Cell;

thread_local! {
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Stands while a reactor ends. Made by [`begin_ending`].
#[derive(Debug)]
#[must_use = "the mark is gone when this is dropped"]
pub struct Ending(bool);

/// From here on, and until the guard is dropped, unhandled failures on this thread are logged at debug level, panics excepted: timers that
/// never come, connections that are ended and loops that stop with their reactor are no news to anybody. For drivers of
/// [`Timers`](crate::Timers); the reactor does this when it has disconnected everything, and when it is dropped.
pub fn begin_ending() -> Ending {
    Ending(ENDING.try_with(|ending| ending.replace(true)).unwrap_or(false))
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = ENDING.try_with(|ending| ending.set(self.0));
    }
}

pub(crate) fn is_ending() -> bool {
    ENDING.try_with(Cell::get).unwrap_or(false)
}
