//! [`Cooperator`]: long work in small steps, with the loop in between.

use std::cell::Cell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::alarm::WeakClock;
use crate::{Clock, Deferred, IntoOutcome, deferred};
use job::{Lent, Spent};
use scheduler::{Limits, Phase, Scheduler};
use task::{Ended, Task};

mod errors;
mod job;
mod scheduler;
mod task;

pub use errors::{SchedulerStopped, TaskError, TaskStopped};
pub use task::CooperativeTask;

/// Works off iterators a little at a time, so that long work does not hold up the loop.
///
/// Each [`next`](Iterator::next) of an iterator is one step of its task. Tasks are stepped in turn, each one
/// step, round and round, until the slice is over: when it has taken 10 ms, by [`Clock::read`], or 1,000
/// steps were made. Then the loop has a turn, and the next slice goes on where this one ended. A step is
/// never interrupted, so keep it short.
///
/// An iterator gives whatever a callback may return: `()` to go on, `Err(failure)` to end with a failure, a
/// [`Deferred`] to wait for it. A task that waits costs nothing and holds nobody else up; what the Deferred
/// succeeds with is dropped, and its failure is the task's. A panic of the iterator is a failure too. Work
/// over other items becomes such an iterator with [`map`](Iterator::map), and a closure with
/// [`std::iter::from_fn`].
///
/// Nothing is stepped inside a call of yours; the first step comes in the next turn. An iterator may do
/// whatever it likes with its own task, with others, and with the cooperator.
///
/// Clones are handles of the same cooperator. **Dropping them stops nothing**: the clock keeps a cooperator that
/// has work to do. When the clock goes, the cooperator is stopped.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use twistor_deferred::{Cooperator, ManualClock, sleep};
///
/// let clock = ManualClock::new();
/// let cooperator = Cooperator::new(&clock);
///
/// // A sum, number by number.
/// let total = Rc::new(Cell::new(0));
/// let sum = Rc::clone(&total);
/// let adding = cooperator.cooperate((1..=100).map(move |n| sum.set(sum.get() + n)));
///
/// // Three steps, with a second after each.
/// let timer = clock.clone();
/// let slow = cooperator.cooperate((0..3).map(move |_| sleep(&timer, Duration::from_secs(1))));
///
/// let (added, slept) = (adding.when_done(), slow.when_done());
/// clock.advance(Duration::from_secs(1));
/// assert!(added.has_result() && !slept.has_result());
/// assert_eq!(total.get(), 5_050);
/// clock.advance(Duration::from_secs(2));
/// clock.advance(Duration::ZERO);
/// assert!(slept.try_take().unwrap().is_ok());
/// ```
#[derive(Clone)]
pub struct Cooperator {
    scheduler: Rc<Scheduler>,
}

/// The options of a [`Cooperator`]: made by [`Cooperator::builder`].
pub struct CooperatorBuilder {
    clock: WeakClock,
    limits: Limits,
    phase: Phase,
}

/// Long enough that the loop's own work between two slices is small beside it, short enough that nobody
/// notices a delay.
const SLICE: Duration = Duration::from_millis(10);

/// The limit that counts when steps are short, and the only one on a clock that stands still meanwhile.
const MOST_STEPS: usize = 1_000;

impl Cooperator {
    /// A cooperator on `clock` with the usual limits, started.
    #[must_use]
    pub fn new(clock: &impl Clock) -> Self {
        Self::builder(clock).build()
    }

    /// A cooperator on `clock` that is to be different in some way.
    #[must_use]
    pub fn builder(clock: &impl Clock) -> CooperatorBuilder {
        CooperatorBuilder {
            clock: WeakClock::new(clock),
            limits: Limits { slice: SLICE, most_steps: MOST_STEPS },
            phase: Phase::Running,
        }
    }

    /// Takes on `iterator`, behind all those that are here. An empty one is done in the next turn.
    ///
    /// A cooperator that is stopped drops it, and the task has failed with [`SchedulerStopped`] when this returns.
    pub fn cooperate<I>(&self, iterator: I) -> CooperativeTask
    where
        I: Iterator + 'static,
        I::Item: IntoOutcome,
    {
        let task = self.scheduler.add(Box::new(Spent(iterator)), false);
        CooperativeTask::new(task, Rc::clone(&self.scheduler))
    }

