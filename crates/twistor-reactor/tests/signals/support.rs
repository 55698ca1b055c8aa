//! What the modules share.

use std::cell::RefCell;
use std::rc::Rc;

use twistor_deferred::{Deferred, Promise, deferred};

/// A number is all that the kernel of memory knows of a signal.
pub(crate) const SIGUSR1: i32 = 10;

pub(crate) type Kept = Rc<RefCell<Option<Promise<()>>>>;

/// A Deferred that a trigger can hand out, and its promise.
pub(crate) fn waiting() -> (Kept, Deferred<()>) {
    let (promise, wait) = deferred();
    (Rc::new(RefCell::new(Some(promise))), wait)
}

pub(crate) fn fire(promise: &Kept) {
    let promise = promise.take();
    promise.unwrap().callback(());
}
