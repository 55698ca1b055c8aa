//! The cases, with the one-shot channel, the combinators and the `LocalPool` of the crate `futures`.
//!
//! Combinators are part of one future and need no allocation each. What runs them is a task, and there are three
//! ways to have one: see [`spawned`], [`run_until`] and [`awaited`].

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;

use futures::channel::oneshot::{self, Canceled, Receiver};
use futures::executor::LocalPool;
use futures::future::{self, Future};
use futures::task::LocalSpawnExt;
use futures::{FutureExt, TryFutureExt};

use crate::Variant;

/// Sending, to a receiver that is there.
const SENT: &str = "the receiver is there";

/// A future that adds `step` to what `answer` gives, three times.
pub(super) fn three_stages<E>(
    answer: impl Future<Output = Result<i64, E>>,
    step: i64,
) -> impl Future<Output = Result<i64, E>> {
    answer.map_ok(move |x| x + step).map_ok(move |x| x + step).map_ok(move |x| x + step)
}

/// The same, ten times.
pub(super) fn ten_stages<E>(
    answer: impl Future<Output = Result<i64, E>>,
    step: i64,
) -> impl Future<Output = Result<i64, E>> {
    let nine = three_stages(three_stages(three_stages(answer, step), step), step);
    nine.map_ok(move |x| x + step)
}

/// One stage, which gives a future that is ready.
pub(super) fn chain_fired<E>(
    answer: impl Future<Output = Result<i64, E>>,
    step: i64,
) -> impl Future<Output = Result<i64, E>> {
    answer.and_then(move |x| future::ok(x + step))
}

/// Each result has a task of its own, as a Deferred stands on its own: spawned, then fired, then the pool runs until
/// nothing is left to do. The task leaves the result in a cell that all iterations share. (A handle to the task's result
/// would cost more.)
pub(super) fn spawned<F>(
    name: &'static str,
    expected: fn(i64) -> i64,
    stages: impl Fn(Receiver<i64>) -> F + 'static,
) -> Variant
where
    F: Future<Output = Result<i64, Canceled>> + 'static,
{
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let heard = Rc::new(Cell::new(None));
    Variant::each(name, expected, move |n| {
        let (promise, answer) = oneshot::channel();
        let cell = Rc::clone(&heard);
        let task = stages(answer).map(move |result| cell.set(result.ok()));
        spawner.spawn_local(task).expect("the pool is there");
        promise.send(n).expect(SENT);
        pool.run_until_stalled();
        heard.take().expect("it has run")
    })
}

/// No task is spawned: the value is sent, and then the pool is entered to run this one future, which never waits.
pub(super) fn run_until<F>(
    name: &'static str,
    expected: fn(i64) -> i64,
    stages: impl Fn(Receiver<i64>) -> F + 'static,
) -> Variant
where
    F: Future<Output = Result<i64, Canceled>> + 'static,
{
    let mut pool = LocalPool::new();
    Variant::each(name, expected, move |n| {
        let (promise, answer) = oneshot::channel();
        let answer = stages(answer);
        promise.send(n).expect(SENT);
        pool.run_until(answer).expect("sent")
    })
}

/// One task does all iterations, and in each of them awaits a future that is ready: no event reaches anybody, so this
/// is a lower bound for what combinators cost and not another way to do what a Deferred does.
pub(super) fn awaited<F>(
    name: &'static str,
    expected: fn(i64) -> i64,
    stages: impl Fn(Receiver<i64>) -> F + 'static,
) -> Variant
where
    F: Future<Output = Result<i64, Canceled>> + 'static,
{
    let mut pool = LocalPool::new();
    Variant::new(name, move |iterations| {
        pool.run_until(async {
            for n in 0..iterations {
                let (promise, answer) = oneshot::channel();
                let answer = stages(answer);
                promise.send(black_box(n)).expect(SENT);
                assert_eq!(answer.await, Ok(expected(n)), "{name}");
            }
        });
    })
}

/// One stage, which gives the receiver of a second channel. The pool runs after each of the two was fired.
pub(super) fn chain_pending(name: &'static str, expected: fn(i64) -> i64, step: i64) -> Variant {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let heard = Rc::new(Cell::new(None));
    Variant::each(name, expected, move |n| {
        let (promise, answer) = oneshot::channel::<i64>();
        let (inner_promise, inner) = oneshot::channel::<i64>();
        let cell = Rc::clone(&heard);
        let task = answer.and_then(move |_| inner).map(move |result| cell.set(result.ok()));
        spawner.spawn_local(task).expect("the pool is there");
        promise.send(n).expect(SENT);
        pool.run_until_stalled();
        inner_promise.send(n + step).expect(SENT);
        pool.run_until_stalled();
        heard.take().expect("it has run")
    })
}
