//! [`Timers`]: which call is due next. No clock, no thread, no sleeping: whoever has the clock drives it.
//!
//! A pending call is in a slab. A heap of small keys has, for each that will ever come, one valid entry: at its due
//! time or, if the call was moved to later since, earlier. Such an entry is put right when it surfaces. Cancelling a
//! call and moving it to earlier leave an entry behind that is not valid any more; it is dropped when it surfaces,
//! and all of them are when they are more than 50 and more than half of the heap.
//!
//! A call asked for in the past is due now. So nothing that is made or moved during a pass can sort before what is
//! left of that pass, and the pass ends at the first entry that is not its own.
//!
//! The state is borrowed only inside the functions of [`Shared`], none of which runs or drops a function of the user's.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use slab::Slab;

use crate::contain::contain;
use crate::debug::Place;
use crate::delayed_call::{Call, Code, Due, Status};
use crate::{DelayedCall, Moment};

/// Scheduled calls in the order they are due.
///
/// A clone is another handle of the same timers. The driver, which has the clock, tells them the time with
/// [`set_now`](Timers::set_now), learns from [`next_deadline`](Timers::next_deadline) how long it may sleep, and runs
/// what is due in passes. A function is run outside of any borrow and may schedule, cancel and move calls, its own
/// included.
///
/// Calls run in the order of their deadlines, and those of equal deadlines in the order they were made. A pass runs
/// all that were due when it began and nothing that was made after: a call without delay waits for the next pass.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc, time::Duration};
/// use twistor_deferred::Timers;
///
/// let timers = Timers::new();
/// let rung = Rc::new(Cell::new(0));
/// let bell = Rc::clone(&rung);
/// timers.schedule_after(Duration::from_secs(5), move || bell.set(bell.get() + 1));
///
/// let deadline = timers.next_deadline().unwrap();
/// timers.set_now(deadline);
/// let pass = timers.begin_pass();
/// while let Some(due) = timers.pop_due(&pass) {
///     due.run(); // a reactor guards this against panics
/// }
/// assert_eq!(rung.get(), 1);
/// assert!(timers.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Timers {
    shared: Rc<Shared>,
}

/// One round of running what is due: made by [`Timers::begin_pass`].
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    now: Moment,
    /// The number of the first call that is not in this pass.
    end: u64,
}

/// A call that is due and has left the timers: made by [`Timers::pop_due`]. Dropped, it never runs.
#[must_use = "a due call that is dropped never runs"]
#[derive(Debug)]
pub struct DueCall {
    handle: DelayedCall,
}

impl Timers {
    /// No calls, at [`Moment::ZERO`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The latest reading of the clock that these timers were told.
    #[must_use]
    #[inline]
    pub fn now(&self) -> Moment {
        self.shared.now()
    }

    /// The time at this very instant: a new reading of the clock, even while the timers are frozen at the last one.
    #[must_use]
    pub fn read_clock(&self) -> Moment {
        self.shared.reading()
    }

    /// Where readings come from: until [`freeze`](Timers::freeze), whoever asks for the time has the clock read. `None`, the default,
    /// leaves it to [`set_now`](Timers::set_now). `clock` is code of the library's: it must not call back.
    pub fn set_clock(&self, clock: Option<Rc<dyn Fn() -> Moment>>) {
        let former = self.shared.clock.replace(clock);
        drop(former);
    }

    /// The clock is left alone from now on: everything that happens before [`thaw`](Timers::thaw) happens at the time that
    /// [`set_now`](Timers::set_now) told. So do the callbacks of one turn of a loop.
    #[inline]
    pub fn freeze(&self) {
        self.shared.hands.set(Hands::Still);
    }

    /// As [`freeze`](Timers::freeze), at a new reading: the first who asks for the time has the clock read, and it stands still from there on. Who
    /// never asks does not pay for it.
    #[inline]
    pub fn freeze_at_reading(&self) {
        self.shared.hands.set(Hands::Due);
    }

    /// The clock is read again by whoever asks for the time.
    #[inline]
    pub fn thaw(&self) {
        self.shared.hands.set(Hands::Going);
    }

    /// Tells the time. Time never goes back: an earlier reading than the last is ignored.
    pub fn set_now(&self, now: Moment) {
        self.shared.now.set(now.max(self.shared.now.get()));
    }

    /// Has `f` called when the time is `deadline`; one that is past counts as now.
    ///
    /// `None` stands for a deadline too far away to represent: the call is listed as pending and never comes. On timers
    /// that are closed, or in the middle of being cleared, `f` is dropped uncalled and the handle is not active.
    #[track_caller]
    pub fn schedule(&self, deadline: Option<Moment>, f: impl FnOnce() + 'static) -> DelayedCall {
        match Place::here() {
            None => self.add(deadline, f),
            Some(place) => self.add(deadline, move || {
                let _told = TellPlace(place);
                f();
            }),
        }
    }

