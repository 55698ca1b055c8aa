//! Futures as tasks (DEF-25, 26, 29 to 31 and R12): when they are polled, by whose leave, and what is left of them.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use common::{Gate, Log, Notes, TestSource, ms, reactor_with, started, turns};
use twistor_deferred::{Abandoned, Deferred, Failure, deferred, fail, succeed};
use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::{Reactor, ReactorHandle};

const ZERO: Option<Duration> = Some(Duration::ZERO);

// When.

#[test]
fn def_25_the_first_poll_is_a_notification_in_order_with_the_others() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.notify(move |_| {
        let (inner, outer) = (seen.clone(), seen.clone());
        handle.notify(seen.note_with("before"));
        handle.spawn(async move { inner.add("first poll") });
        handle.notify(seen.note_with("after"));
        outer.add("spawned");
    });
    turns(&mut reactor, 1);
    notes.expect(&["spawned", "before", "first poll", "after"]);
    let seen = notes.clone();
    reactor.spawn_with(move |_| {
        seen.add("made");
        ready(())
    });
    notes.expect_nothing();
    turns(&mut reactor, 1);
    notes.expect(&["made"]);
}

#[test]
fn def_25_woken_tasks_come_after_thread_calls_and_before_timers() {
    let (mut reactor, world) = started();
    let notes = Notes::default();
    let (token, source) = {
        let source = Rc::new(TestSource::new("source", &notes));
        (reactor.register(source.clone()).unwrap(), source)
    };
    let gate = Gate::default();
    let (opened, seen) = (gate.clone(), notes.clone());
    reactor.spawn(async move {
        opened.await;
        seen.add("task");
    });
    turns(&mut reactor, 1);
    world.report(Readiness::new(token).readable());
    reactor.flush_later(source);
    reactor.notify(notes.note_with("notification"));
    reactor.call_later(Duration::ZERO, notes.note("timer"));
    reactor.extension::<RefCell<Notes>>().replace(notes.clone());
    let call = |reactor: &ReactorHandle| reactor.extension::<RefCell<Notes>>().borrow().add("thread call");
    reactor.remote().call_from_thread(call).unwrap();
    gate.open();
    gate.wake();
    turns(&mut reactor, 1);
    notes.expect(&["thread call", "task", "timer", "notification", "source flush", "source ready"]);
}

#[test]
fn def_25_what_a_thread_call_fires_is_polled_in_the_same_turn_and_what_a_timer_fires_in_the_next() {
    let (mut reactor, world) = started();
    let (promise, answer) = deferred::<u8>();
    let task = reactor.spawn(answer);
    let promises = reactor.extension::<RefCell<Vec<twistor_deferred::Promise<u8>>>>();
    promises.borrow_mut().push(promise);
    turns(&mut reactor, 1);
    let fire = |reactor: &ReactorHandle| {
        let promise = reactor.extension::<RefCell<Vec<twistor_deferred::Promise<u8>>>>().borrow_mut().pop();
        promise.unwrap().callback(7);
    };
    reactor.remote().call_from_thread(fire).unwrap();
    turns(&mut reactor, 1);
    assert_eq!(task.try_take().unwrap().unwrap(), 7);

    let task = reactor.spawn(reactor.sleep(ms(5)));
    turns(&mut reactor, 1);
    world.pass(ms(5));
    world.waits();
    reactor.iterate(Some(ms(9))).unwrap();
    assert!(!task.has_result());
    assert_eq!(world.waits(), [ZERO], "and the loop does not sleep over it");
    turns(&mut reactor, 1);
    assert!(task.has_result());
}

