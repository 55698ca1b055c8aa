//! The cases of `twistor-deferred`, and its peers in them.
//!
//! All variants of a case do the same: they make the two ends of a result, add the stages, fire, and take the result
//! out. A stage adds a number to the value that it only knows at run time, so its closure has a state of eight bytes;
//! in the case `bare_stages` it has none, which spares a boxed closure its allocation, but no stage of a Deferred.
//!
//! What is made once in a program (a pool, a runtime) is made outside of what is measured.

use std::hint::black_box;

use twistor_deferred::Failure;

use crate::{Case, Variant};

mod handwritten;
mod in_futures;
mod in_tokio;
mod in_twistor;

/// What a stage adds.
const STEP: i64 = 7;

/// The name of the variant that is entered twice: what its two rows differ by is noise.
const AGAIN: &str = "the same again (A/A)";

/// [`STEP`], as a number the compiler knows nothing about.
fn step() -> i64 {
    black_box(STEP)
}

/// All cases, in the order of the table.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![
        no_stages(),
        three_stages(),
        bare_stages(),
        ten_stages(),
        failure_through_ten(),
        chain_fired(),
        chain_pending(),
        cancel(),
    ]
}

fn no_stages() -> Case {
    let expected = |n| n;
    Case {
        name: "no_stages",
        what: "make, fire, take the result",
        unit: 1,
        variants: vec![
            Variant::each("hand-written", expected, handwritten::no_stages),
            Variant::each(AGAIN, expected, handwritten::no_stages),
            Variant::each("Deferred", expected, in_twistor::no_stages),
            in_futures::spawned("futures, spawned on a LocalPool", expected, |answer| answer),
            in_tokio::spawned("tokio, spawned on a LocalSet", expected, |answer| answer),
        ],
    }
}

fn three_stages() -> Case {
    let expected = |n| n + 3 * STEP;
    let step = step();
    Case {
        name: "three_stages",
        what: "make, add three stages, fire, take the result",
        unit: 1,
        variants: vec![
            Variant::each("hand-written", expected, move |n| handwritten::stages::<3>(n, step)),
            Variant::each(AGAIN, expected, move |n| handwritten::stages::<3>(n, step)),
            Variant::each("Deferred", expected, move |n| in_twistor::three_stages(n, step)),
            in_futures::spawned("futures, spawned on a LocalPool", expected, move |it| {
                in_futures::three_stages(it, step)
            }),
            in_futures::run_until("futures, LocalPool::run_until", expected, move |it| {
                in_futures::three_stages(it, step)
            }),
            in_futures::awaited("futures, awaited in a running task", expected, move |it| {
                in_futures::three_stages(it, step)
            }),
            in_tokio::spawned("tokio, spawned on a LocalSet", expected, move |it| {
                in_futures::three_stages(it, step)
            }),
        ],
    }
}

fn bare_stages() -> Case {
    let expected = |n| n + 3;
    Case {
        name: "bare_stages",
        what: "the same with closures that capture nothing",
        unit: 1,
        variants: vec![
            Variant::each("hand-written", expected, handwritten::bare_stages),
            Variant::each(AGAIN, expected, handwritten::bare_stages),
            Variant::each("Deferred", expected, in_twistor::bare_stages),
        ],
    }
}

fn ten_stages() -> Case {
    let expected = |n| n + 10 * STEP;
    let step = step();
    Case {
        name: "ten_stages",
        what: "make, add ten stages, fire, take the result",
        unit: 1,
        variants: vec![
            Variant::each("hand-written", expected, move |n| handwritten::stages::<10>(n, step)),
            Variant::each(AGAIN, expected, move |n| handwritten::stages::<10>(n, step)),
            Variant::each("Deferred", expected, move |n| in_twistor::ten_stages(n, step)),
            in_futures::spawned("futures, spawned on a LocalPool", expected, move |it| {
                in_futures::ten_stages(it, step)
            }),
            in_tokio::spawned("tokio, spawned on a LocalSet", expected, move |it| {
                in_futures::ten_stages(it, step)
            }),
        ],
    }
}

fn failure_through_ten() -> Case {
    let expected = |n| n;
    let step = step();
    let failure = || Failure::message("no poem");
    let [ours, theirs, again] = [failure(), failure(), failure()];
    Case {
        name: "failure_through_ten",
        what: "make, add ten stages for values, fire with a failure, take it",
        unit: 1,
        variants: vec![
            Variant::each("hand-written, of a Result", expected, move |n| {
                handwritten::failure_through_ten(n, step, &theirs)
            }),
            Variant::each(AGAIN, expected, move |n| handwritten::failure_through_ten(n, step, &again)),
            Variant::each("Deferred", expected, move |n| in_twistor::failure_through_ten(n, step, &ours)),
        ],
    }
}

fn chain_fired() -> Case {
    let expected = |n| n + STEP;
    let step = step();
    Case {
        name: "chain_fired",
        what: "one stage, which returns an inner one that has its result",
        unit: 1,
        variants: vec![
            Variant::each("Deferred", expected, move |n| in_twistor::chain_fired(n, step)),
            Variant::each(AGAIN, expected, move |n| in_twistor::chain_fired(n, step)),
            in_futures::spawned("futures, spawned on a LocalPool", expected, move |it| {
                in_futures::chain_fired(it, step)
            }),
            in_tokio::spawned("tokio, spawned on a LocalSet", expected, move |it| {
                in_futures::chain_fired(it, step)
            }),
        ],
    }
}

fn chain_pending() -> Case {
    let expected = |n| n + STEP;
    let step = step();
    Case {
        name: "chain_pending",
        what: "one stage, which returns an inner one that is fired after the outer one",
        unit: 1,
        variants: vec![
            Variant::each("Deferred", expected, move |n| in_twistor::chain_pending(n, step)),
            Variant::each(AGAIN, expected, move |n| in_twistor::chain_pending(n, step)),
            in_futures::chain_pending("futures, spawned on a LocalPool", expected, step),
            in_tokio::chain_pending("tokio, spawned on a LocalSet", expected, step),
        ],
    }
}

fn cancel() -> Case {
    let expected = |n| n;
    let step = step();
    Case {
        name: "cancel",
        what: "make, add one stage, cancel, take the failure",
        unit: 1,
        variants: vec![
            Variant::each("Deferred", expected, move |n| in_twistor::cancel(n, step)),
            Variant::each(AGAIN, expected, move |n| in_twistor::cancel(n, step)),
            Variant::each("Deferred, with a canceller", expected, move |n| {
                in_twistor::cancel_with_canceller(n, step)
            }),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_gives_the_right_results() {
        for mut case in cases() {
            for variant in &mut case.variants {
                variant.run(20);
            }
        }
    }

    #[test]
    #[should_panic(expected = "wrong")]
    fn a_variant_that_is_wrong_is_found_out() {
        Variant::each("wrong", |n| n + 1, |n| if n == 19 { n } else { n + 1 }).run(20);
    }
}
