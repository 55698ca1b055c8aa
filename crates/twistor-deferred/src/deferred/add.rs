//! Everything that makes a chain longer by one stage.

use super::Deferred;
use crate::chain::Stage;
use crate::contain::{contain, drop_contained};
use crate::{Failure, IntoOutcome, Outcome};

impl<T: 'static> Deferred<T> {
    /// The one way to add a stage. `code` runs now if the result is here.
    #[inline]
    pub(super) fn add<U, F>(self, code: F) -> Deferred<U>
    where
        U: 'static,
        F: FnOnce(Result<T, Failure>) -> Outcome<U> + 'static,
    {
        let (before, chain) = self.into_parts();
        Stage::add(before, chain, code)
    }

    /// Adds a callback: it hears the value. A failure passes by, and the callback is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::succeed;
    ///
    /// let length = succeed("a poem").add_callback(|poem| Ok(poem.len()));
    /// assert_eq!(length.try_take().unwrap().unwrap(), 6);
    /// ```
    #[inline]
    pub fn add_callback<R, F>(self, callback: F) -> Deferred<R::Value>
    where
        R: IntoOutcome,
        F: FnOnce(T) -> R + 'static,
    {
        self.add(move |result| match result {
            Ok(value) => callback(value).into_outcome(),
            Err(failure) => pass(callback, Err(failure)),
        })
    }

    /// Adds an errback: it hears the failure, and what it returns stands in for the value. A value passes by.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{Cancelled, Failure, fail};
    ///
    /// let quiet = fail(Cancelled).add_errback(|failure: Failure| {
    ///     failure.trap::<Cancelled>()?;
    ///     Ok(0)
    /// });
    /// assert_eq!(quiet.try_take().unwrap().unwrap(), 0);
    /// ```
    #[inline]
    pub fn add_errback<R, F>(self, errback: F) -> Self
    where
        R: IntoOutcome<Value = T>,
        F: FnOnce(Failure) -> R + 'static,
    {
        self.add(move |result| match result {
            Ok(value) => pass(errback, Ok(value)),
            Err(failure) => errback(failure).into_outcome(),
        })
    }

    /// Adds a pair: one of the two runs, and a failure of the callback does not go to the errback beside it.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::succeed;
    ///
    /// let text = succeed(7).add_callbacks(|n| Ok(n.to_string()), |failure| Ok(failure.to_string()));
    /// assert_eq!(text.try_take().unwrap().unwrap(), "7");
    /// ```
    #[inline]
    pub fn add_callbacks<R, S, F, G>(self, callback: F, errback: G) -> Deferred<R::Value>
    where
        R: IntoOutcome,
        S: IntoOutcome<Value = R::Value>,
        F: FnOnce(T) -> R + 'static,
        G: FnOnce(Failure) -> S + 'static,
    {
        self.add(move |result| match result {
            Ok(value) => {
                drop_contained(errback);
                callback(value).into_outcome()
            }
            Err(failure) => {
                drop_contained(callback);
                errback(failure).into_outcome()
            }
        })
    }

    /// Adds one function for both sides: it hears the value or the failure.
    ///
    /// # Examples
    ///
    /// Handing a result on to another promise:
    ///
    /// ```
    /// use twistor_deferred::{deferred, succeed};
    ///
    /// let (promise, copy) = deferred();
    /// succeed(5).add_both(move |result| promise.fire(result));
    /// assert_eq!(copy.try_take().unwrap().unwrap(), 5);
    /// ```
    #[inline]
    pub fn add_both<R, F>(self, both: F) -> Deferred<R::Value>
    where
        R: IntoOutcome,
        F: FnOnce(Result<T, Failure>) -> R + 'static,
    {
        self.add(move |result| both(result).into_outcome())
    }

    /// Adds a callback that returns a plain value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(twistor_deferred::succeed(20).map(|n| n + 1).try_take().unwrap().unwrap(), 21);
    /// ```
    #[inline]
    pub fn map<U, F>(self, f: F) -> Deferred<U>
    where
        U: 'static,
        F: FnOnce(T) -> U + 'static,
    {
        self.add(move |result| match result {
            Ok(value) => Outcome::Done(Ok(f(value))),
            Err(failure) => pass(f, Err(failure)),
        })
    }

    /// Adds an errback that makes another failure of the failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{Failure, fail};
    ///
    /// let answer = fail::<u8>(std::fmt::Error).map_failure(|failure| Failure::message(format!("no poem: {failure}")));
    /// assert!(answer.try_take().unwrap().unwrap_err().to_string().starts_with("no poem: "));
    /// ```
    #[inline]
    pub fn map_failure<E, F>(self, f: F) -> Self
    where
        E: Into<Failure>,
        F: FnOnce(Failure) -> E + 'static,
    {
        self.add(move |result| match result {
            Ok(value) => pass(f, Ok(value)),
            Err(failure) => Outcome::Done(Err(f(failure).into())),
        })
    }

    /// Adds a look at the failure, which then passes on unhandled.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{Cancelled, fail};
    ///
    /// let answer = fail::<u8>(Cancelled).inspect_failure(|failure| assert!(failure.is_cancelled()));
    /// assert!(answer.try_take().unwrap().is_err());
    /// ```
    #[inline]
    pub fn inspect_failure<F>(self, f: F) -> Self
    where
        F: FnOnce(&Failure) + 'static,
    {
        self.add(move |result| {
            match &result {
                Ok(_) => drop_contained(f),
                Err(failure) => f(failure),
            }
            Outcome::Done(result)
        })
    }

    /// Ends a chain that nobody waits for: a failure is logged as an error with `what` went wrong, and is handled by
    /// that; a value is dropped. Either way the chain goes on with `()`.
    ///
    /// [`Cancelled`](crate::Cancelled) is logged like any other.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{Cancelled, fail};
    ///
    /// fail::<u8>(Cancelled).log_failure("fetching the poem");
    /// ```
    #[inline]
    pub fn log_failure(self, what: impl Into<String>) -> Deferred<()> {
        let what = what.into();
        self.add(move |result| {
            match result {
                Ok(value) => drop_contained(value),
                Err(failure) => {
                    let _ = contain(|| tracing::error!(failure = %format_args!("{failure:#}"), "{what}"));
                }
            }
            Outcome::Done(Ok(()))
        })
    }
}

impl<T: 'static> Deferred<Deferred<T>> {
    /// The inner Deferred's result, once both have fired: for a function that uses `?` first and has a Deferred at its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{Deferred, maybe_deferred, succeed};
    ///
    /// fn ask(port: u16) -> Deferred<String> {
    ///     succeed(format!("hello from {port}"))
    /// }
    /// let answer = maybe_deferred(|| {
    ///     let port = "8080".parse()?;
    ///     Ok(ask(port))
    /// })
    /// .flatten();
    /// assert_eq!(answer.try_take().unwrap().unwrap(), "hello from 8080");
    /// ```
    pub fn flatten(self) -> Deferred<T> {
        self.add_callback(|inner| inner)
    }
}

/// The result goes by a callback of the other side, which is dropped first.
#[inline]
fn pass<C, U>(uncalled: C, result: Result<U, Failure>) -> Outcome<U> {
    drop_contained(uncalled);
    Outcome::Done(result)
}
