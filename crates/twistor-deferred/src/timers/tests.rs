use std::cell::RefCell;

use super::*;
use crate::{TimerError, contain};

const MS: Duration = Duration::from_millis(1);

/// Timers, a notebook for the calls to write in, and a driver that guards each call as a reactor does.
#[derive(Clone, Default)]
struct Bench {
    timers: Timers,
    notes: Rc<RefCell<Vec<&'static str>>>,
}

impl Bench {
    fn note(&self, text: &'static str) -> impl FnOnce() + 'static {
        let notes = Rc::clone(&self.notes);
        move || notes.borrow_mut().push(text)
    }

    fn after(&self, millis: u64, text: &'static str) -> DelayedCall {
        self.timers.schedule_after(MS * u32::try_from(millis).unwrap(), self.note(text))
    }

    fn advance(&self, millis: u64) {
        self.timers.set_now(self.timers.now().checked_add(Duration::from_millis(millis)).unwrap());
        self.pass();
    }

    fn pass(&self) {
        let pass = self.timers.begin_pass();
        while let Some(due) = self.timers.pop_due(&pass) {
            let _ = contain(|| due.run());
        }
    }

    fn taken(&self) -> Vec<&'static str> {
        self.notes.take()
    }
}

fn at(millis: u64) -> Option<Moment> {
    Some(Moment::from_nanos(millis * 1_000_000))
}

#[test]
fn time_01_zero_delay_is_allowed_and_means_the_next_pass() {
    let bench = Bench::default();
    bench.after(0, "zero");
    assert_eq!(bench.taken(), [""; 0]);
    bench.pass();
    assert_eq!(bench.taken(), ["zero"]);
}

#[test]
fn time_01_a_delay_too_long_to_represent_never_comes() {
    let bench = Bench::default();
    let never = bench.timers.schedule_after(Duration::MAX, bench.note("never"));
    assert_eq!((never.time(), never.active(), bench.timers.len()), (None, true, 1));
    assert_eq!(bench.timers.next_deadline(), None);
    bench.timers.set_now(Moment::MAX);
    bench.pass();
    assert_eq!(bench.taken(), [""; 0]);
    assert_eq!(never.delay(MS), Ok(()));
    assert_eq!(never.bring_forward(MS), Ok(()));
    assert_eq!(never.time(), None);
    assert_eq!(never.reset(Duration::ZERO), Ok(()));
    bench.pass();
    assert_eq!(bench.taken(), ["never"]);
}

#[test]
fn time_02_a_zero_delay_call_from_inside_a_call_waits_for_the_next_pass() {
    let bench = Bench::default();
    let inner = bench.clone();
    bench.timers.schedule_after(Duration::ZERO, move || {
        inner.after(0, "second");
        // One that is overdue from the start must not hold up the rest of the pass either.
        inner.timers.schedule(Some(Moment::ZERO), inner.note("overdue"));
        inner.note("first")();
    });
    bench.after(0, "beside");
    bench.advance(5);
    assert_eq!(bench.taken(), ["first", "beside"]);
    bench.pass();
    assert_eq!(bench.taken(), ["second", "overdue"]);
}

