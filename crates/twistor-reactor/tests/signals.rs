//! Signals and system events (contract section 13, SIG): the logic by hand, the signals of a process in children.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::{Log, Notes, OnDrop, World, ms, reactor, reactor_with, turns};
use twistor_deferred::{Deferred, Promise, deferred, fail, succeed};
use twistor_reactor::error::TriggerError;
use twistor_reactor::signals::{SIGINT, SIGTERM};
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{Phase, Reactor, RunError, SignalHandler};

/// A number is all that the kernel of memory knows of a signal.
const SIGUSR1: i32 = 10;

type Kept = Rc<RefCell<Option<Promise<()>>>>;

/// A Deferred that a trigger can hand out, and its promise.
fn waiting() -> (Kept, Deferred<()>) {
    let (promise, wait) = deferred();
    (Rc::new(RefCell::new(Some(promise))), wait)
}

fn fire(promise: &Kept) {
    let promise = promise.take();
    promise.unwrap().callback(());
}

// Signals.

#[test]
fn sig_01_signals_are_caught_from_during_startup_on_unless_told_otherwise() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    for phase in [Phase::Before, Phase::During] {
        let (notes, world) = (notes.clone(), world.clone());
        reactor.add_system_event_trigger(phase, STARTUP, move |_| {
            notes.add(format_args!("{:?}", world.watched_signals()));
        });
    }
    reactor.start().unwrap();
    notes.expect(&["[]", "[2, 15]"]);
    assert!(reactor.readers().is_empty());

    let (mut reactor, world) = reactor_with(Reactor::builder().handle_signals(false));
    reactor.start().unwrap();
    assert!(!world.raise(SIGINT));
}

#[test]
fn sig_02_a_signal_stops_in_order_and_its_number_is_kept() {
    for signal in [SIGINT, SIGTERM] {
        let (mut reactor, world) = reactor();
        let notes = Notes::default();
        reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("shutdown"));
        let raise = world.clone();
        reactor.call_later(ms(1), move || assert!(raise.raise(signal)));
        assert_eq!(reactor.exit_signal(), None);
        reactor.run().unwrap();
        notes.expect(&["shutdown"]);
        assert_eq!(reactor.exit_signal(), Some(signal));
        assert!(!world.raise(signal), "it acts by default again");
    }
}

#[test]
fn sig_02_a_second_signal_ends_the_loop_at_once() {
    for together in [false, true] {
        let log = Log::catch();
        let (mut reactor, world) = reactor();
        let notes = Notes::default();
        let (_promise, wait) = deferred::<()>();
        reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
        reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("never"));
        let raise = world.clone();
        reactor.call_later(ms(1), move || {
            raise.raise(SIGINT);
            if together {
                raise.raise(SIGINT);
            }
        });
        let raise = world.clone();
        reactor.call_later(ms(5), move || assert!(raise.raise(SIGTERM)));
        reactor.run().unwrap();
        notes.expect_nothing();
        log.expect(&["again, ending at once"]);
        assert_eq!(reactor.now().as_nanos(), if together { 1_000_000 } else { 5_000_000 });
        assert_eq!(reactor.exit_signal(), Some(if together { SIGINT } else { SIGTERM }));
        assert!(matches!(reactor.run(), Err(RunError::NotRestartable)));
    }
}

#[test]
fn sig_02_a_first_signal_on_a_stopping_reactor_lets_it_finish() {
    let log = Log::catch();
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    let (promise, wait) = waiting();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("during"));
    reactor.call_when_running(|reactor| reactor.stop().unwrap());
    reactor.call_later(ms(1), move || assert!(world.raise(SIGTERM)));
    reactor.call_later(ms(2), move || fire(&promise));
    reactor.run().unwrap();
    notes.expect(&["during"]);
    log.expect(&[]);
}

#[test]
fn sig_02_a_run_that_follows_a_crash_counts_its_own_signals() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("shutdown"));
    // A signal that comes in the last turn of a crashed run.
    let (raise, handle) = (world.clone(), reactor.handle());
    reactor.call_later(ms(1), move || {
        handle.crash();
        assert!(raise.raise(SIGTERM));
    });
    reactor.run().unwrap();
    assert_eq!(reactor.exit_signal(), Some(SIGTERM));
    reactor.call_later(ms(1), move || assert!(world.raise(SIGINT)));
    reactor.run().unwrap();
    notes.expect(&["shutdown"]);
    assert_eq!(reactor.exit_signal(), Some(SIGINT));
}

