//! Which task is stepped when.
//!
//! A task is in `tasks` until it is finished, and in `queue` while a step of it is due: not while it is
//! paused, parked or being stepped. The clock is asked for a call while the queue is not empty, and that
//! call, or a slice that runs, keeps the scheduler alive. A parked task keeps it through the Deferred that it
//! waits for.
//!
//! Nothing is borrowed while an iterator is called or dropped, a promise fired or the clock asked for anything.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::job::Job;
use super::task::{Ended, State, Task};
use crate::alarm::{Alarm, Wake, WeakClock};
use crate::contain::contain;
use crate::{Deferred, Failure, Moment, Outcome, Panicked, fail};

pub(super) struct Scheduler {
    clock: WeakClock,
    limits: Limits,
    tasks: RefCell<Tasks>,
}

/// When a slice ends: whichever is reached first, and not before one step is made.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) slice: Duration,
    pub(super) most_steps: usize,
}

struct Tasks {
    phase: Phase,
    slice: Slice,
    unfinished: BTreeMap<u64, Rc<Task>>,
    queue: BTreeMap<u64, Rc<Task>>,
    /// Grows with each task and each place in the queue.
    next_number: u64,
    /// The tasks that are to fail after the one that is failing now.
    failing: Option<VecDeque<(Rc<Task>, Failure)>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    NotStarted,
    Running,
    Stopped,
}

/// Where the next slice is.
enum Slice {
    /// Nowhere: nothing is due, or the cooperator does not run.
    Idle,
    /// With the clock.
    Scheduled(Alarm),
    /// On the stack.
    Running,
}

impl Scheduler {
    pub(super) const fn new(clock: WeakClock, limits: Limits, phase: Phase) -> Self {
        let tasks = Tasks {
            phase,
            slice: Slice::Idle,
            unfinished: BTreeMap::new(),
            queue: BTreeMap::new(),
            next_number: 0,
            failing: None,
        };
        Self { clock, limits, tasks: RefCell::new(tasks) }
    }

    pub(super) fn phase(&self) -> Phase {
        self.tasks.borrow().phase
    }

    /// How many tasks are not finished.
    pub(super) fn len(&self) -> usize {
        self.tasks.borrow().unfinished.len()
    }

    /// Takes a job in. A stopped scheduler fails it at once.
    pub(super) fn add(self: &Rc<Self>, job: Box<dyn Job>, heard: bool) -> Rc<Task> {
        let task = {
            let mut tasks = self.tasks.borrow_mut();
            let task = Rc::new(Task::new(tasks.number(), job, heard));
            tasks.unfinished.insert(task.number, Rc::clone(&task));
            task
        };
        match self.phase() {
            Phase::Stopped => self.finish(&task, Ended::SchedulerStopped),
            Phase::NotStarted | Phase::Running => self.queue(&task),
        }
        task
    }

    pub(super) fn start(self: &Rc<Self>) {
        self.tasks.borrow_mut().phase = Phase::Running;
        self.schedule();
    }

