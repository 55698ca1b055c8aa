//! The Deferred's rules about firing and chaining.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::support::{Notes, OnDrop};
use twistor_deferred::{Deferred, Failure, Panicked, deferred, fail, maybe_deferred, succeed};

#[track_caller]
fn value<T>(deferred: Deferred<T>) -> T {
    deferred.try_take().expect("no result yet").expect("a failure")
}

#[track_caller]
fn failure<T: std::fmt::Debug>(deferred: Deferred<T>) -> Failure {
    deferred.try_take().expect("no result yet").expect_err("a value")
}

#[test]
fn def_01_callbacks_run_when_fired_and_at_once_when_added_later() {
    let notes = Notes::default();
    let (promise, answer) = deferred();
    let (first, second) = (notes.clone(), notes.clone());
    let answer = answer.map(move |n: i32| {
        first.add(n);
        n + 1
    });
    notes.expect(&[]);
    promise.callback(1);
    notes.expect(&["1"]);
    let answer = answer.map(move |n| second.add(n));
    notes.expect(&["2"]);
    assert!(answer.has_result());
}

#[test]
fn def_02_each_stage_decides_on_which_side_the_next_hears_it() {
    let notes = Notes::default();
    let (a, b, c, d) = (notes.clone(), notes.clone(), notes.clone(), notes.clone());
    let answer = succeed(1)
        .add_errback(move |_| {
            a.add("skipped");
            Ok(0)
        })
        .add_callback(|n| if n == 1 { Err(Failure::message("one")) } else { Ok(n) })
        .add_callback(move |n| {
            b.add("skipped too");
            Ok(n)
        })
        .add_errback(move |failure| {
            c.add(&failure);
            Ok(7)
        })
        .add_callbacks(
            move |n| {
                d.add(n);
                Err::<(), _>(Failure::message("not for the errback beside it"))
            },
            |_| Ok(()),
        );
    notes.expect(&["one", "7"]);
    assert_eq!(failure(answer).to_string(), "not for the errback beside it");
}

#[test]
fn def_02_a_panic_is_the_next_errbacks_failure() {
    let answer = succeed(1)
        .map(|n| {
            assert_eq!(n, 2, "expected by this test");
            n
        })
        .add_errback(|failure| {
            let panic = failure.trap::<Panicked>()?;
            assert!(panic.0.contains("expected by this test"));
            Ok(9)
        });
    assert_eq!(value(answer), 9);
}

#[test]
fn def_02_a_destructor_that_panics_changes_no_result() {
    let rude = || OnDrop(|| panic!("expected by this test"));
    let (uncalled, unheard) = (rude(), rude());
    let answer = fail::<i32>(std::fmt::Error)
        .map(move |n| {
            let _keep = &uncalled;
            n
        })
        .add_callbacks(move |_| drop(unheard), Err);
    assert!(failure(answer).check::<std::fmt::Error>());
    let (promise, answer) = deferred();
    drop(answer);
    promise.callback(rude());
    drop(succeed(rude()));
}

#[test]
fn def_02_map_failure_and_inspect_failure() {
    let notes = Notes::default();
    let seen = notes.clone();
    let answer = fail::<u8>(std::fmt::Error)
        .inspect_failure(move |failure| seen.add(failure.check::<std::fmt::Error>()))
        .map_failure(|_| std::io::Error::other("worse"));
    notes.expect(&["true"]);
    assert_eq!(failure(answer).to_string(), "worse");
    assert_eq!(value(succeed(1).inspect_failure(|_| unreachable!()).map_failure(|f| f)), 1);
}

#[test]
fn def_03_errback_takes_any_error_or_a_failure() {
    let (promise, answer) = deferred::<()>();
    promise.errback("x".parse::<u8>().unwrap_err());
    assert!(failure(answer).check::<std::num::ParseIntError>());
    let (promise, answer) = deferred::<()>();
    promise.errback(Failure::message("as it is"));
    assert_eq!(failure(answer).to_string(), "as it is");
    let (promise, answer) = deferred::<()>();
    promise.fire(Err(Failure::message("a result")));
    assert_eq!(failure(answer).to_string(), "a result");
}

/// A Deferred kept where its own callbacks can reach it.
type Kept<T> = Rc<RefCell<Option<Deferred<T>>>>;

