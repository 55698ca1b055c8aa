//! What a trace says of hosts and connections, as far as a picture shows it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::glyph::Glyph;
use super::scale::Point;
use crate::scripted::call::{Call, Outcome};
use crate::sim::trace::{Happening, SocketId, Trace, TraceEvent};

/// The client's side of a connection, and the server's.
pub(super) const CLIENT: usize = 0;
pub(super) const SERVER: usize = 1;

/// Everything that is drawn.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) hosts: Vec<HostLine>,
    pub(super) conns: Vec<Conn>,
    pub(super) cuts: Vec<Cut>,
    pub(super) begin: u64,
    pub(super) end: u64,
    /// How many events the trace did not keep.
    pub(super) missing: u64,
}

/// A host through time.
#[derive(Debug)]
pub(super) struct HostLine {
    pub(super) name: String,
    /// When nothing ran on it, from and to; with where it ends unknown, to the end of the picture.
    pub(super) outages: Vec<(Point, Option<Point>)>,
    pub(super) marks: Vec<Mark>,
}

/// A connection, or an attempt to make one.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) number: u64,
    /// Of the client and of the server; unknown if nobody has the address, or if the trace began too late.
    pub(super) hosts: [Option<usize>; 2],
    pub(super) to: Option<String>,
    pub(super) dialed: Option<Point>,
    pub(super) connected: [Option<Point>; 2],
    pub(super) strokes: Vec<Stroke>,
    pub(super) marks: Vec<Mark>,
    pub(super) begin: Point,
    pub(super) end: Point,
}

/// Something that went from one end to the other.
#[derive(Debug)]
pub(super) struct Stroke {
    pub(super) what: Carried,
    /// The side that sent it.
    pub(super) side: usize,
    /// When it left; the same as `at` if the trace does not say.
    pub(super) from: Point,
    pub(super) at: Point,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Data {
        bytes: u64,
        pieces: u32,
    },
    Fin,
    Reset,
    /// A first segment that was refused.
    Refused,
}

/// Something that happened at a place.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) glyph: Glyph,
    /// The side of the connection; for hosts without meaning.
    pub(super) side: usize,
    pub(super) at: Point,
    pub(super) words: String,
}

/// Nothing got from `from` to `to` for a while.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) begin: Point,
    pub(super) end: Option<Point>,
}

/// What is known of a connection while the trace is read.
struct Draft {
    conn: Conn,
    /// What each side sent and the other did not get, if the trace has all of it.
    sent: [VecDeque<(Point, u64)>; 2],
    /// When each side closed, or otherwise began its end.
    closed: [Option<Point>; 2],
}

impl Scene {
    /// Reads `trace`, that ends `now`, of the hosts of these names and addresses, in the order in which they were made.
    pub(super) fn read(trace: &Trace, hosts: Vec<(String, Vec<IpAddr>)>, now: u64) -> Self {
        let events = trace.events();
        let missing = trace.count() - events.len() as u64;
        let begin = events.first().filter(|_| missing > 0).map_or(0, |event| event.at.as_nanos());
        let mut reader = Reader {
            places: hosts.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect(),
            addresses: BTreeMap::new(),
            drafts: BTreeMap::new(),
            scene: Self { begin, end: now, missing, ..Self::default() },
        };
        for (index, (name, addresses)) in hosts.into_iter().enumerate() {
            reader.addresses.extend(addresses.into_iter().map(|address| (address, index)));
            reader.scene.hosts.push(HostLine { name, outages: Vec::new(), marks: Vec::new() });
        }
        events.iter().for_each(|event| reader.read(event));
        reader.scene.conns = reader.drafts.into_values().map(|draft| draft.conn).collect();
        reader.scene
    }

