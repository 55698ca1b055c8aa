//! Where a connector is in its round of attempts and connections.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Weak;

use twistor_deferred::DelayedCall;
use twistor_reactor::kernel::Token;

use super::ConnectorState;
use crate::connection::Conn;

pub(super) enum Stage {
    Disconnected,
    Connecting(Attempt),
    Connected(Weak<Conn>),
}

/// An attempt: one lookup at most, then one address after another.
pub(super) struct Attempt {
    pub(super) number: u64,
    pub(super) deadline: Option<DelayedCall>,
    /// The lookup, or the socket that is being tried.
    pub(super) token: Option<Token>,
    /// Addresses that were not tried yet.
    pub(super) rest: VecDeque<SocketAddr>,
}

impl Stage {
    /// What the kernel reports to the connector: the lookup, the socket that is being tried, or the connection.
    pub(super) fn token(&self) -> Option<Token> {
        match self {
            Self::Disconnected => None,
            Self::Connecting(attempt) => attempt.token,
            Self::Connected(conn) => conn.upgrade()?.token(),
        }
    }

    pub(super) const fn state(&self) -> ConnectorState {
        match self {
            Self::Disconnected => ConnectorState::Disconnected,
            Self::Connecting(_) => ConnectorState::Connecting,
            Self::Connected(_) => ConnectorState::Connected,
        }
    }
}
