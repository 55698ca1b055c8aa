//! [`DeferredSemaphore`]: so many at a time, the others in line.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use thiserror::Error;

use crate::waiters::Waiters;
use crate::{Deferred, IntoOutcome, maybe_deferred, succeed};

/// A number of tokens, for work of which only so much is to go on at a time.
///
/// Whoever gets a token has it as a [`Permit`], which gives it back when it is dropped. If there is none, one waits in
/// line: the first to ask is the first to be served. A clone is another handle of the same tokens.
///
/// - **A token goes over in place**: the callbacks of the next in line run inside the `release`, or the drop, that
///   gave it back. A permit that is released inside such a callback goes to the next in line when that callback's
///   chain has gone as far as it can, and still before the outermost `release` returns; the numbers this type tells
///   count it as handed over already. So a million waiters take constant stack, and their callbacks never run one
///   inside the other. (Those of different semaphores do, as those of different promises.)
/// - **Nobody pushes in.** Who asks while others wait goes to the end of the line, and
///   [`try_acquire`](Self::try_acquire) takes only a token that is nobody's in line.
/// - **Cancelling leaves the line at once.** Dropping the Deferred does not, as with all Deferreds: its turn comes, the
///   permit finds nobody and is dropped, and that serves the next one.
/// - Permits may be dropped in any order, while a panic unwinds, and when no handle is left: those in line are served
///   all the same. Only a permit that is forgotten (`mem::forget`) takes its token with it.
///
/// # Examples
///
/// Two lookups at a time:
///
/// ```
/// use twistor_deferred::{Deferred, DeferredSemaphore, Promise, deferred};
///
/// let semaphore = DeferredSemaphore::new(2)?;
/// let lookups: Vec<(Promise<u8>, Deferred<u8>)> = (0..3).map(|_| deferred()).collect();
/// let mut promises = Vec::new();
/// for (promise, lookup) in lookups {
///     promises.push(promise);
///     semaphore.run(move || lookup);
/// }
/// assert_eq!((semaphore.available(), semaphore.waiting()), (0, 1));
/// promises.remove(0).callback(4);
/// assert_eq!((semaphore.available(), semaphore.waiting()), (0, 0));
/// # Ok::<(), twistor_deferred::NoTokens>(())
/// ```
#[derive(Clone)]
pub struct DeferredSemaphore {
    shared: Rc<Shared>,
}

/// The tokens that are not in a permit, and who waits for one. Outside of a hand-over one of the two is none.
struct Shared {
    limit: usize,
    free: Cell<usize>,
    waiters: Waiters<Permit>,
}

impl DeferredSemaphore {
    /// A semaphore with this many tokens, all of them available.
    ///
    /// # Errors
    ///
    /// [`NoTokens`] if `tokens` is zero: whoever asked would wait for ever.
    pub fn new(tokens: usize) -> Result<Self, NoTokens> {
        if tokens == 0 { Err(NoTokens) } else { Ok(Self::with_tokens(tokens)) }
    }

    /// `tokens` is not zero.
    pub(crate) fn with_tokens(tokens: usize) -> Self {
        let shared = Shared { limit: tokens, free: Cell::new(tokens), waiters: Waiters::new() };
        Self { shared: Rc::new(shared) }
    }

    /// A permit: now if a token is available and nobody waits, else when it is this one's turn.
    ///
    /// The Deferred fails only if it is cancelled. A chain that is given the permit and keeps it nowhere gives it back
    /// when the callback that had it returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Poll, Waker};
    /// use twistor_deferred::{DeferredSemaphore, Failure};
    ///
    /// async fn fetch(slots: DeferredSemaphore) -> Result<usize, Failure> {
    ///     let _permit = slots.acquire().await?;
    ///     Ok(slots.available()) // The token comes back here, or wherever the task ends.
    /// }
    ///
    /// let slots = DeferredSemaphore::new(3)?;
    /// # let mut task = pin!(fetch(slots.clone()));
    /// # let Poll::Ready(answer) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
    /// # assert_eq!(answer.unwrap(), 2);
    /// assert_eq!(slots.available(), 3);
    /// # Ok::<(), twistor_deferred::NoTokens>(())
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<Permit> {
        if self.shared.waiters.is_empty() {
            if let Some(permit) = self.shared.take() {
                return succeed(permit);
            }
        }
        self.shared.waiters.join()
    }

    /// A permit, if a token is [available](Self::available) now.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        if self.available() == 0 { None } else { self.shared.take() }
    }

    /// Calls `f` with a token taken, and gives the token back when its result is here.
    ///
    /// If a token is available, `f` is called inside this call, else when it is its turn. What it returns, a Deferred
    /// included, is waited for and becomes the result; the token is given back before the callbacks added to what this
    /// returns run. It comes back however `f` ends: with a value, a failure, a panic or a cancel. Cancelled in line,
    /// `f` is dropped uncalled; cancelled later, what `f` waits for is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{DeferredSemaphore, Failure};
    ///
    /// let semaphore = DeferredSemaphore::new(1)?;
    /// let port = semaphore.run(|| Ok::<u16, Failure>("http".parse()?));
    /// assert!(port.try_take().unwrap().is_err());
    /// assert_eq!(semaphore.available(), 1);
    /// # Ok::<(), twistor_deferred::NoTokens>(())
    /// ```
    #[track_caller]
    pub fn run<R, F>(&self, f: F) -> Deferred<R::Value>
    where
        R: IntoOutcome,
        F: FnOnce() -> R + 'static,
    {
        self.acquire().add_callback(move |permit| {
            maybe_deferred(f).add_both(move |result| {
                permit.release();
                result
            })
        })
    }

    /// How many tokens could be taken now. A token that is on its way to somebody in line is not among them.
    #[must_use]
    pub fn available(&self) -> usize {
        self.shared.free.get().saturating_sub(self.shared.waiters.len())
    }

    /// How many tokens there are, taken or not: at least one.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.limit
    }

    /// How many wait in line for a token to be given back, those whose Deferred was dropped included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiters.len().saturating_sub(self.shared.free.get())
    }
}

/// The numbers: `DeferredSemaphore(2 of 5 available, 0 waiting)`.
impl fmt::Debug for DeferredSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (available, limit, waiting) = (self.available(), self.limit(), self.waiting());
        write!(f, "DeferredSemaphore({available} of {limit} available, {waiting} waiting)")
    }
}

impl Shared {
    fn take(self: &Rc<Self>) -> Option<Permit> {
        let left = self.free.get().checked_sub(1)?;
        self.free.set(left);
        Some(Permit { shared: Rc::clone(self) })
    }
}

/// One token of a [`DeferredSemaphore`]. Dropping it gives the token back, and serves the next in line.
///
/// # Examples
///
/// Giving it back twice does not compile:
///
/// ```compile_fail,E0382
/// let permit = twistor_deferred::DeferredSemaphore::new(1).unwrap().try_acquire().unwrap();
/// permit.release();
/// permit.release();
/// ```
#[must_use = "a permit that is dropped is given back at once"]
pub struct Permit {
    shared: Rc<Shared>,
}

impl Permit {
    /// Gives the token back, as dropping the permit does. The callbacks of the next in line run inside this call.
    pub fn release(self) {}
}

/// Gives the token back, see [`Permit::release`].
impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.free.set(self.shared.free.get() + 1);
        self.shared.waiters.hand_over(|| self.shared.take());
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit(1 of {})", self.shared.limit)
    }
}

/// [`DeferredSemaphore::new`] was asked for a semaphore without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a semaphore needs at least one token")]
pub struct NoTokens;
