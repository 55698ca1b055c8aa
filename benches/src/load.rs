//! The load generator: drives a server over loopback, checks every byte, and says what came of it.
//!
//! One thread on bare epoll, so that it costs little beside the server. [`run`] takes a [`Plan`] and gives a [`Report`].
//!
//! - [`Workload`]: what the clients do. [`Plan`] adds how much of it. Both are data: `compare` has its rows of them.
//! - [`Mark`]: the moments at which a caller may look at the server. At each of them nothing is under way: the
//!   clients have all that they are owed (or, in a stream, have stopped to read), so what the server spends between
//!   two marks is what it spends for the messages between them, exactly.
//! - [`Pattern`]: the bytes that are sent. Each depends on its position, and neighbours differ, so that a byte that is
//!   wrong, lost, doubled or out of order is found where it happened. [`LoadError`] names it.
//! - Bounded: when nothing moves for [`Plan::stall`], the workload ends with an error.
//!
//! The servers are named by an address. Nothing here knows their process: that is [`crate::compare`]'s part.

mod churn;
pub mod clock;
mod echo;
mod engine;
mod error;
mod fan_out;
mod idle;
mod link;
mod pattern;
mod report;
mod slow_readers;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub use error::{Difference, LoadError};
pub use pattern::Pattern;
pub use report::Report;

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Connections that send messages and wait for them to come back, `depth` at a time each.
    Echo {
        /// How many connections.
        connections: usize,
        /// Bytes in a message, at least one.
        size: usize,
        /// How many messages of a connection are under way at a time, at least one.
        depth: usize,
    },
    /// Connections made one after the other: connect, send a message, read it back, send FIN, wait for the server's.
    Churn {
        /// How many are under way at a time.
        parallel: usize,
        /// Bytes in a message, at least one.
        size: usize,
    },
    /// Connections that read what a server in stream mode sends.
    Stream {
        /// How many connections.
        connections: usize,
    },
    /// One connection sends a message, the others get it from a server in broadcast mode; then the next message.
    FanOut {
        /// How many get each message.
        receivers: usize,
        /// Bytes in a message, at least one.
        size: usize,
    },
    /// Connections that do nothing, then echo one message each, and do nothing again.
    Idle {
        /// How many connections.
        connections: usize,
        /// Bytes in a message, at least one.
        size: usize,
    },
    /// Connections that send and never read what comes back, beside others that echo one message at a time.
    SlowReaders {
        /// How many never read.
        slow: usize,
        /// Bytes that each of these tries to send.
        flood: u64,
        /// How many echo.
        connections: usize,
        /// Bytes in a message of those that echo, at least one.
        size: usize,
    },
}

impl Workload {
    /// The `--mode` of a server that this needs.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Stream { .. } => "stream",
            Self::FanOut { .. } => "broadcast",
            _ => "echo",
        }
    }

    /// What [`Report::messages`] counts, in the singular.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Churn { .. } | Self::Idle { .. } => "connection",
            Self::Stream { .. } => "MiB",
            Self::FanOut { .. } => "delivery",
            Self::Echo { .. } | Self::SlowReaders { .. } => "message",
        }
    }

    /// How many connections are open at once.
    #[must_use]
    pub fn connections(&self) -> usize {
        match *self {
            Self::Echo { connections, .. }
            | Self::Stream { connections }
            | Self::Idle { connections, .. } => connections,
            Self::Churn { parallel, .. } => parallel,
            Self::FanOut { receivers, .. } => receivers + 1,
            Self::SlowReaders { slow, connections, .. } => slow + connections,
        }
    }
}

/// How much of a workload is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many messages: echoes, connections of a churn, messages that a fan-out sends, MiB of a stream. Idle
    /// connections take no notice of it.
    Count(u64),
    /// As many as begin within this time. The clients wait for all that began.
    Time(Duration),
}

/// A workload, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What is done.
    pub workload: Workload,
    /// How much is done first, without being counted.
    pub warm_up: Amount,
    /// How much is counted.
    pub measured: Amount,
    /// After this time without a byte moving or a connection being made, the workload ends with an error.
    pub stall: Duration,
}

/// A moment in a workload at which nothing is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The warm-up is over. Idle and slow connections are not made yet.
    Begin,
    /// Of idle connections: all are there, and none has done anything.
    Fresh,
    /// Of idle connections: each has echoed a message.
    Used,
    /// What is counted is over. Connections are still open, except for those of a churn.
    End,
}

/// Drives the server at `server` as `plan` says, and calls `watch` at each [`Mark`], in their order.
///
/// What is under way is read to its end before the connections are closed, and that the server closes them in turn is checked
/// too.
///
/// # Errors
///
/// [`LoadError`], which names the connection and the first byte that differs, if there is one. An error of `watch`
/// ends the workload as [`LoadError::Watch`].
pub fn run(
    server: SocketAddr,
    plan: &Plan,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    match plan.workload {
        Workload::Echo { connections, size, depth } => {
            echo::run(server, plan, echo::Shape { connections, size, depth }, watch)
        }
        Workload::Churn { parallel, size } => churn::run(server, plan, parallel, size, watch),
        Workload::Stream { connections } => stream::run(server, plan, connections, watch),
        Workload::FanOut { receivers, size } => fan_out::run(server, plan, receivers, size, watch),
        Workload::Idle { connections, size } => idle::run(server, plan, connections, size, watch),
        Workload::SlowReaders { slow, flood, connections, size } => {
            let echo = echo::Shape { connections, size, depth: 1 };
            slow_readers::run(server, plan, slow, flood, echo, watch)
        }
    }
}
