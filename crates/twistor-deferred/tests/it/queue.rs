//! The rules about queues.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::support::{Errors, Notes, OnDrop, on_a_small_stack};
use twistor_deferred::{Canceller, Deferred, DeferredQueue, Failure, QueueOverflow, QueueUnderflow};

/// In line for a value: notes its name and what it got.
fn note_next(queue: &DeferredQueue<u32>, notes: &Notes, name: &'static str) -> Deferred<()> {
    let notes = notes.clone();
    queue.get().map(move |value| notes.add(format!("{name} {value}")))
}

#[track_caller]
fn take<T>(deferred: Deferred<T>) -> T {
    deferred.try_take().unwrap().unwrap()
}

#[test]
fn def_23_values_wait_for_takers_in_order() {
    let queue = DeferredQueue::new();
    assert!(queue.is_empty() && queue.try_get().is_none());
    for value in 0..4_u32 {
        queue.put(value).unwrap();
    }
    assert_eq!((queue.len(), queue.waiting()), (4, 0));
    assert_eq!(take(queue.get()), 0);
    assert_eq!(queue.try_get(), Some(1));
    assert_eq!(take(queue.get()), 2);
    assert_eq!(format!("{queue:?}"), "DeferredQueue<u32>(1 values, 0 waiting)");
    assert!(!queue.is_empty());
}

#[test]
fn def_23_takers_are_served_first_come_first_served_inside_the_put() {
    let (queue, notes) = (DeferredQueue::default(), Notes::default());
    for name in ["a", "b", "c"] {
        note_next(&queue, &notes, name);
    }
    assert_eq!((queue.len(), queue.waiting()), (0, 3));
    queue.put(1).unwrap();
    notes.expect(&["a 1"]);
    queue.put(2).unwrap();
    queue.put(3).unwrap();
    queue.put(4).unwrap();
    notes.expect(&["b 2", "c 3"]);
    assert_eq!((queue.len(), queue.waiting()), (1, 0));
}

#[test]
fn def_23_a_full_queue_gives_the_value_back() {
    let queue = DeferredQueue::with_limits(Some(2), None);
    queue.put("a").unwrap();
    queue.put("b").unwrap();
    let overflow: QueueOverflow<&str> = queue.put("c").unwrap_err();
    assert_eq!(format!("{overflow}, {overflow:?}"), "the queue is full, QueueOverflow(..)");
    assert_eq!(overflow.into_value(), "c");
    assert_eq!(queue.try_get(), Some("a"));
    queue.put("d").unwrap();
    assert_eq!((take(queue.get()), take(queue.get()), queue.try_get()), ("b", "d", None));
}

#[test]
fn def_23_a_queue_without_room_only_hands_over() {
    let queue = DeferredQueue::with_limits(Some(0), None);
    assert_eq!(queue.put(1).unwrap_err().into_value(), 1);
    let next = queue.get();
    queue.put(2).unwrap();
    assert_eq!(queue.put(3).unwrap_err().into_value(), 3);
    assert_eq!(take(next), 2);
}

#[test]
fn def_23_beyond_the_backlog_a_get_fails_at_once() {
    let queue = DeferredQueue::with_limits(None, Some(1));
    let first = queue.get();
    let failure = queue.get().try_take().unwrap().unwrap_err();
    assert!(failure.check::<QueueUnderflow>());
    assert_eq!(failure.to_string(), "the queue is empty, and no more may wait for it");
    first.cancel();
    let second = queue.get();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!((take(second), take(queue.get())), (1, 2));
    let impatient = DeferredQueue::<u8>::with_limits(None, Some(0));
    assert!(impatient.get().try_take().unwrap().is_err());
}

#[test]
fn def_23_a_cancelled_get_leaves_the_line_at_once_and_costs_nothing() {
    for cancelled in 0..3 {
        let (queue, notes) = (DeferredQueue::new(), Notes::default());
        let mut names = vec!["first", "middle", "last"];
        let mut takers: Vec<_> = names.iter().map(|name| note_next(&queue, &notes, name)).collect();
        names.remove(cancelled);
        let taker = takers.remove(cancelled);
        taker.cancel();
        taker.cancel();
        assert!(taker.try_take().unwrap().unwrap_err().is_cancelled());
        assert_eq!(queue.waiting(), 2);
        for value in 1..=3 {
            queue.put(value).unwrap();
        }
        notes.expect(&[&format!("{} 1", names[0]), &format!("{} 2", names[1])]);
        assert_eq!(queue.try_get(), Some(3));
    }
}

