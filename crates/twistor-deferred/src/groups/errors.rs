//! What a group fails with.

use std::error::Error;
use std::fmt;

use crate::Failure;

/// An input of [`gather_results`](crate::gather_results) failed, before any other did.
///
/// Its source is the error of `failure`, so [`Failure::find`] looks through it.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{FirstError, fail, gather_results};
///
/// let failure = gather_results([fail::<u8>(std::fmt::Error)]).try_take().unwrap().unwrap_err();
/// let first = failure.trap::<FirstError>().unwrap();
/// assert_eq!(first.to_string(), "input 0 of the group failed");
/// assert!(first.failure.check::<std::fmt::Error>());
/// ```
#[derive(Debug, Clone)]
pub struct FirstError {
    /// Which input it was, counted from 0.
    pub index: usize,
    /// What that input failed with.
    pub failure: Failure,
}

impl fmt::Display for FirstError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input {} of the group failed", self.index)
    }
}

impl Error for FirstError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.failure.error())
    }
}

/// No input of a [`race`](crate::race) or [`first_success`](crate::first_success) had a value: all failures,
/// in input order.
///
/// It is empty if there were no inputs. It names no source, since it has as many causes as failures; its
/// message shows the first four of them, each with its own sources.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{Failure, FailureGroup, fail, race};
///
/// let inputs = ["no route", "no poem"].map(|text| fail::<u8>(Failure::message(text)));
/// let failure = race(inputs).try_take().unwrap().unwrap_err();
/// assert_eq!(failure.to_string(), "every input of the group failed: [0] no route; [1] no poem");
/// assert_eq!(failure.downcast_ref::<FailureGroup>().unwrap().failures()[1].to_string(), "no poem");
/// ```
#[derive(Debug, Clone, Default)]
pub struct FailureGroup {
    failures: Vec<Failure>,
}

impl FailureGroup {
    /// How many failures the message shows. A race of a thousand hosts is not to fill a screen with each line
    /// of a log.
    const SHOWN: usize = 4;

    pub(super) const fn new(failures: Vec<Failure>) -> Self {
        Self { failures }
    }

    /// The failure of every input, in input order.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The failures themselves.
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure> {
        self.failures
    }
}

impl fmt::Display for FailureGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() {
            return f.write_str("the group had no inputs");
        }
        f.write_str("every input of the group failed: ")?;
        for (index, failure) in self.failures.iter().enumerate().take(Self::SHOWN) {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}[{index}] {failure:#}")?;
        }
        match self.failures.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Error for FailureGroup {}
