use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The reactors that were woken: the only thing of the world that other threads see.
#[derive(Debug, Default)]
pub(super) struct WakeBoard {
    /// Lets the world ask after each step without taking the lock.
    any: AtomicBool,
    woken: Mutex<Vec<u32>>,
}

impl WakeBoard {
    /// Those that were woken since the last call, in the order of that.
    pub(super) fn take(&self) -> Vec<u32> {
        if !self.any.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        // Nothing panics under the lock, so a poisoned one holds a whole value.
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What wakes one reactor. Wakes collapse into one until its wait takes them.
#[derive(Debug)]
pub(super) struct Bell {
    reactor: u32,
    rung: AtomicBool,
    board: Arc<WakeBoard>,
}

impl Bell {
    pub(super) fn new(reactor: u32, board: &Arc<WakeBoard>) -> Arc<Self> {
        Arc::new(Self { reactor, rung: AtomicBool::new(false), board: Arc::clone(board) })
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Whether it was rung since the last call.
    pub(super) fn take(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }

    /// Wakes the reactor for nothing.
    pub(super) fn ring_for_nothing(self: &Arc<Self>) {
        self.wake_by_ref();
    }

    pub(super) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        self.board.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.reactor);
        self.board.any.store(true, Ordering::Release);
    }
}
