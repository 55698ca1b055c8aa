//! What is left at the end of a test, what was logged in it, and the results of Deferreds (TEST-10, TEST-12).

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::{Abandoned, Cancelled, Deferred, Failure, contain, deferred, fail, succeed};
use twistor_net::{Protocol, ReactorTcp, Transport, for_protocol};
use twistor_reactor::{Descriptor, Reactor};
use twistor_sim::{
    Accumulating, LogCatcher, TestReactor, assert_clean, assert_failure, assert_no_result, failure_of,
    leftovers, success_of,
};

/// What `f` says when it panics.
#[track_caller]
fn complaint<R>(f: impl FnOnce() -> R) -> String {
    match contain(f) {
        Ok(_) => panic!("it did not complain"),
        Err(text) => text,
    }
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{text:?} does not contain {part:?}");
}

// Deferreds.

#[test]
fn test_10_success_of_gives_the_value_or_says_what_there_is() {
    assert_eq!(success_of(succeed("yes")), "yes");
    let (_promise, waiting) = deferred::<u8>();
    let text = complaint(|| success_of(waiting.map(|n| n + 1)));
    contains(&text, "there is no result yet: Deferred<u8>(waiting");
    contains(&text, "TestReactor::settle");
    contains(&complaint(|| success_of(fail::<u8>(Abandoned))), "dropped before it was fired");
}

#[test]
fn test_10_failure_of_gives_the_failure_or_says_what_there_is() {
    let log = LogCatcher::new();
    assert!(failure_of::<Cancelled>(fail::<u8>(Cancelled)).is_cancelled());
    contains(&complaint(|| failure_of::<Cancelled>(fail::<u8>(Abandoned))), "but it is another: the promise");
    contains(&complaint(|| failure_of::<Cancelled>(succeed(1))), "but there is a value: Deferred<i32>(ready");
    log.expect_none(); // What was looked at counts as handled.
    let (promise, waiting) = deferred::<u8>();
    contains(&complaint(|| failure_of::<Cancelled>(waiting)), "no result yet: Deferred<u8>(waiting");
    promise.callback(1);
}

#[test]
fn test_10_assert_no_result_leaves_it_as_it_is() {
    let (promise, answer) = deferred();
    assert_no_result(&answer);
    promise.callback(3);
    contains(&complaint(|| assert_no_result(&answer)), "Deferred<i32>(ready");
    assert_eq!(success_of(answer), 3);
}

#[test]
fn test_10_assert_failure_waits_for_the_error() {
    let (promise, answer) = deferred::<u8>();
    let failure = assert_failure::<Abandoned>(answer);
    assert_no_result(&failure);
    drop(promise);
    assert!(success_of(failure).is_abandoned());
    let wrong = [assert_failure::<Abandoned>(succeed(1)), assert_failure::<Abandoned>(fail::<u8>(Cancelled))];
    let texts =
        wrong.map(|deferred: Deferred<Failure>| deferred.try_take().unwrap().unwrap_err().to_string());
    contains(&texts[0], "there is a value");
    contains(&texts[1], "it is another: the operation was cancelled");
}

// Logs.

#[test]
fn test_12_logged_errors_fail_the_test_unless_they_were_taken() {
    let leave = || {
        let log = LogCatcher::new();
        drop(fail::<u8>(Failure::message("no poem")));
        assert_eq!(log.errors().len(), 1);
    };
    let text = complaint(leave);
    contains(&text, "not taken");
    contains(&text, "no poem");

    let log = LogCatcher::new();
    drop(fail::<u8>(Failure::message("no poem")));
    contains(&complaint(|| log.expect_none()), "no poem");
    drop(fail::<u8>(Failure::message("one")));
    drop(fail::<u8>(Failure::message("two")));
    contains(&complaint(|| log.expect(&["two", "one"])), "expected lines");
    drop(fail::<u8>(Failure::message("three")));
    log.expect(&["three"]);
}

