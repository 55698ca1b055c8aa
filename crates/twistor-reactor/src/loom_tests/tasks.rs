//! Tasks that are woken by other threads, against a loop that polls them, goes to sleep, or ends.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::spawn;

use super::{Drops, Loop, join, model, reactor};

/// A task that never ends, its waker, and how often it was polled.
fn watched(reactor: &mut Loop) -> (Waker, Rc<Cell<usize>>) {
    let (waker, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
    let (kept, counts) = (Rc::clone(&waker), Rc::clone(&polls));
    reactor.spawn(poll_fn(move |cx| -> Poll<()> {
        counts.set(counts.get() + 1);
        kept.replace(Some(cx.waker().clone()));
        Poll::Pending
    }));
    reactor.turn();
    let waker = waker.take().unwrap();
    (waker, polls)
}

#[test]
fn def_30_a_wake_ends_the_sleep_of_the_loop() {
    model(|| {
        let mut reactor = reactor();
        let (waker, polls) = watched(&mut reactor);
        let thread = spawn(move || waker.wake());
        reactor.turn_until(&polls, |polls| polls.get() == 2);
        thread.join().unwrap();
        reactor.turn();
        assert_eq!(polls.get(), 2, "one wake is one poll");
    });
}

#[test]
fn def_30_two_threads_that_wake_two_tasks_lose_neither() {
    model(|| {
        let mut reactor = reactor();
        let (first, first_polls) = watched(&mut reactor);
        let (second, second_polls) = watched(&mut reactor);
        let threads = [first, second].map(|waker| spawn(move || waker.wake()));
        reactor.turn_until(&(first_polls, second_polls), |(first, second)| {
            first.get() == 2 && second.get() == 2
        });
        join(threads);
    });
}

#[test]
fn def_30_tasks_are_polled_in_the_order_in_which_a_thread_woke_them() {
    model(|| {
        let mut reactor = reactor();
        let (order, wakers) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
        for n in 0..2 {
            let (order, wakers) = (Rc::clone(&order), Rc::clone(&wakers));
            reactor.spawn(poll_fn(move |cx| -> Poll<()> {
                order.borrow_mut().push(n);
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }));
        }
        reactor.turn();
        order.take();
        let mut wakers = wakers.take();
        wakers.reverse();
        let thread = spawn(move || wakers.into_iter().for_each(Waker::wake));
        reactor.turn_until(&order, |order| order.borrow().len() == 2);
        thread.join().unwrap();
        assert_eq!(*order.borrow(), [1, 0]);
    });
}

#[test]
fn def_30_a_task_that_is_woken_twice_is_queued_once() {
    model(|| {
        let mut reactor = reactor();
        let (waker, polls) = watched(&mut reactor);
        let threads = [waker.clone(), waker].map(|waker| spawn(move || waker.wake()));
        join(threads);
        reactor.turn();
        reactor.turn();
        assert_eq!(polls.get(), 2);
    });
}

/// The thread's own work is unordered but for its wakes: the poll after a wake sees all that was done before it.
#[test]
fn def_30_a_wake_during_a_poll_is_not_lost_and_what_came_before_it_is_seen() {
    model(|| {
        let mut reactor = reactor();
        let work = Arc::new(AtomicUsize::new(0));
        let (seen, done) = (Rc::new(Cell::new(0)), Arc::clone(&work));
        let (last, waker) = (Rc::clone(&seen), Rc::new(RefCell::new(None)));
        let kept = Rc::clone(&waker);
        reactor.spawn(poll_fn(move |cx| -> Poll<()> {
            last.set(done.load(Ordering::Relaxed));
            kept.replace(Some(cx.waker().clone()));
            Poll::Pending
        }));
        reactor.turn();
        let waker = waker.take().unwrap();
        let thread = spawn(move || {
            for n in 1..3 {
                work.store(n, Ordering::Relaxed);
                waker.wake_by_ref();
            }
        });
        reactor.turn_until(&seen, |seen| seen.get() == 2);
        thread.join().unwrap();
    });
}

#[test]
fn def_30_a_wake_that_races_the_end_of_the_reactor_comes_to_nothing() {
    model(|| {
        let (mut reactor, drops) = (reactor(), Drops::default());
        let (waker, polls) = watched(&mut reactor);
        let (ended, guard) = (waker.clone(), drops.guard());
        let task = reactor.spawn(poll_fn(move |_| {
            let _guard = &guard;
            Poll::<()>::Pending
        }));
        let thread = spawn(move || {
            waker.wake_by_ref();
            waker
        });
        let handle = reactor.handle();
        drop(reactor);
        let waker = thread.join().unwrap();
        assert_eq!((polls.get(), drops.count()), (1, 1));
        assert!(task.try_take().unwrap().unwrap_err().check::<crate::ReactorGone>());
        waker.wake();
        ended.wake();
        assert!(!handle.inner.tasks.has_woken(), "nothing is queued for a loop that is gone");
    });
}