#[test]
fn sig_03_signals_act_by_default_after_the_run_however_it_ended() {
    let end: [fn(&mut Reactor, &World); 3] = [
        |reactor, _| {
            reactor.call_when_running(|reactor| reactor.stop().unwrap());
            reactor.run().unwrap();
        },
        |reactor, _| {
            let handle = reactor.handle();
            reactor.call_later(ms(1), move || handle.crash());
            reactor.run().unwrap();
        },
        |reactor, world| {
            world.broken().on();
            assert!(reactor.run().is_err());
        },
    ];
    for end in end {
        let (mut reactor, world) = reactor();
        end(&mut reactor, &world);
        assert!(world.watched_signals().is_empty());
        assert_eq!(reactor.stats().sources, 0);
    }
    let (mut reactor, world) = reactor();
    reactor.start().unwrap();
    drop(reactor);
    assert!(world.watched_signals().is_empty());
}

#[test]
fn sig_01_the_applications_handlers_come_in_order_and_replace_stopping() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    let handler = |text: &'static str| {
        let notes = notes.clone();
        reactor.on_signal(SIGINT, move |_| notes.add(text)).unwrap()
    };
    let (first, second) = (handler("first"), handler("second"));
    reactor.start().unwrap();
    world.raise(SIGINT);
    turns(&mut reactor, 2);
    notes.expect(&["first", "second"]);
    world.raise(SIGINT);
    world.raise(SIGINT);
    turns(&mut reactor, 1);
    notes.expect(&["first", "first", "second", "second"]);
    assert_eq!(world.watched_signals(), [SIGINT, SIGINT, SIGINT, SIGTERM]);
    first.remove();
    first.remove();
    assert_eq!(world.watched_signals(), [SIGINT, SIGINT, SIGTERM]);
    world.raise(SIGINT);
    turns(&mut reactor, 2);
    notes.expect(&["second"]);
    assert_eq!(reactor.exit_signal(), None);
    second.remove();
    world.raise(SIGINT);
    turns(&mut reactor, 2);
    assert!(reactor.is_finished());
    assert_eq!(reactor.exit_signal(), Some(SIGINT));
    let (mut reactor, _world) = self::reactor();
    assert!(reactor.on_signal(9, |_| ()).is_err(), "SIGKILL cannot be caught");
    assert_eq!(reactor.stats().sources, 0);
    turns(&mut reactor, 1);
}

#[test]
fn sig_01_a_handler_may_remove_itself_and_others_and_stop() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    let handlers: Rc<RefCell<Vec<SignalHandler>>> = Rc::default();
    reactor.start().unwrap();
    for text in ["first", "second"] {
        let (all, seen) = (Rc::clone(&handlers), notes.clone());
        let dropped = notes.clone();
        let owned = OnDrop(move || dropped.add("dropped"));
        let handler = reactor.on_signal(SIGUSR1, move |reactor| {
            let _ = &owned;
            seen.add(text);
            for handler in all.take() {
                handler.remove();
            }
            reactor.stop().unwrap();
        });
        handlers.borrow_mut().push(handler.unwrap());
    }
    world.raise(SIGUSR1);
    world.raise(SIGUSR1);
    turns(&mut reactor, 2);
    notes.expect(&["first", "dropped", "dropped"]);
    assert!(reactor.is_finished() && reactor.stats().sources == 0);
}

// Triggers.

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
    let (mut reactor, _world) = reactor();
    reactor.start().unwrap();
    reactor.fire_system_event("nobody hears");
    turns(&mut reactor, 2);
    assert!(reactor.is_running());
}

// The signals of a process.

mod process {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use signal_hook::consts::SIGUSR1;
    use signal_hook::low_level::raise;
    use twistor_deferred::deferred;
    use twistor_reactor::signals::{SIGINT, SIGTERM};
    use twistor_reactor::triggers::SHUTDOWN;
    use twistor_reactor::{Phase, Reactor};

