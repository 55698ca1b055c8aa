//! Shutdown: who is told, in which order.

use std::cell::RefCell;
use std::rc::Rc;

use twistor_reactor::sources::{SourceHost, SourceKind};
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{Phase, Reactor, ReactorHandle};

use crate::common::{
    Log, Notes, Probe, TestSource, pipe, reactor, reactor_with, real_reactor, run_bounded, turns,
};

#[test]
fn core_11_shutdown_disconnects_everything_and_a_panic_stops_nothing() {
    let log = Log::catch();
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let mut watches = Vec::new();
    for name in ["a", "b", "c"] {
        let (reader, writer) = pipe();
        let lost = move || assert!(name != "b", "b does not like it");
        let watch = reactor.add_reader(Probe::new(name, &notes, reader).on_lost(lost)).unwrap();
        watches.push((watch, writer));
    }
    watches[2].0.remove_reader();
    reactor.stop().unwrap();
    run_bounded(&mut reactor);
    notes.expect(&["a", "b", "c"].map(|name| format!("{name} lost: reactor was stopped or dropped")));
    log.expect(&["connection_lost of a watched object panicked: b does not like it"]);
    assert!(watches.iter().all(|(watch, _)| !watch.is_active()));
    drop(reactor);
    notes.expect_nothing(); // Once.
}

#[test]
fn core_11_sources_are_shut_down_in_the_order_of_their_kinds() {
    for drops in [false, true] {
        let (mut reactor, _world) = reactor();
        let notes = Notes::default();
        for (name, kind) in [
            ("internal", SourceKind::Internal),
            ("watch", SourceKind::Watch),
            ("connection", SourceKind::Connection),
            ("listener", SourceKind::Listener),
        ] {
            let mut source = TestSource::new(name, &notes);
            source.kind = kind;
            reactor.register(Rc::new(source)).unwrap();
        }
        assert_eq!(reactor.stats().connections, 1);
        if drops {
            drop(reactor);
            notes.expect(&[
                "listener shut down",
                "connection shut down",
                "watch shut down",
                "internal shut down",
            ]);
        } else {
            reactor.call_when_running(|reactor| reactor.stop().unwrap());
            reactor.run().unwrap();
            // The library's own stay: they see to the end of what is under way.
            notes.expect(&["listener shut down", "connection shut down", "watch shut down"]);
        }
    }
}

#[test]
fn core_11_nothing_new_is_watched_once_everything_was_disconnected() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (handle, seen) = (reactor.handle(), notes.clone());
    let (reader, writer) = pipe();
    let spare = Rc::new(RefCell::new(Some(writer)));
    let late = move || {
        let writer = spare.take().unwrap();
        let error = handle.add_writer(Probe::new("late", &seen, writer)).unwrap_err();
        seen.add(format_args!("{:?}", error.error.kind()));
    };
    let _watch = reactor.add_reader(Probe::new("a", &notes, reader).on_lost(late)).unwrap();
    reactor.stop().unwrap();
    run_bounded(&mut reactor);
    notes.expect(&["a lost: reactor was stopped or dropped", "NotConnected"]);
    assert_eq!(reactor.stats().sources, 0);
}

#[test]
fn core_12_disconnecting_comes_first_then_during_triggers_then_jobs() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    world.holds_jobs().on();
    let mut source = TestSource::new("source", &notes);
    source.kind = SourceKind::Watch;
    reactor.register(Rc::new(source)).unwrap();
    for (phase, text) in [(Phase::During, "during 1"), (Phase::During, "during 2"), (Phase::After, "after")] {
        reactor.add_system_event_trigger(phase, SHUTDOWN, notes.note_with(text));
    }
    let (seen, closed) = (notes.clone(), world.clone());
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, move |reactor| {
        // The pool is open still, and the loop no longer runs.
        seen.add(format_args!("{} {}", closed.jobs_are_closed(), reactor.is_running()));
        reactor.call_in_thread(|| ());
    });
    reactor.start().unwrap();
    reactor.stop().unwrap();
    turns(&mut reactor, 2);
    notes.expect(&["source shut down", "during 1", "during 2", "false false"]);
    assert!(world.jobs_are_closed());
    assert_eq!(world.queued_jobs(), 1);
    world.run_jobs();
    turns(&mut reactor, 1);
    notes.expect(&["after"]);
    assert!(reactor.is_finished());
}

#[test]
fn core_12_everybody_has_heard_of_the_end_before_during_triggers() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, _writer) = pipe();
    let (handle, seen) = (reactor.handle(), notes.clone());
    let tell = move || handle.notify(seen.note_with("told"));
    let _watch = reactor.add_reader(Probe::new("a", &notes, reader).on_lost(tell)).unwrap();
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("during"));
    reactor.stop().unwrap();
    run_bounded(&mut reactor);
    notes.expect(&["a lost: reactor was stopped or dropped", "told", "during"]);
}

#[test]
fn notifications_without_end_do_not_keep_a_dropped_reactor_alive() {
    fn again(reactor: &ReactorHandle) {
        reactor.notify(again);
    }
    let log = Log::catch();
    let (mut reactor, _world) = reactor_with(Reactor::builder().notifications_per_turn(1));
    let owned = Rc::new(());
    reactor.start().unwrap();
    (0..100).for_each(|_| reactor.notify(again));
    let held = Rc::clone(&owned);
    let unrun = reactor.call_when_running(move |_| drop(held));
    drop(reactor);
    assert_eq!(Rc::strong_count(&owned), 1, "the handle of a trigger keeps nothing alive");
    assert!(unrun.remove().is_err());
    log.expect(&["101 notifications were still queued"]);
}
