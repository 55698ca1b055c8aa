//! Cancelling, dropping, and everything that happens at the wrong moment.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{each_kind, failure, fired_by_a_canceller, ok, oops, pending};
use crate::support::{Errors, Notes, OnDrop};
use twistor_deferred::{
    Canceller, Deferred, FirstError, Promise, deferred, deferred_list, fail, first_success, gather_results,
    race, succeed,
};

#[test]
fn def_19_no_failure_of_an_input_is_ever_unhandled() {
    let errors = Errors::catch();
    for (kind, group) in each_kind() {
        // Some before the group has fired, some after, some that had failed before there was a group.
        let (promises, mut inputs) = pending(4);
        inputs.push(fail(oops()));
        let answer = group(inputs).add_both(|_| {});
        for promise in promises {
            promise.errback(oops());
        }
        assert!(answer.has_result(), "{kind}");
        // All after it, promises that are dropped among them.
        let (promises, mut inputs) = pending(3);
        inputs.push(succeed(1));
        let answer = group(inputs).add_both(|_| {});
        drop(promises);
        assert!(answer.has_result(), "{kind}");
        drop(answer);
    }
    errors.expect(&[]);
}

#[test]
fn def_19_a_group_that_fails_is_logged_like_any_other() {
    let errors = Errors::catch();
    drop(gather_results([fail::<u8>(oops())]));
    drop(race([fail::<u8>(oops()), fail(oops())]));
    errors.expect(&[
        "unhandled failure in a Deferred [failure: input 0 of the group failed: oops]",
        "unhandled failure in a Deferred [failure: every input of the group failed: [0] oops; [1] oops]",
    ]);
}

#[test]
fn def_19_late_results_are_dropped() {
    let notes = Notes::default();
    let value = |name: &'static str| {
        let notes = notes.clone();
        OnDrop(move || notes.add(name))
    };
    let (mut promises, inputs) = pending(3);
    let group = gather_results(inputs);
    promises.remove(0).callback(value("early"));
    promises.remove(0).errback(oops());
    notes.expect(&["early"]);
    promises.remove(0).callback(value("late"));
    notes.expect(&["late"]);
    assert_eq!(group.try_take().unwrap().err().unwrap().downcast_ref::<FirstError>().unwrap().index, 1);
}

#[test]
fn def_19_cancel_reaches_every_input_that_waits_in_order() {
    for (kind, group) in each_kind() {
        for through_a_handle in [false, true] {
            let notes = Notes::default();
            let (promises, inputs) = pending(3);
            for (number, promise) in promises.iter().enumerate() {
                let notes = notes.clone();
                promise.on_cancel(move || notes.add(number));
            }
            let answer = group(inputs);
            if through_a_handle {
                answer.canceller().cancel();
            } else {
                answer.cancel();
            }
            notes.expect(&["0", "1", "2"]);
            assert!(promises.iter().all(Promise::is_cancelled), "{kind}");
            assert!(failure(answer).is_cancelled(), "{kind}");
        }
    }
}

#[test]
fn def_19_cancel_leaves_alone_what_has_fired() {
    let notes = Notes::default();
    let (mut promises, inputs) = pending::<u8>(3);
    for (number, promise) in promises.iter().enumerate() {
        let notes = notes.clone();
        promise.on_cancel(move || notes.add(number));
    }
    let list = deferred_list(inputs);
    promises.remove(1).callback(1);
    list.cancel();
    notes.expect(&["0", "2"]);
    list.cancel();
    assert!(failure(list).is_cancelled());
    // And a group that has fired cancels nothing any more.
    let (promises, mut inputs) = pending::<u8>(2);
    inputs.push(succeed(1));
    let first = first_success(inputs);
    first.cancel();
    assert!(promises.iter().all(|promise| !promise.is_cancelled()));
    assert_eq!(ok(first), (2, 1));
}

#[test]
fn def_19_cancel_reaches_a_tuple_and_what_an_input_is_suspended_on() {
    let (one, inner) = deferred::<u8>();
    let (other, waiting) = deferred::<char>();
    let both = gather_results((succeed(()).add_callback(|()| inner), waiting));
    both.cancel();
    assert!(one.is_cancelled() && other.is_cancelled());
    assert!(failure(both).is_cancelled());
    let (other, waiting) = deferred::<char>();
    let either = race((fail::<u8>(oops()), waiting));
    either.cancel();
    assert!(other.is_cancelled());
    assert!(failure(either).is_cancelled());
}

#[test]
fn def_19_whatever_the_inputs_make_of_it_a_cancelled_group_is_cancelled() {
    let errors = Errors::catch();
    for (kind, group) in each_kind() {
        for answers in [Ok(7), Err(oops())] {
            let promises: Rc<RefCell<Vec<_>>> = Rc::default();
            let inputs: Vec<_> = (0..3).map(|_| fired_by_a_canceller(&promises, answers.clone())).collect();
            let answer = group(inputs);
            answer.cancel();
            assert!(promises.borrow().is_empty(), "{kind}: all were fired");
            assert!(failure(answer).is_cancelled(), "{kind}");
        }
    }
    errors.expect(&[]);
}

