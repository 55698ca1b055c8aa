//! Jobs on threads (contract section 4: THR-04 to 09, THR-11, THR-12): the logic over a kernel of memory, the threads over the real one.

#![cfg(feature = "mio")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use common::{
    Log, Notes, OnDrop, Rude, World, ms, reactor, reactor_with, real_reactor, run_bounded, turn_until, turns,
};
use twistor_deferred::{Abandoned, Deferred, Failure, deferred};
use twistor_reactor::sources::SourceHost;
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{Phase, Reactor, ReactorHandle};

/// What jobs write down, in any thread.
type Lines = Arc<Mutex<Vec<&'static str>>>;

fn writes(lines: &Lines, line: &'static str) -> impl FnOnce() + Send + 'static {
    let lines = Arc::clone(lines);
    move || lines.lock().unwrap().push(line)
}

/// Writes down how a Deferred ends.
fn watch<T: std::fmt::Debug + 'static>(notes: &Notes, answer: Deferred<T>) {
    let notes = notes.clone();
    answer.add_both(move |result| match result {
        Ok(value) => notes.add(format_args!("{value:?}")),
        Err(failure) => notes.add(failure),
    });
}

#[test]
fn thr_04_threads_are_made_on_demand_up_to_the_limit_and_kept() {
    let mut reactor = Reactor::builder().handle_signals(false).threads(3).build().unwrap();
    reactor.start().unwrap();
    let kernel = reactor.kernel().unwrap();
    let load = || kernel.jobs().unwrap().load();
    assert_eq!(load().threads, 0);
    let (gate, wait) = sync_channel::<()>(0);
    let wait = Arc::new(Mutex::new(wait));
    for _ in 0..5 {
        let wait = Arc::clone(&wait);
        reactor.call_in_thread(move || wait.lock().unwrap().recv().unwrap());
    }
    assert_eq!(load().threads, 0, "jobs wait for the first turn");
    turns(&mut reactor, 1);
    assert_eq!(load().threads, 3);
    for _ in 0..5 {
        gate.send(()).unwrap();
    }
    turn_until(&mut reactor, || load().running == 0 && load().queued == 0);
    assert_eq!(load().threads, 3);
    assert_eq!(Reactor::builder().build_with(World::default()).limits().threads, 10);
}

#[test]
fn thr_05_jobs_of_before_the_start_wait_for_it_and_those_of_after_the_end_are_dropped() {
    let (mut reactor, world) = reactor();
    let (lines, notes) = (Lines::default(), Notes::default());
    reactor.call_in_thread(writes(&lines, "early"));
    assert_eq!(world.queued_jobs(), 0);
    assert_eq!(reactor.next_deadline(), Some(Duration::ZERO), "a loop above has to turn for it");
    reactor.call_when_running(|reactor| reactor.stop().unwrap());
    reactor.run().unwrap();
    assert_eq!(*lines.lock().unwrap(), ["early"]);

    let owned = Arc::new(());
    let held = Arc::clone(&owned);
    let job = reactor.call_in_thread(move || drop(held));
    assert_eq!(Arc::strong_count(&owned), 1);
    assert!(!job.cancel());
    watch(&notes, reactor.defer_to_thread(|| Ok(())));
    notes.expect(&[Abandoned.to_string()]);
    assert_eq!(world.queued_jobs(), 0);
}

#[test]
fn thr_06_stopping_finishes_what_is_queued_and_its_results_are_heard() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    world.holds_jobs().on();
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("during"));
    reactor.add_system_event_trigger(Phase::After, SHUTDOWN, notes.note_with("after"));
    watch(&notes, reactor.defer_to_thread(|| Ok("result")));
    reactor.start().unwrap();
    reactor.stop().unwrap();
    turns(&mut reactor, 2);
    notes.expect(&["during"]);
    assert!(world.jobs_are_closed() && !reactor.is_finished());
    // The job ends between two phases of a turn: its result is heard all the same.
    reactor.call_later(Duration::ZERO, move || world.run_jobs());
    reactor.iterate(None).unwrap();
    notes.expect_nothing();
    reactor.iterate(None).unwrap();
    notes.expect(&["\"result\"", "after"]);
    assert!(reactor.is_finished());
}

#[test]
fn thr_06_the_last_job_ends_the_wait_for_jobs_at_once() {
    let (mut reactor, world) = reactor_with(Reactor::builder().shutdown_timeout(ms(700)));
    world.holds_jobs().on();
    let (promise, wait) = deferred();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
    reactor.call_in_thread(|| ());
    reactor.start().unwrap();
    reactor.stop().unwrap();
    turns(&mut reactor, 1);
    // Each stage of shutdown has the whole timeout.
    reactor.call_later(ms(600), move || promise.callback(()));
    reactor.iterate(None).unwrap();
    turns(&mut reactor, 1);
    assert!(world.jobs_are_closed());
    assert_eq!(reactor.next_deadline(), Some(ms(700)));
    world.waits();
    let clock = world.clone();
    reactor.notify(move |_| clock.run_jobs());
    reactor.iterate(None).unwrap();
    reactor.iterate(None).unwrap();
    assert_eq!(world.waits(), [Some(Duration::ZERO); 2]);
    assert!(reactor.is_finished());
}