#[test]
fn def_25_a_task_that_is_always_ready_starves_nobody() {
    let (mut reactor, world) = started();
    let notes = Notes::default();
    let token = reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap();
    let polls = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let polls = Rc::clone(&polls);
        reactor.spawn(poll_fn(move |cx| -> Poll<()> {
            polls.set(polls.get() + 1);
            cx.waker().wake_by_ref(); // Like one whose every await is ready.
            Poll::Pending
        }));
    }
    turns(&mut reactor, 1);
    for turn in 1..=5 {
        reactor.call_later(Duration::ZERO, notes.note("timer"));
        reactor.notify(notes.note_with("notification"));
        world.report(Readiness::new(token).readable());
        turns(&mut reactor, 1);
        notes.expect(&["timer", "notification", "source ready"]);
        assert_eq!(polls.get(), 2 + 2 * turn, "one poll a task and turn");
    }
    world.waits();
    reactor.iterate(None).unwrap();
    assert_eq!(world.waits(), [ZERO]);
    // Nor does it keep a reactor from stopping.
    reactor.stop().unwrap();
    reactor.run().unwrap();
}

#[test]
fn def_25_a_wake_in_the_woken_phase_waits_for_the_next_turn() {
    let (mut reactor, _world) = started();
    let (first, second, third) = (Gate::default(), Gate::default(), Gate::default());
    let (wakes_second, wakes_third) = (second.clone(), third.clone());
    let mut first_poll = first.clone();
    reactor.spawn(poll_fn(move |cx| {
        if first_poll.polls() > 0 {
            wakes_second.wake(); // It is in this turn's batch.
            wakes_third.wake(); // It is not.
        }
        Pin::new(&mut first_poll).poll(cx)
    }));
    reactor.spawn(second.clone());
    reactor.spawn(third.clone());
    turns(&mut reactor, 1);
    first.wake();
    second.wake();
    turns(&mut reactor, 1);
    assert_eq!((first.polls(), second.polls(), third.polls()), (2, 2, 1));
    turns(&mut reactor, 1);
    assert_eq!((first.polls(), second.polls(), third.polls()), (2, 2, 2));
    turns(&mut reactor, 1);
    assert_eq!(reactor.stats().polls, 6);
}

#[test]
fn def_25_the_loop_never_sleeps_over_a_woken_task() {
    let (mut reactor, world) = started();
    let gate = Gate::default();
    reactor.spawn(gate.clone());
    assert_eq!(reactor.next_deadline(), ZERO, "a first poll is due");
    turns(&mut reactor, 1);
    assert_eq!(reactor.next_deadline(), None);
    gate.wake();
    assert_eq!(reactor.next_deadline(), ZERO);
    turns(&mut reactor, 1);
    world.waits();
    reactor.call_later(ms(5), {
        let gate = gate.clone();
        move || gate.wake()
    });
    reactor.iterate(None).unwrap();
    reactor.iterate(None).unwrap(); // The timer, which wakes the task.
    reactor.iterate(Some(ms(70))).unwrap();
    assert_eq!(world.waits(), [Some(ms(5)), ZERO, Some(ms(70))]);
    assert_eq!(gate.polls(), 3);
}

#[test]
fn def_25_awaiting_what_is_ready_goes_on_in_the_same_poll_without_recursion() {
    let (mut reactor, _world) = started();
    let sum = reactor.spawn(async {
        let mut sum = 0_u64;
        for n in 0..1_000_000 {
            sum += succeed(n).await?;
        }
        Ok(sum)
    });
    turns(&mut reactor, 1);
    assert_eq!(sum.try_take().unwrap().unwrap(), 499_999_500_000);
    assert_eq!(reactor.stats().polls, 1);
}

#[test]
fn def_25_the_result_fires_the_deferred_in_place() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let gate = Gate::default();
    let (opened, inside, outside) = (gate.clone(), notes.clone(), notes.clone());
    let task = reactor.spawn(async move {
        opened.await;
        inside.add("done");
        Ok(7)
    });
    let handle = reactor.handle();
    task.add_callback(move |n| outside.add(format_args!("fired with {n}, {} left", handle.stats().tasks)));
    turns(&mut reactor, 1);
    reactor.call_later(Duration::ZERO, notes.note("timer"));
    gate.open();
    gate.wake();
    turns(&mut reactor, 1);
    notes.expect(&["done", "fired with 7, 0 left", "timer"]);
}

