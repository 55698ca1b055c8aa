//! The trace as it grows: a hash over everything, and a ring of the latest.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use twistor_reactor::Moment;

use super::dice::mix;
use super::trace::{Happening, SocketId, TraceEvent};
use crate::errno;
use crate::scripted::call::Outcome;

/// Who something happened to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) host: Option<u32>,
    pub(super) reactor: Option<u32>,
    pub(super) socket: Option<u64>,
}

/// The trace as it grows.
#[derive(Debug)]
pub(super) struct Trail {
    hash: u64,
    count: u64,
    ring: VecDeque<TraceEvent>,
    limit: usize,
    hosts: Vec<Rc<str>>,
    /// The names of callbacks, each once.
    names: BTreeMap<Rc<str>, Rc<str>>,
    text: String,
}

/// Enough for a picture of a small world (some 15 MB).
const KEPT: usize = 100_000;
/// More names than this are not kept apart: they are made up by the user, each anew.
const MOST_NAMES: usize = 10_000;

impl Default for Trail {
    fn default() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            count: 0,
            ring: VecDeque::new(),
            limit: KEPT,
            hosts: Vec::new(),
            names: BTreeMap::new(),
            text: String::new(),
        }
    }
}

impl Trail {
    pub(super) fn add_host(&mut self, name: &str) {
        self.hosts.push(name.into());
    }

    pub(super) fn host_name(&self, host: usize) -> Rc<str> {
        self.hosts.get(host).cloned().unwrap_or_else(|| "-".into())
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn kept(&self) -> Vec<TraceEvent> {
        self.ring.iter().cloned().collect()
    }

    pub(super) fn keep(&mut self, limit: usize) {
        self.limit = limit;
        while self.ring.len() > limit {
            self.ring.pop_front();
        }
    }

    pub(super) fn note_callback(&mut self, at: Moment, origin: Origin, what: &dyn fmt::Display) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        // A name that cannot be written is as good as what it wrote so far.
        let _ = write!(text, "{what}");
        let name = match self.names.get(text.as_str()) {
            Some(name) => Rc::clone(name),
            None => {
                let name: Rc<str> = text.as_str().into();
                if self.names.len() < MOST_NAMES {
                    self.names.insert(Rc::clone(&name), Rc::clone(&name));
                }
                name
            }
        };
        self.text = text;
        self.note(at, origin, Happening::Callback(name));
    }

    pub(super) fn note(&mut self, at: Moment, origin: Origin, what: Happening) {
        let Origin { host, reactor, socket } = origin;
        self.fold(at.as_nanos());
        let places = [host, reactor].map(|number| number.map_or(0, |number| u64::from(number) + 1));
        self.fold(places[0] << 32 | places[1]);
        self.fold(socket.map_or(0, |socket| socket.wrapping_add(1)));
        self.fold_happening(&what);
        let number = self.count;
        self.count += 1;
        if self.limit == 0 {
            return;
        }
        if self.ring.len() >= self.limit {
            self.ring.pop_front();
        }
        let host = host.and_then(|host| self.hosts.get(host as usize)).cloned();
        self.ring.push_back(TraceEvent { number, at, host, reactor, socket: socket.map(SocketId::of), what });
    }

    fn fold_happening(&mut self, what: &Happening) {
        match what {
            Happening::Call { call, outcome, fault } => {
                self.fold(1 << 32 | (*call as u64) << 1 | u64::from(*fault));
                self.fold_outcome(outcome);
            }
            Happening::Callback(name) => self.fold_text(2, name),
            Happening::Dialed { from, to } => {
                self.fold(3);
                self.fold_address(from);
                self.fold_address(to);
            }
            Happening::Connected => self.fold(4),
            Happening::Refused => self.fold(5),
            Happening::Delivered { bytes } => self.fold(6 << 56 | bytes),
            Happening::FinArrived => self.fold(7),
            Happening::ResetArrived => self.fold(8),
            Happening::Lost { times } => self.fold(9 << 56 | u64::from(*times)),
            Happening::Dropped(why) => self.fold_text(10, why),
            Happening::Held => self.fold(11),
            Happening::Released => self.fold(12),
            Happening::TimedOut => self.fold(13),
            Happening::Unknown => self.fold(14),
            Happening::Sabotaged { reset } => self.fold(15 << 56 | u64::from(*reset)),
            Happening::Crashed => self.fold(16),
            Happening::Killed => self.fold(17),
            Happening::Restarted => self.fold(18),
            Happening::Cut(to) => self.fold_text(19, to),
            Happening::Healed(to) => self.fold_text(20, to),
        }
    }

    fn fold_outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done => self.fold(1),
            Outcome::Count(count) => self.fold(2 << 56 | *count as u64),
            Outcome::WouldBlock => self.fold(3),
            // Systems number their errors differently.
            Outcome::Errno(code) => self.fold(4 << 56 | u64::from(errno::canonical(*code).unsigned_abs())),
            // The numbers of kinds are the compiler's; their names are not.
            Outcome::Error(kind) => self.fold_text(5, kind_name(*kind)),
        }
    }

    fn fold_address(&mut self, address: &SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => self.fold(u64::from(ip.to_bits())),
            IpAddr::V6(ip) => {
                self.fold((ip.to_bits() >> 64) as u64);
                self.fold(ip.to_bits() as u64);
            }
        }
        self.fold(u64::from(address.port()));
    }

    fn fold_text(&mut self, tag: u64, text: &str) {
        self.fold(tag << 56 | text.len() as u64);
        for piece in text.as_bytes().chunks(8) {
            self.fold(piece.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    /// One word into the hash. The order matters: each step is one to one in what was there and mixes it well.
    const fn fold(&mut self, word: u64) {
        self.hash = mix(self.hash.rotate_left(5) ^ word).wrapping_mul(0x0100_0000_01b3);
    }
}

/// Those that the library makes itself.
const fn kind_name(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::Unsupported => "unsupported",
        io::ErrorKind::NetworkDown => "network down",
        io::ErrorKind::NotFound => "not found",
        io::ErrorKind::TimedOut => "timed out",
        _ => "other",
    }
}
