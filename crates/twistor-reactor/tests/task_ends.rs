//! How tasks end (DEF-30, R5): panics, the end of the reactor, and what is left of them.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::{Gate, Log, Notes, OnDrop, Rude, TestSource, keep, ms, reactor, started, turns};
use twistor_deferred::{Deferred, Failure, Panicked};
use twistor_reactor::sources::SourceHost;
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{Phase, Reactor, ReactorGone};

const ZERO: Option<Duration> = Some(Duration::ZERO);

// Panics.

#[test]
fn r05_a_panic_in_a_poll_is_the_failure_and_the_loop_goes_on() {
    let log = Log::catch();
    let (mut reactor, _world) = started();
    let line = line!() + 1;
    let task = reactor.spawn(async { panic!("boom") });
    let other = reactor.spawn(async { Ok(1) });
    turns(&mut reactor, 1);
    let failure = task.try_take().unwrap().unwrap_err();
    assert_eq!(failure.downcast_ref::<Panicked>(), Some(&Panicked("boom".to_owned())));
    assert_eq!(other.try_take().unwrap().unwrap(), 1);
    let place = format!("{}:{line}:", file!());
    log.expect(&[&format!("a task spawned at {place}")]);
    assert_eq!(reactor.stats().tasks, 0);
    let line = line!() + 1;
    let task = reactor.spawn_with(|_| -> std::future::Ready<()> { panic!("boom") });
    turns(&mut reactor, 1);
    assert!(task.try_take().unwrap().unwrap_err().is_panicked());
    log.expect(&[&format!("a task spawned at {}:{line}:", file!())]);
}

#[test]
fn r05_a_panic_of_a_futures_destructor_is_the_failure() {
    struct RudeFuture(Poll<()>, #[expect(dead_code, reason = "it is dropped")] Rude);
    impl Future for RudeFuture {
        type Output = Result<Rude, Failure>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            self.0.map(|()| Ok(Rude("and the output")))
        }
    }
    let log = Log::catch();
    let (mut reactor, _world) = started();
    let done = reactor.spawn(RudeFuture(Poll::Ready(()), Rude("done")));
    turns(&mut reactor, 1);
    let failure = done.try_take().unwrap().map(std::mem::forget).unwrap_err();
    assert_eq!(failure.downcast_ref::<Panicked>(), Some(&Panicked("done".to_owned())));
    log.expect(&["panicked: done", "and the output"]);
    // Cancelled, before and after the first poll.
    for first in [0, 1] {
        let task = reactor.spawn(RudeFuture(Poll::Pending, Rude("cancelled")));
        turns(&mut reactor, first);
        task.cancel();
        let failure = task.try_take().unwrap().map(std::mem::forget).unwrap_err();
        assert_eq!(failure.downcast_ref::<Panicked>(), Some(&Panicked("cancelled".to_owned())));
        log.expect(&["panicked: cancelled"]);
    }
    // After a panic of the poll, which has the word.
    let rude = Rude("second");
    let task = reactor.spawn(poll_fn(move |_| -> Poll<()> {
        keep(&rude);
        panic!("first")
    }));
    turns(&mut reactor, 1);
    let failure = task.try_take().unwrap().unwrap_err();
    assert_eq!(failure.downcast_ref::<Panicked>(), Some(&Panicked("first".to_owned())));
    log.expect(&["panicked: first", "panicked: second"]);
    // With the reactor.
    let task = reactor.spawn(RudeFuture(Poll::Pending, Rude("left over")));
    drop(reactor);
    assert!(task.try_take().unwrap().map(std::mem::forget).unwrap_err().is_panicked());
    log.expect(&["panicked: left over"]);
}

// Memory.

/// An object that says how often it was dropped.
fn counted(drops: &Rc<Cell<usize>>) -> OnDrop<impl FnMut() + use<>> {
    let drops = Rc::clone(drops);
    OnDrop(move || drops.set(drops.get() + 1))
}

