//! The same function again and again: the grid, the counts, starting and stopping.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::support::{Errors, Notes, OnDrop, Turns};
use twistor_deferred::{
    Clock, DelayedCall, Failure, LoopingCall, LoopingCallError, ManualClock, Moment, Promise, deferred,
    succeed,
};

mod ends;
mod model;

const SECOND: Duration = Duration::from_secs(1);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A loop that notes when it is called, in milliseconds.
fn noting(clock: &ManualClock) -> (LoopingCall, Notes) {
    let notes = Notes::default();
    let (log, time) = (notes.clone(), clock.downgrade());
    let looping = LoopingCall::new(clock, move || log.add(time().unwrap().now().as_nanos() / 1_000_000));
    (looping, notes)
}

/// A cell for a handle that its own function uses, and the function's view of it.
#[derive(Clone, Default)]
struct Own(Rc<RefCell<Option<LoopingCall>>>);

impl Own {
    fn set(&self, looping: &LoopingCall) {
        *self.0.borrow_mut() = Some(looping.clone());
    }

    fn get(&self) -> LoopingCall {
        self.0.borrow().clone().unwrap()
    }
}

#[test]
fn task_01_the_first_call_is_soon_but_not_inside_start() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    assert!(!looping.is_running() && looping.interval().is_none());
    let over = looping.start(SECOND).unwrap();
    notes.expect(&[]);
    assert!(looping.is_running());
    assert_eq!(looping.interval(), Some(SECOND));
    clock.advance(Duration::ZERO);
    notes.expect(&["0"]);
    clock.advance(SECOND * 2);
    notes.expect(&["1000", "2000"]);
    assert!(!over.has_result());
}

#[test]
fn task_01_or_after_one_interval() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    let over = looping.start_later(SECOND).unwrap();
    clock.advance(ms(999));
    notes.expect(&[]);
    clock.advance(ms(1_001));
    notes.expect(&["1000", "2000"]);
    looping.stop().unwrap();
    assert!(over.try_take().unwrap().is_ok());
}

#[test]
fn task_01_stop_fires_the_deferred_and_leaves_nothing_on_the_clock() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    let over = looping.start(SECOND).unwrap();
    clock.advance(SECOND);
    notes.expect(&["0", "1000"]);
    assert_eq!(clock.delayed_calls().len(), 1);
    looping.stop().unwrap();
    assert!(over.try_take().unwrap().is_ok());
    assert!(clock.delayed_calls().is_empty());
    assert!(!looping.is_running() && looping.interval().is_none());
    clock.advance(SECOND * 10);
    notes.expect(&[]);
}

#[test]
fn task_01_stopped_before_the_first_call() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    let over = looping.start(SECOND).unwrap();
    looping.stop().unwrap();
    assert!(over.try_take().unwrap().is_ok());
    let _over = looping.start_later(SECOND * 5).unwrap();
    clock.advance(SECOND * 5);
    notes.expect(&["5000"]);
}

#[test]
fn task_01_what_twisted_asserts_is_an_error() {
    let clock = ManualClock::new();
    let (looping, _notes) = noting(&clock);
    assert_eq!(looping.stop(), Err(LoopingCallError::NotRunning));
    assert_eq!(looping.reset(), Err(LoopingCallError::NotRunning));
    let _over = looping.start(SECOND).unwrap();
    assert_eq!(looping.start(SECOND).unwrap_err(), LoopingCallError::Running);
    assert_eq!(looping.start_later(SECOND).unwrap_err(), LoopingCallError::Running);
    looping.stop().unwrap();
    assert_eq!(looping.stop(), Err(LoopingCallError::NotRunning));
}

#[test]
fn task_01_restart_after_stop_from_the_deferreds_callback_too() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    let over = looping.start(SECOND).unwrap();
    clock.advance(ms(1_500));
    notes.expect(&["0", "1000"]);
    let again = looping.clone();
    over.add_callback(move |()| again.start(SECOND * 2).unwrap());
    looping.stop().unwrap();
    assert_eq!(looping.interval(), Some(SECOND * 2));
    clock.advance(SECOND * 5);
    notes.expect(&["1500", "3500", "5500"]);
}

