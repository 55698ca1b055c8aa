//! `react` (TASK-11): how a program ends, and with which code.

#![cfg(feature = "mio")]

use std::cell::{Cell, RefCell};
use std::process::{Command, ExitCode, Output};
use std::rc::Rc;
use std::time::Duration;

use twistor::prelude::*;
use twistor::reactor::kernel::Kernel;
use twistor::{react, react_with};
use twistor_sim::ScriptedKernel;

const SECOND: Duration = Duration::from_secs(1);

fn reactor() -> (Reactor, ScriptedKernel) {
    let kernel = ScriptedKernel::new();
    (Reactor::builder().build_with(kernel.clone()), kernel)
}

/// Appends to a list.
fn note(notes: &Rc<RefCell<Vec<&'static str>>>, text: &'static str) {
    notes.borrow_mut().push(text);
}

#[test]
fn task_11_it_runs_until_the_deferred_fires_and_stops_in_order() {
    let (mut reactor, kernel) = reactor();
    let notes: Rc<RefCell<Vec<&str>>> = Rc::default();
    for (phase, text) in [(Phase::Before, "before"), (Phase::After, "after")] {
        let seen = Rc::clone(&notes);
        reactor.add_system_event_trigger(phase, SHUTDOWN, move |_| note(&seen, text));
    }
    let borrowed = String::from("what main borrows may be on the stack");
    let code = react_with(&mut reactor, |reactor| {
        assert!(reactor.is_running() && !borrowed.is_empty());
        note(&notes, "main");
        let seen = Rc::clone(&notes);
        reactor.sleep(SECOND).add_callback(move |()| note(&seen, "done"))
    });
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(*notes.borrow(), ["main", "done", "before", "after"]);
    assert_eq!(kernel.now().as_nanos(), 1_000_000_000);
    assert!(reactor.is_finished());
}

#[test]
fn task_11_a_main_that_is_done_at_once_ends_at_once() {
    for code in [
        react_with(&mut reactor().0, |_| ()),
        react_with(&mut reactor().0, |_| Ok(())),
        react_with(&mut reactor().0, |_| succeed(ExitCode::SUCCESS)),
        react_with(&mut reactor().0, |reactor| reactor.spawn(async {})),
    ] {
        assert_eq!(code, ExitCode::SUCCESS);
    }
}

#[test]
fn task_11_the_value_is_the_exit_code_and_a_failure_is_one() {
    let three = react_with(&mut reactor().0, |reactor| reactor.sleep(SECOND).map(|()| ExitCode::from(3)));
    assert_eq!(three, ExitCode::from(3));
    let spawned = react_with(&mut reactor().0, |reactor| {
        let reactor = reactor.clone();
        reactor.clone().spawn(async move {
            reactor.sleep(SECOND).await?;
            let code: u8 = "4".parse()?;
            Ok(ExitCode::from(code))
        })
    });
    assert_eq!(spawned, ExitCode::from(4));
    let failed = react_with(&mut reactor().0, |reactor| {
        reactor.sleep(SECOND).add_callback(|()| Ok("x".parse::<u8>().map(drop)?))
    });
    assert_eq!(failed, ExitCode::FAILURE);
    let panicked = react_with(&mut reactor().0, |_| -> Deferred<()> { panic!("main") });
    assert_eq!(panicked, ExitCode::FAILURE);
    let task_panicked = react_with(&mut reactor().0, |reactor| reactor.spawn(async { panic!("task") }));
    assert_eq!(task_panicked, ExitCode::FAILURE);
}

#[test]
fn task_11_a_signal_ends_it_without_waiting_for_main() {
    for signal in [SIGINT, SIGTERM] {
        let (mut reactor, kernel) = reactor();
        kernel.at(SECOND, move |kernel| kernel.raise(signal));
        let outlives = Rc::new(Cell::new(None));
        let main = Rc::clone(&outlives);
        let code = react_with(&mut reactor, |_| {
            let (promise, never) = deferred::<ExitCode>();
            main.set(Some(promise));
            never
        });
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(reactor.exit_signal(), Some(signal));
        assert_eq!(kernel.now().as_nanos(), 1_000_000_000);
        // What becomes of main afterwards is nobody's business.
        outlives.take().unwrap().errback(Failure::message("too late"));
    }
}

