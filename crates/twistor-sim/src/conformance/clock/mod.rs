//! What every clock promises ([`Clock`]): the rules of section TIME that concern a call made later.
//!
//! Cases do what depends on the order of events inside one callback, where a clock stands still: a real one does not wait for a test.

mod cases;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::{Clock, ManualClock, contain};
use twistor_reactor::{Reactor, ReactorHandle};

use crate::TestReactor;

/// A clock, and how a test lets its time pass.
pub trait PassTime {
    /// The clock.
    type Clock: Clock;

    /// A handle of the clock.
    fn clock(&self) -> Self::Clock;

    /// Lets at least `time` pass, and makes the calls that are due in it.
    fn pass(&mut self, time: Duration);
}

impl PassTime for ManualClock {
    type Clock = Self;

    fn clock(&self) -> Self {
        self.clone()
    }

    fn pass(&mut self, time: Duration) {
        self.advance(time);
    }
}

impl PassTime for TestReactor {
    type Clock = ReactorHandle;

    fn clock(&self) -> ReactorHandle {
        self.handle()
    }

    fn pass(&mut self, time: Duration) {
        Self::pass(self, time);
    }
}

/// A started reactor over any kernel; over a real one, the time is really waited for.
impl PassTime for Reactor {
    type Clock = ReactorHandle;

    fn clock(&self) -> ReactorHandle {
        self.handle()
    }

    fn pass(&mut self, time: Duration) {
        /// The last turns: for what the end of the time has made due.
        const LAST: usize = 2;
        /// The most turns before that: a clock that stands still is not waited for.
        const MOST: usize = 100_000;
        let begin = self.now();
        for turns in 0.. {
            let left = time.saturating_sub(self.now().saturating_duration_since(begin));
            if left.is_zero() {
                break;
            }
            assert!(turns < MOST, "{turns} turns, and {left:?} of {time:?} are still to pass");
            self.iterate(Some(left)).expect("the kernel can wait");
        }
        for _ in 0..LAST {
            self.iterate(Some(Duration::ZERO)).expect("the kernel can wait");
        }
    }
}

type Notes = Rc<RefCell<Vec<&'static str>>>;

/// The clock of a case, and a notebook.
struct Bench<T: PassTime> {
    time: T,
    clock: T::Clock,
    notes: Notes,
}

const ZERO: Duration = Duration::ZERO;
const TICK: Duration = Duration::from_millis(2);

impl<T: PassTime> Bench<T> {
    fn new(time: T) -> Self {
        let clock = time.clock();
        Self { time, clock, notes: Rc::default() }
    }

    /// A function that writes `text`.
    fn note(&self, text: &'static str) -> impl FnOnce() + 'static {
        let notes = Rc::clone(&self.notes);
        move || notes.borrow_mut().push(text)
    }

    /// Runs `f` inside a call of the clock's.
    fn inside(&mut self, f: impl FnOnce(&T::Clock) + 'static) {
        let clock = self.clock.clone();
        let ran = Rc::new(Cell::new(false));
        let done = Rc::clone(&ran);
        self.clock.call_later(ZERO, move || {
            f(&clock);
            done.set(true);
        });
        for _ in 0..3 {
            if !ran.get() {
                self.time.pass(ZERO);
            }
        }
        assert!(ran.get(), "a call without delay was not made, or it panicked");
    }

    #[track_caller]
    fn expect(&self, expected: &[&str]) {
        assert_eq!(self.notes.take(), expected);
    }
}

/// Makes the list of the cases, which are generic.
macro_rules! cases {
    ($make:ident: $($name:ident)*) => {
        vec![$((stringify!($name), contain(|| cases::$name(Bench::new($make()))))),*]
    };
}

/// Runs every case of a clock's promises, each with a new clock made by `make`.
///
/// # Panics
///
/// With the list of the cases that failed and what each saw, if any did. All are run first.
///
/// # Examples
///
/// ```
/// use twistor_deferred::ManualClock;
/// use twistor_sim::conformance;
///
/// conformance::clock(ManualClock::new);
/// ```
pub fn clock<T: PassTime>(make: impl Fn() -> T) {
    super::report(cases! {
        make:
        time_01_a_call_is_never_made_at_once
        time_01_a_delay_too_long_to_represent_never_comes
        time_02_no_delay_inside_a_call_waits_for_the_others
        time_03_calls_come_by_due_time_and_ties_in_the_order_they_were_made
        time_03_a_moved_call_takes_its_place_as_if_made_then
        time_04_cancelling_says_why_it_cannot
        time_04_a_call_that_runs_counts_as_called
        time_05_a_call_may_cancel_another_that_is_due
        time_06_moving_counts_from_now_or_from_the_due_time
        time_09_a_panic_leaves_the_others_alone
        time_10_a_call_is_never_early
        time_11_cancelling_drops_what_the_call_owns
        time_12_the_clock_never_goes_back
        time_13_a_callback_has_one_time
        r29_dropping_the_handle_detaches
        a_clone_is_the_same_clock
        soon_is_after_the_present_call
    });
}
