//! Connections as streams of bytes for async code (feature `futures-io`).
//!
//! [`ByteStream`] is what a task owns; below it is an ordinary connection with a [`StreamProtocol`]. They share a `Pipe`: the bytes that
//! arrived, and who waits. Nothing here knows of an executor: tasks are woken through their wakers alone.

mod factory;
mod io;
mod pipe;
mod protocol;

pub use self::factory::{ForStream, for_stream};
pub use self::protocol::StreamProtocol;

use std::fmt;
use std::rc::Rc;

use twistor_deferred::{Deferred, drop_contained};
use twistor_reactor::ReactorHandle;

use self::pipe::Pipe;
use crate::client::connect_once;
use crate::{CloseReason, Destination, TcpClientOptions, Transport};

/// Bytes that wait to be read before the transport is paused, unless [`ByteStream::set_read_buffer_limit`] says otherwise: as much as
/// [`Transport::set_write_buffer_limits`] allows on the way out.
const READ_BUFFER_LIMIT: usize = 65_536;

/// A connection as a stream of bytes: `AsyncRead`, `AsyncBufRead` and `AsyncWrite` of [`futures_io`], for async code.
///
/// It is made by [`connect`](Self::connect), by [`for_stream`] on the accepting side, or by [`Transport::switch_to_stream`] from inside
/// a protocol's callback. It is owned by one task or split between two, any executor's on the reactor's thread, and needs the reactor to
/// turn. What one task writes leaves at the end of the turn. An executor beside the reactor polls its tasks between turns, and has to end the
/// loop's sleep when it is woken ([`Remote::call_from_thread`](twistor_reactor::Remote::call_from_thread)): a turn may wake a task and sleep then.
///
/// - **Reading** hands out what has arrived. The peer's FIN is the end of input (`Ok(0)`) after the last byte, and nothing else is: a
///   connection that was lost is an error after the bytes that arrived before, of the kind the system named (`ConnectionReset`), `TimedOut`,
///   or `ConnectionAborted` if this end ended it, with the [`CloseReason`] inside ([`io::Error::get_ref`](std::io::Error::get_ref)). Asking
///   again gives the same. When [`read_buffer_limit`](Self::read_buffer_limit) bytes wait or more, the transport reads no more until half of
///   them are read.
/// - **Writing** takes bytes up to just over the high-water mark ([`Transport::set_write_buffer_limits`]; 65,537 with the default marks),
///   perhaps fewer than offered, then waits until the peer took what waits, down to the low-water mark. After the loss or the close it is a
///   `BrokenPipe`, with the [`CloseReason`] inside if the connection is lost.
/// - **Flushing** waits until the system took everything written. What a [`Filter`](crate::Filter) holds back is not waited for.
/// - **Closing** (`poll_close`) sends everything, then the FIN, and waits for both, without a deadline; reading goes on.
/// - **Dropping** the stream closes the connection in order, in the background: what was written is sent, within the close time-out; what
///   was not read is thrown away. To end at once, call [`Transport::abort_connection`] first. A peer that has sent its FIN can be written
///   to until then.
/// - **A drain** ([`ListeningPort::drain`](crate::ListeningPort::drain)) reads no more: after the bytes that arrived, reading fails with
///   `ConnectionAborted`, while writing goes on, so that an answer under way is finished. The task is expected to drop the stream.
///
/// Reading nothing and writing nothing are ready at once, with `Ok(0)`, whatever the state. The stream pauses and resumes its transport by
/// itself: leave [`Transport::pause_producing`] alone.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "mio")] {
/// use futures::io::{AsyncBufReadExt, AsyncWriteExt};
/// use twistor_net::{ByteStream, Protocol, ReactorTcp, Transport, for_protocol};
/// # use twistor_reactor::Reactor;
///
/// struct Greeter;
/// impl Protocol for Greeter {
///     fn connection_made(&mut self, transport: &Transport) {
///         transport.write(b"welcome\nto all of you\n");
///     }
/// }
///
/// # let mut reactor = Reactor::new()?;
/// let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Greeter))?;
/// let handle = reactor.handle();
/// reactor.spawn(async move {
///     let mut stream = ByteStream::connect(&handle, ("127.0.0.1", port.host().port())).await?;
///     let mut line = String::new();
///     stream.read_line(&mut line).await?;
///     assert_eq!(line, "welcome\n");
///     stream.write_all(b"thank you\n").await?;
///     stream.flush().await?;
///     handle.stop()?;
///     Ok(())
/// });
/// # reactor.run()?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ByteStream {
    transport: Transport,
    pipe: Rc<Pipe>,
    /// What was taken from the pipe; `..read` was read already. No allocation once all of it was.
    front: Vec<u8>,
    read: usize,
}

