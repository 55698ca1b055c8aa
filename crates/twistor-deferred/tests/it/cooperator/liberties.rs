//! What an iterator may do while it is called, what becomes of the work when handles and clocks go, and a great deal of it.

use std::cell::{Cell, RefCell};
use std::iter;
use std::rc::Rc;
use std::time::Duration;

use super::{Own, TURN, failure, steps};
use crate::support::{Errors, Notes, OnDrop, on_a_small_stack};
use twistor_deferred::{
    Cooperator, Failure, ManualClock, Promise, SchedulerStopped, TaskError, TaskStopped, Timers, deferred,
    fail, sleep, succeed,
};

#[test]
fn task_08_coiterate_gives_the_iterator_back() {
    let clock = ManualClock::new();
    let cooperator = Cooperator::new(&clock);
    let rest = cooperator.coiterate(vec![(), ()].into_iter());
    clock.advance(TURN);
    assert_eq!(rest.try_take().unwrap().unwrap().len(), 0);
    // Failed, stopped with its cooperator, too late, cancelled.
    let failed = cooperator.coiterate(iter::once(Err::<(), _>(Failure::message("no"))));
    clock.advance(TURN);
    assert_eq!(failed.try_take().unwrap().unwrap_err().to_string(), "no");
    let held = Rc::new(());
    let forever = || {
        let owned = Rc::clone(&held);
        iter::repeat_with(move || drop(Rc::clone(&owned)))
    };
    let cancelled = cooperator.coiterate(forever());
    clock.advance(TURN);
    cancelled.cancel();
    assert!(cancelled.try_take().unwrap().unwrap_err().is_cancelled());
    assert!(clock.delayed_calls().is_empty());
    let stopped = cooperator.coiterate(forever());
    cooperator.stop();
    assert!(stopped.try_take().unwrap().unwrap_err().check::<SchedulerStopped>());
    let late = cooperator.coiterate(forever());
    assert!(late.try_take().unwrap().unwrap_err().check::<SchedulerStopped>());
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn task_08_coiterate_cancelled_by_its_own_iterator() {
    let clock = ManualClock::new();
    let cooperator = Cooperator::new(&clock);
    let slot = Rc::new(RefCell::new(None::<twistor_deferred::Canceller>));
    let cancels = Rc::clone(&slot);
    let (promise, pending) = deferred::<()>();
    let mut pending = Some(pending);
    let done = cooperator.coiterate(iter::from_fn(move || {
        cancels.borrow().as_ref().unwrap().cancel();
        pending.take()
    }));
    *slot.borrow_mut() = Some(done.canceller());
    clock.advance(TURN);
    assert!(done.try_take().unwrap().unwrap_err().is_cancelled());
    assert!(promise.is_cancelled());
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn task_08_an_iterator_may_stop_its_own_task() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    // What `next` gives after that: an end, a step, a Deferred, a failure, a panic.
    for case in 0..5 {
        let own = Own::default();
        let (this, log) = (Rc::clone(&own), notes.clone());
        let (promise, pending) = deferred::<()>();
        let mut pending = Some(pending);
        let dropped = notes.clone();
        let dropped = OnDrop(move || dropped.add("dropped"));
        let task = cooperator.cooperate(iter::from_fn(move || {
            let _owned = &dropped;
            let task = this.take().unwrap();
            task.stop().unwrap();
            assert_eq!(task.stop(), Err(TaskError::Stopped));
            log.add("stepped");
            match case {
                0 => None,
                1 => Some(succeed(())),
                2 => pending.take(),
                3 => Some(fail(Failure::message("too late"))),
                _ => panic!("expected by this test"),
            }
        }));
        let log = notes.clone();
        task.when_done().add_errback(move |failure| {
            assert!(failure.check::<TaskStopped>());
            log.add("told");
        });
        *own.borrow_mut() = Some(task);
        clock.advance(TURN);
        notes.expect(&["told", "stepped", "dropped"]);
        assert_eq!(promise.is_cancelled(), case == 2);
        promise.callback(());
        assert!(clock.delayed_calls().is_empty());
    }
    errors.expect(&[
        "unhandled failure in a Deferred [failure: too late]",
        "unhandled failure in a Deferred [failure: panicked: expected by this test]",
    ]);
}

#[test]
fn task_08_an_iterator_may_pause_itself_and_stop_others_and_add_more() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    let own = Own::default();
    let (this, log) = (Rc::clone(&own), notes.clone());
    let pauses = cooperator.cooperate((0..2).map(move |n| {
        log.add(format_args!("p{n}"));
        this.borrow().as_ref().unwrap().pause().unwrap();
    }));
    *own.borrow_mut() = Some(pauses.clone());
    let victim = cooperator.cooperate(steps(&notes, "v", 9));
    let (adds, log, target) = (cooperator.clone(), notes.clone(), victim.clone());
    cooperator.cooperate((0..1).map(move |_| {
        log.add("busy");
        target.stop().unwrap();
        adds.cooperate(steps(&log, "new", 2));
    }));
    clock.advance(TURN);
    notes.expect(&["p0", "v1", "busy", "new1", "new2"]);
    assert_eq!(pauses.resume(), Ok(()));
    clock.advance(TURN);
    notes.expect(&["p1"]);
    own.take();
    pauses.stop().unwrap();
    assert!(failure(victim.when_done()).check::<TaskStopped>());
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn task_10_an_iterator_may_stop_its_cooperator() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    let (stops, log) = (cooperator.clone(), notes.clone());
    let own = cooperator.cooperate((0..9).map(move |_| {
        stops.stop();
        log.add("stopped");
    }));
    let other = cooperator.cooperate(steps(&notes, "a", 3));
    clock.advance(TURN);
    notes.expect(&["stopped"]);
    assert!(failure(own.when_done()).check::<SchedulerStopped>());
    assert!(failure(other.when_done()).check::<SchedulerStopped>());
    assert!(clock.delayed_calls().is_empty());
    // And start it again at once, with other work.
    cooperator.start();
    let (restarts, log) = (cooperator.clone(), notes.clone());
    drop(cooperator.cooperate((0..9).map(move |_| {
        restarts.stop();
        restarts.start();
        restarts.cooperate(steps(&log, "b", 2));
    })));
    clock.advance(TURN);
    notes.expect(&["b1", "b2"]);
}

