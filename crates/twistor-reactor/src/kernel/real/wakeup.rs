//! The one way into a sleeping kernel from other threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use mio::Registry;

/// Ends the present or the next `wait`. Wakes collapse: only the first since the last acknowledgement makes a system call.
///
/// Nothing is lost by that. A wake that finds the flag set is followed by an [`acknowledge`](Self::acknowledge) that reads what this
/// wake wrote, so that everything its thread did before is visible to whoever acts on the acknowledgement.
pub(super) struct Wakeup {
    waker: mio::Waker,
    /// Whether the poller was told and `wait` has not said yet that it heard.
    pending: AtomicBool,
}

impl Wakeup {
    pub(super) fn new(registry: &Registry, token: mio::Token) -> io::Result<Self> {
        Ok(Self { waker: mio::Waker::new(registry, token)?, pending: AtomicBool::new(false) })
    }

    /// From any thread.
    pub(super) fn wake_up(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) && self.waker.wake().is_err() {
            // Nobody was told, so the next wake must try again.
            self.pending.store(false, Ordering::Release);
        }
    }

    /// From `wait`, when the poller reported the wake, before whatever the wake was for is looked at.
    pub(super) fn acknowledge(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}
