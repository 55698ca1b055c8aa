//! The cases, generic over the clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::{Clock, DelayedCall, TimerError};

use super::{Bench, PassTime, TICK, ZERO};

pub(super) fn time_01_a_call_is_never_made_at_once<T: PassTime>(mut bench: Bench<T>) {
    bench.clock.call_later(ZERO, bench.note("zero"));
    bench.expect(&[]);
    bench.time.pass(TICK);
    bench.expect(&["zero"]);
    bench.time.pass(TICK);
    bench.expect(&[]);
}

pub(super) fn time_01_a_delay_too_long_to_represent_never_comes<T: PassTime>(mut bench: Bench<T>) {
    let call = bench.clock.call_later(Duration::MAX, bench.note("the end of time"));
    bench.time.pass(TICK);
    assert!(call.active() && call.time().is_none(), "{call:?}");
    bench.expect(&[]);
    call.reset(ZERO).unwrap();
    bench.time.pass(TICK);
    bench.expect(&["the end of time"]);
}

pub(super) fn time_02_no_delay_inside_a_call_waits_for_the_others<T: PassTime>(mut bench: Bench<T>) {
    let (one, two, three) = (bench.note("first"), bench.note("second"), bench.note("made by the first"));
    let done = bench.note("the first returns");
    bench.inside(move |clock| {
        let inner = clock.clone();
        clock.call_later(TICK, move || {
            one();
            inner.call_later(ZERO, three);
            done();
        });
        clock.call_later(TICK, two);
    });
    bench.time.pass(TICK * 3);
    bench.time.pass(TICK);
    bench.expect(&["first", "the first returns", "second", "made by the first"]);
}

pub(super) fn time_03_calls_come_by_due_time_and_ties_in_the_order_they_were_made<T: PassTime>(
    mut bench: Bench<T>,
) {
    let plan = [(3, "3a"), (1, "1a"), (2, "2a"), (1, "1b"), (3, "3b"), (1, "1c"), (0, "0a"), (2, "2b")];
    let notes = plan.map(|(ticks, text)| (ticks, bench.note(text)));
    bench.inside(move |clock| {
        for (ticks, note) in notes {
            clock.call_later(TICK * ticks, note);
        }
    });
    bench.time.pass(TICK * 4);
    bench.expect(&["0a", "1a", "1b", "1c", "2a", "2b", "3a", "3b"]);
}

pub(super) fn time_03_a_moved_call_takes_its_place_as_if_made_then<T: PassTime>(mut bench: Bench<T>) {
    let (one, two) = (bench.note("moved"), bench.note("stayed"));
    bench.inside(move |clock| {
        let call = clock.call_later(TICK, one);
        clock.call_later(TICK * 2, two);
        call.reset(TICK * 2).unwrap();
    });
    bench.time.pass(TICK * 3);
    bench.expect(&["stayed", "moved"]);
}

pub(super) fn time_04_cancelling_says_why_it_cannot<T: PassTime>(mut bench: Bench<T>) {
    let cancelled = bench.clock.call_later(TICK, bench.note("cancelled"));
    assert!(cancelled.active());
    assert_eq!(cancelled.cancel(), Ok(()));
    assert_eq!(cancelled.cancel(), Err(TimerError::AlreadyCancelled));
    assert_eq!(cancelled.reset(ZERO), Err(TimerError::AlreadyCancelled));
    assert!(!cancelled.active());
    let called = bench.clock.call_later(ZERO, bench.note("called"));
    bench.time.pass(TICK * 2);
    bench.expect(&["called"]);
    for result in [called.cancel(), called.reset(ZERO), called.delay(ZERO), called.bring_forward(ZERO)] {
        assert_eq!(result, Err(TimerError::AlreadyCalled));
    }
    assert!(!called.active());
}

pub(super) fn time_04_a_call_that_runs_counts_as_called<T: PassTime>(mut bench: Bench<T>) {
    let own: Rc<RefCell<Option<DelayedCall>>> = Rc::default();
    let answer = Rc::new(Cell::new(None));
    let (inside, told) = (Rc::clone(&own), Rc::clone(&answer));
    let call = bench.clock.call_later(ZERO, move || {
        let call = inside.borrow().clone().expect("it was put there");
        told.set(Some((call.active(), call.cancel())));
    });
    *own.borrow_mut() = Some(call);
    bench.time.pass(TICK);
    assert_eq!(answer.get(), Some((false, Err(TimerError::AlreadyCalled))));
}

pub(super) fn time_05_a_call_may_cancel_another_that_is_due<T: PassTime>(mut bench: Bench<T>) {
    let (victim, last) = (bench.note("victim"), bench.note("last"));
    let result = Rc::new(Cell::new(None));
    let told = Rc::clone(&result);
    bench.inside(move |clock| {
        let later: Rc<RefCell<Option<DelayedCall>>> = Rc::default();
        let target = Rc::clone(&later);
        clock.call_later(TICK, move || told.set(target.take().map(|call| call.cancel())));
        *later.borrow_mut() = Some(clock.call_later(TICK, victim));
        clock.call_later(TICK, last);
    });
    bench.time.pass(TICK * 2);
    assert_eq!(result.get(), Some(Ok(())));
    bench.expect(&["last"]);
}

