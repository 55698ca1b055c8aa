//! Several Deferreds made one: all of them, or the first of them.
//!
//! | function            | the group's value                    | it fires                            | it fails                            |
//! |---------------------|--------------------------------------|-------------------------------------|-------------------------------------|
//! | [`deferred_list`]   | every result, in input order         | when all have fired                 | only if it is cancelled             |
//! | [`gather_results`]  | every value, in input order          | when all have a value               | at the first failure: [`FirstError`] |
//! | [`first_result`]    | the first result of any kind         | when any has fired                  | without inputs: [`FailureGroup`]    |
//! | [`first_success`]   | the first value                      | when any has a value                | when all have failed: [`FailureGroup`] |
//! | [`race`]            | the first value                      | the same, with the others cancelled | when all have failed: [`FailureGroup`] |
//!
//! # Inputs
//!
//! Anything that iterates over Deferreds of one type, by value: a `Vec`, an array, `urls.iter().map(fetch)`.
//! The iterator is run to its end before any of the Deferreds is looked at. And tuples of Deferreds of
//! different types: up to eight for the first two functions, two to four for the others, whose answer is then
//! one of [`OneOf2`], [`OneOf3`] and [`OneOf4`]. What is accepted, and what comes out, is written down as
//! [`Group`] and [`Choice`].
//!
//! Inputs are consumed. One that has fired already is taken at once; among several of those, the first in
//! input order counts as the first.
//!
//! # Rules for all of them
//!
//! - **Every input's failure is consumed**: none is ever logged as unhandled, also if it comes after the
//!   group has fired. Late values are dropped. A failure of the group itself is one like any other, and
//!   logged if nobody handles it.
//! - **Dropping the group's Deferred detaches** and cancels nothing.
//! - **Cancelling the group cancels every input that waits**, in input order. Then the group fails with plain
//!   [`Cancelled`](crate::Cancelled), whatever the inputs made of it, and its errbacks run. A canceller that
//!   panics is contained and logged, and the others are still called. (An input that is running its callbacks
//!   at the time does not wait, and is not reached.)
//! - A group without inputs has its result at once: an empty list, or a [`FailureGroup`] without failures.
//! - A group ends once and keeps nothing afterwards: not the inputs, not their results. Whatever callbacks
//!   and cancellers of inputs do to the other inputs and to the group meanwhile, what came first counts.
//! - Any number of inputs fires, fails and is cancelled in constant stack and linear time. Groups whose
//!   inputs are groups nest on the stack, once a level: put a thousand Deferreds in one group, not in a
//!   thousand groups, one in the other.
//! - A group that is returned into one of its own inputs waits for itself; a cancel ends that.
//!
//! # What it costs
//!
//! Four allocations for a group of an iterator: its state, the slots of all inputs, its Deferred, and how to
//! cancel it. (The list that comes out is made of the slots, in place if its elements fit; inputs that do not
//! come in a `Vec` are collected in one first.) Each input that has not fired costs one more, for the
//! callback that hears of it; one that has fired costs none. For tuples the first two functions keep the
//! slots in the state, so that is three and one for each input.
//!
//! # Coming from Twisted
//!
//! | `DeferredList(...)`                              | here               | what differs                                              |
//! |--------------------------------------------------|--------------------|-----------------------------------------------------------|
//! | no flags                                         | [`deferred_list`]  | `Ok` and `Err` instead of pairs with a flag               |
//! | `fireOnOneErrback`                               | [`gather_results`] | plain values instead of pairs, as in `gatherResults`      |
//! | `fireOnOneCallback`                              | [`first_success`]  | if all fail: a [`FailureGroup`] instead of the list       |
//! | `fireOnOneCallback` and `fireOnOneErrback`       | [`first_result`]   | a first failure is part of the value, with its index      |
//! | `consumeErrors`                                  | always             | inputs are consumed, so nobody else could handle them     |
//! | no inputs, and `fireOnOneCallback`, or `race([])` | fails at once      | instead of never firing                                   |
//! | `cancel()`                                       | `cancel()`         | the group fails with [`Cancelled`](crate::Cancelled), not with what its inputs made of it |
//!
//! Indices come first, as in `race`: `(index, value)`.

mod errors;
mod inputs;
mod one_of;
mod roll_call;
mod slots;
mod tuples;

pub use errors::{FailureGroup, FirstError};
pub use inputs::{Choice, Group};
pub use one_of::{OneOf2, OneOf3, OneOf4};

use crate::Deferred;

/// Waits for all inputs: fires with the result of every one, in input order.
///
/// It cannot fail but by being cancelled. A tuple gives a tuple of results. No inputs give an empty list at
/// once. The rules for all groups are in the [module's documentation](self).
///
/// # Examples
///
/// ```
/// use twistor_deferred::{deferred_list, fail, succeed};
///
/// let answers = deferred_list([succeed(1), fail(std::fmt::Error), succeed(3)]);
/// let answers = answers.map(|results| results.into_iter().flatten().sum::<i32>());
/// assert_eq!(answers.try_take().unwrap().unwrap(), 4);
///
/// let both = deferred_list((succeed("a poem"), succeed(14)));
/// let (title, lines) = both.try_take().unwrap().unwrap();
/// assert_eq!((title.unwrap(), lines.unwrap()), ("a poem", 14));
/// ```
#[track_caller]
pub fn deferred_list<G, M>(inputs: G) -> Deferred<G::Results>
where
    G: Group<M>,
    M: ?Sized,
{
    inputs.list()
}

