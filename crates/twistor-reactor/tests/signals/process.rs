//! The signals of a process, in children.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use signal_hook::consts::SIGUSR1;
use signal_hook::low_level::raise;
use twistor_deferred::deferred;
use twistor_reactor::signals::{SIGINT, SIGTERM};
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{Phase, Reactor};

use crate::common::{Notes, child, child_succeeds, is_child, ms, run_bounded, run_child};

#[test]
fn sig_01_a_real_sigterm_from_outside_stops_a_sleeping_reactor() {
    let mut child = child("process::child_is_stopped").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("running")));
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert!(lines.any(|line| line.unwrap().ends_with("stopped by Some(15)")));
    assert!(lines.all(|line| line.is_ok()));
    assert!(child.wait().unwrap().success());
}

#[test]
fn child_is_stopped() {
    if !is_child() {
        return;
    }
    let mut reactor = Reactor::new().unwrap();
    reactor.call_when_running(|_| println!("running"));
    reactor.add_system_event_trigger(Phase::After, SHUTDOWN, |reactor| {
        println!("stopped by {:?}", reactor.exit_signal());
    });
    run_bounded(&mut reactor);
}

#[test]
fn sig_02_a_real_second_sigint_ends_the_loop_at_once() {
    child_succeeds("process::child_is_interrupted_twice");
}

#[test]
fn child_is_interrupted_twice() {
    if !is_child() {
        return;
    }
    let mut reactor = Reactor::new().unwrap();
    let (_promise, wait) = deferred::<()>();
    let notes = Notes::default();
    let seen = notes.clone();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |reactor| {
        seen.add("before");
        reactor.call_later(ms(1), || raise(SIGINT).unwrap());
        wait
    });
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("during"));
    reactor.call_later(ms(1), || raise(SIGINT).unwrap());
    run_bounded(&mut reactor); // Well before the ten seconds that shutdown would take.
    notes.expect(&["before"]);
    assert!(reactor.now().as_nanos() < 5_000_000_000);
}

#[test]
fn sig_03_a_real_signal_acts_by_default_after_the_run() {
    for (name, signal) in [
        ("process::child_dies_after_a_stop", SIGTERM),
        ("process::child_dies_after_a_crash", SIGINT),
        ("process::child_dies_after_a_drop", SIGUSR1),
    ] {
        assert_eq!(run_child(name).status.signal(), Some(signal), "{name}");
    }
}

#[test]
fn child_dies_after_a_stop() {
    if !is_child() {
        return;
    }
    let mut reactor = Reactor::new().unwrap();
    reactor.call_later(ms(1), || raise(SIGTERM).unwrap());
    run_bounded(&mut reactor);
    assert_eq!(reactor.exit_signal(), Some(SIGTERM));
    raise(SIGTERM).unwrap(); // What a launcher does, to end as it was told to.
}

#[test]
fn child_dies_after_a_crash() {
    if !is_child() {
        return;
    }
    let mut reactor = Reactor::new().unwrap();
    for _ in 0..2 {
        reactor.call_when_running(|reactor| reactor.crash());
        run_bounded(&mut reactor);
    }
    raise(SIGINT).unwrap();
}

#[test]
fn child_dies_after_a_drop() {
    if !is_child() {
        return;
    }
    let mut reactor = Reactor::new().unwrap();
    let notes = Notes::default();
    for text in ["first", "second"] {
        let notes = notes.clone();
        reactor.on_signal(SIGUSR1, move |_| notes.add(text)).unwrap();
    }
    let handle = reactor.handle();
    reactor.call_later(ms(1), || raise(SIGUSR1).unwrap());
    reactor.call_later(ms(3), move || handle.stop().unwrap());
    run_bounded(&mut reactor);
    notes.expect(&["first", "second"]);
    raise(SIGUSR1).unwrap(); // Handlers of the application's hold until the end.
    drop(reactor);
    raise(SIGUSR1).unwrap();
}

#[test]
fn sig_01_a_reactor_that_leaves_signals_alone_dies_of_them() {
    // Not SIGINT, which a shell may have told the tests to ignore.
    assert_eq!(run_child("process::child_leaves_signals_alone").status.signal(), Some(SIGTERM));
}

#[test]
fn child_leaves_signals_alone() {
    if !is_child() {
        return;
    }
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    reactor.call_when_running(|_| raise(SIGTERM).unwrap());
    run_bounded(&mut reactor);
}