    /// Takes on `iterator` as [`cooperate`](Self::cooperate) does, and gives it back at its end, with all
    /// that is in it.
    ///
    /// If it fails, it is dropped. Cancelling the Deferred stops the task, as [`CooperativeTask::stop`] does,
    /// and fails with [`Cancelled`](crate::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use twistor_deferred::{Cooperator, ManualClock};
    ///
    /// /// Collects square numbers.
    /// struct Squares(Vec<u32>);
    ///
    /// impl Iterator for Squares {
    ///     type Item = ();
    ///
    ///     fn next(&mut self) -> Option<()> {
    ///         let n = u32::try_from(self.0.len()).ok().filter(|&n| n < 4)?;
    ///         self.0.push(n * n);
    ///         Some(())
    ///     }
    /// }
    ///
    /// let clock = ManualClock::new();
    /// let squares = Cooperator::new(&clock).coiterate(Squares(Vec::new()));
    /// clock.advance(Duration::ZERO);
    /// assert_eq!(squares.try_take().unwrap().unwrap().0, [0, 1, 4, 9]);
    /// ```
    #[track_caller]
    pub fn coiterate<I>(&self, iterator: I) -> Deferred<I>
    where
        I: Iterator + 'static,
        I::Item: IntoOutcome,
    {
        let (promise, done) = deferred();
        let stops = Rc::new(Cell::new(None::<(Weak<Task>, Weak<Scheduler>)>));
        let stop = Rc::clone(&stops);
        promise.on_cancel(move || {
            let task =
                stop.take().and_then(|(task, scheduler)| Some((task.upgrade()?, scheduler.upgrade()?)));
            if let Some((task, scheduler)) = task {
                scheduler.finish(&task, Ended::Cancelled);
            }
        });
        let task = self.scheduler.add(Box::new(Lent { iterator, promise }), true);
        stops.set(Some((Rc::downgrade(&task), Rc::downgrade(&self.scheduler))));
        done
    }

    /// Starts a cooperator that was built without being started, or was stopped. Does nothing to one that runs.
    pub fn start(&self) {
        self.scheduler.start();
    }

    /// Stops the cooperator and fails all of its tasks with [`SchedulerStopped`], the paused and the waiting
    /// ones included, in the order in which they came and inside this call. Tasks that are added to it from
    /// now on fail at once.
    ///
    /// Their iterators are dropped and the Deferreds they wait for are cancelled. A cooperator that is stopped may be
    /// stopped again, and started again.
    pub fn stop(&self) {
        self.scheduler.stop();
    }

    /// Whether the cooperator was started and not stopped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.scheduler.phase() == Phase::Running
    }
}

impl CooperatorBuilder {
    /// How long a slice may take before the loop has its turn; 10 ms unless this says otherwise. Zero means
    /// one step a turn.
    #[must_use]
    pub const fn slice(mut self, slice: Duration) -> Self {
        self.limits.slice = slice;
        self
    }

    /// How many steps there may be in a slice; 1,000 unless this says otherwise. At least one is made, so
    /// zero means one.
    #[must_use]
    pub const fn most_steps(mut self, steps: usize) -> Self {
        self.limits.most_steps = steps;
        self
    }

    /// Whether the cooperator runs from the beginning; it does unless this says otherwise. One that does not
    /// keeps its tasks until [`Cooperator::start`].
    #[must_use]
    pub const fn started(mut self, started: bool) -> Self {
        self.phase = if started { Phase::Running } else { Phase::NotStarted };
        self
    }

    /// The cooperator.
    #[must_use]
    pub fn build(self) -> Cooperator {
        Cooperator { scheduler: Rc::new(Scheduler::new(self.clock, self.limits, self.phase)) }
    }
}

impl fmt::Debug for Cooperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cooperator")
            .field("phase", &self.scheduler.phase())
            .field("tasks", &self.scheduler.len())
            .finish()
    }
}

impl fmt::Debug for CooperatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CooperatorBuilder")
            .field("slice", &self.limits.slice)
            .field("most_steps", &self.limits.most_steps)
            .field("phase", &self.phase)
            .finish()
    }
}