pub(super) fn time_06_moving_counts_from_now_or_from_the_due_time<T: PassTime>(mut bench: Bench<T>) {
    let times = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&times);
    bench.inside(move |clock| {
        let now = clock.now();
        let call = clock.call_later(Duration::from_secs(10), || ());
        let look = || {
            let at = call.time().expect("it is not far away");
            seen.borrow_mut().push(at.saturating_duration_since(now).as_secs());
        };
        look();
        call.delay(Duration::from_secs(5)).unwrap();
        look();
        call.reset(Duration::from_secs(7)).unwrap();
        look();
        call.bring_forward(Duration::from_secs(3)).unwrap();
        look();
        call.bring_forward(Duration::from_secs(300)).unwrap();
        look();
        call.cancel().unwrap();
    });
    assert_eq!(*times.borrow(), [10, 15, 7, 4, 0]);
}

pub(super) fn time_09_a_panic_leaves_the_others_alone<T: PassTime>(mut bench: Bench<T>) {
    let (before, after, later) = (bench.note("before"), bench.note("after"), bench.note("later"));
    bench.inside(move |clock| {
        clock.call_later(TICK, before);
        clock.call_later(TICK, || panic!("a timed call of the conformance suite panics on purpose"));
        clock.call_later(TICK, after);
        clock.call_later(TICK * 2, later);
    });
    bench.time.pass(TICK * 3);
    bench.expect(&["before", "after", "later"]);
}

pub(super) fn time_10_a_call_is_never_early<T: PassTime>(mut bench: Bench<T>) {
    let late = Rc::new(RefCell::new(Vec::new()));
    for micros in [0, 1, 700, 1_000, 1_001, 2_500, 4_000] {
        let (clock, late) = (bench.clock.clone(), Rc::clone(&late));
        let delay = Duration::from_micros(micros);
        let begin = bench.clock.now();
        bench.clock.call_later(delay, move || {
            let waited = clock.now().saturating_duration_since(begin);
            late.borrow_mut().push((delay, waited));
        });
    }
    bench.time.pass(Duration::from_millis(6));
    assert_eq!(late.borrow().len(), 7);
    for (delay, waited) in &*late.borrow() {
        assert!(waited >= delay, "a call with a delay of {delay:?} came after {waited:?}");
    }
}

pub(super) fn time_11_cancelling_drops_what_the_call_owns<T: PassTime>(bench: Bench<T>) {
    let token = Rc::new(());
    let inside = Rc::clone(&token);
    let call = bench.clock.call_later(TICK, move || drop(inside));
    assert_eq!(Rc::strong_count(&token), 2);
    call.cancel().unwrap();
    assert_eq!(Rc::strong_count(&token), 1);
}

pub(super) fn time_12_the_clock_never_goes_back<T: PassTime>(mut bench: Bench<T>) {
    let mut last = bench.clock.now();
    for _ in 0..5 {
        let read = bench.clock.read();
        assert!(read >= last, "{read:?} after {last:?}");
        bench.time.pass(Duration::from_micros(300));
        let now = bench.clock.now();
        assert!(now >= read, "{now:?} after {read:?}");
        last = now;
    }
    let begin = bench.clock.now();
    bench.time.pass(TICK);
    assert!(bench.clock.now().saturating_duration_since(begin) >= TICK);
}

pub(super) fn time_13_a_callback_has_one_time<T: PassTime>(mut bench: Bench<T>) {
    let same = Rc::new(Cell::new(false));
    let told = Rc::clone(&same);
    bench.inside(move |clock| {
        let begin = clock.now();
        // Some work that takes a while on a machine of any speed.
        let mut sum = 0_u64;
        for number in 0..100_000 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        told.set(clock.now() == begin && clock.read() >= begin);
    });
    assert!(same.get(), "time passed inside a callback");
}

pub(super) fn r29_dropping_the_handle_detaches<T: PassTime>(mut bench: Bench<T>) {
    drop(bench.clock.call_later(TICK, bench.note("called")));
    bench.time.pass(TICK * 2);
    bench.expect(&["called"]);
}

pub(super) fn a_clone_is_the_same_clock<T: PassTime>(mut bench: Bench<T>) {
    let clone = bench.clock.clone();
    clone.call_later(ZERO, bench.note("made on a clone"));
    drop(clone);
    bench.time.pass(TICK);
    bench.expect(&["made on a clone"]);
}

pub(super) fn soon_is_after_the_present_call<T: PassTime>(mut bench: Bench<T>) {
    let (soon, returns) = (bench.note("soon"), bench.note("the call returns"));
    bench.inside(move |clock| {
        clock.call_soon(soon);
        returns();
    });
    bench.time.pass(ZERO);
    bench.expect(&["the call returns", "soon"]);
}
