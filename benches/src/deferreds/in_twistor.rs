//! The cases, with a `Deferred`.

use std::hint::black_box;

use twistor_deferred::{Deferred, Failure, deferred, succeed};

fn taken<T>(answer: Deferred<T>) -> Result<T, Failure> {
    answer.try_take().expect("fired")
}

/// The value of an answer that was fired with one.
fn value<T>(answer: Deferred<T>) -> T {
    taken(answer).expect("a value")
}

pub(super) fn no_stages(n: i64) -> i64 {
    let (promise, answer) = deferred();
    promise.callback(n);
    value(answer)
}

pub(super) fn three_stages(n: i64, step: i64) -> i64 {
    let (promise, answer) = deferred::<i64>();
    let answer = answer.map(move |x| x + step).map(move |x| x + step).map(move |x| x + step);
    promise.callback(n);
    value(answer)
}

pub(super) fn bare_stages(n: i64) -> i64 {
    let (promise, answer) = deferred::<i64>();
    let answer = answer.map(|x| x + 1).map(|x| x + 1).map(|x| x + 1);
    promise.callback(n);
    value(answer)
}

pub(super) fn ten_stages(n: i64, step: i64) -> i64 {
    let (promise, mut answer) = deferred::<i64>();
    for _ in 0..10 {
        answer = answer.map(move |x| x + step);
    }
    promise.callback(n);
    value(answer)
}

pub(super) fn failure_through_ten(n: i64, step: i64, failure: &Failure) -> i64 {
    let (promise, mut answer) = deferred::<i64>();
    for _ in 0..10 {
        answer = answer.map(move |x| x + step);
    }
    promise.errback(failure.clone());
    let heard = taken(answer).expect_err("it failed");
    if heard.is_same(failure) { n } else { -1 }
}

pub(super) fn chain_fired(n: i64, step: i64) -> i64 {
    let (promise, answer) = deferred::<i64>();
    let answer = answer.add_callback(move |x| succeed(x + step));
    promise.callback(n);
    value(answer)
}

pub(super) fn chain_pending(n: i64, step: i64) -> i64 {
    let (promise, answer) = deferred::<i64>();
    let (inner_promise, inner) = deferred::<i64>();
    let answer = answer.add_callback(move |_| inner);
    promise.callback(n);
    inner_promise.callback(n + step);
    value(answer)
}

pub(super) fn cancel(n: i64, step: i64) -> i64 {
    let (promise, answer) = deferred::<i64>();
    let answer = answer.map(move |x| x + step);
    answer.cancel();
    let failed = taken(answer).is_err_and(|failure| failure.is_cancelled());
    if failed && promise.is_cancelled() { n } else { -1 }
}

pub(super) fn cancel_with_canceller(n: i64, step: i64) -> i64 {
    let (promise, answer) = deferred::<i64>();
    promise.on_cancel(move || {
        black_box(step);
    });
    let answer = answer.map(move |x| x + step);
    answer.cancel();
    let failed = taken(answer).is_err_and(|failure| failure.is_cancelled());
    if failed && promise.is_cancelled() { n } else { -1 }
}
