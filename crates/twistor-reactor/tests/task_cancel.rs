//! Cancelling tasks (DEF-28): the future is dropped where it stands.

#![cfg(feature = "mio")]

mod common;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use common::{Log, Notes, OnDrop, OwnCanceller, is_cancelled, keep, ms, started, turns};
use twistor_deferred::{Deferred, Failure, ManualClock, deferred};
use twistor_reactor::Reactor;

#[test]
fn def_28_a_cancelled_task_is_dropped_at_its_await_at_once() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    for turned in [0, 1] {
        let (seen, inside) = (notes.clone(), notes.clone());
        let local = OnDrop(move || seen.add("dropped"));
        let task = reactor.spawn(async move {
            inside.add("polled");
            keep(&local);
            pending::<()>().await;
        });
        turns(&mut reactor, turned);
        let polled = if turned == 0 { &[][..] } else { &["polled"] };
        notes.expect(polled);
        task.cancel();
        notes.expect(&["dropped"]);
        is_cancelled(task);
        turns(&mut reactor, 2); // One that was cancelled unpolled never is.
        notes.expect_nothing();
        assert_eq!(reactor.stats().tasks, 0);
    }
}

#[test]
fn def_28_a_task_that_cancels_itself_is_dropped_when_its_poll_has_returned() {
    let log = Log::catch();
    type Last = fn() -> Poll<Result<(), Failure>>;
    let endings: [(Last, &[&str]); 4] = [
        (|| Poll::Pending, &[]),
        (|| Poll::Ready(Ok(())), &[]),
        (|| Poll::Ready(Err(std::fmt::Error.into())), &[]),
        (|| panic!("all the same"), &["panicked: all the same"]),
    ];
    for (last, logged) in endings {
        let (mut reactor, _world) = started();
        let notes = Notes::default();
        let own = OwnCanceller::default();
        let (cancels, inside, seen) = (own.clone(), notes.clone(), notes.clone());
        let local = OnDrop(move || seen.add("dropped"));
        let task = reactor.spawn(poll_fn(move |_| {
            keep(&local);
            cancels.cancel();
            cancels.cancel(); // Twice is nothing.
            inside.add("still here");
            last()
        }));
        own.of(&task);
        let seen = notes.clone();
        task.add_both(move |result| seen.add(format_args!("heard: {}", result.unwrap_err())));
        turns(&mut reactor, 1);
        notes.expect(&["heard: the operation was cancelled", "still here", "dropped"]);
        assert_eq!(reactor.stats().tasks, 0);
        log.expect(logged);
    }
}

#[test]
fn def_28_a_destructor_may_cancel_the_task_that_is_being_dropped() {
    let (mut reactor, _world) = started();
    let own = OwnCanceller::default();
    let (cancels, drops) = (own.clone(), Rc::new(Cell::new(0)));
    let counts = Rc::clone(&drops);
    let local = OnDrop(move || {
        counts.set(counts.get() + 1);
        cancels.cancel();
    });
    let task = reactor.spawn(async move {
        keep(&local);
        pending::<()>().await;
    });
    own.of(&task);
    turns(&mut reactor, 1);
    task.cancel();
    is_cancelled(task);
    assert_eq!(drops.get(), 1);
}

#[test]
fn def_28_a_task_may_own_its_own_deferred() {
    let log = Log::catch();
    for cancels in [true, false] {
        let (mut reactor, _world) = started();
        let slot: Rc<Cell<Option<Deferred<()>>>> = Rc::default();
        let (own, drops) = (Rc::clone(&slot), Rc::new(Cell::new(0)));
        let counts = Rc::clone(&drops);
        let local = OnDrop(move || counts.set(counts.get() + 1));
        let task = reactor.spawn(async move {
            keep(&local);
            let own = own.take().unwrap();
            own.await // For ever: it waits for itself.
        });
        let canceller = task.canceller();
        slot.set(Some(task));
        turns(&mut reactor, 2);
        if cancels {
            canceller.cancel();
            assert_eq!((drops.get(), reactor.stats().tasks), (1, 0));
        }
        drop(reactor);
        assert_eq!(drops.get(), 1);
    }
    log.expect(&[]);
}

#[test]
fn def_28_a_task_may_cancel_another_before_its_turn() {
    let (mut reactor, _world) = started();
    let own = OwnCanceller::default();
    let cancels = own.clone();
    let (promise, go) = deferred::<()>();
    let (other_promise, other_go) = deferred::<()>();
    reactor.spawn(async move {
        go.await?;
        cancels.cancel();
        Ok(())
    });
    let other = reactor.spawn(async move {
        let _ = other_go.await;
        unreachable!("it was cancelled when it was woken")
    });
    own.of(&other);
    turns(&mut reactor, 1);
    promise.callback(());
    other_promise.callback(());
    turns(&mut reactor, 1);
    is_cancelled(other);
}

#[test]
fn def_28_a_failure_that_says_cancelled_is_a_result_like_any_other() {
    let (mut reactor, _world) = started();
    let (promise, awaited) = deferred::<()>();
    let canceller = awaited.canceller();
    let plain = reactor.spawn(awaited);
    let with = reactor.spawn_with(|_| async { Err::<(), Failure>(twistor_deferred::Cancelled.into()) });
    turns(&mut reactor, 1);
    canceller.cancel();
    drop(promise);
    turns(&mut reactor, 1);
    is_cancelled(plain);
    is_cancelled(with);
}

