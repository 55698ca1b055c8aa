use std::time::Duration;

/// The limits of a reactor, each a number that can be set with [`Reactor::builder`](crate::Reactor::builder).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many notifications run in one turn before I/O gets its share again; the rest waits for the next turn. At least 1.
    pub notifications_per_turn: usize,
    /// The size of the reactor's one read buffer, in bytes, and so the most that one `data_received` brings. At least 1.
    /// 64 KiB measures about 1.6 times the work of 16 KiB for large messages, and costs an idle connection nothing.
    pub read_size: usize,
    /// How long stopping waits for before-shutdown Deferreds, and then again for jobs that run on threads.
    pub shutdown_timeout: Duration,
    /// How many threads the pool has at most; they are made on demand.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            notifications_per_turn: 4_096,
            read_size: 65_536,
            shutdown_timeout: Duration::from_secs(10),
            threads: 10,
        }
    }
}
