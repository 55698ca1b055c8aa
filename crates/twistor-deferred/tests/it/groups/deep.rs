//! Very many inputs, on a small stack: what took a frame for each would not survive, nor would the tests end
//! if each looked at all the others.

use super::{each_kind, oops, pending};
use crate::support::on_a_small_stack;
use twistor_deferred::{deferred, deferred_list, gather_results, race, succeed};

const MANY: usize = 100_000;
const MILLION: usize = 1_000_000;

#[test]
fn r02_very_many_inputs_of_each_kind_fire() {
    on_a_small_stack(|| {
        for (kind, group) in each_kind() {
            let (promises, inputs) = pending(MANY);
            let answer = group(inputs);
            for promise in promises {
                promise.callback(1);
            }
            assert!(answer.try_take().unwrap().is_ok(), "{kind}");
        }
    });
}

#[test]
fn r02_very_many_inputs_fail_by_being_dropped() {
    on_a_small_stack(|| {
        for (kind, group) in each_kind() {
            let (promises, inputs) = pending(MANY);
            let answer = group(inputs).add_both(|_| {});
            drop(promises);
            assert!(answer.try_take().unwrap().is_ok(), "{kind}");
        }
    });
}

#[test]
fn r02_very_many_inputs_are_cancelled() {
    on_a_small_stack(|| {
        for (kind, group) in each_kind() {
            let (promises, inputs) = pending(MANY);
            let answer = group(inputs);
            answer.cancel();
            assert!(promises[MANY - 1].is_cancelled(), "{kind}");
            assert!(answer.try_take().unwrap().unwrap_err().is_cancelled(), "{kind}");
        }
    });
}

#[test]
fn r02_a_million_losers_are_cancelled_and_each_drops_the_next() {
    on_a_small_stack(|| {
        let (mut promises, inputs) = pending(MILLION);
        let winner = promises.swap_remove(0);
        let mut before = None;
        for promise in promises {
            let owned = before.replace(promise);
            before.as_ref().unwrap().on_cancel(move || drop(owned));
        }
        let answer = race(inputs);
        winner.callback(7);
        assert_eq!(answer.try_take().unwrap().unwrap(), (0, 7));
        assert!(before.unwrap().is_cancelled());
    });
}

#[test]
fn r02_very_many_inputs_had_fired() {
    on_a_small_stack(|| {
        for (kind, group) in each_kind() {
            let answer = group((0..MANY).map(|_| succeed(1)).collect());
            assert!(answer.try_take().unwrap().is_ok(), "{kind}");
        }
    });
}

#[test]
fn r02_a_million_kept_values_are_dropped_at_the_first_failure() {
    on_a_small_stack(|| {
        let (promise, last) = deferred();
        let values = gather_results((0..MILLION).map(|_| succeed(Box::new(1))).chain([last]));
        promise.errback(oops());
        assert!(values.try_take().unwrap().is_err());
    });
}

#[test]
fn r02_a_million_inputs_fire_and_a_million_are_cancelled() {
    on_a_small_stack(|| {
        let (promises, inputs) = pending::<usize>(MILLION);
        let values = gather_results(inputs);
        for (number, promise) in promises.into_iter().enumerate() {
            promise.callback(number);
        }
        assert_eq!(values.try_take().unwrap().unwrap().len(), MILLION);

        let (promises, inputs) = pending::<usize>(MILLION);
        let list = deferred_list(inputs);
        list.cancel();
        assert!(promises[MILLION - 1].is_cancelled());
        assert!(list.try_take().unwrap().unwrap_err().is_cancelled());
    });
}
