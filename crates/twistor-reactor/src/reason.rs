use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use twistor_deferred::Failure;

/// Why a connection (or a watched descriptor) ended. Protocol and factory hear the same one.
///
/// Ask [`is_clean`](Self::is_clean) for the family; match on a variant only where the difference matters
/// (Twisted's `ConnectionDone` and `ConnectionLost`, `twisted/internet/error.py`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// An orderly end: this end closed after everything written was sent, or the peer closed and so did we.
    Done,
    /// The system reported an error: a reset by the peer, a time-out of TCP itself, a descriptor that vanished.
    Lost(Arc<io::Error>),
    /// This end called `abort_connection`.
    Aborted,
    /// The idle time-out set with `set_timeout` expired and the protocol chose to end with this reason.
    TimedOut(Duration),
    /// The peer took nothing for so long (`close_timeout`) of what was left to send in an orderly close.
    CloseTimedOut(Duration),
    /// More was waiting to be sent than the hard limit `max_write_buffer` (bytes) allows.
    WriteBufferFull(usize),
    /// A callback of the connection's protocol, or of a producer registered on it, panicked with this text.
    Panicked(Arc<str>),
    /// Something above the socket failed the connection: a filter, or the application with `fail`.
    Failed(Failure),
    /// The reactor was stopped or dropped while the connection was open.
    ReactorGone,
}

impl CloseReason {
    /// Whether the connection ended in order: nothing that either end had sent before the end is missing.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Whether a time limit of ours ended it.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::CloseTimedOut(_))
    }

    /// The kind of the system's error, for [`Lost`](Self::Lost) alone.
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Lost(error) => Some(error.kind()),
            _ => None,
        }
    }

    /// The reason of a callback that panicked with `text`.
    #[must_use]
    pub fn panicked(text: impl Into<String>) -> Self {
        Self::Panicked(text.into().into())
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("connection was closed cleanly"),
            Self::Lost(error) => write!(f, "connection was lost: {error}"),
            Self::Aborted => f.write_str("connection was aborted by this end"),
            Self::TimedOut(limit) => write!(f, "nothing happened on the connection for {limit:?}"),
            Self::CloseTimedOut(limit) => {
                write!(f, "peer took nothing of what was left to send for {limit:?} of an orderly close")
            }
            Self::WriteBufferFull(limit) => write!(f, "more than {limit} bytes were waiting to be sent"),
            Self::Panicked(text) => write!(f, "a callback panicked: {text}"),
            Self::Failed(failure) => write!(f, "connection failed: {failure}"),
            Self::ReactorGone => f.write_str("reactor was stopped or dropped"),
        }
    }
}

impl std::error::Error for CloseReason {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lost(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        Self::Lost(Arc::new(error))
    }
}

impl From<Failure> for CloseReason {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
