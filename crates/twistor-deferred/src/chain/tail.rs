//! The end of a chain, as its `Deferred` holds it.

use std::rc::Rc;

use super::{Chain, Detached, Produce, Slot, abandoned_await};

/// The last node of a chain, and the chain. Dropping the tail says that nobody will add anything more; **the work goes on**, and
/// a failure that is here is logged.
///
/// It is a type of its own so that whoever consumes a `Deferred` gets its parts without dropping it, and thus without
/// asking a node that is known to be done with whether it is.
pub(crate) struct Tail<T> {
    /// Is there until the tail is consumed. (Two fields and not a pair: a pair is moved through memory, which costs more than all else that
    /// adding a stage does.)
    node: Option<Rc<dyn Produce<T>>>,
    /// The same.
    chain: Option<Rc<dyn Chain>>,
}

/// Why the parts are there.
const CONSUMED: &str = "a tail has its parts until `take`";

impl<T> Tail<T> {
    #[inline]
    pub(crate) const fn new(node: Rc<dyn Produce<T>>, chain: Rc<dyn Chain>) -> Self {
        Self { node: Some(node), chain: Some(chain) }
    }

    #[inline]
    pub(crate) fn slot(&self) -> &Slot<T> {
        self.node.as_ref().expect(CONSUMED).slot()
    }

    #[inline]
    pub(crate) fn chain(&self) -> &Rc<dyn Chain> {
        self.chain.as_ref().expect(CONSUMED)
    }

    /// The node and the chain, after which the tail is spent. The node's link is for the caller to set. (Through a reference, since a tail that is
    /// moved goes through memory.)
    #[inline(always)]
    pub(crate) fn take(&mut self) -> (Rc<dyn Produce<T>>, Rc<dyn Chain>) {
        (self.node.take().expect(CONSUMED), self.chain.take().expect(CONSUMED))
    }
}

impl<T> Drop for Tail<T> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(node), Some(chain)) = (self.node.take(), self.chain.take()) {
            if node.slot().detach(&chain) == Detached::FromTask {
                abandoned_await(&chain);
            }
        }
    }
}
