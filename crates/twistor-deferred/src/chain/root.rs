//! The first node of a chain: where the promise puts the result.

use std::rc::Rc;

use super::links::{Chain, Links, Phase};
use super::{Driver, Link, Produce, Slot, Step, abandon};
use crate::contain::drop_contained;
use crate::{Abandoned, Deferred, Failure};

pub(crate) struct Root<T> {
    slot: Slot<T>,
    links: Links,
}

/// A root, seen by its promise.
pub(crate) trait FireOnce<T>: Chain {
    fn fire(self: Rc<Self>, result: Result<T, Failure>);
    /// The promise is dropped. Does nothing if it was fired or cancelled.
    fn abandon(self: Rc<Self>);
}

impl<T: 'static> Root<T> {
    /// A root that waits for its promise, and the Deferred at its end.
    #[track_caller]
    pub(crate) fn pending() -> (Rc<Self>, Deferred<T>) {
        Self::new(None, Phase::Pending)
    }

    /// The Deferred of a root that has its result.
    #[track_caller]
    pub(crate) fn ready(result: Result<T, Failure>) -> Deferred<T> {
        Self::new(Some(result), Phase::Fired).1
    }

    #[track_caller]
    fn new(value: Option<Result<T, Failure>>, phase: Phase) -> (Rc<Self>, Deferred<T>) {
        let root = Rc::new(Self { slot: Slot::new(value), links: Links::new(phase) });
        let deferred =
            Deferred::new(Rc::clone(&root) as Rc<dyn Produce<T>>, Rc::clone(&root) as Rc<dyn Chain>);
        (root, deferred)
    }

    fn put(&self, phase: Phase, result: Result<T, Failure>) {
        self.links.settle(phase);
        self.slot.value.set(Some(result));
    }

    /// Whether anything happens when the value comes, other than its being kept.
    fn has_followers(&self) -> bool {
        let link = self.slot.link.take();
        let followed = !matches!(link, Link::Open);
        self.slot.link.set(link);
        followed
    }
}

impl<T: 'static> FireOnce<T> for Root<T> {
    fn fire(self: Rc<Self>, result: Result<T, Failure>) {
        match self.links.phase() {
            Phase::Pending | Phase::Cancelling => {
                self.put(Phase::Fired, result);
                self.drive();
            }
            Phase::Fired | Phase::Cancelled => drop_contained(result),
        }
    }

    fn abandon(self: Rc<Self>) {
        if self.links.phase() == Phase::Pending {
            self.put(Phase::Fired, Err(Failure::new(Abandoned)));
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
        Driver::new(Rc::clone(&self) as Rc<dyn Chain>).run(Some(self));
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
