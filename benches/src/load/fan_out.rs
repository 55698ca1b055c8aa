//! Fan-out: one client sends a message, all others receive it, then the next one.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::link::Link;
use super::report::{Quota, Tally};
use super::{Amount, LoadError, Mark, Pattern, Plan, Report, clock};

/// How long the server has for accepting the sender before the first message: it cannot be asked in this mode. A message that it
/// took before it knew all receivers would be missed by some, and noticed.
const SETTLING: Duration = Duration::from_millis(50);

struct FanOut {
    engine: Engine,
    /// The receivers, then the sender, so that it is accepted last.
    links: Vec<Link>,
    size: usize,
}

pub(super) fn run(
    server: SocketAddr,
    plan: &Plan,
    receivers: usize,
    size: usize,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    let engine = Engine::new(server, Pattern::random(), plan.stall)?;
    let mut fan_out = FanOut { engine, links: Vec::new(), size: size.max(1) };
    fan_out.engine.open_many(&mut fan_out.links, receivers.max(1) + 1, false)?;
    // What a receiver gets is what the sender sends, from its beginning.
    fan_out.links.iter_mut().for_each(|link| link.begin_at(0));
    clock::pause(SETTLING);
    fan_out.phase(plan.warm_up)?;
    watch(Mark::Begin).map_err(LoadError::Watch)?;
    let report = fan_out.phase(plan.measured)?.finish();
    watch(Mark::End).map_err(LoadError::Watch)?;
    fan_out.engine.finish(&mut fan_out.links)?;
    Ok(report)
}

impl FanOut {
    fn phase(&mut self, amount: Amount) -> Result<Tally, LoadError> {
        let mut tally = Tally::start();
        let mut quota = Quota::of(amount);
        loop {
            let now = clock::now();
            self.engine.moved(now);
            if !quota.take(now) {
                return Ok(tally);
            }
            self.one(&mut tally, now)?;
        }
    }

    /// Sends one message, and waits until everybody has it.
    fn one(&mut self, tally: &mut Tally, began: Instant) -> Result<(), LoadError> {
        let sender = self.links.len() - 1;
        for link in &mut self.links[..sender] {
            link.owed += self.size as u64;
        }
        self.links[sender].wanted += self.size as u64;
        self.engine.send(sender, &mut self.links[sender], false)?;
        let mut ready = Vec::new();
        let mut left = sender;
        while left > 0 {
            self.engine.wait(&mut ready, || format!("{left} of {sender} have not received a message"))?;
            for event in &ready {
                let index = event.data.u64() as usize;
                let Some(link) = self.links.get_mut(index) else { continue };
                let count = self.engine.serve(index, link, event.flags)?;
                if count > 0 {
                    let now = clock::now();
                    self.engine.moved(now);
                    tally.bytes += count as u64;
                    if link.received == link.owed {
                        tally.message(now.saturating_duration_since(began));
                        left -= 1;
                    }
                }
            }
        }
        Ok(())
    }
}
