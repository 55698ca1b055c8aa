//! [`CooperativeTask`]: one iterator on its way through a cooperator.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::rc::Rc;

use super::job::Job;
use super::scheduler::Scheduler;
use super::{SchedulerStopped, TaskError, TaskStopped};
use crate::contain::{contain, drop_contained};
use crate::ending::is_ending;
use crate::{Cancelled, Canceller, Deferred, Failure, Promise, deferred};

/// The handle of an iterator that a [`Cooperator`](crate::Cooperator) works off.
///
/// Clones are handles of the same task. **Dropping them does not stop it.** A task that fails without anybody ever
/// having asked [`when_done`](Self::when_done) is logged as an error when its last handle is dropped.
///
/// Every method may be called at any time, from inside the task's own iterator too. A call of the iterator
/// that is being made is not interrupted.
#[derive(Clone)]
pub struct CooperativeTask {
    task: Rc<Task>,
    scheduler: Rc<Scheduler>,
}

impl CooperativeTask {
    pub(super) const fn new(task: Rc<Task>, scheduler: Rc<Scheduler>) -> Self {
        Self { task, scheduler }
    }

    /// A Deferred that fires when the task is finished; if it is, it has fired already. Each call gives another one.
    ///
    /// It succeeds when the iterator has come to its end. It fails with what the iterator or a Deferred of
    /// its has failed with, with [`Panicked`](crate::Panicked) if the iterator panicked, in
    /// [`next`](Iterator::next) or when it was dropped at its end, with [`TaskStopped`] after
    /// [`stop`](Self::stop), and with [`SchedulerStopped`] after
    /// [`Cooperator::stop`](crate::Cooperator::stop). Cancelling it affects nobody else: the task goes on.
    #[track_caller]
    pub fn when_done(&self) -> Deferred<()> {
        self.task.heard.set(true);
        if let State::Finished(ended) = &*self.task.state.borrow() {
            return ended.result().into();
        }
        let (promise, done) = deferred();
        let number = self.task.asked.replace(self.task.asked.get() + 1);
        let task = Rc::downgrade(&self.task);
        promise.on_cancel(move || {
            if let Some(task) = task.upgrade() {
                let promise = task.waiting.borrow_mut().remove(&number);
                drop(promise);
            }
        });
        self.task.waiting.borrow_mut().insert(number, promise);
        done
    }

    /// Holds the task up until it is resumed as often as it was paused. A Deferred that it waits for is not affected.
    ///
    /// # Errors
    ///
    /// If the task is finished, the [`TaskError`] says how.
    pub fn pause(&self) -> Result<(), TaskError> {
        self.task.check()?;
        self.task.pauses.set(self.task.pauses.get() + 1);
        self.scheduler.unqueue(&self.task);
        Ok(())
    }

    /// Takes one [`pause`](Self::pause) back; with the last of them the task is in line for its next step.
    ///
    /// # Errors
    ///
    /// If the task is finished, the [`TaskError`] says how; [`TaskError::NotPaused`] if it is not paused.
    /// That it waits for a Deferred is no pause, and cannot be taken back.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{iter, time::Duration};
    /// use twistor_deferred::{Cooperator, ManualClock, TaskError};
    ///
    /// let clock = ManualClock::new();
    /// let task = Cooperator::new(&clock).cooperate(iter::repeat_n((), 3));
    /// task.pause()?;
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(task.stop(), Ok(()), "it is not finished");
    /// assert_eq!(task.resume(), Err(TaskError::Stopped));
    /// # Ok::<(), TaskError>(())
    /// ```
    pub fn resume(&self) -> Result<(), TaskError> {
        self.task.check()?;
        let pauses = self.task.pauses.get().checked_sub(1).ok_or(TaskError::NotPaused)?;
        self.task.pauses.set(pauses);
        self.scheduler.queue(&self.task);
        Ok(())
    }

    /// Finishes the task: no further step is made, and the Deferreds of [`when_done`](Self::when_done) fail
    /// with [`TaskStopped`], inside this call.
    ///
    /// The iterator is dropped first; if it is being called, as soon as it has returned. A Deferred that the
    /// task waits for is cancelled, since nobody else could ever have its result.
    ///
    /// # Errors
    ///
    /// If the task is finished, the [`TaskError`] says how.
    pub fn stop(&self) -> Result<(), TaskError> {
        self.task.check()?;
        self.scheduler.finish(&self.task, Ended::Stopped);
        Ok(())
    }
}

