//! How a reactor ends, and what is left then: shutdown (CORE-11, CORE-12), dropping, handles that outlive it, destructors that call back.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use common::{
    Log, Notes, OnDrop, Probe, TestSource, child_succeeds, is_child, keep, ms, open_descriptors, pipe,
    reactor, reactor_with, real_reactor, run_bounded, turns,
};
use twistor_deferred::{Abandoned, TimerError, deferred};
use twistor_reactor::sources::{Note, SourceHost, SourceKind};
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{LendError, NotRunning, Phase, Reactor, ReactorGone, ReactorHandle, Trigger, Watch};

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

// Nothing is left behind.

/// Registers one of everything with the reactor, and each owns a clone of `token`.
fn populate(reactor: &ReactorHandle, token: &Rc<()>, shared: &Arc<()>) -> Vec<Box<dyn std::any::Any>> {
    let own = || {
        let (token, handle) = (Rc::clone(token), reactor.clone());
        move || {
            keep(&token);
            keep(&handle);
        }
    };
    let own_with = || {
        let own = own();
        move |_: &ReactorHandle| own()
    };
    let job = || {
        let shared = Arc::clone(shared);
        move || drop(shared)
    };
    let (reader, writer) = pipe();
    let (other_reader, other_writer) = pipe();
    let idle = reactor.add_reader(Probe::new("idle", &Notes::default(), other_reader).on_lost(own()));
    idle.as_ref().unwrap().remove_reader();
    let watch = reactor.add_reader(Probe::new("reader", &Notes::default(), reader).on_lost(own()));
    let (promise, waiting) = deferred::<()>();
    let own_promise = own();
    let timer = reactor.call_later(Duration::from_secs(3_600), move || {
        own_promise();
        promise.callback(());
    });
    let own_wait = own();
    let answer = reactor.defer_to_thread({
        let job = job();
        move || {
            job();
            Ok(())
        }
    });
    reactor.notify(own_with());
    reactor.remote().call_from_thread(|_| ()).unwrap();
    reactor.extension::<RefCell<Vec<Box<dyn std::any::Any>>>>().borrow_mut().push(Box::new(own()));
    // Handles are kept, which must not keep alive what they are handles of.
    vec![
        Box::new((writer, other_writer, idle.unwrap(), watch.unwrap(), timer)),
        Box::new(reactor.call_later(Duration::MAX, own())),
        Box::new(reactor.on_signal(28, {
            let own = own();
            move |_| own()
        })),
        Box::new(reactor.add_system_event_trigger(Phase::Before, "never", own_with())),
        Box::new(reactor.add_system_event_trigger(Phase::After, SHUTDOWN, own_with())),
        Box::new(reactor.call_when_running(own_with())),
        Box::new(reactor.call_in_thread(job())),
        Box::new(waiting.add_both(move |_| own_wait())),
        Box::new(answer.add_both(|_| ())),
        Box::new((reactor.clone(), reactor.remote())),
    ]
}

#[test]
fn a_reactor_leaves_nothing_behind_however_it_ends() {
    child_succeeds("child_leaves_nothing_behind");
}

#[test]
fn child_leaves_nothing_behind() {
    if !is_child() {
        return; // Descriptors are counted: in a process of its own.
    }
    let stopped = |reactor: &mut Reactor| {
        let handle = reactor.handle();
        reactor.call_later(ms(1), move || handle.stop().unwrap());
        run_bounded(reactor);
    };
    let crashed = |reactor: &mut Reactor| {
        let handle = reactor.handle();
        reactor.call_later(ms(1), move || handle.crash());
        run_bounded(reactor);
    };
    let by_hand = |reactor: &mut Reactor| {
        reactor.start().unwrap();
        turns(reactor, 3);
    };
    let stopping = |reactor: &mut Reactor| {
        let (_promise, wait) = deferred::<()>();
        reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
        reactor.start().unwrap();
        reactor.stop().unwrap();
        turns(reactor, 2);
    };
    let idle = |_: &mut Reactor| ();
    stopped(&mut Reactor::new().unwrap()); // Signals keep a pipe for the life of the process.
    let before = open_descriptors();
    for (name, end) in [
        ("stopped", &stopped as &dyn Fn(&mut Reactor)),
        ("crashed", &crashed),
        ("by hand", &by_hand),
        ("stopping", &stopping),
        ("idle", &idle),
    ] {
        for populated in [true, false] {
            let (token, shared) = (Rc::new(()), Arc::new(()));
            let mut reactor = Reactor::new().unwrap();
            let handle = reactor.handle();
            let kept = if populated { populate(&reactor, &token, &shared) } else { Vec::new() };
            end(&mut reactor);
            let more = if populated { populate_again(&reactor, &token, &shared) } else { Vec::new() };
            drop(reactor);
            assert_eq!(Rc::strong_count(&token), 1, "{name}");
            wait_until(|| Arc::strong_count(&shared) == 1);
            assert_eq!(Arc::strong_count(&shared), 1, "{name}");
            let stats = handle.stats();
            assert_eq!((stats.timers_pending, stats.sources, stats.connections), (0, 0, 0), "{name}");
            assert_eq!(handle.delayed_calls().len(), 0);
            drop((kept, more));
            wait_until(|| open_descriptors() == before);
            assert_eq!(open_descriptors(), before, "{name}");
        }
    }
}

