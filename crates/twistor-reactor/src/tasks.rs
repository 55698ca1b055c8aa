//! Futures that the reactor runs: `spawn` makes a task of a future and a Deferred of the task.
//!
//! A [`Task`] owns its future and the promise of its result, and lives in a slab under a [`TaskId`]. Nobody else holds the
//! future: wakers have the id alone ([`woken`]), and so has the notification that makes the first poll. An id is used once, so whatever comes
//! late finds nobody.
//!
//! ```text
//! spawn --notification--> first poll --Pending--> (waits) --wake--> queue --woken phase--> poll --Ready--> the Deferred fires
//!                                                    '-- its Deferred is cancelled: the future is dropped, or `catch` has the last word
//! ```

mod catch;
mod task;
mod woken;

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use slab::Slab;
use twistor_deferred::{Deferred, IntoOutcome, drop_contained, fail};

use self::catch::Catches;
use self::task::{AnyTask, Task};
use self::woken::Woken;
use crate::inner::Notice;
use crate::stats::count;
use crate::{ReactorGone, ReactorHandle, Remote};

pub use self::catch::{CatchCancel, TaskHandle};

/// The name of a task: its place in the slab, and a number that no other task of the reactor ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId {
    place: usize,
    generation: u64,
}

/// The tasks of a reactor.
pub(crate) struct Tasks {
    table: RefCell<Slab<Rc<dyn AnyTask>>>,
    next_generation: Cell<u64>,
    woken: Arc<Woken>,
    /// Empty: the room of the last batch of woken tasks, for the queue to grow in.
    batch: Cell<Vec<TaskId>>,
}

impl Tasks {
    pub(crate) fn new(remote: &Remote) -> Self {
        Self {
            table: RefCell::new(Slab::new()),
            next_generation: Cell::new(0),
            woken: Arc::new(Woken::new(remote)),
            batch: Cell::default(),
        }
    }

    /// How many tasks have not ended.
    pub(crate) fn len(&self) -> usize {
        self.table.borrow().len()
    }

    /// Whether tasks wait for the woken phase.
    #[inline]
    pub(crate) fn has_woken(&self) -> bool {
        self.woken.has_any()
    }

    /// Whether the loop is going to look at the queue of woken tasks before it sleeps, so that nobody has to wake it.
    #[inline]
    pub(crate) fn attend(&self, yes: bool) {
        self.woken.attend(yes);
    }

    /// Polls the tasks that are woken by now; one that is woken meanwhile waits for the next call.
    #[inline]
    pub(crate) fn poll_woken(&self, reactor: &ReactorHandle) {
        if self.woken.has_any() {
            self.poll_batch(reactor);
        }
    }

    fn poll_batch(&self, reactor: &ReactorHandle) {
        let mut batch = self.batch.take();
        self.woken.take(&mut batch);
        for id in batch.drain(..) {
            self.poll(id, reactor);
        }
        self.batch.set(batch);
    }

    /// Polls one task, unless it has ended, or the reactor has.
    pub(crate) fn poll(&self, id: TaskId, reactor: &ReactorHandle) {
        let task = self.find(id);
        if let Some(task) = task.filter(|_| reactor.inner.stage.get().polls_tasks()) {
            count(&reactor.inner.counters.polls, 1);
            if let Some(observer) = &reactor.inner.observer {
                observer.calling(None, &"a task");
            }
            task.poll();
        }
    }

    /// The reactor is gone: drops every task, in the order they were spawned, and fails its Deferred.
    pub(crate) fn close(&self) {
        self.woken.close();
        let mut tasks: Vec<_> = self.table.borrow_mut().drain().collect();
        tasks.sort_by_key(|task| task.id().generation);
        for task in tasks {
            task.reactor_gone();
        }
    }

    fn find(&self, id: TaskId) -> Option<Rc<dyn AnyTask>> {
        self.table.borrow().get(id.place).filter(|task| task.id() == id).cloned()
    }

    /// Takes in the task that `make` makes.
    fn insert<T: AnyTask + 'static>(&self, make: impl FnOnce(TaskId) -> Rc<T>) -> Rc<T> {
        let generation = self.next_generation.get();
        self.next_generation.set(generation + 1);
        let mut table = self.table.borrow_mut();
        let entry = table.vacant_entry();
        let task = make(TaskId { place: entry.key(), generation });
        entry.insert(Rc::clone(&task) as Rc<dyn AnyTask>);
        task
    }

    /// Takes out a task that ends, which it does once; its future is in the hands of the caller. When the reactor goes nobody is in any more.
    fn remove(&self, id: TaskId) {
        let task = self.table.borrow_mut().try_remove(id.place);
        drop(task);
    }
}

