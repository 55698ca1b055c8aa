//! The loop: its turn, its life, and what a panic does to it (contract section 1, CORE).

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::{Notes, TestSource, World, ms, reactor, reactor_with, run_bounded, turns};
use twistor_deferred::deferred;
use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{NotRunning, Phase, Reactor, ReactorHandle, RunError};

const ZERO: Option<Duration> = Some(Duration::ZERO);

/// Where calls from threads find the notes, which cannot go there.
type Shared = RefCell<Notes>;

fn note_in_thread_call(text: &'static str) -> impl FnOnce(&ReactorHandle) + Send {
    move |reactor| reactor.extension::<Shared>().borrow().add(text)
}

fn on(reactor: &ReactorHandle, phase: Phase, event: &str, notes: &Notes, text: &'static str) {
    reactor.add_system_event_trigger(phase, event, notes.note_with(text));
}

// The turn.

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
    let (mut reactor, world) = reactor();
    reactor.start().unwrap();
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

// Run, stop, crash.

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
    let (mut reactor, world) = reactor();
    reactor.start().unwrap();
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

// By hand.

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
    let (mut reactor, world) = reactor();
    reactor.start().unwrap();
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