#[test]
fn task_08_a_panic_in_drop_is_contained() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    let rude = |n| {
        let rude = OnDrop(|| panic!("expected by this test"));
        (0..n).map(move |_| {
            let _owned = &rude;
        })
    };
    let ends = cooperator.cooperate(rude(1));
    let stopped = cooperator.cooperate(rude(9));
    let other = cooperator.cooperate(steps(&notes, "a", 2));
    stopped.stop().unwrap();
    clock.advance(TURN);
    assert!(failure(ends.when_done()).is_panicked(), "at its end it is the task's failure");
    assert!(failure(stopped.when_done()).check::<TaskStopped>());
    assert!(other.when_done().try_take().unwrap().is_ok());
    errors.expect(&["panic while dropping an iterator [panic: \"expected by this test\"]"]);
    for _ in 0..2 {
        cooperator.cooperate(rude(1)).pause().unwrap();
    }
    drop((other, stopped, ends, cooperator));
    errors.expect(&["panic while dropping a value [panic: \"expected by this test\"]"; 2]);
}

#[test]
fn task_08_an_iterator_may_stop_its_task_when_it_is_dropped_at_its_end() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let own = Own::default();
    let this = Rc::clone(&own);
    let last = OnDrop(move || {
        this.take().unwrap().stop().unwrap();
        panic!("expected by this test");
    });
    let task = Cooperator::new(&clock).cooperate((0..2).map(move |_| {
        let _owned = &last;
    }));
    *own.borrow_mut() = Some(task.clone());
    clock.advance(TURN);
    assert!(failure(task.when_done()).check::<TaskStopped>());
    errors.expect(&["unhandled failure in a Deferred [failure: panicked: expected by this test]"]);
}

#[test]
fn task_08_handles_detach_and_the_clock_keeps_the_work() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let (promise, pending) = deferred::<()>();
    let (log, slot) = (notes.clone(), Cell::new(Some(pending)));
    drop(Cooperator::new(&clock).cooperate((0..3).map(move |n| {
        log.add(n);
        slot.take().unwrap_or_else(|| succeed(()))
    })));
    clock.advance(TURN);
    notes.expect(&["0"]);
    assert!(clock.delayed_calls().is_empty());
    promise.callback(());
    clock.advance(TURN);
    notes.expect(&["1", "2"]);
}