/// Waits for all values: fires with them, in input order, or fails with [`FirstError`] as soon as one input
/// fails.
///
/// The other inputs keep running then; what they come to is dropped. A tuple gives a tuple of values. No
/// inputs give an empty list at once. The rules for all groups are in the [module's documentation](self).
///
/// # Examples
///
/// ```
/// use twistor_deferred::{Deferred, Failure, FirstError, fail, gather_results, succeed};
///
/// fn fetch(name: &str) -> Deferred<String> {
///     if name.is_empty() { fail(std::fmt::Error) } else { succeed(name.to_uppercase()) }
/// }
///
/// let poems = gather_results(["if", "ozymandias"].map(fetch));
/// assert_eq!(poems.try_take().unwrap().unwrap(), ["IF", "OZYMANDIAS"]);
///
/// let failure = gather_results(["if", ""].map(fetch)).try_take().unwrap().unwrap_err();
/// assert_eq!(failure.downcast_ref::<FirstError>().unwrap().index, 1);
/// assert!(failure.find::<std::fmt::Error>().is_some());
///
/// async fn both() -> Result<String, Failure> {
///     let (poem, times) = gather_results((fetch("if"), succeed(2))).await?;
///     Ok(poem.repeat(times))
/// }
/// # let task = std::pin::pin!(both());
/// # let ready = task.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
/// # assert!(matches!(ready, std::task::Poll::Ready(Ok(text)) if text == "IFIF"));
/// ```
#[track_caller]
pub fn gather_results<G, M>(inputs: G) -> Deferred<G::Values>
where
    G: Group<M>,
    M: ?Sized,
{
    inputs.gather()
}

/// Waits for any input: fires with the first result, be it a value or a failure, and says whose it is.
///
/// The value is `(index, result)`; for a tuple it is a [`OneOf2`], [`OneOf3`] or [`OneOf4`] of the result.
/// The other inputs keep running. No inputs give an empty [`FailureGroup`] at once. The rules for all groups
/// are in the [module's documentation](self).
///
/// # Examples
///
/// ```
/// use twistor_deferred::{deferred, first_result};
///
/// let (_slow, one) = deferred::<u8>();
/// let (quick, other) = deferred::<u8>();
/// let first = first_result([one, other]);
/// quick.errback(std::fmt::Error);
/// let (index, result) = first.try_take().unwrap().unwrap();
/// assert_eq!(index, 1);
/// assert!(result.is_err());
/// ```
#[track_caller]
pub fn first_result<C, M>(inputs: C) -> Deferred<C::First>
where
    C: Choice<M>,
    M: ?Sized,
{
    inputs.first_result()
}

/// Waits for any value: fires with the first one, and says whose it is; fails with a [`FailureGroup`] once
/// all have failed.
///
/// The value is `(index, value)`; for a tuple it is a [`OneOf2`], [`OneOf3`] or [`OneOf4`]. The other inputs
/// keep running; [`race`] cancels them. No inputs give an empty [`FailureGroup`] at once. The rules for all
/// groups are in the [module's documentation](self).
///
/// # Examples
///
/// ```
/// use twistor_deferred::{FailureGroup, fail, first_success, succeed};
///
/// let mirrors = first_success([fail(std::fmt::Error), succeed("a poem")]);
/// assert_eq!(mirrors.try_take().unwrap().unwrap(), (1, "a poem"));
///
/// let failure = first_success([fail::<u8>(std::fmt::Error)]).try_take().unwrap().unwrap_err();
/// assert_eq!(failure.downcast_ref::<FailureGroup>().unwrap().failures().len(), 1);
/// ```
#[track_caller]
pub fn first_success<C, M>(inputs: C) -> Deferred<C::Success>
where
    C: Choice<M>,
    M: ?Sized,
{
    inputs.first_success()
}

/// Waits for any value, as [`first_success`] does, and cancels the other inputs before it fires.
///
/// They are cancelled in input order; a value that one of them comes to meanwhile is dropped, since the
/// winner is decided, and so is the group's result: cancelling the group meanwhile fires it with the winner.
/// If all have failed the group fails with a [`FailureGroup`]; no inputs give an empty one at once. The rules
/// for all groups are in the [module's documentation](self).
///
/// # Examples
///
/// ```
/// use twistor_deferred::{OneOf2, deferred, race};
///
/// let (slow, poem) = deferred::<String>();
/// let (deadline, time_is_up) = deferred::<()>();
/// let answer = race((poem, time_is_up)).map(|first| match first {
///     OneOf2::First(poem) => poem,
///     OneOf2::Second(()) => "the short version".to_owned(),
/// });
/// deadline.callback(());
/// assert!(slow.is_cancelled());
/// assert_eq!(answer.try_take().unwrap().unwrap(), "the short version");
/// ```
#[track_caller]
pub fn race<C, M>(inputs: C) -> Deferred<C::Success>
where
    C: Choice<M>,
    M: ?Sized,
{
    inputs.race()
}