#[test]
fn def_04_a_callback_added_while_the_chain_runs_comes_after_the_existing_ones() {
    let notes = Notes::default();
    let kept: Kept<()> = Rc::default();
    let (promise, answer) = deferred();
    let (first, again, tail) = (notes.clone(), notes.clone(), Rc::clone(&kept));
    let second = notes.clone();
    let answer = answer
        .map(move |()| {
            first.add("first begins");
            let own = tail.take().unwrap().map(move |()| again.add("added"));
            assert!(!own.has_result());
            assert!(format!("{own:?}").contains("running"), "{own:?}");
            *tail.borrow_mut() = Some(own);
            first.add("first ends");
        })
        .map(move |()| second.add("second"));
    *kept.borrow_mut() = Some(answer);
    promise.callback(());
    notes.expect(&["first begins", "first ends", "second", "added"]);
    assert!(kept.take().unwrap().has_result());
}

#[test]
fn def_04_the_last_callback_may_add_to_its_own_chain() {
    let kept: Kept<i32> = Rc::default();
    let (promise, answer) = deferred();
    let tail = Rc::clone(&kept);
    let answer = answer.map(move |n: i32| {
        let own = tail.take().unwrap().map(|n| n * 10);
        *tail.borrow_mut() = Some(own);
        n + 1
    });
    *kept.borrow_mut() = Some(answer);
    promise.callback(1);
    assert_eq!(value(kept.take().unwrap()), 20);
}

#[test]
fn def_05_a_returned_deferred_suspends_the_chain() {
    let notes = Notes::default();
    let (inner_promise, inner) = deferred();
    let (promise, answer) = deferred();
    let next = notes.clone();
    let answer = answer.add_callback(move |()| inner).map(move |n: i32| next.add(n));
    promise.callback(());
    notes.expect(&[]);
    assert!(format!("{answer:?}").contains("waiting on an inner Deferred (1 deep)"), "{answer:?}");
    inner_promise.callback(5);
    notes.expect(&["5"]);
}

#[test]
fn def_05_a_fired_inner_deferred_is_consumed_without_suspending() {
    let answer = succeed(1)
        .add_callback(|n| succeed(n + 1))
        .add_callback(|n| fail::<i32>(Failure::message(n.to_string())));
    assert_eq!(failure(answer).to_string(), "2");
}

#[test]
fn def_05_failures_of_inner_deferreds_go_to_the_next_errback() {
    let (inner_promise, inner) = deferred::<i32>();
    let answer =
        succeed(()).add_callback(|()| inner).add_errback(|failure| Ok(failure.to_string().len() as i32));
    inner_promise.errback(Failure::message("four"));
    assert_eq!(value(answer), 4);
}

#[test]
fn def_05_errbacks_may_return_deferreds_and_chains_may_wait_many_times() {
    let (first, waiting_first) = deferred::<i32>();
    let (second, waiting_second) = deferred::<i32>();
    let answer = succeed(())
        .add_callback(|()| waiting_first)
        .add_errback(|_| waiting_second.map(|n| n + 1))
        .map(|n| n * 2);
    first.errback(std::fmt::Error);
    assert!(!answer.has_result());
    second.callback(20);
    assert_eq!(value(answer), 42);
}

#[test]
fn def_06_a_dropped_outer_chain_still_consumes_its_inner_deferred() {
    let notes = Notes::default();
    let (inner_promise, inner) = deferred::<i32>();
    let heard = notes.clone();
    drop(succeed(()).add_callback(|()| inner).map(move |n| heard.add(n)));
    inner_promise.callback(3);
    notes.expect(&["3"]);
}

#[test]
fn def_08_a_deferred_returned_into_its_own_chain_fails_with_circular() {
    let kept: Kept<i32> = Rc::default();
    let heard = Rc::new(Cell::new(false));
    let (promise, answer) = deferred::<i32>();
    let (own, flag) = (Rc::clone(&kept), Rc::clone(&heard));
    let answer = answer.add_callback(move |_| own.take().unwrap()).add_errback(move |failure| {
        flag.set(failure.is_circular());
        Ok(0)
    });
    *kept.borrow_mut() = Some(answer);
    promise.callback(1);
    assert!(heard.get());
}

#[test]
fn def_08_a_circle_through_several_chains_is_found() {
    let kept: Kept<i32> = Rc::default();
    let heard = Notes::default();
    let (promise, innermost) = deferred::<i32>();
    let (own, note) = (Rc::clone(&kept), heard.clone());
    let mut outer = innermost
        .add_callback(move |_| own.take().unwrap())
        .inspect_failure(move |failure| note.add(failure));
    for _ in 0..5 {
        let inner = outer;
        outer = succeed(()).add_callback(move |()| inner);
    }
    *kept.borrow_mut() = Some(outer);
    promise.callback(1);
    heard.expect(&["a Deferred was returned into its own chain"]);
}