#[test]
fn task_11_what_main_says_during_shutdown_counts() {
    type Say = fn(Promise<ExitCode>);
    let says: [(Say, ExitCode); 3] = [
        (|main| main.errback(Failure::message("during shutdown")), ExitCode::FAILURE),
        (|main| main.callback(ExitCode::from(7)), ExitCode::from(7)),
        (|main| drop(main), ExitCode::FAILURE),
    ];
    for (say, expected) in says {
        let (mut reactor, kernel) = reactor();
        kernel.at(SECOND, |kernel| kernel.raise(SIGINT));
        let code = react_with(&mut reactor, |reactor| {
            let (promise, main) = deferred();
            reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |reactor| {
                reactor.sleep(SECOND).map(move |()| say(promise))
            });
            main
        });
        assert_eq!(code, expected);
        assert_eq!(kernel.now().as_nanos(), 2_000_000_000);
    }
}

#[test]
fn task_11_main_may_stop_the_reactor_itself() {
    let code = react_with(&mut reactor().0, |reactor| {
        reactor.stop().unwrap();
        let (promise, never) = deferred::<()>();
        reactor.call_later(Duration::MAX, move || promise.callback(()));
        never
    });
    assert_eq!(code, ExitCode::SUCCESS);
}

#[test]
fn task_11_a_reactor_that_cannot_run_is_code_one() {
    let (mut reactor, _kernel) = reactor();
    assert_eq!(react_with(&mut reactor, |_| ()), ExitCode::SUCCESS);
    let called = Cell::new(false);
    assert_eq!(react_with(&mut reactor, |_| called.set(true)), ExitCode::FAILURE);
    assert!(!called.get());
    // A kernel in which nothing could ever happen any more is broken.
    let (mut reactor, _kernel) = self::reactor();
    let kept = Rc::new(Cell::new(None));
    let code = react_with(&mut reactor, |_| {
        let (promise, never) = deferred::<()>();
        kept.set(Some(promise));
        never
    });
    assert_eq!(code, ExitCode::FAILURE);
}

// Over the real kernel, in processes of their own: what is printed, and what the system sees.

const CHILD: &str = "TWISTOR_TEST_PROGRAM";

fn program(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_program_of_its_own", "--nocapture"]).env(CHILD, name);
    command
}

fn end_of(name: &str) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program(name).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no number")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_program_of_its_own() {
    let Some(name) = std::env::var_os(CHILD) else { return };
    // Nobody waits for ever for a program that does not come to its end.
    let watch = || {
        let (_sender, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(Duration::from_secs(20));
        std::process::exit(101);
    };
    std::thread::Builder::new().spawn(watch).unwrap();
    let code = match name.to_str().unwrap_or_default() {
        "value" => react(|reactor| reactor.sleep(Duration::from_millis(1)).map(|()| ExitCode::from(9))),
        "failure" => react(|reactor| {
            let reactor = reactor.clone();
            reactor.clone().spawn(async move {
                reactor.sleep(Duration::from_millis(1)).await?;
                "x".parse::<u8>().map_err(Outer)?;
                Ok(())
            })
        }),
        "signal" => react(|reactor| {
            let pid = std::process::id().to_string();
            reactor.call_in_thread(move || {
                Command::new("kill").args(["-TERM", &pid]).status().unwrap();
            });
            reactor.sleep(Duration::from_secs(60)).map(|()| ExitCode::from(9))
        }),
        "background" => react(|reactor| {
            let (_idle, handle) = (reactor.spawn(std::future::pending::<()>()), reactor.clone());
            reactor.spawn(async move {
                loop {
                    let _ = handle.sleep(Duration::from_secs(60)).await;
                }
            });
        }),
        other => panic!("there is no program {other}"),
    };
    // The harness would end with a code of its own.
    let code = (0..=u8::MAX).find(|&n| ExitCode::from(n) == code).unwrap();
    std::process::exit(code.into());
}

#[test]
fn task_11_real_programs_end_with_their_code_and_their_message() {
    assert_eq!(end_of("value"), (Some(9), String::new()));
    assert_eq!(end_of("failure"), (Some(1), "Error: no number: invalid digit found in string\n".to_owned()));
    assert_eq!(end_of("signal"), (Some(0), String::new()));
    assert_eq!(end_of("background"), (Some(0), String::new()));
}

#[test]
fn task_11_a_reactor_that_cannot_be_made_says_what_to_do() {
    // One descriptor is left, which the dynamic loader needs for a while: too few for a poller and its waker.
    let mut shell = Command::new("sh");
    let program = program("value");
    shell.args(["-c", "ulimit -n 4; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    let output = shell.env(CHILD, "value").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("Error: the reactor could not be made: "), "{stderr}");
    assert!(stderr.contains("ulimit -n"), "{stderr}");
}