#[test]
fn task_10_a_clock_that_goes_stops_the_cooperator() {
    let held = Rc::new(());
    let work = |timers: &Timers| {
        let owned = (Rc::clone(&held), timers.clone());
        iter::repeat_with(move || drop(Rc::clone(&owned.0)))
    };
    // Cleared while work is due; the clock is even in its own work.
    let timers = Timers::new();
    let cooperator = Cooperator::new(&timers);
    let task = cooperator.cooperate(work(&timers));
    timers.clear();
    assert!(!cooperator.is_running());
    assert!(failure(task.when_done()).check::<SchedulerStopped>());
    assert_eq!(Rc::strong_count(&held), 1);
    // Closed before there was any.
    timers.close();
    let cooperator = Cooperator::new(&timers);
    let task = cooperator.cooperate(work(&timers));
    assert!(failure(task.when_done()).check::<SchedulerStopped>());
    // Dropped, and nobody has a handle of anything.
    let clock = ManualClock::new();
    let owned = Rc::clone(&held);
    let cooperator = Cooperator::new(&clock);
    drop(cooperator.cooperate(iter::repeat_with(move || drop(Rc::clone(&owned)))));
    drop(cooperator);
    clock.advance(TURN);
    assert_eq!(Rc::strong_count(&held), 2);
    drop(clock);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn task_08_finished_tasks_are_forgotten() {
    let held = Rc::new(());
    let clock = ManualClock::new();
    let cooperator = Cooperator::new(&clock);
    for _ in 0..100 {
        let owned = Rc::clone(&held);
        drop(cooperator.cooperate((0..3).map(move |_| drop(Rc::clone(&owned)))));
    }
    assert_eq!(format!("{cooperator:?}"), "Cooperator { phase: Running, tasks: 100 }");
    clock.advance(TURN);
    assert_eq!(Rc::strong_count(&held), 1);
    assert_eq!(format!("{cooperator:?}"), "Cooperator { phase: Running, tasks: 0 }");
}

#[test]
fn task_08_a_newcomer_writes_no_types() {
    let clock = ManualClock::new();
    let cooperator = Cooperator::new(&clock);
    let total = Rc::new(Cell::new(0));
    let (sum, timer) = (Rc::clone(&total), clock.clone());
    let tasks = [
        cooperator.cooperate((0..10).map(move |n| sum.set(sum.get() + n))),
        cooperator.cooperate(["1", "2"].into_iter().map(|text| {
            let _n: u8 = text.parse()?;
            Ok(())
        })),
        cooperator.cooperate((0..3).map(move |_| sleep(&timer, Duration::from_millis(1)))),
        cooperator.cooperate([1, 2, 3].map(succeed).into_iter()),
    ];
    clock.advance(Duration::from_millis(4));
    assert_eq!(total.get(), 45);
    for task in tasks {
        assert!(task.when_done().try_take().unwrap().is_ok());
    }
}

#[test]
fn task_08_very_many_steps_tasks_and_questions_in_constant_stack() {
    on_a_small_stack(|| {
        let clock = ManualClock::new();
        let cooperator = Cooperator::builder(&clock).most_steps(usize::MAX).slice(Duration::MAX).build();
        let count = Rc::new(Cell::new(0_u32));
        for _ in 0..100_000 {
            let counts = Rc::clone(&count);
            cooperator.cooperate((0..2).map(move |_| {
                counts.set(counts.get() + 1);
                succeed(())
            }));
        }
        let asked = cooperator.cooperate(iter::once(()));
        for _ in 0..100_000 {
            drop(asked.when_done());
        }
        clock.advance(TURN);
        assert_eq!(count.get(), 200_000);
        // Stopped, and dropped.
        for _ in 0..100_000 {
            cooperator.cooperate(iter::repeat(())).pause().unwrap();
        }
        cooperator.stop();
        cooperator.start();
        for _ in 0..100_000 {
            cooperator.cooperate(iter::repeat(())).pause().unwrap();
        }
    });
}

#[test]
fn task_08_tasks_that_wait_for_each_other_in_constant_stack() {
    for ending in 0..4 {
        on_a_small_stack(move || {
            let clock = ManualClock::new();
            let cooperator = Cooperator::new(&clock);
            let (promise, pending): (Promise<()>, _) = deferred();
            let mut last = cooperator.cooperate(iter::once(pending));
            let first = last.clone();
            for _ in 0..30_000 {
                last = cooperator.cooperate(iter::once(last.when_done()));
            }
            let done = last.when_done();
            clock.advance(Duration::from_nanos(1));
            assert!(!done.has_result());
            match ending {
                0 => promise.callback(()),
                1 => promise.errback(Failure::message("no")),
                2 => drop(promise),
                _ => first.stop().unwrap(),
            }
            clock.advance(Duration::from_nanos(1));
            assert_eq!(done.try_take().unwrap().is_ok(), ending == 0);
        });
    }
}
