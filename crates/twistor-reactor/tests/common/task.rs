//! Cancelling a task, from itself and from outside.

use std::cell::RefCell;
use std::rc::Rc;

use twistor_deferred::{Canceller, Deferred};

/// Where a task finds the canceller of itself.
#[derive(Clone, Default)]
pub(crate) struct OwnCanceller(Rc<RefCell<Option<Canceller>>>);

impl OwnCanceller {
    pub(crate) fn of<T>(&self, task: &Deferred<T>) {
        self.0.replace(Some(task.canceller()));
    }

    pub(crate) fn cancel(&self) {
        let canceller = self.0.borrow().clone();
        canceller.unwrap().cancel();
    }
}

/// That `task` ended by its cancel.
#[track_caller]
pub(crate) fn is_cancelled<T: std::fmt::Debug>(task: Deferred<T>) {
    let failure = task.try_take().unwrap().unwrap_err();
    assert!(failure.is_cancelled(), "{failure}");
}
