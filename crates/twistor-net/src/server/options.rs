use twistor_reactor::kernel::ListenOptions;

/// How to listen. See [`Default`] for what happens if nothing is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpServerOptions {
    pub(crate) listen: ListenOptions,
    pub(crate) accepts_per_turn: usize,
}

/// Accepts of one readiness at first: as in Twisted (`twisted/internet/tcp.py`, `numberAccepts`).
pub(crate) const ACCEPTS_AT_FIRST: usize = 100;

impl Default for TcpServerOptions {
    fn default() -> Self {
        Self { listen: ListenOptions::default(), accepts_per_turn: ACCEPTS_AT_FIRST }
    }
}

impl TcpServerOptions {
    /// A backlog of 50, `SO_REUSEADDR`, one family, a port of one's own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many connections may wait to be accepted; the system caps it (`net.core.somaxconn`). Default 50; at least 1.
    #[must_use]
    pub fn backlog(mut self, connections: u16) -> Self {
        self.listen.backlog = i32::from(connections.max(1));
        self
    }

    /// Whether several sockets may listen on the port, each served its share of the connections (`SO_REUSEPORT`). Default no.
    #[must_use]
    pub const fn reuse_port(mut self, yes: bool) -> Self {
        self.listen.reuse_port = yes;
        self
    }

    /// Whether the port may be bound while old connections of it are in TIME_WAIT (`SO_REUSEADDR`). Default yes.
    #[must_use]
    pub const fn reuse_address(mut self, yes: bool) -> Self {
        self.listen.reuse_address = yes;
        self
    }

    /// Whether an IPv6 interface takes IPv4 connections as well. Default no.
    #[must_use]
    pub const fn dual_stack(mut self, yes: bool) -> Self {
        self.listen.dual_stack = yes;
        self
    }

    /// Sets how many connections are accepted in a turn at first; the number adapts: 20 more when so many were waiting, else as many as
    /// there were. Default 100; at least 1.
    #[must_use]
    pub const fn accepts_per_turn(mut self, connections: usize) -> Self {
        self.accepts_per_turn = if connections == 0 { 1 } else { connections };
        self
    }
}
