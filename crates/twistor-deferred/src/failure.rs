//! [`Failure`]: an error that travels through chains of callbacks.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use crate::debug::Place;

mod kinds;

pub use kinds::{Abandoned, Cancelled, Circular, Panicked, TimedOut};

/// What a failure points to: an error, and in debug mode where it became a failure.
trait Cause: Send + Sync {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static);
    fn place(&self) -> Option<&Place>;
}

struct Plain<E> {
    error: E,
    place: Option<Place>,
}

impl<E: Error + Send + Sync + 'static> Cause for Plain<E> {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &self.error
    }

    fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

struct Boxed(Plain<Box<dyn Error + Send + Sync>>);

impl Cause for Boxed {
    fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0.error
    }

    fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }
}

/// Why something did not work: any error, cheap to clone and free to travel.
///
/// A failure is one shared pointer to an `Error + Send + Sync`. It is not an `Error` itself; because of that the
/// `?` operator turns any error into one, and [`Failure::into_error`] leads back. Boxed errors, which are no
/// `Error` either, go through [`Failure::from_boxed`] or [`OrFail::or_fail`].
///
/// `{}` shows the error's message, `{:#}` the message and those of all its sources, joined with `: `.
///
/// # Examples
///
/// ```
/// use std::num::ParseIntError;
/// use twistor_deferred::Failure;
///
/// fn port(text: &str) -> Result<u16, Failure> {
///     Ok(text.parse()?)
/// }
///
/// let failure = port("http").unwrap_err();
/// assert!(failure.check::<ParseIntError>());
/// assert_eq!(failure.to_string(), "invalid digit found in string");
/// ```
#[derive(Clone)]
pub struct Failure {
    cause: Arc<dyn Cause>,
}

impl Failure {
    /// A failure with `error` as its cause.
    ///
    /// A [`FailureError`] gives the failure it was made of, not one around it.
    #[must_use]
    #[track_caller]
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        match (&error as &dyn Any).downcast_ref::<FailureError>() {
            Some(wrapped) => wrapped.0.clone(),
            None => Self { cause: Arc::new(Plain { error, place: Place::here() }) },
        }
    }

    /// A failure of an error that is boxed already. [`OrFail::or_fail`] does it for results.
    #[must_use]
    #[track_caller]
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast_ref::<FailureError>() {
            Some(wrapped) => wrapped.0.clone(),
            None => Self { cause: Arc::new(Boxed(Plain { error, place: Place::here() })) },
        }
    }

    /// A failure of the library's own making, of which no place says anything.
    pub(crate) fn placeless<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self { cause: Arc::new(Plain { error, place: None }) }
    }

    /// A failure that is a message and nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// # use twistor_deferred::Failure;
    /// assert_eq!(Failure::message("no poems today").to_string(), "no poems today");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn message(text: impl Into<String>) -> Self {
        Self::new(kinds::Message(text.into()))
    }

    /// Whether the error is an `E`. Its sources are not searched; [`Failure::find`] does that.
    #[must_use]
    pub fn check<E: Error + 'static>(&self) -> bool {
        self.error().is::<E>()
    }

    /// The error, if it is an `E`. Its sources are not searched; [`Failure::find`] does that.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.error().downcast_ref()
    }

    /// The first `E` among the error and its sources.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_deferred::{Cancelled, Failure};
    ///
    /// # #[derive(Debug)]
    /// # struct Wrapped(Cancelled);
    /// # impl std::fmt::Display for Wrapped {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("wrapped") }
    /// # }
    /// # impl std::error::Error for Wrapped {
    /// #     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { Some(&self.0) }
    /// # }
    /// let failure = Failure::new(Wrapped(Cancelled));
    /// assert!(!failure.check::<Cancelled>());
    /// assert!(failure.find::<Cancelled>().is_some());
    /// ```
    #[must_use]
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        self.chain().find_map(|error| error.downcast_ref())
    }

    /// The error as an `E` to read, or the failure back for the next errback, so that `?` passes on what is not
    /// expected here. Its sources are not searched.
    ///
    /// # Errors
    ///
    /// The failure itself, unchanged, if it is not an `E`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use twistor_deferred::fail;
    ///
    /// let answer = fail::<String>(io::Error::from(io::ErrorKind::NotFound))
    ///     .add_errback(|failure| {
    ///         let error = failure.trap::<io::Error>()?;
    ///         Ok(format!("{:?}", error.kind()))
    ///     });
    /// assert_eq!(answer.try_take().unwrap().unwrap(), "NotFound");
    /// ```
    pub fn trap<E: Error + 'static>(self) -> Result<Trapped<E>, Self> {
        if self.check::<E>() { Ok(Trapped { failure: self, kind: PhantomData }) } else { Err(self) }
    }

    /// The error this failure is made of.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self.cause.error()
    }

    /// Where the error became a failure; known of failures that were made in [debug mode](crate::set_debug).
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.cause.place()
    }

    /// The cause of the error, if it names one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error().source()
    }

    /// The error, its source, the source's source, and so on.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first: &(dyn Error + 'static) = self.error();
        std::iter::successors(Some(first), |&error| error.source())
    }

    /// The failure as an `Error`, for interfaces that ask for one.
    #[must_use]
    pub fn into_error(self) -> FailureError {
        FailureError(self)
    }

    /// Whether this is [`Cancelled`]: somebody cancelled the Deferred.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.check::<Cancelled>()
    }

    /// Whether this is [`Abandoned`]: the promise was dropped unfired.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.check::<Abandoned>()
    }

    /// Whether this is [`Circular`]: a Deferred was returned into its own chain.
    #[must_use]
    pub fn is_circular(&self) -> bool {
        self.check::<Circular>()
    }

    /// Whether this is [`Panicked`]: a callback panicked.
    #[must_use]
    pub fn is_panicked(&self) -> bool {
        self.check::<Panicked>()
    }

    /// Whether this is [`TimedOut`]: there was no result in time.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.check::<TimedOut>()
    }

    /// Whether both are clones of one failure.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.cause), Arc::as_ptr(&other.cause))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// The message; with `{:#}` the messages of all sources too.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error())?;
        if f.alternate() {
            for source in self.chain().skip(1) {
                write!(f, ": {source}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failure").field(&self.error()).finish()
    }
}

