//! What a network is made of: ends of connections with their owners, and listeners with their queues.

use std::collections::VecDeque;
use std::net::SocketAddr;

use twistor_reactor::kernel::{ListenOptions, SocketOption, Token};

use crate::stream::StreamEnd;

/// One end of a connection, and who has it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) end: StreamEnd,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// The other end, as long as both exist.
    pub(super) link: Option<u64>,
    pub(super) owner: Owner,
    pub(super) token: Option<Token>,
    /// Those that only need to be remembered, as far as they were set.
    pub(super) options: Vec<SocketOption>,
    pub(super) reset_on_close: bool,
    /// Whether it chose its port itself, as apart from one that was accepted.
    pub(super) bound: bool,
}

#[derive(Debug)]
pub(super) enum Owner {
    /// A socket object of the kernel's user.
    User,
    /// It waits to be accepted.
    Backlog,
    /// A test plays it by hand.
    Hand(Hand),
    /// It was dropped, and what it still has to send is on its way.
    Nobody,
}

/// What the hand of a test does with input.
#[derive(Debug)]
pub(super) struct Hand {
    /// Whether everything is read as it arrives.
    pub(super) reading: bool,
    /// What was read and not asked for yet.
    pub(super) collected: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) options: ListenOptions,
    /// Played by a test: it stands for another machine, and its connections go to a hand.
    pub(super) by_hand: bool,
    pub(crate) token: Option<Token>,
    /// Established, not accepted: the sockets of this end.
    pub(crate) queue: VecDeque<u64>,
    /// Found the queue full: the sockets of the other end, still connecting.
    pub(super) waiting: VecDeque<u64>,
    /// How many connections came so far; listeners that share a port take turns by it.
    pub(crate) arrived: u64,
}

impl Socket {
    pub(super) fn new(end: StreamEnd, local: SocketAddr, remote: SocketAddr, owner: Owner) -> Self {
        Self {
            end,
            local,
            remote,
            link: None,
            owner,
            token: None,
            options: Vec::new(),
            reset_on_close: false,
            bound: true,
        }
    }

    /// Whether this socket keeps others from binding `address`. Accepted ones and those that only live on in the network do not, as
    /// with `SO_REUSEADDR`.
    pub(super) fn occupies(&self, address: SocketAddr) -> bool {
        matches!(self.owner, Owner::User)
            && self.bound
            && self.local.port() == address.port()
            && self.local.is_ipv4() == address.is_ipv4()
            && (self.local.ip() == address.ip() || address.ip().is_unspecified())
    }

    /// A hand that reads takes everything as it comes.
    pub(super) fn read_along(&mut self) {
        if let Owner::Hand(Hand { reading: true, collected }) = &mut self.owner {
            self.end.recv_all(collected);
        }
    }
}

impl Hand {
    pub(super) const fn new() -> Self {
        Self { reading: true, collected: Vec::new() }
    }
}

impl Listener {
    pub(crate) fn new(address: SocketAddr, options: ListenOptions, by_hand: bool) -> Self {
        let (queue, waiting) = (VecDeque::new(), VecDeque::new());
        Self { address, options, by_hand, token: None, queue, waiting, arrived: 0 }
    }

    /// Whether another listener with `options` cannot have `address` because of this one.
    pub(crate) fn clashes(&self, address: SocketAddr, options: &ListenOptions) -> bool {
        let (ours, theirs) = (self.address.ip(), address.ip());
        let meet = if ours.is_ipv4() == theirs.is_ipv4() {
            ours == theirs || ours.is_unspecified() || theirs.is_unspecified()
        } else {
            self.covers_ipv4() || (options.dual_stack && theirs.is_ipv6() && theirs.is_unspecified())
        };
        meet && self.address.port() == address.port() && !(self.options.reuse_port && options.reuse_port)
    }

    /// Whether connections to `address` arrive here.
    pub(crate) fn hears(&self, address: SocketAddr) -> bool {
        let ours = self.address.ip();
        let family = ours.is_ipv4() == address.is_ipv4();
        let covered = (family && ours.is_unspecified()) || (address.is_ipv4() && self.covers_ipv4());
        self.address.port() == address.port() && (ours == address.ip() || covered)
    }

    fn covers_ipv4(&self) -> bool {
        self.options.dual_stack && self.address.is_ipv6() && self.address.ip().is_unspecified()
    }
}