#[test]
fn def_19_a_canceller_that_panics_is_contained_and_the_others_are_called() {
    let errors = Errors::catch();
    for (kind, group) in each_kind() {
        let (promises, inputs) = pending(3);
        promises[1].on_cancel(|| panic!("expected by this test"));
        let answer = group(inputs);
        answer.cancel();
        assert!(promises.iter().all(Promise::is_cancelled), "{kind}");
        assert!(failure(answer).is_cancelled(), "{kind}");
        errors.expect(&["panic while cancelling a Deferred [panic: \"expected by this test\"]"]);
    }
}

#[test]
fn def_19_dropping_the_group_cancels_nothing() {
    for (kind, group) in each_kind() {
        let (promises, inputs) = pending(2);
        let heard = Rc::new(Cell::new(0));
        let inputs = inputs
            .into_iter()
            .map(|input| {
                let heard = Rc::clone(&heard);
                input.map(move |n| heard.set(heard.get() + n))
            })
            .map(|input| input.map(|()| 1));
        drop(group(inputs.collect()));
        assert!(promises.iter().all(|promise| !promise.is_cancelled()), "{kind}");
        let expected = if kind == "race" { 1 } else { 3 };
        for (promise, n) in promises.into_iter().zip([1, 2]) {
            promise.callback(n);
        }
        assert_eq!(heard.get(), expected, "{kind}");
    }
}

#[test]
fn r12_a_callback_of_an_input_may_fire_cancel_and_drop_the_others() {
    for (kind, group) in each_kind() {
        let (mut promises, mut inputs) = pending(5);
        let canceller: Rc<RefCell<Option<Canceller>>> = Rc::default();
        let handle = Rc::clone(&canceller);
        let (third, fourth) = (promises.remove(2), promises.remove(2));
        let first = inputs.remove(0);
        inputs.insert(
            0,
            first.map(move |n| {
                third.callback(3);
                drop(fourth);
                let canceller = handle.borrow_mut().take();
                canceller.unwrap().cancel();
                n
            }),
        );
        let answer = group(inputs);
        *canceller.borrow_mut() = Some(answer.canceller());
        promises.remove(0).callback(1);
        assert!(answer.has_result(), "{kind}");
        let result = answer.try_take().unwrap();
        let (cancelled, others_too) = match kind {
            // Input 2 came first, while the callback of input 0 ran.
            "first result" | "first success" => (result.is_err(), false),
            "race" => (result.is_err(), true),
            // Input 3 was dropped, which was the first failure.
            "gather" => (result.unwrap_err().is_cancelled(), false),
            _ => (result.unwrap_err().is_cancelled(), true),
        };
        assert_eq!(cancelled, kind == "list", "{kind}");
        assert!(promises.iter().all(|promise| promise.is_cancelled() == others_too), "{kind}");
    }
}

#[test]
fn r12_a_destructor_of_a_dropped_value_may_cancel_the_group() {
    let (mut promises, inputs) = pending(3);
    let canceller: Rc<RefCell<Option<Canceller>>> = Rc::default();
    let handle = Rc::clone(&canceller);
    let values = gather_results(inputs);
    *canceller.borrow_mut() = Some(values.canceller());
    promises.remove(0).callback(OnDrop(move || handle.borrow().as_ref().unwrap().cancel()));
    promises.remove(0).errback(oops());
    let failure = values.try_take().unwrap().err().unwrap();
    assert!(failure.check::<FirstError>(), "what came first counts");
    assert!(!promises[0].is_cancelled());
}

#[test]
fn r02_a_destructor_that_panics_is_contained() {
    let errors = Errors::catch();
    let (mut promises, inputs) = pending(3);
    let values = gather_results(inputs);
    let rude = |text: &'static str| OnDrop(move || panic!("{text}"));
    promises.remove(0).callback(rude("expected by this test"));
    promises.remove(0).errback(oops());
    promises.remove(0).callback(rude("expected too"));
    assert!(values.try_take().unwrap().is_err());
    errors.expect(&[
        "panic while dropping a value [panic: \"expected by this test\"]",
        "panic while dropping a value [panic: \"expected too\"]",
    ]);
}

#[test]
fn r02_a_group_that_waits_for_itself_ends_by_a_cancel() {
    let group: Rc<RefCell<Option<Deferred<Vec<u8>>>>> = Rc::default();
    let own = Rc::clone(&group);
    let (promise, input) = deferred();
    let input = input.add_callback(move |()| own.borrow_mut().take().unwrap()).map(|all| all[0]);
    let values = gather_results([input]);
    let canceller = values.canceller();
    *group.borrow_mut() = Some(values);
    promise.callback(());
    assert!(canceller.is_waiting());
    canceller.cancel();
    assert!(!canceller.is_waiting());
}
