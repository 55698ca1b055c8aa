//! The turn.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::deferred;
use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{Phase, Reactor, ReactorHandle};

use crate::common::{Notes, TestSource, ms, reactor, reactor_with, started, turns};
use crate::support::{Shared, ZERO, note_in_thread_call};

#[test]
fn core_01_a_turn_is_its_phases_in_order() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.start().unwrap();
    let (source, note) = (Rc::new(TestSource::new("source", &notes)), notes.clone());
    let token = reactor.register(source.clone()).unwrap();
    let (promise, wait) = deferred();

    // Asked for in the opposite order.
    reactor.again(token);
    world.report(Readiness::new(token).readable());
    world.while_asleep(notes.note("wait"));
    reactor.flush_later(source);
    reactor.notify(notes.note_with("notification"));
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| {
        note.add("shutdown");
        wait
    });
    reactor.stop().unwrap();
    reactor.call_later(Duration::ZERO, notes.note("timer"));
    reactor.remote().call_from_thread(note_in_thread_call("thread call")).unwrap();
    reactor.extension::<Shared>().replace(notes.clone());
    turns(&mut reactor, 1);
    notes.expect(&[
        "thread call",
        "timer",
        "shutdown",
        "notification",
        "source flush",
        "wait",
        "source ready",
        "source again",
    ]);
    promise.callback(());
}

#[test]
fn core_01_what_dispatch_asks_for_waits_for_the_next_turn() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.start().unwrap();
    let token = reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap();
    reactor.again(token);
    reactor.again(token); // Twice asked, twice called.
    world.waits();
    turns(&mut reactor, 2);
    notes.expect(&["source again", "source again"]);
    assert_eq!(world.waits(), [ZERO, ZERO]);
}

#[test]
fn core_01_the_loop_sleeps_until_the_next_timer_and_no_longer_than_it_is_told() {
    let (mut reactor, world) = started();
    reactor.call_later(ms(50), || {});
    let slow = world.clone();
    reactor.notify(move |_| slow.pass(ms(20))); // The reading that counts is taken after the callbacks.
    reactor.iterate(None).unwrap();
    reactor.call_later(ms(100), || {});
    reactor.iterate(Some(ms(30))).unwrap();
    reactor.iterate(Some(ms(300))).unwrap();
    assert_eq!(world.waits(), [Some(ms(30)), Some(ms(30)), Some(ms(70))]);
}

/// What `work` leaves behind at the end of the turn's callbacks keeps the loop from sleeping.
#[track_caller]
fn never_sleeps_over(work: impl FnOnce(&ReactorHandle) + 'static) {
    let (mut reactor, world) = reactor_with(Reactor::builder().notifications_per_turn(1));
    reactor.start().unwrap();
    turns(&mut reactor, 1);
    world.waits();
    reactor.notify(work);
    reactor.iterate(Some(ms(500))).unwrap();
    assert_eq!(world.waits(), [ZERO]);
}

#[test]
fn core_01_the_loop_never_sleeps_over_work() {
    never_sleeps_over(|reactor| reactor.notify(|_| ()));
    never_sleeps_over(|reactor| reactor.fire_system_event("event"));
    never_sleeps_over(|reactor| reactor.stop().unwrap());
    never_sleeps_over(ReactorHandle::crash);
    never_sleeps_over(|reactor| drop(reactor.call_later(Duration::ZERO, || ())));
    never_sleeps_over(|reactor| reactor.remote().stop().unwrap());
    never_sleeps_over(|reactor| {
        let source = Rc::new(TestSource::new("source", &Notes::default()));
        let token = reactor.register(source).unwrap();
        reactor.again(token);
    });
    never_sleeps_over(|reactor| {
        // One that gathers again whenever it is flushed.
        let mut source = TestSource::new("source", &Notes::default());
        let slot = Rc::new(RefCell::new(None::<Rc<TestSource>>));
        let again = Rc::clone(&slot);
        source.on_flush = Box::new(move |reactor| {
            if let Some(source) = again.borrow().clone() {
                reactor.flush_later(source);
            }
        });
        let source = Rc::new(source);
        slot.replace(Some(Rc::clone(&source)));
        reactor.flush_later(source);
    });
}

#[test]
fn core_01_a_wait_ends_with_its_last_deferred_and_the_loop_goes_on_at_once() {
    let (mut reactor, world) = reactor();
    let (promise, wait) = deferred();
    reactor.start().unwrap();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
    reactor.stop().unwrap();
    turns(&mut reactor, 1);
    world.waits();
    reactor.notify(move |_| promise.callback(()));
    reactor.iterate(None).unwrap();
    assert_eq!(world.waits(), [ZERO]);
    assert!(!reactor.is_finished());
    reactor.iterate(None).unwrap();
    assert!(reactor.is_finished());
}

#[test]
fn core_01_what_is_gathered_during_a_flush_is_flushed_too_within_bounds() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.start().unwrap();
    let last = Rc::new(TestSource::new("last", &notes));
    let mut first = TestSource::new("first", &notes);
    let next = Rc::clone(&last);
    first.on_flush = Box::new(move |reactor| reactor.flush_later(next.clone()));
    world.while_asleep(notes.note("wait"));
    reactor.flush_later(Rc::new(first));
    turns(&mut reactor, 1);
    notes.expect(&["first flush", "last flush", "wait"]);

    let mut endless = TestSource::new("endless", &notes);
    let left = Rc::new(Cell::new(1_000));
    endless.on_flush = Box::new(move |reactor| {
        left.set(left.get() - 1);
        let again = reactor.extension::<RefCell<Option<Rc<TestSource>>>>();
        let again = again.borrow().clone().filter(|_| left.get() > 0);
        again.into_iter().for_each(|source| reactor.flush_later(source));
    });
    let endless = Rc::new(endless);
    reactor.extension::<RefCell<Option<Rc<TestSource>>>>().replace(Some(Rc::clone(&endless)));
    reactor.flush_later(endless);
    turns(&mut reactor, 1);
    assert!((2..=16).contains(&notes.take().len()), "a few rounds a turn");
}

#[test]
fn core_01_notifications_have_a_budget() {
    let (mut reactor, _world) = reactor_with(Reactor::builder().notifications_per_turn(3));
    let notes = Notes::default();
    reactor.start().unwrap();
    for text in ["1", "2", "3", "4"] {
        reactor.notify(notes.note_with(text));
    }
    turns(&mut reactor, 1);
    notes.expect(&["1", "2", "3"]);
    turns(&mut reactor, 1);
    notes.expect(&["4"]);
}

#[test]
fn core_01_stale_events_are_dropped_and_counted() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.start().unwrap();
    let former = reactor.register(Rc::new(TestSource::new("former", &notes))).unwrap();
    reactor.again(former);
    drop(reactor.deregister(former));
    let present = reactor.register(Rc::new(TestSource::new("present", &notes))).unwrap();
    assert_eq!(former.index(), present.index());
    world.report(Readiness::new(former).readable());
    turns(&mut reactor, 1);
    notes.expect_nothing();
    let stats = reactor.stats();
    assert_eq!((stats.events, stats.stale_events), (1, 1));
}
