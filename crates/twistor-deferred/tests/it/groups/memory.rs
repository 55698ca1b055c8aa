//! After a group nothing is left of it.

use std::rc::Rc;

use super::{each_kind, oops, pending};
use twistor_deferred::{Deferred, Promise, deferred, gather_results, race};

/// Inputs with a stage that owns a token, and whose cancellers own one too, and the promises of them.
fn tracked(count: usize) -> (Rc<()>, Vec<Promise<u8>>, Vec<Deferred<u8>>) {
    let token = Rc::new(());
    let (promises, inputs) = pending::<u8>(count);
    for promise in &promises {
        let token = Rc::clone(&token);
        promise.on_cancel(move || drop(token));
    }
    let inputs = inputs.into_iter().map(|input| {
        let token = Rc::clone(&token);
        input.map(move |n| {
            drop(token);
            n
        })
    });
    let inputs = inputs.collect();
    (token, promises, inputs)
}

#[test]
fn def_19_nothing_is_left_when_all_have_fired() {
    for (kind, group) in each_kind() {
        let (token, promises, inputs) = tracked(3);
        assert_eq!(Rc::strong_count(&token), 7);
        let answer = group(inputs);
        for promise in promises {
            promise.callback(1);
        }
        assert_eq!(Rc::strong_count(&token), 1, "{kind}");
        assert!(answer.has_result(), "{kind}");
    }
}

#[test]
fn def_19_nothing_is_left_of_a_group_that_was_cancelled() {
    for (kind, group) in each_kind() {
        let (token, promises, inputs) = tracked(3);
        let answer = group(inputs);
        answer.cancel();
        assert_eq!(Rc::strong_count(&token), 1, "{kind}");
        drop((promises, answer));
    }
}

#[test]
fn def_19_a_group_that_was_dropped_goes_with_its_promises() {
    for (kind, group) in each_kind() {
        let (token, promises, inputs) = tracked(3);
        let answer = group(inputs).add_both(|_| {});
        let canceller = answer.canceller();
        drop(answer);
        assert_eq!(Rc::strong_count(&token), 7, "{kind}: dropping detaches");
        drop(promises);
        assert_eq!(Rc::strong_count(&token), 1, "{kind}");
        assert!(!canceller.is_waiting(), "{kind}");
    }
}

#[test]
fn def_19_kept_values_are_dropped_at_the_first_failure() {
    let token = Rc::new(());
    let (mut promises, inputs) = pending(2);
    let values = gather_results(inputs);
    promises.remove(0).callback(Rc::clone(&token));
    assert_eq!(Rc::strong_count(&token), 2);
    promises.remove(0).errback(oops());
    assert_eq!(Rc::strong_count(&token), 1);
    assert!(values.try_take().unwrap().is_err());
}

#[test]
fn def_19_what_was_kept_is_gone_when_the_callbacks_of_the_group_run() {
    let token = Rc::new(());
    let (mut promises, inputs) = pending(2);
    let seen = Rc::downgrade(&token);
    let count = gather_results(inputs).map(|_| 9).add_errback(move |_| Ok(seen.strong_count()));
    promises.remove(0).callback(Rc::clone(&token));
    promises.remove(0).errback(oops());
    assert_eq!(count.try_take().unwrap().unwrap(), 1);
}

#[test]
fn def_21_the_losers_are_gone_even_if_their_promises_stay() {
    let (token, mut promises, inputs) = tracked(3);
    let answer = race(inputs);
    promises.remove(1).callback(1);
    assert_eq!(Rc::strong_count(&token), 1, "stages and cancellers of the losers are dropped");
    assert_eq!(answer.try_take().unwrap().unwrap(), (1, 1));
    drop(promises);
}

#[test]
fn def_19_a_tuple_keeps_nothing_either() {
    let token = Rc::new(());
    let owned = Rc::clone(&token);
    let (promise, one) = deferred::<Rc<()>>();
    let (other, two) = deferred::<u8>();
    other.on_cancel(move || drop(owned));
    let both = gather_results((one, two));
    promise.callback(Rc::clone(&token));
    assert_eq!(Rc::strong_count(&token), 3);
    both.cancel();
    assert_eq!(Rc::strong_count(&token), 1);
    drop((both, other));
}