    fn add(&self, deadline: Option<Moment>, f: impl FnOnce() + 'static) -> DelayedCall {
        let call = Rc::new(Call {
            status: Cell::new(Status::Pending),
            due: Cell::new(Due { at: deadline, order: 0 }),
            queued: Cell::new(None),
            index: Cell::new(0),
            code: Cell::new(Some(f)),
        });
        let handle = DelayedCall { call, timers: Rc::downgrade(&self.shared) };
        if !self.shared.insert(&handle.call, deadline) {
            handle.call.status.set(Status::Cleared);
            handle.call.code.discard();
        }
        handle
    }

    /// Has `f` called `delay` from [`now`](Timers::now), with the rules of [`schedule`](Timers::schedule). No delay
    /// means the next pass, never the one that is running.
    #[track_caller]
    pub fn schedule_after(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.schedule(self.now().checked_add(delay), f)
    }

    /// When the next call is due; `None` if there is none that will ever come.
    #[must_use]
    #[inline]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.shared.state.borrow_mut().first().map(|key| key.at)
    }

    /// Begins a pass over the calls that are due now and made before now.
    #[must_use]
    pub fn begin_pass(&self) -> Pass {
        Pass { now: self.now(), end: self.shared.state.borrow().next_order }
    }

    /// The next call of `pass`, which counts as called from here on; `None` when the pass is done.
    ///
    /// A call that was cancelled or moved since the pass began is not in it.
    #[must_use]
    pub fn pop_due(&self, pass: &Pass) -> Option<DueCall> {
        let call = self.shared.pop_due(pass)?;
        Some(DueCall { handle: DelayedCall { call, timers: Rc::downgrade(&self.shared) } })
    }

    /// How many calls are pending, those that will never come included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state.borrow().calls.len()
    }

    /// Whether no call is pending.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Handles of all pending calls, in the order they are due; those that never come are last.
    #[must_use]
    pub fn pending(&self) -> Vec<DelayedCall> {
        let mut calls: Vec<_> =
            self.shared.state.borrow().calls.iter().map(|(_, call)| Rc::clone(call)).collect();
        calls.sort_by_key(|call| {
            let due = call.due.get();
            (due.at.is_none(), due.at, due.order)
        });
        let timers = Rc::downgrade(&self.shared);
        calls.into_iter().map(|call| DelayedCall { call, timers: Weak::clone(&timers) }).collect()
    }

    /// Drops every call uncalled. One that is made meanwhile, by a destructor, is refused.
    pub fn clear(&self) {
        self.shared.clear();
    }

    /// A way back to these timers that does not keep them.
    pub(crate) fn weak(&self) -> impl Fn() -> Option<Self> + use<> {
        let shared = Rc::downgrade(&self.shared);
        move || shared.upgrade().map(|shared| Self { shared })
    }

    /// Clears the timers and refuses all calls from now on.
    pub fn close(&self) {
        self.shared.closed.set(true);
        self.shared.clear();
    }
}

/// Says where a call was made if the call panics.
struct TellPlace(Place);

impl Drop for TellPlace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let place = &self.0;
            let _ = contain(|| tracing::error!(made_at = %format_args!("{place:#}"), "a timed call panics"));
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("now", &self.now())
            .field("pending", &self.len())
            .finish_non_exhaustive()
    }
}

impl Pass {
    /// The time that this pass goes by, sampled when it began.
    #[must_use]
    #[inline]
    pub const fn now(&self) -> Moment {
        self.now
    }
}

impl DueCall {
    /// Calls the function. A panic in it goes through; the driver contains it.
    pub fn run(self) {
        self.handle.call.code.call();
    }

    /// The handle of the call.
    #[must_use]
    pub const fn handle(&self) -> &DelayedCall {
        &self.handle
    }
}

impl Drop for DueCall {
    fn drop(&mut self) {
        self.handle.call.code.discard();
    }
}

/// What all handles of the same timers share.
#[derive(Default)]
pub(crate) struct Shared {
    now: Cell<Moment>,
    /// Where readings come from, if anywhere.
    clock: RefCell<Option<Clockwork>>,
    hands: Cell<Hands>,
    /// No call is taken any more.
    closed: Cell<bool>,
    /// No call is taken while the others are dropped.
    clearing: Cell<bool>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    calls: Slab<Rc<Call<dyn Code>>>,
    heap: BinaryHeap<Reverse<Key>>,
    /// How many entries of the heap are not valid.
    stale: usize,
    next_order: u64,
}

/// What a question for the time does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Hands {
    /// It reads the clock.
    #[default]
    Going,
    /// It reads the clock, which then stands still.
    Due,
    /// It gives the latest reading.
    Still,
}

/// An entry of the heap: small, so that sifting is cheap, and ordered by its fields from the first to the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: Moment,
    order: u64,
    index: usize,
}