/// Waits for a thread that is at the end of its job, within bounds.
fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if done() {
            return;
        }
        std::thread::yield_now();
    }
}

/// What can be left with a reactor after its run.
fn populate_again(reactor: &ReactorHandle, token: &Rc<()>, shared: &Arc<()>) -> Vec<Box<dyn std::any::Any>> {
    let own = || {
        let (token, handle) = (Rc::clone(token), reactor.clone());
        move |_: &ReactorHandle| drop((token, handle))
    };
    reactor.notify(own());
    reactor.fire_system_event("left behind");
    let own_timer = own();
    let (handle, job) = (reactor.clone(), Arc::clone(shared));
    vec![
        Box::new(reactor.call_when_running(own())),
        Box::new(reactor.call_later(ms(1), move || own_timer(&handle))),
        Box::new(reactor.add_system_event_trigger(Phase::Before, STARTUP, own())),
        Box::new(reactor.call_in_thread(move || drop(job))),
    ]
}

// Handles that outlive the reactor.

#[test]
fn a_handle_outlives_its_reactor_and_every_method_is_harmless() {
    let (reactor, world) = reactor();
    let (notes, handle) = (Notes::default(), reactor.handle());
    let (token, drops) = (reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap(), Rc::new(()));
    let own = || {
        let drops = Rc::clone(&drops);
        move || drop(drops)
    };
    let own_with = || {
        let own = own();
        move |_: &ReactorHandle| own()
    };
    let timer = reactor.call_later(ms(1), own());
    drop(reactor);
    notes.expect(&["source shut down"]);
    assert_eq!(timer.cancel(), Err(TimerError::Cleared));
    assert_eq!(world.holders(), 1, "the kernel is gone");

    assert_eq!(handle.stop(), Err(NotRunning));
    handle.crash();
    assert!(!handle.is_running() && handle.is_gone());
    assert!(!handle.remote().is_alive());
    assert_eq!(handle.now().as_nanos(), 0);
    let late = handle.call_later(ms(1), own());
    assert!(!late.active() && handle.delayed_calls().is_empty());
    assert!(handle.kernel().is_none());
    let source = Rc::new(TestSource::new("late", &notes));
    assert!(handle.register(source.clone()).is_none());
    assert!(handle.replace(token, source.clone()).is_err());
    assert!(handle.deregister(token).is_none() && handle.source(token).is_none());
    assert!(!handle.is_registered(token) && handle.sources().is_empty());
    handle.again(token);
    handle.flush_later(source.clone());
    handle.notify_source(source.clone(), Note(1));
    assert_eq!(Rc::strong_count(&source), 1);
    handle.notify(own_with());
    assert_eq!(handle.guard("what", || 7), Ok(7));
    assert_eq!(handle.with_scratch(|scratch| scratch.len()), handle.limits().read_size);
    handle.extension::<RefCell<Vec<u8>>>().borrow_mut().push(1);
    assert!(handle.extension::<RefCell<Vec<u8>>>().borrow().is_empty(), "not kept");
    handle.count_gathered(1);
    handle.count_received(1);

    let (reader, _writer) = pipe();
    let refused = handle.add_reader(Probe::new("a", &notes, reader)).unwrap_err();
    assert_eq!(refused.error.kind(), io::ErrorKind::NotConnected);
    assert!(refused.to_string().contains("the reactor was dropped"), "{refused}");
    assert!(handle.add_writer(refused.object).is_err());
    assert!(handle.readers().is_empty() && handle.writers().is_empty() && handle.remove_all().is_empty());

    let unrun: Vec<Trigger> = vec![
        handle.add_system_event_trigger(Phase::Before, SHUTDOWN, own_with()),
        handle.call_when_running(own_with()),
    ];
    assert!(unrun.iter().all(|trigger| trigger.remove().is_err()));
    handle.fire_system_event("event");
    let own_signal = own_with();
    let mut once = Some(own_signal);
    assert!(handle.on_signal(10, move |reactor| once.take().unwrap()(reactor)).is_err());
    assert_eq!(handle.exit_signal(), None);

    let shared = Arc::new(());
    let (one, two) = (Arc::clone(&shared), Arc::clone(&shared));
    assert!(!handle.call_in_thread(move || drop(one)).cancel());
    handle.call_in_thread_with_callback(|| Ok(()), |_| unreachable!());
    handle.call_multiple_in_thread([Box::new(move || drop(two)) as Box<dyn FnOnce() + Send>]);
    let answer = handle.defer_to_thread(|| Ok(())).try_take().unwrap();
    assert!(answer.unwrap_err().check::<Abandoned>());
    handle.suggest_thread_pool_size(3);
    assert_eq!(handle.remote().call_from_thread(|_| ()), Err(ReactorGone));
    assert!(format!("{handle:?}").contains("Gone"));
    assert_eq!((Rc::strong_count(&drops), Arc::strong_count(&shared)), (1, 1));
    notes.expect_nothing();
}

