//! From the first segment of a connection to the listener's queue.
//!
//! ```text
//! client                         server
//!   |---- Syn -------------------->|   nobody listens: a refusal comes back; the queue is full, or the way is cut: silence
//!   |<--- Welcome (its window) ----|   half open
//!   |---- Thanks (its window) ---->|   in the queue: the listener is readable; if that is full by now, a second later
//! ```
//!
//! The client is connected after one round trip, the server after one and a half. A Syn that is not answered is repeated as Linux
//! does it: after 1 s, 3 s, 7 s, 15 s, 31 s, 63 s; after 127 s the client gives up.

use std::net::SocketAddr;
use std::time::Duration;

use super::conn::{End, Owner, Packet, Sabotage, Side, Socket, end_id};
use super::rules::ConnectFate;
use super::timeline::Event;
use super::trace::Happening;
use super::world::World;
use crate::errno;
use crate::scripted::address::map_to_ipv6;
use crate::stream::{Segment, StreamEnd};

/// How long the first Syn waits for its answer; each repetition waits twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How often a Syn is repeated (`tcp_syn_retries`).
const REPETITIONS: u32 = 6;
/// How long it takes to find out that nobody in the network has an address (three unanswered ARP requests).
const NO_ROUTE: Duration = Duration::from_secs(3);
/// How long a server waits for the third part of a handshake (`tcp_synack_retries`).
const HALF_OPEN: Duration = Duration::from_secs(63);

impl World {
    /// Begins the handshake of a connection that was just made.
    pub(super) fn dial(&mut self, number: u64) {
        let Some(conn) = self.conns.get(&number) else { return };
        let ([from, to], known) = (conn.addresses, conn.hosts[1].is_some());
        self.note_end(number, Side::Client, Happening::Dialed { from, to });
        if known {
            self.send_syn(number, 0);
        } else {
            let timer = self.plan(NO_ROUTE, Event::NoRoute(number));
            self.set_timer(number, Side::Client, timer);
        }
    }

    fn send_syn(&mut self, number: u64, repetition: u32) {
        let Some(conn) = self.conns.get(&number) else { return };
        let [Some(from), Some(to)] = conn.hosts else { return };
        let loss = self.paths.quality(from, to).loss;
        if loss > 0.0 && self.network_dice.chance(loss) {
            self.note_end(number, Side::Client, Happening::Dropped("a handshake's first segment was lost"));
        } else {
            let due = self.paths.travel(self.now, from, to, 0, &mut self.network_dice);
            self.timeline.plan(due, Event::Syn(number));
        }
        let timer = self.plan(FIRST_WAIT * (1 << repetition), Event::SynUnanswered(number, repetition));
        self.set_timer(number, Side::Client, timer);
    }

    fn set_timer(&mut self, number: u64, side: Side, timer: super::timeline::Key) {
        if let Some(conn) = self.conns.get_mut(&number) {
            conn.handshake[side as usize] = Some(timer);
        }
    }

    pub(super) fn syn_unanswered(&mut self, number: u64, repetition: u32) {
        if repetition < REPETITIONS {
            self.send_syn(number, repetition + 1);
        } else {
            self.fail_connect(number, errno::ETIMEDOUT);
        }
    }

    /// The first segment is at the server's machine.
    pub(super) fn syn_arrives(&mut self, number: u64) {
        let Some(conn) = self.conns.get(&number) else { return };
        let ([Some(from), Some(to)], address) = (conn.hosts, conn.addresses[1]) else { return };
        if self.paths.is_cut(from, to) || !self.is_up(to) {
            return self.note_end(number, Side::Client, Happening::Dropped("the way is cut"));
        }
        if !matches!(conn.ends[Side::Server as usize], End::Unborn) {
            return; // A repetition; the answer to the first is on its way.
        }
        let sabotage = match self.faults.on_connect(from, to, address.port()) {
            Some(ConnectFate::Swallow) => {
                return self.note_end(number, Side::Client, Happening::Dropped("a black hole"));
            }
            Some(ConnectFate::Refuse) => return self.refuse(number),
            Some(ConnectFate::Sabotage(sabotage)) => sabotage,
            None => Sabotage::None,
        };
        let Some(listener) = self.listener_for(to, address) else { return self.refuse(number) };
        if !self.has_room(listener) {
            return self.note_end(number, Side::Client, Happening::Dropped("the backlog is full"));
        }
        self.welcome(number, listener, sabotage);
    }

    fn has_room(&self, listener: u64) -> bool {
        let (_, place) = &self.listeners[&listener];
        let backlog = usize::try_from(place.options.backlog).unwrap_or(0).max(1);
        place.queue.len() < backlog
    }

