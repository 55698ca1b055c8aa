use std::net::SocketAddr;
use std::time::Duration;

/// How to listen. See [`Default`] for what happens if nothing is said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenOptions {
    /// How many connections may wait to be accepted, 1 to what the system allows (`net.core.somaxconn`). Default 50.
    pub backlog: i32,
    /// `SO_REUSEADDR`: bind although old connections of that port are still in TIME_WAIT. Default on.
    pub reuse_address: bool,
    /// `SO_REUSEPORT`: several sockets may listen on the port, and the kernel spreads connections over them. Default off.
    pub reuse_port: bool,
    /// Whether a socket on an IPv6 address takes IPv4 connections as well (`IPV6_V6ONLY` off). Default off.
    pub dual_stack: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 50, reuse_address: true, reuse_port: false, dual_stack: false }
    }
}

/// How to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// The local address to connect from; `None` leaves the choice to the system. Port 0 is any port. Its family must be that of the
    /// peer's address.
    pub bind_address: Option<SocketAddr>,
}

/// An option of a socket, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOption {
    /// `TCP_NODELAY`: small segments leave at once. On by default here, since writes are gathered anyway.
    NoDelay(bool),
    /// `SO_KEEPALIVE` with its times; `None` is off, the default.
    KeepAlive(Option<KeepAlive>),
    /// `SO_RCVBUF` in bytes; the system may round and double it (socket(7)).
    ReceiveBuffer(usize),
    /// `SO_SNDBUF` in bytes; the system may round and double it (socket(7)).
    SendBuffer(usize),
    /// `IP_TOS` or `IPV6_TCLASS`, 0 to 255.
    TypeOfService(u32),
    /// `TCP_USER_TIMEOUT`: how long sent data may stay unacknowledged before the connection is lost; `None` is the system's choice.
    /// Linux only; rounded to milliseconds.
    UserTimeout(Option<Duration>),
}

/// Which option to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketOptionKind {
    /// [`SocketOption::NoDelay`]
    NoDelay,
    /// [`SocketOption::KeepAlive`]
    KeepAlive,
    /// [`SocketOption::ReceiveBuffer`]
    ReceiveBuffer,
    /// [`SocketOption::SendBuffer`]
    SendBuffer,
    /// [`SocketOption::TypeOfService`]
    TypeOfService,
    /// [`SocketOption::UserTimeout`]
    UserTimeout,
}

/// The times of TCP keepalive (tcp(7)); `None` leaves the system's choice. Whole seconds, at least one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection is idle before the first probe (`TCP_KEEPIDLE`).
    pub idle: Option<Duration>,
    /// The time between probes (`TCP_KEEPINTVL`).
    pub interval: Option<Duration>,
    /// How many unanswered probes end the connection (`TCP_KEEPCNT`).
    pub probes: Option<u32>,
}