    /// All places of the connections and hosts that need one, sorted.
    pub(super) fn points(&self) -> Vec<Point> {
        let mut points = vec![(self.begin, 0), (self.end, u64::MAX)];
        for conn in &self.conns {
            points.extend([conn.begin, conn.end]);
            points.extend(conn.dialed.into_iter().chain(conn.connected.into_iter().flatten()));
            points.extend(conn.strokes.iter().flat_map(|stroke| [stroke.from, stroke.at]));
            points.extend(conn.marks.iter().filter(|mark| mark.glyph != Glyph::Fault).map(|mark| mark.at));
        }
        for host in &self.hosts {
            points.extend(host.marks.iter().filter(|mark| mark.glyph != Glyph::Fault).map(|mark| mark.at));
        }
        points.extend(self.cuts.iter().flat_map(|cut| std::iter::once(cut.begin).chain(cut.end)));
        points.sort_unstable();
        points.dedup();
        points
    }
}

struct Reader {
    places: BTreeMap<String, usize>,
    addresses: BTreeMap<IpAddr, usize>,
    drafts: BTreeMap<u64, Draft>,
    scene: Scene,
}

impl Reader {
    fn read(&mut self, event: &TraceEvent) {
        let point = (event.at.as_nanos(), event.number);
        let host = event.host.as_ref().and_then(|name| self.places.get(&**name)).copied();
        let (number, side) = match event.socket {
            Some(SocketId::Client(number)) => (number, CLIENT),
            Some(SocketId::Server(number)) => (number, SERVER),
            _ => return self.read_host(host, point, &event.what),
        };
        if matches!(event.what, Happening::Callback(_)) {
            return;
        }
        let draft = self.drafts.entry(number).or_insert_with(|| Draft::new(number, point));
        draft.conn.hosts[side] = draft.conn.hosts[side].or(host);
        draft.conn.end = point;
        if let Happening::Dialed { to, .. } = &event.what {
            draft.conn.dialed = Some(point);
            draft.conn.to = Some(to.to_string());
            let own = host.filter(|_| to.ip().is_loopback());
            draft.conn.hosts[SERVER] = own.or_else(|| self.addresses.get(&to.ip()).copied());
        } else {
            draft.read(side, point, &event.what);
        }
    }

    fn read_host(&mut self, host: Option<usize>, at: Point, what: &Happening) {
        let Some(host) = host else { return };
        let begin = (self.scene.begin, 0);
        let mut outage_ends = false;
        let glyph = match what {
            Happening::Crashed => Glyph::Crash,
            Happening::Killed => Glyph::Kill,
            Happening::Restarted => {
                outage_ends = true;
                Glyph::Restart
            }
            Happening::Call { fault: true, .. } => Glyph::Fault,
            Happening::Cut(to) => return self.cut(host, to, at),
            Happening::Healed(to) => return self.heal(host, to, at),
            _ => return,
        };
        let line = &mut self.scene.hosts[host];
        if outage_ends {
            match line.outages.last_mut().filter(|(_, end)| end.is_none()) {
                Some((_, end)) => *end = Some(at),
                // It was down when the trace began.
                None => line.outages.push((begin, Some(at))),
            }
        } else if glyph != Glyph::Fault && line.outages.last().is_none_or(|(_, end)| end.is_some()) {
            line.outages.push((at, None));
        }
        line.marks.push(Mark { glyph, side: CLIENT, at, words: what.to_string() });
    }

    fn cut(&mut self, from: usize, to: &str, begin: Point) {
        let Some(&to) = self.places.get(to) else { return };
        self.scene.cuts.push(Cut { from, to, begin, end: None });
    }

    fn heal(&mut self, from: usize, to: &str, at: Point) {
        let Some(&to) = self.places.get(to) else { return };
        let begin = (self.scene.begin, 0);
        let open = |cut: &&mut Cut| (cut.from, cut.to, cut.end) == (from, to, None);
        match self.scene.cuts.iter_mut().find(open) {
            Some(cut) => cut.end = Some(at),
            None => self.scene.cuts.push(Cut { from, to, begin, end: Some(at) }),
        }
    }
}

impl Draft {
    fn new(number: u64, at: Point) -> Self {
        let conn = Conn {
            number,
            hosts: [None; 2],
            to: None,
            dialed: None,
            connected: [None; 2],
            strokes: Vec::new(),
            marks: Vec::new(),
            begin: at,
            end: at,
        };
        Self { conn, sent: Default::default(), closed: [None; 2] }
    }

