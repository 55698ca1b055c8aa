use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use twistor_reactor::kernel::{KeepAlive, SocketOption, SocketOptionKind};
use twistor_reactor::{CloseReason, ReactorHandle};

use super::{Conn, Connection};
use crate::closing::Input;
use crate::error::ProducerRegistered;
use crate::filter::Filter;
use crate::{Address, Flow, Producer, ProducerKind, Protocol};

/// The front of a connection: what a protocol writes to and asks.
///
/// A cheap clone that can be kept anywhere, and is harmless after the connection is gone: writes are dropped, closing does nothing, the
/// addresses are still known. No call blocks, and none calls the protocol: what follows from it is told later, before the loop sleeps.
///
#[derive(Clone)]
pub struct Transport {
    pub(super) conn: Rc<Conn>,
}

/// Writing.
impl Transport {
    pub(crate) const fn new(conn: Rc<Conn>) -> Self {
        Self { conn }
    }

    /// Copies `data` to the end of what is to be sent.
    ///
    /// It leaves when the present callback returns, or at the end of the turn, together with everything else written by then. An empty
    /// slice writes nothing. After `lose_connection`, `lose_write_connection` or the loss it is dropped, and the answer is
    /// [`Flow::Closed`].
    pub fn write(&self, data: &[u8]) -> Flow {
        self.conn.write(data.len(), |outbox| outbox.push(data))
    }

    /// As [`write`](Self::write), without a copy: what goes to thousands of subscribers exists once. Pieces under 1 KiB are copied all
    /// the same, which is cheaper.
    pub fn write_bytes(&self, data: impl Into<Bytes>) -> Flow {
        self.conn.write_bytes(data.into())
    }

    /// As [`write`](Self::write) of each part in order.
    pub fn write_sequence<T: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = T>) -> Flow {
        let mut flow = self.write(&[]);
        for part in parts {
            flow = self.write(part.as_ref());
        }
        flow
    }

    /// How many bytes wait to be sent.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.conn.pending()
    }

    /// Sets the marks of back-pressure, in bytes: over `high` the writer is paused, at `low` or less it is resumed. Default 65,536 and 0.
    /// A `low` above `high` is taken as `high`.
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        self.conn.with_extras(|extras| {
            extras.limits.high = high;
            extras.limits.low = low.min(high);
        });
    }

    /// Sets the hard limit on what may wait, in bytes: a write that passes it ends the connection at once, with
    /// [`CloseReason::WriteBufferFull`]. Default `None`, no limit.
    pub fn set_max_write_buffer(&self, bytes: Option<usize>) {
        self.conn.with_extras(|extras| extras.limits.max_write_buffer = bytes);
    }
}

/// Closing.
impl Transport {
    /// Closes in order: reads no more, sends what was written, then ends; the protocol hears [`CloseReason::Done`].
    ///
    /// Waits for a registered pull producer to unregister, and for a paused push producer to be resumed; their writes still count until
    /// then. A push producer that runs is told to stop when everything is sent. A peer that takes nothing for the close
    /// time-out (30 s) is aborted, with [`CloseReason::CloseTimedOut`]. Again: nothing.
    pub fn lose_connection(&self) {
        self.conn.apply(Input::LoseConnection);
    }

    /// Closes our direction alone: sends what was written, then the end; then `write_connection_lost` is called. Reading goes on. When
    /// the peer closes its direction too, the connection is over. Again, or after `lose_connection`: nothing.
    pub fn lose_write_connection(&self) {
        self.conn.apply(Input::LoseWrite);
    }

    /// Ends at once: what waits to be sent is thrown away, the peer sees a reset, the protocol hears [`CloseReason::Aborted`] after the
    /// present call has returned. Again: nothing.
    pub fn abort_connection(&self) {
        self.conn.abort(CloseReason::Aborted);
    }

    /// Closes in order as [`lose_connection`](Self::lose_connection) does, and has the protocol and the factory hear `reason`. The first
    /// reason holds.
    ///
    /// An error of yours goes through a [`Failure`](twistor_deferred::Failure): `transport.fail(Failure::new(error))`.
    pub fn fail(&self, reason: impl Into<CloseReason>) {
        self.conn.fail(reason.into());
    }

    /// Sets how long the peer may take nothing while this connection closes; `None` waits for ever. Default: that of
    /// [`NetLimits`](crate::NetLimits::close_timeout). Counts for closes that begin later.
    pub fn set_close_timeout(&self, limit: Option<Duration>) {
        self.conn.with_extras(|extras| extras.limits.close_timeout = Some(limit));
    }

    /// Whether the connection stands: not lost, and no close of it under way. A half-closed one stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.conn.state.get().is_over() && !self.is_closing()
    }

    /// Why the connection ended, as its protocol was told; `None` until it is lost.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.conn.state.get().is_lost().then(|| self.conn.close_reason())
    }

    /// Whether a close was asked for and has not come to its end.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        use crate::closing::State;
        matches!(self.conn.state.get(), State::Closing | State::Finishing | State::Aborting)
    }
}

