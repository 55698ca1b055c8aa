//! What the network is made of: connections with two ends and two wires, and machines with ports.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use twistor_reactor::Moment;
use twistor_reactor::kernel::{SocketOption, Token};

use super::timeline::Key;
use crate::stream::{Segment, StreamEnd};

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Who connected.
    Client = 0,
    /// Who accepted.
    Server = 1,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The number of one end: that of the connection, and the side in its lowest bit. Listeners have numbers of their own, with
/// the highest bit set.
pub(super) const fn end_id(conn: u64, side: Side) -> u64 {
    conn << 1 | side as u64
}

/// The inverse of [`end_id`].
pub(super) const fn end_of(id: u64) -> (u64, Side) {
    (id >> 1, if id & 1 == 0 { Side::Client } else { Side::Server })
}

/// The bit that tells listeners from ends.
pub(super) const LISTENER: u64 = 1 << 63;

/// One connection, from the first segment until nothing of it is left anywhere.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) ends: [End; 2],
    /// The machines; the server's is unknown if nobody has the address.
    pub(super) hosts: [Option<usize>; 2],
    /// As the client has them: its own, and the one it connects to.
    pub(super) addresses: [SocketAddr; 2],
    /// What is on its way from the client, and from the server.
    pub(super) wires: [Wire; 2],
    /// The answer that the client, or a server whose handshake is not done, waits for.
    pub(super) handshake: [Option<Key>; 2],
    pub(super) sabotage: Sabotage,
}

/// What one end of a connection is.
#[derive(Debug)]
pub(super) enum End {
    /// The first segment has not arrived.
    Unborn,
    Here(Box<Socket>),
    /// Closed, and all that it had to say was said.
    Over,
    /// Its machine lost power, or forgot it.
    Vanished,
}

/// A socket, and who has it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) end: StreamEnd,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) owner: Owner,
    pub(super) token: Option<Token>,
    /// Those that only need to be remembered, as far as they were set.
    pub(super) options: Vec<SocketOption>,
    pub(super) reset_on_close: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A socket object of this reactor.
    Reactor(u32),
    /// The handshake is not done; then it goes to this listener.
    HalfOpen(u64),
    /// It waits to be accepted there.
    Backlog(u64),
    /// It was dropped, and what it still has to send is on its way.
    Nobody,
}

/// What a fault does to a connection that was made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sabotage {
    None,
    /// When so many bytes more came from this side.
    At {
        from: Side,
        left: u64,
        reset: bool,
    },
    /// It happened: whatever comes is answered with a reset.
    Done,
}

/// What is on its way from one end to the other, in order.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) queue: VecDeque<InFlight>,
    /// When the sender loses patience with what cannot be delivered.
    pub(super) give_up: Option<Key>,
    pub(super) held: bool,
}

#[derive(Debug)]
pub(super) struct InFlight {
    /// `Moment::MAX` is never: every repetition was lost.
    pub(super) due: Moment,
    pub(super) sent: Moment,
    pub(super) packet: Packet,
}

#[derive(Debug)]
pub(super) enum Packet {
    /// The second part of a handshake: the server takes so many bytes for a start.
    Welcome(usize),
    /// The third: so does the client.
    Thanks(usize),
    /// "Have you room now?", from a sender whose window is closed. Sent only where it will not be answered: elsewhere it
    /// changes nothing.
    Probe,
    Segment(Segment),
}

impl Packet {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Segment(Segment::Data(bytes)) => bytes.len(),
            _ => 0,
        }
    }

    /// Whether it is repeated until it is acknowledged. What is not either says itself again in the next segment (a window)
    /// or is never repeated (a reset).
    pub(super) const fn is_repeated(&self) -> bool {
        !matches!(self, Self::Segment(Segment::Credit(_) | Segment::Reset))
    }
}

impl Wire {
    /// Since when the oldest of what is to be acknowledged waits.
    pub(super) fn waits_since(&self) -> Option<Moment> {
        self.queue.iter().find(|item| item.packet.is_repeated()).map(|item| item.sent)
    }

    pub(super) fn bytes(&self) -> usize {
        self.queue.iter().map(|item| item.packet.len()).sum()
    }
}

impl Conn {
    pub(super) fn socket(&self, side: Side) -> Option<&Socket> {
        match &self.ends[side as usize] {
            End::Here(socket) => Some(socket),
            _ => None,
        }
    }

    pub(super) fn socket_mut(&mut self, side: Side) -> Option<&mut Socket> {
        match &mut self.ends[side as usize] {
            End::Here(socket) => Some(socket),
            _ => None,
        }
    }

    /// Whether nothing of it is left anywhere, or only one end that waits for a word of an other one that is gone. (Linux
    /// forgets such an end after a minute, which nobody notices.)
    pub(super) fn is_over(&self) -> bool {
        let gone = |end: &End| !matches!(end, End::Here(_));
        let quiet = |end: &End| match end {
            End::Here(socket) => socket.end.only_answers(),
            _ => true,
        };
        self.wires.iter().all(|wire| wire.queue.is_empty())
            && self.ends.iter().any(gone)
            && self.ends.iter().all(quiet)
    }
}

impl Socket {
    pub(super) fn new(end: StreamEnd, local: SocketAddr, remote: SocketAddr, owner: Owner) -> Self {
        Self { end, local, remote, owner, token: None, options: Vec::new(), reset_on_close: false }
    }

    /// Who has it, or has the listener that it waits at.
    pub(super) const fn reactor(&self) -> Option<u32> {
        match self.owner {
            Owner::Reactor(id) => Some(id),
            _ => None,
        }
    }
}

/// A machine: its addresses and ports, and whether it has power.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) power: Power,
    pub(super) listeners: Vec<u64>,
    /// Its reactors that were not ended by the world, those that have stopped included.
    pub(super) nodes: Vec<u32>,
    /// The ends that chose their port themselves, by port.
    pub(super) ports: BTreeMap<u16, Vec<u64>>,
    pub(super) next_listen_port: u16,
    pub(super) next_port: u16,
    /// Sockets and listeners that are held, and how many there may be.
    pub(super) descriptors: usize,
    pub(super) budget: usize,
    /// Signals that nobody watched, in order.
    pub(super) unhandled: Vec<i32>,
}

/// Whether a machine and its programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// The kernel runs and answers; no program does.
    Idle,
    /// Nothing answers.
    Off,
}

/// Where ports are counted from, apart from each other so that both are easy to foretell.
pub(super) const FIRST_LISTEN_PORT: u16 = 10_000;
pub(super) const FIRST_PORT: u16 = 20_000;

impl Machine {
    pub(super) fn new(name: String, addresses: Vec<IpAddr>) -> Self {
        Self {
            name,
            addresses,
            power: Power::On,
            listeners: Vec::new(),
            nodes: Vec::new(),
            ports: BTreeMap::new(),
            next_listen_port: FIRST_LISTEN_PORT,
            next_port: FIRST_PORT,
            descriptors: 0,
            budget: usize::MAX,
            unhandled: Vec::new(),
        }
    }

    /// Whether `ip` means this machine, to itself.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.addresses.contains(&ip)
    }
}
