//! The conformance suite of clocks: over the one moved by hand, over the reactor in virtual time,
//! in a simulated world and in real time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::{Clock, DelayedCall, ManualClock, Moment, contain};
use twistor_reactor::Reactor;
use twistor_sim::conformance::{self, PassTime};
use twistor_sim::{LogCatcher, ScriptedKernel, Sim, TestReactor};

fn started(mut reactor: Reactor) -> Reactor {
    reactor.start().unwrap();
    reactor
}

#[test]
fn test_14_the_manual_clock_is_a_clock() {
    conformance::clock(ManualClock::new);
}

#[test]
fn test_14_the_test_reactor_is_a_clock() {
    conformance::clock(TestReactor::new);
}

#[test]
fn the_reactor_in_virtual_time_is_a_clock() {
    conformance::clock(|| started(Reactor::builder().build_with(ScriptedKernel::new())));
}

#[test]
fn the_reactor_in_real_time_is_a_clock() {
    conformance::clock(|| started(Reactor::builder().handle_signals(false).build().unwrap()));
}

#[test]
fn the_reactor_in_a_simulated_world_is_a_clock() {
    conformance::clock(|| started(Sim::solo(1)));
}

/// What Twisted's clock for tests does in another way than its reactor: here both do the same.
fn differences(mut time: impl PassTime) -> Vec<String> {
    let clock = time.clock();
    let notes = Rc::new(RefCell::new(Vec::new()));
    let (inner, seen) = (clock.clone(), Rc::clone(&notes));
    clock.call_later(Duration::from_secs(1), move || {
        seen.borrow_mut().push(format!("due at 1 s, made at {:?}", inner.now()));
        let later = Rc::clone(&seen);
        inner.call_later(Duration::ZERO, move || later.borrow_mut().push("without delay".to_owned()));
        seen.borrow_mut().push("returns".to_owned());
    });
    clock.call_later(Duration::from_secs(1), || panic!("contained"));
    time.pass(Duration::from_secs(3));
    notes.borrow_mut().push(format!("after the pass {:?}", clock.now()));
    notes.take()
}

#[test]
fn test_15_a_call_sees_the_time_it_was_due_and_a_panic_is_contained() {
    let log = LogCatcher::new();
    let second = |seconds: u64| Moment::from_nanos(seconds * 1_000_000_000);
    let expected = [
        format!("due at 1 s, made at {:?}", second(1)),
        "returns".to_owned(),
        "without delay".to_owned(),
        format!("after the pass {:?}", second(3)),
    ];
    assert_eq!(differences(ManualClock::new()), expected);
    assert_eq!(differences(TestReactor::new()), expected);
    log.expect(&["contained", "contained"]);
}

/// A clock that calls too early, and at once what has no delay.
#[derive(Clone, Default)]
struct Hasty(ManualClock);

impl Clock for Hasty {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        if delay.is_zero() {
            f();
            return self.0.call_later(Duration::ZERO, || ());
        }
        self.0.call_later(delay / 2, f)
    }
}

impl PassTime for Hasty {
    type Clock = Self;

    fn clock(&self) -> Self {
        self.clone()
    }

    fn pass(&mut self, time: Duration) {
        self.0.advance(time);
    }
}

#[test]
fn a_clock_that_is_none_is_told_with_every_case() {
    let why = contain(|| conformance::clock(Hasty::default)).expect_err("it is early");
    for case in
        ["time_01_a_call_is_never_made_at_once", "time_02_", "time_10_a_call_is_never_early", "soon_is_after"]
    {
        assert!(why.contains(case), "{case}: {why}");
    }
    assert!(!why.contains("time_11_cancelling_drops"), "{why}");
}