#[test]
fn task_01_dropping_the_handle_or_the_deferred_detaches() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    drop(looping.start(SECOND));
    drop(looping);
    clock.advance(SECOND * 2);
    notes.expect(&["0", "1000", "2000"]);
}

#[test]
fn task_02_a_stall_skips_and_keeps_the_grid() {
    let turns = Turns::new();
    let notes = Notes::default();
    let (log, time) = (notes.clone(), turns.clone());
    let looping = LoopingCall::new(&turns.timers, move || log.add(time.millis()));
    let _over = looping.start(SECOND);
    turns.turn(0);
    turns.pass(3_500);
    turns.turn(0);
    notes.expect(&["0", "3500"]);
    turns.run_until(5_100);
    notes.expect(&["4000", "5000"]);
    turns.pass(1_000);
    turns.turn(0);
    notes.expect(&["6100"]);
    turns.run_until(7_500);
    notes.expect(&["7000"]);
}

#[test]
fn task_02_a_stall_of_the_function_itself() {
    let turns = Turns::new();
    let notes = Notes::default();
    let (log, time) = (notes.clone(), turns.clone());
    let looping = LoopingCall::with_count(&turns.timers, move |count| {
        log.add(format_args!("{} x{count}", time.millis()));
        time.pass(1_500);
    });
    let _over = looping.start(SECOND);
    turns.run_until(7_000);
    notes.expect(&["0 x1", "2000 x2", "4000 x2", "6000 x2"]);
}

#[test]
fn task_02_no_interval_is_one_call_a_turn() {
    let turns = Turns::new();
    let notes = Notes::default();
    let log = notes.clone();
    let looping = LoopingCall::with_count(&turns.timers, move |count| log.add(count));
    let _over = looping.start(Duration::ZERO);
    turns.turn(0);
    turns.turn(5);
    notes.expect(&["1", "1"]);
    turns.pass(10_000);
    turns.turn(0);
    notes.expect(&["1"]);
    looping.reset().unwrap();
    turns.turn(0);
    notes.expect(&["1"]);
    looping.stop().unwrap();
    let _over = looping.start_later(Duration::ZERO);
    turns.turn(0);
    notes.expect(&["1"]);
}

#[test]
fn task_02_an_interval_too_long_to_represent_never_passes() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    let over = looping.start(Duration::MAX).unwrap();
    clock.advance(Duration::from_secs(u64::from(u32::MAX)));
    notes.expect(&["0"]);
    looping.reset().unwrap();
    assert!(looping.is_running());
    clock.advance(Duration::MAX);
    notes.expect(&[]);
    looping.stop().unwrap();
    assert!(over.try_take().unwrap().is_ok());
    assert!(clock.delayed_calls().is_empty());
    // At the end of time.
    let _over = looping.start(SECOND).unwrap();
    clock.advance(Duration::ZERO);
    notes.expect(&["18446744073709"]);
}

#[test]
fn task_03_the_next_call_waits_for_a_deferred() {
    let clock = ManualClock::new();
    let calls = Rc::new(RefCell::new(Vec::<(u64, Promise<&str>)>::new()));
    let list = Rc::clone(&calls);
    let looping = LoopingCall::with_count(&clock, move |count| {
        let (promise, pending) = deferred();
        list.borrow_mut().push((count, promise));
        pending
    });
    let over = looping.start(SECOND).unwrap();
    clock.advance(ms(2_500));
    let (count, promise) = calls.borrow_mut().pop().unwrap();
    assert!(calls.borrow().is_empty(), "one call at a time");
    assert!(clock.delayed_calls().is_empty());
    promise.callback("a value that is dropped");
    assert_eq!(count, 1);
    clock.advance(ms(500));
    let (count, promise) = calls.borrow_mut().pop().unwrap();
    assert_eq!(count, 3);
    promise.errback(Failure::message("no more"));
    assert_eq!(over.try_take().unwrap().unwrap_err().to_string(), "no more");
    assert!(!looping.is_running());
    clock.advance(SECOND * 10);
    assert!(calls.borrow().is_empty());
}

