//! [`Deferred`]: a result that may not be here yet, and the chain of callbacks it goes through.

use std::any::type_name;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::chain::{Chain, Phase, Produce, Root, Tail, cancel, stages_left, where_it_waits};
use crate::contain::contain;
use crate::{Canceller, Failure, IntoOutcome, Outcome, Panicked};

mod add;
mod cancel_on_drop;
mod timeout;

pub use cancel_on_drop::CancelOnDrop;

/// A result that may not be here yet, and the end of the chain of callbacks it goes through.
///
/// ```text
///            promise.callback(v)                    promise.errback(e)
///                    |                                      |
///   values           v                                      v            failures
///   ------- add_callback(|v| ..) --- Err, panic ----.       |            --------
///                    | Ok                           '------>|
///                    |       .-------- Ok --------- add_errback(|e| ..)
///                    |<------'                              | Err, panic
///            map(|v| ..) ------------ panic --------------->|
///                    |                                      |
///            add_callback(|v| ..)                           |
///                    | a Deferred: the chain waits for it,  |
///                    | and goes on with its result in the   |
///                    | lane that this one belongs to        |
///                    v                                      v
///               try_take(), .await: Ok(v)             Err(failure); dropped, it is logged
/// ```
///
/// Callbacks hear values, errbacks hear failures. Each one gets what the one before it made of the result, and decides
/// by what it returns (see [`IntoOutcome`]) on which side the next one hears it; a side that is absent passes the
/// result on unchanged. A panic is a failure of its own, [`Panicked`]. A callback that returns a Deferred suspends the
/// chain until that one has a result. Adding consumes the Deferred and gives the one for the longer chain, so a result
/// has exactly one consumer.
///
/// All of it happens on the stack of whoever fires the promise, or of whoever adds to a Deferred that has its result
/// already. A callback added to a chain while it runs comes after those that are there. Chains of any length, and
/// Deferreds returned by Deferreds to any depth, run in constant stack.
///
/// **Dropping a `Deferred` does not cancel the work.** It says that nobody will add anything more: the callbacks that
/// were added still run. This is Twisted's rule, and unlike most futures. Call [`Deferred::cancel`] to stop the work, or
/// await [`Deferred::cancel_on_drop`].
///
/// **A failure nobody handled is logged**, once, as an error with the text `unhandled failure in a Deferred`: when the
/// Deferred that holds it is dropped, or when it arrives at the end of a chain whose Deferred was dropped earlier. The
/// one exception is [`Cancelled`](crate::Cancelled), or an error with that as a source, which whoever cancelled expects.
/// In [debug mode](crate::set_debug) the line says where the Deferred was made and where it was fired.
///
/// A `Deferred` is a future too, with its result as output. Polled after that, it panics, as most futures do.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{Deferred, deferred};
///
/// fn parse(text: Deferred<String>) -> Deferred<i32> {
///     text.add_callback(|text| {
///         let number: i32 = text.trim().parse()?;
///         Ok(number)
///     })
/// }
///
/// let (promise, text) = deferred();
/// let number = parse(text).add_errback(|_failure| Ok(0));
/// promise.callback("seven".to_owned());
/// assert_eq!(number.try_take().unwrap().unwrap(), 0);
/// ```
///
/// Adding twice does not compile; the second callback goes to what the first call returned:
///
/// ```compile_fail,E0382
/// let answer = twistor_deferred::succeed(1);
/// let _one = answer.map(|n| n + 1);
/// let _two = answer.map(|n| n + 2);
/// ```
pub struct Deferred<T> {
    tail: Tail<T>,
}

/// A Deferred that has its value already.
///
/// # Examples
///
/// ```
/// assert_eq!(twistor_deferred::succeed(7).try_take().unwrap().unwrap(), 7);
/// ```
#[must_use]
#[track_caller]
pub fn succeed<T: 'static>(value: T) -> Deferred<T> {
    Root::ready(Ok(value))
}

/// A Deferred that has failed already.
///
/// # Examples
///
/// ```
/// use twistor_deferred::fail;
///
/// let answer = fail(std::fmt::Error).add_errback(|_| Ok(3));
/// assert_eq!(answer.try_take().unwrap().unwrap(), 3);
/// ```
#[must_use]
#[track_caller]
pub fn fail<T: 'static>(failure: impl Into<Failure>) -> Deferred<T> {
    Root::ready(Err(failure.into()))
}

