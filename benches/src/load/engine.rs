//! [`Engine`]: epoll, the pattern, and the patience that all workloads share.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::link::{Link, Stage};
use super::{LoadError, Pattern, clock};

/// How many connections are being made at a time: few beside any backlog.
const CONNECTING: usize = 256;

/// How many connections are made before it is made sure that the server has accepted them: few beside a backlog
/// of 4,096.
const UNACCEPTED: usize = 1_000;

/// How much is read at a time. Four times what a piece of a stream has.
const SCRATCH: usize = 262_144;

/// How far the bytes of one link are from those of the next one.
const STRIDE: u64 = 4_099;

/// Epoll, the pattern and the patience. It watches links, whose number in a list their events carry, for bytes, and
/// for room as long as they have unsent ones.
///
/// Readiness is level-triggered: one read an event is enough then, and a stream that is not read for a while loses nothing.
pub(super) struct Engine {
    server: SocketAddr,
    epoll: OwnedFd,
    pattern: Pattern,
    scratch: Vec<u8>,
    stall: Duration,
    moved: Instant,
}

impl Engine {
    pub(super) fn new(server: SocketAddr, pattern: Pattern, stall: Duration) -> Result<Self, LoadError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(wait_failed)?;
        Ok(Self { server, epoll, pattern, scratch: vec![0; SCRATCH], stall, moved: clock::now() })
    }

    /// Begins to make a connection, whose events carry `index`. It is watched.
    pub(super) fn open(&mut self, index: usize, number: usize) -> Result<Link, LoadError> {
        let failed = |source| LoadError::Connect { connection: number, source };
        let link = Link::open(number, number as u64 * STRIDE, self.server).map_err(failed)?;
        let interest = if link.stage == Stage::Open { EventFlags::IN } else { EventFlags::OUT };
        epoll::add(&self.epoll, link.fd(), EventData::new_u64(index as u64), interest)
            .map_err(wait_failed)?;
        self.moved = clock::now();
        Ok(link)
    }

    /// Watches `link` for `interest` from now on.
    pub(super) fn watch(&self, index: usize, link: &Link, interest: EventFlags) -> Result<(), LoadError> {
        epoll::modify(&self.epoll, link.fd(), EventData::new_u64(index as u64), interest).map_err(wait_failed)
    }

    /// Takes note that something moved at `now`.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// Waits for events, which replace those in `ready`. There is at least one. `waiting` says what for.
    pub(super) fn wait(
        &self,
        ready: &mut Vec<Event>,
        waiting: impl FnOnce() -> String,
    ) -> Result<(), LoadError> {
        ready.clear();
        while ready.is_empty() {
            let left = self.stall.saturating_sub(clock::now().saturating_duration_since(self.moved));
            if left.is_zero() {
                return Err(LoadError::Stalled { after: self.stall, waiting: waiting() });
            }
            self.wait_for(ready, left)?;
        }
        Ok(())
    }

    /// Waits for events for `time` at most, and adds them to `ready`.
    pub(super) fn wait_for(&self, ready: &mut Vec<Event>, time: Duration) -> Result<(), LoadError> {
        ready.reserve(1_024);
        let timeout = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        match epoll::wait(&self.epoll, spare_capacity(ready), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(wait_failed(error)),
        }
    }

    /// Sends what `link` may send, and watches it for room if something is left and `was_blocked` says that it is not watched
    /// for that yet, or the other way round.
    pub(super) fn send(&self, index: usize, link: &mut Link, was_blocked: bool) -> Result<(), LoadError> {
        link.send(&self.pattern)?;
        match (was_blocked, link.sent < link.wanted) {
            (false, true) => self.watch(index, link, EventFlags::IN | EventFlags::OUT),
            (true, false) => self.watch(index, link, EventFlags::IN),
            _ => Ok(()),
        }
    }

    /// Does what an event of `link` asks for: connects, sends, or reads once. The number of bytes that came.
    pub(super) fn serve(
        &mut self,
        index: usize,
        link: &mut Link,
        flags: EventFlags,
    ) -> Result<usize, LoadError> {
        if link.stage == Stage::Connecting {
            link.opened()?;
            self.moved = clock::now();
            self.watch(index, link, EventFlags::IN)?;
            // It may have been asked already.
            self.send(index, link, false)?;
            return Ok(0);
        }
        if flags.contains(EventFlags::OUT) && link.sent < link.wanted {
            self.send(index, link, true)?;
            self.moved = clock::now();
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(0);
        }
        let count = link.receive(&mut self.scratch, &self.pattern)?;
        if link.stage == Stage::Closed {
            epoll::delete(&self.epoll, link.fd()).map_err(wait_failed)?;
        }
        Ok(count)
    }

    /// Sends what a link that never reads may send. It is watched for room as long as something is left, and then for nothing.
    pub(super) fn push(&mut self, index: usize, link: &mut Link, flags: EventFlags) -> Result<(), LoadError> {
        if link.stage == Stage::Connecting {
            link.opened()?;
        }
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            return Err(link.broken());
        }
        link.send(&self.pattern)?;
        self.moved = clock::now();
        if link.sent == link.wanted { self.watch(index, link, EventFlags::empty()) } else { Ok(()) }
    }

    /// Waits until `link` has received what it is owed, while no other is.
    pub(super) fn drain_one(&mut self, index: usize, link: &mut Link) -> Result<(), LoadError> {
        let mut ready = Vec::new();
        while link.received < link.owed {
            self.wait(&mut ready, || format!("connection {index} is owed bytes"))?;
            for event in &ready {
                if event.data.u64() as usize != index {
                    // Nobody else is owed anything: the server's next words to it will be looked at when it closes.
                    continue;
                }
                self.serve(index, link, event.flags)?;
            }
        }
        Ok(())
    }

    /// Makes `count` more connections and waits until they are made, and if the server `echoes`, until it has accepted them, too.
    pub(super) fn open_many(
        &mut self,
        links: &mut Vec<Link>,
        count: usize,
        echoes: bool,
    ) -> Result<(), LoadError> {
        let mut ready = Vec::new();
        let goal = links.len() + count;
        let mut since = 0;
        while links.len() < goal {
            let first = links.len();
            for index in first..goal.min(first + CONNECTING) {
                links.push(self.open(index, index)?);
            }
            let mut missing = links[first..].iter().filter(|link| link.stage == Stage::Connecting).count();
            while missing > 0 {
                self.wait(&mut ready, || format!("{missing} connections are being made"))?;
                for event in &ready {
                    let index = event.data.u64() as usize;
                    let Some(link) = links.get_mut(index) else { continue };
                    let was = link.stage;
                    self.serve(index, link, event.flags)?;
                    missing -= usize::from(was == Stage::Connecting);
                }
            }
            since += links.len() - first;
            if echoes && (since >= UNACCEPTED || links.len() == goal) {
                self.barrier(links.len())?;
                since = 0;
            }
        }
        Ok(())
    }

    /// Makes a connection on which a byte is echoed, and closes it: a server that accepts in order has accepted all
    /// others by then.
    pub(super) fn barrier(&mut self, number: usize) -> Result<(), LoadError> {
        let mut inner = Self::new(self.server, Pattern::random(), self.stall)?;
        let mut links = vec![inner.open(0, number)?];
        links[0].ask(1);
        if links[0].stage == Stage::Open {
            inner.send(0, &mut links[0], false)?;
        }
        inner.drain(&mut links)?;
        inner.finish(&mut links)?;
        self.moved = clock::now();
        Ok(())
    }

    /// Waits until `links` have received all that they are owed.
    pub(super) fn drain(&mut self, links: &mut [Link]) -> Result<(), LoadError> {
        let owing = |links: &[Link]| links.iter().filter(|link| link.received < link.owed).count();
        let mut ready = Vec::new();
        let mut left = owing(links);
        while left > 0 {
            self.wait(&mut ready, || format!("{left} connections are owed bytes"))?;
            for event in &ready {
                let index = event.data.u64() as usize;
                let Some(link) = links.get_mut(index) else { continue };
                if self.serve(index, link, event.flags)? > 0 {
                    self.moved(clock::now());
                    left -= usize::from(link.received == link.owed);
                }
            }
        }
        Ok(())
    }

    /// Sends FIN on all of `links`, and waits until the server has closed them, having sent what it owes and no more.
    pub(super) fn finish(&mut self, links: &mut [Link]) -> Result<(), LoadError> {
        for link in links.iter_mut() {
            link.finish()?;
        }
        let mut ready = Vec::new();
        let mut left = links.len();
        self.moved = clock::now();
        while left > 0 {
            self.wait(&mut ready, || format!("{left} connections are to be closed by the server"))?;
            for event in &ready {
                let index = event.data.u64() as usize;
                let Some(link) = links.get_mut(index) else { continue };
                self.serve(index, link, event.flags)?;
                self.moved = clock::now();
                left -= usize::from(link.stage == Stage::Closed);
            }
        }
        Ok(())
    }
}

fn wait_failed(error: Errno) -> LoadError {
    LoadError::Wait(error.into())
}
