//! A panic of the user's code is logged and harms nobody else (CORE-09, R5), one of a destructor included.

#![cfg(feature = "mio")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::{Log, Notes, OnDrop, Rude, ms, reactor, started, turns};
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{Phase, ReactorHandle};

#[test]
fn core_09_a_panic_is_logged_and_the_rest_still_runs() {
    let log = Log::catch();
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    for event in [STARTUP, SHUTDOWN] {
        for phase in [Phase::Before, Phase::During, Phase::After] {
            reactor.add_system_event_trigger(phase, event, |_| -> () { panic!("trigger") });
            reactor.add_system_event_trigger(phase, event, notes.note_with("trigger"));
        }
    }
    for _ in 0..2 {
        reactor.call_later(Duration::ZERO, || panic!("timer"));
        reactor.remote().call_from_thread(|_| panic!("thread call")).unwrap();
        reactor.notify(|_| panic!("notification"));
        reactor.call_in_thread(|| panic!("job"));
        reactor.on_signal(10, |_| panic!("signal")).unwrap();
    }
    reactor.call_later(Duration::ZERO, notes.note("timer"));
    reactor.notify(notes.note_with("notification"));
    let seen = notes.clone();
    reactor.on_signal(10, move |_| seen.add("signal")).unwrap();
    world.raise(10);
    let handle = reactor.handle();
    reactor.call_later(ms(1), move || handle.stop().unwrap());
    reactor.run().unwrap();
    notes.expect(&[
        "trigger",
        "trigger",
        "trigger",
        "timer",
        "notification",
        "signal",
        "trigger",
        "trigger",
        "trigger",
    ]);
    log.expect(&[
        "trigger",
        "trigger",
        "trigger",
        "thread call",
        "thread call",
        "timer",
        "timer",
        "notification",
        "notification",
        "job",
        "job",
        "signal",
        "signal",
        "trigger",
        "trigger",
        "trigger",
    ]);
}

#[test]
fn core_09_what_a_callback_owns_may_panic_when_it_is_dropped() {
    let log = Log::catch();
    let (mut reactor, world) = reactor();
    world.holds_jobs().on();
    let own = |text: &'static str| {
        let rude = Rude(text);
        move || drop(rude)
    };
    fn with(f: impl FnOnce()) -> impl FnOnce(&ReactorHandle) {
        move |_| f()
    }
    // Called.
    reactor.call_later(Duration::ZERO, own("timer"));
    reactor.notify(with(own("notification")));
    reactor.call_when_running(with(own("trigger")));
    reactor.remote().call_from_thread(with(own("thread call"))).unwrap();
    reactor.start().unwrap();
    turns(&mut reactor, 1);
    log.expect(&["trigger", "thread call", "timer", "notification"]);
    // Taken back.
    reactor.call_later(ms(1), own("timer")).cancel().unwrap();
    reactor.call_when_running(with(own("when running"))).remove().unwrap();
    reactor.add_system_event_trigger(Phase::Before, "e", with(own("trigger"))).remove().unwrap();
    assert!(reactor.call_in_thread(own("job")).cancel());
    let rude = Rude("signal");
    let handler = reactor.on_signal(10, move |_| {
        let _ = &rude;
    });
    handler.unwrap().remove();
    log.expect(&["timer", "when running", "trigger", "job", "signal"]);
    turns(&mut reactor, 1);
    // Never called: the reactor stops, then is dropped.
    reactor.call_in_thread(own("queued job"));
    reactor.stop().unwrap();
    turns(&mut reactor, 1);
    reactor.call_later(ms(1), own("timer"));
    reactor.add_system_event_trigger(Phase::Before, "e", with(own("trigger")));
    reactor.remote().call_from_thread(with(own("thread call"))).unwrap();
    reactor.notify(with(own("notification")));
    reactor.call_in_thread(own("late job"));
    log.expect(&["late job"]);
    reactor.crash();
    drop(reactor);
    log.expect(&["notification", "queued job", "timer", "thread call", "trigger"]);
}

#[test]
fn core_09_a_signal_handler_that_removes_itself_is_dropped_with_care() {
    let log = Log::catch();
    let (mut reactor, world) = started();
    let slot = Rc::new(RefCell::new(None::<twistor_reactor::SignalHandler>));
    let (own, rude) = (Rc::clone(&slot), Rude("dropped by its own call"));
    let handler = reactor.on_signal(10, move |_| {
        let _ = &rude;
        let own = own.take();
        own.unwrap().remove();
    });
    slot.replace(Some(handler.unwrap()));
    world.raise(10);
    turns(&mut reactor, 2);
    log.expect(&["dropped by its own call"]);
}

#[test]
fn core_09_jobs_of_before_the_start_are_dropped_with_care() {
    let log = Log::catch();
    let (reactor, _world) = reactor();
    let rude = Rude("early job");
    reactor.call_in_thread(move || drop(rude));
    drop(reactor);
    log.expect(&["early job"]);
}

#[test]
fn core_09_a_drop_during_a_panic_may_use_the_reactor() {
    let log = Log::catch();
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    let on_drop = OnDrop(move || {
        handle.call_later(Duration::ZERO, seen.note("timer"));
        handle.notify(seen.note_with("notification"));
    });
    reactor.call_later(Duration::ZERO, move || {
        let _on_drop = on_drop;
        panic!("with something in hand");
    });
    turns(&mut reactor, 2);
    notes.expect(&["notification", "timer"]);
    log.expect(&["with something in hand"]);
}