#[test]
fn test_12_a_catcher_hears_its_own_thread_its_level_and_the_latest_hears_alone() {
    let outer = LogCatcher::at_least(tracing::Level::WARN);
    tracing::warn!(answer = 42, "a warning");
    tracing::info!("of no concern");
    {
        let inner = LogCatcher::new();
        tracing::warn!("below the level");
        tracing::error!("inside");
        inner.expect(&["inside"]);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| tracing::error!("elsewhere"));
    });
    assert_eq!(outer.lines(), ["a warning [answer: 42]"]);
    assert!(outer.errors().is_empty());
}

#[test]
fn test_12_a_value_that_logs_while_it_is_logged_does_no_harm() {
    struct Chatty;
    impl fmt::Display for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::error!("from inside");
            f.write_str("chatty")
        }
    }
    let log = LogCatcher::new();
    tracing::error!("{Chatty}");
    log.expect(&["chatty"]);
}

#[test]
fn test_12_a_value_that_panics_while_it_is_logged_does_no_harm() {
    struct Bad;
    impl fmt::Display for Bad {
        fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("cannot be shown")
        }
    }
    let log = LogCatcher::new();
    contains(&complaint(|| tracing::error!("{Bad}")), "cannot be shown");
    tracing::error!("the next");
    log.expect(&["the next"]);
}

#[test]
fn test_12_contained_panics_are_heard() {
    let log = LogCatcher::new();
    let mut test = TestReactor::new();
    test.call_later(Duration::ZERO, || panic!("in a timer"));
    test.settle();
    log.expect(&["in a timer"]);
    test.finish();
}

// Leftovers.

#[test]
fn test_12_a_clean_reactor_has_nothing_left() {
    let mut test = TestReactor::new();
    assert_clean(&test);
    let port = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Accumulating::new().0)).unwrap();
    let client = test.kernel().dial(port.host().socket_addr().unwrap());
    client.send(b"hello");
    test.settle();
    client.close();
    drop(port.stop_listening());
    test.settle();
    assert_clean(&test);
    test.finish();
}

#[test]
fn test_12_timers_are_told_with_their_time() {
    let mut test = TestReactor::new();
    test.pass(Duration::from_secs(2));
    test.call_later(Duration::from_millis(1_500), || ());
    test.call_later(Duration::MAX, || ());
    assert_eq!(leftovers(&test), ["timed call due at 3.5s, in 1.5s", "timed call that never comes"]);
    let text = complaint(|| test.finish());
    contains(&text, "\n  timed call due at 3.5s, in 1.5s\n");
}

#[test]
fn test_12_ports_and_connections_are_told_with_addresses_and_state() {
    let mut test = TestReactor::new();
    let port = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Accumulating::new().0)).unwrap();
    let client = test.kernel().dial(port.host().socket_addr().unwrap());
    let silent = test.kernel().expect_connect("192.0.2.9:80".parse().unwrap());
    test.connect_tcp(("192.0.2.9", 80), for_protocol(|_| Accumulating::new().0));
    test.settle();
    let left = leftovers(&test);
    assert_eq!(left.len(), 3, "{left:#?}");
    let text = left.join("\n");
    contains(&text, "listening port 127.0.0.1:10000");
    let accepted = format!("connection of 127.0.0.1:10000 with {}: Open, 0 bytes to send", client.address());
    contains(&text, &accepted);
    contains(&text, "with 192.0.2.9:80: Open");
    drop((client, silent));
}

#[test]
fn test_12_attempts_and_lookups_are_told() {
    let mut test = TestReactor::new();
    test.kernel().host_silent("nowhere.example");
    test.kernel().black_hole("192.0.2.7:80".parse().unwrap());
    let nobody = || for_protocol(|_| Accumulating::new().0);
    test.connect_tcp(("nowhere.example", 80), nobody());
    test.connect_tcp(("192.0.2.7", 80), nobody());
    test.settle();
    let text = leftovers(&test).join("\n");
    contains(&text, "name lookup");
    contains(&text, "attempt to connect to 192.0.2.7:80");
    contains(&text, "timed call due at 30s"); // The deadlines of both.
    test.pass(Duration::from_secs(30));
    test.finish();
}