#[test]
fn thr_06_a_stuck_job_is_left_behind_after_the_timeout() {
    let log = Log::catch();
    let (mut reactor, world) = reactor_with(Reactor::builder().shutdown_timeout(ms(300)));
    let notes = Notes::default();
    world.holds_jobs().on();
    watch(&notes, reactor.defer_to_thread(|| Ok(())));
    reactor.start().unwrap();
    reactor.stop().unwrap();
    turns(&mut reactor, 1);
    for call in reactor.delayed_calls() {
        call.cancel().unwrap(); // Nobody can cancel the deadline.
    }
    world.waits();
    reactor.run().unwrap();
    assert_eq!(world.waits(), [Some(ms(300)), Some(Duration::ZERO)]);
    assert_eq!((reactor.now().as_nanos(), world.queued_jobs()), (300_000_000, 0));
    log.expect(&["1 jobs on threads did not end in time"]);
    let _handle = reactor.handle();
    drop(reactor);
    notes.expect(&[Abandoned.to_string()]);
}

#[test]
fn thr_06_a_real_stuck_thread_does_not_hold_the_process() {
    let mut reactor = Reactor::builder().handle_signals(false).shutdown_timeout(ms(5)).build().unwrap();
    let (keep, stuck) = channel::<()>();
    let (begun, has_begun) = channel();
    reactor.call_in_thread(move || {
        begun.send(()).unwrap();
        let _ = stuck.recv();
    });
    reactor.call_when_running(|reactor| reactor.stop().unwrap());
    run_bounded(&mut reactor);
    has_begun.recv().unwrap();
    drop(reactor);
    drop(keep);
}

#[test]
fn thr_07_the_limit_moves_while_the_reactor_runs_and_the_pool_does_not_come_back() {
    let mut reactor = Reactor::builder().handle_signals(false).threads(1).build().unwrap();
    reactor.start().unwrap();
    let kernel = reactor.kernel().unwrap();
    let barrier = Arc::new(Barrier::new(3));
    for _ in 0..2 {
        let barrier = Arc::clone(&barrier);
        reactor.call_in_thread(move || {
            barrier.wait();
        });
    }
    turns(&mut reactor, 1);
    assert_eq!(kernel.jobs().unwrap().load().threads, 1);
    reactor.suggest_thread_pool_size(2);
    barrier.wait();
    reactor.suggest_thread_pool_size(0); // One, at least: what is queued still runs.
    let (sender, receiver) = channel();
    reactor.call_in_thread(move || sender.send(()).unwrap());
    receiver.recv().unwrap();
    turn_until(&mut reactor, || kernel.jobs().unwrap().load().threads == 1);
    reactor.stop().unwrap();
    run_bounded(&mut reactor);
    let lines = Lines::default();
    reactor.call_in_thread(writes(&lines, "late"));
    reactor.suggest_thread_pool_size(4);
    turns(&mut reactor, 1);
    assert_eq!((lines.lock().unwrap().len(), kernel.jobs().unwrap().load().queued), (0, 0));
}

#[test]
fn thr_08_a_panic_of_a_job_is_logged_and_a_callback_hears_it_once_in_its_thread() {
    let log = Log::catch();
    let (mut reactor, _world) = reactor();
    let results = Arc::new(Mutex::new(Vec::new()));
    let on_result = |results: &Arc<Mutex<Vec<String>>>| {
        let results = Arc::clone(results);
        move |result: Result<u8, Failure>| {
            results.lock().unwrap().push(result.map_or_else(|e| e.to_string(), |v| v.to_string()));
        }
    };
    reactor.call_in_thread(|| panic!("a job"));
    reactor.call_in_thread_with_callback(|| Ok(7), on_result(&results));
    reactor.call_in_thread_with_callback(|| panic!("no result"), on_result(&results));
    reactor.call_in_thread_with_callback(|| Err(Failure::new(std::fmt::Error)), on_result(&results));
    reactor.call_in_thread_with_callback(|| Ok(()), |_| panic!("the callback"));
    turns(&mut reactor, 1);
    log.expect(&["a job on a thread panicked: a job", "the callback"]);
    assert_eq!(
        *results.lock().unwrap(),
        ["7", "panicked: no result", "an error occurred when formatting an argument"]
    );

    let mut reactor = real_reactor();
    let (sender, receiver) = channel();
    reactor.call_in_thread_with_callback(
        || Ok(thread::current().id()),
        move |id| sender.send((id.unwrap(), thread::current().id())).unwrap(),
    );
    turns(&mut reactor, 1);
    let (job, callback) = receiver.recv().unwrap();
    assert!(job == callback && job != thread::current().id());
}