/// `queued`, `running`, `waiting for a Deferred`, `paused`, or how it ended.
impl fmt::Debug for CooperativeTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paused = self.task.pauses.get() > 0;
        let name = match &*self.task.state.borrow() {
            State::Finished(ended) => return write!(f, "CooperativeTask({:?})", ended.error()),
            _ if paused => "paused",
            State::Ready(_) => "queued",
            State::Stepping => "running",
            State::Parked(..) => "waiting for a Deferred",
        };
        write!(f, "CooperativeTask({name})")
    }
}

pub(super) struct Task {
    /// The key of the task among the unfinished ones of its scheduler.
    pub(super) number: u64,
    pub(super) state: RefCell<State>,
    pub(super) pauses: Cell<usize>,
    /// Its key in the queue of its scheduler, if it is there.
    pub(super) place: Cell<Option<u64>>,
    /// Those who asked to hear of the end, in the order in which they asked.
    pub(super) waiting: RefCell<BTreeMap<u64, Promise<()>>>,
    /// How many have asked.
    asked: Cell<u64>,
    /// Whether somebody has, or will have, heard how it ended.
    heard: Cell<bool>,
}

pub(super) enum State {
    /// It may be stepped, unless it is paused.
    Ready(Box<dyn Job>),
    /// The job is out, being stepped or dropped.
    Stepping,
    /// It waits for a Deferred, which this cancels.
    Parked(Box<dyn Job>, Canceller),
    Finished(Ended),
}

#[derive(Clone)]
pub(super) enum Ended {
    Done,
    Failed(Failure),
    Stopped,
    /// Stopped by a cancel.
    Cancelled,
    SchedulerStopped,
}

impl Ended {
    pub(super) fn result(&self) -> Result<(), Failure> {
        match self {
            Self::Done => Ok(()),
            Self::Failed(failure) => Err(failure.clone()),
            Self::Stopped => Err(TaskStopped.into()),
            Self::Cancelled => Err(Cancelled.into()),
            Self::SchedulerStopped => Err(SchedulerStopped.into()),
        }
    }

    const fn error(&self) -> TaskError {
        match self {
            Self::Done => TaskError::Done,
            Self::Failed(_) => TaskError::Failed,
            Self::Stopped | Self::Cancelled => TaskError::Stopped,
            Self::SchedulerStopped => TaskError::SchedulerStopped,
        }
    }
}

impl Task {
    /// `heard` says whether `job` itself tells somebody how it ended.
    pub(super) fn new(number: u64, job: Box<dyn Job>, heard: bool) -> Self {
        Self {
            number,
            state: RefCell::new(State::Ready(job)),
            pauses: Cell::new(0),
            place: Cell::new(None),
            waiting: RefCell::default(),
            asked: Cell::new(0),
            heard: Cell::new(heard),
        }
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        match &*self.state.borrow() {
            State::Finished(ended) => Some(ended.clone()),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), TaskError> {
        match &*self.state.borrow() {
            State::Finished(ended) => Err(ended.error()),
            _ => Ok(()),
        }
    }

    /// Takes the job out to be stepped, if it is to be.
    pub(super) fn take_job(&self) -> Option<Box<dyn Job>> {
        let mut state = self.state.borrow_mut();
        match mem::replace(&mut *state, State::Stepping) {
            State::Ready(job) => Some(job),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Whether a step is due.
    pub(super) fn is_ready(&self) -> bool {
        self.pauses.get() == 0 && matches!(*self.state.borrow(), State::Ready(_))
    }
}

/// The iterator is the user's, and so is what it does when it is dropped. A failure that nobody heard of is logged.
impl Drop for Task {
    fn drop(&mut self) {
        match mem::replace(self.state.get_mut(), State::Stepping) {
            State::Ready(job) | State::Parked(job, _) => drop_contained(job),
            State::Finished(Ended::Failed(failure)) => {
                if !self.heard.get() && !failure.is_cancelled() {
                    let ends = is_ending() && !failure.is_panicked();
                    let _ = contain(|| match format_args!("{failure:#}") {
                        failure if ends => {
                            tracing::debug!(%failure, "unhandled failure in a cooperative task, at the end of its reactor");
                        }
                        failure => tracing::error!(%failure, "unhandled failure in a cooperative task"),
                    });
                }
                drop_contained(failure);
            }
            State::Stepping | State::Finished(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use crate::{Cooperator, ManualClock};

    #[test]
    fn task_09_a_cancelled_question_is_forgotten() {
        let clock = ManualClock::new();
        let task = Cooperator::new(&clock).cooperate(iter::repeat(()));
        let kept = task.when_done();
        for _ in 0..10 {
            task.when_done().cancel();
        }
        assert_eq!(task.task.waiting.borrow().len(), 1);
        drop(kept);
    }
}
