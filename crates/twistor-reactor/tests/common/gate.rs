//! A future whose polls are counted.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A future that counts its polls, keeps the waker of the last one, and is done when it is told to be.
#[derive(Clone, Default)]
pub(crate) struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    polls: Cell<usize>,
    waker: Cell<Option<Waker>>,
    open: Cell<bool>,
}

impl Gate {
    pub(crate) fn polls(&self) -> usize {
        self.0.polls.get()
    }

    pub(crate) fn waker(&self) -> Waker {
        let waker = self.0.waker.take().unwrap();
        self.0.waker.set(Some(waker.clone()));
        waker
    }

    pub(crate) fn wake(&self) {
        self.waker().wake();
    }

    pub(crate) fn open(&self) {
        self.0.open.set(true);
    }

    /// How many there are of it.
    pub(crate) fn holders(&self) -> usize {
        Rc::strong_count(&self.0)
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.polls.set(self.0.polls.get() + 1);
        self.0.waker.set(Some(cx.waker().clone()));
        if self.0.open.get() { Poll::Ready(()) } else { Poll::Pending }
    }
}
