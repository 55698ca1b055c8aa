//! The Deferred's rules about cancelling.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::support::{Errors, Notes, OnDrop};
use twistor_deferred::{Failure, Promise, deferred, succeed};

/// A promise kept where its own canceller can reach it.
fn keep<T>(promise: Promise<T>) -> Rc<Cell<Option<Promise<T>>>> {
    Rc::new(Cell::new(Some(promise)))
}

fn set_canceller<T>(kept: &Rc<Cell<Option<Promise<T>>>>, canceller: impl FnOnce() + 'static) {
    let promise = kept.take().unwrap();
    promise.on_cancel(canceller);
    kept.set(Some(promise));
}

#[test]
fn def_12_cancel_calls_the_canceller_and_then_fails_with_cancelled() {
    let notes = Notes::default();
    let (promise, answer) = deferred::<i32>();
    let (cancelled, failed) = (notes.clone(), notes.clone());
    promise.on_cancel(move || cancelled.add("canceller"));
    let answer = answer.inspect_failure(move |failure| failed.add(failure));
    answer.cancel();
    notes.expect(&["canceller", "the operation was cancelled"]);
    answer.cancel();
    notes.expect(&[]);
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_12_a_canceller_may_fire_the_promise_with_any_value_or_failure() {
    for give_value in [true, false] {
        let (promise, answer) = deferred::<i32>();
        let kept = keep(promise);
        let owner = Rc::clone(&kept);
        set_canceller(&kept, move || {
            let promise = owner.take().unwrap();
            assert!(promise.is_cancelled());
            if give_value { promise.callback(3) } else { promise.errback(Failure::message("mine")) }
        });
        answer.cancel();
        let result = answer.try_take().unwrap().map_err(|failure| failure.to_string());
        assert_eq!(result, if give_value { Ok(3) } else { Err("mine".to_owned()) });
    }
}

#[test]
fn def_12_a_canceller_that_drops_the_promise_leaves_it_cancelled() {
    let (promise, answer) = deferred::<i32>();
    let kept = keep(promise);
    let owner = Rc::clone(&kept);
    set_canceller(&kept, move || drop(owner.take()));
    answer.cancel();
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_12_cancelling_from_inside_the_canceller_changes_nothing() {
    let (promise, answer) = deferred::<i32>();
    let again = answer.canceller();
    promise.on_cancel(move || again.cancel());
    answer.cancel();
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
    drop(promise);
}

#[test]
fn def_12_a_late_canceller_is_called_at_once_and_an_earlier_one_is_replaced() {
    let notes = Notes::default();
    let (first, second, late) = (notes.clone(), notes.clone(), notes.clone());
    let (promise, answer) = deferred::<i32>();
    promise.on_cancel(move || first.add("first"));
    promise.on_cancel(move || second.add("second"));
    answer.cancel();
    promise.on_cancel(move || late.add("late"));
    notes.expect(&["second", "late"]);
}

#[test]
fn def_12_the_canceller_is_dropped_when_the_promise_is_fired() {
    let notes = Notes::default();
    let (promise, answer) = deferred::<i32>();
    let (dropped, called) = (notes.clone(), notes.clone());
    let guard = OnDrop(move || dropped.add("canceller dropped"));
    promise.on_cancel(move || drop(guard));
    let answer = answer.map(move |_| called.add("callback"));
    promise.callback(1);
    notes.expect(&["canceller dropped", "callback"]);
    answer.cancel();
    notes.expect(&[]);
}

#[test]
fn def_13_without_a_canceller_what_the_producer_does_later_is_swallowed() {
    let (promise, answer) = deferred::<i32>();
    answer.cancel();
    assert!(promise.is_cancelled());
    promise.callback(1);
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_14_with_a_canceller_too() {
    let errors = Errors::catch();
    let notes = Notes::default();
    for what in 0..3 {
        let (promise, answer) = deferred::<i32>();
        promise.on_cancel(|| ());
        let heard = notes.clone();
        answer.add_both(move |result| heard.add(result.unwrap_err())).cancel();
        notes.expect(&["the operation was cancelled"]);
        match what {
            0 => promise.callback(1),
            1 => promise.errback(Failure::message("late")),
            _ => drop(promise),
        }
        notes.expect(&[]);
    }
    errors.expect(&[]);
}

#[test]
fn def_15_cancel_after_firing_does_nothing() {
    let notes = Notes::default();
    let (promise, answer) = deferred::<i32>();
    let called = notes.clone();
    promise.on_cancel(move || called.add("canceller"));
    promise.callback(1);
    answer.cancel();
    notes.expect(&[]);
    assert_eq!(answer.try_take().unwrap().unwrap(), 1);
}

#[test]
fn def_15_a_suspended_chain_cancels_what_it_waits_for() {
    let notes = Notes::default();
    let (promise, innermost) = deferred::<i32>();
    let called = notes.clone();
    promise.on_cancel(move || called.add("canceller"));
    let inner = succeed(()).add_callback(move |()| innermost);
    let answer = succeed(()).add_callback(move |()| inner).add_errback(|failure| {
        assert!(failure.is_cancelled());
        Ok(6)
    });
    answer.cancel();
    notes.expect(&["canceller"]);
    assert_eq!(answer.try_take().unwrap().unwrap(), 6);
}

#[test]
fn def_15_a_chain_that_waits_again_can_be_cancelled_again() {
    let (first_promise, first) = deferred::<i32>();
    let (second_promise, second) = deferred::<i32>();
    let answer = succeed(()).add_callback(move |()| first).add_errback(move |_| second);
    answer.cancel();
    assert!(first_promise.is_cancelled() && !second_promise.is_cancelled());
    assert!(!answer.has_result());
    answer.cancel();
    assert!(second_promise.is_cancelled());
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_15_cancelling_a_chain_while_it_runs_does_nothing() {
    let (promise, answer) = deferred::<i32>();
    let own = answer.canceller();
    let answer = answer.map(move |n| {
        own.cancel();
        n
    });
    promise.callback(2);
    assert_eq!(answer.try_take().unwrap().unwrap(), 2);
}

#[test]
fn def_15_a_canceller_outlives_chaining_and_detaching() {
    let (promise, first) = deferred::<i32>();
    let (inner_promise, inner) = deferred::<i32>();
    let canceller = first.canceller();
    assert!(canceller.is_waiting());
    drop(first.add_callback(move |_| inner).map(|n| n + 1));
    promise.callback(1);
    assert!(canceller.is_waiting() && !inner_promise.is_cancelled());
    canceller.cancel();
    assert!(inner_promise.is_cancelled() && !canceller.is_waiting());
    assert_eq!(format!("{canceller:?}"), "Canceller(idle)");
}

#[test]
fn def_15_the_canceller_of_an_inner_chain_does_not_reach_what_comes_after_it() {
    let (first_promise, first) = deferred::<i32>();
    let (second_promise, second) = deferred::<i32>();
    let inner_canceller = first.canceller();
    let answer = succeed(()).add_callback(move |()| first).add_callback(move |_| second);
    let outer_canceller = answer.canceller();
    first_promise.callback(1);
    inner_canceller.cancel();
    assert!(!second_promise.is_cancelled());
    outer_canceller.cancel();
    assert!(second_promise.is_cancelled());
    drop(answer);
}

#[test]
fn def_15_nor_does_it_when_the_inner_chain_ended_in_a_wait() {
    let (first_promise, first) = deferred::<i32>();
    let (second_promise, second) = deferred::<i32>();
    let (_third_promise, third) = deferred::<i32>();
    let inner_canceller = first.canceller();
    let inner = first.add_callback(move |_| second);
    let answer = succeed(()).add_callback(move |()| inner).add_callback(move |_| third);
    first_promise.callback(1);
    assert!(inner_canceller.is_waiting());
    second_promise.callback(2);
    assert!(!inner_canceller.is_waiting() && answer.canceller().is_waiting());
}

#[test]
fn def_15_nor_when_the_outer_chain_is_out_of_reach() {
    let (first_promise, first) = deferred::<i32>();
    let (second_promise, second) = deferred::<i32>();
    let (third_promise, third) = deferred::<i32>();
    let inner_canceller = first.canceller();
    let inner = first.add_callback(move |_| second);
    drop(succeed(()).add_callback(move |()| inner).add_callback(move |_| third));
    first_promise.callback(1);
    assert!(inner_canceller.is_waiting());
    second_promise.callback(2);
    assert!(!inner_canceller.is_waiting());
    inner_canceller.cancel();
    assert!(!third_promise.is_cancelled());
}

/// Rounds that each wait, then return the next round: a loop of callbacks.
mod rounds {
    use super::*;
    use twistor_deferred::Deferred;

    pub(super) type Waiting = Rc<RefCell<Option<Promise<bool>>>>;

    pub(super) fn rounds(waiting: &Waiting) -> Deferred<u32> {
        let (promise, round) = deferred();
        *waiting.borrow_mut() = Some(promise);
        let waiting = Rc::clone(waiting);
        round.add_callback(move |again| if again { rounds(&waiting) } else { succeed(99) })
    }
}

#[test]
fn def_15_cancellers_follow_a_loop_of_returned_deferreds() {
    let waiting = rounds::Waiting::default();
    let first_round = rounds::rounds(&waiting);
    let inner = first_round.canceller();
    let answer = succeed(()).add_callback(move |()| first_round);
    for _ in 0..10 {
        let promise = waiting.take().unwrap();
        promise.callback(true);
    }
    assert!(
        format!("{answer:?}").contains("Deferred (1 deep)"),
        "rounds that are over are out of the way: {answer:?}"
    );
    assert!(inner.is_waiting(), "the first round has become the tenth");
    inner.cancel();
    assert!(waiting.take().unwrap().is_cancelled());
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn def_15_cancellers_follow_a_loop_that_was_detached() {
    let waiting = rounds::Waiting::default();
    let answer = rounds::rounds(&waiting);
    let canceller = answer.canceller();
    drop(answer);
    for _ in 0..10 {
        let promise = waiting.take().unwrap();
        promise.callback(true);
    }
    assert!(canceller.is_waiting());
    canceller.cancel();
    assert!(waiting.take().unwrap().is_cancelled());
}

#[test]
fn def_16_a_canceller_that_panics_is_contained_and_the_deferred_still_fails() {
    let errors = Errors::catch();
    let (promise, answer) = deferred::<i32>();
    promise.on_cancel(|| panic!("expected by this test"));
    answer.cancel();
    errors.expect(&["panic while cancelling a Deferred [panic: \"expected by this test\"]"]);
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
    promise.callback(1);
}
