//! What `spawn` allocates: five times a task, whatever it does, and nothing else once the reactor's own tables have grown.
//!
//! The five: the future's box, the task, its waker, the root of its Deferred, and the stage that hands on the
//! output and hears of a cancel.

use std::future::{pending, ready};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use allocation_counter::measure;
use futures::FutureExt;
use twistor_bench::idle_kernel::IdleKernel;
use twistor_deferred::{Deferred, deferred, succeed};
use twistor_reactor::Reactor;

/// Allocations of a task.
const TASK: u64 = 5;

/// What `f` gives, and how often it allocates.
fn count<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let mut given = None;
    let info = measure(|| given = Some(f()));
    (given.unwrap(), info.count_total)
}

/// A reactor whose tables have room: it has had `most` tasks at once, and all of them were woken in one turn.
fn used(most: usize) -> Reactor {
    let mut reactor = Reactor::builder().handle_signals(false).build_with(IdleKernel);
    reactor.start().unwrap();
    // The batch of one turn and the queue of the next change places, so both are to grow.
    for _ in 0..2 {
        let answers: Vec<_> = (0..most).map(|_| reactor.spawn(GiveWay::default())).collect();
        turn(&mut reactor);
        turn(&mut reactor);
        answers.into_iter().for_each(value);
    }
    assert_eq!(reactor.stats().tasks, 0);
    reactor
}

fn turn(reactor: &mut Reactor) {
    reactor.iterate(Some(Duration::ZERO)).unwrap();
}

fn value<T>(answer: Deferred<T>) -> T {
    answer.try_take().expect("the task has ended").expect("a value")
}

/// State of 64 bytes for a future to own.
fn state() -> [u64; 8] {
    black_box([7; 8])
}

/// Wakes its task and gives way, once.
#[derive(Default)]
struct GiveWay {
    gave: bool,
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.gave {
            return Poll::Ready(());
        }
        self.gave = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn a_turn_allocates_nothing() {
    let mut reactor = used(1);
    let ((), allocations) = count(|| turn(&mut reactor));
    assert_eq!(allocations, 0);
}

#[test]
fn a_task_that_is_ready_is_five_allocations_and_running_it_is_none() {
    let mut reactor = used(1);
    let state = state();
    let (answer, allocations) = count(|| reactor.spawn(async move { Ok(state[0]) }));
    assert_eq!(allocations, TASK);
    let ((), allocations) = count(|| turn(&mut reactor));
    assert_eq!(allocations, 0);
    let (taken, allocations) = count(|| value(answer));
    assert_eq!((taken, allocations), (7, 0));
}

#[test]
fn a_task_that_yields_allocates_no_more() {
    let mut reactor = used(1);
    let state = state();
    let (answer, allocations) = count(|| {
        reactor.spawn(async move {
            GiveWay::default().await;
            Ok(state[0])
        })
    });
    assert_eq!(allocations, TASK);
    let ((), allocations) = count(|| {
        turn(&mut reactor);
        turn(&mut reactor);
    });
    assert_eq!(allocations, 0);
    assert_eq!(value(answer), 7);
}

#[test]
fn waiting_for_a_deferred_allocates_nothing_but_the_deferred() {
    let mut reactor = used(2);
    let (answers, allocations) = count(|| {
        let (promise, answer) = deferred::<u64>();
        let waits = reactor.spawn(async move {
            let n = answer.await?;
            Ok(n)
        });
        let fires = reactor.spawn(async move { promise.callback(7) });
        (waits, fires)
    });
    assert_eq!(allocations, 2 * TASK + 1, "two tasks and a root");
    let ((), allocations) = count(|| {
        turn(&mut reactor);
        turn(&mut reactor);
    });
    assert_eq!(allocations, 0);
    assert_eq!(value(answers.0), 7);
    value(answers.1);
}

#[test]
fn a_thousand_tasks_are_five_thousand_allocations() {
    let mut reactor = used(1_000);
    let mut answers = Vec::with_capacity(1_000);
    let ((), allocations) = count(|| {
        for n in 0..1_000_u64 {
            answers.push(reactor.spawn(async move {
                GiveWay::default().await;
                Ok(n)
            }));
        }
        turn(&mut reactor);
        turn(&mut reactor);
    });
    assert_eq!(allocations, 1_000 * TASK);
    assert_eq!(answers.into_iter().map(value).sum::<u64>(), 499_500);
}

#[test]
fn an_output_that_is_a_deferred_adds_its_own() {
    let mut reactor = used(1);
    let (answer, allocations) = count(|| {
        let answer = reactor.spawn(ready(()).map(|()| succeed(7_u64)));
        turn(&mut reactor);
        answer
    });
    assert_eq!(allocations, TASK + 1, "the root of the inner one");
    assert_eq!(value(answer), 7);
}

#[test]
fn a_task_with_a_handle_is_one_more() {
    let mut reactor = used(1);
    let (answer, allocations) = count(|| {
        let answer = reactor.spawn_with(|_task| async { Ok(7_u64) });
        turn(&mut reactor);
        answer
    });
    assert_eq!(allocations, TASK + 1, "where its catches are kept");
    assert_eq!(value(answer), 7);
}

#[test]
fn nothing_is_left_behind() {
    let mut reactor = used(2);
    let info = measure(|| {
        let done = reactor.spawn(GiveWay::default());
        let cancelled = reactor.spawn(pending::<()>());
        turn(&mut reactor);
        turn(&mut reactor);
        value(done);
        cancelled.cancel();
        assert!(cancelled.try_take().is_ok_and(|result| result.is_err()));
    });
    assert!(info.count_total >= 2 * TASK);
    assert_eq!((info.count_current, info.bytes_current), (0, 0));
    assert_eq!(reactor.stats().tasks, 0);
}
