//! [`StringTransport`]: one protocol, the real transport under it, and the peer in the test's hand.

use std::fmt;
use std::time::Duration;

use twistor_net::{ClientFactory, CloseReason, Connection, Factory, Protocol, Transport};
use twistor_reactor::LendError;

use crate::opening::Place;
use crate::{Peer, PeerListener, StringTransportBuilder, TestReactor};

/// A connected transport in memory, for testing one protocol without a network: bytes in, bytes out, and time when you say so.
///
/// Not a fake with rules of its own: below the protocol is the very connection that it will have in production, over a
/// [`ScriptedKernel`](crate::ScriptedKernel), so writes, closes, pauses, producers and time-outs do what they do there. In particular (and unlike
/// Twisted's class of this name), writes after `lose_connection` are dropped, and `connection_lost` is called, after the call that
/// led to it has returned.
///
/// Every call lets everything happen that can happen now before it returns: what is delivered has been received, what was written has
/// left, posts and notifications were made. Time stands still but in [`advance`](Self::advance).
///
/// This end is 10.0.0.1:12345, the peer 192.168.1.1:54321, unless [`StringTransportBuilder`] says otherwise.
///
/// # Examples
///
/// ```
/// use twistor_net::{Protocol, Transport};
/// use twistor_sim::StringTransport;
///
/// /// Answers every byte with the next one, until a zero.
/// struct Next { answered: usize }
/// impl Protocol for Next {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         for byte in data {
///             match byte {
///                 0 => return transport.lose_connection(),
///                 byte => transport.write(&[byte + 1]),
///             };
///             self.answered += 1;
///         }
///     }
/// }
///
/// let mut transport = StringTransport::new(Next { answered: 0 });
/// transport.deliver(b"ab");
/// assert_eq!(transport.take(), b"bc");
/// assert_eq!(transport.protocol(|next| next.answered), 2);
///
/// transport.deliver(b"x\0y");
/// assert_eq!(transport.value(), b"y");
/// assert!(transport.close_reason().is_some_and(|reason| reason.is_clean()));
/// ```
pub struct StringTransport<P> {
    test: TestReactor,
    connection: Connection<P>,
    peer: Peer,
    /// Where a client that connects again is answered; nobody accepts it.
    _listener: Option<PeerListener>,
}

/// Making one.
impl<P: Protocol> StringTransport<P> {
    /// A server's protocol with a connection from the peer. It has heard `connection_made` when this returns.
    #[must_use]
    #[track_caller]
    pub fn new(protocol: P) -> Self {
        StringTransportBuilder::new().protocol(protocol)
    }

    /// What a server's factory makes of a connection from the peer.
    ///
    /// # Panics
    ///
    /// If the factory refuses it.
    #[must_use]
    #[track_caller]
    pub fn accepted_by<F: Factory<Protocol = P>>(factory: F) -> Self {
        StringTransportBuilder::new().accepted_by(factory)
    }

    /// What a client's factory makes of a connection to the peer.
    ///
    /// # Panics
    ///
    /// If the factory does not let the attempt go on.
    #[must_use]
    #[track_caller]
    pub fn connected_to<F: ClientFactory<Protocol = P>>(factory: F) -> Self {
        StringTransportBuilder::new().connected_to(factory)
    }

    #[track_caller]
    pub(crate) fn begin(
        test: TestReactor,
        place: &Place<P>,
        peer: Peer,
        listener: Option<PeerListener>,
    ) -> Self {
        let Some(connection) = place.connection() else {
            panic!(
                "the factory built no protocol: to test that it refuses, call its build_protocol, or use a TestReactor"
            )
        };
        Self { test, connection, peer, _listener: listener }
    }
}

/// What the protocol wrote.
impl<P: Protocol> StringTransport<P> {
    /// Everything written that has left and was not cleared or taken.
    ///
    /// While the peer does not read, that is what its receive buffer has room for, 64 KiB; the rest is
    /// [pending](Transport::pending), or on the way.
    #[must_use]
    #[track_caller]
    pub fn value(&mut self) -> Vec<u8> {
        self.test.settle();
        self.peer.peek()
    }

    /// As [`value`](Self::value), and clears it: the peer has read it.
    #[must_use]
    #[track_caller]
    pub fn take(&mut self) -> Vec<u8> {
        self.test.settle();
        let taken = self.peer.received();
        self.test.settle();
        taken
    }

