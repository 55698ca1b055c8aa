//! Tasks that have a say when they are cancelled (DEF-28).

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use common::{Notes, OnDrop, OwnCanceller, is_cancelled, keep, started, turns};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use twistor_deferred::{Deferred, Promise, deferred};
use twistor_reactor::{Reactor, ReactorGone, TaskHandle};

/// A task that catches every cancel, and says what it got. It waits for what is put into `next`, until there is nothing more.
fn catching(reactor: &Reactor, notes: &Notes, next: Vec<Deferred<u8>>) -> Deferred<&'static str> {
    let seen = notes.clone();
    reactor.spawn_with(|task| async move {
        for awaited in next {
            let got = task.catch_cancel(awaited).await;
            seen.add(got.map_or_else(|failure| failure.to_string(), |n| n.to_string()));
        }
        Ok("the end")
    })
}

#[test]
fn def_28_a_task_may_catch_its_cancel_and_go_on_and_its_result_counts() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (promises, awaited): (Vec<Promise<u8>>, Vec<_>) = (0..3).map(|_| deferred()).unzip();
    let mut promises = promises.into_iter();
    let task = catching(&reactor, &notes, awaited);
    turns(&mut reactor, 1);
    task.cancel();
    assert!(promises.next().unwrap().is_cancelled());
    assert!(!task.has_result());
    notes.expect_nothing(); // It hears of it in its next poll.
    turns(&mut reactor, 1);
    notes.expect(&["the operation was cancelled"]);
    // A second cancel is another one.
    task.cancel();
    task.cancel(); // The task was not polled since: kept for the next wait, below.
    turns(&mut reactor, 1);
    notes.expect(&["the operation was cancelled"]);
    turns(&mut reactor, 1);
    notes.expect(&["the operation was cancelled"]);
    assert!(promises.all(|promise| promise.is_cancelled()));
    assert_eq!(task.try_take().unwrap().unwrap(), "the end");
    assert_eq!(reactor.stats().tasks, 0);
}

#[test]
fn def_28_many_cancels_cost_no_more_than_one() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let task = reactor.spawn_with(|task| async move {
        for _ in 0..4_000 {
            let (_promise, never) = deferred::<()>();
            assert!(task.catch_cancel(never).await.unwrap_err().is_cancelled());
        }
        Ok(7)
    });
    let canceller = task.canceller();
    let seen = notes.clone();
    task.add_callback(move |n| seen.add(n));
    turns(&mut reactor, 1);
    for _ in 0..4_000 {
        canceller.cancel();
        turns(&mut reactor, 1);
    }
    notes.expect(&["7"]);
}

#[test]
fn def_28_what_the_awaited_answers_to_a_cancel_is_what_the_task_gets() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    // A canceller with an answer, an errback with another, and a chain that takes its time.
    let (promise, answering) = deferred::<u8>();
    let slot = Rc::new(Cell::new(None));
    let fires = Rc::clone(&slot);
    promise.on_cancel(move || fires.take().map(|promise: Promise<u8>| promise.callback(1)).unwrap());
    slot.set(Some(promise));
    let (_promise, handled) = deferred::<u8>();
    let handled = handled.add_errback(|_| Ok(2));
    let (_other, slow) = deferred::<u8>();
    let (finish, finished) = deferred::<u8>();
    let slow = slow.add_errback(move |_| finished);
    let task = catching(&reactor, &notes, vec![answering, handled, slow]);
    turns(&mut reactor, 1);
    for expected in ["1", "2"] {
        task.cancel();
        turns(&mut reactor, 1);
        notes.expect(&[expected]);
    }
    task.cancel();
    turns(&mut reactor, 1);
    notes.expect_nothing();
    finish.callback(3);
    turns(&mut reactor, 1);
    notes.expect(&["3"]);
    assert_eq!(task.try_take().unwrap().unwrap(), "the end");
}

