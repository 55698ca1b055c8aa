//! System events and their triggers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::{deferred, fail, succeed};
use twistor_reactor::error::TriggerError;
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{Phase, Reactor};

use crate::common::{Log, Notes, ms, reactor, reactor_with, started, turns};
use crate::support::{fire, waiting};

#[test]
fn sig_04_phases_and_order_of_registration_and_once() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    for text in ["1", "2"] {
        for phase in [Phase::After, Phase::During, Phase::Before] {
            let notes = notes.clone();
            reactor.add_system_event_trigger(phase, "my own", move |_| {
                notes.add(format_args!("{phase:?} {text}"));
            });
        }
    }
    reactor.fire_system_event("my own");
    reactor.fire_system_event("my own");
    notes.expect_nothing();
    turns(&mut reactor, 1);
    notes.expect(&["Before 1", "Before 2", "During 1", "During 2", "After 1", "After 2"]);
    reactor.fire_system_event("my own");
    turns(&mut reactor, 1);
    notes.expect_nothing();
}

#[test]
fn sig_05_during_waits_for_every_deferred_of_before_and_the_loop_runs_on() {
    for event in [STARTUP, SHUTDOWN, "my own"] {
        let log = Log::catch();
        let (mut reactor, _world) = reactor();
        let notes = Notes::default();
        let (promise, wait) = waiting();
        let seen = notes.clone();
        reactor.add_system_event_trigger(Phase::Before, event, move |_| {
            seen.add("first");
            wait
        });
        reactor.add_system_event_trigger(Phase::Before, event, |_| Some(succeed(())));
        reactor.add_system_event_trigger(Phase::Before, event, |_| fail::<()>(std::fmt::Error));
        reactor.add_system_event_trigger(Phase::Before, event, notes.note_with("last"));
        reactor.add_system_event_trigger(Phase::During, event, notes.note_with("during"));
        reactor.add_system_event_trigger(Phase::After, event, notes.note_with("after"));
        let seen = notes.clone();
        reactor.call_later(ms(5), move || {
            seen.add("timer");
            fire(&promise);
        });
        match event {
            STARTUP | SHUTDOWN => drop(reactor.call_when_running(|reactor| reactor.stop().unwrap())),
            event => {
                reactor.fire_system_event(event);
                reactor.call_later(ms(9), {
                    let handle = reactor.handle();
                    move || handle.stop().unwrap()
                });
            }
        }
        reactor.run().unwrap();
        notes.expect(&["first", "last", "timer", "during", "after"]);
        let logged = if event == "my own" { "an event waited for" } else { event };
        log.expect(&[logged]);
    }
}

#[test]
fn sig_05_waiting_for_shutdown_has_a_timeout_that_nobody_can_cancel() {
    let log = Log::catch();
    let (mut reactor, world) = reactor_with(Reactor::builder().shutdown_timeout(ms(700)));
    let notes = Notes::default();
    let (promise, wait) = waiting();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("during"));
    reactor.start().unwrap();
    reactor.stop().unwrap();
    turns(&mut reactor, 1);
    assert_eq!(reactor.next_deadline(), Some(ms(700)));
    for call in reactor.delayed_calls() {
        call.cancel().unwrap();
    }
    world.waits();
    reactor.run().unwrap();
    assert_eq!(world.waits(), [Some(ms(700)), Some(Duration::ZERO)]);
    notes.expect(&["during"]);
    log.expect(&["1 Deferreds of before-shutdown triggers did not fire within the shutdown_timeout"]);
    fire(&promise); // Late, and harmless.
}

#[test]
fn sig_05_a_startup_that_waits_can_be_stopped_crashed_and_begun_again() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    let (first, wait) = waiting();
    reactor.add_system_event_trigger(Phase::Before, STARTUP, move |_| wait);
    reactor.add_system_event_trigger(Phase::During, STARTUP, notes.note_with("during"));
    reactor.start().unwrap();
    turns(&mut reactor, 2);
    assert!(!reactor.is_running() && !reactor.is_finished());
    assert!(world.watched_signals().is_empty());
    notes.expect_nothing();
    reactor.crash();
    turns(&mut reactor, 1);
    assert!(reactor.is_finished());
    // Again: the Deferred of the run before is nothing to this one.
    let (second, wait) = waiting();
    reactor.add_system_event_trigger(Phase::Before, STARTUP, move |_| wait);
    reactor.start().unwrap();
    turns(&mut reactor, 1);
    notes.expect_nothing();
    world.waits();
    reactor.notify(move |_| fire(&second));
    reactor.iterate(None).unwrap();
    assert_eq!(world.waits(), [Some(Duration::ZERO)]);
    turns(&mut reactor, 1);
    notes.expect(&["during"]);
    assert!(reactor.is_running());
    fire(&first);
    turns(&mut reactor, 1);

    // Stopped while it waits: startup finishes, then shutdown follows.
    let (mut reactor, world) = self::reactor();
    let (promise, wait) = waiting();
    reactor.add_system_event_trigger(Phase::Before, STARTUP, move |_| wait);
    for event in [STARTUP, SHUTDOWN] {
        reactor.add_system_event_trigger(Phase::During, event, notes.note_with(event));
    }
    reactor.start().unwrap();
    assert_eq!(reactor.stop(), Ok(()));
    assert!(reactor.stop().is_err());
    world.waits();
    reactor.notify(move |_| fire(&promise));
    reactor.run().unwrap();
    notes.expect(&["startup", "shutdown"]);
    assert_eq!(world.waits(), [Some(Duration::ZERO); 2]);
}

