use twistor_net::{CloseReason, ConnectError};

/// Something that a protocol, a factory or a producer was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `start_factory`
    Started,
    /// `started_connecting`
    Connecting,
    /// `build_protocol`
    Built,
    /// `connection_made`
    Made,
    /// `data_received`, once or often without anything between: so many bytes in all.
    Data(usize),
    /// `read_connection_lost`
    ReadLost,
    /// `write_connection_lost`
    WriteLost,
    /// `pause_writing`
    Paused,
    /// `resume_writing`
    Resumed,
    /// `timeout_connection`
    TimedOut,
    /// `close_requested`
    CloseRequested,
    /// `connection_lost`
    Lost(Ending),
    /// `client_connection_made`
    ConnectionMade,
    /// `client_connection_failed`
    ConnectionFailed(Refusal),
    /// `client_connection_lost`
    ConnectionLost(Ending),
    /// `stop_factory`
    Stopped,
    /// `pause_producing` of a producer
    ProducerPaused,
    /// `resume_producing` of a producer
    ProducerResumed,
    /// `stop_producing` of a producer
    ProducerStopped,
    /// What a case wrote down itself.
    Note(String),
}

impl Event {
    /// Whether the protocol was told, as apart from a factory or a producer.
    #[must_use]
    pub const fn is_protocol(&self) -> bool {
        matches!(
            self,
            Self::Made
                | Self::Data(_)
                | Self::ReadLost
                | Self::WriteLost
                | Self::Paused
                | Self::Resumed
                | Self::TimedOut
                | Self::CloseRequested
                | Self::Lost(_)
        )
    }

    /// Whether a producer was told.
    #[must_use]
    pub const fn is_producer(&self) -> bool {
        matches!(self, Self::ProducerPaused | Self::ProducerResumed | Self::ProducerStopped)
    }
}

/// A [`CloseReason`] by its name alone, to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the variant of CloseReason of the same name")]
#[non_exhaustive]
pub enum Ending {
    Done,
    Lost,
    Aborted,
    TimedOut,
    CloseTimedOut,
    WriteBufferFull,
    Panicked,
    Failed,
    ReactorGone,
    Other,
}

impl From<&CloseReason> for Ending {
    fn from(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Done => Self::Done,
            CloseReason::Lost(_) => Self::Lost,
            CloseReason::Aborted => Self::Aborted,
            CloseReason::TimedOut(_) => Self::TimedOut,
            CloseReason::CloseTimedOut(_) => Self::CloseTimedOut,
            CloseReason::WriteBufferFull(_) => Self::WriteBufferFull,
            CloseReason::Panicked(_) => Self::Panicked,
            CloseReason::Failed(_) => Self::Failed,
            CloseReason::ReactorGone => Self::ReactorGone,
            _ => Self::Other,
        }
    }
}

/// A [`ConnectError`] by its name alone, to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the variant of ConnectError of the same name")]
#[non_exhaustive]
pub enum Refusal {
    Refused,
    NoRoute,
    TcpTimedOut,
    TimedOut,
    Lookup,
    Bind,
    Stopped,
    Panicked,
    ReactorGone,
    Io,
    Other,
}

impl From<&ConnectError> for Refusal {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Refused(_) => Self::Refused,
            ConnectError::NoRoute(_) => Self::NoRoute,
            ConnectError::TcpTimedOut(_) => Self::TcpTimedOut,
            ConnectError::TimedOut(_) => Self::TimedOut,
            ConnectError::Lookup { .. } => Self::Lookup,
            ConnectError::Bind { .. } => Self::Bind,
            ConnectError::Stopped => Self::Stopped,
            ConnectError::Panicked(_) => Self::Panicked,
            ConnectError::ReactorGone => Self::ReactorGone,
            ConnectError::Io { .. } => Self::Io,
            _ => Self::Other,
        }
    }
}
