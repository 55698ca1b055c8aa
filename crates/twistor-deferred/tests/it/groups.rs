//! Groups of Deferreds: all of them, or the first of them.

use std::cell::RefCell;
use std::rc::Rc;

use twistor_deferred::{
    Deferred, Failure, FailureGroup, Promise, deferred, deferred_list, first_result, first_success,
    gather_results, race,
};

mod all;
mod cancel;
mod deep;
mod first;
mod memory;
mod model;
mod newcomer;

fn oops() -> Failure {
    Failure::message("oops")
}

fn pending<T: 'static>(count: usize) -> (Vec<Promise<T>>, Vec<Deferred<T>>) {
    (0..count).map(|_| deferred()).unzip()
}

#[track_caller]
fn ok<T>(answer: Deferred<T>) -> T {
    answer.try_take().expect("it has fired").expect("it has a value")
}

#[track_caller]
fn failure<T: std::fmt::Debug>(answer: Deferred<T>) -> Failure {
    answer.try_take().expect("it has fired").expect_err("it has failed")
}

#[track_caller]
fn failure_texts<T: std::fmt::Debug>(answer: Deferred<T>) -> Vec<String> {
    let failure = failure(answer);
    let group = failure.downcast_ref::<FailureGroup>().expect("it is a FailureGroup");
    group.failures().iter().map(Failure::to_string).collect()
}

type Grouping = fn(Vec<Deferred<u8>>) -> Deferred<()>;

/// A group of each kind over the same inputs, with the type of its value forgotten.
fn each_kind() -> [(&'static str, Grouping); 5] {
    [
        ("list", |inputs| deferred_list(inputs).map(|_| ())),
        ("gather", |inputs| gather_results(inputs).map(|_| ())),
        ("first result", |inputs| first_result(inputs).map(|_| ())),
        ("first success", |inputs| first_success(inputs).map(|_| ())),
        ("race", |inputs| race(inputs).map(|_| ())),
    ]
}

/// An input whose canceller fires all inputs that were made in this way with the same list, the last one first.
fn fired_by_a_canceller<T: Clone + 'static>(
    promises: &Rc<RefCell<Vec<Promise<T>>>>,
    answer: Result<T, Failure>,
) -> Deferred<T> {
    let (promise, input) = deferred();
    let all = Rc::clone(promises);
    promise.on_cancel(move || {
        for promise in all.take().into_iter().rev() {
            promise.fire(answer.clone());
        }
    });
    promises.borrow_mut().push(promise);
    input
}
