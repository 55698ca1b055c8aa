//! A Deferred as a future.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use twistor_deferred::{deferred, succeed};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll<F: Future + Unpin>(future: &mut F, count: &Arc<Count>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(count));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_fired_deferred_is_ready_at_the_first_poll() {
    let count = Arc::default();
    assert!(matches!(poll(&mut succeed(3), &count), Poll::Ready(Ok(3))));
}

#[test]
fn a_pending_deferred_wakes_the_last_task_that_polled_it_once() {
    let (old, new) = (Arc::<Count>::default(), Arc::<Count>::default());
    let (promise, mut answer) = deferred::<i32>();
    assert!(poll(&mut answer, &old).is_pending());
    assert!(poll(&mut answer, &new).is_pending());
    assert!(poll(&mut answer, &new).is_pending());
    promise.callback(5);
    assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 1));
    assert!(matches!(poll(&mut answer, &new), Poll::Ready(Ok(5))));
}

#[test]
fn a_polled_deferred_can_still_be_added_to_returned_or_dropped() {
    let count = Arc::default();
    let (promise, mut answer) = deferred::<i32>();
    assert!(poll(&mut answer, &count).is_pending());
    let mut answer = succeed(()).add_callback(move |()| answer.map(|n| n + 1));
    assert!(poll(&mut answer, &count).is_pending());
    promise.callback(1);
    assert!(matches!(poll(&mut answer, &count), Poll::Ready(Ok(2))));
    let (promise, mut answer) = deferred::<i32>();
    assert!(poll(&mut answer, &count).is_pending());
    drop(answer);
    promise.callback(1);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&count), 1, "no waker is kept");
}

#[test]
fn an_abandoned_promise_wakes_the_task() {
    let count = Arc::default();
    let (promise, mut answer) = deferred::<i32>();
    assert!(poll(&mut answer, &count).is_pending());
    drop(promise);
    assert!(matches!(poll(&mut answer, &count), Poll::Ready(Err(failure)) if failure.is_abandoned()));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}
