//! A limit on how long a result may take, and the clock that tests move by hand.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::support::{Errors, Notes};
use twistor_deferred::{Clock, Failure, ManualClock, Moment, TimedOut, Timers, deferred, fail, succeed};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn def_17_at_the_deadline_it_is_cancelled_and_fails_with_timed_out() {
    let clock = ManualClock::new();
    let (promise, answer) = deferred::<u8>();
    let answer = answer.add_timeout(SECOND * 5, &clock);
    clock.advance(SECOND * 5 - Duration::from_nanos(1));
    assert!(!answer.has_result() && !promise.is_cancelled());
    clock.advance(Duration::from_nanos(1));
    assert!(promise.is_cancelled());
    let failure = answer.try_take().unwrap().unwrap_err();
    assert_eq!(*failure.trap::<TimedOut>().unwrap(), TimedOut(SECOND * 5));
}

#[test]
fn def_17_a_result_in_time_cancels_the_call() {
    let clock = ManualClock::new();
    let (promise, answer) = deferred();
    let answer = answer.add_timeout(SECOND, &clock);
    assert_eq!(clock.delayed_calls().len(), 1);
    promise.callback(1);
    assert!(clock.delayed_calls().is_empty());
    assert_eq!(answer.try_take().unwrap().unwrap(), 1);
    let (promise, answer) = deferred::<u8>();
    let answer = answer.add_timeout(SECOND, &clock);
    promise.errback(Failure::message("no"));
    assert!(clock.delayed_calls().is_empty());
    assert_eq!(answer.try_take().unwrap().unwrap_err().to_string(), "no");
}

#[test]
fn def_17_a_result_that_is_here_needs_no_call() {
    let clock = ManualClock::new();
    assert_eq!(succeed(1).add_timeout(SECOND, &clock).try_take().unwrap().unwrap(), 1);
    let failed = fail::<u8>(std::fmt::Error).add_timeout(Duration::ZERO, &clock);
    assert!(failed.try_take().unwrap().unwrap_err().check::<std::fmt::Error>());
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn def_17_what_the_canceller_answers_is_kept() {
    let clock = ManualClock::new();
    for refuses in [false, true] {
        let (promise, answer) = deferred::<u8>();
        let slot = Rc::new(RefCell::new(None));
        let own = Rc::clone(&slot);
        promise.on_cancel(move || {
            let promise: twistor_deferred::Promise<u8> = own.take().unwrap();
            if refuses { promise.errback(Failure::message("half way")) } else { promise.callback(7) }
        });
        *slot.borrow_mut() = Some(promise);
        let answer = answer.add_timeout(SECOND, &clock);
        clock.advance(SECOND);
        match answer.try_take().unwrap() {
            Ok(value) => assert_eq!((value, refuses), (7, false)),
            Err(failure) => assert_eq!((failure.to_string().as_str(), refuses), ("half way", true)),
        }
    }
}

#[test]
fn def_17_a_users_cancel_stays_cancelled() {
    let clock = ManualClock::new();
    let (_promise, answer) = deferred::<u8>();
    let answer = answer.add_timeout(SECOND, &clock);
    answer.cancel();
    assert!(clock.delayed_calls().is_empty());
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_17_it_covers_what_was_added_before_it() {
    let clock = ManualClock::new();
    let (promise, answer) = deferred::<u8>();
    let (inner_promise, inner) = deferred::<u8>();
    let (later_promise, later) = deferred::<u8>();
    let answer = answer
        .add_callback(move |_| inner)
        .add_timeout(SECOND, &clock)
        .add_errback(|failure| Ok(if failure.is_timed_out() { 40 } else { 0 }))
        .add_callback(move |n| later.map(move |m| n + m));
    promise.callback(1);
    clock.advance(SECOND);
    assert!(inner_promise.is_cancelled());
    clock.advance(SECOND * 100);
    assert!(!later_promise.is_cancelled());
    later_promise.callback(2);
    assert_eq!(answer.try_take().unwrap().unwrap(), 42);
}

#[test]
fn def_17_a_dropped_deferred_is_timed_out_too_and_says_so() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let (promise, answer) = deferred::<u8>();
    drop(answer.add_timeout(SECOND, &clock));
    clock.advance(SECOND);
    assert!(promise.is_cancelled());
    errors.expect(&["unhandled failure in a Deferred [failure: there was no result within 1s]"]);
}

#[test]
fn def_17_on_timers_as_on_any_clock() {
    let timers = Timers::new();
    let (_promise, answer) = deferred::<u8>();
    let answer = answer.add_timeout(SECOND, &timers);
    timers.set_now(timers.next_deadline().unwrap());
    let pass = timers.begin_pass();
    while let Some(due) = timers.pop_due(&pass) {
        due.run();
    }
    assert!(answer.try_take().unwrap().unwrap_err().is_timed_out());
    timers.close();
    let (_promise, answer) = deferred::<u8>();
    assert!(answer.add_timeout(SECOND, &timers).try_take().is_err(), "a clock that is gone never strikes");
}

fn seconds(n: u64) -> Moment {
    Moment::ZERO.checked_add(SECOND * u32::try_from(n).unwrap()).unwrap()
}

#[test]
fn test_14_the_clock_passes_from_deadline_to_deadline() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    for (name, delay) in [("c", 3), ("a", 1), ("b", 1), ("d", 4)] {
        let (clock, notes) = (clock.clone(), notes.clone());
        clock.clone().call_later(SECOND * delay, move || notes.add(format_args!("{name} {:?}", clock.now())));
    }
    clock.pump([SECOND, SECOND]);
    notes.expect(&["a Moment(1.000000000s)", "b Moment(1.000000000s)"]);
    assert_eq!(clock.now(), seconds(2));
    assert_eq!(clock.delayed_calls().len(), 2);
    clock.advance(SECOND * 100);
    notes.expect(&["c Moment(3.000000000s)", "d Moment(4.000000000s)"]);
    assert_eq!(clock.now(), seconds(102));
    assert_eq!(clock.read(), clock.now());
}

