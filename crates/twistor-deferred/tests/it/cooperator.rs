//! Long work in small steps: who is stepped when, and every way a task ends.

use std::cell::{Cell, RefCell};
use std::iter;
use std::rc::Rc;
use std::time::Duration;

use crate::support::{Errors, Notes, OnDrop, Turns};
use twistor_deferred::{
    CooperativeTask, Cooperator, Deferred, Failure, ManualClock, SchedulerStopped, TaskError, TaskStopped,
    deferred, fail, sleep, succeed,
};

mod liberties;

const TURN: Duration = Duration::ZERO;

/// An iterator that notes its steps, and its end.
fn steps(notes: &Notes, name: &'static str, n: usize) -> impl Iterator<Item = ()> + use<> {
    let log = notes.clone();
    (1..=n).map(move |step| log.add(format_args!("{name}{step}")))
}

/// A cell for a handle of the task that an iterator belongs to.
type Own = Rc<RefCell<Option<CooperativeTask>>>;

#[track_caller]
fn failure(done: Deferred<()>) -> Failure {
    done.try_take().unwrap().unwrap_err()
}

#[test]
fn task_08_tasks_take_turns_and_none_inside_cooperate() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    for (name, n) in [("a", 3), ("b", 1), ("c", 2)] {
        let log = notes.clone();
        cooperator.cooperate(steps(&notes, name, n)).when_done().map(move |()| log.add(name));
    }
    notes.expect(&[]);
    clock.advance(TURN);
    notes.expect(&["a1", "b1", "c1", "a2", "b", "c2", "a3", "c", "a"]);
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn task_08_a_slice_takes_ten_milliseconds() {
    let turns = Turns::new();
    let notes = Notes::default();
    let (log, time) = (notes.clone(), turns.clone());
    let cooperator = Cooperator::new(&turns.timers);
    cooperator.cooperate((0..7).map(move |n| {
        log.add(n);
        time.pass(4);
    }));
    let (log, timers) = (notes.clone(), turns.timers.clone());
    turns.timers.schedule_after(TURN, move || {
        timers.schedule_after(TURN, move || log.add("the loop's turn"));
    });
    turns.turn(0);
    notes.expect(&["0", "1", "2"]);
    turns.turn(0);
    notes.expect(&["3", "4", "5", "the loop's turn"]);
    turns.turn(0);
    notes.expect(&["6"]);
    assert!(turns.timers.is_empty());
}

#[test]
fn task_08_a_slice_is_measured_from_its_own_begin() {
    let turns = Turns::new();
    let notes = Notes::default();
    Cooperator::new(&turns.timers).cooperate(steps(&notes, "", 3));
    turns.turn(1_000);
    notes.expect(&["1", "2", "3"]);
}

#[test]
fn task_08_a_slice_has_a_thousand_steps() {
    let clock = ManualClock::new();
    let count = Rc::new(Cell::new(0));
    for (cooperator, most) in [
        (Cooperator::new(&clock), 1_000),
        (Cooperator::builder(&clock).most_steps(3).build(), 3),
        (Cooperator::builder(&clock).most_steps(0).build(), 1),
        (Cooperator::builder(&clock).slice(Duration::ZERO).build(), 1),
    ] {
        count.set(0);
        let counts = Rc::clone(&count);
        let task = cooperator.cooperate(iter::from_fn(move || {
            counts.set(counts.get() + 1);
            Some(())
        }));
        clock.advance(TURN);
        assert_eq!(count.get(), most);
        clock.advance(TURN);
        assert_eq!(count.get(), 2 * most);
        task.stop().unwrap();
        assert!(clock.delayed_calls().is_empty());
    }
}