#[test]
fn task_03_a_failure_ends_the_loop() {
    let clock = ManualClock::new();
    let mut left = 2;
    let looping = LoopingCall::new(&clock, move || {
        if left == 0 {
            return Err(Failure::message("used up"));
        }
        left -= 1;
        Ok(())
    });
    let over = looping.start(SECOND).unwrap();
    clock.advance(SECOND);
    assert!(looping.is_running());
    clock.advance(SECOND);
    assert_eq!(over.try_take().unwrap().unwrap_err().to_string(), "used up");
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn task_03_a_panic_ends_the_loop_and_it_can_be_started_again() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let log = notes.clone();
    let mut polite = false;
    let looping = LoopingCall::new(&clock, move || {
        assert!(std::mem::replace(&mut polite, true), "expected by this test");
        log.add("called");
    });
    let over = looping.start(SECOND).unwrap();
    clock.advance(SECOND);
    assert!(over.try_take().unwrap().unwrap_err().is_panicked());
    assert!(clock.delayed_calls().is_empty() && !looping.is_running());
    let _over = looping.start_later(SECOND).unwrap();
    clock.advance(SECOND);
    notes.expect(&["called"]);
}

#[test]
fn task_03_a_failure_nobody_hears_is_logged() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let looping = LoopingCall::new(&clock, || Err::<(), _>(Failure::message("lost")));
    drop(looping.start(SECOND));
    clock.advance(SECOND);
    errors.expect(&["unhandled failure in a Deferred [failure: lost]"]);
}

#[test]
fn task_03_a_value_that_panics_when_dropped_is_a_panic_of_the_function() {
    let clock = ManualClock::new();
    let looping = LoopingCall::new(&clock, || Ok(OnDrop(|| panic!("expected by this test"))));
    let over = looping.start(SECOND).unwrap();
    clock.advance(SECOND);
    assert!(over.try_take().unwrap().unwrap_err().is_panicked());
    let looping = LoopingCall::new(&clock, || succeed(OnDrop(|| panic!("expected by this test"))));
    let over = looping.start(SECOND).unwrap();
    clock.advance(SECOND);
    assert!(over.try_take().unwrap().unwrap_err().is_panicked());
}

#[test]
fn task_04_stop_inside_the_function() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let own = Own::default();
    let (this, log) = (own.clone(), notes.clone());
    let looping = LoopingCall::new(&clock, move || {
        this.get().stop().unwrap();
        assert!(!this.get().is_running());
        assert_eq!(this.get().stop(), Err(LoopingCallError::NotRunning));
        assert_eq!(this.get().start(SECOND).unwrap_err(), LoopingCallError::Stopping);
        log.add("called");
    });
    own.set(&looping);
    let log = notes.clone();
    looping.start(SECOND).unwrap().add_callback(move |()| log.add("over"));
    clock.advance(SECOND * 3);
    notes.expect(&["called", "over"]);
    own.0.take();
}

#[test]
fn task_04_stop_while_a_deferred_is_pending() {
    for refuses in [false, true] {
        let clock = ManualClock::new();
        let (promise, pending) = deferred::<u8>();
        let slot = Cell::new(Some(pending));
        let looping = LoopingCall::new(&clock, move || slot.take().unwrap());
        let over = looping.start(SECOND).unwrap();
        clock.advance(SECOND);
        looping.stop().unwrap();
        assert!(!over.has_result() && !promise.is_cancelled() && !looping.is_running());
        assert_eq!(looping.start(SECOND).unwrap_err(), LoopingCallError::Stopping);
        if refuses {
            promise.errback(Failure::message("too bad"))
        } else {
            promise.callback(1)
        }
        assert_eq!(over.try_take().unwrap().is_err(), refuses);
        clock.advance(SECOND * 5);
        assert!(clock.delayed_calls().is_empty());
    }
}

