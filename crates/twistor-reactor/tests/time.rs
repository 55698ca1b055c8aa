//! Delayed calls as the reactor makes them (contract section 3, TIME). What timers do by themselves is tested in `twistor-deferred`.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::{Log, Notes, OnDrop, TestSource, ms, reactor, run_bounded, turns};
use twistor_deferred::TimerError;
use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::{DelayedCall, Reactor};

const ZERO: Duration = Duration::ZERO;
/// The longest delay that a clock of nanoseconds can tell, as seconds.
const CENTURIES: u64 = 18_446_744_073;

/// Turns as `run` does until nothing is pending that comes within a day.
#[track_caller]
fn turn_all(reactor: &mut Reactor) {
    for _ in 0..1_000 {
        match reactor.next_deadline() {
            Some(deadline) if deadline < Duration::from_secs(86_400) => {
                reactor.iterate(Some(deadline)).unwrap();
            }
            _ => return,
        }
    }
    panic!("there is always another call");
}

#[test]
fn time_01_zero_delay_is_the_next_turn() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.notify(move |_| {
        handle.call_later(ZERO, seen.note("timer"));
        seen.add("notification");
    });
    turns(&mut reactor, 1);
    notes.expect(&["notification"]);
    turns(&mut reactor, 1);
    notes.expect(&["timer"]);
}

#[test]
fn time_02_a_zero_delay_call_from_a_timed_call_lets_io_have_its_turn() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    let token = reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.call_later(ZERO, move || {
        seen.add("1");
        let (again, note) = (handle.clone(), seen.clone());
        handle.call_later(ZERO, move || {
            note.add("2");
            again.call_later(ZERO, note.note("3"));
        });
    });
    for _ in 0..3 {
        world.report(Readiness::new(token).readable());
        turns(&mut reactor, 1);
    }
    notes.expect(&["1", "source ready", "2", "source ready", "3", "source ready"]);
}

#[test]
fn time_03_calls_run_by_due_time_and_ties_in_the_order_they_were_made() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    for n in 0..10 {
        for millis in [7, 5] {
            let seen = notes.clone();
            reactor.call_later(ms(millis), move || seen.add(format_args!("{millis}.{n}")));
        }
    }
    turn_all(&mut reactor);
    let expected: Vec<_> =
        [5, 7].iter().flat_map(|millis| (0..10).map(move |n| format!("{millis}.{n}"))).collect();
    assert_eq!(notes.take(), expected);
}

#[test]
fn time_04_a_call_that_runs_counts_as_called() {
    let (mut reactor, _world) = reactor();
    let slot = Rc::new(RefCell::new(None::<DelayedCall>));
    let own = Rc::clone(&slot);
    let call = reactor.call_later(ms(1), move || {
        let call = own.take().unwrap();
        assert!(!call.active());
        assert_eq!(call.cancel(), Err(TimerError::AlreadyCalled));
        assert_eq!(call.reset(ms(1)), Err(TimerError::AlreadyCalled));
    });
    slot.replace(Some(call.clone()));
    assert!(call.active());
    turn_all(&mut reactor);
    assert!(slot.borrow().is_none(), "it ran");
    assert_eq!(call.delay(ms(1)), Err(TimerError::AlreadyCalled));
    let call = reactor.call_later(ms(1), || unreachable!());
    assert_eq!(call.cancel(), Ok(()));
    assert_eq!(call.cancel(), Err(TimerError::AlreadyCancelled));
    turn_all(&mut reactor);
}

#[test]
fn time_05_a_call_may_cancel_another_of_the_same_pass() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let victims: Rc<RefCell<Vec<DelayedCall>>> = Rc::default();
    let (chosen, seen) = (Rc::clone(&victims), notes.clone());
    reactor.call_later(ms(5), move || {
        seen.add("first");
        let chosen = chosen.take();
        chosen[0].cancel().unwrap();
        chosen[1].reset(ms(3)).unwrap();
    });
    for text in ["cancelled", "postponed"] {
        let call = reactor.call_later(ms(5), notes.note(text));
        victims.borrow_mut().push(call);
    }
    reactor.call_later(ms(5), notes.note("last"));
    turn_all(&mut reactor);
    notes.expect(&["first", "last", "postponed"]);
    assert_eq!(reactor.now().as_nanos(), 8_000_000);
}