    use super::common::{Notes, child, child_succeeds, is_child, ms, run_bounded, run_child};

    #[test]
    fn sig_01_a_real_sigterm_from_outside_stops_a_sleeping_reactor() {
        let mut child = child("process::child_is_stopped").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("running")));
        let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert!(lines.any(|line| line.unwrap().ends_with("stopped by Some(15)")));
        assert!(lines.all(|line| line.is_ok()));
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn child_is_stopped() {
        if !is_child() {
            return;
        }
        let mut reactor = Reactor::new().unwrap();
        reactor.call_when_running(|_| println!("running"));
        reactor.add_system_event_trigger(Phase::After, SHUTDOWN, |reactor| {
            println!("stopped by {:?}", reactor.exit_signal());
        });
        run_bounded(&mut reactor);
    }

    #[test]
    fn sig_02_a_real_second_sigint_ends_the_loop_at_once() {
        child_succeeds("process::child_is_interrupted_twice");
    }

    #[test]
    fn child_is_interrupted_twice() {
        if !is_child() {
            return;
        }
        let mut reactor = Reactor::new().unwrap();
        let (_promise, wait) = deferred::<()>();
        let notes = Notes::default();
        let seen = notes.clone();
        reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |reactor| {
            seen.add("before");
            reactor.call_later(ms(1), || raise(SIGINT).unwrap());
            wait
        });
        reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("during"));
        reactor.call_later(ms(1), || raise(SIGINT).unwrap());
        run_bounded(&mut reactor); // Well before the ten seconds that shutdown would take.
        notes.expect(&["before"]);
        assert!(reactor.now().as_nanos() < 5_000_000_000);
    }

    #[test]
    fn sig_03_a_real_signal_acts_by_default_after_the_run() {
        for (name, signal) in [
            ("process::child_dies_after_a_stop", SIGTERM),
            ("process::child_dies_after_a_crash", SIGINT),
            ("process::child_dies_after_a_drop", SIGUSR1),
        ] {
            assert_eq!(run_child(name).status.signal(), Some(signal), "{name}");
        }
    }

    #[test]
    fn child_dies_after_a_stop() {
        if !is_child() {
            return;
        }
        let mut reactor = Reactor::new().unwrap();
        reactor.call_later(ms(1), || raise(SIGTERM).unwrap());
        run_bounded(&mut reactor);
        assert_eq!(reactor.exit_signal(), Some(SIGTERM));
        raise(SIGTERM).unwrap(); // What a launcher does, to end as it was told to.
    }

    #[test]
    fn child_dies_after_a_crash() {
        if !is_child() {
            return;
        }
        let mut reactor = Reactor::new().unwrap();
        for _ in 0..2 {
            reactor.call_when_running(|reactor| reactor.crash());
            run_bounded(&mut reactor);
        }
        raise(SIGINT).unwrap();
    }

    #[test]
    fn child_dies_after_a_drop() {
        if !is_child() {
            return;
        }
        let mut reactor = Reactor::new().unwrap();
        let notes = Notes::default();
        for text in ["first", "second"] {
            let notes = notes.clone();
            reactor.on_signal(SIGUSR1, move |_| notes.add(text)).unwrap();
        }
        let handle = reactor.handle();
        reactor.call_later(ms(1), || raise(SIGUSR1).unwrap());
        reactor.call_later(ms(3), move || handle.stop().unwrap());
        run_bounded(&mut reactor);
        notes.expect(&["first", "second"]);
        raise(SIGUSR1).unwrap(); // Handlers of the application's hold until the end.
        drop(reactor);
        raise(SIGUSR1).unwrap();
    }

    #[test]
    fn sig_01_a_reactor_that_leaves_signals_alone_dies_of_them() {
        // Not SIGINT, which a shell may have told the tests to ignore.
        assert_eq!(run_child("process::child_leaves_signals_alone").status.signal(), Some(SIGTERM));
    }

    #[test]
    fn child_leaves_signals_alone() {
        if !is_child() {
            return;
        }
        let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
        reactor.call_when_running(|_| raise(SIGTERM).unwrap());
        run_bounded(&mut reactor);
    }
}
