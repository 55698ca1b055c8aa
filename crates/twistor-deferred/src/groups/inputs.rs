//! [`Group`] and [`Choice`]: what can be made one Deferred of.

use std::iter::Enumerate;
use std::rc::Rc;
use std::vec::IntoIter;

use super::roll_call::RollCall;
use super::slots::{Others, Slot};
use super::{FailureGroup, FirstError};
use crate::{Deferred, Failure, fail, succeed};

/// Keeps the traits to the implementations here, so that methods can be added to them.
pub(super) trait Sealed<M: ?Sized> {}

/// What [`deferred_list`](crate::deferred_list) and [`gather_results`](crate::gather_results) take: whatever
/// iterates over `Deferred<T>`, and tuples of up to eight Deferreds.
///
/// `M` tells these apart and is inferred: it is `[T]` for iterators, and `(A, B)` for a tuple `(Deferred<A>,
/// Deferred<B>)`. The trait is sealed.
///
/// # Examples
///
/// A function of your own that takes what `gather_results` takes:
///
/// ```
/// use twistor_deferred::{Deferred, Failure, gather_results, groups::Group, succeed};
///
/// fn all_poems<G: Group<M>, M: ?Sized>(poems: G) -> Deferred<G::Values> {
///     gather_results(poems).map_failure(|failure| Failure::message(format!("no poems: {failure:#}")))
/// }
/// assert_eq!(all_poems([succeed("if")]).try_take().unwrap().unwrap(), ["if"]);
/// ```
///
/// A group consumes its inputs, so borrowing them does not compile. Pass `poems`, or `poems.drain(..)`:
///
/// ```compile_fail,E0271
/// let poems = vec![twistor_deferred::succeed("if")];
/// twistor_deferred::gather_results(&poems);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group of Deferreds",
    label = "neither iterates over `Deferred<_>` nor is a tuple of up to eight Deferreds",
    note = "a single Deferred is no group: put it in an array, `[one]`",
    note = "Deferreds of different types go in a tuple, `(one, other)`; those of one type in an array or a `Vec`"
)]
#[expect(private_bounds, reason = "the trait is sealed")]
pub trait Group<M: ?Sized>: Sealed<M> {
    /// All results: `Vec<Result<T, Failure>>`, or a tuple of results.
    type Results: 'static;

    /// All values: `Vec<T>`, or a tuple of values.
    type Values: 'static;

    #[doc(hidden)]
    #[track_caller]
    fn list(self) -> Deferred<Self::Results>;

    #[doc(hidden)]
    #[track_caller]
    fn gather(self) -> Deferred<Self::Values>;
}

/// What [`race`](crate::race), [`first_success`](crate::first_success) and
/// [`first_result`](crate::first_result) take: whatever iterates over `Deferred<T>`, and tuples of two to
/// four Deferreds.
///
/// `M` tells these apart and is inferred: it is `[T]` for iterators, and `(A, B)` for a tuple `(Deferred<A>,
/// Deferred<B>)`. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a choice of Deferreds",
    label = "neither iterates over `Deferred<_>` nor is a tuple of two to four Deferreds",
    note = "a single Deferred is no group: put it in an array, `[one]`",
    note = "Deferreds of different types go in a tuple, `(one, other)`; those of one type in an array or a `Vec`"
)]
#[expect(private_bounds, reason = "the trait is sealed")]
pub trait Choice<M: ?Sized>: Sealed<M> {
    /// One result of any kind: `(usize, Result<T, Failure>)`, or a `OneOf` of results.
    type First: 'static;

    /// One value: `(usize, T)`, or a `OneOf` of values.
    type Success: 'static;

    #[doc(hidden)]
    #[track_caller]
    fn first_result(self) -> Deferred<Self::First>;

    #[doc(hidden)]
    #[track_caller]
    fn first_success(self) -> Deferred<Self::Success>;

    #[doc(hidden)]
    #[track_caller]
    fn race(self) -> Deferred<Self::Success>;
}

impl<I, T> Sealed<[T]> for I where I: IntoIterator<Item = Deferred<T>> {}

impl<I, T> Group<[T]> for I
where
    I: IntoIterator<Item = Deferred<T>>,
    T: 'static,
{
    type Results = Vec<Result<T, Failure>>;
    type Values = Vec<T>;

    #[track_caller]
    fn list(self) -> Deferred<Self::Results> {
        let Some((inputs, roll, group)) = call_roll(self) else { return succeed(Vec::new()) };
        for (index, input) in inputs {
            roll.hear(input, move |roll, result| roll.keep(result, |slots| &mut slots[index], Ok));
        }
        group
    }

    #[track_caller]
    fn gather(self) -> Deferred<Self::Values> {
        let Some((inputs, roll, group)) = call_roll(self) else { return succeed(Vec::new()) };
        for (index, input) in inputs {
            roll.hear(input, move |roll, result| match result {
                Ok(value) => roll.keep(value, |slots| &mut slots[index], Ok),
                Err(failure) => {
                    roll.decide(Err(Failure::new(FirstError { index, failure })), Others::KeepRunning)
                }
            });
        }
        group
    }
}

impl<I, T> Choice<[T]> for I
where
    I: IntoIterator<Item = Deferred<T>>,
    T: 'static,
{
    type First = (usize, Result<T, Failure>);
    type Success = (usize, T);

    #[track_caller]
    fn first_result(self) -> Deferred<Self::First> {
        let Some((inputs, roll, group)) = call_roll::<_, _, (), _>(self) else { return no_inputs() };
        for (index, input) in inputs {
            roll.hear(input, move |roll, result| roll.decide(Ok((index, result)), Others::KeepRunning));
        }
        group
    }

    #[track_caller]
    fn first_success(self) -> Deferred<Self::Success> {
        first_value(self, Others::KeepRunning)
    }

    #[track_caller]
    fn race(self) -> Deferred<Self::Success> {
        first_value(self, Others::AreCancelled)
    }
}

#[track_caller]
fn first_value<I, T>(inputs: I, others: Others) -> Deferred<(usize, T)>
where
    I: IntoIterator<Item = Deferred<T>>,
    T: 'static,
{
    let Some((inputs, roll, group)) = call_roll(inputs) else { return no_inputs() };
    for (index, input) in inputs {
        roll.hear(input, move |roll, result| roll.candidate(index, result.map(|it| (index, it)), others));
    }
    group
}

#[track_caller]
fn no_inputs<R: 'static>() -> Deferred<R> {
    fail(FailureGroup::default())
}

/// The inputs with their numbers, the roll call for them, and its Deferred.
type Called<T, X, R> = (Enumerate<IntoIter<Deferred<T>>>, Rc<RollCall<Vec<Slot<X>>, R>>, Deferred<R>);

/// Starts a group of `inputs`, each of which is yet to be heard; `None` if there are none.
#[track_caller]
fn call_roll<I, T, X, R>(inputs: I) -> Option<Called<T, X, R>>
where
    I: IntoIterator<Item = Deferred<T>>,
    X: 'static,
    R: 'static,
{
    let inputs: Vec<_> = inputs.into_iter().collect();
    if inputs.is_empty() {
        return None;
    }
    let (roll, group) = RollCall::new(inputs.iter().map(Slot::of).collect::<Vec<_>>());
    Some((inputs.into_iter().enumerate(), roll, group))
}