#[test]
#[expect(clippy::async_yields_async, reason = "a task is over before what it returned")]
fn def_28_a_deferred_that_a_task_returned_is_what_a_cancel_reaches() {
    let (mut reactor, _world) = started();
    let (promise, answer) = deferred::<u8>();
    let task = reactor.spawn(async move { answer });
    turns(&mut reactor, 1);
    assert_eq!(reactor.stats().tasks, 0);
    task.cancel();
    assert!(promise.is_cancelled());
    is_cancelled(task);
}

#[test]
fn def_28_a_time_limit_cancels_a_task() {
    let (mut reactor, _world) = started();
    let clock = ManualClock::new();
    let task = reactor.spawn(pending::<()>()).add_timeout(ms(5), &clock);
    turns(&mut reactor, 1);
    clock.advance(ms(5));
    assert!(task.try_take().unwrap().unwrap_err().is_timed_out());
    assert_eq!(reactor.stats().tasks, 0);
}

#[test]
fn def_28_what_a_cancelled_task_waits_for_is_cancelled_with_it() {
    let (mut reactor, _world) = started();
    let handle = reactor.handle();
    let (promise, awaited) = deferred::<u8>();
    let (other, joined) = deferred::<u8>();
    let (unpolled, later) = deferred::<u8>();
    let inner = reactor.spawn(awaited);
    let task = reactor.spawn(async move {
        let sleeping = handle.sleep(ms(1_000));
        let all = futures::future::join3(inner, joined, sleeping).await;
        drop(all);
        later.await
    });
    turns(&mut reactor, 2);
    assert_eq!((reactor.stats().tasks, reactor.stats().timers_pending), (2, 1));
    task.cancel();
    is_cancelled(task);
    assert_eq!((reactor.stats().tasks, reactor.stats().timers_pending), (0, 0));
    assert!(promise.is_cancelled(), "a task that waits for a task takes it along");
    assert!(other.is_cancelled());
    assert!(!unpolled.is_cancelled(), "it did not wait for this one yet");
}

#[test]
fn def_28_what_cancellers_drop_meanwhile_is_only_dropped() {
    let (mut reactor, _world) = started();
    let (promise, awaited) = deferred::<u8>();
    let (bystander, theirs) = deferred::<u8>();
    // A task of a foreign executor, in the middle of an await.
    let mut foreign = Box::pin(theirs);
    let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
    assert!(foreign.as_mut().poll(context).is_pending());
    promise.on_cancel(move || drop(foreign));
    let task = reactor.spawn(awaited);
    turns(&mut reactor, 1);
    task.cancel();
    is_cancelled(task);
    assert!(promise.is_cancelled() && !bystander.is_cancelled());
}

#[test]
fn def_28_a_task_that_cancels_itself_cancels_what_it_began_to_wait_for() {
    let (mut reactor, _world) = started();
    let own = OwnCanceller::default();
    let (promise, awaited) = deferred::<u8>();
    let inside = own.clone();
    let task = reactor.spawn(async move {
        let mut awaited = awaited;
        let waits = futures::poll!(&mut awaited).is_pending();
        inside.cancel();
        assert!(waits);
        awaited.await
    });
    own.of(&task);
    turns(&mut reactor, 2);
    is_cancelled(task);
    assert!(promise.is_cancelled());
}

#[test]
fn def_28_a_dropped_reactor_detaches_what_its_tasks_wait_for() {
    let (mut reactor, _world) = started();
    let (promise, awaited) = deferred::<u8>();
    let task = reactor.spawn(awaited);
    turns(&mut reactor, 1);
    drop(reactor);
    assert!(task.try_take().unwrap().is_err());
    assert!(!promise.is_cancelled());
}

#[test]
fn def_28_a_long_row_of_tasks_that_wait_for_each_other_is_cancelled_in_constant_stack() {
    let row = || {
        let (mut reactor, _world) = started();
        let (promise, first) = deferred::<u8>();
        let mut last = reactor.spawn(first);
        for _ in 0..50_000 {
            let before = last;
            last = reactor.spawn(before);
        }
        turns(&mut reactor, 20);
        assert_eq!(reactor.stats().tasks, 50_001);
        last.cancel();
        assert_eq!(reactor.stats().tasks, 0);
        assert!(promise.is_cancelled());
        is_cancelled(last);
    };
    std::thread::Builder::new().stack_size(512 * 1024).spawn(row).unwrap().join().unwrap();
}

#[test]
fn def_28_rows_of_every_kind_pass_a_cancel_on_in_constant_stack() {
    type Link = fn(&Reactor, Deferred<()>) -> Deferred<()>;
    const KINDS: [Link; 3] = [
        |reactor, before| reactor.spawn_with(|task| async move { task.catch_cancel(before).await }),
        |reactor, before| reactor.spawn(before.cancel_on_drop()),
        |reactor, before| reactor.spawn(std::future::ready(before)),
    ];
    for kind in KINDS {
        let row = move || {
            let (mut reactor, _world) = started();
            let (promise, mut last) = deferred::<()>();
            for _ in 0..20_000 {
                last = kind(&reactor, last);
            }
            turns(&mut reactor, 20);
            last.cancel();
            assert!(promise.is_cancelled());
        };
        std::thread::Builder::new().stack_size(512 * 1024).spawn(row).unwrap().join().unwrap();
    }
}

#[test]
fn def_28_a_reactor_dropped_inside_a_cancelled_task_detaches_too() {
    let (mut outer, _world) = started();
    let (mut inner, _other) = started();
    let (promise, awaited) = deferred::<()>();
    drop(inner.spawn(awaited));
    turns(&mut inner, 1);
    let task = outer.spawn(async move {
        keep(&inner);
        pending::<()>().await;
    });
    turns(&mut outer, 1);
    task.cancel();
    assert!(!promise.is_cancelled());
}
