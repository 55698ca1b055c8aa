use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use twistor_reactor::Moment;
use twistor_reactor::kernel::{Job, JobLoad, Jobs};

use super::kernel::SimKernel;
use super::paths::later;
use super::timeline::{Event, Timeline};

/// A pool of threads that are none: jobs run in line, either in the next wait or after a time of their own.
#[derive(Default)]
pub(super) struct JobPool {
    queue: VecDeque<Job>,
    pub(super) running: usize,
    most: usize,
    closed: bool,
    /// Jobs take time: none is run in line.
    timed: bool,
}

impl JobPool {
    /// How many jobs wait for a wait that runs them.
    pub(super) fn in_line(&self) -> usize {
        if self.timed { 0 } else { self.queue.len() }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn take_in_line(&mut self) -> Option<Job> {
        self.queue.pop_front()
    }

    /// Starts what is queued as far as threads are free, if jobs take `time`.
    pub(super) fn start(&mut self, id: u32, now: Moment, time: Duration, timeline: &mut Timeline) {
        self.timed = !time.is_zero();
        while self.timed && self.running < self.most.max(1) {
            let Some(job) = self.queue.pop_front() else { break };
            self.running += 1;
            timeline.plan(later(now, time), Event::Job(id, job));
        }
    }

    /// Gives the jobs that will never run, to be dropped where that does no harm.
    pub(super) fn close(&mut self, abandon: bool) -> VecDeque<Job> {
        self.closed = true;
        if abandon { std::mem::take(&mut self.queue) } else { VecDeque::new() }
    }
}

impl Jobs for SimKernel {
    fn submit(&self, job: Job) {
        let mut refused = Some(job);
        self.in_world(|world, id| {
            let (now, time) = (world.now, world.settings.job_time);
            let node = &mut world.nodes[id as usize];
            if !node.jobs.closed {
                node.jobs.queue.extend(refused.take());
                node.jobs.start(id, now, time, &mut world.timeline);
            }
            if node.jobs.in_line() > 0 {
                world.wake(id);
            }
        });
        // Dropping a job drops what it captured, which may call back into the kernel.
        drop(refused);
    }

    fn resize(&self, _least: usize, most: usize) {
        self.in_world(|world, id| {
            let (now, time) = (world.now, world.settings.job_time);
            let node = &mut world.nodes[id as usize];
            node.jobs.most = most;
            node.jobs.start(id, now, time, &mut world.timeline);
        });
    }

    fn load(&self) -> JobLoad {
        self.in_world(|world, id| {
            let jobs = &world.nodes[id as usize].jobs;
            JobLoad { threads: jobs.running, running: jobs.running, queued: jobs.queue.len() }
        })
    }

    fn close(&self, abandon: bool) {
        let dropped = self.in_world(|world, id| world.nodes[id as usize].jobs.close(abandon));
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