#[test]
fn task_08_the_next_slice_goes_on_where_the_last_one_ended() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::builder(&clock).most_steps(2).build();
    for name in ["a", "b", "c"] {
        cooperator.cooperate(steps(&notes, name, 2));
    }
    clock.advance(TURN);
    notes.expect(&["a1", "b1"]);
    clock.advance(TURN);
    notes.expect(&["c1", "a2"]);
    clock.advance(TURN);
    notes.expect(&["b2", "c2"]);
}

#[test]
fn task_08_a_deferred_parks_its_task_alone() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    let (promise, pending) = deferred::<&str>();
    let (log, slot) = (notes.clone(), Cell::new(Some(pending)));
    let waits = cooperator.cooperate((0..2).map(move |n| {
        log.add(format_args!("waits{n}"));
        slot.take().unwrap_or_else(|| succeed("at once"))
    }));
    let done = waits.when_done();
    cooperator.cooperate(steps(&notes, "a", 3));
    clock.advance(TURN);
    notes.expect(&["waits0", "a1", "a2", "a3"]);
    assert!(clock.delayed_calls().is_empty(), "nothing is due");
    assert_eq!(format!("{waits:?}"), "CooperativeTask(waiting for a Deferred)");
    promise.callback("dropped");
    notes.expect(&[]);
    clock.advance(TURN);
    notes.expect(&["waits1"]);
    assert!(done.try_take().unwrap().is_ok());
}

#[test]
fn task_08_failures_of_every_kind_fail_the_task_alone() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    let other = cooperator.cooperate(steps(&notes, "a", 2));
    let item = cooperator.cooperate(iter::once(Err::<(), _>(Failure::message("item"))));
    let ready = cooperator.cooperate(iter::once(fail::<u8>(Failure::message("ready"))));
    let (promise, pending) = deferred::<()>();
    let later = cooperator.cooperate(iter::once(pending));
    let panics = cooperator.cooperate(iter::from_fn(|| -> Option<()> { panic!("expected by this test") }));
    let asked: Vec<_> = [&item, &ready, &later, &panics].map(CooperativeTask::when_done).into();
    clock.advance(TURN);
    promise.errback(Failure::message("later"));
    notes.expect(&["a1", "a2"]);
    assert!(other.when_done().try_take().unwrap().is_ok());
    let texts: Vec<_> = asked.into_iter().map(|done| failure(done).to_string()).collect();
    assert_eq!(texts, ["item", "ready", "later", "panicked: expected by this test"]);
    assert!(failure(panics.when_done()).is_panicked());
    assert_eq!(later.stop(), Err(TaskError::Failed));
    clock.advance(TURN);
    assert!(clock.delayed_calls().is_empty());
}

#[test]
fn task_09_everybody_who_asks_is_told_in_order() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let task = Cooperator::new(&clock).cooperate(iter::repeat_n((), 2));
    for name in ["first", "second"] {
        let log = notes.clone();
        task.when_done().map(move |()| log.add(name));
    }
    // Somebody who does not want to know any more is nobody else's business.
    let cancelled = task.when_done();
    cancelled.cancel();
    assert!(failure(cancelled).is_cancelled());
    clock.advance(TURN);
    notes.expect(&["first", "second"]);
    assert!(task.when_done().try_take().unwrap().is_ok());
}

#[test]
fn task_09_pauses_nest() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    let task = cooperator.cooperate(steps(&notes, "a", 2));
    assert_eq!(task.resume(), Err(TaskError::NotPaused));
    task.pause().unwrap();
    task.pause().unwrap();
    assert!(clock.delayed_calls().is_empty(), "nothing is due");
    task.resume().unwrap();
    clock.advance(TURN);
    notes.expect(&[]);
    assert_eq!(format!("{task:?}"), "CooperativeTask(paused)");
    task.resume().unwrap();
    notes.expect(&[]);
    assert_eq!(task.resume(), Err(TaskError::NotPaused));
    clock.advance(TURN);
    notes.expect(&["a1", "a2"]);
}

