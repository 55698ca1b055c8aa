//! One task: a future, the promise of its output, and how the two end.
//!
//! A cancel of the task's Deferred comes in as the failure `Cancelled` at the first stage of its chain, which is ours: see [`begin`].

use std::cell::Cell;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tracing::error;
use twistor_deferred::{
    Cancelled, Canceller, Deferred, Failure, IntoOutcome, Panicked, Promise, contain, deferred,
    drop_cancelling, drop_contained, fail,
};

use super::TaskId;
use super::catch::Catches;
use super::woken::{TaskWaker, Woken};
use crate::ReactorGone;
use crate::inner::Inner;

/// A task, whatever its future.
pub(super) trait AnyTask {
    fn id(&self) -> TaskId;
    /// Polls the future; called when it was woken, and once at first.
    fn poll(&self);
    /// Drops the future and fails the Deferred, since the reactor is gone.
    fn reactor_gone(&self);
}

pub(super) struct Task<F: Future> {
    id: TaskId,
    spawned: &'static Location<'static>,
    state: Cell<State<F>>,
    /// There until it is fired, which is when the future is done or dropped.
    promise: Cell<Option<Promise<F::Output>>>,
    alarm: Arc<TaskWaker>,
    waker: Waker,
    /// The awaits that catch a cancel, for a task that may have such.
    catches: Option<Rc<Catches>>,
    reactor: Weak<Inner>,
}

#[derive(Default)]
enum State<F> {
    /// Waits to be polled.
    Idle(Pin<Box<F>>),
    Polling,
    /// Is being polled, and its Deferred has failed: dropped when the poll has returned.
    Doomed,
    #[default]
    Ended,
}

/// What a cancel did to a task.
enum Cancel {
    /// The task is over, or will be when its poll has returned.
    Ends,
    /// The task is over, and its future panicked when it was dropped.
    Panicked(String),
    /// The task goes on; these are to be cancelled instead.
    Caught(Vec<Canceller>),
}

/// The Deferred of a task that has not been polled.
///
/// One stage stands between the promise and whatever the user adds. It hands the output on, and hears of a cancel. If the task catches
/// that, the stage returns the Deferred of a new promise, which the task is to fire, and which can be cancelled in the same way.
#[track_caller]
pub(super) fn begin<F, R>(task: &Rc<Task<F>>) -> Deferred<R::Value>
where
    F: Future<Output = R> + 'static,
    R: IntoOutcome + 'static,
{
    let (promise, output) = deferred::<R>();
    task.promise.set(Some(promise));
    let task = Rc::downgrade(task);
    output.add_callbacks(|output| output, move |failure| after_failure(&task, failure))
}

fn after_failure<F, R>(task: &Weak<Task<F>>, failure: Failure) -> Deferred<R::Value>
where
    F: Future<Output = R> + 'static,
    R: IntoOutcome + 'static,
{
    // A task fires its promise after it has ended. So with a task that is alive this comes of a cancel.
    let Some(task) = task.upgrade().filter(|task| task.is_alive()) else { return fail(failure) };
    match task.cancel() {
        Cancel::Ends => fail(failure),
        Cancel::Panicked(text) => fail(Panicked(text)),
        Cancel::Caught(awaited) => {
            let goes_on = begin(&task);
            awaited.iter().for_each(Canceller::cancel_in_turn);
            goes_on
        }
    }
}

