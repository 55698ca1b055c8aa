//! Segments on their way: when they arrive, what holds them up, and what they find.
//!
//! Nothing overtakes: each direction of a connection is a queue, and what arrives before its turn is taken when that comes.
//! What arrives at a way that is cut, or at a machine without power, stays at the head of its queue and is *held* with
//! everything behind it, until the way is open again: then it arrives one latency later. A loss is the delay of the
//! repetitions that it takes.

use std::time::Duration;

use twistor_reactor::Moment;
use twistor_reactor::kernel::{SocketOption, SocketOptionKind};

use super::conn::{Conn, End, InFlight, Owner, Packet, Sabotage, Side, end_id, end_of};
use super::paths::later;
use super::timeline::Event;
use super::trace::Happening;
use super::world::World;
use crate::errno;
use crate::scripted::socket::kind_of;
use crate::stream::Segment;

/// After how long a lost segment is repeated first; twice as long each further time, up to the longest.
const REPEAT: Duration = Duration::from_millis(200);
const LONGEST_REPEAT: Duration = Duration::from_secs(120);
/// As above, for the parts of a handshake.
const REPEAT_HANDSHAKE: Duration = Duration::from_secs(1);

impl World {
    /// Puts a segment of the end `id` on its way, cut into pieces that the way takes.
    pub(super) fn send_segment(&mut self, id: u64, segment: Segment) {
        let (number, side) = end_of(id);
        let Segment::Data(bytes) = segment else { return self.transmit(id, Packet::Segment(segment)) };
        let hosts = self
            .conns
            .get(&number)
            .map(|conn| (conn.hosts[side as usize], conn.hosts[side.other() as usize]));
        let Some((Some(from), Some(to))) = hosts else { return };
        let piece = self.paths.quality(from, to).segment;
        if bytes.len() <= piece {
            return self.transmit(id, Packet::Segment(Segment::Data(bytes)));
        }
        for piece in bytes.chunks(piece) {
            self.transmit(id, Packet::Segment(Segment::Data(piece.to_vec())));
        }
    }

    /// Puts one packet of the end `id` on its way; the end need not exist any more.
    pub(super) fn transmit(&mut self, id: u64, packet: Packet) {
        let (number, side) = end_of(id);
        let Some(conn) = self.conns.get(&number) else { return };
        let (Some(from), Some(to)) = (conn.hosts[side as usize], conn.hosts[side.other() as usize]) else {
            return;
        };
        let arrives = self.paths.travel(self.now, from, to, packet.len(), &mut self.network_dice);
        let delay = self.delay_of_losses(id, from, to, &packet);
        let wire = &mut self.conns.get_mut(&number).expect("it was just looked at").wires[side as usize];
        let due = delay.map_or(Moment::MAX, |delay| later(arrives, delay));
        wire.queue.push_back(InFlight { due, sent: self.now, packet });
        if due < Moment::MAX {
            self.timeline.plan(due, Event::Arrival(number, side));
        } else {
            self.watch_patience(number, side);
        }
    }

    /// Every sender that waits for room on a way that was just cut, or at a machine that lost power, begins to lose patience.
    pub(super) fn probe_all(&mut self) {
        for id in self.ends_of(|socket| socket.end.unsent() > 0) {
            self.probe(id);
        }
    }

    /// Asks for room where no answer can come, if this end waits for room and nothing else of it is on its way.
    pub(super) fn probe(&mut self, id: u64) {
        let (number, side) = end_of(id);
        let Some(conn) = self.conns.get(&number) else { return };
        let waits =
            conn.socket(side).is_some_and(|socket| !socket.end.is_connecting() && socket.end.unsent() > 0);
        let (Some(from), Some(to)) = (conn.hosts[side as usize], conn.hosts[side.other() as usize]) else {
            return;
        };
        let idle = conn.wires[side as usize].queue.is_empty();
        if waits && idle && (self.paths.is_cut(from, to) || !self.is_up(to)) {
            self.transmit(id, Packet::Probe);
        }
    }