#[test]
fn def_30_a_future_is_dropped_once_however_its_task_ends() {
    let log = Log::catch();
    type End = fn(&mut Reactor, &Gate, &Deferred<()>);
    let ends: [(&str, End); 8] = [
        ("done", |reactor, gate, _| {
            turns(reactor, 1);
            gate.open();
            gate.wake();
            turns(reactor, 1);
        }),
        ("done at once", |reactor, gate, _| {
            gate.open();
            turns(reactor, 1);
        }),
        ("cancelled unpolled", |_, _, task| task.cancel()),
        ("cancelled", |reactor, _, task| {
            turns(reactor, 1);
            task.cancel();
            task.cancel();
        }),
        ("cancelled when woken", |reactor, gate, task| {
            turns(reactor, 1);
            gate.wake();
            task.cancel();
            turns(reactor, 1);
        }),
        ("stopped", |reactor, _, _| {
            turns(reactor, 1);
            reactor.stop().unwrap();
            reactor.run().unwrap();
        }),
        ("crashed", |reactor, _, _| {
            reactor.crash();
            turns(reactor, 1);
        }),
        ("unpolled", |_, _, _| ()),
    ];
    for (name, end) in ends {
        let (mut reactor, _world) = started();
        let (gate, drops) = (Gate::default(), Rc::new(Cell::new(0)));
        let (waits, owned, handle) = (gate.clone(), counted(&drops), reactor.handle());
        let task = reactor.spawn(async move {
            keep(&owned);
            keep(&handle);
            waits.await;
        });
        end(&mut reactor, &gate, &task);
        let ended_early = usize::from(!["stopped", "crashed", "unpolled"].contains(&name));
        assert_eq!((drops.get(), reactor.stats().tasks), (ended_early, 1 - ended_early), "{name}");
        let handle = reactor.handle();
        drop(reactor);
        assert_eq!((drops.get(), Rc::strong_count(&drops)), (1, 1), "{name}");
        assert_eq!(handle.stats().tasks, 0, "{name}");
        assert_eq!(gate.polls() == 0, name.contains("unpolled"), "{name}");
        drop(task);
        assert_eq!(gate.holders(), 1, "{name}");
    }
    log.expect(&[]);
}

#[test]
fn def_30_places_are_used_again_and_old_wakers_find_nobody() {
    let (mut reactor, _world) = started();
    let mut wakers = Vec::new();
    for _ in 0..1_000 {
        let gate = Gate::default();
        let task = reactor.spawn(gate.clone());
        turns(&mut reactor, 1);
        wakers.push(gate.waker());
        task.cancel();
    }
    let gate = Gate::default();
    let _task = reactor.spawn(gate.clone());
    turns(&mut reactor, 1);
    let polls = reactor.stats().polls;
    wakers.iter().for_each(Waker::wake_by_ref);
    wakers.into_iter().for_each(Waker::wake);
    turns(&mut reactor, 2);
    assert_eq!((gate.polls(), reactor.stats().polls, reactor.stats().tasks), (1, polls, 1));
    assert_eq!(reactor.next_deadline(), None);
}

#[test]
fn def_30_a_waker_holds_nothing_but_a_name() {
    let (mut reactor, world) = started();
    let (gate, owned) = (Gate::default(), Rc::new(()));
    let (waits, held) = (gate.clone(), Rc::clone(&owned));
    let task = reactor.spawn(async move {
        keep(&held);
        waits.await;
    });
    turns(&mut reactor, 1);
    let waker = gate.waker();
    assert!(waker.will_wake(&gate.waker()));
    drop((task, reactor));
    assert_eq!(Rc::strong_count(&owned), 1);
    assert_eq!(world.holders(), 1);
    let wakes = world.wakes();
    waker.wake_by_ref();
    std::thread::Builder::new().spawn(move || waker.wake()).unwrap().join().unwrap();
    assert_eq!(world.wakes(), wakes, "the kernel is left alone");
}

// The end of the reactor.

#[test]
fn def_30_a_reactor_that_goes_fails_its_tasks_in_order_after_sources_and_before_timers() {
    let log = Log::catch();
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let note = |text: &'static str| {
        let notes = notes.clone();
        OnDrop(move || notes.add(text))
    };
    let timer = note("timer");
    reactor.call_later(ms(1), move || keep(&timer));
    reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap();
    drop(reactor.spawn(async {})); // So that the places are not in the order of the spawning.
    for name in ["a", "b"] {
        let (owned, seen) = (note(name), notes.clone());
        let task = reactor.spawn(async move {
            keep(&owned);
            pending::<()>().await;
        });
        if name == "a" {
            turns(&mut reactor, 1);
        }
        task.add_both(move |result| {
            let failure = result.unwrap_err();
            assert!(failure.check::<ReactorGone>());
            seen.add(format_args!("{name}: {failure}"));
        });
    }
    drop(reactor.spawn(pending::<()>())); // In the background: no complaint.
    drop(reactor);
    notes.expect(&[
        "source shut down",
        "a",
        "a: the reactor was dropped",
        "b",
        "b: the reactor was dropped",
        "timer",
    ]);
    log.expect(&[]);
}