impl<F: Future + 'static> Task<F> {
    pub(super) fn new(
        id: TaskId,
        spawned: &'static Location<'static>,
        future: F,
        catches: Option<Rc<Catches>>,
        woken: &Arc<Woken>,
        reactor: Weak<Inner>,
    ) -> Rc<Self> {
        let alarm = TaskWaker::new(id, woken);
        Rc::new(Self {
            id,
            spawned,
            state: Cell::new(State::Idle(Box::pin(future))),
            promise: Cell::new(None),
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
            catches,
            reactor,
        })
    }

    fn is_alive(&self) -> bool {
        let state = self.state.take();
        let alive = matches!(state, State::Idle(_) | State::Polling);
        self.state.set(state);
        alive
    }

    /// Whether the task is being polled, or is to be without another wake.
    fn is_polled_soon(&self) -> bool {
        let state = self.state.take();
        let polling = matches!(state, State::Polling);
        self.state.set(state);
        polling || self.alarm.is_queued()
    }

    /// The Deferred was cancelled, and its promise with it.
    fn cancel(&self) -> Cancel {
        if let Some(awaited) = self.catches.as_ref().and_then(|catches| catches.catch(self.is_polled_soon()))
        {
            return Cancel::Caught(awaited);
        }
        match self.state.take() {
            State::Idle(future) => match self.end(future, drop_cancelling) {
                Ok(()) => Cancel::Ends,
                Err(text) => Cancel::Panicked(text),
            },
            State::Polling => {
                self.state.set(State::Doomed);
                Cancel::Ends
            }
            State::Doomed | State::Ended => Cancel::Ends,
        }
    }

    /// A cancel that came too late for the awaits it was meant for reaches the next ones, or drops the future.
    fn pay_debt(&self) {
        let Some(catches) = self.catches.as_ref().filter(|catches| catches.owes()) else { return };
        match catches.catch(self.is_polled_soon()) {
            Some(awaited) => awaited.iter().for_each(Canceller::cancel),
            None => self.drop_idle(Failure::new(Cancelled), drop_cancelling),
        }
    }

    /// Ends a task that is not being polled, with `failure` unless its future panics.
    fn drop_idle(&self, failure: Failure, let_go: impl FnOnce(Pin<Box<F>>)) {
        let State::Idle(future) = self.state.take() else { return };
        let promise = self.promise.take();
        let dropped = self.end(future, let_go);
        if let Some(promise) = promise {
            promise.errback(dropped.map_or_else(|text| Failure::new(Panicked(text)), |()| failure));
        }
    }

    /// Ends a task by what its last poll gave.
    fn finish(&self, future: Pin<Box<F>>, polled: Result<F::Output, String>) {
        let promise = self.promise.take();
        if let Err(text) = &polled {
            self.log_panic(text);
        }
        let dropped = self.end(future, drop);
        let Some(promise) = promise else { return drop_contained(polled) };
        match (polled, dropped) {
            (Ok(output), Ok(())) => promise.callback(output),
            (Err(text), _) => promise.errback(Panicked(text)),
            (Ok(output), Err(text)) => {
                drop_contained(output);
                promise.errback(Panicked(text));
            }
        }
    }

    /// Takes the task, whose state says that it has ended, out of the table, and has `let_go` drop its future: the text if that panics.
    fn end(&self, future: Pin<Box<F>>, let_go: impl FnOnce(Pin<Box<F>>)) -> Result<(), String> {
        if let Some(inner) = self.reactor.upgrade() {
            inner.tasks.remove(self.id);
        }
        contain(|| let_go(future)).inspect_err(|text| self.log_panic(text))
    }

    fn log_panic(&self, text: &str) {
        let spawned = self.spawned;
        // A subscriber is code of the application's too.
        let _ = contain(|| error!("a task spawned at {spawned} panicked: {text}"));
    }
}

impl<F: Future + 'static> AnyTask for Task<F> {
    fn id(&self) -> TaskId {
        self.id
    }

    fn poll(&self) {
        let mut future = match self.state.replace(State::Polling) {
            State::Idle(future) => future,
            other => return self.state.set(other),
        };
        self.alarm.begin_poll();
        let polling = self.catches.as_ref().map(|catches| catches.begin_poll());
        let polled = contain(|| future.as_mut().poll(&mut Context::from_waker(&self.waker)));
        drop(polling);
        match (polled, self.state.take()) {
            (Ok(Poll::Pending), State::Doomed) => {
                self.promise.take(); // Its Deferred has failed.
                let _ = self.end(future, drop_cancelling);
            }
            (Ok(Poll::Pending), _) => {
                self.state.set(State::Idle(future));
                self.pay_debt();
            }
            (Ok(Poll::Ready(output)), _) => self.finish(future, Ok(output)),
            (Err(text), _) => self.finish(future, Err(text)),
        }
    }

    fn reactor_gone(&self) {
        self.drop_idle(Failure::new(ReactorGone), drop);
    }
}
