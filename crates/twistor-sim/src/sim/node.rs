//! What the world knows of one reactor.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use twistor_reactor::Moment;
use twistor_reactor::kernel::{Readiness, Token};

use super::jobs::JobPool;
use super::waker::Bell;
use crate::edges::Edges;
use crate::scripted::ready::ReadyQueue;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) host: usize,
    pub(super) life: Life,
    pub(super) driver: Driver,
    pub(super) seed: u64,
    pub(super) bell: Arc<Bell>,
    pub(super) ready: ReadyQueue,
    pub(super) jobs: JobPool,
    pub(super) signals: Vec<WatchedSignal>,
    pub(super) lookups: BTreeMap<Token, Lookup>,
    /// What is registered, sockets and listeners, for faults that report one of them for nothing.
    pub(super) tokens: BTreeMap<Token, u64>,
    /// When its next timer is due, as of its last turn.
    pub(super) deadline: Option<Moment>,
    /// Its queues or timers were changed since then, from outside of its turns.
    pub(super) touched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Alive,
    /// Its loop has ended.
    Finished,
    /// Its machine or its process ended: the kernel answers nothing.
    Dead,
}

/// Who turns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    /// The world.
    World(Turning),
    /// Whoever built it.
    Hand(Handling),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handling {
    Awake,
    /// In its wait, in which others may be turned.
    Waits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turning {
    /// It has nothing to do before its deadline, as far as is known.
    Rests,
    /// It is in the queue.
    Queued,
    /// It is in its turn; what happens to it is looked at afterwards.
    Turns,
}

#[derive(Debug)]
pub(super) struct WatchedSignal {
    pub(super) token: Token,
    pub(super) signal: i32,
    pub(super) arrivals: usize,
}

#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) since: Moment,
    pub(super) answer: Option<io::Result<Vec<IpAddr>>>,
}

impl Node {
    pub(super) fn new(host: usize, driver: Driver, seed: u64, bell: Arc<Bell>) -> Self {
        Self {
            host,
            life: Life::Alive,
            driver,
            seed,
            bell,
            ready: ReadyQueue::default(),
            jobs: JobPool::default(),
            signals: Vec::new(),
            lookups: BTreeMap::new(),
            tokens: BTreeMap::new(),
            deadline: None,
            touched: false,
        }
    }

    /// Whether a turn would find something, timers and queues of its own aside.
    pub(super) fn has_news(&self) -> bool {
        !self.ready.is_empty() || self.jobs.in_line() > 0 || self.bell.is_rung()
    }

    /// Everything that belonged to it is gone. Gives what must not be dropped here.
    pub(super) fn die(&mut self) -> VecDeque<twistor_reactor::kernel::Job> {
        self.life = Life::Dead;
        self.ready = ReadyQueue::default();
        self.signals.clear();
        self.lookups.clear();
        self.tokens.clear();
        self.deadline = None;
        self.jobs.close(true)
    }
}

/// Reactors that have something to do, and those that will have.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    pub(super) queue: VecDeque<u32>,
    deadlines: BTreeSet<(Moment, u32)>,
    /// Reactors whose queues or timers were changed from outside of their turns.
    pub(super) touched: Vec<u32>,
}

impl Schedule {
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Takes the first reactor whose deadline has come.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<u32> {
        let (at, id) = *self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        Some(id)
    }

    pub(super) fn move_deadline(&mut self, id: u32, from: Option<Moment>, to: Option<Moment>) {
        if from != to {
            if let Some(from) = from {
                self.deadlines.remove(&(from, id));
            }
        }
        if let Some(to) = to {
            self.deadlines.insert((to, id));
        }
    }
}

/// An event that a fault makes up.
pub(super) fn spurious(token: Token) -> Readiness {
    Readiness::new(token).readable().writable()
}

/// What a lookup's answer and a signal show as.
pub(super) const ARRIVED: Edges = Edges::READABLE;
