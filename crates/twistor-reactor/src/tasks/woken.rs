//! Wakers, and the queue of the tasks that were woken: what other threads see of a task.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::Wake;

use super::TaskId;
use crate::Remote;
use crate::sync::{AtomicBool, Mutex, MutexGuard};

/// The tasks that are to be polled. Nobody's code runs under its lock.
pub(super) struct Woken {
    /// `None` once the reactor is gone.
    queue: Mutex<Option<Vec<TaskId>>>,
    /// Whether `queue` may hold something: lets the loop ask without taking the lock.
    waiting: AtomicBool,
    /// Whether the loop will ask before it sleeps. Who finds that it will not wakes it, and then it will.
    attended: AtomicBool,
    remote: Remote,
}

impl Woken {
    pub(super) fn new(remote: &Remote) -> Self {
        Self {
            queue: Mutex::new(Some(Vec::new())),
            waiting: AtomicBool::new(false),
            attended: AtomicBool::new(false),
            remote: remote.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<TaskId>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who goes to sleep says first that it does not attend, then asks [`has_any`](Self::has_any); who wakes a task queues it first, then asks
    /// whether the loop attends. Both swap the one flag, and whoever is second sees what the first did before: the loop the task, or the
    /// waker that the loop does not attend.
    #[inline]
    pub(super) fn attend(&self, yes: bool) {
        self.attended.swap(yes, Ordering::AcqRel);
    }

    #[inline]
    pub(super) fn has_any(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    fn push(&self, id: TaskId) {
        {
            let mut queue = self.lock();
            let Some(queue) = &mut *queue else { return };
            queue.push(id);
            if queue.len() == 1 {
                // It stays so until the queue is taken, under the same lock.
                self.waiting.store(true, Ordering::Release);
            }
        }
        // Always a swap: a load that finds the loop attending may be of before it stopped to.
        if !self.attended.swap(true, Ordering::AcqRel) {
            self.remote.wake();
        }
    }

    /// Takes the tasks that are queued so far, in the order they were woken, into `batch`, which is empty and leaves the queue its room.
    pub(super) fn take(&self, batch: &mut Vec<TaskId>) {
        if !self.has_any() {
            return;
        }
        let mut queue = self.lock();
        self.waiting.store(false, Ordering::Release);
        if let Some(queue) = &mut *queue {
            std::mem::swap(queue, batch);
        }
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        self.waiting.store(false, Ordering::Release);
        *queue = None;
    }
}

/// What a task's wakers are: its name, and the way to the queue. Never the future.
pub(super) struct TaskWaker {
    id: TaskId,
    /// Whether the task is in the queue already. Stays true after the task has ended, so that a late waker queues it once at most.
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl TaskWaker {
    pub(super) fn new(id: TaskId, woken: &Arc<Woken>) -> Arc<Self> {
        Arc::new(Self { id, queued: AtomicBool::new(false), woken: Arc::clone(woken) })
    }

    /// Whether it is in the queue.
    pub(super) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire)
    }

    /// The task is polled from here on: a wake counts for the next poll, and what was done before an earlier one is seen by this.
    pub(super) fn begin_poll(&self) {
        // A wake that the load misses queues the task. One that it sees may have been repeated since: the swap sees the last of them.
        if self.queued.load(Ordering::Acquire) {
            self.queued.swap(false, Ordering::AcqRel);
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.woken.push(self.id);
        }
    }
}
