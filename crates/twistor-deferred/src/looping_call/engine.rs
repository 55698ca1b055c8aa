//! The state of a loop, and what moves it:
//!
//! ```text
//!            start               tick                 a Deferred
//!   Idle ------------> Waiting --------> Calling -------------------> Pending
//!    ^                  |   ^             |   |                        |   |
//!    +------------------+   +-------------+---|--- it has succeeded ---+   |
//!    | stop, cancel, no clock                 |                            |
//!    +----------------------------------------+------- failed, or ending --+
//! ```
//!
//! Nothing is borrowed while the function is called, a promise fired or the clock asked for anything.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::LoopingCallError;
use super::grid::Grid;
use crate::alarm::{Alarm, Wake, WeakClock};
use crate::contain::{contain, drop_contained};
use crate::{Canceller, Deferred, Failure, Moment, Outcome, Panicked, Promise, deferred};

type Body = Box<dyn FnMut(u64) -> Outcome<()>>;

pub(super) struct Engine {
    clock: WeakClock,
    /// The function; taken out while it is called.
    body: Cell<Option<Body>>,
    state: RefCell<State>,
}

enum State {
    Idle,
    /// The clock has a call for the next tick.
    Waiting(Run, Alarm),
    /// The function is on the stack.
    Calling(Run),
    /// The Deferred that the function has returned is not through; this cancels it.
    Pending(Run, Canceller),
}

/// What a loop has from its start to its end.
struct Run {
    promise: Promise<()>,
    interval: Duration,
    grid: Grid,
    ending: Ending,
}

/// What happens when the call that is being made is through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    GoOn,
    Stop,
    /// As `Stop`, and a Deferred is not to be waited for but cancelled.
    Cancel,
}

impl Engine {
    pub(super) fn new(clock: WeakClock, body: Body) -> Self {
        Self { clock, body: Cell::new(Some(body)), state: RefCell::new(State::Idle) }
    }

    #[track_caller]
    pub(super) fn start(
        self: &Rc<Self>,
        interval: Duration,
        grid: impl FnOnce(Moment, Duration) -> Grid,
    ) -> Result<Deferred<()>, LoopingCallError> {
        if !matches!(*self.state.borrow(), State::Idle) {
            let running = self.is_running();
            return Err(if running { LoopingCallError::Running } else { LoopingCallError::Stopping });
        }
        let (promise, over) = deferred();
        let engine = Rc::downgrade(self);
        promise.on_cancel(move || {
            if let Some(engine) = engine.upgrade() {
                engine.cancel();
            }
        });
        // Without a clock the promise is dropped, which says so.
        if let Some(now) = self.clock.read() {
            let run = Run { promise, interval, grid: grid(now, interval), ending: Ending::GoOn };
            self.wait(run, now);
        }
        Ok(over)
    }

    pub(super) fn stop(&self) -> Result<(), LoopingCallError> {
        if let Some((run, alarm)) = self.take_waiting() {
            drop(alarm);
            run.promise.callback(());
            return Ok(());
        }
        match &mut *self.state.borrow_mut() {
            State::Calling(run) | State::Pending(run, _) if run.ending == Ending::GoOn => {
                run.ending = Ending::Stop;
                Ok(())
            }
            _ => Err(LoopingCallError::NotRunning),
        }
    }

    /// The loop's Deferred is being cancelled, by its holder.
    fn cancel(&self) {
        // Its promise is cancelled, so dropping it says nothing more.
        drop(self.take_waiting());
        let pending = match &mut *self.state.borrow_mut() {
            State::Calling(run) => {
                run.ending = Ending::Cancel;
                None
            }
            State::Pending(run, canceller) => {
                run.ending = Ending::Cancel;
                Some(canceller.clone())
            }
            State::Idle | State::Waiting(..) => None,
        };
        if let Some(canceller) = pending {
            canceller.cancel_in_turn();
        }
    }

