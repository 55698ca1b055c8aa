//! Churn: connections that are made, echo one message, and are closed by the client first.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::engine::Engine;
use super::link::{Link, Stage};
use super::report::{Quota, Tally};
use super::{Amount, LoadError, Mark, Pattern, Plan, Report, clock};

struct Churn {
    engine: Engine,
    size: usize,
    parallel: usize,
    /// How many connections were made so far.
    made: usize,
    /// The connections of a phase, and when each began.
    links: Vec<(Link, Instant)>,
}

pub(super) fn run(
    server: SocketAddr,
    plan: &Plan,
    parallel: usize,
    size: usize,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    let engine = Engine::new(server, Pattern::random(), plan.stall)?;
    let mut churn =
        Churn { engine, size: size.max(1), parallel: parallel.max(1), made: 0, links: Vec::new() };
    churn.phase(plan.warm_up)?;
    watch(Mark::Begin).map_err(LoadError::Watch)?;
    let report = churn.phase(plan.measured)?.finish();
    watch(Mark::End).map_err(LoadError::Watch)?;
    Ok(report)
}

impl Churn {
    /// Makes as many connections as `amount` allows, and sees the last of them closed.
    fn phase(&mut self, amount: Amount) -> Result<Tally, LoadError> {
        let mut tally = Tally::start();
        let mut quota = Quota::of(amount);
        let mut ready = Vec::new();
        self.links.clear();
        while self.links.len() < self.parallel && quota.take(clock::now()) {
            let link = self.open(self.links.len())?;
            self.links.push(link);
        }
        let mut open = self.links.len();
        while open > 0 {
            self.engine.wait(&mut ready, || format!("{open} connections are not through"))?;
            for event in &ready {
                let index = event.data.u64() as usize;
                let Some((link, began)) = self.links.get_mut(index) else { continue };
                let count = self.engine.serve(index, link, event.flags)?;
                let now = clock::now();
                self.engine.moved(now);
                tally.bytes += count as u64;
                if link.stage == Stage::Open && link.received == link.owed {
                    link.finish()?;
                } else if link.stage == Stage::Closed {
                    tally.message(now.saturating_duration_since(*began));
                    if quota.take(now) {
                        self.links[index] = self.open(index)?;
                    } else {
                        open -= 1;
                    }
                }
            }
        }
        Ok(tally)
    }

    /// Begins a connection, and sends its message if it is made at once.
    fn open(&mut self, index: usize) -> Result<(Link, Instant), LoadError> {
        let began = clock::now();
        let mut link = self.engine.open(index, self.made)?;
        self.made += 1;
        link.ask(self.size);
        if link.stage == Stage::Open {
            self.engine.send(index, &mut link, false)?;
        }
        Ok((link, began))
    }
}
