//! What happened in a world, event by event.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use twistor_reactor::Moment;

use super::conn::LISTENER;
use crate::errno;
use crate::scripted::call::{Call, Outcome};

/// Something that happened in a [`Sim`](super::Sim), in a line: a kernel's answer, a callback of the user's, an event of the
/// network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// Its number, from zero, without gaps.
    pub number: u64,
    /// When.
    pub at: Moment,
    /// The host it happened on, if on one.
    pub host: Option<Rc<str>>,
    /// The reactor, in the order in which the world made them.
    pub reactor: Option<u32>,
    /// The end of a connection, or the listener.
    pub socket: Option<SocketId>,
    /// What.
    pub what: Happening,
}

/// A listener, or an end of a connection, in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SocketId {
    /// The end of the connection of this number that connected.
    Client(u64),
    /// The end of the connection of this number that accepted.
    Server(u64),
    /// The listener of this number.
    Listener(u64),
}

impl SocketId {
    pub(super) const fn of(id: u64) -> Self {
        match (id & LISTENER, id & 1) {
            (0, 0) => Self::Client(id >> 1),
            (0, _) => Self::Server(id >> 1),
            _ => Self::Listener(id & !LISTENER),
        }
    }

    /// The number of the connection; `None` for a listener.
    #[must_use]
    pub const fn connection(self) -> Option<u64> {
        match self {
            Self::Client(number) | Self::Server(number) => Some(number),
            Self::Listener(_) => None,
        }
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(number) => write!(f, "client {number}"),
            Self::Server(number) => write!(f, "server {number}"),
            Self::Listener(number) => write!(f, "listener {number}"),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// The kernel answered a call.
    Call {
        /// Which.
        call: Call,
        /// What it answered.
        outcome: Outcome,
        /// Whether a fault had its hand in that.
        fault: bool,
    },
    /// A piece of the user's code of this name was called: of the event's socket, unless it has to do with none (a timer, a task).
    Callback(Rc<str>),
    /// A connection was begun.
    Dialed {
        /// The address of the client.
        from: SocketAddr,
        /// The address it connects to.
        to: SocketAddr,
    },
    /// This end's handshake is done.
    Connected,
    /// The server's machine sent a refusal.
    Refused,
    /// Bytes are in the receive buffer.
    Delivered {
        /// How many.
        bytes: u64,
    },
    /// The other end's FIN is here.
    FinArrived,
    /// A reset is here.
    ResetArrived,
    /// A segment that just left will be lost so often before it arrives.
    Lost {
        /// How often.
        times: u32,
    },
    /// A part of a handshake vanished, for this reason.
    Dropped(&'static str),
    /// What this end sent cannot be delivered, and waits.
    Held,
    /// It is on its way again.
    Released,
    /// This end gave up.
    TimedOut,
    /// A segment met nobody, and is answered with a reset.
    Unknown,
    /// A fault ended the connection, at this end.
    Sabotaged {
        /// With a reset, or in order.
        reset: bool,
    },
    /// The host lost power.
    Crashed,
    /// The process of the host ended.
    Killed,
    /// The host began anew.
    Restarted,
    /// Nothing gets from this host to the one of the name.
    Cut(Rc<str>),
    /// It does again.
    Healed(Rc<str>),
}

/// One line: when, where, what.
impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.at.as_nanos();
        write!(f, "{:>6} {:>4}.{:09}", self.number, nanos / 1_000_000_000, nanos % 1_000_000_000)?;
        write!(f, " {}", self.host.as_deref().unwrap_or("-"))?;
        if let Some(reactor) = self.reactor {
            write!(f, "/{reactor}")?;
        }
        if let Some(socket) = self.socket {
            write!(f, " {socket}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { call, outcome, fault } => {
                write!(f, "{call:?} -> ")?;
                match outcome {
                    Outcome::Errno(code) => match errno::name(*code) {
                        Some(name) => f.write_str(name)?,
                        None => write!(f, "error {code}")?,
                    },
                    other => write!(f, "{other:?}")?,
                }
                if *fault { f.write_str(" (fault)") } else { Ok(()) }
            }
            Self::Callback(name) => write!(f, "calls {name}"),
            Self::Dialed { from, to } => write!(f, "connects from {from} to {to}"),
            Self::Connected => f.write_str("connected"),
            Self::Refused => f.write_str("refused"),
            Self::Delivered { bytes } => write!(f, "{bytes} bytes arrive"),
            Self::FinArrived => f.write_str("FIN arrives"),
            Self::ResetArrived => f.write_str("reset arrives"),
            Self::Lost { times } => write!(f, "a segment is lost {times} times"),
            Self::Dropped(why) => write!(f, "handshake dropped: {why}"),
            Self::Held => f.write_str("held"),
            Self::Released => f.write_str("released"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Unknown => f.write_str("a segment meets nobody"),
            Self::Sabotaged { reset: true } => f.write_str("reset by a fault"),
            Self::Sabotaged { reset: false } => f.write_str("ended by a fault"),
            Self::Crashed => f.write_str("loses power"),
            Self::Killed => f.write_str("is killed"),
            Self::Restarted => f.write_str("starts again"),
            Self::Cut(to) => write!(f, "is cut off from {to}"),
            Self::Healed(to) => write!(f, "reaches {to} again"),
        }
    }
}

/// What a world has seen so far: the latest events, and the hash over all of them. Made by [`Sim::trace`](super::Sim::trace).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    seed: u64,
    hash: u64,
    count: u64,
    events: Vec<TraceEvent>,
}

impl Trace {
    pub(super) const fn new(seed: u64, hash: u64, count: u64, events: Vec<TraceEvent>) -> Self {
        Self { seed, hash, count, events }
    }

    /// The seed of the world.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The hash over all events, kept or not. The same in debug and release builds and on every machine.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were, kept or not.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The events that were kept, oldest first.
    #[must_use]
    pub fn events(&self) -> &[TraceEvent] {
        &self.events
    }
}

/// One event a line.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}