    pub(super) fn reset(self: &Rc<Self>) -> Result<(), LoopingCallError> {
        if !self.is_running() {
            return Err(LoopingCallError::NotRunning);
        }
        if let Some((mut run, alarm)) = self.take_waiting() {
            drop(alarm);
            if let Some(now) = self.clock.read() {
                run.grid.restart(now);
                self.wait(run, now);
            }
        }
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        match &*self.state.borrow() {
            State::Idle => false,
            State::Waiting(run, _) | State::Calling(run) | State::Pending(run, _) => {
                run.ending == Ending::GoOn
            }
        }
    }

    pub(super) fn interval(&self) -> Option<Duration> {
        match &*self.state.borrow() {
            State::Waiting(run, _) | State::Calling(run) | State::Pending(run, _)
                if run.ending == Ending::GoOn =>
            {
                Some(run.interval)
            }
            _ => None,
        }
    }

    pub(super) fn state_name(&self) -> &'static str {
        match &*self.state.borrow() {
            State::Idle => "idle",
            State::Waiting(..) => "waiting",
            State::Calling(run) | State::Pending(run, _) if run.ending != Ending::GoOn => "stopping",
            State::Calling(_) => "calling",
            State::Pending(..) => "waiting for a Deferred",
        }
    }

    /// Waits for the first tick after `moment`, or for the first one of all. Without a clock the run is dropped.
    fn wait(self: &Rc<Self>, run: Run, moment: Moment) {
        let target = Rc::clone(self) as Rc<dyn Wake>;
        let alarm = if run.grid.is_fresh() {
            self.clock.wake_soon(target)
        } else {
            self.clock.wake_at(run.grid.tick_after(moment), target)
        };
        if let Some(alarm) = alarm {
            self.state.replace(State::Waiting(run, alarm));
        }
    }

    fn take_waiting(&self) -> Option<(Run, Alarm)> {
        let mut state = self.state.borrow_mut();
        match mem::replace(&mut *state, State::Idle) {
            State::Waiting(run, alarm) => Some((run, alarm)),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Calls the function, unless the clock was early.
    fn tick(self: &Rc<Self>, mut run: Run, now: Moment) {
        let count = run.grid.count(now);
        if count == 0 {
            return self.wait(run, now);
        }
        self.state.replace(State::Calling(run));
        let Some(mut body) = self.body.take() else { return };
        let outcome = contain(|| body(count));
        self.body.set(Some(body));
        match outcome {
            Ok(Outcome::Done(result)) => self.finish(result),
            Ok(Outcome::Wait(pending)) => self.wait_for(pending),
            Err(text) => self.finish(Err(Panicked(text).into())),
        }
    }

    /// The function has returned a Deferred.
    fn wait_for(self: &Rc<Self>, pending: Deferred<()>) {
        let canceller = pending.canceller();
        let State::Calling(run) = self.state.replace(State::Idle) else { return };
        let unwanted = run.ending == Ending::Cancel;
        self.state.replace(State::Pending(run, canceller.clone()));
        let engine = Rc::clone(self);
        pending.add_both(move |result| engine.finish(result));
        if unwanted {
            canceller.cancel();
        }
    }

    /// The call is through, its Deferred included.
    fn finish(self: &Rc<Self>, result: Result<(), Failure>) {
        let (State::Calling(run) | State::Pending(run, _)) = self.state.replace(State::Idle) else { return };
        match result {
            Err(failure) => run.promise.errback(failure),
            Ok(()) if run.ending == Ending::GoOn => {
                if let Some(now) = self.clock.read() {
                    self.wait(run, now);
                }
            }
            Ok(()) => run.promise.callback(()),
        }
    }
}

impl Wake for Engine {
    fn wake(self: Rc<Self>) {
        if let (Some((run, alarm)), Some(now)) = (self.take_waiting(), self.clock.read()) {
            drop(alarm);
            self.tick(run, now);
        }
    }

    fn forsake(self: Rc<Self>) {
        drop(self.take_waiting());
    }
}

/// The function is the user's, and so is what it does when it is dropped.
impl Drop for Engine {
    fn drop(&mut self) {
        drop_contained(self.body.take());
    }
}
