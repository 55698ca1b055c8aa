//! What can go wrong with connecting and listening, split by who is at fault.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

/// Why an attempt to connect failed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there (`ECONNREFUSED`).
    #[error("connection to {0} was refused: nobody listens there")]
    Refused(SocketAddr),
    /// No route leads there (`ENETUNREACH`, `EHOSTUNREACH`).
    #[error("no route to {0}")]
    NoRoute(SocketAddr),
    /// TCP itself gave up (`ETIMEDOUT`), before our own deadline.
    #[error("connecting to {0} timed out in the system")]
    TcpTimedOut(SocketAddr),
    /// The deadline of the attempt, name lookup included, has passed.
    #[error("connecting did not succeed within {0:?}")]
    TimedOut(Duration),
    /// The host's name could not be looked up.
    #[error("looking up {host:?} failed: {error}")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver said.
        error: Arc<io::Error>,
    },
    /// The local address could not be bound, or no socket be made.
    #[error("no socket to connect to {to} with: {error}")]
    Bind {
        /// Where to.
        to: SocketAddr,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// `stop_connecting` (or `disconnect`) was called.
    #[error("the attempt was stopped by the application")]
    Stopped,
    /// `build_protocol` panicked with this text.
    #[error("build_protocol panicked: {0}")]
    Panicked(Arc<str>),
    /// The reactor was stopped or dropped.
    #[error("the reactor was stopped or dropped")]
    ReactorGone,
    /// Any other error of the system.
    #[error("connecting to {to} failed: {error}")]
    Io {
        /// Where to.
        to: SocketAddr,
        /// What the system said.
        error: Arc<io::Error>,
    },
}

impl ConnectError {
    /// Whether time ran out, by our deadline or the system's.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::TcpTimedOut(_))
    }

    /// Whether the application ended the attempt, or the reactor.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Stopped | Self::ReactorGone | Self::Panicked(_))
    }

    /// The system's error behind it, if there is one that is kept.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::Lookup { error, .. } | Self::Bind { error, .. } | Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }

    /// An error of the socket on its way to `to`.
    pub(crate) fn from_socket(to: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused(to),
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Self::NoRoute(to),
            io::ErrorKind::TimedOut => Self::TcpTimedOut(to),
            _ => Self::Io { to, error: Arc::new(error) },
        }
    }

    /// An error of making the socket, before anything was sent.
    pub(crate) fn from_start(to: SocketAddr, error: io::Error) -> Self {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
        match error.kind() {
            ConnectionRefused | NetworkUnreachable | HostUnreachable | TimedOut => {
                Self::from_socket(to, error)
            }
            _ => Self::Bind { to, error: Arc::new(error) },
        }
    }
}

/// Listening failed: the address is in use, not of this machine, or no address at all.
#[derive(Clone, Debug, Error)]
#[error("cannot listen on {}:{port}: {error}", if interface.is_empty() { "*" } else { interface })]
pub struct CannotListenError {
    /// The interface, as it was given; empty for every one.
    pub interface: String,
    /// The port; 0 for any.
    pub port: u16,
    /// What the system said.
    pub error: Arc<io::Error>,
}

impl CannotListenError {
    pub(crate) fn new(interface: &str, port: u16, error: io::Error) -> Self {
        Self { interface: interface.to_owned(), port, error: Arc::new(error) }
    }
}

/// Why [`Connector::connect`](crate::Connector::connect) did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CannotConnect {
    /// The connector is not disconnected.
    #[error("the connector is connecting or connected already: disconnect it first")]
    AlreadyConnecting,
    /// The reactor was dropped, or is stopping and takes no new connections.
    #[error("the reactor was stopped or dropped")]
    ReactorGone,
}

/// [`Connector::stop_connecting`](crate::Connector::stop_connecting) was called on a connector that is not connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the connector is not connecting")]
pub struct NotConnecting;

/// A producer is registered on the transport already; the new one is given back.
#[derive(Error)]
#[error("a producer is registered already: unregister it first")]
pub struct ProducerRegistered<T>(
    /// The producer that was not registered.
    pub T,
);

impl<T> std::fmt::Debug for ProducerRegistered<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProducerRegistered")
    }
}
