//! How a loop ends without being told to: cancelled, with its clock, with its last handle. And what it is made of.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::{Own, SECOND, ms, noting};
use crate::support::{Errors, Notes, OnDrop, on_a_small_stack};
use twistor_deferred::{Clock, Deferred, LoopingCall, ManualClock, Timers, deferred, succeed};

#[test]
fn a_cancel_stops_the_loop() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    let over = looping.start(SECOND).unwrap();
    clock.advance(ms(500));
    notes.expect(&["0"]);
    over.cancel();
    assert!(over.try_take().unwrap().unwrap_err().is_cancelled());
    assert!(clock.delayed_calls().is_empty() && !looping.is_running());
    // Before the first call, too.
    let over = looping.start(SECOND).unwrap();
    over.cancel();
    assert!(over.try_take().unwrap().unwrap_err().is_cancelled());
    clock.advance(SECOND * 5);
    notes.expect(&[]);
    assert!(looping.start(SECOND).is_ok());
}

#[test]
fn a_cancel_reaches_a_pending_deferred() {
    let clock = ManualClock::new();
    let promise = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&promise);
    let looping = LoopingCall::new(&clock, move || {
        let (promise, pending) = deferred::<()>();
        *slot.borrow_mut() = Some(promise);
        pending
    });
    let over = looping.start(SECOND).unwrap();
    clock.advance(SECOND);
    over.cancel();
    let inner = promise.take().unwrap();
    assert!(inner.is_cancelled());
    assert!(over.try_take().unwrap().unwrap_err().is_cancelled());
    assert!(clock.delayed_calls().is_empty());
    assert!(looping.start(SECOND).is_ok());
}

#[test]
fn a_cancel_inside_the_function() {
    let clock = ManualClock::new();
    let canceller = Rc::new(RefCell::new(None::<twistor_deferred::Canceller>));
    let promise = Rc::new(RefCell::new(None));
    let (cancels, slot) = (Rc::clone(&canceller), Rc::clone(&promise));
    let looping = LoopingCall::new(&clock, move || {
        cancels.borrow().as_ref().unwrap().cancel();
        let (promise, pending) = deferred::<()>();
        *slot.borrow_mut() = Some(promise);
        pending
    });
    let over = looping.start(SECOND).unwrap();
    *canceller.borrow_mut() = Some(over.canceller());
    clock.advance(SECOND * 3);
    assert!(over.try_take().unwrap().unwrap_err().is_cancelled());
    assert!(promise.take().unwrap().is_cancelled());
    assert!(!looping.is_running() && clock.delayed_calls().is_empty());
    assert_eq!(format!("{looping:?}"), "LoopingCall(idle)");
}

