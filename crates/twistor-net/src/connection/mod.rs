//! One connection: a socket, a stack of filters, one front that users hold, one slot with a protocol.
//!
//! [`Conn`] is all of that, shared by the reactor's table and by the handles. Its parts, in reading order:
//!
//! - `reading`: readiness to `data_received`
//! - `writing`: `write` to the socket, gathered in an `Outbox`
//! - `ending`: carries out what the table in `closing` says
//! - `calling`: how the protocol is called, lent and switched
//! - `flow`: pause and resume, of the protocol's writing and of producers
//! - `stack`: the filters
//! - `clocks`: the idle time-out and the deadline of a close
//! - `linger`: sockets that outlive their connection
//! - `awaited`: what the writer of a byte stream waits for (feature `futures-io`)
//!
//! No cell is borrowed while user code runs, but for the slot of the protocol that is being called.

#[cfg(feature = "futures-io")]
mod awaited;
mod box_cell;
mod calling;
mod clocks;
mod ending;
mod extras;
mod flow;
mod handle;
mod linger;
mod outbox;
mod peer;
mod reading;
mod stack;
mod transport;
mod writing;

pub use self::handle::{Connection, RemoteConnection};
pub use self::transport::Transport;

#[cfg(feature = "futures-io")]
pub(crate) use self::awaited::Awaited;
pub(crate) use self::linger::Lingerers;
pub(crate) use self::outbox::Outbox;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use twistor_reactor::kernel::{Readiness, StreamSocket, Token};
use twistor_reactor::sources::{Note, Source, SourceHost, SourceKind};
use twistor_reactor::{CloseReason, ReactorHandle};

use self::box_cell::BoxCell;
use self::extras::Extras;
use self::flow::Pressure;
use self::peer::Peer;
use crate::closing::{Input, State};
use crate::context::NetContext;
use crate::protocol::AnyProtocol;

/// Who made a connection, and hears of its end after the protocol did.
pub(crate) trait Owner {
    /// The connection is lost; its protocol has been told.
    fn connection_lost(self: Rc<Self>, reason: &CloseReason);
}

/// A connection. See the [module](self).
///
/// There may be a great many that do nothing, so it is small: what few need is in a box that the others do not have. With its counters it fits
/// into 184 bytes, the largest content of one of the allocator's blocks of 192 (a test holds it to that).
#[repr(C)] // In this order: what every message touches is in the first two lines of a cache.
pub(crate) struct Conn {
    reactor: ReactorHandle,
    state: Cell<State>,
    /// Whether the protocol was told of the connection.
    made: Cell<bool>,
    flush: Cell<FlushPlan>,
    pressure: Cell<Pressure>,
    write_edge: Cell<WriteEdge>,
    read_edge: Cell<ReadEdge>,
    reading: Cell<Reading>,
    /// Whether a message may pass without a look at the extras: there are none, or nothing in them concerns it.
    plain: Cell<bool>,
    /// Whether the table of sources will call `again`.
    again: Cell<bool>,
    /// Whether the loss came while the protocol was lent: it is told when it comes back.
    unheard: Cell<bool>,
    /// What the writer of a byte stream waits for.
    #[cfg(feature = "futures-io")]
    awaited: Cell<Awaited>,
    /// Posts that wait for their turn: the next data comes after them.
    posts: Cell<u32>,
    /// What waits for the socket; empty while that is nothing.
    outbox: BoxCell<Outbox>,
    socket: RefCell<Option<Box<dyn StreamSocket>>>,
    context: Rc<NetContext>,
    /// The protocol. Borrowed while it is called, and only through `try_borrow_mut`.
    slot: RefCell<Option<Box<dyn AnyProtocol>>>,
    span: BoxCell<tracing::Span>,
    /// What few connections need.
    extras: BoxCell<Extras>,
    token: Cell<Option<Token>>,
    /// The number of the protocol that has the slot: a handle made for another finds it `Switched`.
    epoch: Cell<u32>,
    owner: Cell<Option<Rc<dyn Owner>>>,
    /// Why it ends, once that is decided.
    reason: BoxCell<CloseReason>,
    /// The address of this end. Shared, since those that a port accepts have all the same.
    host: OnceCell<Rc<SocketAddr>>,
    peer: Peer,
}

/// Whether the user wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Flowing,
    Paused,
    /// The peer's FIN was read: there is nothing more to come.
    Ended,
}

