use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use twistor_reactor::Moment;
use twistor_reactor::kernel::{Job, JobLoad, Jobs};

use super::ScriptedKernel;
use super::call::{Call, Outcome, Who};
use super::timeline::{Event, Timeline};

/// A pool of threads that are none: jobs run in line, either at the next wait or after a time of their own.
pub(super) struct JobPool {
    queue: VecDeque<Job>,
    running: usize,
    threads: usize,
    least: usize,
    most: usize,
    /// How long a job takes. Zero: no time, and as many at once as there are.
    time: Duration,
    closed: bool,
}

impl Default for JobPool {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            running: 0,
            threads: 0,
            least: 0,
            most: 10,
            time: Duration::ZERO,
            closed: false,
        }
    }
}

impl JobPool {
    pub(super) fn set_time(&mut self, time: Duration, now: Moment, timeline: &mut Timeline) {
        self.time = time;
        self.start(now, timeline);
    }

    /// Jobs that no thread is there for, in words.
    pub(super) fn describe(&self) -> Option<String> {
        (!self.queue.is_empty()).then(|| format!("{} jobs that wait for a thread", self.queue.len()))
    }

    /// How many jobs the next wait is to run in line.
    pub(super) fn in_line(&self) -> usize {
        if self.time.is_zero() { self.queue.len() } else { 0 }
    }

    pub(super) fn take_in_line(&mut self) -> Option<Job> {
        self.queue.pop_front()
    }

    /// A job has had its time and ran.
    pub(super) fn finished(&mut self, now: Moment, timeline: &mut Timeline) {
        self.running -= 1;
        self.start(now, timeline);
        self.settle();
    }

    /// Starts what is queued as far as threads are free.
    fn start(&mut self, now: Moment, timeline: &mut Timeline) {
        while !self.time.is_zero() && self.running < self.most {
            let Some(job) = self.queue.pop_front() else { break };
            self.running += 1;
            // A time that cannot be represented never comes.
            timeline.plan(now.checked_add(self.time).unwrap_or(Moment::MAX), Event::Job(job));
        }
        self.settle();
    }

    fn settle(&mut self) {
        let wanted = if self.closed { 0 } else { self.threads.clamp(self.least, self.most.max(self.least)) };
        self.threads = wanted.max(self.running);
    }
}

impl Jobs for ScriptedKernel {
    fn submit(&self, job: Job) {
        let mut refused = Some(job);
        let mut world = self.world();
        let world = &mut *world;
        if !world.jobs.closed {
            world.jobs.queue.extend(refused.take());
            world.jobs.start(world.now, &mut world.timeline);
        }
        world.note(Call::Submit, Who::default(), Outcome::Done, false);
    }

    fn resize(&self, least: usize, most: usize) {
        let mut world = self.world();
        let world = &mut *world;
        (world.jobs.least, world.jobs.most) = (least, most);
        world.jobs.start(world.now, &mut world.timeline);
    }

    fn load(&self) -> JobLoad {
        let world = self.world();
        let JobPool { threads, running, ref queue, .. } = world.jobs;
        JobLoad { threads, running, queued: queue.len() }
    }

    fn close(&self, abandon: bool) {
        let mut world = self.world();
        world.jobs.closed = true;
        let dropped = if abandon { std::mem::take(&mut world.jobs.queue) } else { VecDeque::new() };
        world.jobs.settle();
        // Dropping a job drops what it captured, which may call back into the kernel.
        drop(world);
        drop(dropped);
    }
}

impl fmt::Debug for JobPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobPool")
            .field("queued", &self.queue.len())
            .field("running", &self.running)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
