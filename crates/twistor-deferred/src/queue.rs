//! [`DeferredQueue`]: values that wait for somebody to take them, or takers that wait for values.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

use crate::contain::drop_contained;
use crate::waiters::Waiters;
use crate::{Deferred, fail, succeed};

/// A queue of values, whose takers wait while it is empty.
///
/// The first value to be put is the first to be taken, and the first taker to ask is the first to be served. A clone
/// is another handle of the same queue.
///
/// - **A value goes over in place**: if somebody waits, their callbacks run inside [`put`](Self::put). A value that is
///   put inside such a callback is handed over when that callback's chain has gone as far as it can, and still before
///   the outermost `put` returns; the numbers this type tells count it as handed over already. So a million takers
///   take constant stack, and their callbacks never run one inside the other. (Those of different queues do, as those
///   of different promises.)
/// - **Nobody pushes in.** Who asks while others wait goes to the end of the line, and [`try_get`](Self::try_get) takes
///   only a value that is nobody's in line.
/// - **Cancelling a `get` leaves the line at once**, and costs no value.
///
/// # What costs a value
///
/// **Dropping the Deferred of a `get` that waits is not cancelling it**, as with all Deferreds: its turn comes, and the
/// value it is given is dropped. That is so for one that loses a `select!` too: let it be
/// [`cancel_on_drop`](Deferred::cancel_on_drop). A task of `reactor.spawn` that is cancelled in the middle of
/// `queue.get().await` takes the `get` along, and costs nothing.
///
/// # What keeps a queue
///
/// A callback that waits for a value and owns a handle of the same queue keeps the queue, and is kept by it, until it
/// gets its value or is cancelled. Otherwise a queue ends with its last handle: its values are dropped, and whoever
/// waits hears [`Abandoned`](crate::Abandoned).
///
/// # Examples
///
/// ```
/// use twistor_deferred::DeferredQueue;
///
/// let queue = DeferredQueue::new();
/// let first = queue.get();
/// queue.put("a poem").unwrap();
/// queue.put("another").unwrap();
/// assert_eq!(first.try_take().unwrap().unwrap(), "a poem");
/// assert_eq!(queue.try_get(), Some("another"));
/// assert!(queue.is_empty());
/// ```
pub struct DeferredQueue<T> {
    shared: Rc<Shared<T>>,
}

/// The values, and who waits for one. Outside of a hand-over one of the two is none.
struct Shared<T> {
    /// How many values may stay, if there is a limit.
    size: Option<usize>,
    /// How many may wait, if there is a limit.
    backlog: Option<usize>,
    values: RefCell<VecDeque<T>>,
    waiters: Waiters<T>,
}