#[test]
fn a_watch_and_a_signal_handler_outlive_their_reactor() {
    let reactor = real_reactor();
    let notes = Notes::default();
    let (reader, _writer) = pipe();
    let watch = reactor.add_reader(Probe::new("a", &notes, reader)).unwrap();
    let signal = reactor.on_signal(28, |_| ()).unwrap(); // SIGWINCH on Linux.
    drop(reactor);
    notes.expect(&["a lost: reactor was stopped or dropped"]);
    watch.add_reader();
    watch.add_writer();
    watch.remove_reader();
    watch.remove_writer();
    watch.post(|_, _| unreachable!());
    assert!(matches!(watch.try_with(|_, _| ()), Err(LendError::Gone)));
    assert!(matches!(watch.remove(), Err(LendError::Gone)));
    assert!(!watch.is_active() && !watch.any().is_reader());
    assert_eq!(watch.any().log_prefix(), "-");
    signal.remove();
}

#[test]
fn an_object_that_is_lent_while_its_reactor_is_dropped_hears_of_it_afterwards() {
    let reactor = real_reactor();
    let notes = Notes::default();
    let (reader, _writer) = pipe();
    let watch = reactor.add_reader(Probe::new("a", &notes, reader)).unwrap();
    let seen = notes.clone();
    let lent = watch.try_with(move |_, watch| {
        drop(reactor);
        watch.add_writer();
        seen.add("still lent");
    });
    assert_eq!(lent, Ok(()));
    notes.expect(&["still lent", "a lost: reactor was stopped or dropped"]);
    assert!(matches!(watch.remove(), Err(LendError::Gone)));
}

// Destructors that call back.

/// A destructor that does all that a user can do to a reactor from inside it.
fn busy(reactor: &ReactorHandle, drops: &Rc<Cell<usize>>) -> OnDrop<impl FnMut() + use<>> {
    let (reactor, drops) = (reactor.clone(), Rc::clone(drops));
    OnDrop(move || {
        drops.set(drops.get() + 1);
        for call in reactor.delayed_calls() {
            let _ = call.reset(ms(1));
        }
        let _ = reactor.call_later(ms(1), || ()).cancel();
        reactor.call_later(Duration::ZERO, || ());
        reactor.notify(|_| ());
        reactor.call_when_running(|_| ());
        let _ = reactor.add_system_event_trigger(Phase::Before, "busy", |_| ()).remove();
        reactor.fire_system_event("busy");
        let _ = reactor.remote().call_from_thread(|_| ());
        reactor.call_in_thread(|| ()).cancel();
        drop(reactor.defer_to_thread(|| Ok(())).add_both(|_| ()));
        if let Ok(handler) = reactor.on_signal(10, |_| ()) {
            handler.remove();
        }
        for watch in reactor.readers() {
            if let Some(watch) = watch.downcast::<Probe>() {
                watch.add_writer();
                watch.remove_writer();
                let _ = watch.try_with(|_, watch| watch.add_reader());
                watch.post(|_, _| ());
            }
        }
        let (reader, _writer) = UnixStream::pair().unwrap();
        let made: Option<Watch<Probe>> =
            reactor.add_reader(Probe::new("made", &Notes::default(), reader)).ok();
        if let Some(watch) = made {
            drop(watch.remove());
        }
        let _ =
            (reactor.stats(), reactor.sources().len(), reactor.remove_all().len(), format!("{reactor:?}"));
        reactor.with_scratch(|scratch| scratch.fill(0));
    })
}