#[test]
fn time_06_reset_counts_from_now_and_delay_from_the_due_time() {
    let (mut reactor, world) = reactor();
    let at = |call: &DelayedCall| call.time().unwrap().as_nanos() / 1_000_000;
    let call = reactor.call_later(ms(10), || {});
    world.pass(ms(4));
    turns(&mut reactor, 1);
    call.delay(ms(5)).unwrap();
    assert_eq!(at(&call), 15);
    call.bring_forward(ms(6)).unwrap();
    assert_eq!(at(&call), 9);
    call.reset(ms(3)).unwrap();
    assert_eq!(at(&call), 7);
    call.bring_forward(ms(100)).unwrap(); // Never into the past.
    assert_eq!(at(&call), 4);
    call.reset(ms(20)).unwrap();
    world.waits();
    reactor.iterate(None).unwrap();
    assert_eq!(world.waits(), [Some(ms(20))]);
    turns(&mut reactor, 1);
    assert!(!call.active());
}

#[test]
fn time_07_a_call_that_is_moved_all_the_time_costs_no_memory_and_no_turn() {
    let (mut reactor, world) = reactor();
    let call = reactor.call_later(ms(100), || {});
    for _ in 0..1_000 {
        call.reset(ms(100)).unwrap();
        call.delay(ms(100)).unwrap();
        call.bring_forward(ms(50)).unwrap();
        let _ = reactor.call_later(ms(1), || unreachable!()).cancel();
    }
    assert_eq!(reactor.stats().timers_pending, 1);
    world.waits();
    reactor.iterate(None).unwrap();
    assert_eq!(world.waits(), [Some(ms(150))]);
}

#[test]
fn time_08_delayed_calls_lists_what_is_to_come_and_nothing_of_the_reactors_own() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.call_later(ms(1), move || {
        handle.call_later(ZERO, || {});
        seen.add(handle.delayed_calls().len());
        handle.stop().unwrap();
    });
    let _later = reactor.call_later(ms(9), || {});
    reactor.call_later(ms(5), || {}).cancel().unwrap();
    let due: Vec<_> = reactor.delayed_calls().iter().map(|call| call.time().unwrap().as_nanos()).collect();
    assert_eq!(due, [1_000_000, 9_000_000]);
    reactor.run().unwrap();
    notes.expect(&["2"]);
    assert_eq!(reactor.delayed_calls().len(), 2);
}

#[test]
fn time_09_a_panic_leaves_the_rest_of_the_pass_alone() {
    let log = Log::catch();
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    for text in ["1", "2"] {
        reactor.call_later(ms(1), move || panic!("timer {text}"));
        reactor.call_later(ms(1), notes.note(text));
    }
    reactor.iterate(None).unwrap();
    turns(&mut reactor, 1);
    notes.expect(&["1", "2"]);
    log.expect(&["a timed call panicked: timer 1", "a timed call panicked: timer 2"]);
    assert_eq!(reactor.stats().timers_fired, 4);
}

#[test]
fn time_10_any_delay_is_taken_and_one_too_long_never_passes() {
    let (mut reactor, world) = reactor();
    let far = reactor.call_later(Duration::from_secs(CENTURIES), || {});
    let never = reactor.call_later(Duration::MAX, || unreachable!());
    assert_eq!((never.time(), never.active()), (None, true));
    assert_eq!(reactor.next_deadline(), Some(Duration::from_secs(CENTURIES)));
    reactor.iterate(None).unwrap();
    turns(&mut reactor, 1);
    assert_eq!(world.waits()[0], Some(Duration::from_secs(CENTURIES)));
    assert!(!far.active() && never.active());
    assert_eq!(reactor.next_deadline(), None);
    never.reset(ms(1)).unwrap();
    assert_eq!(reactor.next_deadline(), Some(ms(1)));
    never.cancel().unwrap();
}

#[test]
fn time_10_the_real_clock_is_never_early_and_takes_any_delay() {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    for delay in [Duration::MAX, Duration::from_secs(CENTURIES), Duration::from_secs(2_147_484)] {
        reactor.call_later(delay, || unreachable!());
    }
    let early = Rc::new(Cell::new(0));
    for micros in [1, 300, 999, 1_001, 2_500, 4_000] {
        let (handle, early) = (reactor.handle(), Rc::clone(&early));
        let due = reactor.now().checked_add(Duration::from_micros(micros)).unwrap();
        reactor.call_later(Duration::from_micros(micros), move || {
            early.set(early.get() + usize::from(handle.now() < due));
        });
    }
    let handle = reactor.handle();
    reactor.call_later(ms(5), move || handle.stop().unwrap());
    run_bounded(&mut reactor);
    assert_eq!(early.get(), 0);
    assert_eq!(reactor.stats().timers_fired, 7);
    assert!(reactor.stats().turns < 50, "it sleeps between");
}