#[test]
fn def_23_cancelling_inside_a_callback_of_the_hand_over_loses_no_value() {
    let (queue, notes) = (DeferredQueue::with_limits(Some(0), None), Notes::default());
    let canceller: Rc<Cell<Option<Canceller>>> = Rc::default();
    let (inside, kept, noted) = (queue.clone(), Rc::clone(&canceller), notes.clone());
    queue.get().map(move |value| {
        noted.add(format!("a {value}"));
        inside.put(2).unwrap(); // On its way to b, who is waiting, ...
        assert_eq!((inside.len(), inside.waiting()), (0, 0));
        kept.take().unwrap().cancel(); // ... until now.
        assert_eq!((inside.len(), inside.waiting()), (1, 0));
    });
    canceller.set(Some(note_next(&queue, &notes, "b").canceller()));
    queue.put(1).unwrap();
    notes.expect(&["a 1"]);
    assert_eq!(queue.try_get(), Some(2));
    assert!(queue.put(3).is_err());
}

#[test]
fn def_23_a_put_inside_a_callback_is_handed_over_after_it() {
    let (queue, notes) = (DeferredQueue::new(), Notes::default());
    let (inside, noted) = (queue.clone(), notes.clone());
    queue.get().map(move |value| {
        inside.put(2).unwrap();
        inside.put(3).unwrap();
        inside.put(4).unwrap();
        // Two are in line, so the third one is anybody's.
        assert_eq!((inside.len(), inside.waiting()), (1, 0));
        assert_eq!((inside.try_get(), inside.try_get()), (Some(4), None));
        noted.add(format!("a {value}"));
    });
    note_next(&queue, &notes, "b");
    note_next(&queue, &notes, "c");
    queue.put(1).unwrap();
    notes.expect(&["a 1", "b 2", "c 3"]);
}

#[test]
fn def_23_a_get_inside_a_callback_goes_to_the_end_of_the_line() {
    let (queue, notes) = (DeferredQueue::with_limits(Some(1), Some(2)), Notes::default());
    let (inside, noted) = (queue.clone(), notes.clone());
    queue.get().map(move |value| {
        inside.put(2).unwrap();
        inside.put(3).unwrap();
        assert!(inside.put(4).is_err(), "b has the 2 coming, and there is room for one");
        note_next(&inside, &noted, "a again"); // The 3 is its own, so it is not in the backlog.
        note_next(&inside, &noted, "x");
        note_next(&inside, &noted, "y");
        assert_eq!(inside.waiting(), 2);
        assert!(inside.get().try_take().unwrap().unwrap_err().check::<QueueUnderflow>());
        noted.add(format!("a {value}"));
    });
    note_next(&queue, &notes, "b");
    queue.put(1).unwrap();
    notes.expect(&["a 1", "b 2", "a again 3"]);
    assert_eq!((queue.len(), queue.waiting()), (0, 2));
}

#[test]
fn def_23_a_dropped_get_keeps_its_place_and_takes_its_value_along() {
    let (queue, notes) = (DeferredQueue::new(), Notes::default());
    drop(queue.get());
    note_next(&queue, &notes, "b");
    assert_eq!(queue.waiting(), 2);
    queue.put(1).unwrap();
    notes.expect(&[]);
    queue.put(2).unwrap();
    notes.expect(&["b 2"]);
}

#[test]
fn def_23_a_taker_that_panics_is_no_trouble_for_the_next() {
    let (queue, notes) = (DeferredQueue::new(), Notes::default());
    let broken = queue.get().map(|_| -> u8 { panic!("expected by this test") });
    note_next(&queue, &notes, "b");
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert!(broken.try_take().unwrap().unwrap_err().is_panicked());
    notes.expect(&["b 2"]);
}

#[test]
fn def_23_the_last_handle_takes_the_values_along_and_tells_who_waits() {
    let errors = Errors::catch();
    let notes = Notes::default();
    let queue = DeferredQueue::new();
    for value in 0..3 {
        let notes = notes.clone();
        let told = OnDrop(move || {
            notes.add(value);
            assert!(value != 1, "expected by this test");
        });
        assert!(queue.put(told).is_ok());
    }
    drop(queue.clone());
    notes.expect(&[]);
    drop(queue);
    notes.expect(&["0", "1", "2"]);
    errors.expect(&["panic while dropping a value [panic: \"expected by this test\"]"]);

    let queue = DeferredQueue::<u8>::new();
    let next = queue.get();
    let cancelled_later = queue.get();
    drop(queue);
    assert!(next.try_take().unwrap().unwrap_err().is_abandoned());
    cancelled_later.cancel();
    assert!(cancelled_later.try_take().unwrap().unwrap_err().is_abandoned());
}

