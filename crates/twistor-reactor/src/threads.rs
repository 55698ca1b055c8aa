//! Work on threads: jobs out, results back through the thread calls.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tracing::error;
use twistor_deferred::{Deferred, Failure, Panicked, contain, deferred};

use crate::kernel::Job;
use crate::sync::{AtomicUsize, Mutex};
use crate::waiting::AtTheEnd;
use crate::{ReactorHandle, Remote};

/// The reactor's side of the thread pool.
pub(crate) struct ThreadTable {
    /// Jobs of before the start.
    early: RefCell<Early>,
    /// Jobs handed to the kernel that have not ended.
    outstanding: Arc<AtomicUsize>,
}

enum Early {
    /// The reactor has not started: jobs wait here.
    Waiting(Vec<Job>),
    Started,
    /// The pool is closed: jobs are dropped.
    Closed,
}

impl ThreadTable {
    pub(crate) fn new() -> Self {
        Self { early: RefCell::new(Early::Waiting(Vec::new())), outstanding: Arc::new(AtomicUsize::new(0)) }
    }

    #[inline]
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }

    /// Hands the jobs of before the start to the kernel.
    #[inline]
    pub(crate) fn start(&self, reactor: &ReactorHandle) {
        if matches!(&*self.early.borrow(), Early::Waiting(_)) {
            self.hand_over_early(reactor);
        }
    }

    fn hand_over_early(&self, reactor: &ReactorHandle) {
        let early = match &mut *self.early.borrow_mut() {
            early @ Early::Waiting(_) => std::mem::replace(early, Early::Started),
            Early::Started | Early::Closed => return,
        };
        if let Early::Waiting(jobs) = early {
            for job in jobs {
                self.hand_over(reactor, job);
            }
        }
    }

    /// Whether jobs wait for the start.
    #[inline]
    pub(crate) fn has_early(&self) -> bool {
        matches!(&*self.early.borrow(), Early::Waiting(jobs) if !jobs.is_empty())
    }

    /// Accepts no more jobs; what waited for a start that never came is dropped.
    pub(crate) fn close(&self) {
        let early = std::mem::replace(&mut *self.early.borrow_mut(), Early::Closed);
        drop(early); // Each job is a `Task`, which contains the panics of its end.
    }

    fn is_closed(&self) -> bool {
        matches!(*self.early.borrow(), Early::Closed)
    }

    fn submit(&self, reactor: &ReactorHandle, job: Job) {
        let started = match &mut *self.early.borrow_mut() {
            Early::Waiting(jobs) => return jobs.push(job),
            Early::Started => true,
            Early::Closed => false,
        };
        // Nothing is borrowed now: a kernel may run jobs in line, and a job that is dropped is code of the user's as well.
        if started { self.hand_over(reactor, job) } else { drop(job) }
    }

    fn hand_over(&self, reactor: &ReactorHandle, job: Job) {
        let Some(kernel) = reactor.inner.kernel() else { return };
        match kernel.jobs() {
            Ok(jobs) => {
                let ticket = Ticket::new(&self.outstanding, &reactor.inner.remote);
                jobs.submit(Box::new(move || {
                    let _ticket = ticket;
                    job();
                }));
            }
            Err(why) => error!("a job for a thread was dropped: {why}"),
        }
    }
}

/// Counts a job until it has ended, run or not, and then wakes the loop.
struct Ticket {
    outstanding: Arc<AtomicUsize>,
    remote: Remote,
}

impl Ticket {
    fn new(outstanding: &Arc<AtomicUsize>, remote: &Remote) -> Self {
        outstanding.fetch_add(1, Ordering::AcqRel);
        Self { outstanding: Arc::clone(outstanding), remote: remote.clone() }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.outstanding.fetch_sub(1, Ordering::AcqRel);
        self.remote.wake();
    }
}

/// A job for a thread. Dropping the handle detaches: the job runs all the same.
pub struct JobHandle {
    slot: Arc<dyn Cancel>,
}

impl JobHandle {
    /// Takes the job back if no thread has begun it; says whether it was so. What the job owns is dropped here and now.
    pub fn cancel(&self) -> bool {
        self.slot.cancel()
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").finish_non_exhaustive()
    }
}

trait Cancel: Send + Sync {
    fn cancel(&self) -> bool;
}

/// A closure that is either run by a thread or taken back, whoever comes first.
struct Slot<F>(Mutex<Option<F>>);

