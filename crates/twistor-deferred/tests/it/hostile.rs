//! What a hostile reading found: errors, wakers and clocks that strike back, and rows that pass a cancel on.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::support::{Errors, on_a_small_stack};
use twistor_deferred::{
    Cooperator, Deferred, DeferredLock, Failure, LoopingCall, ManualClock, Moment, Promise, Timers, contain,
    deferred, drop_cancelling,
};

const SECOND: Duration = Duration::from_secs(1);

/// An error that panics when it is asked for its source.
#[derive(Debug)]
struct Nasty;

impl fmt::Display for Nasty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nasty")
    }
}

impl Error for Nasty {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("expected by this test")
    }
}

#[test]
fn r05_an_error_whose_source_panics_breaks_no_lock() {
    let lock = DeferredLock::new();
    let guard = lock.try_acquire().unwrap();
    drop(lock.acquire().add_callback(|_guard| Err::<(), _>(Failure::new(Nasty))));
    assert!(contain(move || drop(guard)).is_ok());
    let (guard, served) = (lock.try_acquire().unwrap(), Rc::new(Cell::new(false)));
    let seen = Rc::clone(&served);
    drop(lock.acquire().add_callback(move |_guard| seen.set(true)));
    drop(guard);
    assert!(served.get());
}

#[test]
fn r05_an_error_whose_source_panics_stops_no_dropped_promise() {
    let (promise, answer) = deferred::<()>();
    drop(answer.add_errback(|_| Err::<(), _>(Failure::new(Nasty))));
    assert!(contain(move || drop(promise)).is_ok());
    let (promise, answer) = deferred::<()>();
    let heard = Rc::new(Cell::new(false));
    let seen = Rc::clone(&heard);
    drop(answer.add_errback(move |_| seen.set(true)));
    drop(promise);
    assert!(heard.get());
}

thread_local! {
    /// What the next [`Striking`] waker does when it is dropped.
    static STRIKE: RefCell<Option<Promise<u8>>> = const { RefCell::new(None) };
}

struct Striking;

impl Wake for Striking {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Striking {
    fn drop(&mut self) {
        if let Some(promise) = STRIKE.take() {
            promise.callback(1);
        }
    }
}

/// A Deferred that was polled with a waker whose end fires its promise.
fn polled_with_a_striking_waker() -> Deferred<u8> {
    let (promise, mut answer) = deferred::<u8>();
    let waker = Waker::from(Arc::new(Striking));
    assert!(Pin::new(&mut answer).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    STRIKE.set(Some(promise));
    answer
}

#[test]
fn def_30_a_promise_fired_by_the_end_of_the_old_waker_is_not_missed() {
    let mut answer = polled_with_a_striking_waker();
    let polled = Pin::new(&mut answer).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_ready(), "nobody would be woken");
}

#[test]
fn def_15_a_cancel_reaches_what_follows_a_promise_fired_by_the_end_of_a_waker() {
    let inner = polled_with_a_striking_waker();
    let (first, begin) = deferred::<()>();
    let (last, end) = deferred::<u8>();
    let answer = begin.add_callback(move |()| inner).add_callback(move |_| end);
    first.callback(());
    answer.cancel();
    assert!(last.is_cancelled());
}

#[test]
fn def_28_an_errback_run_by_the_drop_of_a_task_drops_as_usual() {
    let (bystander, mut awaited) = deferred::<u8>();
    assert!(Pin::new(&mut awaited).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let (promise, answer) = deferred::<()>();
    drop(answer.add_errback(move |_| drop(awaited)));
    let mut task = Box::pin(async move {
        let _owned = promise;
        pending::<()>().await;
    });
    assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop_cancelling(task);
    assert!(!bystander.is_cancelled());
}

#[test]
fn timers_are_not_borrowed_while_they_ask_their_clock() {
    let timers = Timers::new();
    let asked = timers.clone();
    timers.set_clock(Some(Rc::new(move || {
        let _ = (asked.len(), asked.next_deadline());
        Moment::ZERO
    })));
    let call = timers.schedule_after(SECOND, || {});
    call.reset(SECOND * 2).unwrap();
    timers.set_clock(None);
    assert_eq!(timers.len(), 1);
}

#[test]
fn r02_a_row_of_looping_calls_passes_a_cancel_on_in_constant_stack() {
    on_a_small_stack(|| {
        let clock = ManualClock::new();
        let (promise, mut last) = deferred::<()>();
        let mut loops = Vec::new();
        for _ in 0..20_000 {
            let mut inner = Some(last);
            let looping = LoopingCall::new(&clock, move || inner.take().unwrap());
            last = looping.start(SECOND).unwrap();
            loops.push(looping);
        }
        clock.advance(Duration::ZERO);
        clock.advance(Duration::ZERO);
        last.cancel();
        assert!(promise.is_cancelled());
    });
}

#[test]
fn r02_a_row_of_cooperative_tasks_passes_a_stop_on_in_constant_stack() {
    on_a_small_stack(|| {
        let errors = Errors::catch();
        let clock = ManualClock::new();
        let cooperator = Cooperator::new(&clock);
        let (promise, mut last) = deferred::<()>();
        for _ in 0..20_000 {
            last = cooperator.coiterate(std::iter::once(last)).map(drop);
        }
        let top = cooperator.cooperate(std::iter::once(last));
        clock.pump(std::iter::repeat_n(Duration::ZERO, 100));
        top.stop().unwrap();
        assert!(promise.is_cancelled());
        errors.take();
    });
}
