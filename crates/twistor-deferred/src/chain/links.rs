//! Which chain waits for which: for cancelling, and for finding circles.
//!
//! A chain whose stage has returned a Deferred `waits_on` that Deferred's chain, which has it as its `waiter`. The
//! chain at the end of a row of `waits_on` is the one whose promise is to be fired: that is what a cancel reaches. The
//! one at the end of a row of `waiter`s is the one whose Deferred somebody still holds.
//!
//! When a chain's last stage returns a Deferred and the chain has a waiter already, it steps out of the row: its
//! waiter waits on the new chain directly. It keeps its own `waits_on`, for whoever holds a `Canceller` of it.

use std::cell::Cell;
use std::ptr;
use std::rc::{Rc, Weak};

use super::{Follower, Node};
use crate::contain::{contain, drop_contained, log_panic};
use crate::debug::{Place, Trace, is_debug};
use crate::{Cancelled, Failure};

/// What all chains have in common, whatever the types of their values: the root, seen from the side.
pub(crate) trait Chain: Node {
    fn links(&self) -> &Links;
    /// Gives the root a failure as its value and enters `phase`. Nothing moves yet.
    fn put_failure(&self, phase: Phase, failure: Failure);
    /// Moves the root's value along.
    fn drive(self: Rc<Self>);
}

/// How far a promise is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Neither fired nor cancelled.
    Pending,
    /// Its canceller is running.
    Cancelling,
    /// Fired by its owner, or dropped by it.
    Fired,
    /// Fired by a cancel; what its owner does is ignored.
    Cancelled,
}

type CancelFn = Box<dyn FnOnce()>;

pub(crate) struct Links {
    phase: Cell<Phase>,
    canceller: Cell<Option<CancelFn>>,
    waits_on: Cell<Option<Rc<dyn Chain>>>,
    waiter: Cell<Option<Weak<dyn Chain>>>,
    /// Kept in debug mode.
    trace: Cell<Option<Box<Trace>>>,
}

impl Links {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Pending),
            trace: Cell::new(None),
            canceller: Cell::new(None),
            waits_on: Cell::new(None),
            waiter: Cell::new(None),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Remembers the caller's caller as the one who made it, in debug mode.
    #[inline]
    #[track_caller]
    pub(super) fn note_made(&self) {
        if is_debug() {
            self.trace.set(Trace::begin());
        }
    }

    /// Remembers the caller's caller as the one who fired, in debug mode.
    #[track_caller]
    pub(crate) fn note_fired(&self) {
        if let Some(mut trace) = self.trace.take() {
            trace.fired = Place::here();
            self.trace.set(Some(trace));
        }
    }

    /// Where it was made and where it was fired, as far as that is known.
    pub(crate) fn places(&self) -> (Option<Place>, Option<Place>) {
        let trace = self.trace.take();
        let places = trace.as_ref().map(|trace| (trace.made.clone(), trace.fired.clone()));
        self.trace.set(trace);
        places.map_or((None, None), |(made, fired)| (Some(made), fired))
    }

    /// Enters `phase`, one of the last two, and forgets the canceller.
    #[inline]
    pub(crate) fn settle(&self, phase: Phase) {
        self.phase.set(phase);
        if let Some(canceller) = self.canceller.take() {
            drop_canceller(canceller);
        }
    }

    /// Puts a canceller in the place of the one there was.
    pub(crate) fn set_canceller(&self, canceller: CancelFn) {
        if let Some(old) = self.canceller.replace(Some(canceller)) {
            drop_contained(old);
        }
    }

    pub(crate) fn take_canceller(&self) -> Option<CancelFn> {
        self.canceller.take()
    }

    fn waits_on(&self) -> Option<Rc<dyn Chain>> {
        let chain = self.waits_on.take();
        self.waits_on.set(chain.clone());
        chain
    }

    fn waiter(&self) -> Option<Rc<dyn Chain>> {
        let waiter = self.waiter.take();
        let chain = waiter.as_ref().and_then(Weak::upgrade);
        self.waiter.set(waiter);
        chain
    }
}

/// Apart, so that [`Links::settle`] is short where there is no canceller.
#[inline(never)]
fn drop_canceller(canceller: CancelFn) {
    drop_contained(canceller);
}

impl Drop for Links {
    #[inline]
    fn drop(&mut self) {
        if let Some(chain) = self.waits_on.take() {
            let_go(chain);
        }
    }
}