#[test]
fn time_11_cancel_drops_what_the_call_owns_at_once() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    let owned = OnDrop(move || {
        seen.add("dropped");
        // And may use everything meanwhile.
        handle.call_later(ZERO, seen.note("timer"));
        for call in handle.delayed_calls() {
            let _ = call.reset(ms(1));
        }
    });
    let call = reactor.call_later(ms(9), move || drop(owned));
    call.cancel().unwrap();
    notes.expect(&["dropped"]);
    turn_all(&mut reactor);
    notes.expect(&["timer"]);
}

#[test]
fn time_12_the_clock_is_monotonic_and_time_of_day_decides_nothing() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.call_later(ms(10), notes.note("timer"));
    world.pass(ms(9));
    turns(&mut reactor, 1);
    world.set_back(ms(5)); // A kernel that breaks its promise is not believed.
    turns(&mut reactor, 1);
    assert_eq!(reactor.now().as_nanos(), 9_000_000);
    notes.expect_nothing();
    turn_all(&mut reactor);
    notes.expect(&["timer"]);
}

#[test]
fn time_13_now_is_sampled_once_for_a_pass() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.call_later(ms(1), move || {
        world.pass(ms(5)); // The next one becomes due, and waits for its own pass.
        seen.add(handle.now().as_nanos() / 1_000_000);
    });
    reactor.call_later(ms(3), notes.note("second"));
    reactor.iterate(None).unwrap();
    turns(&mut reactor, 1);
    notes.expect(&["1"]);
    turns(&mut reactor, 1);
    notes.expect(&["second"]);
}

#[test]
fn time_13_everything_due_runs_in_one_pass() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    for text in ["1", "2", "3"] {
        reactor.call_later(ms(1), notes.note(text));
    }
    world.pass(ms(2));
    turns(&mut reactor, 1);
    notes.expect(&["1", "2", "3"]);
}

/// R28: a delay counts from the latest reading, which is taken after the sleep.
#[test]
fn time_06_delays_of_io_callbacks_count_from_after_the_sleep() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    let mut source = TestSource::new("source", &notes);
    let seen = notes.clone();
    source.on_ready = Box::new(move |reactor| {
        let call = reactor.call_later(ms(10), || {});
        seen.add(call.time().unwrap().as_nanos() / 1_000_000);
    });
    let token = reactor.register(Rc::new(source)).unwrap();
    let (clock, event) = (world.clone(), Readiness::new(token).readable());
    world.while_asleep(move || {
        clock.pass(ms(50));
        clock.report(event);
    });
    reactor.iterate(Some(ms(80))).unwrap();
    notes.expect(&["source ready", "60"]);
}

/// R28: between turns the clock is read for each call; inside a turn time stands still.
#[test]
fn time_06_delays_between_turns_count_from_the_clock_as_it_is() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    world.pass(ms(5)); // A long set-up.
    let call = reactor.call_later(ms(10), notes.note("timer"));
    assert_eq!(call.time().unwrap().as_nanos(), 15_000_000);
    let (handle, slow, seen) = (reactor.handle(), world.clone(), notes.clone());
    reactor.notify(move |_| {
        slow.pass(ms(3));
        seen.add(handle.now().as_nanos() / 1_000_000);
        seen.add(handle.call_later(ms(1), || {}).time().unwrap().as_nanos() / 1_000_000);
    });
    turns(&mut reactor, 1);
    notes.expect(&["5", "6"]);
    world.pass(ms(2));
    assert_eq!(reactor.now().as_nanos(), 10_000_000);
    call.reset(ms(10)).unwrap();
    assert_eq!(call.time().unwrap().as_nanos(), 20_000_000);
    drop(reactor);
    world.pass(ms(1));
    assert_eq!(world.holders(), 1);
}

#[test]
fn time_08_dropping_a_handle_detaches() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    drop(reactor.call_later(ms(1), notes.note("timer")));
    turn_all(&mut reactor);
    notes.expect(&["timer"]);
}