    /// Forgets what was written so far: the peer has read it.
    #[track_caller]
    pub fn clear(&mut self) {
        drop(self.take());
    }
}

/// What the peer does.
impl<P: Protocol> StringTransport<P> {
    /// Has the peer send `bytes`. The protocol has received them when this returns, in pieces of at most 64 KiB, unless it is paused or
    /// closes; no bytes are none. To a connection that is over, they are lost.
    ///
    /// # Panics
    ///
    /// After [`finish`](Self::finish): the peer has said that it sends no more.
    #[track_caller]
    pub fn deliver(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.peer.send(bytes);
        }
        self.test.settle();
    }

    /// As [`deliver`](Self::deliver) of so many bytes at a time, at least one: each piece is a `data_received` of its own. A protocol must not
    /// care how its input is cut.
    ///
    /// # Panics
    ///
    /// As [`deliver`](Self::deliver).
    #[track_caller]
    pub fn deliver_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size.max(1)) {
            self.deliver(piece);
        }
    }

    /// Has the peer end its direction: it sends no more, and still reads.
    #[track_caller]
    pub fn finish(&mut self) {
        self.peer.finish();
        self.test.settle();
    }

    /// Has the peer reset the connection.
    #[track_caller]
    pub fn reset(&mut self) {
        self.peer.reset();
        self.test.settle();
    }

    /// Has the peer read no more by itself: when the buffers are full, 128 KiB, what the protocol writes waits at this end.
    /// [`take`](Self::take) reads once.
    pub fn stop_reading(&mut self) {
        self.peer.stop_reading();
    }

    /// Has the peer read again.
    #[track_caller]
    pub fn start_reading(&mut self) {
        self.peer.start_reading();
        self.test.settle();
    }

    /// Lets time pass: timers, time-outs and whatever follows happen, each at its moment.
    #[track_caller]
    pub fn advance(&mut self, time: Duration) {
        self.test.pass(time);
    }
}

/// How it ends.
impl<P: Protocol> StringTransport<P> {
    /// Whether this end is closing and has not come to its end: what was written has to leave first, and the peer does not read, or a
    /// producer is not done. With a peer that reads, a close is [over](Self::is_disconnected) at once.
    #[must_use]
    pub fn is_disconnecting(&self) -> bool {
        self.transport().is_closing()
    }

    /// Whether the connection is over, and the protocol was told.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.close_reason().is_some()
    }

    /// Why the connection is over, as the protocol was told.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.transport().close_reason()
    }
}

/// What is inside.
impl<P: Protocol> StringTransport<P> {
    /// Lends the protocol, then lets happen what follows from it.
    ///
    /// # Panics
    ///
    /// If the connection is over or has been handed to another protocol: what a test wants to know after that, the protocol
    /// has to leave outside of itself, in an `Rc` for example.
    #[track_caller]
    pub fn protocol<R>(&mut self, f: impl FnOnce(&mut P) -> R) -> R {
        match self.connection.try_with(|protocol, _| f(protocol)) {
            Ok(result) => {
                self.test.settle();
                result
            }
            Err(LendError::Switched) => {
                panic!(
                    "the connection has another protocol by now: ask transport().connection() for that one"
                )
            }
            Err(_) => panic!(
                "the connection is over, and its protocol dropped: look at it before, or have it leave what it saw in an Rc"
            ),
        }
    }

    /// The protocol's handle, for posts and for whoever works with one.
    #[must_use]
    pub const fn connection(&self) -> &Connection<P> {
        &self.connection
    }

    /// The transport that the protocol writes to. What is done with it here takes effect with the next call of this type.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.connection.transport()
    }

    /// The other end, for what this type has no word for.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The reactor below, to be looked at.
    pub(crate) const fn test_reactor(&self) -> &TestReactor {
        &self.test
    }

    /// The reactor below, for timers and other connections.
    pub const fn reactor(&mut self) -> &mut TestReactor {
        &mut self.test
    }
}

impl<P> fmt::Debug for StringTransport<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StringTransport")
            .field("connection", &self.connection)
            .field("value", &String::from_utf8_lossy(&self.peer.peek()))
            .finish_non_exhaustive()
    }
}
