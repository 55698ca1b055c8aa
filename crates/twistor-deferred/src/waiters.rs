//! Who waits for a permit or for a value, in order, and the one loop that serves them.
//!
//! A waiter is a promise and its ticket, a number that only grows. It leaves the line when it is served, or when its
//! Deferred is cancelled, whichever is first. The canceller knows the line weakly, so neither keeps the other.
//!
//! Serving runs callbacks, and those come back: they release, put, ask and cancel. Whatever is to be handed over then
//! is only noted by the owner of the line, and the loop that is running already goes on with it. So the callbacks of
//! any number of waiters run one after the other, in the order of the line, in constant stack.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::{Deferred, Promise, deferred};

/// A line of those who wait for a `T`.
pub(crate) struct Waiters<T> {
    line: Rc<RefCell<Line<T>>>,
    state: Cell<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// [`Waiters::hand_over`] is somewhere further down the stack.
    HandingOver,
}

struct Line<T> {
    next_ticket: u64,
    promises: BTreeMap<u64, Promise<T>>,
}

impl<T: 'static> Waiters<T> {
    pub(crate) fn new() -> Self {
        let line = Line { next_ticket: 0, promises: BTreeMap::new() };
        Self { line: Rc::new(RefCell::new(line)), state: Cell::new(State::Idle) }
    }

    pub(crate) fn len(&self) -> usize {
        self.line.borrow().promises.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.line.borrow().promises.is_empty()
    }

    /// A place at the end of the line.
    #[track_caller]
    pub(crate) fn join(&self) -> Deferred<T> {
        let (promise, deferred) = deferred();
        let mut line = self.line.borrow_mut();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        let place = Rc::downgrade(&self.line);
        promise.on_cancel(move || leave(&place, ticket));
        line.promises.insert(ticket, promise);
        deferred
    }

    /// Fires the first waiter with what `take` gives, and the next one, until there is no waiter or `take` gives
    /// nothing. Does nothing inside of itself: the outer loop calls `take` again.
    ///
    /// `take` is only called if somebody waits, and must not run the user's code.
    pub(crate) fn hand_over(&self, mut take: impl FnMut() -> Option<T>) {
        if self.state.replace(State::HandingOver) == State::HandingOver {
            return;
        }
        while let Some((promise, thing)) = self.next(&mut take) {
            // This runs callbacks and contains their panics, so the state is always set back.
            promise.callback(thing);
        }
        self.state.set(State::Idle);
    }

    fn next(&self, take: &mut impl FnMut() -> Option<T>) -> Option<(Promise<T>, T)> {
        let mut line = self.line.borrow_mut();
        let first = line.promises.first_entry()?;
        let thing = take()?;
        Some((first.remove(), thing))
    }
}

/// The waiter with `ticket` was cancelled, and its chain fails when this returns.
fn leave<T>(line: &Weak<RefCell<Line<T>>>, ticket: u64) {
    if let Some(line) = line.upgrade() {
        let promise = line.borrow_mut().promises.remove(&ticket);
        drop(promise);
    }
}