#[test]
fn task_09_a_pause_is_not_undone_by_a_deferred_nor_the_other_way_round() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let (promise, pending) = deferred::<()>();
    let (log, slot) = (notes.clone(), Cell::new(Some(pending)));
    let task = Cooperator::new(&clock).cooperate((0..3).map(move |n| {
        log.add(n);
        slot.take().unwrap_or_else(|| succeed(()))
    }));
    clock.advance(TURN);
    notes.expect(&["0"]);
    assert_eq!(task.resume(), Err(TaskError::NotPaused));
    task.pause().unwrap();
    promise.callback(());
    clock.advance(TURN);
    notes.expect(&[]);
    task.resume().unwrap();
    clock.advance(TURN);
    notes.expect(&["1", "2"]);
    // Paused first, resumed while it waits.
    let (promise, pending) = deferred::<()>();
    let (log, slot) = (notes.clone(), Cell::new(Some(pending)));
    let own = Own::default();
    let this = Rc::clone(&own);
    let task = Cooperator::new(&clock).cooperate((0..2).map(move |n| {
        log.add(n);
        if n == 0 {
            this.borrow().as_ref().unwrap().pause().unwrap();
        }
        slot.take().unwrap_or_else(|| succeed(()))
    }));
    *own.borrow_mut() = Some(task.clone());
    clock.advance(TURN);
    task.resume().unwrap();
    clock.advance(TURN);
    notes.expect(&["0"]);
    promise.callback(());
    clock.advance(TURN);
    notes.expect(&["1"]);
    own.take();
}

#[test]
fn task_09_a_paused_task_fails_with_its_deferred() {
    let clock = ManualClock::new();
    let (promise, pending) = deferred::<()>();
    let task = Cooperator::new(&clock).cooperate(iter::once(pending));
    clock.advance(TURN);
    task.pause().unwrap();
    promise.errback(Failure::message("no"));
    assert_eq!(failure(task.when_done()).to_string(), "no");
}

#[test]
fn task_09_stop_drops_the_iterator_and_tells() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    let log = notes.clone();
    let dropped = OnDrop(move || log.add("dropped"));
    let task = cooperator.cooperate((0..).map(move |_| {
        let _owned = &dropped;
    }));
    let log = notes.clone();
    task.when_done().add_errback(move |failure| {
        assert!(failure.check::<TaskStopped>());
        log.add("told");
    });
    clock.advance(TURN);
    notes.expect(&[]);
    task.stop().unwrap();
    notes.expect(&["dropped", "told"]);
    assert!(clock.delayed_calls().is_empty());
    assert!(failure(task.when_done()).check::<TaskStopped>());
}

#[test]
fn task_09_stop_cancels_what_the_task_waits_for() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let cooperator = Cooperator::new(&clock);
    let task = cooperator.cooperate(iter::once(sleep(&clock, Duration::from_secs(1))));
    clock.advance(TURN);
    assert_eq!(clock.delayed_calls().len(), 1);
    task.stop().unwrap();
    assert!(clock.delayed_calls().is_empty());
    errors.expect(&[]);
    // A producer that has another answer to a cancel is heard.
    let (promise, pending) = deferred::<()>();
    let promise = Rc::new(Cell::new(Some(promise)));
    let own = Rc::clone(&promise);
    let armed = promise.take().unwrap();
    armed.on_cancel(move || own.take().unwrap().errback(Failure::message("half way")));
    promise.set(Some(armed));
    let task = cooperator.cooperate(iter::once(pending));
    clock.advance(TURN);
    task.stop().unwrap();
    errors.expect(&["unhandled failure in a Deferred [failure: half way]"]);
    assert_eq!(task.stop(), Err(TaskError::Stopped));
}

