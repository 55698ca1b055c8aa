//! How a connection ends: one enum, one table.
//!
//! [`step`] is the whole of it, a pure function of the state and of what happened; it knows nothing of sockets, protocols or time.
//! `Connection` asks it for every call and event, stores the new state, then carries out the [`Effects`].
//!
//! ```text
//!                     lose_write            flushed
//!          +-- Open ------------> WriteClosing ----> WriteClosed
//!          |    | peer's FIN           | FIN              | FIN
//!          |    v        lose_write    v      flushed     v
//!          | ReadClosed ----------> HalfClosing ----> Finishing
//!          |    |                      |                  | end of turn
//!          |    | lose_connection      |                  v
//!          +----+------> Closing <-----+     flushed  Lingering ---> Lost
//!          |                '-----------------------> (or Lost)       ^
//!          '-- abort, from anywhere ------> Aborting -----------------'
//!              an error of the socket, from anywhere -----------------'
//! ```

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// The socket is connected, the protocol has not heard of it yet.
    Connecting,
    /// Both directions flow.
    Open,
    /// `lose_write_connection` was called: what is written is being sent. Reading goes on.
    WriteClosing,
    /// Our FIN is sent. Reading goes on.
    WriteClosed,
    /// The peer's FIN was seen and the protocol told. Writing goes on.
    ReadClosed,
    /// The peer's FIN was seen and `lose_write_connection` called: what is written is being sent.
    HalfClosing,
    /// `lose_connection` was called: what is written is being sent, nothing is read.
    Closing,
    /// Everything is sent, our FIN included: the protocol will be told before the loop sleeps.
    Finishing,
    /// Aborted from inside a call of the user's: the protocol will be told before the loop sleeps.
    Aborting,
    /// The protocol was told; the reactor alone keeps the socket, until the peer's FIN or a limit.
    Lingering,
    /// Over.
    Lost,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Input {
    /// `connection_made` is about to be called.
    Announce,
    /// The user called `lose_connection`, or `fail`.
    LoseConnection,
    /// The user called `lose_write_connection`.
    LoseWrite,
    /// The user called `abort_connection`, or a hard limit was hit inside a call of the user's.
    Abort,
    /// The peer's FIN was read.
    PeerFin,
    /// Nothing is left to send, and no producer has more.
    Flushed,
    /// The socket reported an error.
    SocketFailed,
    /// The deadline of the close has passed.
    Deadline,
    /// The notification that a `Finishing` or `Aborting` connection queued has its turn.
    EndOfTurn,
    /// The lingering socket saw the peer's FIN, or a limit.
    LingerOver,
    /// The reactor ends.
    ReactorEnds,
}

/// What the connection has to do, in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Read no more.
    pub(crate) stop_reading: bool,
    /// Throw away what was written and not sent.
    pub(crate) drop_output: bool,
    /// Try to send what is left, before the loop sleeps; it will be followed by `Flushed`.
    pub(crate) flush: bool,
    /// Send our FIN.
    pub(crate) send_fin: bool,
    /// Have the close of the socket reset the connection.
    pub(crate) reset: bool,
    /// Call `read_connection_lost`.
    pub(crate) tell_read: bool,
    /// Call `write_connection_lost`.
    pub(crate) tell_write: bool,
    /// Queue the notification that brings `EndOfTurn`.
    pub(crate) queue_end: bool,
    /// Tell producer, protocol and factory that the connection is lost.
    pub(crate) tell_lost: bool,
    /// Close the socket, at once or after lingering if the state is `Lingering`.
    pub(crate) close: bool,
}

const NOTHING: Effects = Effects {
    stop_reading: false,
    drop_output: false,
    flush: false,
    send_fin: false,
    reset: false,
    tell_read: false,
    tell_write: false,
    queue_end: false,
    tell_lost: false,
    close: false,
};
const BEGIN_CLOSE: Effects = Effects { stop_reading: true, flush: true, ..NOTHING };
const FINISH: Effects = Effects { stop_reading: true, queue_end: true, ..NOTHING };
const ABORT: Effects =
    Effects { stop_reading: true, drop_output: true, reset: true, queue_end: true, ..NOTHING };
