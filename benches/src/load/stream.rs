//! Stream: connections that read what the server never ceases to send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::epoll::Event;

use super::engine::Engine;
use super::link::Link;
use super::report::Tally;
use super::{Amount, LoadError, Mark, Pattern, Plan, Report, clock};

const MIB: u64 = 1 << 20;

pub(super) fn run(
    server: SocketAddr,
    plan: &Plan,
    connections: usize,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    let mut engine = Engine::new(server, Pattern::stream(), plan.stall)?;
    let mut links = Vec::new();
    // The numbers of stream links move no pattern: each begins with a piece, see below.
    for index in 0..connections.max(1) {
        let mut link = engine.open(index, index)?;
        link.begin_at(0);
        link.owed = u64::MAX;
        links.push(link);
    }
    phase(&mut engine, &mut links, plan.warm_up)?;
    watch(Mark::Begin).map_err(LoadError::Watch)?;
    let report = phase(&mut engine, &mut links, plan.measured)?.finish();
    watch(Mark::End).map_err(LoadError::Watch)?;
    Ok(report)
}

/// Reads until the amount is there. After that nobody reads: the server fills the sockets' buffers, and stops.
fn phase(engine: &mut Engine, links: &mut [Link], amount: Amount) -> Result<Tally, LoadError> {
    let mut tally = Tally::start();
    let began = clock::now();
    engine.moved(began);
    let (bytes, time) = match amount {
        Amount::Count(count) => (count.saturating_mul(MIB), Duration::MAX),
        Amount::Time(time) => (u64::MAX, time),
    };
    let mut ready: Vec<Event> = Vec::new();
    let mut now = began;
    while tally.bytes < bytes && now.saturating_duration_since(began) < time {
        engine.wait(&mut ready, || "bytes of the stream".to_owned())?;
        now = clock::now();
        for event in &ready {
            let index = event.data.u64() as usize;
            let Some(link) = links.get_mut(index) else { continue };
            let count = engine.serve(index, link, event.flags)?;
            if count > 0 {
                engine.moved(now);
                tally.bytes += count as u64;
            }
        }
    }
    tally.messages = tally.bytes / MIB;
    Ok(tally)
}
