//! Waiting for a while, and then doing something.

use std::rc::Rc;
use std::time::Duration;

use crate::support::{Notes, OnDrop};
use twistor_deferred::{Clock, Failure, ManualClock, Timers, defer_later, deferred, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn task_07_calls_once_when_the_time_has_come() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let log = notes.clone();
    let answer = defer_later(&clock, SECOND, move || {
        log.add("called");
        Ok(7)
    });
    clock.advance(SECOND - Duration::from_nanos(1));
    notes.expect(&[]);
    clock.advance(SECOND);
    notes.expect(&["called"]);
    assert_eq!(answer.try_take().unwrap().unwrap(), 7);
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn task_07_whatever_a_callback_may_return() {
    let clock = ManualClock::new();
    let plain = defer_later(&clock, SECOND, || {});
    let failed = defer_later(&clock, SECOND, || {
        let n: u8 = "x".parse()?;
        Ok(n)
    });
    let panicked = defer_later(&clock, SECOND, || -> Result<(), Failure> { panic!("expected by this test") });
    let (promise, inner) = deferred::<&str>();
    let waits = defer_later(&clock, SECOND, move || inner);
    clock.advance(SECOND);
    assert!(plain.try_take().unwrap().is_ok());
    assert!(failed.try_take().unwrap().unwrap_err().check::<std::num::ParseIntError>());
    assert!(panicked.try_take().unwrap().unwrap_err().is_panicked());
    assert!(!waits.has_result());
    promise.callback("at last");
    assert_eq!(waits.try_take().unwrap().unwrap(), "at last");
}

#[test]
fn task_07_a_cancel_takes_the_call_off_the_clock_at_once() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let log = notes.clone();
    let dropped = OnDrop(move || log.add("dropped"));
    let answer = defer_later(&clock, SECOND, move || {
        let _owned = &dropped;
        unreachable!("it was cancelled") as ()
    });
    assert_eq!(clock.delayed_calls().len(), 1);
    answer.cancel();
    assert!(clock.delayed_calls().is_empty());
    notes.expect(&["dropped"]);
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
    clock.advance(SECOND);
}

#[test]
fn task_07_a_cancel_afterwards_reaches_what_the_function_returned() {
    let clock = ManualClock::new();
    let (promise, inner) = deferred::<()>();
    let answer = defer_later(&clock, SECOND, move || inner);
    clock.advance(SECOND);
    answer.cancel();
    assert!(promise.is_cancelled());
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn task_07_dropping_the_deferred_cancels_nothing() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let log = notes.clone();
    drop(defer_later(&clock, Duration::ZERO, move || log.add("called")));
    notes.expect(&[]);
    clock.advance(Duration::ZERO);
    notes.expect(&["called"]);
}

#[test]
fn task_07_nothing_to_call() {
    let clock = ManualClock::new();
    let rested = sleep(&clock, SECOND);
    clock.advance(SECOND);
    assert!(rested.try_take().unwrap().is_ok());
    let never = sleep(&clock, Duration::MAX);
    clock.advance(Duration::MAX);
    assert!(!never.has_result());
    never.cancel();
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn task_07_a_clock_that_goes_abandons() {
    let timers = Timers::new();
    let held = Rc::new(());
    let owned = Rc::clone(&held);
    let answer = defer_later(&timers, SECOND, move || drop(owned));
    timers.clear();
    assert!(answer.try_take().unwrap().unwrap_err().is_abandoned());
    assert_eq!(Rc::strong_count(&held), 1);
    let answer = sleep(&timers, SECOND);
    drop(timers);
    assert!(answer.try_take().unwrap().unwrap_err().is_abandoned());
    let closed = Timers::new();
    closed.close();
    assert!(sleep(&closed, SECOND).try_take().unwrap().unwrap_err().is_abandoned());
}

#[test]
fn task_07_a_function_may_sleep_again() {
    fn count_down(clock: &ManualClock, n: u32) -> twistor_deferred::Deferred<u32> {
        let again = clock.clone();
        if n == 0 {
            return sleep(clock, SECOND).map(|()| 0);
        }
        defer_later(clock, SECOND, move || count_down(&again, n - 1)).map(|depth| depth + 1)
    }
    let clock = ManualClock::new();
    let counted = count_down(&clock, 9);
    clock.advance(SECOND * 10);
    assert_eq!(clock.now().as_nanos(), 10_000_000_000);
    assert_eq!(counted.try_take().unwrap().unwrap(), 9);
}
