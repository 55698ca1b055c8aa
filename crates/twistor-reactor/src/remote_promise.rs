//! Promises that are fired from other threads.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use twistor_deferred::{Failure, Promise};

use crate::sync::AtomicBool;
use crate::waiting::AtTheEnd;
use crate::{ReactorGone, ReactorHandle, Remote};

/// Takes a promise to where its result is made.
pub trait IntoRemote<T: Send + 'static> {
    /// The same promise, for any thread. It stays on this one, with `reactor`, and what travels is the right to fire it.
    ///
    /// A canceller that was set with [`Promise::on_cancel`] stays in force, on this thread. If the reactor goes before the promise is fired, the
    /// Deferred fails with [`ReactorGone`]; if it is gone, it does so at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use twistor_deferred::deferred;
    /// use twistor_reactor::{IntoRemote, Reactor};
    ///
    /// let mut reactor = Reactor::new()?;
    /// let (promise, answer) = deferred();
    /// let remote = promise.into_remote(&reactor);
    /// let thread = std::thread::Builder::new().spawn(move || remote.callback(6 * 7))?;
    ///
    /// let handle = reactor.handle();
    /// answer.add_callback(move |answer| {
    ///     assert_eq!(answer, 42);
    ///     handle.stop().unwrap();
    /// });
    /// reactor.run()?;
    /// thread.join().unwrap()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn into_remote(self, reactor: &ReactorHandle) -> RemotePromise<T>;
}

impl<T: Send + 'static> IntoRemote<T> for Promise<T> {
    fn into_remote(self, reactor: &ReactorHandle) -> RemotePromise<T> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&cancelled);
        self.add_canceller(move || flag.store(true, Ordering::Release));
        let key = if reactor.is_gone() {
            self.errback(ReactorGone);
            None
        } else {
            Some(reactor.inner.waiting.insert(self, AtTheEnd::Fail))
        };
        RemotePromise { key, remote: reactor.remote(), cancelled, result: PhantomData }
    }
}

/// A [`Promise`] that is fired from any thread, once: made by [`IntoRemote::into_remote`].
///
/// Firing queues a call to the reactor as [`Remote::call_from_thread`] does, in order with those: the callbacks run on the reactor's thread, in
/// its next turn, never inside the call. Dropped unfired it fails the Deferred with [`Abandoned`](twistor_deferred::Abandoned).
#[must_use = "dropping it fails the Deferred"]
pub struct RemotePromise<T: Send + 'static> {
    /// `None` once it is fired.
    key: Option<usize>,
    remote: Remote,
    cancelled: Arc<AtomicBool>,
    /// Takes a `T`, and has none.
    result: PhantomData<fn(T)>,
}

impl<T: Send + 'static> RemotePromise<T> {
    /// Fires with a value. If the Deferred was cancelled, `value` is dropped, on the reactor's thread.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped, and the Deferred has failed; `value` is dropped here and now.
    pub fn callback(self, value: T) -> Result<(), ReactorGone> {
        self.fire(Ok(value))
    }

    /// Fires with a failure, or with any error.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped, and the Deferred has failed with that.
    pub fn errback(self, failure: impl Into<Failure>) -> Result<(), ReactorGone> {
        self.fire(Err(failure.into()))
    }

    /// Fires with a value or a failure.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped, and the Deferred has failed with that; `result` is dropped here and now.
    pub fn fire(mut self, result: Result<T, Failure>) -> Result<(), ReactorGone> {
        self.send(Some(result))
    }

    /// Whether the Deferred was cancelled: nobody wants the value, and firing does nothing. It may be the moment after.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn send(&mut self, result: Option<Result<T, Failure>>) -> Result<(), ReactorGone> {
        let key = self.key.take().ok_or(ReactorGone)?;
        self.remote.call_from_thread(move |reactor| reactor.inner.waiting.fire(key, result))
    }
}

impl<T: Send + 'static> Drop for RemotePromise<T> {
    fn drop(&mut self) {
        // Nothing to do if it was fired; and a reactor that is gone has failed the Deferred itself.
        let _ = self.send(None);
    }
}

impl<T: Send + 'static> fmt::Debug for RemotePromise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_cancelled() { "cancelled" } else { "unfired" };
        write!(f, "RemotePromise<{}>({state})", std::any::type_name::<T>())
    }
}
