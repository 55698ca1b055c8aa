//! The first node of a chain: where the promise puts the result.

use std::rc::Rc;

use super::links::{Chain, Links, Phase};
use super::{Driver, Follower, Link, Node, Produce, Slot, Step, abandon};
use crate::contain::drop_contained;
use crate::{Abandoned, Deferred, Failure};

pub(crate) struct Root<T> {
    slot: Slot<T>,
    links: Links,
}

/// A root, seen by its promise.
pub(crate) trait FireOnce<T>: Chain {
    fn root(&self) -> &Root<T>;
    /// The promise is dropped. Does nothing if it was fired or cancelled.
    fn abandon(self: Rc<Self>);
}

impl<T> Default for Root<T> {
    #[inline]
    fn default() -> Self {
        Self { slot: Slot::default(), links: Links::new() }
    }
}

impl<T> Root<T> {
    /// Its owner's result, unless a cancel was first: gives whether it is to be driven. (Always inlined, since a result that is
    /// handed over through memory costs more than all else here.)
    #[inline(always)]
    pub(crate) fn accept(&self, result: Result<T, Failure>) -> bool {
        match self.links.phase() {
            Phase::Pending | Phase::Cancelling => {
                self.put(Phase::Fired, result);
                true
            }
            Phase::Fired | Phase::Cancelled => {
                drop_contained(result);
                false
            }
        }
    }

    #[inline(always)]
    fn put(&self, phase: Phase, result: Result<T, Failure>) {
        self.links.settle(phase);
        self.slot.put(result);
    }
}

impl<T: 'static> Root<T> {
    /// A root that waits for its promise, and the Deferred at its end. (Always inlined, since what is returned through memory
    /// word by word is fetched from there two words at a time, for which the processor waits.)
    #[inline(always)]
    #[track_caller]
    pub(crate) fn pending() -> (Rc<Self>, Deferred<T>) {
        let root = Rc::<Self>::default();
        root.links.note_made();
        let deferred =
            Deferred::new(Rc::clone(&root) as Rc<dyn Produce<T>>, Rc::clone(&root) as Rc<dyn Chain>);
        (root, deferred)
    }

    /// The Deferred of a root that has its result.
    #[inline]
    #[track_caller]
    pub(crate) fn ready(result: Result<T, Failure>) -> Deferred<T> {
        let root = Rc::<Self>::default();
        root.links.note_made();
        root.put(Phase::Fired, result);
        Deferred::new(Rc::clone(&root) as Rc<dyn Produce<T>>, root)
    }

    /// Moves the value along. (Always inlined: it is all that firing does.)
    #[inline(always)]
    fn hand_on(self: Rc<Self>) {
        let mut driver = Driver::new(Rc::clone(&self) as Rc<dyn Chain>);
        let next = self.slot.hand_on(&mut driver);
        drop(self);
        driver.run(next);
    }

    /// Whether anything happens when the value comes, other than its being kept.
    fn has_followers(&self) -> bool {
        let link = self.slot.link.take();
        let followed = !matches!(link, Link::Open);
        self.slot.set_taken_link(link);
        followed
    }
}

impl<T: 'static> FireOnce<T> for Root<T> {
    fn root(&self) -> &Self {
        self
    }

    fn abandon(self: Rc<Self>) {
        if self.links.phase() == Phase::Pending {
            self.put(Phase::Fired, Err(Failure::placeless(Abandoned)));
            if self.has_followers() {
                abandon::drive_in_turn(self);
            }
        }
    }
}

impl<T: 'static> Chain for Root<T> {
    fn links(&self) -> &Links {
        &self.links
    }

    fn put_failure(&self, phase: Phase, failure: Failure) {
        self.put(phase, Err(failure));
    }

    fn drive(self: Rc<Self>) {
        self.hand_on();
    }
}

impl<T: 'static> Node for Root<T> {
    fn follower(&self) -> Follower {
        self.slot.follower()
    }
}

impl<T: 'static> Step for Root<T> {
    fn advance(self: Rc<Self>, driver: &mut Driver) -> Option<Rc<dyn Step>> {
        self.slot.hand_on(driver)
    }
}

impl<T: 'static> Produce<T> for Root<T> {
    fn slot(&self) -> &Slot<T> {
        &self.slot
    }

    fn into_step(self: Rc<Self>) -> Rc<dyn Step> {
        self
    }
}
