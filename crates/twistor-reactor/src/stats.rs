use std::cell::Cell;

/// What a reactor did so far, and what it holds now. See [`ReactorHandle::stats`](crate::ReactorHandle::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Turns of the loop.
    pub turns: u64,
    /// Events the kernel reported.
    pub events: u64,
    /// Events that were dropped, since their source was gone.
    pub stale_events: u64,
    /// Timed calls that were made.
    pub timers_fired: u64,
    /// Timed calls that are pending.
    pub timers_pending: usize,
    /// Calls from other threads that were made.
    pub thread_calls: u64,
    /// Notifications that were delivered.
    pub notifications: u64,
    /// Tasks that were spawned and have not ended.
    pub tasks: usize,
    /// Polls of tasks.
    pub polls: u64,
    /// Everything registered now: listeners, connections, watched descriptors, signals, lookups.
    pub sources: usize,
    /// Connections that exist now, attempts included.
    pub connections: usize,
    /// Bytes that transports gathered to be sent.
    pub bytes_gathered: u64,
    /// Bytes that transports received.
    pub bytes_received: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) turns: Cell<u64>,
    pub(crate) events: Cell<u64>,
    pub(crate) stale_events: Cell<u64>,
    pub(crate) timers_fired: Cell<u64>,
    pub(crate) thread_calls: Cell<u64>,
    pub(crate) notifications: Cell<u64>,
    pub(crate) polls: Cell<u64>,
    pub(crate) connections: Cell<usize>,
    pub(crate) bytes_gathered: Cell<u64>,
    pub(crate) bytes_received: Cell<u64>,
}

pub(crate) fn count(cell: &Cell<u64>, more: u64) {
    cell.set(cell.get().wrapping_add(more));
}