impl ByteStream {
    const fn new(transport: Transport, pipe: Rc<Pipe>) -> Self {
        Self { transport, pipe, front: Vec::new(), read: 0 }
    }

    /// Connects to `destination`, a host (name or IP address) and a port. The Deferred, which is a future, fires when the connection stands.
    ///
    /// It fails with the [`ConnectError`](crate::ConnectError) or, if the connection was lost by then, the [`CloseReason`]. Cancelling stops
    /// the attempt. Dropping the Deferred does not, as ever: the connection is closed as soon as it stands.
    #[track_caller]
    pub fn connect(reactor: &ReactorHandle, destination: impl Into<Destination>) -> Deferred<Self> {
        Self::connect_with(reactor, destination, TcpClientOptions::default())
    }

    /// As [`connect`](Self::connect), with options.
    #[track_caller]
    pub fn connect_with(
        reactor: &ReactorHandle,
        destination: impl Into<Destination>,
        options: TcpClientOptions,
    ) -> Deferred<Self> {
        let pipe = Rc::new(Pipe::new(&[]));
        let protocol = StreamProtocol::new(Rc::clone(&pipe), None);
        let hand_out = |transport: &Transport| Self::new(transport.clone(), pipe);
        connect_once(reactor, destination.into(), protocol, options, hand_out)
    }

    /// The transport of the connection: its addresses, options, limits and ends. A protocol that is given the connection with
    /// [`switch_protocol`](Transport::switch_protocol) finds it paused if the limit was reached; the stream keeps what had arrived, then fails with
    /// `NotConnected`.
    #[must_use]
    pub const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Why the connection was lost; `None` while it stands. A connection both of whose directions were closed is lost for
    /// [`CloseReason::Done`]. There may be bytes to read still.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.pipe.close_reason(&self.transport)
    }

    /// How many bytes have arrived and were not read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.pipe.unread()
    }

    /// With how many bytes waiting to be read the transport is paused.
    #[must_use]
    pub fn read_buffer_limit(&self) -> usize {
        self.pipe.limit()
    }

    /// Sets with how many bytes waiting to be read the transport is paused, until half of them or fewer are left. At least 1, default 65,536.
    /// One more read may come on top, of [`Limits::read_size`](twistor_reactor::Limits::read_size) bytes at most.
    pub fn set_read_buffer_limit(&mut self, bytes: usize) {
        self.pipe.set_limit(bytes, &self.transport);
    }
}

impl Drop for ByteStream {
    fn drop(&mut self) {
        self.pipe.reader.clear();
        self.pipe.writer.clear();
        drop_contained(self.pipe.take_arrived());
        if self.pipe.is_attached() {
            self.transport.lose_connection();
        }
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByteStream({:?}, {} bytes to read)", self.transport, self.unread())
    }
}

/// From callbacks to async code.
impl Transport {
    /// Hands the connection to a [`ByteStream`] when the present call returns, as [`switch_protocol`](Self::switch_protocol) does: a protocol
    /// may speak the first lines in callbacks and leave the rest to a task. `unread`, bytes that were received and not used, are read first;
    /// they are copied.
    ///
    /// On a connection that is ending the protocol hears the loss as ever; the stream gives what is `unread`, then the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_net::{ByteStream, Protocol, Transport};
    ///
    /// /// Waits for a line, and hands the rest to `serve`.
    /// struct Handshake<F> { received: Vec<u8>, serve: F }
    ///
    /// impl<F: FnMut(Vec<u8>, ByteStream) + 'static> Protocol for Handshake<F> {
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         self.received.extend_from_slice(data);
    ///         if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
    ///             let rest = self.received.split_off(end + 1);
    ///             let line = std::mem::take(&mut self.received);
    ///             (self.serve)(line, transport.switch_to_stream(&rest));
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use = "a stream that is dropped closes the connection"]
    pub fn switch_to_stream(&self, unread: &[u8]) -> ByteStream {
        let pipe = Rc::new(Pipe::new(unread));
        let _ = self.switch_protocol(StreamProtocol::new(Rc::clone(&pipe), None), &[]);
        ByteStream::new(self.clone(), pipe)
    }
}
