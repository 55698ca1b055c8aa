//! What a task waits for is cancelled with the task.
//!
//! Dropping a Deferred does not cancel the work; but whoever cancels a task wants the work to stop that the task waits for. So the one who
//! drops a cancelled task's future says so, and each Deferred that is dropped with it, and that was being awaited, is cancelled
//! afterwards. A task may wait for a task that waits for a task: their turn comes in a queue, not on the stack.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use super::links::{Chain, cancel};

type Queue = VecDeque<Rc<dyn Chain>>;

thread_local! {
    /// Whether the future of a cancelled task is being dropped on this thread.
    static DROPPING: Cell<bool> = const { Cell::new(false) };
    /// What is to be cancelled when the outermost [`drop_cancelling`] has dropped its future; `None` outside of it.
    static QUEUE: Cell<Option<Queue>> = const { Cell::new(None) };
}

/// Drops the future of a task that was cancelled: each Deferred in it that was awaited, and has no result, is cancelled.
///
/// A Deferred that was never polled, or was polled to its end, is dropped as usual: it is detached. The cancelling follows the
/// dropping. For those who write executors; `reactor.spawn` does this. A panic of a destructor goes through, afterwards.
///
/// # Examples
///
/// ```
/// use std::future::Future;
/// use std::task::{Context, Waker};
/// use twistor_deferred::{deferred, drop_cancelling};
///
/// let (promise, answer) = deferred::<u8>();
/// let mut task = Box::pin(async move { answer.await });
/// assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// drop_cancelling(task);
/// assert!(promise.is_cancelled());
/// ```
pub fn drop_cancelling<F>(future: F) {
    let outermost = open_queue();
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        let _mark = Mark::set(true);
        drop(future);
    }));
    if outermost {
        // Cancellers and errbacks are somebody else's code: what they drop is dropped as usual.
        let _mark = Mark::set(false);
        while let Some(chain) = pop() {
            cancel(&chain);
        }
    }
    if let Err(panic) = dropped {
        resume_unwind(panic);
    }
}

/// Runs `f`, in which what is dropped is dropped as usual, although the future of a cancelled task may be being dropped around it.
#[doc(hidden)]
pub fn dropping_plainly<R>(f: impl FnOnce() -> R) -> R {
    let _mark = Mark::set(false);
    f()
}

/// A task has dropped the Deferred at the end of `chain`, for which it was waiting.
pub(crate) fn abandoned_await(chain: &Rc<dyn Chain>) {
    if !DROPPING.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    let _ = QUEUE.try_with(|queue| {
        let mut waiting = queue.take().unwrap_or_default();
        waiting.push_back(Rc::clone(chain));
        queue.set(Some(waiting));
    });
}

/// Cancels what `chain` waits for: now, or, while the future of a cancelled task is being dropped, with what else that waited for.
pub(crate) fn cancel_dropped(chain: &Rc<dyn Chain>) {
    if DROPPING.try_with(Cell::get).unwrap_or(false) {
        abandoned_await(chain);
    } else {
        cancel(chain);
    }
}

/// Cancels what `chain` waits for: now, or after what is being cancelled now. For those that pass a cancel on: a row of them is
/// worked off in a loop.
pub(crate) fn cancel_in_turn(chain: &Rc<dyn Chain>) {
    let running = QUEUE.try_with(|queue| {
        let mut waiting = queue.take();
        let running = waiting.is_some();
        if let Some(waiting) = &mut waiting {
            waiting.push_back(Rc::clone(chain));
        }
        queue.set(Some(waiting.unwrap_or_default()));
        running
    });
    if running == Ok(true) {
        return;
    }
    let _mark = Mark::set(false);
    cancel(chain);
    while let Some(chain) = pop() {
        cancel(&chain);
    }
}

/// Whether there was none. While the thread is being torn down there is never one, and nothing is cancelled.
fn open_queue() -> bool {
    let opened = QUEUE.try_with(|queue| {
        let waiting = queue.take();
        let opened = waiting.is_none();
        queue.set(Some(waiting.unwrap_or_default()));
        opened
    });
    opened.unwrap_or(false)
}

/// The next chain of the queue; the queue is gone when there is none.
fn pop() -> Option<Rc<dyn Chain>> {
    let next = QUEUE.try_with(|queue| {
        let mut waiting = queue.take()?;
        let next = waiting.pop_front()?;
        queue.set(Some(waiting));
        Some(next)
    });
    next.ok().flatten()
}

/// Sets the mark, and at its end what was there before.
struct Mark(bool);

impl Mark {
    fn set(mark: bool) -> Self {
        Self(DROPPING.try_with(|dropping| dropping.replace(mark)).unwrap_or(false))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = DROPPING.try_with(|dropping| dropping.set(self.0));
    }
}
