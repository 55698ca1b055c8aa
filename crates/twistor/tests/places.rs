//! Debug mode names the user's lines (DEF-33), and the end of a reactor is no error. A process of its own, where debug mode is always on.

#![cfg(feature = "sim")]

use std::future::pending;
use std::time::Duration;

use twistor::deferred::{set_debug, sleep};
use twistor::prelude::*;
use twistor::sim::{LogCatcher, TestReactor};

const SECOND: Duration = Duration::from_secs(1);

struct Silent;
impl Protocol for Silent {}

/// Where the Deferred says that it was made.
#[track_caller]
fn is_ours<T>(what: &str, deferred: Deferred<T>) {
    let line = format!("made at {}:{}:", file!(), std::panic::Location::caller().line());
    let shown = format!("{deferred:?}");
    assert!(shown.contains(&line), "{what}: {shown}, not {line}");
    deferred.cancel();
}

#[test]
fn def_33_every_deferred_names_the_line_that_asked_for_it() {
    set_debug(true);
    let mut test = TestReactor::new();
    let reactor = &test.handle();
    let clock = ManualClock::new();
    let two = || [succeed(1), deferred().1];
    let (lock, queue) = (DeferredLock::new(), DeferredQueue::<u8>::new());
    let semaphore = DeferredSemaphore::new(1).unwrap();
    is_ours("deferred", deferred::<u8>().1);
    is_ours("succeed", succeed(1));
    is_ours("maybe_deferred", maybe_deferred(|| Ok(1)));
    is_ours("spawn", reactor.spawn(pending::<()>()));
    is_ours("spawn_with", reactor.spawn_with(|_| pending::<()>()));
    is_ours("reactor.sleep", reactor.sleep(SECOND));
    is_ours("defer_to_thread", reactor.defer_to_thread(|| Ok(1)));
    is_ours("sleep", sleep(&clock, SECOND));
    is_ours("defer_later", defer_later(&clock, SECOND, || Ok(1)));
    is_ours("looping call", LoopingCall::new(&clock, || ()).start(SECOND).unwrap());
    is_ours("cooperator", Cooperator::new(&clock).cooperate(std::iter::repeat(())).when_done());
    is_ours("queue", queue.get());
    is_ours("lock", lock.acquire());
    is_ours("semaphore", semaphore.run(|| deferred::<()>().1));
    is_ours("deferred_list", deferred_list(two()));
    is_ours("gather_results", gather_results(two()));
    is_ours("a tuple", gather_results((deferred::<u8>().1, deferred::<()>().1)));
    is_ours("first_result", first_result([deferred::<u8>().1]));
    is_ours("first_success", first_success([deferred::<u8>().1]));
    is_ours("race", race([deferred::<u8>().1]));
    is_ours("a stage behind it", deferred::<u8>().1.map(|n| n + 1));
    is_ours("connect_protocol", reactor.connect_protocol(("127.0.0.1", 9), Silent));
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Silent)).unwrap();
    is_ours("stop_listening", port.stop_listening());
    test.settle();
}

#[test]
fn def_31_what_ends_with_its_reactor_is_no_error() {
    let logs = LogCatcher::new();
    let mut test = TestReactor::new();
    let reactor = test.handle();
    // Nobody keeps any of these, as a program's background work is not kept.
    drop(LoopingCall::new(&reactor, || ()).start(SECOND).unwrap());
    drop(defer_later(&reactor, SECOND * 60, || ()));
    let clock = reactor.clone();
    drop(Cooperator::new(&reactor).cooperate(std::iter::repeat_with(move || sleep(&clock, SECOND * 60))));
    let (promise, answer) = deferred::<u8>();
    reactor.call_later(SECOND * 60, move || promise.callback(1));
    drop(answer);
    let queue = DeferredQueue::<u8>::new();
    drop(reactor.spawn(async move { queue.get().await }));
    test.kernel().black_hole("10.1.1.1:9".parse().unwrap());
    drop(reactor.connect_protocol(("10.1.1.1", 9), Silent));
    test.settle();
    logs.expect_none();
    test.stop().unwrap();
    while !test.is_finished() {
        test.iterate(Some(SECOND)).unwrap();
    }
    drop(test);
    logs.expect_none();
    drop(fail::<u8>(Abandoned));
    assert_eq!(logs.take().len(), 1, "afterwards it is one again");
}

#[test]
fn def_31_a_panic_at_the_end_is_an_error_all_the_same() {
    let logs = LogCatcher::new();
    let test = TestReactor::new();
    let (promise, answer) = deferred::<u8>();
    test.call_later(SECOND, move || promise.callback(1));
    drop(answer.add_errback(|_| -> Result<u8, Failure> { panic!("expected by this test") }));
    drop(test);
    let lines = logs.take();
    assert!(lines.len() == 1 && lines[0].contains("expected by this test"), "{lines:?}");
}