#[test]
fn a_clock_that_goes_drops_the_loop() {
    let held = Rc::new(());
    let owned = Rc::clone(&held);
    let clock = ManualClock::new();
    let looping = LoopingCall::new(&clock, move || drop(Rc::clone(&owned)));
    let over = looping.start(SECOND).unwrap();
    clock.advance(SECOND);
    drop(clock);
    assert!(over.try_take().unwrap().unwrap_err().is_abandoned());
    assert!(!looping.is_running());
    assert!(looping.start(SECOND).unwrap().try_take().unwrap().unwrap_err().is_abandoned());
    drop(looping);
    assert_eq!(Rc::strong_count(&held), 1);

    // Nobody but the clock has it.
    let owned = Rc::clone(&held);
    let clock = ManualClock::new();
    let looping = LoopingCall::new(&clock, move || drop(Rc::clone(&owned)));
    let over = looping.start_later(SECOND).unwrap().add_errback(|failure| {
        assert!(failure.is_abandoned());
    });
    drop((looping, over));
    clock.advance(SECOND);
    assert_eq!(Rc::strong_count(&held), 2);
    drop(clock);
    assert_eq!(Rc::strong_count(&held), 1);

    let owned = Rc::clone(&held);
    let timers = Timers::new();
    drop(
        LoopingCall::new(&timers, move || drop(Rc::clone(&owned))).start(SECOND).unwrap().add_errback(|_| {}),
    );
    assert_eq!(Rc::strong_count(&held), 2);
    drop(timers);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn a_clock_that_is_closed_while_a_call_is_made() {
    let timers = Timers::new();
    let closes = timers.clone();
    let looping = LoopingCall::new(&timers, move || closes.close());
    let over = looping.start(SECOND).unwrap();
    let pass = timers.begin_pass();
    timers.pop_due(&pass).unwrap().run();
    assert!(over.try_take().unwrap().unwrap_err().is_abandoned());
    assert!(looping.start(SECOND).unwrap().try_take().unwrap().unwrap_err().is_abandoned());
}

#[test]
fn a_stopped_loop_is_kept_by_its_handles_alone() {
    let errors = Errors::catch();
    let held = Rc::new(());
    let clock = ManualClock::new();
    let owned = (Rc::clone(&held), OnDrop(|| panic!("expected by this test")));
    let looping = LoopingCall::new(&clock, move || {
        let owned = &owned;
        drop(Rc::clone(&owned.0));
    });
    let over = looping.start(SECOND).unwrap();
    looping.stop().unwrap();
    drop(over);
    drop(looping);
    assert_eq!(Rc::strong_count(&held), 1, "though the first call is still queued");
    errors.expect(&["panic while dropping a value [panic: \"expected by this test\"]"]);
}

#[test]
fn the_last_handle_goes_inside_the_function() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let own = Own::default();
    let (this, log) = (own.clone(), notes.clone());
    let looping = LoopingCall::new(&clock, move || {
        let handle = this.0.take();
        handle.unwrap().stop().unwrap();
        log.add("called");
    });
    own.set(&looping);
    let over = looping.start(SECOND).unwrap();
    drop(looping);
    clock.advance(SECOND * 2);
    notes.expect(&["called"]);
    assert!(over.try_take().unwrap().is_ok());
    assert_eq!(Rc::strong_count(&own.0), 1, "the function is gone");
}

#[test]
fn every_body_a_newcomer_writes_compiles() {
    fn fetch() -> Deferred<String> {
        succeed("poem".to_owned())
    }
    let clock = ManualClock::new();
    let notes = Notes::default();
    let log = notes.clone();
    let mut n = 0;
    let loops = [
        LoopingCall::new(&clock, || {}),
        LoopingCall::new(&clock, fetch),
        LoopingCall::new(&clock, move || {
            n += 1;
            log.add(n);
        }),
        LoopingCall::new(&clock, || {
            let _n: u8 = "7".parse()?;
            Ok(())
        }),
        LoopingCall::new(&clock, || fetch().map(|poem| poem.len())),
        LoopingCall::with_count(&clock, |count| assert_eq!(count, 1)),
    ];
    for looping in &loops {
        looping.start(SECOND).unwrap().log_failure("looping");
    }
    clock.advance(SECOND);
    assert!(loops.iter().all(LoopingCall::is_running));
    notes.expect(&["1", "2"]);
}

#[test]
fn very_many_ticks_in_constant_stack() {
    on_a_small_stack(|| {
        let clock = ManualClock::new();
        let calls = Rc::new(Cell::new(0_u32));
        let (count, time) = (Rc::clone(&calls), clock.clone());
        // Every other Deferred has its result already, and the rest get it from the clock.
        let looping = LoopingCall::new(&clock, move || {
            count.set(count.get() + 1);
            let (promise, answer) = deferred();
            if count.get() % 2 == 0 {
                promise.callback(());
            } else {
                time.call_soon(move || promise.callback(()));
            }
            answer
        });
        let _over = looping.start(Duration::from_nanos(1));
        clock.advance(Duration::from_nanos(200_000));
        assert_eq!(calls.get(), 200_001);
    });
}
