//! [`Grid`]: the moments at which a loop is due, and how many of them have been told. Arithmetic and nothing else.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::Moment;

/// The ticks `start + n * interval`, from some `n` on.
pub(super) struct Grid {
    start: Moment,
    step: Step,
    /// The number of the first tick that was not counted yet.
    next: u64,
    /// How many ticks of earlier grids of this run were never counted.
    carried: u64,
}

/// The distance of the ticks.
#[derive(Clone, Copy)]
enum Step {
    /// No distance: one tick a turn.
    EveryTurn,
    Nanos(NonZeroU64),
    /// Too long to represent: no tick comes after the first one.
    Never,
}

impl Grid {
    /// A grid whose first tick is at `start` itself.
    pub(super) fn from_now(start: Moment, interval: Duration) -> Self {
        let step = match u64::try_from(interval.as_nanos()) {
            Ok(nanos) => NonZeroU64::new(nanos).map_or(Step::EveryTurn, Step::Nanos),
            Err(_) => Step::Never,
        };
        Self { start, step, next: 0, carried: 0 }
    }

    /// A grid whose first tick is one interval after `start`.
    pub(super) fn from_later(start: Moment, interval: Duration) -> Self {
        Self { next: 1, ..Self::from_now(start, interval) }
    }

    /// Counts the ticks up to `now` that were not counted before. Without distance between them it is always one.
    pub(super) fn count(&mut self, now: Moment) -> u64 {
        let passed = self.passed(now).max(self.next);
        let count = (passed - self.next).saturating_add(self.carried);
        (self.next, self.carried) = (passed, 0);
        match self.step {
            Step::EveryTurn => {
                self.next = 1;
                1
            }
            Step::Nanos(_) | Step::Never => count,
        }
    }

    /// The first tick after `moment`, or `None` if it is too far away to represent. Without distance it is `moment`.
    pub(super) fn tick_after(&self, moment: Moment) -> Option<Moment> {
        match self.step {
            Step::EveryTurn => Some(moment),
            Step::Never => None,
            Step::Nanos(nanos) => {
                let distance = self.passed(moment).checked_mul(nanos.get())?;
                self.start.checked_add(Duration::from_nanos(distance)).filter(|&tick| tick > moment)
            }
        }
    }

    /// Begins anew at `now`, with the first tick an interval later. What has passed of the old grid uncounted is
    /// remembered. If the very first tick is still to come, it is now.
    pub(super) fn restart(&mut self, now: Moment) {
        if self.next > 0 {
            self.carried = self.carried.saturating_add(self.passed(now).saturating_sub(self.next));
            self.next = 1;
        }
        self.start = now;
    }

    /// Whether the tick at the very start is still to come.
    pub(super) const fn is_fresh(&self) -> bool {
        self.next == 0
    }

    /// How many ticks there are from the start to `now`, both included: also the number of the first one after `now`.
    fn passed(&self, now: Moment) -> u64 {
        let elapsed = now.as_nanos().saturating_sub(self.start.as_nanos());
        match self.step {
            Step::EveryTurn | Step::Never => 1,
            // Only with a tick every nanosecond for all of time is there one number too many.
            Step::Nanos(nanos) => (elapsed / nanos).saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    #[test]
    fn task_02_ticks_near_the_end_of_time_are_never() {
        let nano = Duration::from_nanos(1);
        assert_eq!(Grid::from_now(at(0), nano).tick_after(Moment::MAX), None);
        assert_eq!(Grid::from_now(at(0), nano).tick_after(at(u64::MAX - 1)), Some(Moment::MAX));
        assert_eq!(Grid::from_now(Moment::MAX, nano).tick_after(Moment::MAX), None);
        let half = Grid::from_now(at(0), Duration::from_nanos(1 << 63));
        assert_eq!(half.tick_after(at(0)), Some(at(1 << 63)));
        assert_eq!(half.tick_after(at(1 << 63)), None);
        assert_eq!(Grid::from_now(at(0), Duration::MAX).tick_after(at(7)), None);
        assert_eq!(
            Grid::from_now(at(0), Duration::from_nanos(u64::MAX)).tick_after(at(7)),
            Some(Moment::MAX)
        );
        assert_eq!(Grid::from_now(at(1), Duration::from_nanos(u64::MAX)).tick_after(at(7)), None);
    }

    #[test]
    fn task_06_counts_at_the_end_of_time() {
        let mut grid = Grid::from_now(at(0), Duration::from_nanos(1));
        assert_eq!(grid.count(Moment::MAX), u64::MAX);
        assert_eq!(grid.count(Moment::MAX), 0);
        let mut grid = Grid::from_now(at(5), Duration::MAX);
        assert_eq!((grid.count(at(5)), grid.count(Moment::MAX)), (1, 0));
        grid.restart(Moment::MAX);
        assert_eq!(grid.count(Moment::MAX), 0);
    }

    #[test]
    fn task_06_a_moment_before_the_grid_counts_nothing_twice() {
        let mut grid = Grid::from_later(at(10), Duration::from_nanos(10));
        assert_eq!((grid.count(at(35)), grid.count(at(5)), grid.count(at(40))), (2, 0, 1));
    }
}
