//! Takes away from a failing case what it fails without.

use std::time::Duration;

use super::case::{Asked, Case, Plan};

/// More runs than these are not spent on it.
const MOST_RUNS: u32 = 1_000;
/// No time is made shorter than this.
const LEAST_TIME: Duration = Duration::from_millis(1);

/// The smallest case that was found from `case` on, of which `fails` says that it fails in the same way.
pub(super) fn shrink(plan: &Plan, case: &Case, asked: Asked, fails: impl FnMut(&Case) -> bool) -> Case {
    let mut shrinking = Shrinking { best: case.clone(), left: MOST_RUNS, fails };
    loop {
        let before = shrinking.best.clone();
        shrinking.rules(plan.chaos.faults().len());
        if asked.scale {
            shrinking.scale(plan.scale);
        }
        if asked.time {
            shrinking.time(plan.time);
        }
        if shrinking.best == before || shrinking.left == 0 {
            return shrinking.best;
        }
    }
}

struct Shrinking<F> {
    best: Case,
    left: u32,
    fails: F,
}

impl<F: FnMut(&Case) -> bool> Shrinking<F> {
    /// Whether `case` fails too; then it is the best so far.
    fn try_case(&mut self, case: Case) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let fails = (self.fails)(&case);
        if fails {
            self.best = case;
        }
        fails
    }

    /// Without a half of the rules, a quarter .. at last one by one.
    fn rules(&mut self, all: usize) {
        let mut rules = self.best.rules.clone().unwrap_or_else(|| (0..all).collect());
        let mut size = rules.len();
        while size > 0 {
            let mut at = 0;
            while at < rules.len() {
                let mut fewer = rules.clone();
                fewer.drain(at..(at + size).min(rules.len()));
                if self.try_case(Case { rules: Some(fewer.clone()), ..self.best.clone() }) {
                    rules = fewer;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// One at once, if that is enough; then half as large; at last one less each time.
    fn scale(&mut self, planned: u32) {
        loop {
            let now = self.best.scale.unwrap_or(planned);
            let smaller =
                [1, now / 2, now.saturating_sub(1)].into_iter().filter(|scale| (1..now).contains(scale));
            let found = smaller.into_iter().any(|scale| {
                let case = Case { scale: Some(scale), ..self.best.clone() };
                self.try_case(case)
            });
            if !found {
                return;
            }
        }
    }

    fn time(&mut self, planned: Duration) {
        loop {
            let half = self.best.time.unwrap_or(planned) / 2;
            if half < LEAST_TIME || !self.try_case(Case { time: Some(half), ..self.best.clone() }) {
                return;
            }
        }
    }
}

/// A failure without its numbers: the first line, from which digits are taken.
pub(super) fn kind(failure: &str) -> String {
    failure.lines().next().unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).collect()
}
