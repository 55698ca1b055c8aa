//! A future that cancels its Deferred when it is dropped.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::support::{Errors, Notes, OnDrop};
use twistor_deferred::{CancelOnDrop, Failure, deferred, fail, succeed};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<T>(future: &mut CancelOnDrop<T>, count: &Arc<Count>) -> Poll<Result<T, Failure>> {
    let waker = Waker::from(Arc::clone(count));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn dropped_unfinished_it_cancels_and_wakes_nobody() {
    let (notes, count) = (Notes::default(), Arc::default());
    let (promise, answer) = deferred::<u8>();
    let (called, heard) = (notes.clone(), notes.clone());
    promise.on_cancel(move || called.add("canceller"));
    let answer = answer.inspect_failure(move |failure| heard.add(failure));
    let mut future = answer.cancel_on_drop();
    assert!(poll(&mut future, &count).is_pending());
    drop(future);
    notes.expect(&["canceller", "the operation was cancelled"]);
    assert!(promise.is_cancelled());
    assert_eq!((count.0.load(Ordering::Relaxed), Arc::strong_count(&count)), (0, 1));
}

#[test]
fn it_cancels_what_the_chain_waits_for() {
    let (promise, inner) = deferred::<u8>();
    drop(succeed(()).add_callback(move |()| inner).cancel_on_drop());
    assert!(promise.is_cancelled());
}

#[test]
fn after_its_result_dropping_does_nothing() {
    let (errors, count) = (Errors::catch(), Arc::default());
    let (promise, answer) = deferred::<u8>();
    promise.on_cancel(|| unreachable!("it was fired"));
    let mut future = answer.cancel_on_drop();
    assert!(poll(&mut future, &count).is_pending());
    promise.callback(3);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(matches!(poll(&mut future, &count), Poll::Ready(Ok(3))));
    drop(future);
    let mut failed = fail::<u8>(Failure::message("seen")).cancel_on_drop();
    assert!(matches!(poll(&mut failed, &count), Poll::Ready(Err(_))));
    drop(failed);
    errors.expect(&[]);
}

#[test]
fn a_failure_nobody_looked_at_is_logged_once() {
    let errors = Errors::catch();
    let unhandled = "unhandled failure in a Deferred [failure: oops]";
    drop(fail::<u8>(Failure::message("oops")).cancel_on_drop());
    errors.expect(&[unhandled]);
    // The canceller's answer is one too.
    let (promise, answer) = deferred::<u8>();
    let kept = Rc::new(Cell::new(None));
    let own = Rc::clone(&kept);
    promise.on_cancel(move || {
        own.take()
            .into_iter()
            .for_each(|p: twistor_deferred::Promise<u8>| p.errback(Failure::message("oops")))
    });
    kept.set(Some(promise));
    drop(answer.cancel_on_drop());
    errors.expect(&[unhandled]);
    // A cancel is not.
    let (_promise, answer) = deferred::<u8>();
    drop(answer.cancel_on_drop());
    errors.expect(&[]);
}

#[test]
fn a_value_nobody_looked_at_is_dropped_once() {
    let notes = Notes::default();
    let dropped = notes.clone();
    let (promise, answer) = deferred();
    let future = answer.cancel_on_drop();
    promise.callback(OnDrop(move || dropped.add("dropped")));
    notes.expect(&[]);
    drop(future);
    notes.expect(&["dropped"]);
}

#[test]
fn dropped_by_a_callback_of_its_own_chain_it_lets_the_chain_go_on() {
    let notes = Notes::default();
    for added_to_a_result in [false, true] {
        let kept = Rc::new(RefCell::new(None::<CancelOnDrop<u8>>));
        let (promise, answer) = deferred::<u8>();
        let (own, first, second) = (Rc::clone(&kept), notes.clone(), notes.clone());
        promise.on_cancel(|| unreachable!("it was fired"));
        let answer = answer
            .map(move |n| {
                first.add(n);
                let future = own.take();
                drop(future);
                n + 1
            })
            .map(move |n| {
                second.add(n);
                n
            });
        if added_to_a_result {
            // The chain is reached through another one that waits for it.
            let outer = succeed(()).add_callback(move |()| answer);
            *kept.borrow_mut() = Some(outer.cancel_on_drop());
        } else {
            *kept.borrow_mut() = Some(answer.cancel_on_drop());
        }
        promise.callback(1);
        notes.expect(&["1", "2"]);
        assert!(kept.borrow().is_none());
    }
}

#[test]
fn dropped_by_its_own_canceller_or_errback_it_cancels_once() {
    let notes = Notes::default();
    let kept = Rc::new(RefCell::new(None::<CancelOnDrop<u8>>));
    let (promise, answer) = deferred::<u8>();
    let canceller = answer.canceller();
    let (own, called, heard) = (Rc::clone(&kept), notes.clone(), notes.clone());
    promise.on_cancel(move || {
        called.add("canceller");
        let future = own.take();
        drop(future);
    });
    let own = Rc::clone(&kept);
    let answer = answer.inspect_failure(move |failure| {
        heard.add(failure);
        assert!(own.take().is_none());
    });
    *kept.borrow_mut() = Some(answer.cancel_on_drop());
    canceller.cancel();
    notes.expect(&["canceller", "the operation was cancelled"]);
}

#[test]
fn a_waker_that_panics_when_dropped_is_contained() {
    struct Rude;

    impl Wake for Rude {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Rude {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("expected by this test"));
        }
    }

    let errors = Errors::catch();
    let (promise, answer) = deferred::<u8>();
    let mut future = answer.cancel_on_drop();
    let waker = Waker::from(Arc::new(Rude));
    assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
    // The future has the last one.
    assert!(twistor_deferred::contain(|| drop(waker)).is_ok());
    drop(future);
    assert!(promise.is_cancelled());
    errors.expect(&["panic while dropping a value [panic: \"expected by this test\"]"]);
}

#[test]
fn debug_shows_the_state() {
    let (_promise, answer) = deferred::<i32>();
    assert_eq!(format!("{:?}", answer.cancel_on_drop()), "CancelOnDrop(Deferred<i32>(waiting))");
}