#[test]
fn thr_08_what_a_job_owns_may_panic_when_it_is_dropped() {
    let log = Log::catch();
    let (mut reactor, world) = reactor();
    for drops in [true, false] {
        let (one, two) = (Rude("in the job"), Rude("in the deferred job"));
        reactor.call_in_thread(move || drop(one));
        watch(
            &Notes::default(),
            reactor.defer_to_thread(move || {
                drop(two);
                Ok(())
            }),
        );
        turns(&mut reactor, 1);
        if drops {
            log.expect(&["in the job"]);
            world.holds_jobs().on();
        } else {
            log.expect(&[]);
            world.drop_jobs();
            log.expect(&["in the job", "in the deferred job"]);
        }
    }
}

#[test]
fn thr_09_results_and_failures_arrive_on_the_loops_thread() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let home = thread::current().id();
    watch(&notes, reactor.defer_to_thread(move || Ok(thread::current().id() == home)));
    turn_until(&mut reactor, || !notes.is_empty());
    watch(&notes, reactor.defer_to_thread(|| Ok::<u8, Failure>("no number".parse()?)));
    turn_until(&mut reactor, || notes.len() == 2);
    watch(&notes, reactor.defer_to_thread(|| -> Result<(), Failure> { panic!("a job") }));
    turn_until(&mut reactor, || notes.len() == 3);
    notes.expect(&["false", "invalid digit found in string", "panicked: a job"]);
}

#[test]
fn thr_09_cancelling_takes_a_queued_job_back_and_drops_the_result_of_a_running_one() {
    let (mut reactor, world) = reactor();
    let (lines, notes) = (Lines::default(), Notes::default());
    world.holds_jobs().on();
    let owned = Arc::new(());
    let held = Arc::clone(&owned);
    let (write, other) = (writes(&lines, "ran"), writes(&lines, "ran"));
    let answer = reactor.defer_to_thread(move || {
        let _held = held;
        write();
        Ok(())
    });
    turns(&mut reactor, 1);
    assert_eq!(world.queued_jobs(), 1);
    answer.cancel();
    assert_eq!(Arc::strong_count(&owned), 1, "what it owned is dropped at once");
    watch(&notes, answer);
    world.run_jobs();
    turns(&mut reactor, 2);
    notes.expect(&["the operation was cancelled"]);
    assert!(lines.lock().unwrap().is_empty());

    // One that runs goes on to its end.
    let slot = Rc::new(RefCell::new(None));
    let answer = reactor.defer_to_thread(move || {
        other();
        Ok(7)
    });
    slot.replace(Some(answer.canceller()));
    watch(&notes, answer);
    world.run_jobs();
    slot.take().unwrap().cancel();
    turns(&mut reactor, 2);
    notes.expect(&["the operation was cancelled"]);
    assert_eq!(*lines.lock().unwrap(), ["ran"]);
    // A job that follows has its own answer.
    watch(&notes, reactor.defer_to_thread(|| Ok("next")));
    world.run_jobs();
    turns(&mut reactor, 1);
    notes.expect(&["\"next\""]);
}

#[test]
fn thr_09_a_plain_job_can_be_taken_back_while_it_is_queued() {
    let (mut reactor, world) = reactor();
    let lines = Lines::default();
    world.holds_jobs().on();
    let early = reactor.call_in_thread(writes(&lines, "early"));
    assert!(early.cancel());
    turns(&mut reactor, 1);
    let queued = reactor.call_in_thread(writes(&lines, "queued"));
    let run = reactor.call_in_thread(writes(&lines, "run"));
    assert!(queued.cancel() && !queued.cancel());
    drop(reactor.call_in_thread(writes(&lines, "detached")));
    world.run_jobs();
    assert!(!run.cancel());
    assert_eq!(*lines.lock().unwrap(), ["run", "detached"]);
}

#[test]
fn thr_09_a_job_that_is_dropped_unrun_fails_its_deferred_and_leaves_nothing() {
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    world.holds_jobs().on();
    reactor.start().unwrap();
    turns(&mut reactor, 1);
    let owned = Arc::new(());
    let (held, kept) = (Arc::clone(&owned), Arc::clone(&owned));
    watch(
        &notes,
        reactor.defer_to_thread(move || {
            drop(held);
            Ok(())
        }),
    );
    let job = reactor.call_in_thread(move || drop(kept));
    world.drop_jobs(); // As a pool that cannot make a thread does.
    turns(&mut reactor, 1);
    notes.expect(&[Abandoned.to_string()]);
    assert_eq!(Arc::strong_count(&owned), 1, "the handle holds nothing");
    assert!(!job.cancel());
}

