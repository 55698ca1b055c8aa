//! A pool of threads, for jobs and for name lookups.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing::error;
use twistor_deferred::{contain, drop_contained};

use crate::kernel::{Job, JobLoad, Jobs};

/// Threads that take jobs from one queue, first come, first served.
///
/// A thread is made when a job finds no free one, up to the limit, and stays until the pool is closed or shrunk. Nobody ever waits for
/// a thread to end: dropping the pool closes it and leaves behind what is busy.
pub(super) struct Pool {
    name: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled for a new job, and to all when the threads have to think again.
    work: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    /// Threads alive or about to be: `running <= threads`.
    threads: usize,
    /// Threads that run a job.
    running: usize,
    most: usize,
    closed: bool,
    /// How many threads were ever made, for their names.
    made: usize,
}

impl Pool {
    /// A pool of up to `most` threads, none of them made yet. They are called `name` and a number.
    pub(super) fn new(name: &'static str, most: usize) -> Self {
        let state = State { queue: VecDeque::new(), threads: 0, running: 0, most, closed: false, made: 0 };
        Self { name, shared: Arc::new(Shared { state: Mutex::new(state), work: Condvar::new() }) }
    }

    /// Queues `job`. A closed pool drops it.
    ///
    /// # Errors
    ///
    /// If there is no thread and none can be made; the job was dropped unrun.
    pub(super) fn try_submit(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.closed {
            drop(state);
            drop_contained(job);
            return Ok(());
        }
        state.queue.push_back(job);
        // Free threads may not have woken up for the jobs before this one yet, so those are counted against them.
        if state.queue.len() > state.free() && state.threads < state.most {
            if let Err(why) = self.add_thread(&mut state) {
                if state.threads == 0 {
                    let job = state.queue.pop_back();
                    drop(state);
                    drop_contained(job);
                    return Err(why);
                }
            }
        }
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    fn add_thread(&self, state: &mut State) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let name = format!("{}-{}", self.name, state.made + 1);
        thread::Builder::new().name(name).spawn(move || shared.work())?;
        state.made += 1;
        state.threads += 1;
        Ok(())
    }
}

impl Jobs for Pool {
    fn submit(&self, job: Job) {
        if let Err(why) = self.try_submit(job) {
            error!("a job was dropped, since a thread could not be made: {why}");
        }
    }

    fn resize(&self, least: usize, most: usize) {
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        state.most = most;
        while state.threads < most && (state.threads < least || state.queue.len() > state.free()) {
            if let Err(why) = self.add_thread(&mut state) {
                error!("a thread could not be made: {why}");
                break;
            }
        }
        drop(state);
        self.shared.work.notify_all(); // Those that are too many end.
    }

    fn load(&self) -> JobLoad {
        let state = self.shared.lock();
        JobLoad { threads: state.threads, running: state.running, queued: state.queue.len() }
    }

    fn close(&self, abandon: bool) {
        let mut state = self.shared.lock();
        state.closed = true;
        let abandoned = if abandon { std::mem::take(&mut state.queue) } else { VecDeque::new() };
        drop(state);
        self.shared.work.notify_all();
        abandoned.into_iter().for_each(drop_contained); // What a job owns may call us.
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close(true);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.threads > state.most {
                // The news may have been of a job, for which another thread is free.
                self.work.notify_one();
                break;
            }
            if let Some(job) = state.queue.pop_front() {
                state.running += 1;
                drop(state);
                if let Err(text) = contain(job) {
                    error!("a job panicked: {text}");
                }
                state = self.lock();
                state.running -= 1;
            } else if state.closed {
                break;
            } else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        state.threads -= 1;
    }
}

impl State {
    fn free(&self) -> usize {
        self.threads - self.running
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn thr_04_a_thread_is_made_only_when_none_is_free() {
        let pool = Pool::new("test", 4);
        assert_eq!(pool.load(), JobLoad::default());
        let (sender, receiver) = channel();
        for _ in 0..8 {
            let sender = sender.clone();
            pool.submit(Box::new(move || sender.send(thread::current().name().map(str::to_owned)).unwrap()));
            assert!(receiver.recv().unwrap().unwrap().starts_with("test-"));
            while pool.load().running > 0 {
                thread::yield_now();
            }
        }
        assert_eq!(pool.load(), JobLoad { threads: 1, running: 0, queued: 0 });
    }

    #[test]
    fn jobs_submitted_at_once_do_not_wait_for_each_other_up_to_the_limit() {
        let pool = Pool::new("test", 3);
        pool.submit(Box::new(|| {}));
        let barrier = Arc::new(Barrier::new(4));
        for _ in 0..3 {
            let barrier = Arc::clone(&barrier);
            pool.submit(Box::new(move || {
                barrier.wait();
            }));
        }
        barrier.wait();
        assert_eq!(pool.load().threads, 3);
    }

    #[test]
    fn one_thread_runs_jobs_in_order_and_survives_their_panics() {
        let pool = Pool::new("test", 1);
        let (sender, receiver) = channel();
        for number in 0..100 {
            let sender = sender.clone();
            pool.submit(Box::new(move || {
                sender.send(number).unwrap();
                assert!(number % 10 != 3, "contained");
            }));
        }
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        assert_eq!(pool.load().threads, 1);
    }

    #[test]
    fn thr_07_limits_move_while_threads_are_busy() {
        let pool = Pool::new("test", 1);
        let (barrier, (sender, receiver)) = (Arc::new(Barrier::new(3)), channel());
        for _ in 0..2 {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            pool.submit(Box::new(move || {
                barrier.wait();
                sender.send(()).unwrap();
            }));
        }
        assert_eq!(pool.load().threads, 1);
        pool.resize(0, 2);
        assert_eq!(pool.load().threads, 2);
        barrier.wait();
        receiver.recv().unwrap();
        receiver.recv().unwrap();
        pool.resize(0, 0);
        while pool.load().threads > 0 {
            thread::yield_now();
        }
        pool.resize(3, 5);
        assert_eq!(pool.load(), JobLoad { threads: 3, running: 0, queued: 0 });
    }

    #[test]
    fn close_finishes_what_is_queued_or_drops_it() {
        for abandon in [false, true] {
            let pool = Pool::new("test", 1);
            let (barrier, (sender, receiver)) = (Arc::new(Barrier::new(2)), channel());
            let gate = Arc::clone(&barrier);
            let (begun, has_begun) = channel();
            pool.submit(Box::new(move || {
                begun.send(()).unwrap();
                gate.wait();
            }));
            has_begun.recv().unwrap();
            let first = sender.clone();
            pool.submit(Box::new(move || first.send("queued").unwrap()));
            pool.close(abandon);
            assert_eq!(pool.load(), JobLoad { threads: 1, running: 1, queued: usize::from(!abandon) });
            pool.submit(Box::new(move || sender.send("late").unwrap()));
            barrier.wait();
            assert_eq!(receiver.iter().collect::<Vec<_>>(), if abandon { vec![] } else { vec!["queued"] });
            while pool.load().threads > 0 {
                thread::yield_now();
            }
        }
    }
}
