//! The rules about semaphores and locks.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::support::{Errors, Notes, OnDrop, on_a_small_stack};
use twistor_deferred::{
    Canceller, Deferred, DeferredLock, DeferredSemaphore, Failure, LockGuard, NoTokens, Permit, contain,
    deferred, fail, succeed,
};

fn semaphore(tokens: usize) -> DeferredSemaphore {
    DeferredSemaphore::new(tokens).unwrap()
}

/// In line for the lock: notes its name when it is served, and gives the lock back.
fn queue_up(lock: &DeferredLock, notes: &Notes, name: &'static str) -> Deferred<()> {
    let notes = notes.clone();
    lock.acquire().map(move |_guard| notes.add(name))
}

#[track_caller]
fn take<T>(deferred: Deferred<T>) -> T {
    deferred.try_take().unwrap().unwrap()
}

#[test]
fn def_22_zero_tokens_are_refused() {
    let error: NoTokens = DeferredSemaphore::new(0).unwrap_err();
    assert_eq!(error.to_string(), "a semaphore needs at least one token");
    assert_eq!(semaphore(1).limit(), 1);
}

#[test]
fn def_22_tokens_are_counted() {
    let semaphore = semaphore(2);
    let one = semaphore.try_acquire().unwrap();
    let two = take(semaphore.acquire());
    assert!(semaphore.try_acquire().is_none());
    let three = semaphore.acquire();
    assert!(!three.has_result());
    assert_eq!((semaphore.limit(), semaphore.available(), semaphore.waiting()), (2, 0, 1));
    assert_eq!(format!("{semaphore:?}"), "DeferredSemaphore(0 of 2 available, 1 waiting)");
    two.release();
    let three = take(three);
    assert_eq!(format!("{three:?}"), "Permit(1 of 2)");
    assert_eq!((semaphore.available(), semaphore.waiting()), (0, 0));
    drop((one, three));
    assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
}

#[test]
fn def_22_waiters_are_served_first_come_first_served_inside_the_release() {
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let guard = lock.try_acquire().unwrap();
    for name in ["a", "b", "c"] {
        queue_up(&lock, &notes, name);
    }
    notes.expect(&[]);
    assert_eq!(format!("{lock:?} {guard:?}"), "DeferredLock(locked, 3 waiting) LockGuard");
    guard.release();
    notes.expect(&["a", "b", "c"]);
    assert_eq!(format!("{lock:?}"), "DeferredLock(unlocked)");
}

#[test]
fn def_22_a_cancelled_waiter_leaves_the_line_at_once() {
    for cancelled in 0..3 {
        let (lock, notes) = (DeferredLock::new(), Notes::default());
        let guard = lock.try_acquire().unwrap();
        let mut names = vec!["first", "middle", "last"];
        let mut waiters: Vec<_> = names.iter().map(|name| queue_up(&lock, &notes, name)).collect();
        names.remove(cancelled);
        let waiter = waiters.remove(cancelled);
        waiter.cancel();
        assert!(waiter.try_take().unwrap().unwrap_err().is_cancelled());
        assert_eq!(lock.waiting(), 2);
        drop(guard);
        notes.expect(&names);
        assert!(!lock.is_locked());
    }
}

#[test]
fn def_22_cancelling_inside_a_callback_of_the_hand_over() {
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let guard = lock.try_acquire().unwrap();
    let canceller: Rc<Cell<Option<Canceller>>> = Rc::default();
    let (kept, noted) = (Rc::clone(&canceller), notes.clone());
    lock.acquire().map(move |guard| {
        noted.add("a");
        drop(guard); // The token is on its way to b.
        kept.take().unwrap().cancel();
        noted.add("a ends");
    });
    let failed = notes.clone();
    let b = queue_up(&lock, &notes, "b").inspect_failure(move |failure| failed.add(failure));
    canceller.set(Some(b.canceller()));
    queue_up(&lock, &notes, "c");
    guard.release();
    notes.expect(&["a", "the operation was cancelled", "a ends", "c"]);
    assert!(!lock.is_locked());
}

#[test]
fn def_22_cancelling_after_the_permit_came_changes_nothing() {
    let lock = DeferredLock::new();
    let first = lock.acquire();
    let canceller = first.canceller();
    canceller.cancel();
    let second = lock.acquire();
    let late = second.canceller();
    drop(take(first));
    late.cancel();
    let guard = take(second);
    assert!(lock.is_locked());
    drop(guard);
    late.cancel();
    assert!(!lock.is_locked());
}

#[test]
fn def_22_a_dropped_deferred_keeps_its_place_and_passes_the_permit_on() {
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let guard = lock.try_acquire().unwrap();
    drop(lock.acquire());
    queue_up(&lock, &notes, "b");
    let held = lock.acquire();
    assert_eq!(lock.waiting(), 3);
    drop(guard);
    notes.expect(&["b"]);
    assert!(held.has_result() && lock.is_locked());
    drop(held);
    assert!(!lock.is_locked());
}

