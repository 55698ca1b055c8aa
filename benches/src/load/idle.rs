//! Idle: many connections that do nothing, before and after their one message.

use std::io;
use std::net::SocketAddr;

use super::echo::{Echoes, Shape};
use super::engine::Engine;
use super::report::Tally;
use super::{LoadError, Mark, Pattern, Plan, Report, clock};

/// How many connections echo before the first mark: what a server makes once for all of them is there then.
const FIRST: usize = 8;

pub(super) fn run(
    server: SocketAddr,
    plan: &Plan,
    connections: usize,
    size: usize,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    let mut engine = Engine::new(server, Pattern::random(), plan.stall)?;
    let mut first = Echoes::open(&mut engine, Shape { connections: FIRST, size, depth: 1 })?;
    once(&mut engine, &mut first, size)?;
    engine.finish(&mut first.links)?;
    drop(first);
    watch(Mark::Begin).map_err(LoadError::Watch)?;

    let mut tally = Tally::start();
    let mut echoes = Echoes::open(&mut engine, Shape { connections, size, depth: 1 })?;
    watch(Mark::Fresh).map_err(LoadError::Watch)?;
    once(&mut engine, &mut echoes, size)?;
    watch(Mark::Used).map_err(LoadError::Watch)?;
    tally.messages = connections as u64;
    tally.bytes = echoes.links.iter().map(|link| link.received).sum();
    let report = tally.finish();
    engine.finish(&mut echoes.links)?;
    watch(Mark::End).map_err(LoadError::Watch)?;
    Ok(report)
}

/// Echoes a message on each connection, one after the other: what is served at a time does not depend on their number.
fn once(engine: &mut Engine, echoes: &mut Echoes, size: usize) -> Result<(), LoadError> {
    for index in 0..echoes.links.len() {
        let link = &mut echoes.links[index];
        link.ask(size.max(1));
        engine.moved(clock::now());
        engine.send(index, link, false)?;
        engine.drain_one(index, link)?;
    }
    Ok(())
}
