//! Promises that wait on the reactor's thread while their results are made elsewhere. What travels is a key.

use std::any::Any;
use std::cell::RefCell;

use slab::Slab;
use twistor_deferred::{Failure, Promise, drop_contained};

use crate::ReactorGone;

#[derive(Default)]
pub(crate) struct WaitingPromises {
    table: RefCell<Slab<Waiting>>,
}

struct Waiting {
    /// A `Promise<T>`, boxed.
    promise: Box<dyn Any>,
    let_go: fn(Box<dyn Any>),
}

/// How a promise is let go of when the reactor goes.
#[derive(Clone, Copy)]
pub(crate) enum AtTheEnd {
    /// Dropped: the failure is `Abandoned`.
    Abandon,
    /// Failed with `ReactorGone`.
    Fail,
}

impl WaitingPromises {
    /// Keeps `promise`, and gives the key for its one result. Whoever has it sees to it that [`fire`](Self::fire) is called, once.
    pub(crate) fn insert<T: 'static>(&self, promise: Promise<T>, at_the_end: AtTheEnd) -> usize {
        let let_go = match at_the_end {
            AtTheEnd::Abandon => drop_contained,
            AtTheEnd::Fail => fail_gone::<T>,
        };
        self.table.borrow_mut().insert(Waiting { promise: Box::new(promise), let_go })
    }

    /// Fires a promise; without a result, drops it.
    pub(crate) fn fire<T: 'static>(&self, key: usize, result: Option<Result<T, Failure>>) {
        let waiting = self.table.borrow_mut().try_remove(key);
        let Some(Ok(promise)) = waiting.map(|waiting| waiting.promise.downcast::<Promise<T>>()) else {
            return;
        };
        match result {
            Some(result) => promise.fire(result),
            None => drop(promise),
        }
    }

    /// The reactor is gone, and no result comes any more.
    pub(crate) fn close(&self) {
        let table = self.table.take();
        for (_, waiting) in table {
            (waiting.let_go)(waiting.promise);
        }
    }
}

fn fail_gone<T: 'static>(promise: Box<dyn Any>) {
    if let Ok(promise) = promise.downcast::<Promise<T>>() {
        promise.errback(ReactorGone);
    }
}
