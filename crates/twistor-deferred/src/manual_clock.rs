//! [`ManualClock`]: time that passes when it is told to.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::contain::{contain, log_panic};
use crate::{Clock, DelayedCall, Moment, Timers};

/// A clock for tests, moved by hand, on which calls are made as on a reactor.
///
/// Time begins at [`Moment::ZERO`] and passes in [`advance`](Self::advance) alone, from one deadline to the next: a call sees the moment
/// at which it was due, not the end of the advance. Calls due together run in the order they were made. A call
/// without delay waits for the next turn. A panic of a call is logged and the next call is made.
///
/// A clone is another handle of the same clock.
///
/// # Examples
///
/// ```
/// use std::{cell::RefCell, rc::Rc, time::Duration};
/// use twistor_deferred::{Clock, ManualClock, Moment};
///
/// let clock = ManualClock::new();
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// for seconds in [2, 1] {
///     let (clock, seen) = (clock.clone(), Rc::clone(&seen));
///     clock.clone().call_later(Duration::from_secs(seconds), move || seen.borrow_mut().push(clock.now()));
/// }
/// clock.advance(Duration::from_secs(10));
/// let second = |n: u64| Moment::from_nanos(n * 1_000_000_000);
/// assert_eq!(*seen.borrow(), [second(1), second(2)]);
/// assert_eq!(clock.now(), second(10));
/// ```
#[derive(Clone, Default)]
pub struct ManualClock {
    timers: Timers,
    advance: Rc<Cell<Advance>>,
}

/// Whether time is passing, and until when.
#[derive(Clone, Copy, Default)]
enum Advance {
    #[default]
    Still,
    Until(Moment),
}

/// So many turns at one moment count as a program that never comes to rest.
const MOST_TURNS: usize = 100_000;

impl ManualClock {
    /// A clock at [`Moment::ZERO`], with no calls.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `by` pass: every call that is due in it is made, at its moment.
    ///
    /// At the end there is one turn, as a reactor makes: what is due then is called, and a call without delay that is made meanwhile waits
    /// for the next advance. So an advance by zero is one turn. Called from inside one of its own calls it returns at
    /// once, and the time is added to what the running advance has to pass.
    ///
    /// # Panics
    ///
    /// If calls without delay make each other 100,000 times and time cannot go on.
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        let later = |from: Moment| from.checked_add(by).unwrap_or(Moment::MAX);
        if let Advance::Until(target) = self.advance.get() {
            self.advance.set(Advance::Until(later(target)));
            return;
        }
        self.advance.set(Advance::Until(later(self.now())));
        let mut turns = 0;
        while let Advance::Until(target) = self.advance.get() {
            let next = self.timers.next_deadline().filter(|&deadline| deadline < target).unwrap_or(target);
            turns = if next > self.now() { 0 } else { turns + 1 };
            if turns > MOST_TURNS {
                self.advance.set(Advance::Still);
                panic!(
                    "calls without delay make each other for ever: let time pass with advance(Duration::ZERO), one turn each"
                );
            }
            self.timers.set_now(next);
            self.turn();
            if matches!(self.advance.get(), Advance::Until(still) if next >= still) {
                self.advance.set(Advance::Still);
            }
        }
    }

    /// Advances by each of `steps` in turn.
    pub fn pump(&self, steps: impl IntoIterator<Item = Duration>) {
        for step in steps {
            self.advance(step);
        }
    }

    /// The calls that are pending, in the order in which they will be made.
    #[must_use]
    pub fn delayed_calls(&self) -> Vec<DelayedCall> {
        self.timers.pending()
    }

    fn turn(&self) {
        let pass = self.timers.begin_pass();
        while let Some(due) = self.timers.pop_due(&pass) {
            if let Err(text) = contain(|| due.run()) {
                log_panic("making a timed call", &text);
            }
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        self.timers.now()
    }

    #[track_caller]
    fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.timers.schedule_after(delay, f)
    }

    fn downgrade(&self) -> Box<dyn Fn() -> Option<Self>> {
        let (timers, advance) = (self.timers.weak(), Rc::clone(&self.advance));
        Box::new(move || Some(Self { timers: timers()?, advance: Rc::clone(&advance) }))
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("now", &self.now()).field("pending", &self.timers.len()).finish()
    }
}