/// Reading and time.
impl Transport {
    /// Reads no more for now: what comes stays with the system, and the peer is slowed down by it. Data that was read already in this
    /// call is delivered. A reset is heard all the same.
    pub fn pause_producing(&self) {
        self.conn.pause_reading();
    }

    /// Reads again, from where it stopped: nothing is lost or repeated.
    pub fn resume_producing(&self) {
        self.conn.resume_reading();
    }

    /// As [`lose_connection`](Self::lose_connection): the word of those who treat this transport as a producer.
    pub fn stop_producing(&self) {
        self.lose_connection();
    }

    /// Sets the idle time-out: `timeout_connection` is called when nothing came, was written or was taken by the peer for so long, at least
    /// 1 ms. `None` ends it. Gives the one before.
    pub fn set_timeout(&self, limit: Option<Duration>) -> Option<Duration> {
        self.conn.set_timeout(limit)
    }

    /// The idle time-out.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.conn.timeout()
    }
}

/// Producers: whoever feeds this transport.
impl Transport {
    /// Registers who writes to this transport, to be paused and resumed at the marks (push), or asked for a piece each time everything was
    /// sent (pull). See [`Producer`].
    ///
    /// On a connection that is closing or lost the producer is not registered but told to stop, by a notification.
    ///
    /// # Errors
    ///
    /// Gives the producer back if one is registered already.
    pub fn register_producer<T: Producer>(
        &self,
        producer: T,
        kind: ProducerKind,
    ) -> Result<(), ProducerRegistered<T>> {
        self.conn.register_producer(producer, kind)
    }

    /// Forgets the producer, without a call on it; a close that waited for it goes on. Without one: nothing.
    pub fn unregister_producer(&self) {
        self.conn.unregister_producer();
    }

    /// Forgets the producer and closes in order.
    pub fn stop_consuming(&self) {
        self.unregister_producer();
        self.lose_connection();
    }
}

/// What is below and above.
impl Transport {
    /// The address of the other end.
    #[must_use]
    pub fn peer(&self) -> Address {
        Address::Tcp(self.conn.peer.address())
    }

    /// The address of this end. Known after the loss too; the unspecified address if the system never told it.
    #[must_use]
    pub fn host(&self) -> Address {
        Address::Tcp(self.conn.host().unwrap_or_else(|| ([0, 0, 0, 0], 0).into()))
    }

    /// Sets `TCP_NODELAY`. On by default, since writes are gathered anyway.
    ///
    /// # Errors
    ///
    /// What setsockopt(2) answers; `NotConnected` after the loss.
    pub fn set_no_delay(&self, on: bool) -> io::Result<()> {
        self.set_option(SocketOption::NoDelay(on))
    }

    /// Sets TCP keepalive, with its times; `None` turns it off, the default.
    ///
    /// # Errors
    ///
    /// As [`set_no_delay`](Self::set_no_delay).
    pub fn set_keep_alive(&self, times: Option<KeepAlive>) -> io::Result<()> {
        self.set_option(SocketOption::KeepAlive(times))
    }

    /// Sets an option of the socket.
    ///
    /// # Errors
    ///
    /// As [`set_no_delay`](Self::set_no_delay); `Unsupported` for options that the system does not know.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.conn.with_socket(|socket| socket.set_option(option))
    }

    /// Reads an option of the socket.
    ///
    /// # Errors
    ///
    /// As [`set_option`](Self::set_option).
    pub fn option(&self, kind: SocketOptionKind) -> io::Result<SocketOption> {
        self.conn.with_socket(|socket| socket.option(kind))
    }

    /// Puts a filter between what is there and the protocol, when the present call returns. What was written before leaves without it;
    /// `unread`, bytes that were received and belong to it, go through it first.
    pub fn push_filter(&self, filter: impl Filter, unread: &[u8]) {
        self.conn.push_filter(Box::new(filter), unread);
    }

    /// Hands the connection to another protocol when the present call returns: this one is dropped without `connection_lost`, the next
    /// hears `connection_made` on the same transport, then `unread` as data, if there is any.
    ///
    /// On a connection that is ending, `next` is dropped and the present protocol hears the loss. A second switch in one call replaces
    /// the first.
    pub fn switch_protocol<Q: Protocol>(&self, next: Q, unread: &[u8]) -> Connection<Q> {
        let epoch = self.conn.switch(Box::new(next), unread);
        Connection::new(Rc::clone(&self.conn), epoch)
    }

    /// A handle of the connection whose protocol is a `P`, to reach it from outside. If the protocol is of another type, the handle
    /// answers [`Switched`](twistor_reactor::LendError::Switched) when it is used.
    #[must_use]
    pub fn connection<P: Protocol>(&self) -> Connection<P> {
        Connection::new(Rc::clone(&self.conn), self.conn.epoch.get())
    }

    /// The reactor of the connection.
    #[must_use]
    pub fn reactor(&self) -> &ReactorHandle {
        &self.conn.reactor
    }
}

/// Two transports are equal if they are those of one connection.
impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.conn, &other.conn)
    }
}

impl Eq for Transport {}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({} {:?}", self.conn.peer, self.conn.state.get())?;
        match self.pending() {
            0 => f.write_str(")"),
            pending => write!(f, ", {pending} bytes to send)"),
        }
    }
}
