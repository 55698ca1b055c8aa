//! Tasks that have a say when they are cancelled.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use slab::Slab;
use twistor_deferred::{Canceller, Deferred, Failure};

/// A task's hand on itself, for its own future: made by [`ReactorHandle::spawn_with`](crate::ReactorHandle::spawn_with).
///
/// A clone is the same hand. It may be kept anywhere; outside of its task, and after that, it does no harm and nothing else.
#[derive(Clone)]
pub struct TaskHandle {
    catches: Rc<Catches>,
}

impl TaskHandle {
    pub(super) fn new(catches: &Rc<Catches>) -> Self {
        Self { catches: Rc::clone(catches) }
    }

    /// Waits for `awaited` as `.await` does, and catches a cancel of the task meanwhile: `awaited` is cancelled in place of the task.
    ///
    /// What `awaited` then has is what the await gives: mostly the failure [`Cancelled`](twistor_deferred::Cancelled), but a canceller, or an
    /// errback of `awaited`, may have another answer, or take its time. The task goes on either way, and what it ends with is the
    /// result of its Deferred: the cancelled one has it, as a chain that waits for another does. So `task.catch_cancel(d).await?` ends the task
    /// when it is cancelled, as a plain `d.await?` does, but with what `d` stands for stopped as well.
    ///
    /// - Each cancel is one: a task that was cancelled and waits again can be cancelled again.
    /// - A task that waits for several at once (`join!`) has all of them cancelled that have no result.
    /// - If each of them has its result, and the task was not polled since, nothing is lost: the task gets the results, and the cancel
    ///   waits for where the task waits next. There it counts as if it came then.
    /// - A cancel in the middle of a poll counts for the awaits that were polled before and are still there; without any, the task
    ///   is dropped when the poll has returned.
    /// - Where a task waits for something else and nothing is caught, a cancel drops it as usual.
    /// - Polled by somebody else than its task, this is a plain wait.
    #[must_use = "futures do nothing unless they are awaited"]
    pub fn catch_cancel<T>(&self, awaited: Deferred<T>) -> CatchCancel<T> {
        CatchCancel { awaited, place: None, catches: Rc::clone(&self.catches) }
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").finish_non_exhaustive()
    }
}

/// The future of [`TaskHandle::catch_cancel`].
pub struct CatchCancel<T> {
    awaited: Deferred<T>,
    /// Where its canceller is, from the first poll that found nothing until it is through.
    place: Option<usize>,
    catches: Rc<Catches>,
}

impl<T> CatchCancel<T> {
    fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.catches.remove(place);
        }
    }
}

impl<T> Future for CatchCancel<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.awaited).poll(cx);
        if polled.is_ready() {
            self.leave();
        } else if self.place.is_none() {
            self.place = self.catches.insert(self.awaited.canceller());
        }
        polled
    }
}

impl<T> Drop for CatchCancel<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> fmt::Debug for CatchCancel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CatchCancel").field(&self.awaited).finish()
    }
}

/// Where a task is to be cancelled instead of as a whole.
#[derive(Default)]
pub(super) struct Catches {
    awaited: RefCell<Slab<Canceller>>,
    /// Whether the task is being polled: who comes at another time is not of the task.
    polling: Cell<bool>,
    /// Whether a cancel found that everything awaited was there already.
    owed: Cell<bool>,
}

/// The time of one poll.
pub(super) struct Polling<'a>(&'a Catches);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.polling.set(false);
    }
}

impl Catches {
    pub(super) fn begin_poll(&self) -> Polling<'_> {
        self.polling.set(true);
        Polling(self)
    }

    /// Whether a cancel is left over, which it is then no more.
    pub(super) fn owes(&self) -> bool {
        self.owed.take()
    }

    /// A cancel comes: what is to be cancelled in place of the task, if the task catches it.
    /// `polled_soon`: whether the task is being polled or in the queue. If not, results that are here are nobody's: the task has
    /// left their awaits lying.
    pub(super) fn catch(&self, polled_soon: bool) -> Option<Vec<Canceller>> {
        let all: Vec<_> = self.awaited.borrow().iter().map(|(_, canceller)| canceller.clone()).collect();
        if all.is_empty() {
            return None;
        }
        let waiting: Vec<_> = all.into_iter().filter(Canceller::is_waiting).collect();
        if waiting.is_empty() && !polled_soon {
            return None;
        }
        self.owed.set(waiting.is_empty());
        Some(waiting)
    }

    fn insert(&self, canceller: Canceller) -> Option<usize> {
        self.polling.get().then(|| self.awaited.borrow_mut().insert(canceller))
    }

    fn remove(&self, place: usize) {
        let canceller = self.awaited.borrow_mut().remove(place);
        drop(canceller);
    }
}
