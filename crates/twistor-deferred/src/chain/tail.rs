//! The end of a chain, as its `Deferred` holds it.

use std::mem;
use std::rc::Rc;

use super::{Chain, Detached, Produce, Slot, abandoned_await};

/// The last node of a chain, and the chain. Dropping the tail says that nobody will add anything more; **the work goes on**, and
/// a failure that is here is logged.
///
/// It is a type of its own so that whoever consumes a `Deferred` gets its parts without dropping it, and thus without
/// asking a node that is known to be done with whether it is.
pub(crate) struct Tail<T> {
    /// Are there until the tail is consumed.
    parts: Option<Parts<T>>,
}

/// A node and its chain.
type Parts<T> = (Rc<dyn Produce<T>>, Rc<dyn Chain>);

impl<T> Tail<T> {
    #[inline]
    pub(crate) const fn new(node: Rc<dyn Produce<T>>, chain: Rc<dyn Chain>) -> Self {
        Self { parts: Some((node, chain)) }
    }

    #[inline]
    fn parts(&self) -> &Parts<T> {
        self.parts.as_ref().expect("a tail has its parts until `into_parts` consumes all three")
    }

    #[inline]
    pub(crate) fn slot(&self) -> &Slot<T> {
        self.parts().0.slot()
    }

    #[inline]
    pub(crate) fn chain(&self) -> &Rc<dyn Chain> {
        &self.parts().1
    }

    /// The node and the chain. The node's link is for the caller to set.
    #[inline]
    pub(crate) fn into_parts(mut self) -> Parts<T> {
        let parts = self.parts.take().expect("a tail has its parts until `into_parts` consumes all three");
        // There is nothing left to drop, which the compiler would look for.
        mem::forget(self);
        parts
    }
}

impl<T> Drop for Tail<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some((node, chain)) = self.parts.take() {
            if node.slot().detach(&chain) == Detached::FromTask {
                abandoned_await(&chain);
            }
        }
    }
}
