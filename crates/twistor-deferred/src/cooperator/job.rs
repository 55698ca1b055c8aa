//! [`Job`]: an iterator, with its type forgotten, and who is to have it back.

use crate::contain::{contain, log_panic};
use crate::{Failure, IntoOutcome, Outcome, Panicked, Promise};

/// The work of a task.
pub(super) trait Job {
    /// The next step, or `None` at the end. The user's code, which may panic.
    fn step(&mut self) -> Option<Outcome<()>>;

    /// Lets the iterator go. If it panics at that and `result` was good, the panic is the result.
    fn end(self: Box<Self>, result: Result<(), Failure>) -> Result<(), Failure>;
}

/// An iterator that is dropped at the end.
pub(super) struct Spent<I>(pub(super) I);

/// An iterator that somebody wants back.
pub(super) struct Lent<I> {
    pub(super) iterator: I,
    pub(super) promise: Promise<I>,
}

impl<I> Job for Spent<I>
where
    I: Iterator,
    I::Item: IntoOutcome,
{
    fn step(&mut self) -> Option<Outcome<()>> {
        Some(self.0.next()?.into_outcome().forget_value())
    }

    fn end(self: Box<Self>, result: Result<(), Failure>) -> Result<(), Failure> {
        match (contain(|| drop(self)), result) {
            (Ok(()), result) => result,
            (Err(text), Ok(())) => Err(Panicked(text).into()),
            (Err(text), Err(failure)) => {
                log_panic("dropping an iterator", &text);
                Err(failure)
            }
        }
    }
}

impl<I> Job for Lent<I>
where
    I: Iterator + 'static,
    I::Item: IntoOutcome,
{
    fn step(&mut self) -> Option<Outcome<()>> {
        Some(self.iterator.next()?.into_outcome().forget_value())
    }

    fn end(self: Box<Self>, result: Result<(), Failure>) -> Result<(), Failure> {
        let Self { iterator, promise } = *self;
        match result {
            Ok(()) => {
                promise.callback(iterator);
                Ok(())
            }
            Err(failure) => {
                let result = Box::new(Spent(iterator)).end(Err(failure.clone()));
                promise.errback(failure);
                result
            }
        }
    }
}
