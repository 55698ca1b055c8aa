use std::fmt;

use super::case::{Attempt, Case, Plan};
use super::search::First;
use super::shrink;
use crate::{Fault, Trace};

/// What a search came to. Made by [`Explore::run`](super::Explore::run).
#[derive(Clone, Debug)]
#[must_use = "a seed may have failed: `expect_clean`"]
pub struct Explored {
    runs: u64,
    found: Option<Found>,
}

impl Explored {
    pub(super) const fn new(runs: u64, found: Option<Found>) -> Self {
        Self { runs, found }
    }

    /// How many seeds were run. After a failure that depends on the number of threads.
    #[must_use]
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// Whether no seed failed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.found.is_none()
    }

    /// The first failure; `None` if there was none.
    #[must_use]
    pub const fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// For tests.
    ///
    /// # Panics
    ///
    /// With the failure, if a seed failed.
    #[track_caller]
    pub fn expect_clean(self) {
        if let Some(found) = self.found {
            panic!("{found}");
        }
    }
}

/// A seed that fails, and what is left of it. Shown, it says how to repeat it in one line, and what happened last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// How many seeds passed before it.
    pub passed: u64,
    /// What the scenario answered, or panicked with, at first.
    pub what: String,
    /// The smallest case that fails in the same way.
    pub shrunk: Case,
    /// What the scenario answered to that.
    pub shrunk_what: String,
    /// The rules of the mix that are left in it.
    pub rules: Vec<Fault>,
    /// How many there were.
    pub rules_before: usize,
    /// The end of its trace.
    pub trace: Trace,
    /// Whether the seed failed when it was run again. A scenario of which this is not true depends on more than its trial: the order
    /// of a hash map, the time of day, another test.
    pub repeats: bool,
    /// What to type to repeat it: `TWISTOR_SEED=.. cargo test ..`.
    pub repeat: String,
}

/// Runs `case` again, and makes it small; `None` if it passes. One that was cut down by hand is left as it is.
pub(super) fn examine(
    plan: &Plan,
    case: &Case,
    passed: u64,
    tail: usize,
    attempt: &dyn Fn(&Case, usize) -> Attempt,
) -> Option<Found> {
    let Attempt { failure, asked, .. } = attempt(case, tail);
    let what = failure?;
    let kind = shrink::kind(&what);
    let fails = |case: &Case| attempt(case, 0).failure.is_some_and(|failure| shrink::kind(&failure) == kind);
    let shrunk = if case.is_cut_down() { case.clone() } else { shrink::shrink(plan, case, asked, fails) };
    let last = attempt(&shrunk, tail);
    Some(Found {
        seed: case.seed,
        passed,
        shrunk_what: last.failure.unwrap_or_else(|| what.clone()),
        what,
        rules: rules(plan, &shrunk),
        rules_before: plan.chaos.faults().len(),
        trace: last.trace,
        repeats: true,
        repeat: repeat(&shrunk),
        shrunk,
    })
}

/// A seed that failed once, and not again.
pub(super) fn unrepeated(plan: &Plan, case: &Case, first: &First) -> Found {
    Found {
        seed: case.seed,
        passed: first.index,
        what: first.what.clone(),
        shrunk: case.clone(),
        shrunk_what: first.what.clone(),
        rules: rules(plan, case),
        rules_before: plan.chaos.faults().len(),
        trace: plan.trial(case).trace(),
        repeats: false,
        repeat: repeat(case),
    }
}

fn rules(plan: &Plan, case: &Case) -> Vec<Fault> {
    let all = plan.chaos.faults().iter().enumerate();
    let left = all.filter(|(at, _)| case.rules.as_ref().is_none_or(|rules| rules.contains(at)));
    left.map(|(_, fault)| fault.clone()).collect()
}

/// A test's thread has its name.
fn repeat(case: &Case) -> String {
    match std::thread::current().name() {
        Some("main") | None => format!("TWISTOR_SEED={case}"),
        Some(test) => format!("TWISTOR_SEED={case} cargo test {test} -- --exact"),
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails, after {} that passed: {}", self.seed, self.passed, self.what)?;
        if !self.repeats {
            writeln!(f, "run again it passed: the scenario depends on more than its trial")?;
        }
        if self.shrunk_what != self.what {
            writeln!(f, "shrunk: {}", self.shrunk_what)?;
        }
        if let Some(scale) = self.shrunk.scale {
            writeln!(f, "scale {scale} is enough")?;
        }
        if let Some(time) = self.shrunk.time {
            writeln!(f, "{time:?} are enough")?;
        }
        match (self.rules.len(), self.rules_before) {
            (_, 0) => {}
            (0, _) => writeln!(f, "no rule of faults is needed")?,
            (left, all) => writeln!(f, "rules of faults, {left} of {all}:")?,
        }
        for rule in &self.rules {
            writeln!(f, "  {rule}")?;
        }
        writeln!(f, "repeat it: {}", self.repeat)?;
        writeln!(f, "the last {} of {} events:", self.trace.events().len(), self.trace.count())?;
        write!(f, "{}", self.trace)
    }
}