/// A failure known to be an `E`, which it dereferences to. Made by [`Failure::trap`].
pub struct Trapped<E> {
    failure: Failure,
    kind: PhantomData<fn() -> E>,
}

impl<E> Trapped<E> {
    /// The failure again, to pass it on after a look.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        self.failure
    }
}

impl<E: Error + 'static> Deref for Trapped<E> {
    type Target = E;

    fn deref(&self) -> &E {
        // `trap` is the only constructor, and it has checked the type.
        self.failure.downcast_ref().expect("a trapped failure is of its type")
    }
}

impl<E> fmt::Debug for Trapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trapped").field(&self.failure.error()).finish()
    }
}

/// A [`Failure`] dressed as an `Error`: the same message, the same sources. Made by [`Failure::into_error`].
#[derive(Clone)]
pub struct FailureError(Failure);

impl FailureError {
    /// The failure inside.
    #[must_use]
    pub const fn failure(&self) -> &Failure {
        &self.0
    }

    /// The failure inside, as it was.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// The first `E` among the error that the failure is made of and its sources. (`downcast_ref` on the `FailureError` itself, or on a box of it, finds
    /// the `FailureError`, and [`source`](Error::source) begins behind the failure's own error, whose message this one has.)
    ///
    /// # Examples
    ///
    /// What a caller finds in a box, or in `anyhow::Error`, in the same way:
    ///
    /// ```
    /// use std::error::Error;
    /// use twistor_deferred::{Cancelled, Failure, FailureError};
    ///
    /// let boxed: Box<dyn Error + Send + Sync> = Failure::new(Cancelled).into();
    /// let failed = boxed.downcast_ref::<FailureError>().unwrap();
    /// assert!(failed.find::<Cancelled>().is_some());
    /// ```
    #[must_use]
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        self.0.find()
    }
}

impl fmt::Display for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.error(), f)
    }
}

impl fmt::Debug for FailureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.error(), f)
    }
}

impl Error for FailureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.into_error())
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        Box::new(failure.into_error())
    }
}

/// Turns results with errors that are no `Error` into results with failures: boxed ones, `anyhow::Error`, texts.
///
/// It takes whatever becomes a `Box<dyn Error + Send + Sync>`. An `Error` of a type of its own needs none of this: `?` takes it as it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no error that can become a `Failure`",
    label = "the error does not become a `Box<dyn Error + Send + Sync>`",
    note = "a `Box<dyn Error>` without `Send + Sync` cannot: say `Box<dyn Error + Send + Sync>` where it is made"
)]
pub trait OrFail<T> {
    /// The value, or the error as a [`Failure`].
    ///
    /// # Errors
    ///
    /// The error of the result, unchanged but for its type.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::error::Error;
    /// use twistor_deferred::{Failure, OrFail};
    ///
    /// fn legacy() -> Result<u8, Box<dyn Error + Send + Sync>> {
    ///     Err("out of paper".into())
    /// }
    /// fn modern() -> Result<u8, Failure> {
    ///     let sheets = legacy().or_fail()?;
    ///     Ok(sheets + 1)
    /// }
    /// assert_eq!(modern().unwrap_err().to_string(), "out of paper");
    /// assert_eq!(Err::<u8, _>("no toner").or_fail().unwrap_err().to_string(), "no toner");
    /// ```
    #[track_caller]
    fn or_fail(self) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self) -> Result<T, Failure> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Failure::from_boxed(error.into())),
        }
    }
}

#[cfg(test)]
mod tests;