/// Puts something busy wherever the reactor can drop it, and says how many there are.
fn put_everywhere(reactor: &ReactorHandle, drops: &Rc<Cell<usize>>) -> usize {
    let own = || {
        let busy = busy(reactor, drops);
        move || keep(&busy)
    };
    let own_with = || {
        let own = own();
        move |_: &ReactorHandle| own()
    };
    let (reader, writer) = pipe();
    drop(reactor.add_reader(Probe::new("reader", &Notes::default(), reader).on_lost(own())));
    drop(reactor.add_writer(Probe::new("writer", &Notes::default(), writer).on_lost(own())));
    reactor.call_later(ms(1), own());
    reactor.call_later(Duration::MAX, own());
    reactor.notify(own_with());
    reactor.add_system_event_trigger(Phase::Before, "never", own_with());
    reactor.call_when_running(own_with());
    let handler = own();
    reactor.on_signal(12, move |_| handler()).unwrap();
    reactor.extension::<RefCell<Vec<Box<dyn std::any::Any>>>>().borrow_mut().push(Box::new(own()));
    let (promise, wait) = deferred::<()>();
    let waiting = own();
    wait.add_both(move |_| waiting());
    let with_promise = own();
    reactor.call_later(Duration::MAX, move || {
        with_promise();
        drop(promise);
    });
    let mut source = TestSource::new("source", &Notes::default());
    let flush = own();
    source.on_flush = Box::new(move |_| flush());
    let source = Rc::new(source);
    reactor.register(source.clone()).unwrap();
    reactor.flush_later(source);
    12
}

#[test]
fn destructors_may_call_anything_wherever_the_reactor_drops_them() {
    let log = Log::catch();
    let ends: [fn(&mut Reactor); 4] = [
        |_| (),
        |reactor| {
            reactor.start().unwrap();
            turns(reactor, 2);
        },
        |reactor| {
            let handle = reactor.handle();
            reactor.call_later(ms(3), move || handle.stop().unwrap());
            reactor.run().unwrap(); // Not bounded by a timer, since they move those.
        },
        |reactor| {
            let handle = reactor.handle();
            reactor.call_later(Duration::ZERO, move || handle.crash());
            reactor.run().unwrap(); // Not bounded by a timer, since they move those.
        },
    ];
    for end in ends {
        let drops = Rc::new(Cell::new(0));
        let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
        let count = put_everywhere(&reactor, &drops);
        end(&mut reactor);
        drop(reactor);
        assert_eq!((drops.get(), Rc::strong_count(&drops)), (count, 1));
    }
    log.expect(&[]);
}

#[test]
fn destructors_may_stop_and_crash_the_reactor() {
    for stops in [true, false] {
        let mut reactor = real_reactor();
        let handle = reactor.handle();
        let ends = OnDrop(move || if stops { handle.stop().unwrap() } else { handle.crash() });
        reactor.call_later(Duration::from_secs(3_600), move || drop(ends)).cancel().unwrap();
        turns(&mut reactor, 1);
        assert!(reactor.is_finished());
    }
}

#[test]
fn destructors_of_watched_objects_may_take_others_away() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let others: Rc<RefCell<Vec<Watch<Probe>>>> = Rc::default();
    let mut writers = Vec::new();
    for name in ["a", "b", "c"] {
        let (reader, writer) = pipe();
        let (all, seen) = (Rc::clone(&others), notes.clone());
        let take_all = OnDrop(move || {
            let all = all.take();
            seen.add(format_args!("{name} takes {}", all.iter().filter(|w| w.remove().is_ok()).count()));
        });
        let probe = Probe::new(name, &notes, reader).on_lost(move || keep(&take_all));
        others.borrow_mut().push(reactor.add_reader(probe).unwrap());
        writers.push(writer);
    }
    drop(writers.remove(1)); // "b" ends, and its destructor takes the two others.
    turns(&mut reactor, 2);
    notes.expect(&["b lost: connection was closed cleanly", "a takes 0", "c takes 0", "b takes 2"]);
    assert_eq!(reactor.stats().sources, 0);
}
