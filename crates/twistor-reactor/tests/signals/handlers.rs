//! Signals, by hand.

use std::cell::RefCell;
use std::rc::Rc;

use twistor_deferred::deferred;
use twistor_reactor::signals::{SIGINT, SIGTERM};
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{Phase, Reactor, RunError, SignalHandler};

use crate::common::{Log, Notes, OnDrop, World, ms, reactor, reactor_with, started, turns};
use crate::support::{SIGUSR1, fire, waiting};

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
    let (reactor, world) = started();
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