#[test]
fn def_22_run_gives_the_token_back_after_a_value_a_failure_and_a_panic() {
    let semaphore = semaphore(1);
    let seen = semaphore.clone();
    let answer = semaphore.run(move || Ok(seen.available()));
    assert_eq!((take(answer), semaphore.available()), (0, 1));
    let answer = semaphore.run(|| fail::<u8>(std::fmt::Error));
    assert_eq!(semaphore.available(), 1);
    assert!(answer.try_take().unwrap().unwrap_err().check::<std::fmt::Error>());
    let answer = semaphore.run(|| -> Result<u8, Failure> { panic!("expected by this test") });
    assert_eq!(semaphore.available(), 1);
    assert!(answer.try_take().unwrap().unwrap_err().is_panicked());
}

#[test]
fn def_22_run_keeps_the_token_until_the_deferred_it_got_has_a_result() {
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let (promise, written) = deferred::<u8>();
    let (failing, broken) = deferred::<u8>();
    let noted = notes.clone();
    let first = lock.run(move || written).inspect_failure(move |_| noted.add("never"));
    let second = lock.run(move || broken);
    queue_up(&lock, &notes, "third");
    promise.callback(7);
    assert_eq!(take(first), 7);
    assert_eq!((lock.is_locked(), lock.waiting()), (true, 1));
    failing.errback(std::fmt::Error);
    notes.expect(&["third"]);
    assert!(!lock.is_locked());
    assert!(second.try_take().unwrap().is_err());
}

#[test]
fn def_22_run_gives_the_token_back_before_callbacks_added_to_it() {
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let (promise, written) = deferred::<u8>();
    let (seen, noted) = (lock.clone(), notes.clone());
    lock.run(move || written).map(move |_| noted.add(format!("{seen:?}")));
    promise.callback(1);
    notes.expect(&["DeferredLock(unlocked)"]);
}

