//! Waiting for time to pass, and the reactor as a [`Clock`].

use std::cell::OnceCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use twistor_deferred::{Clock, Deferred, DelayedCall, Moment, Promise, deferred};

use crate::inner::Inner;
use crate::{ReactorGone, ReactorHandle};

impl ReactorHandle {
    /// A Deferred that fires when `delay` has passed since [`now`](Self::now), with the rules of [`call_later`](Self::call_later): zero is
    /// the next turn.
    ///
    /// Cancelling it takes the timed call back; the failure is [`Cancelled`](twistor_deferred::Cancelled). Dropping it does not. If the reactor
    /// is gone, or goes before, the failure is [`ReactorGone`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use std::time::Duration;
    /// use twistor_reactor::Reactor;
    ///
    /// let mut reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// reactor.sleep(Duration::from_millis(5)).add_callback(move |()| handle.stop().unwrap());
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn sleep(&self, delay: Duration) -> Deferred<()> {
        let (promise, passed) = deferred();
        let call = Rc::new(OnceCell::<DelayedCall>::new());
        let made = Rc::clone(&call);
        promise.on_cancel(move || {
            // It is pending: had it been called, or dropped, so had the promise.
            let _ = call.get().map(DelayedCall::cancel);
        });
        let sleeper = Sleeper { promise: Some(promise), reactor: self.downgrade() };
        let _ = made.set(self.call_later(delay, move || sleeper.wake_up())); // It was empty.
        passed
    }
}

/// The promise of a timed call; it knows why that is dropped uncalled.
struct Sleeper {
    promise: Option<Promise<()>>,
    reactor: Weak<Inner>,
}

impl Sleeper {
    fn wake_up(mut self) {
        if let Some(promise) = self.promise.take() {
            promise.callback(());
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let Some(promise) = self.promise.take() else { return };
        // One that is cancelled is dropped by its canceller, which has no other answer.
        let gone = self.reactor.upgrade().is_none_or(|inner| inner.is_gone());
        if gone && !promise.is_cancelled() {
            promise.errback(ReactorGone);
        }
    }
}

/// On a reactor, [`call_soon`](Clock::call_soon) is [`notify`](ReactorHandle::notify).
impl Clock for ReactorHandle {
    fn now(&self) -> Moment {
        self.now()
    }

    fn read(&self) -> Moment {
        self.inner.timers.read_clock()
    }

    #[track_caller]
    fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.call_later(delay, f)
    }

    fn call_soon(&self, f: impl FnOnce() + 'static) {
        self.notify(move |_| f());
    }
}