/// A row of chains that only hold each other is let go one by one, not one inside the other.
#[cold]
fn let_go(first: Rc<dyn Chain>) {
    let mut next = Some(first);
    while let Some(chain) = next {
        next = if Rc::strong_count(&chain) == 1 { chain.links().waits_on.take() } else { None };
    }
}

fn same(a: &Rc<dyn Chain>, b: &Rc<dyn Chain>) -> bool {
    ptr::addr_eq(Rc::as_ptr(a), Rc::as_ptr(b))
}

/// Whether `inner`, returned by a callback of `running`, could only go on after `running` has.
///
/// It is so if `running` is somewhere among what `inner` waits for; then `inner` is just as far away at the end of the
/// row that waits for `running`. So both rows are walked in step, and when either ends the search does. Rows grow by
/// being put together, and the shorter of the two is what that costs: no more than n log n for a row that grew to n.
pub(super) fn would_be_circular(running: &Rc<dyn Chain>, inner: &Rc<dyn Chain>) -> bool {
    let circular = search_in_step(running, inner);
    #[cfg(test)]
    assert_eq!(circular, search_all(running, inner));
    circular
}

fn search_in_step(running: &Rc<dyn Chain>, inner: &Rc<dyn Chain>) -> bool {
    let (mut down, mut up) = (Rc::clone(running), Rc::clone(inner));
    loop {
        if same(&up, running) {
            return true;
        }
        match (down.links().waiter(), up.links().waits_on()) {
            (Some(waiter), Some(waited_for)) => (down, up) = (waiter, waited_for),
            _ => return false,
        }
    }
}

/// The plain way to the same answer, for tests.
#[cfg(test)]
fn search_all(running: &Rc<dyn Chain>, inner: &Rc<dyn Chain>) -> bool {
    std::iter::successors(Some(Rc::clone(inner)), |chain| chain.links().waits_on())
        .any(|chain| same(&chain, running))
}

/// `chain` is suspended until `inner` has a result. If its node does not stay, it steps out of the row.
pub(super) fn wait(chain: &Rc<dyn Chain>, inner: &Rc<dyn Chain>, node_stays: bool) {
    // The waiter may be out of everybody's reach: then nobody is in front, and `chain` does not go on in its place.
    let front = if node_stays { Some(Rc::clone(chain)) } else { chain.links().waiter() };
    inner.links().waiter.set(front.as_ref().map(Rc::downgrade));
    if let Some(front) = front {
        front.links().waits_on.set(Some(Rc::clone(inner)));
    }
    chain.links().waits_on.set(Some(Rc::clone(inner)));
}

/// `inner` has come to its end: gives the chain that goes on, unless that is out of everybody's reach.
pub(super) fn leave(inner: Rc<dyn Chain>) -> Option<Rc<dyn Chain>> {
    let waiter = inner.links().waiter.take()?.upgrade()?;
    waiter.links().waits_on.set(None);
    Some(waiter)
}

/// The chain whose promise has to be fired for `chain` to go on, and how many Deferreds deep it is.
pub(crate) fn where_it_waits(chain: &Rc<dyn Chain>) -> (Rc<dyn Chain>, usize) {
    let (mut target, mut depth) = (Rc::clone(chain), 0);
    while let Some(inner) = target.links().waits_on() {
        target = inner;
        depth += 1;
    }
    (target, depth)
}

/// How many stages the outermost of the chains that wait for `innermost` has still to go.
pub(crate) fn stages_left(innermost: &Rc<dyn Chain>) -> usize {
    let mut left = 0;
    let mut next = innermost.follower();
    loop {
        next = match next {
            Follower::Stage(node) => {
                left += 1;
                node.follower()
            }
            Follower::Outer(node) => {
                left = 0;
                node.follower()
            }
            Follower::Nobody => return left,
        };
    }
}

/// Cancels whatever `chain` waits for, if it waits.
pub(crate) fn cancel(chain: &Rc<dyn Chain>) {
    let (target, _) = where_it_waits(chain);
    let links = target.links();
    if links.phase() != Phase::Pending {
        return;
    }
    links.phase.set(Phase::Cancelling);
    if let Some(canceller) = links.canceller.take() {
        if let Err(text) = contain(canceller) {
            log_panic("cancelling a Deferred", &text);
        }
    }
    if links.phase() == Phase::Cancelling {
        target.put_failure(Phase::Cancelled, Failure::placeless(Cancelled));
        target.drive();
    }
}
