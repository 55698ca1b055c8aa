use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::thread::ThreadId;

use twistor_deferred::{IntoOutcome, maybe_deferred};

use crate::error::{BlockingCallError, ReactorGone};
use crate::sync::{AtomicBool, Mutex, MutexGuard};
use crate::{ReactorHandle, kernel::Kernel};

/// The way into a reactor from other threads, and the only one: everything else of the library stays on its thread.
///
/// Cheap to clone; harmless after the reactor is gone.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "mio")] {
/// use twistor_reactor::Reactor;
///
/// let mut reactor = Reactor::new()?;
/// let remote = reactor.remote();
/// let thread = std::thread::Builder::new().spawn(move || {
///     remote.call_from_thread(|reactor| reactor.stop().unwrap())
/// })?;
/// reactor.run()?;
/// thread.join().unwrap()?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

pub(crate) type ThreadCall = Box<dyn FnOnce(&ReactorHandle) + Send>;

struct Shared {
    calls: Mutex<Calls>,
    /// Whether `calls` may hold something: lets the loop ask every turn without taking the lock.
    waiting: AtomicBool,
    owner: ThreadId,
}

enum Calls {
    Open {
        queued: Vec<ThreadCall>,
        waker: Waker,
    },
    /// The waker went with the reactor, since it may hold a descriptor.
    Gone,
}

impl Remote {
    pub(crate) fn new(kernel: &dyn Kernel) -> Self {
        Self {
            shared: Arc::new(Shared {
                calls: Mutex::new(Calls::Open { queued: Vec::new(), waker: kernel.waker() }),
                waiting: AtomicBool::new(false),
                owner: std::thread::current().id(),
            }),
        }
    }

    /// Queues `f` to be called once on the reactor's thread, in the next turn, in the order of the calls; wakes the loop if it sleeps.
    ///
    /// Legal from the reactor's own thread too, and asynchronous there as well. A panic of `f` is logged, and the next call is made.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped; `f` is dropped uncalled, on this thread.
    pub fn call_from_thread(
        &self,
        f: impl FnOnce(&ReactorHandle) + Send + 'static,
    ) -> Result<(), ReactorGone> {
        let waker = match &mut *self.shared.lock() {
            Calls::Gone => return Err(ReactorGone),
            Calls::Open { queued, waker } => {
                queued.push(Box::new(f));
                if queued.len() > 1 {
                    return Ok(()); // Whoever queued the first one wakes the loop.
                }
                self.shared.waiting.store(true, Ordering::Release);
                waker.clone()
            }
        };
        waker.wake();
        Ok(())
    }

    /// Stops the reactor as [`ReactorHandle::stop`] does, in its next turn. Stopping one that does not run, or twice, does nothing.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped.
    pub fn stop(&self) -> Result<(), ReactorGone> {
        self.call_from_thread(|reactor| {
            let _ = reactor.stop();
        })
    }

    /// Calls `f` on the reactor's thread and waits for its answer, a [`Deferred`](twistor_deferred::Deferred)'s included.
    ///
    /// # Errors
    ///
    /// At once on the reactor's own thread, where the wait would never end; if the reactor is gone or goes before it answers; and with
    /// `f`'s own failure, a panic of `f` included.
    pub fn blocking_call<R>(
        &self,
        f: impl FnOnce(&ReactorHandle) -> R + Send + 'static,
    ) -> Result<R::Value, BlockingCallError>
    where
        R: IntoOutcome,
        R::Value: Send + 'static,
    {
        if std::thread::current().id() == self.shared.owner {
            return Err(BlockingCallError::OnReactorThread);
        }
        let (sender, receiver) = mpsc::channel();
        self.call_from_thread(move |reactor| {
            maybe_deferred(|| f(reactor)).add_both(move |result| {
                // The caller waits below, so it can only be gone if its thread was killed.
                let _ = sender.send(result);
            });
        })
        .map_err(|ReactorGone| BlockingCallError::ReactorGone)?;
        match receiver.recv() {
            Ok(result) => result.map_err(BlockingCallError::Failed),
            Err(mpsc::RecvError) => Err(BlockingCallError::ReactorGone),
        }
    }

    /// Whether the reactor exists still. It may be gone the moment after.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(*self.shared.lock(), Calls::Open { .. })
    }

    pub(crate) fn wake(&self) {
        let waker = match &*self.shared.lock() {
            Calls::Open { waker, .. } => waker.clone(),
            Calls::Gone => return,
        };
        waker.wake();
    }

    #[inline]
    pub(crate) fn has_calls(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire)
    }

    /// Takes what is queued so far.
    pub(crate) fn take_calls(&self) -> Vec<ThreadCall> {
        if !self.has_calls() {
            return Vec::new();
        }
        let mut calls = self.shared.lock();
        self.shared.waiting.store(false, Ordering::Release);
        match &mut *calls {
            Calls::Open { queued, .. } => std::mem::take(queued),
            Calls::Gone => Vec::new(),
        }
    }

    /// Refuses calls from now on, and gives back what was queued, to be dropped by the caller.
    pub(crate) fn close(&self) -> Vec<ThreadCall> {
        let calls = {
            let mut calls = self.shared.lock();
            self.shared.waiting.store(false, Ordering::Release);
            std::mem::replace(&mut *calls, Calls::Gone)
        };
        // The waker is the kernel's, and is dropped here: after the lock.
        match calls {
            Calls::Open { queued, .. } => queued,
            Calls::Gone => Vec::new(),
        }
    }
}

impl Shared {
    /// No code of anybody's runs under the lock, so a poisoned one holds a whole value.
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("alive", &self.is_alive()).finish()
    }
}
