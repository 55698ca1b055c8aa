//! The errors this crate itself can end a Deferred with.

use std::time::Duration;

use thiserror::Error;

/// The promise was dropped without being fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the promise was dropped before it was fired")]
pub struct Abandoned;

/// Somebody cancelled the Deferred, and its producer had no other answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the operation was cancelled")]
pub struct Cancelled;

/// A callback returned a Deferred that waits for the very chain the callback belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a Deferred was returned into its own chain")]
pub struct Circular;

/// A callback panicked; this is what it said.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

/// There was no result within this time. Made by [`Deferred::add_timeout`](crate::Deferred::add_timeout).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there was no result within {0:?}")]
pub struct TimedOut(pub Duration);

/// The error of [`Failure::message`](crate::Failure::message).
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Message(pub(super) String);