#[test]
fn task_09_every_operation_on_a_finished_task_says_how_it_ended() {
    let clock = ManualClock::new();
    let cooperator = Cooperator::new(&clock);
    let done = cooperator.cooperate(iter::empty::<()>());
    let failed = cooperator.cooperate(iter::once(Err::<(), _>(Failure::message("no"))));
    clock.advance(TURN);
    let stopped = cooperator.cooperate(iter::repeat(()));
    stopped.pause().unwrap();
    stopped.stop().unwrap();
    let left_behind = cooperator.cooperate(iter::repeat(()));
    cooperator.stop();
    for (task, error) in [
        (&done, TaskError::Done),
        (&failed, TaskError::Failed),
        (&stopped, TaskError::Stopped),
        (&left_behind, TaskError::SchedulerStopped),
    ] {
        assert_eq!([task.pause(), task.resume(), task.stop()], [Err(error); 3]);
        assert_eq!(format!("{task:?}"), format!("CooperativeTask({error:?})"));
        drop(task.when_done().add_errback(|_| {}));
    }
}

#[test]
fn task_09_a_failure_nobody_asked_for_is_logged() {
    let errors = Errors::catch();
    let clock = ManualClock::new();
    let cooperator = Cooperator::new(&clock);
    let lost = || iter::once(Err::<(), _>(Failure::message("lost")));
    let kept = cooperator.cooperate(lost());
    drop(cooperator.cooperate(lost()));
    clock.advance(TURN);
    errors.expect(&["unhandled failure in a cooperative task [failure: lost]"]);
    assert_eq!(failure(kept.when_done()).to_string(), "lost");
    drop(kept);
    cooperator.cooperate(lost()).when_done().add_errback(|_| {});
    clock.advance(TURN);
    let stopped = cooperator.cooperate(lost());
    stopped.stop().unwrap();
    drop(stopped);
    errors.expect(&[]);
}

#[test]
fn task_10_stop_fails_all_tasks_and_all_that_come() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::new(&clock);
    assert!(cooperator.is_running());
    let (promise, pending) = deferred::<()>();
    let waits = cooperator.cooperate(iter::once(pending));
    clock.advance(TURN);
    let runs = cooperator.cooperate(steps(&notes, "a", 3));
    let paused = cooperator.cooperate(steps(&notes, "b", 3));
    paused.pause().unwrap();
    for (name, task) in [("paused", &paused), ("runs", &runs), ("waits", &waits)] {
        let log = notes.clone();
        task.when_done().add_errback(move |failure| {
            assert!(failure.check::<SchedulerStopped>());
            log.add(name);
        });
    }
    cooperator.stop();
    cooperator.stop();
    notes.expect(&["waits", "runs", "paused"]);
    assert!(!cooperator.is_running() && promise.is_cancelled() && clock.delayed_calls().is_empty());
    let late = cooperator.cooperate(steps(&notes, "c", 3));
    assert!(failure(late.when_done()).check::<SchedulerStopped>());
    cooperator.start();
    assert!(cooperator.is_running());
    let again = cooperator.cooperate(steps(&notes, "d", 1));
    clock.advance(TURN);
    notes.expect(&["d1"]);
    assert!(again.when_done().try_take().unwrap().is_ok());
}

#[test]
fn task_10_one_that_is_not_started_waits_for_start() {
    let clock = ManualClock::new();
    let notes = Notes::default();
    let cooperator = Cooperator::builder(&clock).started(false).build();
    let task = cooperator.cooperate(steps(&notes, "a", 2));
    clock.advance(TURN);
    assert!(!cooperator.is_running() && clock.delayed_calls().is_empty());
    cooperator.start();
    cooperator.start();
    notes.expect(&[]);
    assert_eq!(clock.delayed_calls().len(), 1);
    clock.advance(TURN);
    notes.expect(&["a1", "a2"]);
    assert!(task.when_done().try_take().unwrap().is_ok());
    let cooperator = Cooperator::builder(&clock).started(false).build();
    let task = cooperator.cooperate(steps(&notes, "a", 2));
    cooperator.stop();
    assert!(failure(task.when_done()).check::<SchedulerStopped>());
}
