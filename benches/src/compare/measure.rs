//! Measuring one server in one row, once.

use std::io;
use std::time::Duration;

use super::cores::Cores;
use super::outcome::Metric;
use super::probe::{Cpu, Probe};
use super::process::Process;
use super::roster::Contestant;
use super::rows::{Figure, Row, Scale};
use super::tools::Tool;
use crate::load::{LoadError, Mark, Plan, Report, run};

/// How much memory a server may take for a hundred connections that never read: 640 KiB each, for what is read and not yet
/// written, and for the scratch of whoever has one.
pub(super) const BOUND: u64 = 64 << 20;

/// How a measurement is done.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) cores: Cores,
    pub(super) scale: Scale,
    pub(super) stall: Duration,
}

/// What the probe said at the marks.
#[derive(Debug, Default)]
struct Seen {
    cpu: Vec<Cpu>,
    resident: Vec<u64>,
    peak: u64,
}

impl Bench {
    /// Starts `contestant`, drives it through `row` once, and ends it.
    pub(super) fn once(&self, contestant: &Contestant, row: Row) -> anyhow::Result<Vec<(Metric, f64)>> {
        let plan = row.plan(self.scale, self.stall);
        let command = contestant.command(row, plan.workload.mode());
        let process = self.cores.place(row.reactors(), || Process::start(&command, self.stall))?;
        let probe = Probe::new(process.pid());
        let mut seen = Seen::default();
        let report = drive(&process, &plan, &mut |mark| {
            probe.settle()?;
            match (row.figure(), mark) {
                (Figure::Cpu, _) => seen.cpu.push(probe.cpu()?),
                (Figure::Memory | Figure::Bounded, _) => seen.resident.push(probe.resident()?),
            }
            seen.peak = probe.peak()?;
            Ok(())
        })?;
        match row.figure() {
            Figure::Cpu => Ok(costs(&seen, &report)),
            Figure::Memory => Ok(memory(&seen, plan.workload.connections())),
            Figure::Bounded => bounded(&seen, &report),
        }
    }

    /// What `tool` counts of a message in `row`: once with as many messages as tell, and once with twice as many.
    pub(super) fn count(&self, contestant: &Contestant, row: Row, tool: Tool) -> anyhow::Result<f64> {
        let enough = match tool {
            Tool::SystemCalls => row.few(),
            Tool::Instructions => row.many(),
        };
        let once = self.count_all(contestant, row, tool, enough)?;
        let twice = self.count_all(contestant, row, tool, 2 * enough)?;
        Ok((twice as f64 - once as f64) / enough as f64)
    }

    fn count_all(&self, contestant: &Contestant, row: Row, tool: Tool, messages: u64) -> anyhow::Result<u64> {
        let plan = row.counting_plan(self.scale, self.stall, messages);
        let file = tool.file();
        let command = tool.wrap(contestant.command(row, plan.workload.mode()), &file);
        // Below such a tool everything is slow, the start above all.
        let patience = self.stall.max(Duration::from_secs(30));
        let process = self.cores.place(row.reactors(), || Process::start(&command, patience))?;
        let driven = drive(&process, &plan, &mut |_| Ok(()));
        // It writes its file when it ends.
        drop(process);
        let count = driven.map_err(anyhow::Error::from).and_then(|_| Ok(tool.count(&file)?));
        // It may not have been written.
        let _ = std::fs::remove_file(&file);
        count
    }
}

fn drive(
    process: &Process,
    plan: &Plan,
    watch: &mut dyn FnMut(Mark) -> io::Result<()>,
) -> Result<Report, LoadError> {
    run(process.address, plan, watch)
}

fn costs(seen: &Seen, report: &Report) -> Vec<(Metric, f64)> {
    let [before, after] = seen.cpu[..] else { return Vec::new() };
    let messages = report.messages.max(1) as f64;
    let ns = after.ns.saturating_sub(before.ns) as f64;
    let user = after.user_ticks.saturating_sub(before.user_ticks) as f64;
    let system = after.system_ticks.saturating_sub(before.system_ticks) as f64;
    let mut found = vec![
        (Metric::Cpu, ns / messages),
        (Metric::Busy, ns / (report.elapsed.as_nanos() as f64).max(1.0)),
        (Metric::Rate, report.rate()),
        (Metric::LoadCpu, report.own_ns()),
        (Metric::LoadBusy, report.own_share()),
    ];
    // Ticks are long: with few of them the proportion is none.
    if user + system >= 10.0 {
        found.push((Metric::UserPart, user / (user + system)));
    }
    for (metric, part) in [(Metric::P50, 0.5), (Metric::P99, 0.99), (Metric::P999, 0.999)] {
        found.extend(report.latency_at(part).map(|time| (metric, time.as_secs_f64() * 1e6)));
    }
    found
}

fn memory(seen: &Seen, connections: usize) -> Vec<(Metric, f64)> {
    let [before, fresh, used, _after] = seen.resident[..] else { return Vec::new() };
    let each = |bytes: u64| (bytes as f64 - before as f64) / connections.max(1) as f64;
    vec![(Metric::Fresh, each(fresh)), (Metric::Used, each(used))]
}

fn bounded(seen: &Seen, report: &Report) -> anyhow::Result<Vec<(Metric, f64)>> {
    let [before, _after] = seen.resident[..] else { return Ok(Vec::new()) };
    let growth = seen.peak.saturating_sub(before);
    anyhow::ensure!(growth <= BOUND, "memory grew by {} MiB, and {} are allowed", growth >> 20, BOUND >> 20);
    Ok(vec![
        (Metric::Growth, growth as f64),
        (Metric::Flooded, report.flooded as f64),
        (Metric::Rate, report.rate()),
        (Metric::LoadBusy, report.own_share()),
    ])
}