#[test]
fn test_12_a_socket_that_lingers_is_told_until_its_peer_closes() {
    let mut test = TestReactor::new();
    let port = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Closing)).unwrap();
    let client = test.kernel().dial(port.host().socket_addr().unwrap());
    test.settle();
    drop(port.stop_listening());
    test.settle();
    let left = leftovers(&test);
    assert_eq!(left.len(), 2, "{left:#?}");
    contains(&left[0], "timed call due at 2s");
    contains(&left[1], &format!("lingers until {} closes", client.address()));
    client.close();
    test.settle();
    assert_clean(&test); // The timer that waited for it is gone as well.
}

struct Closing;

impl Protocol for Closing {
    fn connection_made(&mut self, transport: &Transport) {
        transport.lose_connection();
    }
}

struct Pipe(std::io::PipeReader);

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Descriptor for Pipe {
    fn log_prefix(&self) -> String {
        "my pipe".to_owned()
    }
}

#[test]
fn test_12_watches_and_signal_handlers_are_told() {
    let mut test = TestReactor::new();
    let (reader, _writer) = std::io::pipe().unwrap();
    let watch = test.add_reader(Pipe(reader)).unwrap();
    let handler = test.on_signal(10, |_| ()).unwrap();
    let left = leftovers(&test);
    assert_eq!(left.len(), 2, "{left:#?}");
    contains(&left[0], "watched descriptor");
    contains(&left[0], "my pipe");
    assert_eq!(left[1], "handler of signal 10");
    handler.remove();
    drop(test.remove_all());
    assert_eq!(leftovers(&test).len(), 1, "the object is with the reactor still");
    drop(watch.remove());
    test.settle();
    assert_clean(&test);
}

#[test]
fn test_12_jobs_and_queued_work_are_told() {
    let mut test = TestReactor::new();
    test.kernel().job_time(Duration::from_secs(5));
    test.suggest_thread_pool_size(1);
    test.call_in_thread(|| ());
    test.call_in_thread(|| ());
    test.settle();
    assert_eq!(leftovers(&test), ["jobs on threads: 1 running, 1 waiting for a thread"]);
    test.pass(Duration::from_secs(10));
    assert_clean(&test);
    let told = Rc::new(Cell::new(false));
    let tell = Rc::clone(&told);
    test.notify(move |_| tell.set(true));
    contains(&leftovers(&test)[0], "work queued for the next turn");
    test.finish(); // It lets happen what can happen, this among others.
    assert!(told.get());
}

#[test]
fn test_12_tasks_are_told() {
    let mut test = TestReactor::new();
    let (promise, answer) = deferred::<()>();
    let task = test.spawn(answer);
    test.settle();
    assert_eq!(leftovers(&test), ["a task that has not ended"]);
    let other = test.spawn(std::future::pending::<()>());
    test.settle();
    assert_eq!(leftovers(&test), ["2 tasks that have not ended"]);
    other.cancel();
    promise.callback(());
    test.settle();
    assert!(task.try_take().unwrap().is_ok());
    test.finish();
}

#[test]
fn test_12_finish_tells_of_errors_too() {
    let _log = LogCatcher::new();
    let test = TestReactor::new();
    test.call_later(Duration::ZERO, || drop(fail::<u8>(Failure::message("nobody cares"))));
    let text = complaint(|| test.finish());
    contains(&text, "logged error: unhandled failure in a Deferred");
    contains(&text, "nobody cares");
}

#[test]
fn test_12_the_real_reactor_is_checked_in_the_same_way() {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    reactor.start().unwrap();
    assert_clean(&reactor);
    let call = reactor.call_later(Duration::from_secs(60), || ());
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Accumulating::new().0)).unwrap();
    let text = complaint(|| assert_clean(&reactor));
    contains(&text, "timed call due at");
    contains(&text, &format!("listening port {}", port.host()));
    call.cancel().unwrap();
    drop(port.stop_listening());
    for _ in 0..3 {
        reactor.iterate(Some(Duration::ZERO)).unwrap();
    }
    assert_clean(&reactor);
}
