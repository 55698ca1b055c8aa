//! Debug mode, which is one for the whole process: so these tests have a process of their own, where it is always on.

use std::process::Command;
use std::time::Duration;

use support::Errors;
use twistor_deferred::{Clock, Deferred, Failure, ManualClock, deferred, fail, is_debug, set_debug, succeed};

#[path = "it/support.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod support;

/// The place of the line that calls this, as it is logged.
#[track_caller]
fn line(before: u32) -> String {
    let caller = std::panic::Location::caller();
    format!("{}:{}:", caller.file(), caller.line() - before)
}

/// What was logged, as long as it is one line.
#[track_caller]
fn the_line(errors: &Errors) -> String {
    let mut lines = errors.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn def_33_an_unhandled_failure_says_where_its_deferred_was_made_and_fired() {
    set_debug(true);
    let errors = Errors::catch();
    let (promise, answer) = deferred::<u8>();
    let made = line(1);
    let answer = answer.map(|n| n + 1);
    promise.errback(Failure::message("oops"));
    let fired = line(1);
    drop(answer);
    let text = the_line(&errors);
    assert!(text.starts_with("unhandled failure in a Deferred [failure: oops]"), "{text}");
    assert!(text.contains(&format!("[made_at: {made}")), "{text}");
    assert!(text.contains(&format!("[fired_at: {fired}")), "{text}");
    assert!(text.contains(&format!("[failed_at: {fired}")), "{text}");
}

#[test]
fn def_33_so_does_one_at_the_end_of_a_chain_that_was_dropped() {
    set_debug(true);
    let errors = Errors::catch();
    let (promise, answer) = deferred::<u8>();
    let made = line(1);
    drop(answer);
    drop(promise);
    let text = the_line(&errors);
    assert!(text.contains(&format!("[made_at: {made}")) && !text.contains("fired_at"), "{text}");
}

#[test]
fn def_33_a_failure_knows_where_it_was_made() {
    fn parse(text: &str) -> Result<u8, Failure> {
        Ok(text.parse()?)
    }
    set_debug(true);
    let failure = parse("x").unwrap_err();
    assert!(failure.place().unwrap().to_string().starts_with(&line(4)));
    let answer = succeed("x").add_callback(|text| Ok(text.parse::<u8>()?));
    let there = line(1);
    let failure = answer.try_take().unwrap().unwrap_err();
    assert!(failure.place().unwrap().to_string().starts_with(&there));
    let failure = fail::<u8>(std::fmt::Error).try_take().unwrap().unwrap_err();
    assert_eq!(failure.place().unwrap().location().line(), line_number() - 1);
}

#[track_caller]
fn line_number() -> u32 {
    std::panic::Location::caller().line()
}

#[test]
fn def_33_the_debug_form_says_where_it_was_made() {
    set_debug(true);
    let made = |answer: &Deferred<u8>| format!("{answer:?}");
    let (_promise, answer) = deferred::<u8>();
    let place = line(1);
    assert!(made(&answer).starts_with(&format!("Deferred<u8>(waiting, made at {place}")), "{answer:?}");
}

#[test]
fn time_09_a_panic_of_a_timed_call_says_where_it_was_made() {
    set_debug(true);
    let errors = Errors::catch();
    let clock = ManualClock::new();
    clock.call_later(Duration::ZERO, || panic!("expected by this test"));
    let made = line(1);
    clock.advance(Duration::ZERO);
    let lines = errors.take();
    assert!(lines[0].starts_with(&format!("a timed call panics [made_at: {made}")), "{lines:?}");
    assert_eq!(lines[1], "panic while making a timed call [panic: \"expected by this test\"]");
}

#[test]
fn def_33_with_a_backtrace_asked_for_the_stack_is_kept() {
    let output = child("child_logs_a_stack", &[("RUST_BACKTRACE", "1"), ("TWISTOR_DEBUG", "1")]);
    assert!(output.contains("debug::child_makes_a_deferred"), "{output}");
}

#[test]
fn def_33_the_environment_turns_it_on() {
    for (value, on) in [(None, false), (Some(""), false), (Some("0"), false), (Some("1"), true)] {
        let environment: Vec<_> = value.map(|value| ("TWISTOR_DEBUG", value)).into_iter().collect();
        let output = child("child_says_its_mode", &environment);
        assert!(output.contains(&format!("debug mode: {on}")), "{value:?}: {output}");
    }
}

/// The output of another test of this binary, run in a process of its own.
fn child(test: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env("TWISTOR_TEST_CHILD", "1");
    command.env_remove("TWISTOR_DEBUG").env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_child() -> bool {
    std::env::var_os("TWISTOR_TEST_CHILD").is_some()
}

#[test]
fn child_says_its_mode() {
    if is_child() {
        println!("debug mode: {}", is_debug());
    }
}

#[inline(never)]
fn child_makes_a_deferred() -> Deferred<u8> {
    fail(std::fmt::Error)
}

#[test]
fn child_logs_a_stack() {
    if is_child() {
        let errors = Errors::catch();
        drop(child_makes_a_deferred());
        println!("{}", the_line(&errors));
    }
}