#[test]
fn def_28_passing_the_failure_on_ends_the_task_and_stops_what_it_waited_for() {
    let (mut reactor, _world) = started();
    let handle = reactor.handle();
    let task = reactor.spawn_with(|task| async move {
        task.catch_cancel(handle.sleep(Duration::from_secs(60))).await?;
        Ok("slept")
    });
    turns(&mut reactor, 1);
    assert_eq!(reactor.stats().timers_pending, 1);
    task.cancel();
    assert_eq!(reactor.stats().timers_pending, 0);
    turns(&mut reactor, 1);
    is_cancelled(task);
}

#[test]
fn def_28_at_a_plain_await_a_catching_task_is_dropped() {
    let (mut reactor, _world) = started();
    let (promise, caught) = deferred::<()>();
    let (other, plain) = deferred::<()>();
    let drops = Rc::new(Cell::new(0));
    let counts = Rc::clone(&drops);
    let local = OnDrop(move || counts.set(counts.get() + 1));
    let task = reactor.spawn_with(|task| async move {
        keep(&local);
        task.catch_cancel(caught).await?;
        plain.await
    });
    turns(&mut reactor, 1);
    promise.callback(());
    turns(&mut reactor, 1);
    task.cancel();
    assert_eq!((drops.get(), reactor.stats().tasks), (1, 0));
    assert!(other.is_cancelled(), "what it waited for goes with it");
    is_cancelled(task);
    // Before its first poll as well.
    let task = reactor.spawn_with(|_| async { unreachable!() });
    task.cancel();
    turns(&mut reactor, 1);
    assert!(task.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_28_all_awaits_of_a_join_are_cancelled() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (first, a) = deferred::<u8>();
    let (second, b) = deferred::<u8>();
    let (third, c) = deferred::<u8>();
    let seen = notes.clone();
    let task = reactor.spawn_with(|task| async move {
        let (a, b, c) = futures::join!(task.catch_cancel(a), task.catch_cancel(b), c);
        for result in [a, b, c] {
            seen.add(result.map_or_else(|failure| failure.to_string(), |n| n.to_string()));
        }
    });
    turns(&mut reactor, 1);
    first.callback(1); // Has its result, and stays as it is.
    task.cancel();
    assert!(second.is_cancelled());
    assert!(!third.is_cancelled(), "that one is a plain wait");
    turns(&mut reactor, 1);
    third.callback(3);
    turns(&mut reactor, 1);
    notes.expect(&["1", "the operation was cancelled", "3"]);
    task.try_take().unwrap().unwrap();
}

#[test]
fn def_28_awaits_below_other_wakers_are_caught_too() {
    let (mut reactor, _world) = started();
    let promises: Rc<RefCell<Vec<Promise<u8>>>> = Rc::default();
    let made = Rc::clone(&promises);
    let task = reactor.spawn_with(|task| async move {
        let mut all: FuturesUnordered<_> = (0..3)
            .map(|_| {
                let (promise, answer) = deferred();
                made.borrow_mut().push(promise);
                task.catch_cancel(answer)
            })
            .collect();
        let mut cancelled = 0;
        while let Some(result) = all.next().await {
            cancelled += usize::from(result.is_err());
        }
        Ok(cancelled)
    });
    turns(&mut reactor, 1);
    task.cancel();
    assert!(promises.borrow().iter().all(Promise::is_cancelled));
    turns(&mut reactor, 2);
    assert_eq!(task.try_take().unwrap().unwrap(), 3);
}

#[test]
fn def_28_a_cancel_that_meets_a_result_is_kept_for_the_next_wait() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    // The next wait is one that catches, is a plain one, or there is none.
    for next in ["catching", "plain", "none"] {
        let (promise, first) = deferred::<u8>();
        let (later, second) = deferred::<u8>();
        let seen = notes.clone();
        let task = reactor.spawn_with(move |task| async move {
            seen.add(task.catch_cancel(first).await?);
            match next {
                "catching" => {
                    let failure = task.catch_cancel(second).await.unwrap_err();
                    assert!(failure.is_cancelled());
                    seen.add("caught");
                }
                "plain" => drop(second.await),
                _ => (),
            }
            Ok(())
        });
        turns(&mut reactor, 1);
        promise.callback(1);
        task.cancel(); // Its result is here, and must not be lost; nor must this.
        assert!(!task.has_result());
        turns(&mut reactor, 1);
        match next {
            "catching" => {
                assert!(later.is_cancelled());
                turns(&mut reactor, 1);
                notes.expect(&["1", "caught"]);
                task.try_take().unwrap().unwrap();
            }
            "plain" => {
                notes.expect(&["1"]);
                is_cancelled(task);
            }
            _ => {
                notes.expect(&["1"]);
                task.try_take().unwrap().unwrap();
            }
        }
        assert_eq!(reactor.stats().tasks, 0);
    }
}