    pub(super) fn stop(&self) {
        let (unfinished, queue, alarm) = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.phase = Phase::Stopped;
            let alarm = tasks.take_alarm();
            (mem::take(&mut tasks.unfinished), mem::take(&mut tasks.queue), alarm)
        };
        drop(alarm);
        drop(queue);
        for task in unfinished.into_values() {
            self.finish(&task, Ended::SchedulerStopped);
        }
    }

    /// Puts a task at the end of the queue, if a step of it is due and it is not there.
    pub(super) fn queue(self: &Rc<Self>, task: &Rc<Task>) {
        if !task.is_ready() || task.place.get().is_some() {
            return;
        }
        {
            let mut tasks = self.tasks.borrow_mut();
            let place = tasks.number();
            task.place.set(Some(place));
            tasks.queue.insert(place, Rc::clone(task));
        }
        self.schedule();
    }

    /// Takes a task out of the queue, if it is there.
    pub(super) fn unqueue(&self, task: &Task) {
        let Some(place) = task.place.take() else { return };
        let (task, alarm) = {
            let mut tasks = self.tasks.borrow_mut();
            let task = tasks.queue.remove(&place);
            let alarm = if tasks.queue.is_empty() { tasks.take_alarm() } else { None };
            (task, alarm)
        };
        drop(task);
        drop(alarm);
    }

    /// Ends a task, unless it has ended. The iterator goes first, then the Deferred it waits for, then
    /// everybody is told.
    pub(super) fn finish(&self, task: &Rc<Task>, ended: Ended) {
        if task.ended().is_some() {
            return;
        }
        let result = ended.result();
        let old = task.state.replace(State::Finished(ended));
        let listed = self.tasks.borrow_mut().unfinished.remove(&task.number);
        drop(listed);
        self.unqueue(task);
        match old {
            State::Ready(job) => drop(job.end(result.clone())),
            State::Parked(job, canceller) => {
                drop(job.end(result.clone()));
                canceller.cancel_in_turn();
            }
            State::Stepping | State::Finished(_) => {}
        }
        let waiting = task.waiting.take();
        for promise in waiting.into_values() {
            promise.fire(result.clone());
        }
    }

    /// Sees to it that there will be a slice, if anything is due.
    fn schedule(self: &Rc<Self>) {
        {
            let tasks = self.tasks.borrow();
            let idle = matches!(tasks.slice, Slice::Idle);
            if tasks.phase != Phase::Running || !idle || tasks.queue.is_empty() {
                return;
            }
        }
        match self.clock.wake_next_turn(Rc::clone(self) as Rc<dyn Wake>) {
            Some(alarm) => self.tasks.borrow_mut().slice = Slice::Scheduled(alarm),
            None => self.stop(),
        }
    }

    /// Steps one task after the other, round and round, until the slice is over.
    fn run_slice(self: &Rc<Self>) {
        let Some(begin) = self.clock.read() else { return };
        let mut steps = 0;
        while let Some(task) = self.next_task() {
            self.step(&task);
            steps += 1;
            if steps >= self.limits.most_steps || self.is_over(begin) {
                break;
            }
        }
    }

    fn is_over(&self, begin: Moment) -> bool {
        self.clock.read().is_none_or(|now| now.saturating_duration_since(begin) >= self.limits.slice)
    }

    /// The first of the queue, which is empty once the cooperator is stopped.
    fn next_task(&self) -> Option<Rc<Task>> {
        let mut tasks = self.tasks.borrow_mut();
        let (_, task) = tasks.queue.pop_first()?;
        task.place.set(None);
        Some(task)
    }

    /// One step of one task. From here on the task may be finished at any time: its own iterator may do that.
    fn step(self: &Rc<Self>, task: &Rc<Task>) {
        let Some(mut job) = task.take_job() else { return };
        match contain(|| job.step()) {
            Ok(Some(Outcome::Done(Ok(())))) => self.give_back(task, job, State::Ready),
            Ok(Some(Outcome::Wait(pending))) => self.park(task, job, pending),
            Ok(Some(Outcome::Done(Err(failure)))) => self.end(task, job, Err(failure)),
            Ok(None) => self.end(task, job, Ok(())),
            Err(text) => self.end(task, job, Err(Panicked(text).into())),
        }
    }

    /// The job goes back into its task, which goes on; or it ends as the task has.
    fn give_back(
        self: &Rc<Self>,
        task: &Rc<Task>,
        job: Box<dyn Job>,
        state: impl FnOnce(Box<dyn Job>) -> State,
    ) {
        match task.ended() {
            Some(ended) => drop(job.end(ended.result())),
            None => {
                drop(task.state.replace(state(job)));
                self.queue(task);
            }
        }
    }

    /// The iterator has come to an end, good or bad.
    fn end(&self, task: &Rc<Task>, job: Box<dyn Job>, result: Result<(), Failure>) {
        let Some(ended) = task.ended() else {
            let result = job.end(result);
            return match (task.ended(), result) {
                (None, Ok(())) => self.finish(task, Ended::Done),
                (None, Err(failure)) => self.finish(task, Ended::Failed(failure)),
                (Some(_), result) => report(result),
            };
        };
        report(result);
        drop(job.end(ended.result()));
    }

    fn park(self: &Rc<Self>, task: &Rc<Task>, job: Box<dyn Job>, pending: Deferred<()>) {
        let canceller = pending.canceller();
        let parked = canceller.clone();
        self.give_back(task, job, |job| State::Parked(job, parked));
        let (scheduler, waiting) = (Rc::clone(self), Rc::clone(task));
        pending.add_both(move |result| scheduler.unpark(&waiting, result));
        if task.ended().is_some() {
            canceller.cancel();
        }
    }

    /// The Deferred that the task waits for has its result. What a task that is finished has no use for is
    /// given back.
    fn unpark(self: &Rc<Self>, task: &Rc<Task>, result: Result<(), Failure>) -> Result<(), Failure> {
        let job = {
            let mut state = task.state.borrow_mut();
            match mem::replace(&mut *state, State::Stepping) {
                State::Parked(job, _) => job,
                other => {
                    *state = other;
                    return result;
                }
            }
        };
        drop(task.state.replace(State::Ready(job)));
        match result {
            Ok(()) => self.queue(task),
            Err(failure) => self.fail_in_turn(task, failure),
        }
        Ok(())
    }

    /// Fails a task: now, or right after the one that is failing now. A row of tasks that wait for each other
    /// would fail one inside the other otherwise.
    fn fail_in_turn(&self, task: &Rc<Task>, failure: Failure) {
        let mut next = Some((Rc::clone(task), failure));
        {
            let mut tasks = self.tasks.borrow_mut();
            match &mut tasks.failing {
                Some(failing) => failing.extend(next.take()),
                None => tasks.failing = Some(VecDeque::new()),
            }
        }
        if next.is_none() {
            return;
        }
        while let Some((task, failure)) = next {
            self.finish(&task, Ended::Failed(failure));
            next = self.tasks.borrow_mut().next_failing();
        }
    }
}

impl Tasks {
    const fn number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// The clock's call, which is not wanted any more.
    fn take_alarm(&mut self) -> Option<Alarm> {
        match mem::replace(&mut self.slice, Slice::Idle) {
            Slice::Scheduled(alarm) => Some(alarm),
            other => {
                self.slice = other;
                None
            }
        }
    }

    /// The next task to fail; without one, none is failing any more.
    fn next_failing(&mut self) -> Option<(Rc<Task>, Failure)> {
        let next = self.failing.as_mut().and_then(VecDeque::pop_front);
        if next.is_none() {
            self.failing = None;
        }
        next
    }
}

impl Wake for Scheduler {
    fn wake(self: Rc<Self>) {
        let alarm = mem::replace(&mut self.tasks.borrow_mut().slice, Slice::Running);
        drop(alarm);
        self.run_slice();
        self.tasks.borrow_mut().slice = Slice::Idle;
        self.schedule();
    }

    fn forsake(self: Rc<Self>) {
        self.stop();
    }
}

/// A result that comes too late to be anybody's: a failure is logged, as that of any Deferred is.
fn report(result: Result<(), Failure>) {
    if let Err(failure) = result {
        drop(fail::<()>(failure));
    }
}