#[test]
fn def_08_waiting_for_the_chain_that_runs_outside_is_no_circle() {
    // The callback of `outer` fires a promise whose chain returns another Deferred: no circle anywhere.
    let (promise, outer) = deferred::<i32>();
    let (other_promise, other) = deferred::<i32>();
    let (late_promise, late) = deferred::<i32>();
    let other = other.add_callback(move |_| late);
    let outer = outer.add_callback(move |n| {
        other_promise.callback(n);
        other
    });
    promise.callback(1);
    late_promise.callback(8);
    assert_eq!(value(outer), 8);
}

#[test]
fn def_09_a_result_is_handed_on_to_another_promise() {
    let (second_promise, second) = deferred();
    let first = succeed(3).add_both(move |result| second_promise.fire(result));
    assert_eq!(value(second.map(|n| n + 1)), 4);
    assert_eq!(value(first), ());
    let (second_promise, second) = deferred::<i32>();
    let first = fail(std::fmt::Error).add_both(move |result| second_promise.fire(result));
    assert!(failure(second).check::<std::fmt::Error>());
    assert_eq!(value(first), (), "the failure was passed on and is no more of this chain's");
}

#[test]
fn def_11_ready_deferreds_and_maybe_deferred() {
    assert_eq!(value(succeed("x")), "x");
    assert!(failure(fail::<()>(std::fmt::Error)).check::<std::fmt::Error>());
    assert_eq!(value(Deferred::from(Ok(2))), 2);
    assert_eq!(value(maybe_deferred(|| Ok::<_, Failure>(1))), 1);
    assert_eq!(value(maybe_deferred(|| ())), ());
    assert!(failure(maybe_deferred(|| Ok("x".parse::<i32>()?))).check::<std::num::ParseIntError>());
    let (promise, inner) = deferred();
    let same = maybe_deferred(|| inner);
    promise.callback(6);
    assert_eq!(value(same), 6);
    assert!(
        failure(maybe_deferred(|| -> Result<u8, Failure> { panic!("expected by this test") })).is_panicked()
    );
}

#[test]
fn an_abandoned_promise_fails_its_deferred() {
    let (promise, answer) = deferred::<u8>();
    let notes = Notes::default();
    let heard = notes.clone();
    let answer = answer.inspect_failure(move |failure| heard.add(failure.is_abandoned()));
    drop(promise);
    notes.expect(&["true"]);
    assert!(failure(answer).is_abandoned());
    let (promise, answer) = deferred::<u8>();
    drop(promise);
    assert!(failure(answer).is_abandoned());
}

#[test]
fn dropping_a_deferred_does_not_stop_its_callbacks() {
    let notes = Notes::default();
    let heard = notes.clone();
    let (promise, answer) = deferred::<i32>();
    drop(answer.map(move |n| heard.add(n)));
    promise.callback(4);
    notes.expect(&["4"]);
}

#[test]
fn debug_shows_the_state() {
    let (promise, answer) = deferred::<i32>();
    assert_eq!(format!("{promise:?}"), "Promise<i32>(unfired)");
    assert_eq!(format!("{answer:?}"), "Deferred<i32>(waiting)");
    answer.cancel();
    assert_eq!(format!("{promise:?}"), "Promise<i32>(cancelled)");
    assert_eq!(format!("{answer:?}"), "Deferred<i32>(failed: the operation was cancelled)");
    assert_eq!(format!("{:?}", succeed(1)), "Deferred<i32>(ready)");
}

#[test]
fn debug_shows_where_it_waits_and_what_is_left() {
    let (promise, answer) = deferred::<i32>();
    let (inner_promise, inner) = deferred::<i32>();
    let answer = answer.map(|n| n + 1);
    assert_eq!(format!("{answer:?}"), "Deferred<i32>(waiting, 1 stage left)");
    let seen = Notes::default();
    let notes = seen.clone();
    let answer = answer.add_callback(move |_| inner).map(|n| n + 1).inspect_failure(|_| {});
    assert_eq!(format!("{answer:?}"), "Deferred<i32>(waiting, 4 stages left)");
    promise.callback(1);
    assert_eq!(format!("{answer:?}"), "Deferred<i32>(waiting on an inner Deferred (1 deep), 2 stages left)");
    let slot = Rc::new(RefCell::new(None::<Deferred<i32>>));
    let own = Rc::clone(&slot);
    let answer = answer.map(move |n| {
        notes.add(format_args!("{:?}", own.borrow().as_ref().unwrap()));
        n
    });
    *slot.borrow_mut() = Some(answer.map(|n| n + 1));
    inner_promise.callback(40);
    seen.expect(&["Deferred<i32>(running)"]);
    let answer = slot.take().unwrap();
    assert_eq!(format!("{answer:?}"), "Deferred<i32>(ready)");
    assert_eq!(answer.try_take().unwrap().unwrap(), 42);
}
