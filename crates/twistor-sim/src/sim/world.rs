//! Everything that the world is made of, behind its one cell, and the way that every call takes through faults and trace.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use twistor_reactor::Moment;
use twistor_reactor::kernel::Token;

use super::conn::{Conn, LISTENER, Machine, Side, Socket, end_of};
use super::dice::{Dice, Purpose};
use super::node::{Driver, Life, Node, Schedule, Turning};
use super::paths::{Paths, later};
use super::resolver::Names;
use super::rules::{Faults, Verdict};
use super::timeline::{Event, Timeline};
use super::trace::Happening;
use super::trail::{Origin, Trail};
use crate::edges::Edges;
use crate::errno;
use crate::scripted::call::{Call, Outcome, Who};
use crate::scripted::endpoint::Listener;

#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) now: Moment,
    pub(super) settings: Settings,
    pub(super) timeline: Timeline,
    pub(super) schedule: Schedule,
    pub(super) nodes: Vec<Node>,
    pub(super) machines: Vec<Machine>,
    pub(super) by_address: BTreeMap<IpAddr, usize>,
    pub(super) names: Names,
    pub(super) paths: Paths,
    pub(super) conns: BTreeMap<u64, Conn>,
    pub(super) next_conn: u64,
    pub(super) listeners: BTreeMap<u64, (u32, Listener)>,
    pub(super) next_listener: u64,
    /// How many handshakes are not done, by listener.
    pub(super) half_open: BTreeMap<u64, usize>,
    /// Wires whose first segment cannot be delivered.
    pub(super) held: BTreeSet<(u64, Side)>,
    pub(super) network_dice: Dice,
    pub(super) plan_dice: Dice,
    pub(super) faults: Faults,
    pub(super) trail: Trail,
}

/// What can be set for the whole world.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) receive_buffer: usize,
    pub(super) send_buffer: usize,
    pub(super) patience: Duration,
    pub(super) job_time: Duration,
    pub(super) lookup_time: Duration,
    pub(super) wall_clock: std::time::SystemTime,
}

const BUFFER: usize = 64 * 1024;

impl Default for Settings {
    fn default() -> Self {
        // The first of January 2025, so that certificates made for tests are neither too young nor too old.
        const BEGIN: Duration = Duration::from_secs(1_735_689_600);
        // What Linux needs for fifteen repetitions (`tcp_retries2`).
        const PATIENCE: Duration = Duration::from_millis(924_600);
        Self {
            receive_buffer: BUFFER,
            send_buffer: BUFFER,
            patience: PATIENCE,
            job_time: Duration::ZERO,
            lookup_time: Duration::ZERO,
            wall_clock: std::time::SystemTime::UNIX_EPOCH + BEGIN,
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Moment::ZERO,
            settings: Settings::default(),
            timeline: Timeline::default(),
            schedule: Schedule::default(),
            nodes: Vec::new(),
            machines: Vec::new(),
            by_address: BTreeMap::new(),
            names: Names::default(),
            paths: Paths::default(),
            conns: BTreeMap::new(),
            next_conn: 0,
            listeners: BTreeMap::new(),
            next_listener: 0,
            half_open: BTreeMap::new(),
            held: BTreeSet::new(),
            network_dice: Dice::new(seed, Purpose::Network),
            plan_dice: Dice::new(seed, Purpose::Plans),
            faults: Faults::new(seed),
            trail: Trail::default(),
        }
    }

    /// Plans `event` for `delay` from now.
    pub(super) fn plan(&mut self, delay: Duration, event: Event) -> super::timeline::Key {
        self.timeline.plan(later(self.now, delay), event)
    }

    /// Makes one call of reactor `id`'s: asks the faults, then reality, then writes down what came of it.
    ///
    /// `real` is told how many bytes or connections it may deal with. It runs while the world is borrowed: it must not call out.
    pub(super) fn call<T>(
        &mut self,
        id: u32,
        call: Call,
        who: Who,
        tally: impl FnOnce(&T) -> Outcome,
        real: impl FnOnce(&mut Self, usize) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.nodes[id as usize].life == Life::Dead {
            // To the rest of the turn in which its machine or process ended, nothing happens any more.
            let waits = matches!(call, Call::Recv | Call::Send | Call::Accept | Call::ConnectProgress);
            return Err(if waits { error(errno::EAGAIN) } else { down() });
        }
        let host = self.nodes[id as usize].host;
        let verdict = self.faults.verdict(call, host, &who);
        let result = match verdict {
            None => real(self, usize::MAX),
            Some(Verdict::Short(most)) => real(self, most),
            Some(Verdict::WouldBlock(delay)) => {
                self.owe(call, &who, delay);
                Err(error(errno::EAGAIN))
            }
            Some(Verdict::Errno(code)) => Err(error(code)),
        };
        let outcome = match &result {
            Ok(value) => tally(value),
            Err(error) => Outcome::from(error),
        };
        self.note_call(id, call, who.socket, outcome, verdict.is_some());
        result
    }