#[test]
#[expect(clippy::async_yields_async, reason = "a task is over before what it returned")]
fn def_25_tasks_that_return_each_others_deferreds_take_no_stack() {
    const DEEP: usize = 100_000;
    fn next(reactor: &ReactorHandle, left: usize) -> Deferred<usize> {
        let handle = reactor.clone();
        reactor.spawn(async move { if left == 0 { succeed(DEEP) } else { next(&handle, left - 1) } })
    }
    let (mut reactor, _world) = reactor_with(Reactor::builder().notifications_per_turn(usize::MAX));
    reactor.start().unwrap();
    let answer = next(&reactor, DEEP);
    turns(&mut reactor, 1);
    assert_eq!(answer.try_take().unwrap().unwrap(), DEEP);
    // One after the other as well.
    let mut last = reactor.spawn(pending::<Result<(), Failure>>());
    let canceller = last.canceller();
    for _ in 0..DEEP {
        let before = last;
        last = reactor.spawn(async move { before });
    }
    turns(&mut reactor, 1);
    canceller.cancel();
    assert!(last.try_take().unwrap().unwrap_err().is_cancelled());
}

// Results.

#[test]
fn def_26_awaiting_a_failure_gives_it_and_counts_as_handling_it() {
    let log = Log::catch();
    let (mut reactor, _world) = started();
    let (promise, later) = deferred::<()>();
    let task = reactor.spawn(async move {
        let now = fail::<()>(std::fmt::Error).await.unwrap_err();
        assert!(now.check::<std::fmt::Error>());
        let later = later.await.unwrap_err();
        Ok(later.check::<std::num::ParseIntError>())
    });
    turns(&mut reactor, 1);
    promise.errback("x".parse::<u8>().unwrap_err());
    turns(&mut reactor, 1);
    assert!(task.try_take().unwrap().unwrap());
    log.expect(&[]);
}

#[test]
fn def_31_the_failure_of_a_detached_task_is_logged_once() {
    let log = Log::catch();
    let (mut reactor, _world) = started();
    for ends_late in [false, true] {
        let (promise, later) = deferred::<()>();
        let task = reactor.spawn(async move {
            if ends_late {
                later.await?;
            }
            Err::<(), _>(std::fmt::Error.into())
        });
        drop(task); // R29: it goes on.
        turns(&mut reactor, 1);
        promise.callback(());
        turns(&mut reactor, 1);
        log.expect(&["unhandled failure in a Deferred"]);
    }
    let kept = reactor.spawn(async { Err::<(), _>(std::fmt::Error.into()) });
    turns(&mut reactor, 1);
    log.expect(&[]);
    drop(kept);
    log.expect(&["unhandled failure in a Deferred"]);
}

#[test]
fn def_30_a_dropped_deferred_detaches_its_task() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (promise, later) = deferred::<u8>();
    let seen = notes.clone();
    drop(reactor.spawn(async move { seen.add(later.await.unwrap()) }));
    turns(&mut reactor, 1);
    assert_eq!(reactor.stats().tasks, 1);
    promise.callback(7);
    turns(&mut reactor, 1);
    notes.expect(&["7"]);
    assert_eq!(reactor.stats().tasks, 0);
}

#[test]
fn def_30_a_deferred_is_a_future_and_a_task_is_a_deferred() {
    let (mut reactor, _world) = started();
    let (promise, answer) = deferred::<u8>();
    let there_and_back = reactor.spawn(answer);
    let outer = reactor.spawn(there_and_back);
    turns(&mut reactor, 1);
    promise.callback(7);
    turns(&mut reactor, 2);
    assert_eq!(outer.try_take().unwrap().unwrap(), 7);
    // What is converted is consumed, and its failure is heard on the other side.
    let (promise, answer) = deferred::<u8>();
    let outer = reactor.spawn(reactor.spawn(answer));
    turns(&mut reactor, 1);
    drop(promise);
    turns(&mut reactor, 2);
    assert!(outer.try_take().unwrap().unwrap_err().check::<Abandoned>());
}
