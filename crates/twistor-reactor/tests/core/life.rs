//! Run, stop, crash.

use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::deferred;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{NotRunning, Phase, ReactorHandle, RunError};

use crate::common::{Notes, TestSource, ms, reactor, started, turns};
use crate::support::{Shared, ZERO, note_in_thread_call, on};

#[test]
fn core_02_run_blocks_until_stopped_and_a_stopped_reactor_cannot_run_again() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    on(&reactor, Phase::Before, STARTUP, &notes, "startup");
    let (handle, note) = (reactor.handle(), notes.note("timer"));
    reactor.call_later(ms(70), move || {
        note();
        handle.stop().unwrap();
    });
    reactor.run().unwrap();
    notes.expect(&["startup", "timer"]);
    assert_eq!(reactor.now().as_nanos(), 70_000_000);

    for event in [STARTUP, SHUTDOWN] {
        on(&reactor, Phase::Before, event, &notes, "not again");
    }
    let turns = reactor.stats().turns;
    assert!(matches!(reactor.run(), Err(RunError::NotRestartable)));
    assert!(matches!(reactor.start(), Err(RunError::NotRestartable)));
    assert_eq!(reactor.stats().turns, turns);
    notes.expect_nothing();
}

#[test]
fn core_02_a_broken_kernel_ends_the_run() {
    let (mut reactor, world) = reactor();
    world.broken().on();
    assert!(matches!(reactor.run(), Err(RunError::Wait(_))));
    assert!(world.watched_signals().is_empty());
    world.broken().off();
    let handle = reactor.handle();
    reactor.call_later(ms(1), move || handle.stop().unwrap());
    reactor.run().unwrap();
}

#[test]
fn core_03_stop_sets_a_flag_and_is_an_error_when_nothing_runs() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    assert_eq!(reactor.stop(), Err(NotRunning));
    on(&reactor, Phase::During, SHUTDOWN, &notes, "shutdown");
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.call_later(Duration::ZERO, move || {
        assert_eq!(handle.stop(), Ok(()));
        assert_eq!(handle.stop(), Err(NotRunning));
        seen.add("the rest of the call");
    });
    reactor.run().unwrap();
    notes.expect(&["the rest of the call", "shutdown"]);
    assert_eq!(reactor.stop(), Err(NotRunning));
}

#[test]
fn core_04_thread_calls_and_due_timers_run_before_shutdown() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.start().unwrap();
    on(&reactor, Phase::Before, SHUTDOWN, &notes, "shutdown");
    reactor.extension::<Shared>().replace(notes.clone());
    // Stopped by an event of this turn's end; what is due by the next turn still runs.
    let (handle, seen, clock) = (reactor.handle(), notes.clone(), world.clone());
    world.while_asleep(move || {
        handle.call_later(Duration::ZERO, seen.note("timer"));
        handle.remote().call_from_thread(note_in_thread_call("thread call")).unwrap();
        handle.call_later(ms(5), seen.note("due by then"));
        handle.call_later(ms(6), seen.note("never"));
        handle.stop().unwrap();
        clock.pass(ms(5));
    });
    while !reactor.is_finished() {
        reactor.iterate(None).unwrap();
    }
    notes.expect(&["thread call", "timer", "due by then", "shutdown"]);
}

#[test]
fn core_04_a_timer_made_in_the_last_pass_never_runs() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.call_later(Duration::ZERO, move || {
        handle.stop().unwrap();
        handle.call_later(Duration::ZERO, seen.note("late"));
    });
    reactor.run().unwrap();
    notes.expect_nothing();
    assert_eq!(reactor.stats().timers_pending, 1);
}

#[test]
fn core_05_a_crash_in_a_trigger_leaves_the_others_uncalled() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let seen = notes.clone();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |reactor| {
        seen.add("crashes");
        reactor.crash();
    });
    for phase in [Phase::Before, Phase::During, Phase::After] {
        on(&reactor, phase, SHUTDOWN, &notes, "shutdown");
    }
    reactor.call_when_running(|reactor| reactor.stop().unwrap());
    reactor.run().unwrap();
    notes.expect(&["crashes"]);
}

#[test]
fn core_05_crash_ends_the_loop_without_shutdown_and_can_be_run_again() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap();
    for phase in [Phase::Before, Phase::During, Phase::After] {
        on(&reactor, phase, SHUTDOWN, &notes, "shutdown");
    }
    for round in 0..3 {
        let (handle, seen) = (reactor.handle(), notes.clone());
        reactor.call_later(Duration::ZERO, move || {
            handle.crash();
            handle.notify(seen.note_with("the rest of the turn"));
        });
        reactor.call_later(Duration::from_secs(9), || ());
        reactor.run().unwrap();
        notes.expect(&["the rest of the turn"]);
        assert!(reactor.is_finished() && !reactor.is_running());
        assert_eq!(reactor.stats().timers_pending, round + 1);
        assert!(world.watched_signals().is_empty());
        assert_eq!(reactor.stats().sources, 1);
    }
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.stop().unwrap());
    reactor.run().unwrap();
    notes.expect(&["shutdown", "shutdown", "shutdown"]);
}