    fn read(&mut self, side: usize, at: Point, what: &Happening) {
        let glyph = match what {
            Happening::Call { call, outcome, fault } => {
                self.read_call(side, at, *call, outcome);
                if !fault {
                    return;
                }
                Glyph::Fault
            }
            Happening::Connected => {
                self.conn.connected[side] = Some(at);
                return;
            }
            Happening::Delivered { bytes } => return self.delivered(1 - side, at, *bytes),
            Happening::FinArrived => return self.ended(1 - side, at, Carried::Fin),
            Happening::ResetArrived => return self.ended(1 - side, at, Carried::Reset),
            Happening::Refused => {
                let from = self.conn.dialed.unwrap_or(at);
                self.conn.strokes.push(Stroke { what: Carried::Refused, side, from, at });
                return;
            }
            Happening::Lost { .. } => Glyph::Lost,
            Happening::Dropped(_) => Glyph::Dropped,
            Happening::Held => Glyph::Held,
            Happening::Released => Glyph::Released,
            Happening::TimedOut => Glyph::Timeout,
            Happening::Unknown | Happening::Sabotaged { .. } => {
                // What answers is a reset.
                self.closed[side] = Some(at);
                if *what == Happening::Unknown { Glyph::Nobody } else { Glyph::Sabotage }
            }
            _ => return,
        };
        self.conn.marks.push(Mark { glyph, side, at, words: what.to_string() });
    }

    fn read_call(&mut self, side: usize, at: Point, call: Call, outcome: &Outcome) {
        match (call, outcome) {
            // Of a connection whose beginning is not there nobody knows what is on its way.
            (Call::Send, Outcome::Count(count)) if *count > 0 && self.conn.dialed.is_some() => {
                self.sent[side].push_back((at, *count as u64));
            }
            (Call::Close | Call::ShutdownWrite, Outcome::Done) => self.closed[side] = Some(at),
            _ => {}
        }
    }

    fn delivered(&mut self, side: usize, at: Point, bytes: u64) {
        let from = self.sent[side].front().map_or(at, |(from, _)| *from);
        let mut left = bytes;
        while let Some((_, unsent)) = self.sent[side].front_mut() {
            if *unsent > left {
                *unsent -= left;
                break;
            }
            left -= *unsent;
            self.sent[side].pop_front();
        }
        // Segments that left together and arrive together are one.
        if let Some(Stroke {
            what: Carried::Data { bytes: sum, pieces },
            side: same,
            from: left,
            at: there,
        }) = self.conn.strokes.last_mut()
        {
            if *same == side && left.0 == from.0 && there.0 == at.0 {
                *sum += bytes;
                *pieces += 1;
                return;
            }
        }
        self.conn.strokes.push(Stroke { what: Carried::Data { bytes, pieces: 1 }, side, from, at });
    }

    fn ended(&mut self, side: usize, at: Point, what: Carried) {
        let from = self.closed[side].unwrap_or(at);
        self.conn.strokes.push(Stroke { what, side, from, at });
    }
}

impl Conn {
    /// How many bytes arrived from each side.
    pub(super) fn bytes(&self) -> [u64; 2] {
        let mut sums = [0; 2];
        for stroke in &self.strokes {
            if let Carried::Data { bytes, .. } = stroke.what {
                sums[stroke.side] += bytes;
            }
        }
        sums
    }

    /// Everything about it that has a glyph, strokes included: the glyph, the side where it is, when, how often it stands for.
    pub(super) fn glyphs(&self) -> impl Iterator<Item = (Glyph, usize, Point)> + '_ {
        let strokes = self.strokes.iter().filter_map(|stroke| {
            let glyph = match stroke.what {
                Carried::Data { .. } => return None,
                Carried::Fin => Glyph::Fin,
                Carried::Reset => Glyph::Reset,
                Carried::Refused => Glyph::Refused,
            };
            Some((glyph, 1 - stroke.side, stroke.at))
        });
        strokes.chain(self.marks.iter().map(|mark| (mark.glyph, mark.side, mark.at)))
    }
}