#[test]
fn test_15_no_delay_is_the_next_turn() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let (soon, log) = (clock.clone(), notes.clone());
    clock.call_soon(move || {
        log.add("first");
        soon.call_later(Duration::ZERO, move || log.add("second"));
    });
    notes.expect(&[]);
    clock.advance(Duration::ZERO);
    notes.expect(&["first"]);
    clock.advance(Duration::ZERO);
    notes.expect(&["second"]);
}

#[test]
fn test_15_no_delay_within_an_advance_is_the_same_moment() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let (soon, log) = (clock.clone(), notes.clone());
    clock.call_later(SECOND, move || {
        let later = soon.clone();
        soon.call_soon(move || log.add(format_args!("{:?}", later.now())));
    });
    clock.advance(SECOND * 2);
    notes.expect(&["Moment(1.000000000s)"]);
}

#[test]
fn test_15_a_panic_is_logged_and_the_next_call_is_made() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let notes = Notes::default();
    let log = notes.clone();
    clock.call_later(SECOND, || panic!("expected by this test"));
    clock.call_later(SECOND, move || log.add("the next"));
    clock.advance(SECOND);
    notes.expect(&["the next"]);
    errors.expect(&["panic while making a timed call [panic: \"expected by this test\"]"]);
}

#[test]
fn test_14_an_advance_inside_a_call_lengthens_the_running_one() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let (inner, log) = (clock.clone(), notes.clone());
    clock.call_later(SECOND, move || {
        inner.advance(SECOND * 5);
        log.add(format_args!("{:?}", inner.now()));
    });
    let (inner, log) = (clock.clone(), notes.clone());
    clock.call_later(SECOND * 4, move || log.add(format_args!("{:?}", inner.now())));
    clock.advance(SECOND);
    notes.expect(&["Moment(1.000000000s)", "Moment(4.000000000s)"]);
    assert_eq!(clock.now(), seconds(6));
}

#[test]
#[should_panic(expected = "for ever")]
fn test_14_calls_that_never_let_time_pass_are_found_out() {
    fn again(clock: &ManualClock) {
        let next = clock.clone();
        clock.call_soon(move || again(&next));
    }
    let clock = ManualClock::new();
    again(&clock);
    clock.advance(SECOND);
}

#[test]
fn timers_read_the_clock_even_while_they_are_frozen() {
    let timers = Timers::new();
    assert_eq!(timers.read_clock(), Moment::ZERO);
    let time = Rc::new(Cell::new(seconds(3)));
    let clock = Rc::clone(&time);
    timers.set_clock(Some(Rc::new(move || clock.get())));
    assert_eq!(timers.now(), seconds(3));
    timers.freeze();
    time.set(seconds(4));
    assert_eq!((Clock::now(&timers), timers.read()), (seconds(3), seconds(4)));
    time.set(seconds(2));
    assert_eq!(timers.read_clock(), seconds(3), "time never goes back");
    timers.thaw();
}