    /// How much later a packet arrives since it was lost; `None` if its sender gives up before it comes through.
    fn delay_of_losses(&mut self, id: u64, from: usize, to: usize, packet: &Packet) -> Option<Duration> {
        let loss = self.paths.quality(from, to).loss;
        let (mut total, mut times) = (Duration::ZERO, 0);
        if loss <= 0.0 || !packet.is_repeated() {
            return Some(total);
        }
        let mut wait = if matches!(packet, Packet::Segment(_)) { REPEAT } else { REPEAT_HANDSHAKE };
        while total <= self.settings.patience && self.network_dice.chance(loss) {
            total += wait;
            wait = (wait * 2).min(LONGEST_REPEAT);
            times += 1;
        }
        if times > 0 {
            self.note_net(id, Happening::Lost { times });
        }
        (total <= self.settings.patience).then_some(total)
    }

    /// What `side` of a connection sent is at the other end, as far as it is due.
    pub(super) fn arrive(&mut self, number: u64, side: Side) {
        loop {
            let Some(conn) = self.conns.get_mut(&number) else { return };
            let hosts = (conn.hosts[side as usize], conn.hosts[side.other() as usize]);
            let wire = &mut conn.wires[side as usize];
            if wire.queue.front().is_none_or(|first| first.due > self.now) {
                break;
            }
            let (Some(from), Some(to)) = hosts else { return };
            if self.paths.is_cut(from, to) || !self.is_up(to) {
                return self.hold(number, side);
            }
            if self.is_early(number, side) {
                return self.postpone(number, side);
            }
            let first =
                self.conns.get_mut(&number).and_then(|conn| conn.wires[side as usize].queue.pop_front());
            if let Some(item) = first {
                self.deliver(number, side.other(), item.packet);
            }
        }
        self.bury(number);
    }

    fn is_early(&self, number: u64, side: Side) -> bool {
        let first = self.conns.get(&number).and_then(|conn| conn.wires[side as usize].queue.front());
        matches!(first.map(|item| &item.packet), Some(Packet::Thanks(_)))
            && self.thanks_come_too_early(number)
    }

    /// What the server has no room for is repeated after a while, everything behind it too.
    fn postpone(&mut self, number: u64, side: Side) {
        self.note_end(number, side, Happening::Dropped("the backlog is full"));
        self.delay_wire(number, side, later(self.now, REPEAT_HANDSHAKE));
    }

    fn hold(&mut self, number: u64, side: Side) {
        let wire =
            &mut self.conns.get_mut(&number).expect("its wire was just looked at").wires[side as usize];
        if !std::mem::replace(&mut wire.held, true) {
            self.note_end(number, side, Happening::Held);
            self.held.insert((number, side));
        }
        self.watch_patience(number, side);
    }

    /// The sender of what cannot be delivered will give up, if it still waits for an answer.
    fn watch_patience(&mut self, number: u64, side: Side) {
        let Some(conn) = self.conns.get(&number) else { return };
        let wire = &conn.wires[side as usize];
        let (Some(since), None, Some(_)) = (wire.waits_since(), wire.give_up, conn.socket(side)) else {
            return;
        };
        let at = later(since, self.patience_of(conn, side)).max(self.now);
        let key = self.timeline.plan(at, Event::GiveUp(number, side));
        if let Some(conn) = self.conns.get_mut(&number) {
            conn.wires[side as usize].give_up = Some(key);
        }
    }

    fn patience_of(&self, conn: &Conn, side: Side) -> Duration {
        let options = conn.socket(side).map_or(&[][..], |socket| &socket.options);
        let own = options.iter().find(|option| kind_of(option).ok() == Some(SocketOptionKind::UserTimeout));
        match own {
            Some(SocketOption::UserTimeout(Some(time))) => *time,
            _ => self.settings.patience,
        }
    }

    /// The patience of `side` is at its end.
    pub(super) fn give_up(&mut self, number: u64, side: Side) {
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let wire = &mut conn.wires[side as usize];
        wire.give_up = None;
        wire.queue.clear();
        wire.held = false;
        self.held.remove(&(number, side));
        let id = end_id(number, side);
        self.note_net(id, Happening::TimedOut);
        if self.socket(id).is_some_and(|socket| matches!(socket.owner, Owner::HalfOpen(_))) {
            return self.drop_half_open(id, false);
        }
        self.with_end(id, |end| end.give_up(errno::ETIMEDOUT));
        self.bury(number);
    }

    /// Sends what was held on ways that are open again.
    pub(super) fn release(&mut self) {
        for (number, side) in self.held.clone() {
            let Some(conn) = self.conns.get(&number) else { continue };
            let (Some(from), Some(to)) = (conn.hosts[side as usize], conn.hosts[side.other() as usize])
            else {
                continue;
            };
            if !self.paths.is_cut(from, to) && self.is_up(to) {
                self.held.remove(&(number, side));
                let again = later(self.now, self.paths.quality(from, to).latency);
                self.send_held(number, side, again);
            }
        }
    }