#[test]
fn def_28_a_cancel_from_inside_a_poll_reaches_the_awaits_of_before() {
    let (mut reactor, _world) = started();
    let own = OwnCanceller::default();
    let cancels = own.clone();
    let (promise, awaited) = deferred::<()>();
    let (go, going) = deferred::<()>();
    let task = reactor.spawn_with(|task| async move {
        let (caught, ()) = futures::join!(task.catch_cancel(awaited), async {
            let _ = going.await;
            cancels.cancel();
        });
        assert!(caught.unwrap_err().is_cancelled());
        Ok("went on")
    });
    own.of(&task);
    turns(&mut reactor, 1);
    go.callback(());
    turns(&mut reactor, 1);
    assert!(promise.is_cancelled());
    turns(&mut reactor, 1);
    assert_eq!(task.try_take().unwrap().unwrap(), "went on");
    // Without any, it is the end, after the poll.
    let own = OwnCanceller::default();
    let (cancels, notes) = (own.clone(), Notes::default());
    let seen = notes.clone();
    let task = reactor.spawn_with(|task| async move {
        cancels.cancel();
        seen.add("still here");
        let (_promise, never) = deferred::<()>();
        let _ = task.catch_cancel(never).await;
        seen.add("not any more");
    });
    own.of(&task);
    turns(&mut reactor, 2);
    notes.expect(&["still here"]);
    is_cancelled(task);
    assert_eq!(reactor.stats().tasks, 0);
}

#[test]
fn def_28_a_hand_of_another_task_catches_nothing() {
    let (mut reactor, _world) = started();
    let hand: Rc<RefCell<Option<TaskHandle>>> = Rc::default();
    let given = Rc::clone(&hand);
    let first = reactor.spawn_with(move |task| {
        given.replace(Some(task));
        pending::<()>()
    });
    turns(&mut reactor, 1);
    let hand = hand.take().unwrap();
    let (promise, awaited) = deferred::<u8>();
    let foreign = hand.clone();
    let second = reactor.spawn(async move { foreign.catch_cancel(awaited).await });
    turns(&mut reactor, 1);
    first.cancel();
    is_cancelled(first);
    assert!(!promise.is_cancelled());
    promise.callback(7);
    turns(&mut reactor, 1);
    assert_eq!(second.try_take().unwrap().unwrap(), 7);
    // After the end of its task it is a plain wait as well.
    let (promise, awaited) = deferred::<u8>();
    let third = reactor.spawn(async move { hand.catch_cancel(awaited).await });
    turns(&mut reactor, 1);
    third.cancel();
    assert!(promise.is_cancelled());
    is_cancelled(third);
}

#[test]
fn def_28_an_await_that_was_given_up_catches_nothing_any_more() {
    let (mut reactor, _world) = started();
    let (promise, awaited) = deferred::<()>();
    let (go, going) = deferred::<()>();
    let task = reactor.spawn_with(|task| async move {
        let given_up = futures::future::select(task.catch_cancel(awaited), going).await;
        drop(given_up);
        pending::<()>().await;
    });
    turns(&mut reactor, 1);
    go.callback(());
    turns(&mut reactor, 1);
    task.cancel();
    assert!(!promise.is_cancelled());
    is_cancelled(task);
}

