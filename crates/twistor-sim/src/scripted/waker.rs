use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Duration;

/// The only thing of the kernel that other threads see: whether they woke it.
#[derive(Debug, Default)]
pub(super) struct WakeFlag {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl WakeFlag {
    /// Whether it was woken since the last call.
    pub(super) fn take(&self) -> bool {
        // A poisoned flag is still a flag: nothing here can panic half way.
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sleeps up to `patience` of real time until it is woken, and says whether it was.
    pub(super) fn sleep(&self, patience: Duration) -> bool {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut woken, _) = self
            .bell
            .wait_timeout_while(woken, patience, |woken| !*woken)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *woken)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }
}