    fn send_held(&mut self, number: u64, side: Side, again: Moment) {
        self.note_end(number, side, Happening::Released);
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let wire = &mut conn.wires[side as usize];
        wire.held = false;
        let patience = wire.give_up.take();
        self.timeline.cancel(patience);
        self.delay_wire(number, side, again);
    }

    /// Nothing of this wire arrives before `until`.
    fn delay_wire(&mut self, number: u64, side: Side, until: Moment) {
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let wire = &mut conn.wires[side as usize];
        let mut moments = Vec::new();
        for item in &mut wire.queue {
            item.due = item.due.max(until);
            moments.push(item.due);
        }
        moments.dedup();
        for at in moments.into_iter().filter(|at| *at < Moment::MAX) {
            self.timeline.plan(at, Event::Arrival(number, side));
        }
    }

    /// One packet is at the end it was sent to.
    fn deliver(&mut self, number: u64, to: Side, packet: Packet) {
        match packet {
            Packet::Welcome(window) => self.welcome_arrives(number, window),
            Packet::Thanks(window) => self.thanks_arrive(number, window),
            Packet::Probe => self.probe_arrives(number, to),
            Packet::Segment(segment) => self.segment_arrives(number, to, segment),
        }
    }

    fn segment_arrives(&mut self, number: u64, to: Side, segment: Segment) {
        let id = end_id(number, to);
        let Some(conn) = self.conns.get_mut(&number) else { return };
        let speaks = matches!(segment, Segment::Data(_) | Segment::Fin);
        let forgotten = match &conn.ends[to as usize] {
            End::Unborn => return,
            End::Vanished => segment != Segment::Reset,
            End::Over => speaks,
            End::Here(socket) => speaks && socket.end.is_dead(),
        };
        if forgotten || (speaks && matches!(conn.sabotage, Sabotage::Done)) {
            self.note_net(id, Happening::Unknown);
            return self.send_segment(id, Segment::Reset);
        }
        let (segment, strike) = sabotage(conn, to, segment);
        let half_open = conn.socket(to).is_some_and(|socket| matches!(socket.owner, Owner::HalfOpen(_)));
        self.note_arrival(id, &segment);
        if half_open && segment == Segment::Reset {
            return self.drop_half_open(id, false);
        }
        self.with_end(id, |end| end.handle(segment));
        if let Some(reset) = strike {
            self.note_net(id, Happening::Sabotaged { reset });
            if reset {
                self.with_end(id, |end| end.handle(Segment::Reset));
                self.send_segment(id, Segment::Reset);
            } else {
                self.with_end(id, |end| end.handle(Segment::Fin));
            }
        }
    }

    /// An end that is there has said by itself what room it has.
    fn probe_arrives(&mut self, number: u64, to: Side) {
        let gone = |conn: &Conn| !matches!(conn.ends[to as usize], End::Here(_));
        if self.conns.get(&number).is_some_and(gone) {
            self.note_end(number, to, Happening::Unknown);
            self.send_segment(end_id(number, to), Segment::Reset);
        }
    }

    fn note_arrival(&mut self, id: u64, segment: &Segment) {
        let happening = match segment {
            Segment::Data(bytes) => Happening::Delivered { bytes: bytes.len() as u64 },
            Segment::Fin => Happening::FinArrived,
            Segment::Reset => Happening::ResetArrived,
            Segment::Credit(_) => return,
        };
        self.note_net(id, happening);
    }
}

/// What a fault leaves of a segment that arrives at `to`, and whether it strikes behind it, with a reset or with an end.
fn sabotage(conn: &mut Conn, to: Side, segment: Segment) -> (Segment, Option<bool>) {
    let Sabotage::At { from, left, reset } = conn.sabotage else { return (segment, None) };
    let Segment::Data(mut bytes) = segment else { return (segment, None) };
    if from == to {
        return (Segment::Data(bytes), None);
    }
    let came = bytes.len() as u64;
    if came < left {
        conn.sabotage = Sabotage::At { from, left: left - came, reset };
        return (Segment::Data(bytes), None);
    }
    conn.sabotage = Sabotage::Done;
    bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
    (Segment::Data(bytes), Some(reset))
}