/// What the last event on the reading side leaves to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ReadEdge {
    /// Nothing: an event will come.
    Idle,
    /// Read until the kernel says that nothing is left.
    Ready,
    /// As `Ready`, and the event said more than "data": read until the end or `WouldBlock`, whatever a short read seems to say.
    Final,
}

/// Whether the socket takes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteEdge {
    Open,
    /// It said `WouldBlock`: an event will come.
    Blocked,
}

/// When the next flush comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlushPlan {
    None,
    /// In the flush phase of the turn.
    Queued,
    /// When the callback that is being made returns.
    AfterCall,
}

/// The notifications that a connection queues for itself.
const NOTE_END: Note = Note(0);
const NOTE_FLOW: Note = Note(1);
#[cfg(feature = "futures-io")]
const NOTE_AWAITED: Note = Note(2);

impl Conn {
    pub(crate) fn new(
        reactor: &ReactorHandle,
        context: Rc<NetContext>,
        socket: Box<dyn StreamSocket>,
        peer: SocketAddr,
        protocol: Box<dyn AnyProtocol>,
        owner: Option<Rc<dyn Owner>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            reactor: reactor.clone(),
            context,
            token: Cell::new(None),
            state: Cell::new(State::Connecting),
            reason: BoxCell::empty(),
            socket: RefCell::new(Some(socket)),
            slot: RefCell::new(Some(protocol)),
            epoch: Cell::new(0),
            made: Cell::new(false),
            unheard: Cell::new(false),
            reading: Cell::new(Reading::Flowing),
            read_edge: Cell::new(ReadEdge::Idle),
            write_edge: Cell::new(WriteEdge::Open),
            flush: Cell::new(FlushPlan::None),
            pressure: Cell::new(Pressure::Flowing),
            again: Cell::new(false),
            posts: Cell::new(0),
            outbox: BoxCell::empty(),
            #[cfg(feature = "futures-io")]
            awaited: Cell::default(),
            extras: BoxCell::empty(),
            plain: Cell::new(true),
            owner: Cell::new(owner),
            span: BoxCell::empty(),
            peer: peer.into(),
            host: OnceCell::new(),
        })
    }

    /// Takes its place in the reactor's table and registers the socket with the kernel.
    pub(crate) fn register(self: &Rc<Self>) -> std::io::Result<()> {
        let gone = || std::io::Error::new(std::io::ErrorKind::NotConnected, twistor_reactor::ReactorGone);
        let token = self.reactor.register(Rc::clone(self) as Rc<dyn Source>).ok_or_else(gone)?;
        self.token.set(Some(token));
        match &*self.socket.borrow() {
            Some(socket) => socket.register(token),
            None => Err(gone()),
        }
    }

    /// What the kernel reports it by, once registered.
    pub(crate) fn token(&self) -> Option<Token> {
        self.token.get()
    }

    /// Takes the place of the attempt that led to this connection, whose socket is registered already.
    pub(crate) fn take_place(self: &Rc<Self>, token: Token) {
        self.token.set(Some(token));
        if let Ok(attempt) = self.reactor.replace(token, Rc::clone(self) as Rc<dyn Source>) {
            drop(attempt);
        }
    }

    /// Makes the span that the log lines of this connection's callbacks are in, if somebody listens.
    pub(crate) fn make_span(&self, suffix: impl FnOnce() -> String) {
        if !tracing::enabled!(target: "twistor::connection", tracing::Level::INFO) {
            return;
        }
        let prefix = match self.slot.try_borrow().as_deref() {
            Ok(Some(protocol)) => self.guard("log_prefix", || protocol.log_prefix()).unwrap_or_default(),
            _ => String::new(),
        };
        let suffix = suffix();
        let span = tracing::info_span!(target: "twistor::connection", "connection", system = %format_args!("{prefix},{suffix}"));
        drop(self.span.replace(span));
    }

    /// Calls `f`, code of the user's that has to do with this connection, and contains its panic.
    #[inline(always)]
    fn guard<R>(&self, what: &str, f: impl FnOnce() -> R) -> Result<R, String> {
        self.reactor.guard_for(self.token.get(), what, f)
    }

    /// Runs `f`, a dispatch of the reactor's, inside the connection's span.
    #[inline(always)]
    fn in_span<R>(&self, f: impl FnOnce() -> R) -> R {
        let span = if self.span.is_some() { self.clone_span() } else { None };
        let _entered = span.as_ref().map(tracing::Span::enter);
        f()
    }

    #[cold]
    fn clone_span(&self) -> Option<tracing::Span> {
        self.span.with(|span| span.clone())
    }

    /// Calls `connection_made`. `registered` is what registering the socket answered: a socket that the poller refuses is lost.
    pub(crate) fn announce(self: &Rc<Self>, registered: std::io::Result<()>) {
        self.in_span(|| {
            self.make();
            if let Err(error) = registered {
                self.fail_socket(error);
            }
        });
    }

    /// Tells the protocol that the connection stands, first of all and once.
    #[inline]
    fn make(self: &Rc<Self>) {
        if !self.made.get() {
            self.tell_made();
        }
    }

    #[cold]
    fn tell_made(self: &Rc<Self>) {
        self.made.set(true);
        tracing::debug!(peer = %self.peer, "connection made");
        self.apply(Input::Announce);
        self.call_protocol("connection_made", |protocol, transport| protocol.connection_made(transport));
    }

    /// The address of this end, asked for once.
    fn host(&self) -> Option<SocketAddr> {
        if let Some(host) = self.host.get() {
            return Some(**host);
        }
        let host = self.socket.borrow().as_ref()?.local().ok()?;
        Some(**self.host.get_or_init(|| Rc::new(host)))
    }

    /// The address of this end, known without asking.
    pub(crate) fn set_host(&self, host: Rc<SocketAddr>) {
        let _ = self.host.set(host);
    }

    /// Asks the protocol to come to an end.
    pub(crate) fn request_close(self: &Rc<Self>) {
        if !self.state.get().is_over() {
            self.in_span(|| {
                self.call_protocol("close_requested", |p, transport| p.close_requested(transport))
            });
        }
    }

    pub(crate) fn is_owned_by(&self, owner: *const ()) -> bool {
        let mine = self.owner.take();
        let is_mine = mine.as_ref().is_some_and(|mine| std::ptr::addr_eq(Rc::as_ptr(mine), owner));
        self.owner.set(mine);
        is_mine
    }

    fn queue_note(self: &Rc<Self>, note: Note) {
        self.reactor.notify_source(Rc::clone(self) as Rc<dyn Source>, note);
    }
}

