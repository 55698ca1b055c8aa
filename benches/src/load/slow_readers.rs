//! Slow readers: connections that send all they can and never read, beside others that echo.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::epoll::{Event, EventFlags};

use super::echo::{Echoes, Shape};
use super::engine::Engine;
use super::link::Link;
use super::{LoadError, Mark, Pattern, Plan, Report, clock};

/// When the slow ones could send nothing for so long, the server has stopped to read from them.
const QUIET: Duration = Duration::from_millis(200);

pub(super) fn run(
    server: SocketAddr,
    plan: &Plan,
    slow: usize,
    flood: u64,
    shape: Shape,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    let mut engine = Engine::new(server, Pattern::random(), plan.stall)?;
    let mut echoes = Echoes::open(&mut engine, shape)?;
    echoes.phase(&mut engine, plan.warm_up)?;
    watch(Mark::Begin).map_err(LoadError::Watch)?;

    // Their numbers come after those of the others, in events, too.
    let mut slow = open_slow(&mut engine, shape.connections, slow, flood)?;
    let mut tally = echoes.begin(&mut engine, plan.measured)?;
    let mut ready: Vec<Event> = Vec::new();
    while echoes.under_way() > 0 {
        engine.wait(&mut ready, || echoes.waiting())?;
        for event in &ready {
            if !push(&mut engine, &mut slow, shape.connections, event)? {
                echoes.serve(&mut engine, event, &mut tally)?;
            }
        }
    }
    let mut report = tally.finish();
    loop {
        ready.clear();
        engine.wait_for(&mut ready, QUIET)?;
        if ready.is_empty() {
            break;
        }
        for event in &ready {
            if !push(&mut engine, &mut slow, shape.connections, event)? {
                let index = event.data.u64() as usize;
                engine.serve(index, &mut echoes.links[index], event.flags)?;
            }
        }
    }
    report.flooded = slow.iter().map(|link| link.sent).sum();
    watch(Mark::End).map_err(LoadError::Watch)?;
    engine.finish(&mut echoes.links)?;
    // They go without having read: the server meets resets, and is to live on.
    drop(slow);
    engine.moved(clock::now());
    engine.barrier(shape.connections)?;
    Ok(report)
}

/// Makes the connections that never read. They are watched for room alone.
fn open_slow(engine: &mut Engine, first: usize, count: usize, flood: u64) -> Result<Vec<Link>, LoadError> {
    let mut slow = Vec::with_capacity(count);
    for index in first..first + count {
        let mut link = engine.open(index, index)?;
        link.wanted = flood;
        engine.watch(index, &link, EventFlags::OUT)?;
        slow.push(link);
    }
    Ok(slow)
}

/// Sends more on a slow connection, if `event` is one's: whether it is.
fn push(engine: &mut Engine, slow: &mut [Link], first: usize, event: &Event) -> Result<bool, LoadError> {
    let index = event.data.u64() as usize;
    let Some(link) = index.checked_sub(first).and_then(|place| slow.get_mut(place)) else { return Ok(false) };
    engine.push(index, link, event.flags)?;
    Ok(true)
}
