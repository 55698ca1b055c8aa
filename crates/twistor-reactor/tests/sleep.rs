//! `sleep`, and the reactor as a clock (R3, R28, TASK-08).

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::{Notes, ms, reactor, real_reactor, started, turn_until, turns};
use twistor_deferred::{Abandoned, Clock, ManualClock, Moment, deferred};
use twistor_reactor::ReactorGone;

const ZERO: Option<Duration> = Some(Duration::ZERO);

#[test]
fn a_sleep_ends_in_the_turn_in_which_it_is_due() {
    let (mut reactor, world) = started();
    let notes = Notes::default();
    for (delay, text) in [(ms(5), "five"), (ms(0), "none"), (ms(2), "two"), (ms(5), "five too")] {
        reactor.sleep(delay).add_callback({
            let note = notes.note(text);
            move |()| note()
        });
    }
    notes.expect_nothing();
    turns(&mut reactor, 1);
    notes.expect(&["none"]);
    world.pass(ms(4));
    turns(&mut reactor, 1);
    notes.expect(&["two"]);
    world.pass(ms(1));
    turns(&mut reactor, 1);
    notes.expect(&["five", "five too"]);
    let never = reactor.sleep(Duration::MAX);
    assert_eq!(reactor.next_deadline(), None);
    assert!(!never.has_result());
}

#[test]
fn no_sleep_at_all_is_the_next_turn() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.sleep(Duration::ZERO).add_callback(move |()| {
        seen.add("first");
        handle.sleep(Duration::ZERO).map(move |()| seen.add("second"))
    });
    turns(&mut reactor, 1);
    notes.expect(&["first"]);
    turns(&mut reactor, 1);
    notes.expect(&["second"]);
}

#[test]
fn a_sleep_that_is_cancelled_takes_its_timer_along_and_one_that_is_dropped_does_not() {
    let (mut reactor, _world) = started();
    let sleep = reactor.sleep(ms(5));
    assert_eq!(reactor.stats().timers_pending, 1);
    sleep.cancel();
    assert_eq!(reactor.stats().timers_pending, 0);
    assert!(sleep.try_take().unwrap().unwrap_err().is_cancelled());
    drop(reactor.sleep(ms(5)));
    assert_eq!(reactor.stats().timers_pending, 1);
    // Whoever takes the timer away without asking leaves a promise without a producer.
    let sleep = reactor.sleep(ms(6));
    reactor.delayed_calls()[1].cancel().unwrap();
    assert!(sleep.try_take().unwrap().unwrap_err().check::<Abandoned>());
    turns(&mut reactor, 1);
}

#[test]
fn a_sleep_ends_with_its_reactor() {
    let (reactor, _world) = reactor();
    let handle = reactor.handle();
    let (sleep, cancelled) = (reactor.sleep(ms(5)), reactor.sleep(ms(5)));
    cancelled.cancel();
    drop(reactor);
    assert!(cancelled.try_take().unwrap().unwrap_err().is_cancelled());
    for sleep in [sleep, handle.sleep(ms(5))] {
        assert!(sleep.try_take().unwrap().unwrap_err().check::<ReactorGone>());
    }
}

/// What is written over any clock.
fn count<C: Clock>(clock: &C, every: Duration, left: usize, at: Rc<RefCell<Vec<Moment>>>) {
    let again = clock.clone();
    clock.call_later(every, move || {
        at.borrow_mut().push(again.now());
        if left > 1 {
            count(&again, every, left - 1, at);
        }
    });
}

#[test]
fn a_reactor_is_a_clock_like_one_that_is_moved_by_hand() {
    let (mut reactor, _world) = reactor();
    let manual = ManualClock::new();
    let (by_hand, by_reactor) = (Rc::default(), Rc::default());
    count(&manual, ms(5), 3, Rc::clone(&by_hand));
    count(&reactor.handle(), ms(5), 3, Rc::clone(&by_reactor));
    manual.advance(ms(20));
    let handle = reactor.handle();
    reactor.call_later(ms(20), move || handle.stop().unwrap());
    reactor.run().unwrap();
    assert_eq!(*by_hand.borrow(), *by_reactor.borrow());
    assert_eq!(by_hand.borrow().len(), 3);
}

#[test]
fn read_is_the_kernels_clock_at_this_instant_and_now_stands_still() {
    let (mut reactor, world) = started();
    let (handle, passing) = (reactor.handle(), world);
    let seen = Rc::new(Cell::new(None));
    let sees = Rc::clone(&seen);
    reactor.call_later(Duration::ZERO, move || {
        let before = (handle.now(), handle.read());
        passing.pass(ms(3));
        let after = (handle.now(), handle.read());
        sees.set(Some((before.0 == after.0, after.1.saturating_duration_since(before.1))));
    });
    turns(&mut reactor, 1);
    assert_eq!(seen.get(), Some((true, ms(3))));
    let handle = reactor.handle();
    let last = handle.read();
    drop(reactor);
    assert_eq!(handle.read(), last, "after the end it stands still");
}

#[test]
fn soon_is_a_notification() {
    let (mut reactor, world) = started();
    let notes = Notes::default();
    let handle = reactor.handle();
    reactor.call_later(ms(5), notes.note("later"));
    handle.call_soon(notes.note("soon"));
    notes.expect_nothing();
    world.waits();
    turns(&mut reactor, 1);
    notes.expect(&["soon"]);
    assert_eq!(world.waits(), [ZERO]);
    // Before time passes, and before the next turn.
    let (clock, seen) = (handle.clone(), notes.clone());
    handle.call_later(Duration::ZERO, move || {
        clock.call_later(Duration::ZERO, seen.note("next turn"));
        clock.call_soon(seen.note("this turn"));
        seen.add("called");
    });
    turns(&mut reactor, 1);
    notes.expect(&["called", "this turn"]);
}

#[test]
fn a_time_limit_goes_by_the_reactor() {
    let mut reactor = real_reactor();
    let handle = reactor.handle();
    let (promise, never) = deferred::<u8>();
    let before = handle.read();
    let limited = never.add_timeout(ms(20), &handle);
    turn_until(&mut reactor, || limited.has_result());
    assert!(limited.try_take().unwrap().unwrap_err().is_timed_out());
    assert!(promise.is_cancelled());
    assert!(handle.read().saturating_duration_since(before) >= ms(20));
    let (promise, answer) = deferred::<u8>();
    let limited = answer.add_timeout(ms(20), &handle);
    assert_eq!(handle.stats().timers_pending, 1);
    promise.callback(7);
    assert_eq!(handle.stats().timers_pending, 0);
    assert_eq!(limited.try_take().unwrap().unwrap(), 7);
}
