//! What a reactor does beside its connections: calls from other threads and jobs (section THR), its timers (TIME-08), and what becomes of
//! panics that belong to no connection (table 28a).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use twistor_deferred::{Deferred, Failure, Panicked};
use twistor_reactor::error::BlockingCallError;
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{Phase, ReactorHandle};

use super::Make;
use super::harness::{Pair, Runner, Side};

/// A list that calls on any thread write to.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(String, ThreadId)>>>);

impl Lines {
    /// A function that writes `text`.
    fn note(&self, text: impl Into<String>) -> impl FnOnce() + Send + 'static {
        let (lines, text) = (self.clone(), text.into());
        move || lines.add(text)
    }

    fn add(&self, text: impl Into<String>) {
        self.0.lock().expect("no writer panics").push((text.into(), thread::current().id()));
    }

    fn texts(&self) -> Vec<String> {
        self.0.lock().expect("no writer panics").iter().map(|(text, _)| text.clone()).collect()
    }

    fn threads(&self) -> Vec<ThreadId> {
        self.0.lock().expect("no writer panics").iter().map(|(_, thread)| *thread).collect()
    }

    fn len(&self) -> usize {
        self.texts().len()
    }
}

/// Queues what writes `text`, from this thread.
fn queue(reactor: &ReactorHandle, lines: &Lines, text: &str) {
    let note = lines.note(text);
    reactor.remote().call_from_thread(move |_| note()).expect("the reactor is there");
}

/// Writes down how `answer` ends.
fn listen<T: std::fmt::Debug + 'static>(lines: &Lines, answer: Deferred<T>) {
    let lines = lines.clone();
    answer.add_both(move |result| match result {
        Ok(value) => lines.add(format!("{value:?}")),
        Err(failure) => lines.add(failure.to_string()),
    });
}

