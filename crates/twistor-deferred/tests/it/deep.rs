//! A million of everything, on a small stack.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::support::on_a_small_stack;
use twistor_deferred::{Deferred, Failure, Promise, deferred, succeed};

const MILLION: u32 = 1_000_000;

/// A chain of a million stages, each adding one.
fn long_chain() -> (Promise<u32>, Deferred<u32>) {
    let (promise, mut answer) = deferred();
    for _ in 0..MILLION {
        answer = answer.map(|n| n + 1);
    }
    (promise, answer)
}

/// A million chains, each waiting for its promise and then returning the Deferred of the one before.
fn nested() -> (Vec<Promise<u32>>, Deferred<u32>) {
    let (promise, mut answer) = deferred();
    let mut promises = vec![promise];
    for _ in 0..MILLION {
        let (promise, outer) = deferred();
        promises.push(promise);
        answer = outer.add_callback(move |_| answer);
    }
    (promises, answer)
}

#[test]
fn def_07_deep_chain_is_iterative() {
    on_a_small_stack(|| {
        let (promise, answer) = long_chain();
        promise.callback(0);
        assert_eq!(answer.try_take().unwrap().unwrap(), MILLION);

        let (promise, answer) = long_chain();
        promise.errback(std::fmt::Error);
        assert!(answer.try_take().unwrap().is_err());

        let (_promise, answer) = long_chain();
        answer.cancel();
        assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
    });
}

#[test]
fn def_07_deep_chain_is_dropped_iteratively_from_either_end() {
    on_a_small_stack(|| {
        let (promise, answer) = long_chain();
        drop(promise);
        assert!(answer.try_take().unwrap().unwrap_err().is_abandoned());

        let (promise, answer) = long_chain();
        drop(answer);
        drop(promise);
    });
}

#[test]
fn def_07_a_million_stages_each_return_a_fired_deferred() {
    on_a_small_stack(|| {
        let (promise, mut answer) = deferred();
        for _ in 0..MILLION {
            answer = answer.add_callback(|n: u32| succeed(n + 1));
        }
        promise.callback(0);
        assert_eq!(answer.try_take().unwrap().unwrap(), MILLION);
    });
}

#[test]
fn def_07_nested_deferreds_fired_from_the_outside_in() {
    on_a_small_stack(|| {
        let (promises, answer) = nested();
        // Each one suspends on the next, a million deep, and the last one sets them all off.
        for promise in promises.into_iter().rev() {
            promise.callback(7);
        }
        assert_eq!(answer.try_take().unwrap().unwrap(), 7);
    });
}

#[test]
fn def_07_nested_deferreds_fired_from_the_inside_out() {
    on_a_small_stack(|| {
        let (promises, answer) = nested();
        for promise in promises {
            promise.callback(7);
        }
        assert_eq!(answer.try_take().unwrap().unwrap(), 7);
    });
}

/// A million chains that have fired already, each suspended on the one before.
fn nested_on_fired_outsides() -> (Promise<u32>, Deferred<u32>) {
    let (promise, mut answer) = deferred();
    for _ in 0..MILLION {
        answer = succeed(()).add_callback(move |()| answer);
    }
    (promise, answer)
}

#[test]
fn def_07_suspended_chains_fire_cancel_and_drop_iteratively() {
    on_a_small_stack(|| {
        let (promise, answer) = nested_on_fired_outsides();
        assert!(format!("{answer:?}").contains("(1000000 deep)"));
        promise.callback(7);
        assert_eq!(answer.try_take().unwrap().unwrap(), 7);

        let (promise, answer) = nested_on_fired_outsides();
        answer.cancel();
        assert!(promise.is_cancelled());
        assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());

        let (promise, answer) = nested_on_fired_outsides();
        drop(answer);
        promise.callback(7);

        let (promise, answer) = nested_on_fired_outsides();
        let canceller = answer.canceller();
        drop(answer);
        drop(promise);
        drop(canceller);
    });
}

#[test]
fn def_07_the_innermost_chain_may_wait_for_many_more() {
    on_a_small_stack(|| {
        let (promise, innermost) = deferred::<u32>();
        let (promises, more) = (0..1000).map(|_| deferred::<u32>()).collect::<(Vec<_>, Vec<_>)>();
        let mut answer = innermost;
        for inner in more {
            answer = answer.add_callback(move |_| inner);
        }
        for _ in 0..MILLION {
            answer = succeed(()).add_callback(move |()| answer);
        }
        promise.callback(0);
        for promise in promises {
            promise.callback(7);
        }
        assert_eq!(answer.try_take().unwrap().unwrap(), 7);
    });
}

/// The promise of the round that is being waited for.
type Waiting = Rc<RefCell<Option<Promise<u32>>>>;

fn countdown(waiting: &Waiting) -> Deferred<&'static str> {
    let (promise, round) = deferred();
    *waiting.borrow_mut() = Some(promise);
    let waiting = Rc::clone(waiting);
    round.add_callback(move |left: u32| if left == 0 { succeed("done") } else { countdown(&waiting) })
}

#[test]
fn def_07_a_loop_of_callbacks_that_return_the_next_round() {
    on_a_small_stack(|| {
        let waiting = Waiting::default();
        let answer = countdown(&waiting);
        let first_round = answer.canceller();
        for left in (0..MILLION).rev() {
            let promise = waiting.take().unwrap();
            promise.callback(left);
        }
        assert_eq!(answer.try_take().unwrap().unwrap(), "done");
        drop(first_round);
    });
}

#[test]
fn def_07_promises_owned_by_callbacks_that_are_dropped() {
    on_a_small_stack(|| {
        let reached = Rc::new(Cell::new(0));
        let (mut promise, last) = deferred::<u32>();
        let count = Rc::clone(&reached);
        last.add_errback(move |failure: Failure| {
            assert!(failure.is_abandoned());
            count.set(count.get() + 1);
            Ok(0)
        });
        for _ in 0..MILLION {
            let (before, answer) = deferred::<u32>();
            // Every callback owns the next promise and is never called.
            answer.add_callback(move |n| promise.callback(n)).add_errback(|_| Ok(()));
            promise = before;
        }
        promise.errback(std::fmt::Error);
        assert_eq!(reached.get(), 1);
    });
}

#[test]
fn def_07_promises_owned_by_callbacks_that_are_called_and_forget_them() {
    on_a_small_stack(|| {
        let reached = Rc::new(Cell::new(0));
        let (mut promise, last) = deferred::<u32>();
        let count = Rc::clone(&reached);
        last.add_both(move |_| count.set(count.get() + 1));
        for _ in 0..MILLION {
            let (before, answer) = deferred::<u32>();
            answer.add_both(move |_| drop(promise));
            promise = before;
        }
        drop(promise);
        assert_eq!(reached.get(), 1);
    });
}

#[test]
fn def_07_promises_dropped_by_an_abandoned_chain_run_in_order() {
    let notes = crate::support::Notes::default();
    let (first, first_answer) = deferred::<u32>();
    let (second, second_answer) = deferred::<u32>();
    let (outer, outer_answer) = deferred::<u32>();
    let (a, b, c, d) = (notes.clone(), notes.clone(), notes.clone(), notes.clone());
    first_answer.add_both(move |_| a.add("first"));
    second_answer.add_both(move |_| b.add("second"));
    outer_answer
        .add_both(move |_| {
            drop(first);
            drop(second);
            c.add("outer");
        })
        .map(move |()| d.add("outer again"));
    drop(outer);
    notes.expect(&["outer", "outer again", "first", "second"]);
}
