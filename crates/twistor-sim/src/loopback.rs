//! [`loopback()`]: two protocols against each other.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{CloseReason, Filter, FilterIo, Protocol, ReactorTcp, TcpClientOptions};
use twistor_reactor::Moment;
use twistor_reactor::kernel::Kernel;

use crate::opening::{Opening, Place, Ready};
use crate::string_transport_builder::{HOST, PEER};
use crate::{Answer, Call, TestReactor};

/// Has two protocols talk to each other until the connection is over at both ends, or nothing moves any more. See [`Loopback`].
///
/// # Examples
///
/// ```
/// use twistor_net::{Protocol, Transport};
/// use twistor_sim::{Accumulating, loopback};
///
/// struct Greeter;
/// impl Protocol for Greeter {
///     fn connection_made(&mut self, transport: &Transport) {
///         transport.write(b"good morning");
///         transport.lose_connection();
///     }
/// }
///
/// let (listener, heard) = Accumulating::new();
/// let conversation = loopback(Greeter, listener);
/// assert!(conversation.ended_cleanly());
/// assert_eq!(heard.data(), b"good morning");
/// assert_eq!(conversation.client.received, b"good morning");
/// ```
#[track_caller]
pub fn loopback<S: Protocol, C: Protocol>(server: S, client: C) -> Conversation {
    Loopback::new().run(server, client)
}

/// How two protocols are to talk to each other: in which pieces, and for how long.
///
/// Both live on one reactor in virtual time, over the connections that they will have in production. The server is 10.0.0.1:12345, the
/// client 192.168.1.1:54321.
///
/// # Examples
///
/// The same conversation, however it is cut:
///
/// ```
/// use twistor_net::{Protocol, Transport};
/// use twistor_sim::{Accumulating, Chunks, Loopback};
///
/// struct Poem;
/// impl Protocol for Poem {
///     fn connection_made(&mut self, transport: &Transport) {
///         transport.write(b"a rose is a rose");
///         transport.lose_connection();
///     }
/// }
///
/// for chunks in [Chunks::Whole, Chunks::Of(3), Chunks::Of(1)] {
///     let (reader, seen) = Accumulating::new();
///     let conversation = Loopback::new().chunks(chunks).run(Poem, reader);
///     assert!(conversation.ended_cleanly());
///     assert_eq!(seen.data(), b"a rose is a rose");
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Loopback {
    chunks: Chunks,
    limit: Duration,
}

/// In which pieces what one end sends arrives at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chunks {
    /// What was sent at once arrives at once, with whatever is there by then, up to 64 KiB.
    Whole,
    /// At most so many bytes at a time, at least one. `Of(1)` is byte by byte.
    Of(usize),
}

/// What came of a [`loopback()`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conversation {
    /// The end that was accepted.
    pub server: Heard,
    /// The end that connected.
    pub client: Heard,
    /// How much virtual time it took, the wait for an end that did not come included.
    pub took: Duration,
}

/// What one end of a [`Conversation`] was told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Heard {
    /// Every byte that arrived at it.
    pub received: Vec<u8>,
    /// Why its connection ended; `None` if it did not. (The reactor was dropped then, and the protocol heard of that.)
    pub reason: Option<CloseReason>,
}

/// How long a conversation may take, if nothing is said.
const LIMIT: Duration = Duration::from_secs(3_600);
/// So many turns without a byte and without time passing count as a conversation that never comes to rest.
const MOST_IDLE_TURNS: usize = 10_000;

impl Loopback {
    /// Whole writes, and at most an hour of virtual time.
    #[must_use]
    pub const fn new() -> Self {
        Self { chunks: Chunks::Whole, limit: LIMIT }
    }

    /// Sets how what is sent is cut. Default [`Chunks::Whole`].
    #[must_use]
    pub const fn chunks(mut self, chunks: Chunks) -> Self {
        self.chunks = chunks;
        self
    }

    /// Sets how much virtual time may pass before the conversation is given up. Default an hour. Without anything that waits for time that
    /// takes no time at all.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Connects the two, and turns until both have lost the connection, or nothing can move any more within the limit.
    ///
    /// # Panics
    ///
    /// If they keep the reactor busy for 10,000 turns without a byte between them and without time passing.
    #[track_caller]
    pub fn run<S: Protocol, C: Protocol>(&self, server: S, client: C) -> Conversation {
        let mut test = TestReactor::new();
        if let Chunks::Of(most) = self.chunks {
            test.kernel().script(Call::Recv, Answer::Short(most.max(1))).always();
        }
        let (server, at_server) = Watched::of(server);
        let (client, at_client) = Watched::of(client);
        let port = test.listen_tcp(HOST, Ready(Some(server))).expect("nobody else is on this reactor");
        test.connect_tcp_with(HOST, Ready(Some(client)), TcpClientOptions::new().bind_address(PEER));
        self.turn(&mut test, || at_server.is_over() && at_client.is_over());
        drop(port.stop_listening());
        let took = test.kernel().now().saturating_duration_since(Moment::ZERO);
        Conversation { server: at_server.heard(), client: at_client.heard(), took }
    }

    #[track_caller]
    fn turn(&self, test: &mut TestReactor, over: impl Fn() -> bool) {
        let end = Moment::ZERO.checked_add(self.limit).unwrap_or(Moment::MAX);
        let mut last = (test.kernel().now(), 0);
        let mut idle = 0;
        while !over() {
            let progress = (test.kernel().now(), test.stats().bytes_received);
            idle = if progress == last { idle + 1 } else { 0 };
            last = progress;
            assert!(idle < MOST_IDLE_TURNS, "the two protocols do not come to rest: {test:?}");
            if !test.is_quiet() {
                continue; // What can happen now comes before time passes.
            }
            let left = end.saturating_duration_since(test.kernel().now());
            if left.is_zero() {
                return;
            }
            test.turn(left);
        }
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// Whether the connection is over at both ends.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.server.reason.is_some() && self.client.reason.is_some()
    }

    /// Whether both ends were told of an orderly end.
    #[must_use]
    pub fn ended_cleanly(&self) -> bool {
        [&self.server, &self.client].iter().all(|end| end.reason.as_ref().is_some_and(CloseReason::is_clean))
    }
}

/// One end, as it is looked at from outside.
struct Watched<P> {
    place: Place<P>,
    received: Rc<RefCell<Vec<u8>>>,
}

impl<P: Protocol> Watched<P> {
    fn of(protocol: P) -> (Opening<P>, Self) {
        let watched = Self { place: Place::new(), received: Rc::default() };
        let tap = Tap(Rc::clone(&watched.received));
        let opening = Opening::new(protocol, watched.place.clone())
            .prepare(move |transport| transport.push_filter(tap, &[]));
        (opening, watched)
    }

    fn reason(&self) -> Option<CloseReason> {
        self.place.connection()?.transport().close_reason()
    }

    fn is_over(&self) -> bool {
        self.reason().is_some()
    }

    fn heard(&self) -> Heard {
        Heard { received: self.received.borrow().clone(), reason: self.reason() }
    }
}

/// Writes down what arrives.
struct Tap(Rc<RefCell<Vec<u8>>>);

impl Filter for Tap {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.0.borrow_mut().extend_from_slice(data);
        io.deliver(data);
    }
}