pub(super) fn thr_01_calls_from_a_thread_are_made_on_the_loops_thread_in_order(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (lines, remote) = (Lines::default(), runner.reactor().remote());
    let notes: Vec<_> = (0..50).map(|number| lines.note(number.to_string())).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            for note in notes {
                remote.call_from_thread(move |_| note()).expect("the reactor is there");
            }
        });
    });
    assert_eq!(lines.len(), 0, "the loop has not turned");
    runner.until("the calls", || lines.len() == 50);
    assert_eq!(lines.texts(), (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(lines.threads().iter().all(|thread| *thread == thread::current().id()));
}

pub(super) fn thr_02_a_call_from_inside_a_call_waits_for_the_next_turn(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    let (again, first, inner) = (runner.reactor().remote(), lines.note("first"), lines.note("from inside"));
    runner
        .reactor()
        .remote()
        .call_from_thread(move |_| {
            first();
            again.call_from_thread(move |_| inner()).expect("the reactor is there");
        })
        .expect("the reactor is there");
    queue(runner.reactor(), &lines, "second");
    let timer = lines.note("a timer");
    runner.reactor().call_later(Duration::ZERO, timer);
    assert_eq!(lines.len(), 0, "never in place, not even on the loop's thread");
    runner.until("all of them", || lines.len() == 4);
    assert_eq!(lines.texts(), ["first", "second", "a timer", "from inside"], "the turn goes on before it");
}

pub(super) fn thr_03_a_panic_leaves_the_next_call_alone(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    let remote = runner.reactor().remote();
    remote.call_from_thread(|_| panic!("in a call from a thread")).expect("the reactor is there");
    queue(runner.reactor(), &lines, "next");
    runner.until("the next call", || lines.len() == 1);
}

pub(super) fn thr_05_jobs_of_before_the_first_turn_wait_for_it_in_order(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    runner.reactor().suggest_thread_pool_size(1);
    for text in ["one", "two", "three"] {
        runner.reactor().call_in_thread(lines.note(text));
    }
    assert_eq!(lines.len(), 0);
    runner.until("the jobs", || lines.len() == 3);
    assert_eq!(lines.texts(), ["one", "two", "three"]);
}

pub(super) fn thr_06_stopping_finishes_what_is_queued_and_its_results_are_heard(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    runner.turn();
    for number in 0..5 {
        listen(&lines, runner.reactor().defer_to_thread(move || Ok(number)));
    }
    runner.stop();
    let mut texts = lines.texts();
    texts.sort();
    assert_eq!(texts, ["0", "1", "2", "3", "4"]);
    assert!(lines.threads().iter().all(|thread| *thread == thread::current().id()));
    // The pool does not come back.
    listen(&lines, runner.reactor().defer_to_thread(|| Ok(9)));
    assert_eq!(lines.len(), 6);
    assert_ne!(lines.texts()[5], "9");
}

pub(super) fn thr_08_a_callback_hears_of_its_job_once_and_of_its_panic(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    type Job = fn() -> Result<u8, Failure>;
    let jobs: [Job; 3] = [|| Ok(7), || Err(Failure::message("a failure")), || panic!("in a job")];
    runner.reactor().suggest_thread_pool_size(1);
    for job in jobs {
        let told = lines.clone();
        runner.reactor().call_in_thread_with_callback(job, move |result| match result {
            Ok(value) => told.add(value.to_string()),
            Err(failure) => told.add(failure.to_string()),
        });
    }
    // One without anybody to hear of it: the next one runs all the same.
    runner.reactor().call_in_thread(|| panic!("in a job"));
    runner.reactor().call_in_thread(lines.note("next"));
    runner.until("the jobs", || lines.len() >= 4);
    runner.settle();
    let texts = lines.texts();
    assert_eq!((texts.len(), &texts[..2], &texts[3][..]), (4, &["7".into(), "a failure".into()][..], "next"));
    assert!(texts[2].contains("in a job"), "{texts:?}");
}

pub(super) fn thr_09_results_and_failures_arrive_on_the_loops_thread(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    let panicked = Rc::new(RefCell::new(None));
    listen(&lines, runner.reactor().defer_to_thread(|| Ok("a value")));
    listen(&lines, runner.reactor().defer_to_thread(|| Err::<u8, _>(Failure::message("a failure"))));
    let told = Rc::clone(&panicked);
    runner.reactor().defer_to_thread(|| -> Result<u8, Failure> { panic!("in a job") }).add_both(
        move |result| {
            *told.borrow_mut() = result.err();
        },
    );
    runner.until("the results", || lines.len() == 2 && panicked.borrow().is_some());
    let mut texts = lines.texts();
    texts.sort();
    assert_eq!(texts, ["\"a value\"", "a failure"]);
    assert!(lines.threads().iter().all(|thread| *thread == thread::current().id()));
    let failure = panicked.borrow_mut().take();
    let expected = Panicked("in a job".to_owned());
    assert_eq!(failure.and_then(|failure| failure.downcast_ref::<Panicked>().cloned()), Some(expected));
}

pub(super) fn thr_09_what_is_queued_can_be_taken_back(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    // Before its first turn the reactor has given no job away.
    let job = runner.reactor().call_in_thread(lines.note("taken back"));
    let answer = runner.reactor().defer_to_thread({
        let note = lines.note("cancelled");
        move || {
            note();
            Ok(())
        }
    });
    runner.reactor().call_in_thread(lines.note("stays"));
    assert!(job.cancel());
    assert!(!job.cancel(), "once");
    answer.cancel();
    listen(&lines, answer);
    assert_eq!(lines.len(), 1, "a cancel is told at once");
    runner.until("the one that stays", || lines.len() == 2);
    runner.settle();
    assert_eq!(lines.texts()[1..], ["stays"]);
}

pub(super) fn thr_10_a_blocking_call_on_the_loops_own_thread_is_an_error(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let answer = runner.reactor().remote().blocking_call(|_| Ok(()));
    assert!(matches!(answer, Err(BlockingCallError::OnReactorThread)), "{answer:?}");
    let remote = runner.reactor().remote();
    assert!(remote.is_alive());
    runner.drop_reactor();
    let answer = thread::scope(|scope| scope.spawn(|| remote.blocking_call(|_| Ok(()))).join());
    assert!(matches!(answer, Ok(Err(BlockingCallError::ReactorGone))), "{answer:?}");
    assert!(!remote.is_alive() && remote.call_from_thread(|_| ()).is_err());
}

pub(super) fn thr_11_a_list_of_jobs_runs_in_order_until_one_panics(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let lines = Lines::default();
    let jobs: [Box<dyn FnOnce() + Send>; 4] = [
        Box::new(lines.note("one")),
        Box::new(lines.note("two")),
        Box::new(|| panic!("the third")),
        Box::new(lines.note("four")),
    ];
    runner.reactor().suggest_thread_pool_size(1);
    runner.reactor().call_multiple_in_thread(jobs);
    runner.reactor().call_in_thread(lines.note("the next job"));
    runner.until("the jobs", || lines.len() == 3);
    runner.settle();
    assert_eq!(lines.texts(), ["one", "two", "the next job"]);
    assert_eq!(lines.threads()[0], lines.threads()[1], "on one thread");
}

pub(super) fn time_08_what_is_to_come_is_listed_in_its_order(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let reactor = runner.reactor().clone();
    let before = reactor.delayed_calls().len();
    let [late, early, cancelled] =
        [3, 1, 2].map(|seconds| reactor.call_later(Duration::from_secs(seconds), || ()));
    cancelled.cancel().expect("it is pending");
    let times: Vec<_> = reactor.delayed_calls().iter().map(twistor_deferred::DelayedCall::time).collect();
    assert_eq!(times.len(), before + 2, "nothing that was cancelled: {times:?}");
    assert!(times.is_sorted() && times.contains(&early.time()) && times.contains(&late.time()), "{times:?}");
    let soon = reactor.call_later(Duration::ZERO, || ());
    assert_eq!(reactor.delayed_calls().len(), before + 3, "what was made in this turn too");
    runner.until("the first call", || !soon.active());
    assert_eq!(reactor.delayed_calls().len(), before + 2);
}

pub(super) fn table_28a_what_belongs_to_no_connection(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::echo(), Side::new());
    let reactor = pair.reactor().clone();
    let lines = Lines::default();
    reactor.call_later(Duration::ZERO, || panic!("in a timed call"));
    reactor.call_later(Duration::ZERO, lines.note("a timed call"));
    reactor.remote().call_from_thread(|_| panic!("in a call from a thread")).expect("the reactor is there");
    queue(&reactor, &lines, "a call from a thread");
    reactor.notify(|_| panic!("in a notification"));
    let note = lines.note("a notification");
    reactor.notify(move |_| note());
    for phase in [Phase::Before, Phase::During, Phase::After] {
        reactor.add_system_event_trigger(phase, SHUTDOWN, |_| -> () { panic!("in a trigger") });
        let note = lines.note(format!("{phase:?}"));
        reactor.add_system_event_trigger(phase, SHUTDOWN, move |_| note());
    }
    pair.until("the others", || lines.len() == 3);
    // Nobody else is concerned.
    pair.client.transport().write(b"still here");
    pair.until_client_received(10);
    pair.stop();
    assert_eq!(lines.texts()[3..], ["Before", "During", "After"]);
}