#[test]
fn time_03_calls_run_by_due_time_and_equal_ones_in_the_order_they_were_made() {
    let bench = Bench::default();
    for text in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        bench.after(3, text);
    }
    bench.after(1, "early");
    bench.advance(3);
    assert_eq!(bench.taken(), ["early", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[test]
fn time_03_a_moved_call_takes_its_place_as_if_made_then() {
    let bench = Bench::default();
    let later = bench.after(1, "later");
    let earlier = bench.after(9, "earlier");
    bench.after(3, "there");
    later.reset(MS * 3).unwrap();
    earlier.bring_forward(MS * 6).unwrap();
    bench.after(3, "last");
    bench.advance(3);
    assert_eq!(bench.taken(), ["there", "later", "earlier", "last"]);
}

#[test]
fn time_04_cancel_tells_why_it_cannot() {
    let bench = Bench::default();
    let cancelled = bench.after(1, "cancelled");
    assert_eq!(cancelled.cancel(), Ok(()));
    assert_eq!(cancelled.cancel(), Err(TimerError::AlreadyCancelled));
    let called = bench.after(1, "called");
    assert!(called.active());
    bench.advance(1);
    assert_eq!(called.cancel(), Err(TimerError::AlreadyCalled));
    assert_eq!(called.time(), at(1));
    assert!(!called.active() && !cancelled.active());
    assert_eq!(bench.taken(), ["called"]);
}

#[test]
fn time_04_inside_its_own_function_a_call_counts_as_called() {
    let bench = Bench::default();
    let handle: Rc<RefCell<Option<DelayedCall>>> = Rc::default();
    let own = Rc::clone(&handle);
    let done = bench.note("done");
    let call = bench.timers.schedule_after(MS, move || {
        let own = own.take().unwrap();
        assert!(!own.active());
        assert_eq!(own.cancel(), Err(TimerError::AlreadyCalled));
        assert_eq!(own.reset(MS), Err(TimerError::AlreadyCalled));
        done();
    });
    *handle.borrow_mut() = Some(call);
    bench.advance(1);
    assert_eq!(bench.taken(), ["done"]);
}

#[test]
fn time_05_a_call_may_cancel_or_postpone_another_of_the_same_pass() {
    let bench = Bench::default();
    let handles: Rc<RefCell<Vec<DelayedCall>>> = Rc::default();
    let others = Rc::clone(&handles);
    bench.timers.schedule_after(MS, move || {
        others.borrow()[0].cancel().unwrap();
        others.borrow()[1].reset(MS).unwrap();
        others.borrow()[2].reset(Duration::ZERO).unwrap();
    });
    *handles.borrow_mut() =
        vec![bench.after(1, "cancelled"), bench.after(1, "postponed"), bench.after(1, "moved to now")];
    bench.after(1, "untouched");
    bench.advance(1);
    assert_eq!(bench.taken(), ["untouched"]);
    bench.pass();
    assert_eq!(bench.taken(), ["moved to now"]);
    bench.advance(1);
    assert_eq!(bench.taken(), ["postponed"]);
}

#[test]
fn time_06_reset_counts_from_now_and_delay_from_the_scheduled_time() {
    let bench = Bench::default();
    let (reset, delayed, forward) =
        (bench.after(10, "reset"), bench.after(10, "delayed"), bench.after(10, "forward"));
    bench.advance(4);
    reset.reset(MS * 2).unwrap();
    delayed.delay(MS * 5).unwrap();
    forward.bring_forward(MS * 3).unwrap();
    assert_eq!([reset.time(), delayed.time(), forward.time()], [at(6), at(15), at(7)]);
    forward.bring_forward(MS * 300).unwrap();
    assert_eq!(forward.time(), at(4), "not before now");
    delayed.delay(Duration::MAX).unwrap();
    assert_eq!(delayed.time(), None);
    reset.cancel().unwrap();
    for moved in [reset.reset(MS), reset.delay(MS), reset.bring_forward(MS)] {
        assert_eq!(moved, Err(TimerError::AlreadyCancelled));
    }
}

#[test]
fn time_07_moving_later_is_lazy_and_moving_earlier_adds_an_entry() {
    let bench = Bench::default();
    let call = bench.after(5, "call");
    let entries = || bench.timers.shared.state.borrow().heap.len();
    for _ in 0..10 {
        call.delay(MS).unwrap();
    }
    assert_eq!((entries(), call.time()), (1, at(15)));
    assert_eq!(bench.timers.next_deadline(), at(15), "the entry at 5 ms is put right when asked");
    call.bring_forward(MS * 8).unwrap();
    assert_eq!((entries(), bench.timers.next_deadline()), (2, at(7)));
    bench.advance(6);
    assert_eq!(bench.taken(), [""; 0]);
    bench.advance(1);
    assert_eq!(bench.taken(), ["call"]);
    bench.advance(100);
    assert_eq!((bench.taken(), entries()), (vec![], 0));
}

#[test]
fn time_07_stale_entries_are_purged_when_many_and_more_than_half() {
    let bench = Bench::default();
    let calls: Vec<_> = (0..200).map(|n| bench.after(n + 1, "call")).collect();
    let state = || (bench.timers.shared.state.borrow().heap.len(), bench.timers.shared.state.borrow().stale);
    for call in &calls[..100] {
        call.cancel().unwrap();
    }
    assert_eq!(state(), (200, 100), "half is not more than half");
    calls[100].cancel().unwrap();
    assert_eq!(state(), (99, 0));
    for call in &calls[101..151] {
        call.cancel().unwrap();
    }
    assert_eq!(state(), (99, 50), "50 are never too many");
    calls[151].cancel().unwrap();
    assert_eq!(state(), (48, 0));
    bench.advance(200);
    assert_eq!(bench.taken().len(), 48);
    assert_eq!(state(), (0, 0));
}

#[test]
fn time_08_pending_lists_what_is_to_come_in_due_order() {
    let bench = Bench::default();
    let (second, first, gone) = (bench.after(2, "second"), bench.after(1, "first"), bench.after(1, "gone"));
    bench.timers.schedule(None, || ());
    gone.cancel().unwrap();
    let inner = bench.clone();
    bench.timers.schedule_after(Duration::ZERO, move || {
        inner.after(0, "new");
        assert_eq!(inner.timers.len(), 4, "made in this pass, and not the one that runs");
    });
    bench.pass();
    let listed = bench.timers.pending();
    assert_eq!(listed.iter().map(DelayedCall::time).collect::<Vec<_>>(), [at(0), at(1), at(2), None]);
    listed[1].cancel().unwrap();
    assert!(!first.active() && second.active());
    assert_eq!(format!("{:?}", bench.timers), "Timers { now: Moment(0.000000000s), pending: 3, .. }");
}

#[test]
fn time_09_a_panic_is_the_drivers_and_the_rest_of_the_pass_still_runs() {
    let bench = Bench::default();
    let bad = bench.timers.schedule_after(MS, || panic!("expected by this test"));
    bench.after(1, "next");
    bench.advance(1);
    assert_eq!(bench.taken(), ["next"]);
    assert_eq!(bad.cancel(), Err(TimerError::AlreadyCalled));
}

#[test]
fn time_10_the_next_deadline_is_exact_however_far() {
    let bench = Bench::default();
    let far = Duration::from_secs(400 * 365 * 86_400);
    bench.timers.schedule_after(far, || ());
    assert_eq!(bench.timers.next_deadline(), Moment::ZERO.checked_add(far));
}

/// Calls back when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn time_11_cancel_drops_the_function_at_once_and_outside_of_any_borrow() {
    let bench = Bench::default();
    let inner = bench.clone();
    let guard = OnDrop(move || {
        inner.after(1, "made by a destructor");
        assert_eq!(inner.timers.pending().len(), 1);
    });
    let call = bench.timers.schedule_after(MS, move || drop(guard));
    let clone = call.clone();
    call.cancel().unwrap();
    assert_eq!(bench.timers.len(), 1, "the destructor has run");
    assert!(!clone.active());
    bench.advance(1);
    assert_eq!(bench.taken(), ["made by a destructor"]);
}

#[test]
fn time_11_a_panic_in_a_dropped_function_is_contained() {
    let bench = Bench::default();
    let guard = OnDrop(|| panic!("expected by this test"));
    let call = bench.timers.schedule_after(MS, move || drop(guard));
    assert_eq!(call.cancel(), Ok(()));
}

#[test]
fn time_12_the_clock_never_goes_back() {
    let timers = Timers::new();
    timers.set_now(Moment::from_nanos(7));
    timers.set_now(Moment::from_nanos(3));
    assert_eq!(timers.now(), Moment::from_nanos(7));
}

#[test]
fn time_13_now_is_sampled_once_for_a_pass() {
    let bench = Bench::default();
    let inner = bench.clone();
    bench.timers.schedule_after(MS, move || {
        inner.timers.set_now(Moment::from_nanos(50_000_000));
        inner.note("due")();
    });
    bench.after(2, "also due");
    bench.after(3, "due meanwhile");
    bench.advance(2);
    assert_eq!(bench.taken(), ["due", "also due"]);
    bench.pass();
    assert_eq!(bench.taken(), ["due meanwhile"]);
}

#[test]
fn clear_drops_everything_and_refuses_what_destructors_make() {
    let bench = Bench::default();
    let refused: Rc<RefCell<Vec<DelayedCall>>> = Rc::default();
    let (inner, handles) = (bench.clone(), Rc::clone(&refused));
    let guard = OnDrop(move || {
        inner.timers.clear();
        handles.borrow_mut().push(inner.after(0, "refused"));
        panic!("expected by this test");
    });
    let first = bench.timers.schedule_after(MS, move || drop(guard));
    let second = bench.after(2, "second");
    bench.timers.clear();
    assert!(bench.timers.is_empty());
    assert_eq!(first.cancel(), Err(TimerError::Cleared));
    assert_eq!(second.reset(MS), Err(TimerError::Cleared));
    assert_eq!(refused.borrow()[0].cancel(), Err(TimerError::Cleared));
    bench.after(0, "after");
    bench.pass();
    assert_eq!(bench.taken(), ["after"]);
}

#[test]
fn closed_timers_refuse_calls() {
    let bench = Bench::default();
    bench.timers.close();
    let dropped = Rc::new(Cell::new(false));
    let flag = Rc::clone(&dropped);
    let guard = OnDrop(move || flag.set(true));
    let call = bench.timers.schedule(at(1), move || drop(guard));
    assert!(dropped.get() && !call.active() && bench.timers.is_empty());
    assert_eq!(call.cancel(), Err(TimerError::Cleared));
}

#[test]
fn handles_outlive_their_timers() {
    let bench = Bench::default();
    let call = bench.after(1, "never");
    let pass = bench.timers.begin_pass();
    assert!(bench.timers.pop_due(&pass).is_none());
    drop(bench);
    assert_eq!(call.cancel(), Err(TimerError::Cleared));
}

#[test]
fn a_due_call_that_is_dropped_never_runs_and_drops_its_function() {
    let bench = Bench::default();
    let dropped = Rc::new(Cell::new(false));
    let flag = Rc::clone(&dropped);
    let guard = OnDrop(move || flag.set(true));
    let call = bench.timers.schedule_after(Duration::ZERO, move || drop(guard));
    let pass = bench.timers.begin_pass();
    let due = bench.timers.pop_due(&pass).unwrap();
    assert_eq!(due.handle().time(), at(0));
    drop(due);
    assert!(dropped.get());
    assert_eq!(call.cancel(), Err(TimerError::AlreadyCalled));
}

#[test]
fn time_12_a_clock_is_read_by_whoever_asks_and_never_goes_back() {
    let timers = Timers::new();
    let shown = Rc::new(Cell::new(5));
    let clock = Rc::clone(&shown);
    timers.set_clock(Some(Rc::new(move || Moment::from_nanos(clock.get()))));
    assert_eq!(timers.now(), Moment::from_nanos(5));
    shown.set(9);
    let call = timers.schedule_after(Duration::from_nanos(1), || {});
    assert_eq!(call.time(), Some(Moment::from_nanos(10)), "counted from a fresh reading");
    shown.set(3);
    assert_eq!(timers.now(), Moment::from_nanos(9));
    timers.set_clock(None);
    shown.set(100);
    assert_eq!(timers.now(), Moment::from_nanos(9));
}

#[test]
fn time_13_a_frozen_clock_stands_still_until_it_is_told_the_time() {
    let timers = Timers::new();
    let shown = Rc::new(Cell::new(1));
    let clock = Rc::clone(&shown);
    timers.set_clock(Some(Rc::new(move || Moment::from_nanos(clock.get()))));
    assert_eq!(timers.now(), Moment::from_nanos(1));
    timers.freeze();
    shown.set(50);
    assert_eq!(timers.now(), Moment::from_nanos(1));
    timers.set_now(Moment::from_nanos(20));
    assert_eq!(timers.now(), Moment::from_nanos(20));
    timers.thaw();
    assert_eq!(timers.now(), Moment::from_nanos(50));
}

#[test]
fn emptiness_and_debug_forms_tell_the_truth() {
    let timers = Timers::new();
    assert!(timers.is_empty());
    let call = timers.schedule_after(Duration::from_secs(1), || {});
    assert!(!timers.is_empty());
    assert!(format!("{call:?}").contains("DelayedCall"));
}

#[test]
fn time_07_what_is_stale_is_counted_exactly_and_a_reused_place_is_told_apart() {
    let timers = Timers::new();
    let count = || {
        let state = timers.shared.state.borrow();
        (state.heap.len(), state.stale)
    };
    let [first, _second, _third] = [10, 20, 30].map(|millis| timers.schedule(at(millis), || {}));
    first.cancel().unwrap();
    assert_eq!(count(), (3, 1));
    assert_eq!(timers.next_deadline(), at(20));
    assert_eq!(count(), (2, 0), "what surfaced is gone, and counted no more");
    timers.schedule(at(5), || {}).cancel().unwrap();
    let _reuses_the_place = timers.schedule(at(40), || {});
    assert_eq!(timers.next_deadline(), at(20));
    assert_eq!(count(), (3, 0), "one entry a call");
}

#[test]
fn timers_that_are_dropped_contain_the_panics_of_what_their_calls_own() {
    let timers = Timers::new();
    let dropped = Rc::new(Cell::new(0));
    for _ in 0..2 {
        let count = Rc::clone(&dropped);
        let guard = OnDrop(move || {
            count.set(count.get() + 1);
            panic!("expected by this test");
        });
        timers.schedule(at(1), move || drop(guard));
    }
    drop(timers);
    assert_eq!(dropped.get(), 2);
}
