//! [`LoadError`]: what ends a workload early.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// A byte that is not what it ought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The number of the connection, in the order in which they were made, from zero.
    pub connection: usize,
    /// How many bytes the connection had received before, all of them right.
    pub offset: u64,
    /// The byte that was owed.
    pub expected: u8,
    /// The byte that came.
    pub got: u8,
}

/// What ends a workload before its end. Connections are numbered in the order in which they were made, from zero.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A connection could not be made.
    #[error("connection {connection} could not be made")]
    Connect {
        /// Which one.
        connection: usize,
        /// Why.
        source: io::Error,
    },
    /// Reading or writing failed: with a reset, say.
    #[error("connection {connection} failed when {received} bytes had come back")]
    Lost {
        /// Which one.
        connection: usize,
        /// How many bytes it had received.
        received: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A byte is wrong.
    #[error(
        "connection {}: the byte at {} is {:#04x}, and ought to be {:#04x}",
        .0.connection, .0.offset, .0.got, .0.expected
    )]
    Wrong(Difference),
    /// The server sent more than it was owed.
    #[error("connection {connection}: {surplus} bytes more than the {owed} that were owed")]
    Surplus {
        /// Which one.
        connection: usize,
        /// How many bytes were owed.
        owed: u64,
        /// How many came beyond these, at least.
        surplus: u64,
    },
    /// The server closed the connection before its time.
    #[error("connection {connection}: closed by the server after {received} bytes, {owed} were owed")]
    Closed {
        /// Which one.
        connection: usize,
        /// How many bytes it had received.
        received: u64,
        /// How many were owed; as many as were received if it was only too early to close.
        owed: u64,
    },
    /// Nothing moved for the time that the plan allows.
    #[error("nothing moved for {after:?}: {waiting}")]
    Stalled {
        /// The plan's time.
        after: Duration,
        /// What was being waited for.
        waiting: String,
    },
    /// The caller could not look at the server.
    #[error("the server could not be looked at")]
    Watch(#[source] io::Error),
    /// Epoll failed.
    #[error("waiting for the connections failed")]
    Wait(#[source] io::Error),
}