/// Calls `f` now and makes a Deferred of whatever comes of it: a value, a failure, a Deferred, a panic.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{Failure, maybe_deferred, succeed};
///
/// let direct = maybe_deferred(|| Ok::<u16, Failure>("80".parse()?));
/// assert_eq!(direct.try_take().unwrap().unwrap(), 80);
/// let deferred = maybe_deferred(|| succeed(443));
/// assert_eq!(deferred.try_take().unwrap().unwrap(), 443);
/// let panicked = maybe_deferred(|| -> Result<u16, Failure> { panic!("no port") });
/// assert!(panicked.try_take().unwrap().unwrap_err().is_panicked());
/// ```
#[track_caller]
pub fn maybe_deferred<R: IntoOutcome>(f: impl FnOnce() -> R) -> Deferred<R::Value> {
    match contain(|| f().into_outcome()) {
        Ok(Outcome::Done(result)) => Root::ready(result),
        Ok(Outcome::Wait(deferred)) => deferred,
        Err(text) => fail(Panicked(text)),
    }
}

impl<T> Deferred<T> {
    #[inline]
    pub(crate) fn new(node: Rc<dyn Produce<T>>, chain: Rc<dyn Chain>) -> Self {
        Self { tail: Tail::new(node, chain) }
    }

    #[inline]
    pub(crate) fn into_tail(self) -> Tail<T> {
        self.tail
    }

    /// The last node and the chain. There is nothing left to drop, which the compiler would look for.
    #[inline(always)]
    pub(crate) fn into_parts(mut self) -> (Rc<dyn Produce<T>>, Rc<dyn Chain>) {
        let parts = self.tail.take();
        mem::forget(self);
        parts
    }

    pub(crate) fn chain(&self) -> &Rc<dyn Chain> {
        self.tail.chain()
    }

    /// Cancels what the chain waits for now; does nothing if it has its result or is being run.
    ///
    /// The canceller of the promise is called, see [`Promise::on_cancel`](crate::Promise::on_cancel); unless it fires
    /// the promise itself, the chain goes on with a [`Cancelled`](crate::Cancelled) failure, before this call returns.
    /// If a callback has returned a Deferred, what that one waits for is cancelled. A chain can be cancelled again
    /// when it waits again.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::deferred;
    ///
    /// let (promise, answer) = deferred::<u8>();
    /// answer.cancel();
    /// assert!(promise.is_cancelled());
    /// promise.callback(1); // ignored
    /// assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
    /// ```
    pub fn cancel(&self) {
        cancel(self.chain());
    }

    /// A handle that cancels this chain as [`Deferred::cancel`] does, and stays good when more is added to the chain.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller::new(Rc::clone(self.chain()))
    }

    /// Whether the result is here.
    #[must_use]
    pub fn has_result(&self) -> bool {
        self.tail.slot().peek(|value| value.is_some())
    }

    /// The result, if it is here.
    ///
    /// # Errors
    ///
    /// The Deferred itself, unchanged, if there is no result yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::deferred;
    ///
    /// let (promise, answer) = deferred();
    /// let answer = answer.try_take().unwrap_err();
    /// promise.callback("yes");
    /// assert_eq!(answer.try_take().unwrap().unwrap(), "yes");
    /// ```
    #[inline(always)]
    pub fn try_take(mut self) -> Result<Result<T, Failure>, Self> {
        match self.tail.slot().take_result() {
            Some(result) => {
                drop(self.tail.take());
                Ok(result)
            }
            None => Err(self),
        }
    }
}

impl<T> Future for Deferred<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.tail.slot();
        match slot.take_result() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.await_with(cx.waker());
                // Cloning and dropping wakers may have fired the promise, and then nobody would be woken.
                slot.take_result().map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}

impl<T: 'static> From<Result<T, Failure>> for Deferred<T> {
    #[track_caller]
    fn from(result: Result<T, Failure>) -> Self {
        Root::ready(result)
    }
}

/// The state, what is still to run, and in debug mode where the Deferred was made:
///
/// - `ready`, or `failed: ..`: the result is here, and nothing was added after it;
/// - `waiting, 2 stages left`: the promise is to be fired;
/// - `waiting on an inner Deferred (3 deep), 1 stage left`: a callback returned a Deferred, whose callback returned one, ...;
/// - `running`: its callbacks run at this moment, further up the stack.
impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = self.tail.slot().peek(|value| value.map(|result| result.as_ref().err().cloned()));
        write!(f, "Deferred<{}>(", type_name::<T>())?;
        match result {
            Some(None) => f.write_str("ready")?,
            Some(Some(failure)) => write!(f, "failed: {failure}")?,
            None => self.fmt_progress(f)?,
        }
        if let (Some(made), _) = self.chain().links().places() {
            write!(f, ", made at {made}")?;
        }
        f.write_str(")")
    }
}

impl<T> Deferred<T> {
    fn fmt_progress(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, depth) = where_it_waits(self.chain());
        if target.links().phase() != Phase::Pending {
            return f.write_str("running");
        }
        match depth {
            0 => f.write_str("waiting")?,
            _ => write!(f, "waiting on an inner Deferred ({depth} deep)")?,
        }
        match stages_left(&target) {
            0 => Ok(()),
            1 => f.write_str(", 1 stage left"),
            left => write!(f, ", {left} stages left"),
        }
    }
}