#[test]
fn def_22_run_is_cancelled_in_line_and_while_it_waits() {
    let (semaphore, notes) = (semaphore(1), Notes::default());
    let (promise, slow) = deferred::<u8>();
    let noted = notes.clone();
    promise.on_cancel(move || noted.add("canceller"));
    let first = semaphore.run(move || slow);
    let noted = notes.clone();
    let uncalled = OnDrop(move || noted.add("dropped uncalled"));
    let second = semaphore.run(move || -> Result<(), Failure> {
        let _uncalled = &uncalled;
        panic!("not called")
    });
    second.cancel();
    assert_eq!(semaphore.waiting(), 0);
    notes.expect(&["dropped uncalled"]);
    assert!(second.try_take().unwrap().unwrap_err().is_cancelled());
    first.cancel();
    notes.expect(&["canceller"]);
    assert!(first.try_take().unwrap().unwrap_err().is_cancelled());
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn def_22_run_gives_the_token_back_when_its_own_deferred_is_returned_to_it() {
    let errors = Errors::catch();
    let lock = DeferredLock::new();
    let guard = lock.try_acquire().unwrap();
    let own: Rc<Cell<Option<Deferred<u8>>>> = Rc::default();
    let inside = Rc::clone(&own);
    own.set(Some(lock.run(move || inside.take().unwrap())));
    drop(guard);
    assert!(!lock.is_locked());
    errors.expect(&["unhandled failure in a Deferred [failure: a Deferred was returned into its own chain]"]);
}

#[test]
fn def_22_an_acquire_inside_a_hand_over_goes_to_the_end_of_the_line() {
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let guard = lock.try_acquire().unwrap();
    let (again, noted) = (lock.clone(), notes.clone());
    lock.acquire().map(move |guard| {
        guard.release();
        // The token is b's by now, so it is not there to be taken.
        assert!(again.try_acquire().is_none() && again.is_locked());
        assert_eq!(again.waiting(), 0);
        queue_up(&again, &noted, "a again");
        noted.add("a");
    });
    queue_up(&lock, &notes, "b");
    guard.release();
    notes.expect(&["a", "b", "a again"]);
}

#[test]
fn def_22_a_hand_over_leaves_more_tokens_than_waiters_to_whoever_tries() {
    let (semaphore, notes) = (semaphore(3), Notes::default());
    let held: Vec<Permit> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
    let (inside, noted) = (semaphore.clone(), notes.clone());
    let mut rest = held;
    let first = rest.pop();
    semaphore.acquire().map(move |permit| {
        drop((permit, rest)); // Three tokens, and b is the only one in line.
        assert_eq!((inside.available(), inside.waiting()), (2, 0));
        let taken = (inside.try_acquire().unwrap(), inside.try_acquire().unwrap());
        assert!(inside.try_acquire().is_none());
        noted.add("a");
        drop(taken);
    });
    let noted = notes.clone();
    semaphore.acquire().map(move |_permit| noted.add("b"));
    drop(first);
    notes.expect(&["a", "b"]);
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn def_22_a_guard_dropped_by_unwinding_serves_the_next_even_if_that_one_panics() {
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let guard = lock.try_acquire().unwrap();
    let b = lock.acquire().map(|_guard: LockGuard| -> u8 { panic!("expected by this test, too") });
    queue_up(&lock, &notes, "c");
    let text = contain(move || {
        let _guard = guard;
        panic!("expected by this test");
    });
    assert_eq!(text.unwrap_err(), "expected by this test");
    assert!(b.try_take().unwrap().unwrap_err().is_panicked());
    notes.expect(&["c"]);
    assert!(!lock.is_locked());
}

#[test]
fn def_22_permits_outlive_the_handles_in_any_order_and_nothing_is_left() {
    let alive = Rc::new(());
    let semaphore = semaphore(3);
    let mut held: Vec<Permit> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
    let mut waiters: Vec<_> = (0..3)
        .map(|_| {
            let (alive, own) = (Rc::clone(&alive), semaphore.clone());
            semaphore.acquire().map(move |permit| (permit, alive, own))
        })
        .collect();
    let weak = Rc::downgrade(&alive);
    drop((semaphore, alive));
    drop(held.remove(1));
    drop(waiters.remove(1));
    drop(held);
    let (permit, ..) = take(waiters.remove(0));
    drop(waiters);
    assert_eq!(weak.strong_count(), 0);
    assert_eq!(format!("{permit:?}"), "Permit(1 of 3)");
}

#[test]
fn def_22_a_waiter_does_not_keep_what_was_cancelled() {
    let lock = DeferredLock::new();
    let _guard = lock.try_acquire().unwrap();
    let alive = Rc::new(());
    for _ in 0..3 {
        let own = (Rc::clone(&alive), lock.clone());
        let waiter = lock.acquire().map(move |guard| (guard, own));
        let canceller = waiter.canceller();
        drop(waiter);
        assert_eq!(Rc::strong_count(&alive), 2);
        canceller.cancel();
        assert_eq!((Rc::strong_count(&alive), lock.waiting()), (1, 0));
    }
}

#[test]
fn def_22_works_with_await() {
    async fn guarded(lock: DeferredLock, notes: Notes, work: Deferred<u8>) -> Result<u8, Failure> {
        let _guard = lock.acquire().await?;
        notes.add("has it");
        work.await
    }
    let (lock, notes) = (DeferredLock::new(), Notes::default());
    let mut cx = Context::from_waker(Waker::noop());
    let (promise, work) = deferred();
    {
        let mut first = pin!(guarded(lock.clone(), notes.clone(), work));
        let mut second = pin!(guarded(lock.clone(), notes.clone(), succeed(2)));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        notes.expect(&["has it"]);
        promise.callback(1);
        assert!(matches!(first.poll(&mut cx), Poll::Ready(Ok(1))));
        assert!(matches!(second.poll(&mut cx), Poll::Ready(Ok(2))));
        notes.expect(&["has it"]);
    }
    assert!(!lock.is_locked());
    let (_promise, work) = deferred();
    let mut dropped = Box::pin(guarded(lock.clone(), notes, work));
    assert!(dropped.as_mut().poll(&mut cx).is_pending() && lock.is_locked());
    drop(dropped);
    assert!(!lock.is_locked());
}

const MILLION: usize = 1_000_000;

#[test]
fn def_22_a_million_waiters_are_served_in_constant_stack() {
    on_a_small_stack(|| {
        let lock = DeferredLock::new();
        let (promise, first) = deferred::<()>();
        lock.run(move || first);
        let reached = Rc::new(Cell::new(0));
        for place in 0..MILLION {
            let reached = Rc::clone(&reached);
            lock.run(move || {
                assert_eq!(reached.replace(place + 1), place);
                Ok(())
            });
        }
        promise.callback(());
        assert_eq!((reached.get(), lock.is_locked()), (MILLION, false));
        assert_eq!(Rc::strong_count(&reached), 1);
    });
}

#[test]
fn def_22_a_million_waiters_that_each_line_up_again_or_are_cancelled() {
    on_a_small_stack(|| {
        // Each one releases inside the hand-over, and the last to be served asks for more.
        fn again(semaphore: &DeferredSemaphore, left: usize) {
            let own = semaphore.clone();
            semaphore.acquire().map(move |permit| {
                if left > 0 {
                    again(&own, left - 1);
                }
                permit.release();
            });
        }
        let semaphore = semaphore(1);
        let held = semaphore.try_acquire().unwrap();
        again(&semaphore, MILLION);
        drop(held);
        assert_eq!(semaphore.available(), 1);

        let held = semaphore.try_acquire().unwrap();
        let waiters: Vec<_> = (0..MILLION).map(|_| semaphore.acquire()).collect();
        for (place, waiter) in waiters.into_iter().enumerate() {
            if place % 2 == 0 {
                waiter.cancel();
            }
        }
        assert_eq!(semaphore.waiting(), MILLION / 2);
        drop(held);
        assert_eq!((semaphore.available(), semaphore.waiting()), (1, 0));
    });
}