#[test]
fn sig_06_results_of_later_phases_are_ignored_and_panics_stop_nothing() {
    let log = Log::catch();
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let (promise, wait) = deferred();
    let (never, late) = deferred::<()>();
    for (phase, wait) in [(Phase::During, wait), (Phase::After, late)] {
        reactor.add_system_event_trigger(phase, SHUTDOWN, move |_| wait);
        reactor.add_system_event_trigger(phase, SHUTDOWN, |_| -> () { panic!("a trigger") });
        reactor.add_system_event_trigger(phase, SHUTDOWN, notes.note_with("trigger"));
    }
    reactor.call_when_running(|reactor| reactor.stop().unwrap());
    reactor.run().unwrap();
    notes.expect(&["trigger", "trigger"]);
    log.expect(&["a trigger of the event \"shutdown\" panicked", "panicked"]);
    drop((promise, never));
}

#[test]
fn sig_07_a_trigger_added_to_this_or_a_later_phase_still_fires() {
    for event in [STARTUP, SHUTDOWN, "my own"] {
        let (mut reactor, _world) = reactor();
        let notes = Notes::default();
        let seen = notes.clone();
        reactor.add_system_event_trigger(Phase::During, event, move |reactor| {
            for phase in [Phase::After, Phase::During, Phase::Before] {
                let seen = seen.clone();
                reactor.add_system_event_trigger(phase, event, move |_| seen.add(format_args!("{phase:?}")));
            }
            seen.add("first");
        });
        reactor.call_when_running(|reactor| {
            reactor.fire_system_event("my own");
            reactor.call_later(ms(1), {
                let handle = reactor.clone();
                move || handle.stop().unwrap()
            });
        });
        reactor.run().unwrap();
        notes.expect(&["first", "During", "After"]); // Before is over.
    }
}

#[test]
fn sig_08_a_trigger_can_be_taken_back_until_it_is_fired() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let add = |text| reactor.add_system_event_trigger(Phase::During, "event", notes.note_with(text));
    let (first, twin, _other) = (add("same"), add("same"), add("other"));
    assert_eq!(first.remove(), Ok(()));
    assert_eq!(first.remove(), Err(TriggerError::AlreadyRemoved));
    reactor.fire_system_event("event");
    turns(&mut reactor, 1);
    notes.expect(&["same", "other"]);
    assert_eq!(twin.remove(), Err(TriggerError::AlreadyFired));
    assert_eq!(twin.remove(), Err(TriggerError::AlreadyFired));

    // From inside: itself, and one that is due after it.
    let triggers = Rc::new(RefCell::new(Vec::new()));
    let (all, seen) = (Rc::clone(&triggers), notes.clone());
    let own = reactor.add_system_event_trigger(Phase::During, "event", move |_| {
        let all: Vec<twistor_reactor::Trigger> = all.take();
        seen.add(format_args!("{:?} {:?}", all[0].remove(), all[1].remove()));
    });
    let next = reactor.add_system_event_trigger(Phase::After, "event", notes.note_with("never"));
    triggers.replace(vec![own, next]);
    reactor.fire_system_event("event");
    turns(&mut reactor, 1);
    notes.expect(&["Err(AlreadyFired) Ok(())"]);
}

#[test]
fn sig_08_removed_triggers_do_not_pile_up() {
    let (mut reactor, _world) = reactor();
    let notes = Notes::default();
    let kept = reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, notes.note_with("kept"));
    let live = Rc::new(Cell::new(0));
    for _ in 0..1_000 {
        let owned = Rc::clone(&live);
        let trigger = reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| drop(owned));
        trigger.remove().unwrap();
    }
    assert_eq!(Rc::strong_count(&live), 1);
    for text in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, notes.note_with(text));
    }
    drop(kept);
    reactor.call_when_running(|reactor| reactor.stop().unwrap());
    reactor.run().unwrap();
    notes.expect(&["kept", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[test]
fn sig_09_an_event_without_triggers_does_nothing() {
    let (mut reactor, _world) = started();
    reactor.fire_system_event("nobody hears");
    turns(&mut reactor, 2);
    assert!(reactor.is_running());
}
