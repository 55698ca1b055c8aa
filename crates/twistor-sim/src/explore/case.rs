//! What is run once: a seed, and what is left of the plan.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use super::panics;
use super::verdict::Verdict;
use crate::{Chaos, Sim, Trace};

/// One run of a scenario: its seed, and what was left of the rules, the scale and the time. Shown, and read again, as
/// `17:rules=3,7:scale=1:time=5000000000`: rules by their numbers, time in nanoseconds, what is not said as planned.
///
/// # Examples
///
/// ```
/// use twistor_sim::Case;
///
/// let case: Case = "17:rules=3,7".parse()?;
/// assert_eq!((case.seed, case.rules.as_deref(), case.scale), (17, Some(&[3, 7][..]), None));
/// assert_eq!(case.to_string(), "17:rules=3,7");
/// assert!("17:rules=x".parse::<Case>().is_err());
/// # Ok::<(), twistor_sim::CaseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// The seed of the world.
    pub seed: u64,
    /// The numbers of the rules of the mix that are left, from zero, in order; `None` for all.
    pub rules: Option<Vec<usize>>,
    /// What [`Trial::scale`] says; `None` as planned.
    pub scale: Option<u32>,
    /// What [`Trial::time`] says; `None` as planned.
    pub time: Option<Duration>,
}

impl Case {
    /// The seed, with all that was planned.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, rules: None, scale: None, time: None }
    }

    /// Whether it is more than a seed.
    pub(super) const fn is_cut_down(&self) -> bool {
        self.rules.is_some() || self.scale.is_some() || self.time.is_some()
    }

    /// What the environment asks for.
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "a test is told by it which seed to repeat")]
    pub(super) fn from_environment() -> Option<Self> {
        let text = std::env::var("TWISTOR_SEED").ok()?;
        match text.parse() {
            Ok(case) => Some(case),
            Err(error) => panic!("TWISTOR_SEED is `{text}`: {error}"),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        if let Some(rules) = &self.rules {
            let numbers: Vec<String> = rules.iter().map(ToString::to_string).collect();
            write!(f, ":rules={}", numbers.join(","))?;
        }
        if let Some(scale) = self.scale {
            write!(f, ":scale={scale}")?;
        }
        if let Some(time) = self.time {
            write!(f, ":time={}", time.as_nanos())?;
        }
        Ok(())
    }
}

/// A text that is no [`Case`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseError(String);

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not what a case is made of, as 17:rules=3,7:scale=1:time=5000000000 is", self.0)
    }
}

impl std::error::Error for CaseError {}

impl FromStr for Case {
    type Err = CaseError;

    fn from_str(text: &str) -> Result<Self, CaseError> {
        fn number<T: FromStr>(text: &str) -> Result<T, CaseError> {
            text.parse().map_err(|_| CaseError(text.to_owned()))
        }
        let mut parts = text.trim().split(':');
        let mut case = Self::new(number(parts.next().unwrap_or_default())?);
        for part in parts {
            match part.split_once('=') {
                Some(("rules", list)) => {
                    let numbers = list.split(',').filter(|text| !text.is_empty());
                    case.rules = Some(numbers.map(number).collect::<Result<_, _>>()?);
                }
                Some(("scale", text)) => case.scale = Some(number(text)?),
                Some(("time", text)) => case.time = Some(Duration::from_nanos(number(text)?)),
                _ => return Err(CaseError(part.to_owned())),
            }
        }
        Ok(case)
    }
}

/// The world of one run, and what is asked of the scenario: it is a [`Sim`], by `Deref`.
#[derive(Clone, Debug)]
pub struct Trial {
    sim: Sim,
    scale: u32,
    time: Duration,
    asked: Rc<Cell<Asked>>,
}

/// What a scenario asked its trial for: the rest need not be made smaller.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) scale: bool,
    pub(super) time: bool,
}

impl Trial {
    /// How large the scenario is to be, as [`Explore::scale`](super::Explore::scale) says, or smaller. At least one.
    #[must_use]
    pub fn scale(&self) -> u32 {
        self.asked.set(Asked { scale: true, ..self.asked.get() });
        self.scale
    }

    /// How long the scenario is to go on, as [`Explore::time`](super::Explore::time) says, or shorter.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.asked.set(Asked { time: true, ..self.asked.get() });
        self.time
    }
}

impl Deref for Trial {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.sim
    }
}

/// What every run of a search has in common.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) chaos: Chaos,
    pub(super) scale: u32,
    pub(super) time: Duration,
    /// Whether a contained panic is a failure.
    pub(super) contained_fail: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { chaos: Chaos::default(), scale: 1, time: Duration::from_secs(60), contained_fail: true }
    }
}

/// What a run came to.
pub(super) struct Attempt {
    pub(super) failure: Option<String>,
    pub(super) trace: Trace,
    pub(super) asked: Asked,
}

impl Plan {
    pub(super) fn trial(&self, case: &Case) -> Trial {
        let sim = Sim::new(case.seed);
        // All are installed, then some are taken back: each of the others keeps its number, and so its dice.
        let installed: Vec<_> = self.chaos.faults().iter().map(|fault| sim.fault(fault.clone())).collect();
        if let Some(rules) = &case.rules {
            for (_, fault) in installed.into_iter().enumerate().filter(|(at, _)| !rules.contains(at)) {
                fault.remove();
            }
        }
        let scale = case.scale.unwrap_or(self.scale).max(1);
        Trial { sim, scale, time: case.time.unwrap_or(self.time), asked: Rc::default() }
    }

    /// Runs the scenario once, and keeps the last `tail` events.
    pub(super) fn attempt<V: Verdict>(
        &self,
        case: &Case,
        tail: usize,
        scenario: &impl Fn(&Trial) -> V,
    ) -> Attempt {
        let trial = self.trial(case);
        trial.keep_trace(tail);
        let (outcome, heard) = panics::listen(|| scenario(&trial).failure());
        let (trace, asked) = (trial.trace(), trial.asked.get());
        let (_, heard_last) = panics::listen(|| drop(trial));
        // In the order of time: a contained panic, what the scenario said, what the end of the world panicked with.
        let first = |heard: Vec<String>| heard.into_iter().next().filter(|_| self.contained_fail);
        let said = outcome.unwrap_or_else(Some);
        let failure = first(heard).or(said).or_else(|| first(heard_last));
        Attempt { failure, trace, asked }
    }
}