#[test]
fn core_05_a_reactor_that_was_stopped_and_then_crashed_cannot_run_again() {
    let (mut reactor, world) = reactor();
    let (_promise, wait) = deferred::<()>();
    let notes = Notes::default();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
    on(&reactor, Phase::During, SHUTDOWN, &notes, "during");
    reactor.start().unwrap();
    reactor.stop().unwrap();
    turns(&mut reactor, 2);
    assert!(!reactor.is_finished());
    world.waits();
    reactor.notify(ReactorHandle::crash);
    reactor.iterate(None).unwrap();
    assert_eq!(world.waits(), [ZERO]);
    assert!(reactor.is_finished());
    assert!(matches!(reactor.run(), Err(RunError::NotRestartable)));
    notes.expect_nothing();
}

#[test]
fn core_05_a_crash_between_turns_ends_the_loop_after_the_next_one() {
    let (mut reactor, world) = started();
    reactor.crash();
    let mut count = 0;
    while !reactor.is_finished() {
        reactor.iterate(None).unwrap();
        count += 1;
    }
    assert_eq!((count, world.watched_signals().len()), (1, 0));
    // And if nobody turned after it, a new start is a new start.
    reactor.start().unwrap();
    reactor.crash();
    let handle = reactor.handle();
    reactor.call_later(ms(1), move || handle.stop().unwrap());
    reactor.run().unwrap();
    assert_eq!(reactor.stop(), Err(NotRunning));
    assert!(matches!(reactor.run(), Err(RunError::NotRestartable)));
}

#[test]
fn core_06_running_is_false_before_startup_and_during_shutdown() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    for (event, name) in [(STARTUP, "startup"), (SHUTDOWN, "shutdown")] {
        for phase in [Phase::Before, Phase::During, Phase::After] {
            let notes = notes.clone();
            reactor.add_system_event_trigger(phase, event, move |reactor| {
                notes.add(format_args!("{phase:?} {name} {}", reactor.is_running()));
            });
        }
    }
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.stop().unwrap());
    assert!(!reactor.is_running());
    reactor.run().unwrap();
    assert!(!reactor.is_running());
    notes.expect(&[
        "Before startup false",
        "During startup true",
        "After startup true",
        "Before shutdown true",
        "During shutdown false",
        "After shutdown false",
    ]);
}

#[test]
fn core_07_stop_before_startup_lets_startup_finish() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    reactor.add_system_event_trigger(Phase::Before, STARTUP, |reactor| {
        assert_eq!(reactor.stop(), Ok(()));
        assert_eq!(reactor.stop(), Err(NotRunning));
    });
    on(&reactor, Phase::During, STARTUP, &notes, "during");
    reactor.call_when_running(notes.note_with("when running"));
    on(&reactor, Phase::Before, SHUTDOWN, &notes, "shutdown");
    reactor.run().unwrap();
    notes.expect(&["during", "when running", "shutdown"]);
}

#[test]
fn core_08_call_when_running_waits_for_startup_in_order() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    reactor.call_when_running(notes.note_with("1"));
    let removed = reactor.call_when_running(notes.note_with("removed"));
    on(&reactor, Phase::After, STARTUP, &notes, "2");
    reactor.call_when_running(notes.note_with("3"));
    removed.remove().unwrap();
    on(&reactor, Phase::During, STARTUP, &notes, "during");
    reactor.call_when_running(|reactor| reactor.stop().unwrap());
    reactor.run().unwrap();
    notes.expect(&["during", "1", "2", "3"]);
}

#[test]
fn core_08_when_running_already_it_is_called_after_the_present_call() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    reactor.start().unwrap();
    let (handle, seen) = (reactor.handle(), notes.clone());
    reactor.call_later(Duration::ZERO, move || {
        handle.call_when_running(seen.note_with("1"));
        let removed = handle.call_when_running(seen.note_with("removed"));
        handle.call_when_running(seen.note_with("2"));
        assert!(removed.remove().is_ok() && removed.remove().is_err());
        seen.add("the call returns");
    });
    turns(&mut reactor, 1);
    notes.expect(&["the call returns", "1", "2"]);
    let called = reactor.call_when_running(|_| ());
    turns(&mut reactor, 1);
    assert!(called.remove().is_err());
}