/// Futures.
impl ReactorHandle {
    /// Runs `future` on the reactor, and gives the [`Deferred`] of its output.
    ///
    /// The output is what a callback may return: `()`, a `Result<T, Failure>` or a `Deferred<T>`. So `?` works in an `async` block on any
    /// error, and an awaited [`Deferred`] gives its value or its failure, which counts as handled then.
    ///
    /// The first poll is a notification: it comes after the present call has returned, in order with everything else that was asked for, never
    /// inside `spawn`. Later polls come in the turn after the task was woken, before the timers; a task that is woken while it is
    /// polled waits for the next turn, so one that is always ready starves nobody. A task may be woken from any thread. When the future is
    /// done its Deferred fires in place. A panic is logged, with where the task was spawned, and is the failure
    /// [`Panicked`](twistor_deferred::Panicked); so is one of the future's destructor.
    ///
    /// **Dropping the Deferred does not stop the task.** Cancelling it does: the future is dropped where it stands, before it was polled even,
    /// every Deferred it was waiting for is cancelled too (so a sleep leaves no timer behind, and a connect gives up),
    /// and the Deferred fails with [`Cancelled`](twistor_deferred::Cancelled). A task that cancels itself is dropped when the present poll has
    /// returned. See [`spawn_with`](Self::spawn_with) for a task to which a cancel is to be more than its end.
    ///
    /// A task that is not done when the reactor goes is dropped, and fails with [`ReactorGone`]; so does one that is spawned later, unpolled.
    /// Tasks are polled as long as the reactor makes turns, during shutdown too, and not after it has stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use std::time::Duration;
    /// use twistor_reactor::Reactor;
    ///
    /// let mut reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// let answer = reactor.spawn(async move {
    ///     handle.sleep(Duration::from_millis(1)).await?;
    ///     let six: u32 = "6".parse()?;
    ///     let seven = handle.defer_to_thread(|| Ok(7)).await?;
    ///     handle.stop()?;
    ///     Ok(six * seven)
    /// });
    /// reactor.run()?;
    /// assert_eq!(answer.try_take().unwrap()?, 42);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn spawn<F, R>(&self, future: F) -> Deferred<R::Value>
    where
        F: Future<Output = R> + 'static,
        R: IntoOutcome + 'static,
    {
        self.spawn_at(Location::caller(), future, None)
    }

    /// As [`spawn`](Self::spawn), for a task that has a say when it is cancelled.
    ///
    /// `make` is called in the first poll, with a [`TaskHandle`], and gives the future. Where that waits with [`TaskHandle::catch_cancel`], a
    /// cancel of the task does not drop it: it cancels what the task waits for, and the task goes on.
    ///
    /// # Examples
    ///
    /// A worker that says good-bye:
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use std::time::Duration;
    /// use twistor_reactor::Reactor;
    ///
    /// let mut reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// let work = reactor.spawn_with(|task| async move {
    ///     match task.catch_cancel(handle.sleep(Duration::from_secs(3_600))).await {
    ///         Err(failure) if failure.is_cancelled() => {
    ///             handle.sleep(Duration::from_millis(1)).await?; // Cleaning up may take its time.
    ///             Ok("cleaned up")
    ///         }
    ///         result => result.map(|()| "done"),
    ///     }
    /// });
    ///
    /// let (handle, canceller) = (reactor.handle(), work.canceller());
    /// reactor.call_later(Duration::from_millis(1), move || canceller.cancel());
    /// work.add_both(move |result| {
    ///     assert_eq!(result.unwrap(), "cleaned up");
    ///     handle.stop().unwrap();
    /// });
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn spawn_with<F, R>(&self, make: impl FnOnce(TaskHandle) -> F + 'static) -> Deferred<R::Value>
    where
        F: Future<Output = R> + 'static,
        R: IntoOutcome + 'static,
    {
        let catches = Rc::new(Catches::default());
        let task = TaskHandle::new(&catches);
        self.spawn_at(Location::caller(), async move { make(task).await }, Some(catches))
    }

    #[track_caller]
    fn spawn_at<F, R>(
        &self,
        spawned: &'static Location<'static>,
        future: F,
        catches: Option<Rc<Catches>>,
    ) -> Deferred<R::Value>
    where
        F: Future<Output = R> + 'static,
        R: IntoOutcome + 'static,
    {
        if self.is_gone() {
            drop_contained(future);
            return fail(ReactorGone);
        }
        let tasks = &self.inner.tasks;
        let task = tasks.insert(|id| Task::new(id, spawned, future, catches, &tasks.woken, self.downgrade()));
        self.inner.queue(Notice::Poll(task.id()));
        task::begin(&task)
    }
}
