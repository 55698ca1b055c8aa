//! `first_result`, `first_success` and `race`.

use std::cell::RefCell;
use std::rc::Rc;

use super::{failure, failure_texts, fired_by_a_canceller, ok, oops, pending};
use crate::support::Notes;
use twistor_deferred::{
    Canceller, Deferred, Failure, FailureGroup, OneOf2, OneOf3, OneOf4, Promise, deferred, fail,
    first_result, first_success, race, succeed,
};

#[test]
fn def_18_first_success_is_the_first_value_and_its_index() {
    let (mut promises, inputs) = pending::<&str>(3);
    let first = first_success(inputs);
    promises.remove(1).errback(oops());
    let first = first.try_take().unwrap_err();
    promises.remove(1).callback("two");
    assert_eq!(ok(first), (2, "two"));
    assert!(!promises[0].is_cancelled(), "the others keep running");
    promises.remove(0).callback("late");
}

#[test]
fn def_18_first_success_of_nothing_but_failures_has_them_in_input_order() {
    let (promises, inputs) = pending::<u8>(3);
    let first = first_success(inputs);
    for (number, promise) in promises.into_iter().enumerate().rev() {
        assert!(!first.has_result());
        promise.errback(Failure::message(format!("no {number}")));
    }
    assert_eq!(failure_texts(first), ["no 0", "no 1", "no 2"]);
}

#[test]
fn def_18_first_result_is_the_first_of_any_kind() {
    let (mut promises, inputs) = pending::<u8>(3);
    let first = first_result(inputs);
    promises.remove(1).errback(oops());
    let (index, result) = ok(first);
    assert_eq!((index, result.unwrap_err().to_string()), (1, "oops".to_owned()));
    assert!(promises.iter().all(|promise| !promise.is_cancelled()));
}

#[test]
fn def_18_the_first_of_a_tuple_says_which_it_was() {
    let (_text, waiting) = deferred::<String>();
    assert_eq!(ok(first_success((waiting, succeed(2)))), OneOf2::Second(2));
    assert_eq!(ok(first_success((fail::<u8>(oops()), fail::<u8>(oops()), succeed('c')))), OneOf3::Third('c'));
    let four = (fail::<u8>(oops()), fail::<u8>(oops()), fail::<u8>(oops()), succeed("d"));
    assert_eq!(ok(first_success(four)), OneOf4::Fourth("d"));
    let OneOf2::First(Err(first)) = ok(first_result((fail::<u8>(oops()), succeed(2)))) else {
        panic!("the first one came first");
    };
    assert_eq!(first.to_string(), "oops");
    let none = first_success((fail::<u8>(oops()), fail::<char>(Failure::message("no"))));
    assert_eq!(failure_texts(none), ["oops", "no"]);
}

#[test]
fn def_18_the_first_of_nothing_fails_at_once() {
    assert!(failure_texts(first_result(Vec::<Deferred<u8>>::new())).is_empty());
    assert!(failure_texts(first_success(Vec::<Deferred<u8>>::new())).is_empty());
    assert_eq!(failure(first_success(Vec::<Deferred<u8>>::new())).to_string(), "the group had no inputs");
}

#[test]
fn def_21_the_losers_are_cancelled_before_the_race_fires() {
    let notes = Notes::default();
    let (mut promises, inputs) = pending(4);
    for (number, promise) in promises.iter().enumerate() {
        let notes = notes.clone();
        promise.on_cancel(move || notes.add(number));
    }
    let heard = notes.clone();
    let answer = race(inputs).map(move |(index, value)| heard.add(format!("{value} of {index}")));
    promises.remove(3).errback(oops());
    notes.expect(&[]);
    promises.remove(1).callback("won");
    notes.expect(&["0", "2", "won of 1"]);
    ok(answer);
}

#[test]
fn def_21_a_race_that_is_won_before_it_begins_cancels_the_others() {
    let (promises, mut inputs) = pending(2);
    inputs.insert(1, succeed("first"));
    inputs.push(succeed("second"));
    assert_eq!(ok(race(inputs)), (1, "first"));
    assert!(promises.iter().all(Promise::is_cancelled));
    let (promise, waiting) = deferred::<u8>();
    assert_eq!(ok(race((waiting, succeed("first")))), OneOf2::Second("first"));
    assert!(promise.is_cancelled());
}

#[test]
fn def_21_all_failed_is_a_failure_group_in_input_order() {
    let (promises, inputs) = pending::<u8>(6);
    let answer = race(inputs);
    for (number, promise) in promises.into_iter().enumerate().rev() {
        promise.errback(Failure::message(format!("no {number}")));
    }
    let failure = failure(answer);
    assert_eq!(
        failure.to_string(),
        "every input of the group failed: [0] no 0; [1] no 1; [2] no 2; [3] no 3; and 2 more"
    );
    let group = failure.trap::<FailureGroup>().unwrap().clone();
    assert_eq!(group.into_failures()[5].to_string(), "no 5");
}

#[test]
fn def_21_a_race_of_nothing_fails_at_once() {
    assert!(failure_texts(race(Vec::<Deferred<u8>>::new())).is_empty());
}

#[test]
fn def_21_the_winner_stays_the_first_whatever_cancellers_fire() {
    let promises: Rc<RefCell<Vec<_>>> = Rc::default();
    let (first, winner) = deferred();
    let mut inputs: Vec<_> = (0..4).map(|_| fired_by_a_canceller(&promises, Ok("late"))).collect();
    inputs.insert(2, winner);
    let answer = race(inputs);
    first.callback("first");
    assert!(promises.borrow().is_empty(), "the first canceller fired them all");
    assert_eq!(ok(answer), (2, "first"));
}

#[test]
fn def_21_a_race_that_a_loser_cancels_has_its_winner_all_the_same() {
    let (first, winner) = deferred();
    let (loser, waiting) = deferred();
    let (last, also_waiting) = deferred();
    let group: Rc<RefCell<Option<Canceller>>> = Rc::default();
    let handle = Rc::clone(&group);
    loser.on_cancel(move || handle.borrow().as_ref().unwrap().cancel());
    let answer = race([winner, waiting, also_waiting]);
    *group.borrow_mut() = Some(answer.canceller());
    first.callback(1);
    assert!(loser.is_cancelled() && last.is_cancelled());
    assert_eq!(ok(answer), (0, 1));
}