impl Source for Conn {
    fn ready(self: Rc<Self>, _reactor: &ReactorHandle, readiness: Readiness) {
        self.in_span(|| {
            self.make(); // An adopted socket may be ready before the notification of its making has had its turn.
            self.note_readiness(readiness);
            if !self.again.get() {
                self.pump(); // Else the share of this turn comes with `again`.
            }
        });
    }

    fn again(self: Rc<Self>, _reactor: &ReactorHandle) {
        self.again.set(false);
        self.in_span(|| self.pump());
    }

    fn flush(self: Rc<Self>, _reactor: &ReactorHandle) {
        self.flush.set(FlushPlan::None);
        self.in_span(|| self.flush_output());
    }

    fn notified(self: Rc<Self>, _reactor: &ReactorHandle, note: Note) {
        self.in_span(|| match note {
            NOTE_END => self.apply(Input::EndOfTurn),
            NOTE_FLOW => self.tell_flow(),
            #[cfg(feature = "futures-io")]
            NOTE_AWAITED => self.tell_awaited(),
            Note(other) => debug_assert!(false, "no such note: {other}"),
        });
    }

    fn shut_down(self: Rc<Self>, _reactor: &ReactorHandle, reason: &CloseReason) {
        self.in_span(|| {
            self.make(); // Who was not told of the beginning would hear of the end alone.
            self.flush_all(); // What the socket takes now leaves; the rest is lost.
            if self.pending() > 0 {
                // A stream that was cut off must not look like one that ended.
                let _ = self.with_socket(|socket| socket.reset_on_close());
            }
            if !self.state.get().is_over() {
                self.note_reason(reason.clone());
            }
            self.apply(Input::ReactorEnds);
        });
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Connection
    }

    fn describe(&self) -> Option<String> {
        let host = self.host().map_or_else(|| "?".to_owned(), |host| host.to_string());
        let (peer, state, pending) = (&self.peer, self.state.get(), self.pending());
        Some(format!("connection of {host} with {peer}: {state:?}, {pending} bytes to send"))
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    /// With the two counters of an `Rc`, and the allocator's word before it, a block of 192 bytes.
    #[test]
    fn a_connection_that_does_nothing_is_small() {
        assert!(size_of::<super::Conn>() <= 192 - 8 - 16, "{} bytes", size_of::<super::Conn>());
    }
}