impl<T: 'static> DeferredQueue<T> {
    /// An empty queue without limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(None, None)
    }

    /// An empty queue that holds at most `size` values and lets at most `backlog` wait for one; `None` is no limit.
    ///
    /// With a size of zero a value can be put only while somebody waits; with a backlog of zero only what is here can
    /// be had.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{DeferredQueue, QueueUnderflow};
    ///
    /// let queue = DeferredQueue::with_limits(Some(1), Some(0));
    /// let failure = queue.get().try_take().unwrap().unwrap_err();
    /// assert!(failure.check::<QueueUnderflow>());
    /// queue.put(1).unwrap();
    /// assert_eq!(queue.put(2).unwrap_err().into_value(), 2);
    /// ```
    #[must_use]
    pub fn with_limits(size: Option<usize>, backlog: Option<usize>) -> Self {
        let (values, waiters) = (RefCell::default(), Waiters::new());
        Self { shared: Rc::new(Shared { size, backlog, values, waiters }) }
    }

    /// Hands `value` to the first in line, or keeps it for whoever comes.
    ///
    /// # Errors
    ///
    /// [`QueueOverflow`], with the value, if nobody waits and the queue holds as many as it may.
    pub fn put(&self, value: T) -> Result<(), QueueOverflow<T>> {
        let shared = &self.shared;
        if self.waiting() == 0 && shared.size.is_some_and(|size| self.len() >= size) {
            return Err(QueueOverflow(value));
        }
        shared.values.borrow_mut().push_back(value);
        shared.waiters.hand_over(|| shared.values.borrow_mut().pop_front());
        Ok(())
    }

    /// The next value: now if one is here and nobody waits, else when it is this one's turn.
    ///
    /// The Deferred fails at once with [`QueueUnderflow`] if as many wait as may, and otherwise only if it is
    /// cancelled or the queue ends. See [above](Self#what-costs-a-value) for what dropping it means.
    ///
    /// # Examples
    ///
    /// A worker that is a task:
    ///
    /// ```
    /// # use std::pin::pin;
    /// # use std::task::{Context, Waker};
    /// use twistor_deferred::{DeferredQueue, Failure};
    ///
    /// async fn add_up(numbers: DeferredQueue<u32>, sums: DeferredQueue<u32>) -> Result<(), Failure> {
    ///     let mut sum = 0;
    ///     loop {
    ///         sum += numbers.get().await?;
    ///         sums.put(sum)?;
    ///     }
    /// }
    ///
    /// let (numbers, sums) = (DeferredQueue::new(), DeferredQueue::new());
    /// numbers.put(3)?;
    /// numbers.put(4)?;
    /// # let mut task = pin!(add_up(numbers.clone(), sums.clone()));
    /// # assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// assert_eq!((sums.try_get(), sums.try_get()), (Some(3), Some(7)));
    /// # Ok::<(), twistor_deferred::QueueOverflow<u32>>(())
    /// ```
    #[track_caller]
    pub fn get(&self) -> Deferred<T> {
        let shared = &self.shared;
        if shared.waiters.is_empty() {
            if let Some(value) = self.try_get() {
                return succeed(value);
            }
        }
        if shared.backlog.is_some_and(|backlog| self.waiting() >= backlog) {
            return fail(QueueUnderflow);
        }
        shared.waiters.join()
    }

    /// The next value, if one is here that is not on its way to somebody in line.
    #[must_use]
    pub fn try_get(&self) -> Option<T> {
        // Those in line, if there are any, have the first values coming to them.
        let spoken_for = self.shared.waiters.len();
        self.shared.values.borrow_mut().remove(spoken_for)
    }

    /// How many values are here that are not on their way to somebody in line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.stored().saturating_sub(self.shared.waiters.len())
    }

    /// Whether [`try_get`](Self::try_get) would give nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait in line for a value to be put, those whose Deferred was dropped included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiters.len().saturating_sub(self.shared.stored())
    }
}

impl<T> Shared<T> {
    fn stored(&self) -> usize {
        self.values.borrow().len()
    }
}

/// The values that nobody took are dropped, each contained for itself.
impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        for value in self.values.take() {
            drop_contained(value);
        }
    }
}

impl<T> Clone for DeferredQueue<T> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T: 'static> Default for DeferredQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The numbers: `DeferredQueue<u8>(2 values, 0 waiting)`.
impl<T: 'static> fmt::Debug for DeferredQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, waiting) = (self.len(), self.waiting());
        write!(f, "DeferredQueue<{}>({len} values, {waiting} waiting)", std::any::type_name::<T>())
    }
}

/// The queue holds as many values as it may; this is the one that was to be put.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueOverflow<T>(T);

impl<T> QueueOverflow<T> {
    /// The value, which was not put.
    #[must_use]
    pub fn into_value(self) -> T {
        self.0
    }
}

impl<T> fmt::Display for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is full")
    }
}

/// Does not show the value, which may be anything.
impl<T> fmt::Debug for QueueOverflow<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueOverflow(..)")
    }
}

impl<T> Error for QueueOverflow<T> {}

/// As many wait for a value of the queue as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is empty, and no more may wait for it")]
pub struct QueueUnderflow;
