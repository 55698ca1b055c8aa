use std::fmt;

use crate::RunOutcome;

/// What a scenario answers: nothing, which is a pass, a `Result` whose error can be shown, or a [`RunOutcome`], whose stall is
/// a failure.
pub trait Verdict {
    /// What went wrong, in words; `None` if nothing did.
    fn failure(self) -> Option<String>;
}

impl Verdict for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: fmt::Display> Verdict for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

impl Verdict for RunOutcome {
    fn failure(self) -> Option<String> {
        self.stalled().map(ToString::to_string)
    }
}