#[test]
fn thr_09_a_kernel_without_threads_fails_jobs() {
    let log = Log::catch();
    let (mut reactor, world) = reactor();
    let notes = Notes::default();
    world.has_no_threads().on();
    reactor.start().unwrap();
    watch(&notes, reactor.defer_to_thread(|| Ok(())));
    turns(&mut reactor, 2);
    notes.expect(&[Abandoned.to_string()]);
    log.expect(&["a job for a thread was dropped"]);
    reactor.stop().unwrap();
    reactor.run().unwrap();
}

#[test]
fn thr_11_a_list_of_jobs_runs_in_order_on_one_thread_until_one_panics() {
    let log = Log::catch();
    let (mut reactor, world) = reactor();
    let lines = Lines::default();
    let jobs: [Box<dyn FnOnce() + Send>; 4] = [
        Box::new(writes(&lines, "1")),
        Box::new(writes(&lines, "2")),
        Box::new(|| panic!("the third")),
        Box::new(writes(&lines, "4")),
    ];
    turns(&mut reactor, 1);
    world.holds_jobs().on();
    reactor.call_multiple_in_thread(jobs);
    assert_eq!(world.queued_jobs(), 1);
    world.run_jobs();
    assert_eq!(*lines.lock().unwrap(), ["1", "2"]);
    log.expect(&["the third"]);
}

#[test]
fn thr_12_lookups_do_not_wait_for_jobs() {
    let mut reactor = Reactor::builder().handle_signals(false).threads(1).build().unwrap();
    reactor.start().unwrap();
    let notes = Notes::default();
    let (gate, stuck) = channel::<()>();
    watch(&notes, reactor.defer_to_thread(move || Ok(stuck.recv().is_ok())));
    turns(&mut reactor, 1);
    let kernel = reactor.kernel().unwrap();
    let token = reactor.register(Rc::new(common::TestSource::new("lookup", &notes))).unwrap();
    kernel.resolver().unwrap().look_up("127.0.0.1", token).unwrap();
    turn_until(&mut reactor, || !notes.is_empty());
    notes.expect(&["lookup ready"]);
    assert!(kernel.resolver().unwrap().answer(token).unwrap().is_ok());
    gate.send(()).unwrap();
    turn_until(&mut reactor, || !notes.is_empty());
    notes.expect(&["true"]);
}

thread_local! {
    /// How a destructor of something that can go to a thread finds its reactor.
    static REACTOR: RefCell<Option<ReactorHandle>> = const { RefCell::new(None) };
}

#[test]
fn a_job_in_line_and_a_job_that_is_dropped_may_use_the_reactor() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    /// Something whose destructor submits jobs, of both kinds.
    fn busy() -> OnDrop<impl FnMut() + Send> {
        OnDrop(|| {
            let reactor = REACTOR.with_borrow(|reactor| reactor.clone().unwrap());
            reactor.call_in_thread(|| ());
            drop(reactor.defer_to_thread(|| Ok(())).add_both(|_| ()));
            reactor.suggest_thread_pool_size(2);
            DROPS.fetch_add(1, Ordering::Relaxed);
        })
    }
    let (mut reactor, world) = reactor();
    REACTOR.set(Some(reactor.handle()));
    world.runs_jobs_in_line().on();
    reactor.start().unwrap();
    turns(&mut reactor, 1);
    for _ in 0..2 {
        let (one, two, three) = (busy(), busy(), busy());
        reactor.call_in_thread(move || drop(one));
        let answer = reactor.defer_to_thread(move || {
            drop(two);
            Ok(5)
        });
        turns(&mut reactor, 2);
        answer.try_take().unwrap().ok();
        world.has_no_threads().on();
        reactor.call_in_thread(move || drop(three));
    }
    world.has_no_threads().off();
    world.runs_jobs_in_line().off();
    world.holds_jobs().on();
    let (one, two) = (busy(), busy());
    let job = reactor.call_in_thread(move || drop(one));
    reactor.call_in_thread(move || drop(two));
    job.cancel();
    reactor.stop().unwrap();
    turns(&mut reactor, 1);
    let three = busy();
    reactor.call_in_thread(move || drop(three));
    drop(reactor);
    let last = busy();
    REACTOR.with_borrow(|reactor| reactor.as_ref().map(|reactor| reactor.call_in_thread(move || drop(last))));
    REACTOR.set(None);
    assert_eq!(DROPS.load(Ordering::Relaxed), 10);
}