#[test]
fn def_23_a_taker_that_owns_the_queue_is_let_go_when_served_or_cancelled() {
    let alive = Rc::new(());
    let queue = DeferredQueue::new();
    let owners: Vec<_> = (0..2)
        .map(|_| {
            let own = (queue.clone(), Rc::clone(&alive));
            queue.get().map(move |_: u32| drop(own))
        })
        .collect();
    owners[0].cancel();
    assert_eq!(Rc::strong_count(&alive), 2);
    queue.put(1).unwrap();
    drop(queue);
    assert_eq!(Rc::strong_count(&alive), 1);
}

#[test]
fn def_23_works_with_await() {
    async fn worker(queue: DeferredQueue<u32>, notes: Notes) -> Result<(), Failure> {
        loop {
            let value = queue.get().await?;
            notes.add(value);
        }
    }
    let (queue, notes) = (DeferredQueue::with_limits(None, Some(1)), Notes::default());
    let mut cx = Context::from_waker(Waker::noop());
    let mut task = pin!(worker(queue.clone(), notes.clone()));
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert!(task.as_mut().poll(&mut cx).is_pending());
    notes.expect(&["1", "2"]);
    queue.put(3).unwrap();
    queue.put(4).unwrap();
    assert!(task.as_mut().poll(&mut cx).is_pending());
    notes.expect(&["3", "4"]);
    queue.put(5).unwrap();
    let others = queue.get();
    assert!(matches!(task.poll(&mut cx), Poll::Ready(Err(failure)) if failure.check::<QueueUnderflow>()));
    notes.expect(&["5"]);
    drop(others);
}

const MILLION: u32 = 1_000_000;

#[test]
fn def_23_a_million_takers_each_put_the_next_value_in_constant_stack() {
    on_a_small_stack(|| {
        let queue = DeferredQueue::with_limits(Some(1), None);
        let sum = Rc::new(Cell::new(0_u64));
        for place in 0..MILLION {
            let (own, sum) = (queue.clone(), Rc::clone(&sum));
            queue.get().map(move |value| {
                assert_eq!(value, place);
                sum.set(sum.get() + u64::from(value));
                own.put(value + 1).unwrap();
            });
        }
        queue.put(0).unwrap();
        assert_eq!(sum.get(), u64::from(MILLION) * u64::from(MILLION - 1) / 2);
        assert_eq!((Rc::strong_count(&sum), queue.try_get(), queue.waiting()), (1, Some(MILLION), 0));
    });
}

#[test]
fn def_23_two_queues_feed_each_other_a_million_times_in_constant_stack() {
    on_a_small_stack(|| {
        /// Moves the next value of `from`, one less, over to `to`, and lines up again.
        fn shuttle(from: &DeferredQueue<u32>, to: &DeferredQueue<u32>) {
            let own = (from.clone(), to.clone());
            from.get().map(move |left| {
                let (from, to) = own;
                if left > 0 {
                    shuttle(&from, &to);
                }
                to.put(left.saturating_sub(1)).unwrap();
            });
        }
        let (ping, pong) = (DeferredQueue::new(), DeferredQueue::new());
        shuttle(&ping, &pong);
        shuttle(&pong, &ping);
        ping.put(MILLION).unwrap();
        assert_eq!((ping.waiting(), pong.waiting()), (0, 0));
        assert_eq!(ping.len() + pong.len(), 1);
    });
}

#[test]
fn def_23_a_million_takers_are_told_that_the_queue_is_gone_in_constant_stack() {
    on_a_small_stack(|| {
        let queue = DeferredQueue::<u8>::new();
        let told = Rc::new(Cell::new(0));
        for _ in 0..MILLION {
            let told = Rc::clone(&told);
            queue.get().map(drop).add_errback(move |failure| {
                assert!(failure.is_abandoned());
                told.set(told.get() + 1);
                Ok(())
            });
        }
        drop(queue);
        assert_eq!(told.get(), MILLION);
    });
}
