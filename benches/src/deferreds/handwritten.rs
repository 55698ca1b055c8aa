//! The cases, with the promise of [`crate::handmade`].

use twistor_deferred::Failure;

use crate::handmade::promise;

/// The result of a promise that was fired.
const FIRED: &str = "fired";

pub(super) fn no_stages(n: i64) -> i64 {
    let (promise, answer) = promise();
    promise.fire(n);
    answer.take().expect(FIRED)
}

pub(super) fn stages<const COUNT: usize>(n: i64, step: i64) -> i64 {
    let (promise, mut answer) = promise();
    for _ in 0..COUNT {
        answer = answer.then(move |x| x + step);
    }
    promise.fire(n);
    answer.take().expect(FIRED)
}

pub(super) fn bare_stages(n: i64) -> i64 {
    let (promise, answer) = promise();
    let answer = answer.then(|x| x + 1).then(|x| x + 1).then(|x| x + 1);
    promise.fire(n);
    answer.take().expect(FIRED)
}

pub(super) fn failure_through_ten(n: i64, step: i64, failure: &Failure) -> i64 {
    let (promise, mut answer) = promise::<Result<i64, Failure>>();
    for _ in 0..10 {
        answer = answer.then(move |result| result.map(|x| x + step));
    }
    promise.fire(Err(failure.clone()));
    let heard = answer.take().expect(FIRED).expect_err("it failed");
    if heard.is_same(failure) { n } else { -1 }
}