/// So many invalid entries are never worth a sweep of the heap.
const FEW_STALE: usize = 50;

/// A clock, as a closure.
type Clockwork = Rc<dyn Fn() -> Moment>;

impl Shared {
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        if self.hands.get() != Hands::Still {
            self.now.set(self.reading());
            if self.hands.get() == Hands::Due {
                self.hands.set(Hands::Still);
            }
        }
        self.now.get()
    }

    /// What the clock says, if there is one, and never less than what it said before.
    fn reading(&self) -> Moment {
        let clock = self.clock.borrow().clone();
        clock.map_or(Moment::ZERO, |clock| clock()).max(self.now.get())
    }

    /// Takes in a new call, or refuses it.
    fn insert(&self, call: &Rc<Call<dyn Code>>, deadline: Option<Moment>) -> bool {
        if self.closed.get() || self.clearing.get() {
            return false;
        }
        // The clock is somebody's code too: it is asked before anything is borrowed.
        let due = deadline.map(|at| at.max(self.now()));
        let mut state = self.state.borrow_mut();
        call.index.set(state.calls.insert(Rc::clone(call)));
        state.place(call, due);
        true
    }

    /// Gives a pending call another deadline.
    pub(crate) fn move_to(&self, call: &Call<dyn Code>, deadline: Option<Moment>) {
        let due = deadline.map(|at| at.max(self.now()));
        self.state.borrow_mut().place(call, due);
    }

    /// Takes out a pending call, whose code is left for the caller to drop.
    pub(crate) fn cancel(&self, call: &Call<dyn Code>) {
        call.status.set(Status::Cancelled);
        let mut state = self.state.borrow_mut();
        state.calls.remove(call.index.get());
        if call.queued.take().is_some() {
            state.add_stale();
        }
    }

    fn pop_due(&self, pass: &Pass) -> Option<Rc<Call<dyn Code>>> {
        let mut state = self.state.borrow_mut();
        let key = state.first()?;
        if key.at > pass.now || key.order >= pass.end {
            return None;
        }
        state.heap.pop();
        let call = state.calls.remove(key.index);
        call.queued.set(None);
        call.status.set(Status::Called);
        Some(call)
    }

    fn clear(&self) {
        let outer = self.clearing.replace(true);
        let calls = {
            let mut state = self.state.borrow_mut();
            state.heap.clear();
            state.stale = 0;
            std::mem::take(&mut state.calls)
        };
        for (_, call) in &calls {
            call.queued.set(None);
            call.status.set(Status::Cleared);
        }
        for (_, call) in &calls {
            call.code.discard();
        }
        self.clearing.set(outer);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.clear();
    }
}

impl State {
    /// Sets when `call` is due, and sees to it that the heap has a valid entry for it which is not later than that.
    fn place(&mut self, call: &Call<dyn Code>, at: Option<Moment>) {
        let order = self.next_order;
        self.next_order += 1;
        call.due.set(Due { at, order });
        let Some(at) = at else { return };
        match call.queued.get() {
            Some((queued, _)) if queued <= at => {}
            queued => {
                self.push(call, at, order);
                if queued.is_some() {
                    self.add_stale();
                }
            }
        }
    }

    fn push(&mut self, call: &Call<dyn Code>, at: Moment, order: u64) {
        call.queued.set(Some((at, order)));
        self.heap.push(Reverse(Key { at, order, index: call.index.get() }));
    }

    /// The first entry, valid and at the due time of its call.
    #[inline]
    fn first(&mut self) -> Option<Key> {
        while let Some(&Reverse(key)) = self.heap.peek() {
            let call = self.calls.get(key.index).filter(|call| key.is_valid(call)).map(Rc::clone);
            let due = call.as_ref().map(|call| call.due.get());
            match (call, due) {
                (Some(call), Some(due)) if due.order != key.order => {
                    self.heap.pop();
                    call.queued.set(None);
                    if let Some(at) = due.at {
                        self.push(&call, at, due.order);
                    }
                }
                (Some(_), _) => return Some(key),
                (None, _) => {
                    self.heap.pop();
                    self.stale -= 1;
                }
            }
        }
        None
    }

    /// One entry has become invalid; when most are, all of those go.
    fn add_stale(&mut self) {
        self.stale += 1;
        if self.stale > FEW_STALE && self.stale > self.heap.len() / 2 {
            let calls = &self.calls;
            self.heap.retain(|Reverse(key)| calls.get(key.index).is_some_and(|call| key.is_valid(call)));
            self.stale = 0;
        }
    }
}

impl Key {
    /// Whether this is the one entry of `call`, which is at this key's place in the slab.
    fn is_valid(&self, call: &Call<dyn Code>) -> bool {
        call.queued.get() == Some((self.at, self.order))
    }
}

#[cfg(test)]
mod tests;