impl<F> Slot<F> {
    fn take(&self) -> Option<F> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<F: Send> Cancel for Slot<F> {
    fn cancel(&self) -> bool {
        match self.take() {
            Some(f) => {
                twistor_deferred::drop_contained(f);
                true
            }
            None => false,
        }
    }
}

/// The pool's end of a job. Dropped unrun it takes the closure along, with care, although a [`JobHandle`] may be left.
struct Task<F: FnOnce() + Send>(Arc<Slot<F>>);

impl<F: FnOnce() + Send> Task<F> {
    fn run(self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

impl<F: FnOnce() + Send> Drop for Task<F> {
    fn drop(&mut self) {
        twistor_deferred::drop_contained(self.0.take());
    }
}

impl ReactorHandle {
    /// Runs `f` once on a thread of the pool. A panic of `f` is logged.
    ///
    /// Jobs run in the order they were submitted, as far as threads are free; before the reactor's first turn they wait for it, and
    /// after the pool was closed by shutdown they are dropped unrun. Stopping waits for jobs up to
    /// [`shutdown_timeout`](crate::Limits::shutdown_timeout). A job must not wait for another job: the pool has an end.
    pub fn call_in_thread(&self, f: impl FnOnce() + Send + 'static) -> JobHandle {
        self.submit_job(move || {
            if let Err(text) = contain(f) {
                error!("a job on a thread panicked: {text}");
            }
        })
    }

    /// Runs `f` on a thread and hands its result to `on_result` there, exactly once if the job runs at all.
    pub fn call_in_thread_with_callback<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, Failure> + Send + 'static,
        on_result: impl FnOnce(Result<T, Failure>) + Send + 'static,
    ) -> JobHandle {
        self.call_in_thread(move || on_result(run_job(f)))
    }

    /// Runs the jobs one after another on one thread. The first that panics is logged and ends the sequence.
    pub fn call_multiple_in_thread(
        &self,
        jobs: impl IntoIterator<Item = Box<dyn FnOnce() + Send>>,
    ) -> JobHandle {
        let jobs: Vec<_> = jobs.into_iter().collect();
        self.call_in_thread(move || jobs.into_iter().for_each(|job| job()))
    }

    /// Runs `f` on a thread; its result arrives on the reactor's thread.
    ///
    /// Cancelling the [`Deferred`] takes the job back if no thread has begun it; otherwise the job runs to its end, and its result is
    /// dropped. A panic of `f` is the failure [`Panicked`]. If the job is never run (the pool was closed), the failure is
    /// [`Abandoned`](twistor_deferred::Abandoned).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use twistor_reactor::Reactor;
    ///
    /// let mut reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// reactor.defer_to_thread(|| Ok(6 * 7)).add_callback(move |answer| {
    ///     assert_eq!(answer, 42);
    ///     handle.stop().unwrap();
    /// });
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn defer_to_thread<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Deferred<T> {
        let (promise, result) = deferred::<T>();
        if self.inner.threads.is_closed() {
            twistor_deferred::drop_contained(f);
            return result; // The promise is dropped: `Abandoned`.
        }
        let job = Rc::new(OnceCell::<JobHandle>::new());
        let submitted = Rc::clone(&job);
        promise.on_cancel(move || {
            job.get().map(JobHandle::cancel);
        });
        let key = self.inner.waiting.insert(promise, AtTheEnd::Abandon);
        let report = Report { remote: self.remote(), key, result: None };
        let handle = self.submit_job(move || {
            let mut report = report; // Whole, so that a job that is dropped unrun reports too.
            report.result = Some(run_job(f));
        });
        let _ = submitted.set(handle); // It was empty.
        result
    }

    /// Sets how many threads the pool has at most, at least 1. Threads that are busy finish their job first.
    pub fn suggest_thread_pool_size(&self, most: usize) {
        if let Some(kernel) = self.inner.kernel() {
            if let Ok(jobs) = kernel.jobs() {
                jobs.resize(0, most.max(1));
            }
        }
    }

    fn submit_job(&self, f: impl FnOnce() + Send + 'static) -> JobHandle {
        let slot = Arc::new(Slot(Mutex::new(Some(f))));
        let handle = JobHandle { slot: Arc::clone(&slot) as Arc<dyn Cancel> };
        let task = Task(slot);
        self.inner.threads.submit(self, Box::new(move || task.run()));
        handle
    }
}

fn run_job<T>(f: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    contain(f).unwrap_or_else(|text| Err(Failure::new(Panicked(text))))
}

/// Carries a job's result home, or the news that there is none.
struct Report<T: Send + 'static> {
    remote: Remote,
    key: usize,
    result: Option<Result<T, Failure>>,
}

impl<T: Send + 'static> Drop for Report<T> {
    fn drop(&mut self) {
        let (key, result) = (self.key, self.result.take());
        // A reactor that is gone has dropped the promise itself.
        let _ = self.remote.call_from_thread(move |reactor| reactor.inner.waiting.fire(key, result));
    }
}
