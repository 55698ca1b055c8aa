//! Turned by hand, and by its numbers.

use std::rc::Rc;
use std::time::Duration;

use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{NotRunning, Phase, Reactor};

use crate::common::{Notes, TestSource, World, ms, reactor, reactor_with, run_bounded, started, turns};
use crate::support::{ZERO, on};

#[test]
fn core_10_iterate_is_one_turn_and_fires_nothing() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    for event in [STARTUP, SHUTDOWN] {
        on(&reactor, Phase::Before, event, &notes, event);
    }
    reactor.call_later(Duration::ZERO, notes.note("timer"));
    reactor.iterate(Some(ms(20))).unwrap();
    notes.expect(&["timer"]);
    assert_eq!(world.waits(), [Some(ms(20))]);
    assert!(reactor.is_finished() && !reactor.is_running());
    assert_eq!(reactor.stats().turns, 1);
    // Not started, so stopping is an error, and nothing happens.
    assert_eq!(reactor.stop(), Err(NotRunning));
    reactor.crash();
    turns(&mut reactor, 1);
    notes.expect_nothing();
}

#[test]
fn core_13_one_more_poll_without_sleep_follows_shutdown() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    reactor.start().unwrap();
    let token = reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap();
    on(&reactor, Phase::After, SHUTDOWN, &notes, "after shutdown");
    reactor.call_later(ms(500), notes.note("never"));
    reactor.stop().unwrap();
    world.while_asleep(notes.note("poll"));
    world.report(Readiness::new(token).readable());
    reactor.run().unwrap();
    assert_eq!(world.waits(), [ZERO]);
    notes.expect(&["after shutdown", "poll", "source ready"]);
}

#[test]
fn core_14_reactors_know_nothing_of_each_other() {
    let (mut one, first) = reactor();
    let (mut two, _second) = reactor();
    let notes = Notes::default();
    let inner = notes.clone();
    let handle = one.handle();
    // One runs inside a callback of the other, and has its own time.
    one.call_later(ms(5), move || {
        let stop = two.handle();
        two.call_later(ms(70), move || stop.stop().unwrap());
        two.run().unwrap();
        inner.add(two.now().as_nanos() / 1_000_000);
        handle.stop().unwrap();
    });
    one.run().unwrap();
    notes.expect(&["70"]);
    assert_eq!(one.now().as_nanos(), 5_000_000);
    drop(one);
    let mut third = Reactor::builder().build_with(first);
    third.call_when_running(|reactor| reactor.stop().unwrap());
    third.run().unwrap();
}

#[test]
fn core_15_wake_ups_collapse_into_one_turn() {
    let (mut reactor, world) = started();
    let remote = reactor.remote();
    for _ in 0..100 {
        remote.call_from_thread(|_| ()).unwrap();
    }
    assert_eq!(world.wakes(), 1);
    reactor.iterate(None).unwrap();
    assert_eq!(reactor.stats().thread_calls, 100);
    world.waits();
    reactor.iterate(Some(ms(9))).unwrap();
    assert_eq!(world.waits(), [Some(ms(9))]);
}

#[test]
fn core_16_a_program_runs_the_same_over_any_kernel() {
    fn program(mut reactor: Reactor) -> Notes {
        let notes = Notes::default();
        for millis in [2, 1, 3] {
            let seen = notes.clone();
            reactor.call_later(ms(millis), move || seen.add(millis));
        }
        reactor.call_when_running(notes.note_with("running"));
        let (seen, handle) = (notes.clone(), reactor.handle());
        reactor.defer_to_thread(|| Ok(7)).add_callback(move |answer| {
            seen.add("answer");
            handle.call_later(ms(5), {
                let handle = handle.clone();
                move || handle.stop().unwrap()
            });
            assert_eq!(answer, 7);
        });
        on(&reactor, Phase::During, SHUTDOWN, &notes, "shutdown");
        run_bounded(&mut reactor);
        notes
    }
    let expected = ["1", "2", "3", "answer", "running", "shutdown"];
    for reactor in [Reactor::new().unwrap(), Reactor::builder().build_with(World::default())] {
        let notes = program(reactor);
        // A thread answers when it likes.
        let mut lines = notes.take();
        assert_eq!((lines[0].as_str(), lines[5].as_str()), ("running", "shutdown"));
        lines.sort();
        assert_eq!(lines, expected);
    }
}

// Numbers.

#[test]
fn stats_count_what_happened_and_what_there_is() {
    let (mut reactor, world) = reactor_with(Reactor::builder().handle_signals(false));
    reactor.start().unwrap();
    let token = reactor.register(Rc::new(TestSource::new("source", &Notes::default()))).unwrap();
    reactor.call_later(Duration::ZERO, || ());
    reactor.call_later(ms(9), || ());
    reactor.notify(|_| ());
    reactor.remote().call_from_thread(|_| ()).unwrap();
    world.report(Readiness::new(token).readable());
    reactor.count_gathered(3);
    reactor.count_received(4);
    turns(&mut reactor, 2);
    let stats = reactor.stats();
    assert_eq!((stats.turns, stats.events, stats.stale_events), (2, 1, 0));
    assert_eq!((stats.timers_fired, stats.timers_pending), (1, 1));
    assert_eq!((stats.thread_calls, stats.notifications), (1, 1));
    assert_eq!((stats.sources, stats.connections), (1, 0));
    assert_eq!((stats.bytes_gathered, stats.bytes_received), (3, 4));
}

#[test]
fn limits_are_kept_within_reason() {
    let builder = Reactor::builder().read_size(0).threads(0).notifications_per_turn(0);
    let (reactor, world) = reactor_with(builder.shutdown_timeout(ms(3)));
    let limits = reactor.limits();
    assert_eq!((limits.read_size, limits.threads, limits.notifications_per_turn), (1, 1, 1));
    assert_eq!((limits.shutdown_timeout, world.most_threads()), (ms(3), 1));
    reactor.with_scratch(|outer| {
        assert_eq!(outer.len(), 1);
        reactor.with_scratch(|inner| assert_eq!(inner.len(), 1));
    });
}