const END: Effects =
    Effects { stop_reading: true, drop_output: true, tell_lost: true, close: true, ..NOTHING };

/// What follows when `input` happens in `state`.
///
/// `fin_seen` says whether the peer's FIN was read: then a finished connection has nothing to linger for.
pub(crate) const fn step(state: State, input: Input, fin_seen: bool) -> (State, Effects) {
    use Input::*;
    use State::*;
    let gone = if fin_seen { Lost } else { Lingering };
    match (state, input) {
        (Connecting, Announce) => (Open, NOTHING),

        (Connecting | Open | WriteClosing | ReadClosed | HalfClosing, LoseConnection) => {
            (Closing, BEGIN_CLOSE)
        }
        (WriteClosed, LoseConnection) => (Finishing, FINISH),

        (Connecting | Open, LoseWrite) => (WriteClosing, Effects { flush: true, ..NOTHING }),
        (ReadClosed, LoseWrite) => (HalfClosing, Effects { flush: true, ..NOTHING }),

        (
            Connecting | Open | WriteClosing | WriteClosed | ReadClosed | HalfClosing | Closing | Finishing,
            Abort,
        ) => (Aborting, ABORT),

        (Open, PeerFin) => (ReadClosed, Effects { tell_read: true, ..NOTHING }),
        (WriteClosing, PeerFin) => (HalfClosing, Effects { tell_read: true, ..NOTHING }),
        (WriteClosed, PeerFin) => (Finishing, Effects { tell_read: true, ..FINISH }),
        (Connecting, PeerFin) => (Lost, END),

        (WriteClosing, Flushed) => (WriteClosed, Effects { send_fin: true, tell_write: true, ..NOTHING }),
        (HalfClosing, Flushed) => (Finishing, Effects { send_fin: true, tell_write: true, ..FINISH }),
        (Closing, Flushed) => (gone, Effects { send_fin: true, ..END }),

        (Finishing, EndOfTurn) => (gone, END),
        (Aborting, EndOfTurn) => (Lost, END),

        (Closing | HalfClosing, Deadline) => (Lost, Effects { reset: true, ..END }),

        // A connection whose end is queued already ends by that.
        (Finishing | Aborting, SocketFailed) => (state, NOTHING),
        (Lingering, SocketFailed | LingerOver | ReactorEnds) => (Lost, Effects { close: true, ..NOTHING }),
        (Lost, _) => (Lost, NOTHING),
        (_, SocketFailed | ReactorEnds) => (Lost, END),

        (
            Connecting | Open | WriteClosing | WriteClosed | ReadClosed | HalfClosing | Closing | Finishing
            | Aborting | Lingering,
            _,
        ) => (state, NOTHING),
    }
}

impl State {
    /// Whether bytes written by the user are sent. While a close waits for a registered producer, that producer may write on.
    #[inline]
    pub(crate) const fn takes_writes(self, producer: bool) -> bool {
        match self {
            Self::Connecting | Self::Open | Self::ReadClosed => true,
            Self::WriteClosing | Self::HalfClosing | Self::Closing => producer,
            Self::WriteClosed | Self::Finishing | Self::Aborting | Self::Lingering | Self::Lost => false,
        }
    }

    /// Whether what comes in is read, if nobody paused it.
    #[inline]
    pub(crate) const fn reads(self) -> bool {
        matches!(self, Self::Connecting | Self::Open | Self::WriteClosing | Self::WriteClosed)
    }

    /// Whether a flush that leaves nothing is followed by something.
    #[inline]
    pub(crate) const fn waits_for_flush(self) -> bool {
        matches!(self, Self::WriteClosing | Self::HalfClosing | Self::Closing)
    }

    /// Whether the protocol has heard its last, or hears it before the loop sleeps.
    #[inline]
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Finishing | Self::Aborting | Self::Lingering | Self::Lost)
    }

    /// Whether the protocol was told, or is being told, that the connection is lost.
    #[inline]
    pub(crate) const fn is_lost(self) -> bool {
        matches!(self, Self::Lingering | Self::Lost)
    }
}

#[cfg(test)]
#[path = "closing_tests.rs"]
mod tests;