    /// Makes the server's end, and answers.
    fn welcome(&mut self, number: u64, listener: u64, sabotage: Sabotage) {
        let (_, place) = self.listeners.get_mut(&listener).expect("it was just found");
        place.arrived += 1;
        let ipv6 = place.address.is_ipv6();
        *self.half_open.entry(listener).or_default() += 1;
        let end = StreamEnd::connecting(self.settings.receive_buffer, self.settings.send_buffer);
        let window = end.first_window();
        let conn = self.conns.get_mut(&number).expect("it was just looked at");
        let [client, server] = conn.addresses;
        // A dual-stack listener sees an IPv4 peer as `::ffff:a.b.c.d`, and itself too.
        let mapped = ipv6 && server.is_ipv4();
        let seen = |address: SocketAddr| if mapped { map_to_ipv6(address) } else { address };
        let socket = Socket::new(end, seen(server), seen(client), Owner::HalfOpen(listener));
        conn.ends[Side::Server as usize] = End::Here(Box::new(socket));
        conn.sabotage = sabotage;
        let timer = self.plan(HALF_OPEN, Event::HalfOpenExpired(number));
        self.set_timer(number, Side::Server, timer);
        self.transmit(end_id(number, Side::Server), Packet::Welcome(window));
    }

    fn refuse(&mut self, number: u64) {
        self.note_end(number, Side::Client, Happening::Refused);
        let Some([Some(client), Some(server)]) = self.conns.get(&number).map(|conn| conn.hosts) else {
            return;
        };
        let due = self.paths.travel(self.now, server, client, 0, &mut self.network_dice);
        self.timeline.plan(due, Event::Refusal(number));
    }

    pub(super) fn refusal_arrives(&mut self, number: u64) {
        let Some([Some(client), Some(server)]) = self.conns.get(&number).map(|conn| conn.hosts) else {
            return;
        };
        if self.paths.is_cut(server, client) {
            return self.note_end(number, Side::Server, Happening::Dropped("the way is cut"));
        }
        self.fail_connect(number, errno::ECONNREFUSED);
    }

    pub(super) fn no_route(&mut self, number: u64) {
        self.fail_connect(number, errno::EHOSTUNREACH);
    }

    fn fail_connect(&mut self, number: u64, code: i32) {
        let id = end_id(number, Side::Client);
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let timer = conn.handshake[Side::Client as usize].take();
        self.timeline.cancel(timer);
        if code == errno::ETIMEDOUT && self.socket(id).is_some_and(|socket| socket.end.is_connecting()) {
            self.note_net(id, Happening::TimedOut);
        }
        self.with_end(id, |end| end.refuse(code));
    }

    /// The second part of the handshake is at the client.
    pub(super) fn welcome_arrives(&mut self, number: u64, window: usize) {
        let id = end_id(number, Side::Client);
        if !self.socket(id).is_some_and(|socket| socket.end.is_connecting()) {
            return self.send_segment(id, Segment::Reset);
        }
        let timer = self.conns.get_mut(&number).and_then(|conn| conn.handshake[0].take());
        self.timeline.cancel(timer);
        self.note_net(id, Happening::Connected);
        let ours = self.socket(id).map_or(0, |socket| socket.end.first_window());
        self.transmit(id, Packet::Thanks(ours));
        self.with_end(id, |end| end.open(window));
    }

    /// Whether the third part of a handshake finds no room in the queue: it is repeated, with what was sent behind it.
    pub(super) fn thanks_come_too_early(&self, number: u64) -> bool {
        let id = end_id(number, Side::Server);
        let owner = self.socket(id).map(|socket| socket.owner);
        matches!(owner, Some(Owner::HalfOpen(listener)) if !self.has_room(listener))
    }

    /// The third part is at the server.
    pub(super) fn thanks_arrive(&mut self, number: u64, window: usize) {
        let id = end_id(number, Side::Server);
        let Some(Owner::HalfOpen(listener)) = self.socket(id).map(|socket| socket.owner) else {
            return self.send_segment(id, Segment::Reset);
        };
        self.end_half_open(number, listener);
        self.note_net(id, Happening::Connected);
        if let Some(socket) = self.socket_mut(id) {
            socket.owner = Owner::Backlog(listener);
        }
        if let Some((_, place)) = self.listeners.get_mut(&listener) {
            place.queue.push_back(id);
        }
        self.with_end(id, |end| end.open(window));
        self.announce(listener);
    }

    /// The server's end of a handshake that will not be done.
    pub(super) fn drop_half_open(&mut self, id: u64, tell: bool) {
        let (number, side) = super::conn::end_of(id);
        let Some(Owner::HalfOpen(listener)) = self.socket(id).map(|socket| socket.owner) else { return };
        self.end_half_open(number, listener);
        if tell {
            self.send_segment(id, Segment::Reset);
        }
        self.remove_end(number, side, End::Over);
        self.bury(number);
    }

    pub(super) fn half_open_expired(&mut self, number: u64) {
        self.drop_half_open(end_id(number, Side::Server), true);
    }

    fn end_half_open(&mut self, number: u64, listener: u64) {
        let timer = self.conns.get_mut(&number).and_then(|conn| conn.handshake[1].take());
        self.timeline.cancel(timer);
        if let Some(count) = self.half_open.get_mut(&listener) {
            *count -= 1;
            if *count == 0 {
                self.half_open.remove(&listener);
            }
        }
    }

    /// Who answers at `address` of `host`; listeners that share a port take turns.
    fn listener_for(&self, host: usize, address: SocketAddr) -> Option<u64> {
        let ours =
            self.machines[host].listeners.iter().filter_map(|id| Some((*id, &self.listeners.get(id)?.1)));
        ours.filter(|(_, listener)| listener.hears(address))
            .min_by_key(|(id, listener)| (listener.address.ip().is_unspecified(), listener.arrived, *id))
            .map(|(id, _)| id)
    }
}