#[test]
fn task_05_reset_skips_the_next_tick_and_restarts_the_grid() {
    let clock = ManualClock::new();
    let (looping, notes) = noting(&clock);
    let _over = looping.start(SECOND).unwrap();
    clock.advance(ms(1_600));
    looping.reset().unwrap();
    assert_eq!(clock.delayed_calls().len(), 1);
    clock.advance(ms(2_100));
    notes.expect(&["0", "1000", "2600", "3600"]);
}

#[test]
fn task_05_reset_does_nothing_while_the_function_runs() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let own = Own::default();
    let (this, log, time) = (own.clone(), notes.clone(), clock.clone());
    let promises = Rc::new(RefCell::new(Vec::new()));
    let list = Rc::clone(&promises);
    let looping = LoopingCall::new(&clock, move || {
        this.get().reset().unwrap();
        log.add(time.now().as_nanos() / 1_000_000);
        let (promise, pending) = deferred::<()>();
        list.borrow_mut().push(promise);
        pending
    });
    own.set(&looping);
    let _over = looping.start(SECOND).unwrap();
    clock.advance(ms(400));
    looping.reset().unwrap();
    let promise = promises.borrow_mut().pop().unwrap();
    promise.callback(());
    clock.advance(ms(1_000));
    notes.expect(&["0", "1000"]);
    own.0.take();
}

#[test]
fn task_05_reset_before_the_first_call_keeps_it() {
    let turns = Turns::new();
    let notes = Notes::default();
    let (log, time) = (notes.clone(), turns.clone());
    let looping =
        LoopingCall::with_count(&turns.timers, move |n| log.add(format_args!("{} x{n}", time.millis())));
    let _over = looping.start(SECOND);
    turns.pass(300);
    looping.reset().unwrap();
    turns.run_until(1_400);
    notes.expect(&["300 x1", "1300 x1"]);
}

#[test]
fn task_06_counts_the_ticks_since_the_last_call() {
    let turns = Turns::new();
    let notes = Notes::default();
    let log = notes.clone();
    let looping = LoopingCall::with_count(&turns.timers, move |count| log.add(count));
    let _over = looping.start(SECOND);
    turns.run_until(0);
    turns.pass(3_500);
    turns.turn(0);
    turns.run_until(5_000);
    notes.expect(&["1", "3", "1", "1"]);
    looping.stop().unwrap();
    // A new run does not count the time in between.
    turns.pass(10_000);
    let _over = looping.start(SECOND);
    turns.run_until(turns.millis() + 1_000);
    notes.expect(&["1", "1"]);
    looping.stop().unwrap();
    // Started late, it counts from the start.
    let _over = looping.start_later(SECOND);
    turns.pass(2_500);
    turns.turn(0);
    notes.expect(&["2"]);
}

#[test]
fn task_06_a_reset_counts_what_had_passed_and_not_what_it_puts_off() {
    let turns = Turns::new();
    let notes = Notes::default();
    let log = notes.clone();
    let looping = LoopingCall::with_count(&turns.timers, move |count| log.add(count));
    let _over = looping.start(SECOND);
    turns.turn(0);
    for _ in 0..5 {
        turns.run_until(turns.millis() + 900);
        looping.reset().unwrap();
    }
    turns.run_until(turns.millis() + 1_000);
    notes.expect(&["1", "1"]);
    turns.pass(3_500);
    looping.reset().unwrap();
    turns.run_until(turns.millis() + 1_000);
    notes.expect(&["4"]);
}

/// A clock that makes its calls too early.
#[derive(Clone)]
struct Hasty(ManualClock);

impl Clock for Hasty {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.0.call_later((delay / 2).max(Duration::from_nanos(1)), f)
    }
}

#[test]
fn task_06_it_is_not_called_for_no_tick() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let (log, time) = (notes.clone(), clock.clone());
    let looping = LoopingCall::with_count(&Hasty(clock.clone()), move |count| {
        log.add(format_args!("{} x{count}", time.now().as_nanos()));
    });
    let _over = looping.start_later(Duration::from_nanos(8));
    clock.advance(Duration::from_nanos(16));
    notes.expect(&["8 x1", "16 x1"]);
}
