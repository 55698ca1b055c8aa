//! Failures that nobody looked at.

use crate::support::{Errors, OnDrop};
use twistor_deferred::{Cancelled, Deferred, Failure, deferred, fail, succeed};

fn oops() -> Failure {
    Failure::message("oops")
}

const OOPS: &str = "unhandled failure in a Deferred [failure: oops]";

#[test]
fn def_31_a_deferred_dropped_with_a_failure_logs_it_at_once_and_once() {
    let errors = Errors::catch();
    let answer = fail::<u8>(oops());
    errors.expect(&[]);
    drop(answer);
    errors.expect(&[OOPS]);
}

#[test]
fn def_31_a_failure_at_the_end_of_a_detached_chain_is_logged() {
    let errors = Errors::catch();
    let (promise, answer) = deferred::<u8>();
    drop(answer.map(|n| n + 1));
    errors.expect(&[]);
    promise.errback(oops());
    errors.expect(&[OOPS]);
    let (promise, answer) = deferred::<u8>();
    drop(answer);
    drop(promise);
    errors
        .expect(&["unhandled failure in a Deferred [failure: the promise was dropped before it was fired]"]);
}

#[test]
fn def_31_an_errback_that_returns_the_failure_leaves_it_unhandled() {
    let errors = Errors::catch();
    drop(fail::<u8>(oops()).add_errback(Err::<u8, _>));
    errors.expect(&[OOPS]);
    drop(fail::<u8>(oops()).add_errback(|_| Ok(1)));
    let _ = fail::<u8>(oops()).try_take();
    errors.expect(&[]);
}

#[test]
fn def_31_through_an_inner_deferred_it_is_logged_once() {
    let errors = Errors::catch();
    let (promise, inner) = deferred::<u8>();
    drop(succeed(()).add_callback(move |()| inner));
    promise.errback(oops());
    errors.expect(&[OOPS]);
}

#[test]
fn def_31_sources_are_logged_too() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot fetch the poem")]
    struct Fetch(#[source] std::io::Error);

    let errors = Errors::catch();
    drop(fail::<u8>(Fetch(std::io::Error::other("no route"))));
    errors.expect(&["unhandled failure in a Deferred [failure: cannot fetch the poem: no route]"]);
}

#[test]
fn def_31_a_cancel_is_expected_and_not_logged() {
    let errors = Errors::catch();
    let (_promise, answer) = deferred::<u8>();
    answer.cancel();
    drop(answer);
    let (_promise, answer) = deferred::<u8>();
    let canceller = answer.canceller();
    drop(answer);
    canceller.cancel();
    errors.expect(&[]);
}

#[test]
fn def_31_a_circle_with_nobody_left_to_hear_of_it_is_logged() {
    use std::{cell::RefCell, rc::Rc};

    let errors = Errors::catch();
    let kept = Rc::new(RefCell::new(None::<Deferred<u8>>));
    let own = Rc::clone(&kept);
    let (promise, answer) = deferred::<u8>();
    *kept.borrow_mut() = Some(answer.add_callback(move |_| own.take().unwrap()));
    promise.callback(1);
    errors.expect(&["unhandled failure in a Deferred [failure: a Deferred was returned into its own chain]"]);
}

#[test]
fn def_32_it_is_logged_at_the_very_drop() {
    let errors = Errors::catch();
    let holder = vec![fail::<u8>(oops())];
    errors.expect(&[]);
    drop(holder);
    errors.expect(&[OOPS]);
}

#[test]
fn log_failure_handles_and_names_what_went_wrong() {
    let errors = Errors::catch();
    fail::<u8>(oops()).log_failure("fetching");
    fail::<u8>(Cancelled).log_failure("waiting");
    succeed(1).log_failure("nothing");
    errors.expect(&["fetching [failure: oops]", "waiting [failure: the operation was cancelled]"]);
}

#[test]
fn a_panicking_destructor_is_logged() {
    let errors = Errors::catch();
    drop(succeed(OnDrop(|| panic!("expected by this test"))));
    errors.expect(&["panic while dropping a value [panic: \"expected by this test\"]"]);
}
