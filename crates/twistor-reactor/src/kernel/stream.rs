use std::io::{self, IoSlice};
use std::net::SocketAddr;

use bytes::Bytes;

use super::{SocketOption, SocketOptionKind, Token};

/// One end of a stream of bytes: connected, or on the way to it.
///
/// Every method takes `&self`, so that a protocol may ask its transport anything while bytes are lent to it. Dropping the socket
/// deregisters and closes it.
pub trait StreamSocket {
    /// Registers both directions under `token`. Called once.
    ///
    /// # Errors
    ///
    /// What the poller answers. A socket that cannot be registered is lost.
    fn register(&self, token: Token) -> io::Result<()>;

    /// How far a connect has come. Asked when the socket becomes writable.
    ///
    /// # Errors
    ///
    /// Why the connect failed.
    fn connect_progress(&self) -> io::Result<ConnectProgress>;

    /// The error that waits on the socket, if one does; fetching it clears it (`SO_ERROR`, socket(7)).
    ///
    /// # Errors
    ///
    /// If the question itself fails.
    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.connect_progress().err())
    }

    /// Reads once: into `scratch`, or into a buffer of the kernel's own.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; `Interrupted` is for the caller to retry; anything else means that the connection is lost.
    fn recv(&self, scratch: &mut [u8]) -> io::Result<Received>;

    /// Sends from the front of `parts`, in order, and says how many bytes were taken: at least one, or an error.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing was taken: an event will come. `ENOBUFS` and `Interrupted` too mean that nothing was taken, but no
    /// event is promised. Anything else means that the connection is lost.
    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends the outgoing direction (FIN), after what was sent before.
    ///
    /// # Errors
    ///
    /// What `shutdown(2)` answers: the connection is lost.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Makes the coming close an abortive one: what was not delivered yet is thrown away and the peer sees a reset
    /// (`SO_LINGER` with a time of zero, see socket(7)).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` answers. The close that follows is then an ordinary one.
    fn reset_on_close(&self) -> io::Result<()>;

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` answers.
    fn local(&self) -> io::Result<SocketAddr>;

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// What `getpeername(2)` answers: `NotConnected` if the peer is gone already.
    fn peer(&self) -> io::Result<SocketAddr>;

    /// Sets an option.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` answers, `Unsupported` for options the kernel does not know.
    fn set_option(&self, option: SocketOption) -> io::Result<()>;

    /// Reads an option.
    ///
    /// # Errors
    ///
    /// As [`set_option`](Self::set_option).
    fn option(&self, kind: SocketOptionKind) -> io::Result<SocketOption>;
}

/// How far a connect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectProgress {
    /// The handshake is still going on: wait for the next event.
    InProgress,
    /// The connection stands.
    Connected,
}

/// What one [`StreamSocket::recv`] brought.
#[derive(Debug)]
pub struct Received {
    /// The bytes. None at all means that the peer will send no more.
    pub data: ReceivedData,
    /// Whether the kernel knows that nothing is left to read for now, and that an event will come for whatever arrives later: a short
    /// read of a TCP socket. If the event that led here announced more than data ([`Readiness::is_final`](super::Readiness::is_final)),
    /// the caller reads on all the same, to the end or to `WouldBlock`.
    pub drained: bool,
}

/// Where the bytes of one [`StreamSocket::recv`] are.
#[derive(Debug)]
pub enum ReceivedData {
    /// So many at the front of the caller's buffer.
    Scratch(usize),
    /// In a buffer of their own (kernels that complete reads by themselves).
    Own(Bytes),
}

impl Received {
    /// How many bytes came; zero is the end.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            ReceivedData::Scratch(len) => *len,
            ReceivedData::Own(bytes) => bytes.len(),
        }
    }

    /// Whether this is the end: the peer will send no more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A socket that accepts connections. Dropping it closes it; connections it accepted are untouched.
pub trait StreamListener {
    /// Registers it under `token`. Called once.
    ///
    /// # Errors
    ///
    /// What the poller answers.
    fn register(&self, token: Token) -> io::Result<()>;

    /// Takes one waiting connection: non-blocking, close-on-exec, not registered yet.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nobody waits. All others are errors of the moment, after which listening goes on (see accept(2)).
    fn accept(&self) -> io::Result<Accepted>;

    /// After `EMFILE` or `ENFILE`: gives up a spare descriptor, accepts and closes as many waiting connections as it can (at most
    /// `most`), takes a spare one again, and says how many were closed.
    ///
    /// # Errors
    ///
    /// If not even that was possible: there was no spare descriptor.
    fn shed(&self, most: usize) -> io::Result<usize>;

    /// The address listened on, with the port that was chosen if none was asked for.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` answers.
    fn local(&self) -> io::Result<SocketAddr>;
}

/// A connection that was just accepted.
pub struct Accepted {
    /// Its socket.
    pub socket: Box<dyn StreamSocket>,
    /// Who connected.
    pub peer: SocketAddr,
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("peer", &self.peer).finish_non_exhaustive()
    }
}
