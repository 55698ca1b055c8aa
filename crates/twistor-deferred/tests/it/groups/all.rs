//! `deferred_list` and `gather_results`.

use std::cell::Cell;
use std::rc::Rc;

use super::{failure, ok, oops, pending};
use twistor_deferred::{
    Deferred, Failure, FirstError, deferred, deferred_list, fail, first_result, first_success,
    gather_results, succeed,
};

#[test]
fn def_18_a_list_has_every_result_in_input_order() {
    let (mut promises, inputs) = pending::<u8>(3);
    let list = deferred_list(inputs);
    promises.remove(2).callback(2);
    promises.remove(0).callback(0);
    let list = list.try_take().unwrap_err();
    promises.remove(0).errback(oops());
    let texts: Vec<_> = ok(list).into_iter().map(|it| it.map_err(|failure| failure.to_string())).collect();
    assert_eq!(texts, [Ok(0), Err("oops".to_owned()), Ok(2)]);
}

#[test]
fn def_18_a_tuple_gives_a_tuple_of_results() {
    let (promise, text) = deferred::<&str>();
    let both = deferred_list((text, fail::<u8>(oops())));
    assert!(!both.has_result());
    promise.callback("a");
    let (text, number) = ok(both);
    assert_eq!(text.unwrap(), "a");
    assert_eq!(number.unwrap_err().to_string(), "oops");
    let many = (
        succeed(1_u8),
        succeed("2"),
        succeed('3'),
        succeed(4.0),
        succeed(5_i64),
        succeed(()),
        succeed([7]),
        succeed(Some(8)),
    );
    let (a, b, c, d, e, f, g, h) = ok(deferred_list(many));
    let all =
        (a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap(), e.unwrap(), f.unwrap(), g.unwrap(), h.unwrap());
    assert_eq!(all, (1, "2", '3', 4.0, 5, (), [7], Some(8)));
}

#[test]
fn def_18_empty_list_fires_at_once() {
    assert!(ok(deferred_list(Vec::<Deferred<u8>>::new())).is_empty());
    ok(deferred_list(()));
}

#[test]
fn def_18_inputs_that_have_fired_are_taken_at_once_in_order() {
    let list = ok(deferred_list([succeed(1), fail(oops()), succeed(3)]));
    assert_eq!(list.into_iter().map(Result::ok).collect::<Vec<_>>(), [Some(1), None, Some(3)]);
    let (_promise, waiting) = deferred();
    assert_eq!(ok(first_success([waiting, fail(oops()), succeed(3), succeed(4)])), (2, 3));
    let (_promise, waiting) = deferred::<u8>();
    let (index, result) = ok(first_result([waiting, fail(oops()), succeed(3)]));
    assert_eq!((index, result.unwrap_err().to_string()), (1, "oops".to_owned()));
}

#[test]
fn def_20_gather_results_has_the_values_in_input_order() {
    let (mut promises, inputs) = pending(3);
    let values = gather_results(inputs);
    for (place, value) in [(1, "b"), (1, "c"), (0, "a")] {
        assert!(!values.has_result());
        promises.remove(place).callback(value);
    }
    assert_eq!(ok(values), ["a", "b", "c"]);
    assert!(ok(gather_results(Vec::<Deferred<u8>>::new())).is_empty());
    ok(gather_results(()));
    assert_eq!(ok(gather_results((succeed(1),))), (1,));
    assert_eq!(ok(gather_results((succeed(1), succeed("two"), succeed('3')))), (1, "two", '3'));
}

#[test]
fn def_20_the_first_failure_ends_it_and_the_others_keep_running() {
    let (mut promises, inputs) = pending::<u8>(3);
    let heard = Rc::new(Cell::new(0));
    let inputs = inputs.into_iter().map(|input| {
        let heard = Rc::clone(&heard);
        input.map(move |n| heard.set(heard.get() + n))
    });
    let values = gather_results(inputs);
    promises.remove(1).errback(oops());
    let failure = failure(values);
    let first = failure.downcast_ref::<FirstError>().unwrap();
    assert_eq!((first.index, first.failure.to_string()), (1, "oops".to_owned()));
    assert_eq!(format!("{failure:#}"), "input 1 of the group failed: oops");
    assert!(promises.iter().all(|promise| !promise.is_cancelled()));
    promises.remove(1).errback(Failure::message("late"));
    promises.remove(0).callback(7);
    assert_eq!(heard.get(), 7);
}

#[test]
fn def_20_a_tuple_fails_with_the_index_of_the_input() {
    let (promise, waiting) = deferred::<u8>();
    let both = gather_results((waiting, fail::<String>(std::fmt::Error)));
    let failure = failure(both);
    assert_eq!(failure.downcast_ref::<FirstError>().unwrap().index, 1);
    assert!(failure.find::<std::fmt::Error>().is_some());
    promise.callback(1);
}

#[test]
fn def_20_an_input_that_was_cancelled_alone_is_a_first_error() {
    let (_promises, inputs) = pending::<u8>(2);
    let canceller = inputs[1].canceller();
    let values = gather_results(inputs);
    canceller.cancel();
    let failure = failure(values);
    assert!(!failure.is_cancelled(), "nobody cancelled the group");
    assert!(failure.downcast_ref::<FirstError>().unwrap().failure.is_cancelled());
}