    pub(super) fn note_call(
        &mut self,
        id: u32,
        call: Call,
        socket: Option<u64>,
        outcome: Outcome,
        fault: bool,
    ) {
        let happening = Happening::Call { call, outcome, fault };
        self.trail.note(
            self.now,
            Origin { host: self.host_number(id), reactor: Some(id), socket },
            happening,
        );
    }

    /// Writes down something that happened on the network to the end `id`.
    pub(super) fn note_net(&mut self, id: u64, happening: Happening) {
        let (conn, side) = end_of(id);
        let host = self.conns.get(&conn).and_then(|conn| conn.hosts[side as usize]);
        let host = host.map(number);
        let reactor = self.socket(id).and_then(Socket::reactor);
        self.trail.note(self.now, Origin { host, reactor, socket: Some(id) }, happening);
    }

    pub(super) fn note_host(&mut self, host: usize, happening: Happening) {
        self.trail.note(
            self.now,
            Origin { host: Some(number(host)), reactor: None, socket: None },
            happening,
        );
    }

    fn host_number(&self, id: u32) -> Option<u32> {
        self.nodes.get(id as usize).map(|node| number(node.host))
    }

    pub(super) fn socket(&self, id: u64) -> Option<&Socket> {
        let (conn, side) = end_of(id);
        self.conns.get(&conn)?.socket(side)
    }

    pub(super) fn socket_mut(&mut self, id: u64) -> Option<&mut Socket> {
        let (conn, side) = end_of(id);
        self.conns.get_mut(&conn)?.socket_mut(side)
    }

    /// Who a call is made on.
    pub(super) fn who(&self, id: u64) -> Who {
        if id & LISTENER != 0 {
            let listener = self.listeners.get(&id).map(|(_, listener)| listener);
            let local = listener.map(|listener| listener.address.port());
            let token = listener.and_then(|listener| listener.token);
            return Who { socket: Some(id), token, local, peer: None, listens: true };
        }
        match self.socket(id) {
            Some(socket) => {
                let (local, peer) = (Some(socket.local.port()), Some(socket.remote.port()));
                Who { socket: Some(id), token: socket.token, local, peer, listens: false }
            }
            None => Who { socket: Some(id), ..Who::default() },
        }
    }

    /// What is possible now on a socket or listener.
    pub(super) fn level(&self, id: u64) -> Edges {
        if id & LISTENER == 0 {
            return self.socket(id).map_or(Edges::NONE, |socket| socket.end.level());
        }
        match self.listeners.get(&id) {
            Some((_, listener)) if !listener.queue.is_empty() => Edges::READABLE,
            _ => Edges::NONE,
        }
    }

    /// Puts edges of `source` before reactor `id`.
    pub(super) fn report(&mut self, id: u32, token: Token, source: Option<u64>, edges: Edges) {
        let node = &mut self.nodes[id as usize];
        if node.life != Life::Dead && !edges.is_empty() {
            node.ready.report(token, source, edges);
            self.wake(id);
        }
    }

    /// Reactor `id` has something to do.
    pub(super) fn wake(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        if node.life == Life::Alive && node.driver == Driver::World(Turning::Rests) {
            node.driver = Driver::World(Turning::Queued);
            self.schedule.queue.push_back(id);
        }
    }

    /// A fault told this source to wait: what it missed is reported after `delay`.
    fn owe(&mut self, call: Call, who: &Who, delay: Duration) {
        let Some(id) = who.socket else { return };
        let side = match call {
            Call::Recv | Call::Accept => Edges::READ_SIDE,
            Call::Send | Call::ConnectProgress => Edges::WRITE_SIDE,
            _ => return,
        };
        if call == Call::Send {
            // If there is no room either, room is the event that comes.
            if let Some(socket) = self.socket_mut(id) {
                socket.end.want_room();
            }
        }
        self.plan(delay, Event::Owed(id, side));
    }

    /// Pays what a fault hid, as far as it is still there.
    pub(super) fn pay(&mut self, id: u64, side: Edges) {
        let Some(reactor) = self.holder(id) else { return };
        let edges = self.level(id) & side;
        if let Some(token) = self.who(id).token {
            self.report(reactor, token, Some(id), edges);
        }
    }

    /// The reactor that has this socket or listener.
    pub(super) fn holder(&self, id: u64) -> Option<u32> {
        if id & LISTENER != 0 {
            return self.listeners.get(&id).map(|(reactor, _)| *reactor);
        }
        self.socket(id)?.reactor()
    }

    pub(super) fn is_up(&self, host: usize) -> bool {
        self.machines[host].power != super::conn::Power::Off
    }
}

/// The host that is `index` in the table, as traces number it.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

pub(super) fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// What the kernel of a machine without power, or of a process that ended, says to whoever still asks.
pub(super) fn down() -> io::Error {
    io::Error::new(io::ErrorKind::NetworkDown, "the machine or the process of this reactor is gone")
}
