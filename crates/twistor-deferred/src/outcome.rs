//! What a callback may return.

use crate::{Deferred, Failure};

/// What came of a callback: a result, or a Deferred that will have one.
#[derive(Debug)]
pub enum Outcome<T> {
    /// The result is here; the chain goes on with it.
    Done(Result<T, Failure>),
    /// The chain waits for this Deferred and goes on with its result.
    Wait(Deferred<T>),
}

impl<T: 'static> Outcome<T> {
    /// Without the value, which is dropped, and without a Deferred that need not be waited for.
    pub(crate) fn forget_value(self) -> Outcome<()> {
        let result = match self {
            Self::Done(result) => result,
            Self::Wait(deferred) => match deferred.try_take() {
                Ok(result) => result,
                Err(pending) => return Outcome::Wait(pending.map(drop)),
            },
        };
        Outcome::Done(result.map(drop))
    }
}

/// What a callback, or a task, may return: `()`, a `Result<U, Failure>` or a [`Deferred<U>`].
///
/// - `()` continues on the callback side with `()`;
/// - `Ok(value)` continues on the callback side, `Err(failure)` on the errback side;
/// - a Deferred suspends the chain until it has a result, and takes that result out of it;
/// - an [`Outcome`] is either, for a callback that knows only when it is called.
///
/// What never returns (`!`) is fine too. There is nothing to implement this for beyond that.
///
/// A callback that uses `?` and ends with a Deferred returns `Ok(deferred)`, and [`Deferred::flatten`] behind it makes one of the two.
///
/// A plain value is none of these: add such a callback with [`Deferred::map`]. The error type is [`Failure`] and
/// nothing more general, since otherwise `|x| Ok(x + 1)` would not say what its error is; `?` converts.
#[diagnostic::on_unimplemented(
    message = "a callback or task cannot return `{Self}`",
    label = "a callback or task returns `()`, `Result<_, Failure>` or `Deferred<_>`",
    note = "use `map` for a callback that returns a plain value, or wrap the value in `Ok`",
    note = "a boxed error becomes a `Failure` with `.or_fail()`"
)]
pub trait IntoOutcome {
    /// The type of the value on success.
    type Value: 'static;

    /// The outcome of the callback that returned `self`.
    fn into_outcome(self) -> Outcome<Self::Value>;
}

impl IntoOutcome for () {
    type Value = ();

    #[inline]
    fn into_outcome(self) -> Outcome<()> {
        Outcome::Done(Ok(()))
    }
}

impl<T: 'static> IntoOutcome for Result<T, Failure> {
    type Value = T;

    #[inline]
    fn into_outcome(self) -> Outcome<T> {
        Outcome::Done(self)
    }
}

impl<T: 'static> IntoOutcome for Deferred<T> {
    type Value = T;

    #[inline]
    fn into_outcome(self) -> Outcome<T> {
        Outcome::Wait(self)
    }
}

/// For a callback that has the value at one time and a Deferred at another.
impl<T: 'static> IntoOutcome for Outcome<T> {
    type Value = T;

    #[inline]
    fn into_outcome(self) -> Self {
        self
    }
}

/// What never returns: a callback that only panics, an `async` block that loops for ever.
impl IntoOutcome for never::Never {
    type Value = ();

    fn into_outcome(self) -> Outcome<()> {
        self
    }
}

mod never {
    /// The type `!`, by the one way that stable Rust has of naming it.
    pub(super) type Never = <fn() -> ! as Returns>::Output;

    pub trait Returns {
        type Output;
    }

    impl<R> Returns for fn() -> R {
        type Output = R;
    }
}
