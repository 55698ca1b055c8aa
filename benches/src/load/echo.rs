//! Echo: each connection keeps some messages under way.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use rustix::event::epoll::Event;

use super::engine::Engine;
use super::link::Link;
use super::report::{Quota, Tally};
use super::{Amount, LoadError, Mark, Pattern, Plan, Report, clock};

/// How many connections send messages of which size, and how many at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) connections: usize,
    pub(super) size: usize,
    pub(super) depth: usize,
}

/// Connections that echo, and when their messages under way were sent.
pub(super) struct Echoes {
    pub(super) links: Vec<Link>,
    sent_at: Vec<VecDeque<Instant>>,
    size: usize,
    depth: usize,
    /// Messages under way.
    under_way: usize,
    quota: Quota,
}

pub(super) fn run(
    server: SocketAddr,
    plan: &Plan,
    shape: Shape,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    let mut engine = Engine::new(server, Pattern::random(), plan.stall)?;
    let mut echoes = Echoes::open(&mut engine, shape)?;
    echoes.phase(&mut engine, plan.warm_up)?;
    watch(Mark::Begin).map_err(LoadError::Watch)?;
    let report = echoes.phase(&mut engine, plan.measured)?.finish();
    watch(Mark::End).map_err(LoadError::Watch)?;
    engine.finish(&mut echoes.links)?;
    Ok(report)
}

impl Echoes {
    /// Makes the connections. The server has accepted them all.
    pub(super) fn open(engine: &mut Engine, shape: Shape) -> Result<Self, LoadError> {
        let Shape { connections, size, depth } = shape;
        let mut links = Vec::with_capacity(connections);
        engine.open_many(&mut links, connections, true)?;
        let sent_at = vec![VecDeque::new(); connections];
        Ok(Self {
            links,
            sent_at,
            size: size.max(1),
            depth: depth.max(1),
            under_way: 0,
            quota: Quota::Left(0),
        })
    }

    /// Sends as many messages as `amount` allows, and receives them all.
    pub(super) fn phase(&mut self, engine: &mut Engine, amount: Amount) -> Result<Tally, LoadError> {
        let mut ready = Vec::new();
        let mut tally = self.begin(engine, amount)?;
        while self.under_way() > 0 {
            engine.wait(&mut ready, || self.waiting())?;
            for event in &ready {
                self.serve(engine, event, &mut tally)?;
            }
        }
        Ok(tally)
    }

    /// Sends the first messages of a phase.
    pub(super) fn begin(&mut self, engine: &mut Engine, amount: Amount) -> Result<Tally, LoadError> {
        let tally = Tally::start();
        self.quota = Quota::of(amount);
        for index in 0..self.links.len() {
            let now = clock::now();
            engine.moved(now);
            self.more(engine, index, self.depth, now)?;
        }
        Ok(tally)
    }

    /// How many messages are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// What is being waited for.
    pub(super) fn waiting(&self) -> String {
        format!("{} messages have not come back", self.under_way)
    }

    /// Serves an event of one of the links: counts what came back, and sends as many again.
    pub(super) fn serve(
        &mut self,
        engine: &mut Engine,
        event: &Event,
        tally: &mut Tally,
    ) -> Result<(), LoadError> {
        let index = event.data.u64() as usize;
        let Some(link) = self.links.get_mut(index) else { return Ok(()) };
        let whole = link.received / self.size as u64;
        let count = engine.serve(index, link, event.flags)?;
        if count == 0 {
            return Ok(());
        }
        let now = clock::now();
        engine.moved(now);
        tally.bytes += count as u64;
        // As many as are under way at most.
        let back = (link.received / self.size as u64 - whole) as usize;
        for sent_at in self.sent_at[index].drain(..back) {
            tally.message(now.saturating_duration_since(sent_at));
        }
        self.under_way -= back;
        self.more(engine, index, back, now)
    }

    /// Sends up to `count` messages on a link at `now`, as the quota allows.
    fn more(&mut self, engine: &Engine, index: usize, count: usize, now: Instant) -> Result<(), LoadError> {
        let link = &mut self.links[index];
        let was_blocked = link.sent < link.wanted;
        let count = (0..count).take_while(|_| self.quota.take(now)).count();
        if count == 0 {
            return Ok(());
        }
        self.sent_at[index].extend(std::iter::repeat_n(now, count));
        self.under_way += count;
        link.ask(count * self.size);
        engine.send(index, link, was_blocked)
    }
}
