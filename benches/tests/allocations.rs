//! What a Deferred allocates: once for the root, once for each stage, and not at all when it is fired.
//!
//! The closures here capture an array, so one that is boxed on its own is counted.

use std::hint::black_box;

use allocation_counter::measure;
use twistor_deferred::{Deferred, Failure, deferred, fail, succeed};

/// What `f` gives, and how often it allocates.
fn count<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let mut given = None;
    let info = measure(|| given = Some(f()));
    (given.unwrap(), info.count_total)
}

/// State of 64 bytes for a closure to own.
fn state() -> [u64; 8] {
    black_box([7; 8])
}

type Add = fn(Deferred<u64>) -> Deferred<u64>;

/// Every kind of stage, and what it makes of 1.
const VALUE_STAGES: [(&str, Add, u64); 5] = [
    (
        "map",
        |answer| {
            let state = state();
            answer.map(move |n| n + state[0])
        },
        8,
    ),
    (
        "add_callback",
        |answer| {
            let state = state();
            answer.add_callback(move |n| Ok(n + state[0]))
        },
        8,
    ),
    (
        "add_callbacks",
        |answer| {
            let (state, other) = (state(), state());
            answer.add_callbacks(move |n| Ok(n + state[0]), move |_| Ok(other[0]))
        },
        8,
    ),
    (
        "add_both",
        |answer| {
            let state = state();
            answer.add_both(move |result| Ok(result? + state[0]))
        },
        8,
    ),
    (
        "add_errback, passed by",
        |answer| {
            let state = state();
            answer.add_errback(move |_| Ok(state[0]))
        },
        1,
    ),
];

#[test]
fn a_root_is_one_allocation() {
    let (ends, allocations) = count(deferred::<u64>);
    assert_eq!(allocations, 1);
    let (_ready, allocations) = count(|| succeed(1_u64));
    assert_eq!(allocations, 1);
    drop(ends);
}

#[test]
fn every_kind_of_stage_is_one_allocation_and_firing_is_none() {
    for (name, add, made) in VALUE_STAGES {
        let (promise, answer) = deferred();
        let (answer, allocations) = count(|| add(answer));
        assert_eq!(allocations, 1, "adding {name}");
        let ((), allocations) = count(|| promise.callback(1));
        assert_eq!(allocations, 0, "firing {name}");
        let (value, allocations) = count(|| answer.try_take().unwrap().unwrap());
        assert_eq!((value, allocations), (made, 0), "taking what {name} made");
    }
}

#[test]
fn every_kind_of_stage_is_one_allocation_when_the_result_is_there() {
    for (name, add, made) in VALUE_STAGES {
        let answer = succeed(1);
        let (answer, allocations) = count(|| add(answer));
        assert_eq!(allocations, 1, "adding {name}");
        assert_eq!(answer.try_take().unwrap().unwrap(), made, "{name}");
    }
}

#[test]
fn an_errback_is_one_allocation_and_a_failure_that_is_there_travels_for_free() {
    let (promise, answer) = deferred::<u64>();
    let state = state();
    let (answer, allocations) = count(|| {
        answer
            .map(move |n| n + state[0])
            .map_failure(move |failure| if state[0] == 0 { Failure::message("never") } else { failure })
            .inspect_failure(move |_| assert_eq!(state[1], 7))
            .add_errback(move |_| Ok(state[0]))
    });
    assert_eq!(allocations, 4);
    let failure = Failure::message("no poem");
    let ((), allocations) = count(|| promise.errback(failure));
    assert_eq!(allocations, 0);
    assert_eq!(answer.try_take().unwrap().unwrap(), 7);
}

#[test]
fn a_failure_of_an_error_is_one_allocation() {
    let (promise, answer) = deferred::<u64>();
    let answer = answer.add_errback(|_| Ok(0));
    let ((), allocations) = count(|| promise.errback(std::fmt::Error));
    assert_eq!(allocations, 1);
    drop(answer);
    let (failed, allocations) = count(|| fail::<u64>(std::fmt::Error));
    assert_eq!(allocations, 2, "the failure and the root");
    drop(failed.add_errback(|_| Ok(0)));
}

#[test]
fn many_stages_are_as_many_allocations_and_firing_them_is_none() {
    let (promise, mut answer) = deferred::<u64>();
    let ((), allocations) = count(|| {
        for _ in 0..1_000 {
            let state = state();
            answer = std::mem::replace(&mut answer, succeed(0)).map(move |n| n + state[0]);
        }
    });
    assert_eq!(allocations, 2_000, "a stage each, and what takes the place of the Deferred meanwhile");
    let ((), allocations) = count(|| promise.callback(1));
    assert_eq!(allocations, 0);
    assert_eq!(answer.try_take().unwrap().unwrap(), 7_001);
}

#[test]
fn waiting_for_an_inner_deferred_allocates_nothing() {
    let (promise, answer) = deferred::<u64>();
    let (inner_promise, inner) = deferred::<u64>();
    let state = state();
    let (answer, allocations) =
        count(|| answer.add_callback(move |n| inner.map(move |m| n + m + state[0])).map(|n| n * 2));
    assert_eq!(allocations, 2);
    let ((), allocations) = count(|| promise.callback(1));
    assert_eq!(allocations, 1, "the stage that the callback adds to the inner one");
    let ((), allocations) = count(|| inner_promise.callback(2));
    assert_eq!(allocations, 0);
    assert_eq!(answer.try_take().unwrap().unwrap(), 20);
}

#[test]
fn an_inner_deferred_that_has_its_result_is_its_root_alone() {
    let (promise, answer) = deferred::<u64>();
    let answer = answer.add_callback(|n| succeed(n + 1));
    let ((), allocations) = count(|| promise.callback(1));
    assert_eq!(allocations, 1);
    assert_eq!(answer.try_take().unwrap().unwrap(), 2);
}

#[test]
fn cancelling_allocates_the_failure_and_a_canceller_is_boxed() {
    let (promise, answer) = deferred::<u64>();
    let state = state();
    let ((), allocations) = count(|| promise.on_cancel(move || assert_eq!(state[0], 7)));
    assert_eq!(allocations, 1, "the canceller");
    // `Cancelled` has no size, but a failure is a shared pointer with its counts.
    let ((), allocations) = count(|| answer.cancel());
    assert_eq!(allocations, 1, "the failure");
    assert!(promise.is_cancelled());
    drop(answer);
}

#[test]
fn nothing_is_left_behind() {
    let info = measure(|| {
        let (fired, one) = deferred();
        let (failed, two) = deferred::<u64>();
        let (cancelled, three) = deferred();
        let (abandoned, four) = deferred();
        let add = VALUE_STAGES[0].1;
        let answers = [one, two, three, four].map(add);
        fired.callback(1);
        failed.errback(std::fmt::Error);
        answers[2].cancel();
        drop(abandoned);
        assert!(answers.into_iter().all(|answer| answer.try_take().is_ok()));
        drop(cancelled);
    });
    assert!(info.count_total >= 8);
    assert_eq!((info.count_current, info.bytes_current), (0, 0));
}