#[test]
fn def_28_an_await_that_is_through_catches_nothing_any_more() {
    let (mut reactor, _world) = started();
    let (promise, awaited) = deferred::<u8>();
    let task = reactor.spawn_with(|task| async move {
        let mut awaited = task.catch_cancel(awaited);
        assert_eq!((&mut awaited).await.unwrap(), 7);
        pending::<()>().await;
        drop(awaited);
    });
    turns(&mut reactor, 1);
    promise.callback(7);
    turns(&mut reactor, 1);
    task.cancel();
    is_cancelled(task);
    assert_eq!(reactor.stats().tasks, 0);
}

#[test]
fn def_28_a_task_that_has_ended_catches_nothing_although_an_await_of_it_is_left() {
    let (mut reactor, _world) = started();
    let (promise, awaited) = deferred::<u8>();
    let slot = Rc::new(Cell::new(None));
    let kept = Rc::clone(&slot);
    let task = reactor.spawn_with(|task| async move {
        let mut awaited = task.catch_cancel(awaited);
        assert!(futures::poll!(&mut awaited).is_pending());
        kept.set(Some(awaited));
        panic!("with an await left");
    });
    turns(&mut reactor, 1);
    assert!(task.try_take().unwrap().unwrap_err().is_panicked());
    assert!(slot.take().is_some() && !promise.is_cancelled());
}

#[test]
fn def_28_cancelling_the_awaited_may_cancel_the_task_again() {
    let (mut reactor, _world) = started();
    let own = OwnCanceller::default();
    let cancels = own.clone();
    let (_promise, awaited) = deferred::<()>();
    let awaited = awaited.add_errback(move |failure| {
        cancels.cancel(); // The task's Deferred is being cancelled: nothing.
        Err(failure)
    });
    let task = reactor.spawn_with(|task| async move {
        assert!(task.catch_cancel(awaited).await.unwrap_err().is_cancelled());
        let (promise, answer) = deferred::<u8>();
        promise.callback(7);
        task.catch_cancel(answer).await
    });
    own.of(&task);
    turns(&mut reactor, 1);
    task.cancel();
    turns(&mut reactor, 2);
    assert_eq!(task.try_take().unwrap().unwrap(), 7);
}

#[test]
fn def_28_a_caught_cancel_and_the_end_of_the_reactor() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (promises, awaited): (Vec<Promise<u8>>, Vec<_>) = (0..2).map(|_| deferred()).unzip();
    let task = catching(&reactor, &notes, awaited);
    turns(&mut reactor, 1);
    task.cancel();
    turns(&mut reactor, 1);
    drop(reactor);
    assert!(task.try_take().unwrap().unwrap_err().check::<ReactorGone>());
    assert!(!promises[1].is_cancelled());
}

#[test]
fn def_28_callbacks_and_errbacks_of_a_cancelled_task_see_the_one_result() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (_promise, awaited) = deferred::<u8>();
    let task = catching(&reactor, &notes, vec![awaited]);
    let canceller = task.canceller();
    let (seen, failed) = (notes.clone(), notes.clone());
    task.add_callbacks(move |text| seen.add(text), move |failure| failed.add(failure));
    turns(&mut reactor, 1);
    canceller.cancel();
    notes.expect_nothing();
    turns(&mut reactor, 1);
    notes.expect(&["the operation was cancelled", "the end"]);
    canceller.cancel();
    notes.expect_nothing();
}

#[test]
fn def_28_a_catching_await_that_was_left_lying_does_not_catch_for_ever() {
    use futures::future::{Either, select};
    let (mut reactor, _world) = started();
    let (_left, loser) = deferred::<u8>();
    let (promise, winner) = deferred::<u8>();
    let task = reactor.spawn_with(move |task| async move {
        let Either::Right((_, loser)) = select(task.catch_cancel(loser), winner).await else {
            panic!("the wrong one has won");
        };
        pending::<()>().await;
        loser.await
    });
    turns(&mut reactor, 1);
    promise.callback(1);
    turns(&mut reactor, 1);
    task.cancel(); // Reaches the one that lies there, and the task may have looked.
    turns(&mut reactor, 2);
    assert!(!task.has_result());
    task.cancel();
    assert!(task.has_result());
    is_cancelled(task);
}