#[test]
fn def_30_the_end_of_a_task_may_cancel_spawn_and_wake_others() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let second = Gate::default();
    let (handle, wakes) = (reactor.handle(), second.clone());
    let canceller: Rc<RefCell<Option<twistor_deferred::Canceller>>> = Rc::default();
    let (cancels, seen) = (Rc::clone(&canceller), notes.clone());
    let busy = OnDrop(move || {
        wakes.wake();
        let late = handle.spawn(async { unreachable!() }).try_take().unwrap();
        seen.add(late.unwrap_err());
        let cancels = cancels.take();
        cancels.unwrap().cancel();
    });
    let _first = reactor.spawn(async move {
        keep(&busy);
        pending::<()>().await;
    });
    let task = reactor.spawn(second);
    canceller.replace(Some(task.canceller()));
    turns(&mut reactor, 1);
    drop(reactor);
    notes.expect(&["the reactor was dropped"]);
    assert!(task.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_30_spawning_on_a_reactor_that_is_gone_drops_the_future_unpolled() {
    let (reactor, _world) = started();
    let (handle, drops) = (reactor.handle(), Rc::new(Cell::new(0)));
    drop(reactor);
    let owned = counted(&drops);
    let task = handle.spawn(async move { keep(&owned) });
    let owned = counted(&drops);
    let with = handle.spawn_with(move |_| async move { keep(&owned) });
    assert_eq!(drops.get(), 2);
    for task in [task, with] {
        assert!(task.try_take().unwrap().unwrap_err().check::<ReactorGone>());
    }
}

#[test]
fn def_30_tasks_are_polled_during_shutdown_and_not_after_it() {
    let (mut reactor, world) = started();
    let notes = Notes::default();
    let handle = reactor.handle();
    // A trigger that waits for a task, which takes its time.
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |reactor| {
        reactor.spawn(async move { handle.sleep(ms(50)).await })
    });
    let polls = Rc::new(Cell::new(0));
    let counts = Rc::clone(&polls);
    reactor.spawn(poll_fn(move |cx| -> Poll<()> {
        counts.set(counts.get() + 1);
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    let handle = reactor.handle();
    let (seen, late) = (notes.clone(), notes.clone());
    reactor.add_system_event_trigger(Phase::After, SHUTDOWN, move |_| {
        seen.add("stopped");
        handle.spawn(async move { late.add("never polled") });
    });
    // The task that is always ready keeps the loop from sleeping, so time has to pass by itself.
    let passing = world;
    reactor.spawn(poll_fn(move |cx| -> Poll<()> {
        passing.pass(ms(1));
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    reactor.stop().unwrap();
    reactor.run().unwrap();
    notes.expect(&["stopped"]);
    assert!(polls.get() > 50);
    let before = reactor.stats().polls;
    assert_ne!(reactor.next_deadline(), ZERO, "nothing is left to do, as far as tasks go");
    turns(&mut reactor, 3);
    assert_eq!(reactor.stats().polls, before);
    assert_eq!(reactor.stats().tasks, 3);
}

#[test]
fn def_30_a_crashed_reactor_goes_on_with_its_tasks_when_it_is_run_again() {
    let (mut reactor, _world) = reactor();
    let handle = reactor.handle();
    let task = reactor.spawn(async move {
        handle.sleep(ms(10)).await?;
        handle.stop()?;
        Ok(())
    });
    let handle = reactor.handle();
    reactor.call_later(ms(5), move || handle.crash());
    reactor.run().unwrap();
    assert!(!task.has_result());
    reactor.run().unwrap();
    task.try_take().unwrap().unwrap();
}

#[test]
fn def_30_stats_count_tasks_and_polls() {
    let (mut reactor, _world) = started();
    let gate = Gate::default();
    let task = reactor.spawn(gate.clone());
    let other = reactor.spawn(async {});
    assert_eq!((reactor.stats().tasks, reactor.stats().polls), (2, 0));
    turns(&mut reactor, 1);
    assert_eq!((reactor.stats().tasks, reactor.stats().polls), (1, 2));
    gate.wake();
    turns(&mut reactor, 1);
    assert_eq!((reactor.stats().tasks, reactor.stats().polls), (1, 3));
    drop((task, other));
}
