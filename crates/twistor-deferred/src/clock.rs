//! [`Clock`]: who has the time, and makes calls when it has come.

use std::time::Duration;

use crate::{DelayedCall, Moment, Timers};

/// Tells the time and makes calls later: a reactor, or a [`ManualClock`](crate::ManualClock) in its place.
///
/// A clock is a cheap handle; its clones are handles of the same clock. Everything in this crate that needs
/// time takes any clock: [`Deferred::add_timeout`](crate::Deferred::add_timeout),
/// [`defer_later`](crate::defer_later()), [`sleep`](crate::sleep), [`LoopingCall`](crate::LoopingCall),
/// [`Cooperator`](crate::Cooperator). Write what you build on them in the same way, and it is tested without
/// a loop and without waiting.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use twistor_deferred::{Clock, ManualClock};
///
/// /// An alarm that rings once.
/// fn alarm(clock: &impl Clock, after: Duration) -> Rc<Cell<bool>> {
///     let rings = Rc::new(Cell::new(false));
///     let bell = Rc::clone(&rings);
///     clock.call_later(after, move || bell.set(true));
///     rings
/// }
///
/// let clock = ManualClock::new();
/// let rings = alarm(&clock, Duration::from_secs(3_600));
/// clock.advance(Duration::from_secs(3_599));
/// assert!(!rings.get());
/// clock.advance(Duration::from_secs(1));
/// assert!(rings.get());
/// ```
pub trait Clock: Clone + 'static {
    /// The time by which the present callbacks go: the same for all of one turn of a loop.
    fn now(&self) -> Moment;

    /// The time as it is at this very instant, which may be later than [`now`](Self::now): for measuring how
    /// long something takes.
    fn read(&self) -> Moment {
        self.now()
    }

    /// Calls `f` once, when `delay` has passed since [`now`](Self::now). Zero means the next turn, never this
    /// one; calls due together run in the order they were made. Dropping the [`DelayedCall`] leaves the call
    /// in place. A clock that is at its end drops `f` uncalled, and those it has not called yet.
    #[track_caller]
    fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall;

    /// Calls `f` once, soon: after whoever is being called now has returned, and before time passes. A clock
    /// that is at its end drops `f` uncalled, and those it has not called yet.
    fn call_soon(&self, f: impl FnOnce() + 'static) {
        self.call_later(Duration::ZERO, f);
    }

    /// A way back to this clock that does not keep it alive: for what the clock's own calls keep alive, such as a
    /// [`LoopingCall`](crate::LoopingCall). It gives `None` once all handles are gone.
    ///
    /// Unless it is overridden it does keep the clock alive, which is good enough for a clock that drops its
    /// calls at its end by itself, handles or no handles.
    fn downgrade(&self) -> Box<dyn Fn() -> Option<Self>> {
        let clock = self.clone();
        Box::new(move || Some(clock.clone()))
    }
}

impl Clock for Timers {
    fn now(&self) -> Moment {
        self.now()
    }

    fn read(&self) -> Moment {
        self.read_clock()
    }

    #[track_caller]
    fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.schedule_after(delay, f)
    }

    fn downgrade(&self) -> Box<dyn Fn() -> Option<Self>> {
        Box::new(self.weak())
    }
}
