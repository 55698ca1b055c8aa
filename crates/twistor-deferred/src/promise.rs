//! [`Promise`]: the end of a Deferred that its producer holds.

use std::fmt;
use std::rc::Rc;

use crate::chain::{FireOnce, Phase, Root};
use crate::contain::{contain, log_panic};
use crate::debug::is_debug;
use crate::{Deferred, Failure};

/// A promise of a value, and the [`Deferred`] that will have it.
///
/// # Examples
///
/// ```
/// use twistor_deferred::deferred;
///
/// let (promise, answer) = deferred();
/// let doubled = answer.map(|n: i32| n * 2);
/// promise.callback(21);
/// assert_eq!(doubled.try_take().unwrap().unwrap(), 42);
/// ```
#[must_use]
#[track_caller]
#[inline(always)]
pub fn deferred<T: 'static>() -> (Promise<T>, Deferred<T>) {
    let (root, deferred) = Root::pending();
    (Promise { root: Some(root) }, deferred)
}

/// The producer's end of a [`Deferred`]: to be fired once, which consumes it.
///
/// Firing runs the callbacks at once, inside the call. A promise that is dropped unfired fails its Deferred with
/// [`Abandoned`](crate::Abandoned), so nobody waits for ever. After the Deferred was cancelled whatever the promise
/// does is ignored.
///
/// Firing a promise from inside a callback of another chain nests the two on the stack; a callback that returns the
/// other Deferred does not. Dropping never nests: a promise that is dropped while the callbacks of another dropped
/// promise run has its own callbacks run right after those.
///
/// # Examples
///
/// Firing twice does not compile:
///
/// ```compile_fail,E0382
/// let (promise, _answer) = twistor_deferred::deferred();
/// promise.callback(1);
/// promise.callback(2);
/// ```
pub struct Promise<T> {
    /// Is there until the promise is fired or dropped.
    root: Option<Rc<dyn FireOnce<T>>>,
}

impl<T> Promise<T> {
    /// Fires with a value: the callbacks run now, inside this call.
    ///
    /// So hold nothing of yours borrowed while you fire: a callback may come back to you. Take the promise out first, on a line of its own:
    ///
    /// ```
    /// # use std::{cell::RefCell, collections::VecDeque, rc::Rc};
    /// # use twistor_deferred::{Promise, deferred};
    /// let waiting: Rc<RefCell<VecDeque<Promise<i32>>>> = Rc::default();
    /// # let (promise, answer) = deferred();
    /// # let queue = Rc::clone(&waiting);
    /// # answer.add_callback(move |_| { queue.borrow_mut().clear(); });
    /// # waiting.borrow_mut().push_back(promise);
    /// let next = waiting.borrow_mut().pop_front(); // The borrow ends here, ...
    /// if let Some(promise) = next {
    ///     promise.callback(42); // ... before the callbacks run. In `if let Some(p) = waiting.borrow_mut().pop_front()` it would not.
    /// }
    /// ```
    #[track_caller]
    #[inline]
    pub fn callback(self, value: T) {
        self.fire(Ok(value));
    }

    /// Fires with a failure, or with any error: the errbacks run now.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::deferred;
    ///
    /// let (promise, answer) = deferred::<u8>();
    /// promise.errback(std::fmt::Error);
    /// assert!(answer.try_take().unwrap().unwrap_err().check::<std::fmt::Error>());
    /// ```
    #[track_caller]
    #[inline]
    pub fn errback(self, failure: impl Into<Failure>) {
        self.fire(Err(failure.into()));
    }

    /// Fires with a value or a failure: the callbacks or errbacks run now.
    #[inline]
    #[track_caller]
    pub fn fire(mut self, result: Result<T, Failure>) {
        if let Some(root) = self.root.take() {
            if is_debug() {
                root.links().note_fired();
            }
            if root.root().accept(result) {
                root.drive();
            }
        }
    }

    /// Whether the Deferred was cancelled: nobody wants the value, and firing does nothing.
    ///
    /// It is true inside the canceller too, where firing still counts.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let phase = self.root.as_ref().map(|root| root.links().phase());
        matches!(phase, Some(Phase::Cancelling | Phase::Cancelled))
    }

    /// Has `canceller` called once if the Deferred is cancelled before the promise is fired.
    ///
    /// The canceller stops the work. It may also make the producer fire the promise, with any value or failure; if
    /// the promise is unfired when it returns, the Deferred fails with [`Cancelled`](crate::Cancelled). One that
    /// panics is contained and logged, and changes nothing about that. It is dropped as soon as the promise is fired
    /// or dropped.
    ///
    /// There is one canceller: a second call replaces, and drops, the first. If the Deferred was cancelled before,
    /// `canceller` is called now.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// use twistor_deferred::deferred;
    ///
    /// let (promise, answer) = deferred::<u8>();
    /// let promise = Rc::new(Cell::new(Some(promise)));
    /// let owner = Rc::clone(&promise);
    /// let armed = promise.take().unwrap();
    /// armed.on_cancel(move || owner.take().unwrap().callback(7));
    /// promise.set(Some(armed));
    ///
    /// answer.cancel();
    /// assert_eq!(answer.try_take().unwrap().unwrap(), 7);
    /// ```
    pub fn on_cancel(&self, canceller: impl FnOnce() + 'static) {
        if self.is_cancelled() {
            if let Err(text) = contain(canceller) {
                log_panic("cancelling a Deferred", &text);
            }
        } else if let Some(root) = &self.root {
            root.links().set_canceller(Box::new(canceller));
        }
    }

    /// As [`on_cancel`](Self::on_cancel), beside the canceller there is, which stays and is called after this one: for those who pass on a promise
    /// that somebody else has armed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::RefCell, rc::Rc};
    /// use twistor_deferred::deferred;
    ///
    /// let said: Rc<RefCell<Vec<&str>>> = Rc::default();
    /// let (maker, keeper) = (Rc::clone(&said), Rc::clone(&said));
    /// let (promise, answer) = deferred::<u8>();
    /// promise.on_cancel(move || maker.borrow_mut().push("the work is stopped"));
    /// promise.add_canceller(move || keeper.borrow_mut().push("noted"));
    /// answer.cancel();
    /// assert_eq!(*said.borrow(), ["noted", "the work is stopped"]);
    /// ```
    pub fn add_canceller(&self, canceller: impl FnOnce() + 'static) {
        match self.root.as_ref().and_then(|root| root.links().take_canceller()) {
            Some(there_is) => self.on_cancel(move || {
                if let Err(text) = contain(canceller) {
                    log_panic("cancelling a Deferred", &text);
                }
                there_is();
            }),
            None => self.on_cancel(canceller),
        }
    }
}

/// Fails the Deferred with [`Abandoned`](crate::Abandoned), unless the promise was fired or cancelled.
impl<T> Drop for Promise<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(root) = self.root.take() {
            root.abandon();
        }
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_cancelled() { "cancelled" } else { "unfired" };
        write!(f, "Promise<{}>({state})", std::any::type_name::<T>())
    }
}
