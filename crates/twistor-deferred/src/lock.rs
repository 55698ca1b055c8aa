//! [`DeferredLock`]: one at a time, the others in line.

use std::fmt;

use crate::semaphore::{DeferredSemaphore, Permit};
use crate::{Deferred, IntoOutcome};

/// A lock for work that takes several turns of the loop and of which only one piece is to go on at a time.
///
/// It is a [`DeferredSemaphore`] with one token, and keeps its promises: first come, first served; handed over in
/// place, inside the `release` or the drop of the guard, in constant stack; nobody pushes in; cancelling leaves the
/// line at once. A clone is another handle of the same lock.
///
/// It guards no data and knows no owner: who has it and asks again waits for itself, for ever.
///
/// # Examples
///
/// ```
/// use twistor_deferred::DeferredLock;
///
/// let lock = DeferredLock::new();
/// let first = lock.try_acquire().unwrap();
/// let second = lock.acquire();
/// assert!(!second.has_result());
/// first.release();
/// let guard = second.try_take().unwrap().unwrap();
/// assert!(lock.is_locked());
/// drop(guard);
/// assert!(!lock.is_locked());
/// ```
#[derive(Clone)]
pub struct DeferredLock {
    semaphore: DeferredSemaphore,
}

impl DeferredLock {
    /// A lock nobody has.
    #[must_use]
    pub fn new() -> Self {
        Self { semaphore: DeferredSemaphore::with_tokens(1) }
    }

    /// The lock: now if nobody has it, else when it is this one's turn. The Deferred fails only if it is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// use twistor_deferred::{DeferredLock, Failure, succeed};
    ///
    /// async fn save(lock: DeferredLock) -> Result<(), Failure> {
    ///     let _guard = lock.acquire().await?;
    ///     succeed("first half").await?;
    ///     succeed("second half").await?;
    ///     Ok(()) // The lock is given back here, or wherever the task ends.
    /// }
    ///
    /// let lock = DeferredLock::new();
    /// # let mut task = pin!(save(lock.clone()));
    /// # assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    /// assert!(!lock.is_locked());
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<LockGuard> {
        self.semaphore.acquire().map(LockGuard)
    }

    /// The lock, if nobody has it.
    #[must_use]
    pub fn try_acquire(&self) -> Option<LockGuard> {
        self.semaphore.try_acquire().map(LockGuard)
    }

    /// Calls `f` with the lock taken, and gives the lock back when its result is here, as [`DeferredSemaphore::run`]
    /// does: now if nobody has it, else when it is its turn; given back after a value, a failure, a Deferred's
    /// result, a panic and a cancel.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{DeferredLock, deferred, succeed};
    ///
    /// let lock = DeferredLock::new();
    /// let (promise, written) = deferred::<u8>();
    /// let first = lock.run(move || written);
    /// let second = lock.run(|| succeed(2));
    /// assert!(!second.has_result());
    /// promise.callback(1);
    /// assert_eq!(first.try_take().unwrap().unwrap(), 1);
    /// assert_eq!(second.try_take().unwrap().unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn run<R, F>(&self, f: F) -> Deferred<R::Value>
    where
        R: IntoOutcome,
        F: FnOnce() -> R + 'static,
    {
        self.semaphore.run(f)
    }

    /// Whether somebody has the lock, or is about to be handed it.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.semaphore.available() == 0
    }

    /// How many wait in line for the lock to be given back, those whose Deferred was dropped included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.semaphore.waiting()
    }
}

impl Default for DeferredLock {
    fn default() -> Self {
        Self::new()
    }
}

/// The state: `DeferredLock(unlocked)`, or `DeferredLock(locked, 3 waiting)`.
impl fmt::Debug for DeferredLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_locked() {
            write!(f, "DeferredLock(locked, {} waiting)", self.waiting())
        } else {
            f.write_str("DeferredLock(unlocked)")
        }
    }
}

/// Says that its owner has a [`DeferredLock`]. Dropping it gives the lock back, and serves the next in line.
///
/// # Examples
///
/// Giving it back twice does not compile:
///
/// ```compile_fail,E0382
/// let guard = twistor_deferred::DeferredLock::new().try_acquire().unwrap();
/// guard.release();
/// guard.release();
/// ```
#[must_use = "a guard that is dropped gives the lock back at once"]
pub struct LockGuard(Permit);

impl LockGuard {
    /// Gives the lock back, as dropping the guard does. The callbacks of the next in line run inside this call.
    pub fn release(self) {
        self.0.release();
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockGuard")
    }
}
