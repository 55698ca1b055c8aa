//! Servers of Twistor and of others, driven in turn, and what comes of it.
//!
//! [`run`] starts every server of the [`roster()`] anew in every round of every [`Row`], in an order that rotates, drives it by
//! [`crate::load`], and gives an [`Outcome`]. From that come the [`aims()`], the [`table()`] and the [`plot()`], which know nothing of processes.
//!
//! Every ratio is one to bare epoll *of the same round*; bare epoll takes part twice, and what its two entries differ by is noise.

mod aims;
mod cores;
mod machine;
mod measure;
mod outcome;
mod plot;
mod probe;
mod process;
mod progress;
mod roster;
mod rows;
pub mod statistics;
mod table;
mod tools;

use std::time::Duration;

use anyhow::Context as _;

pub use aims::{Aim, Verdict, aims};
pub use cores::Cores;
pub use machine::describe;
pub use outcome::{Metric, Outcome, RowOutcome, Server};
pub use plot::plot;
pub use probe::{Cpu, Probe};
pub use process::Process;
pub use progress::Progress;
pub use roster::{Contestant, Kind, chosen, roster};
pub use rows::{Figure, Row, Scale};
pub use table::table;
pub use tools::Tool;

use measure::Bench;

/// What is compared, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which rows, in which order.
    pub rows: Vec<Row>,
    /// Which servers; see [`chosen`].
    pub servers: Vec<Contestant>,
    /// How often each server is driven in each row, at least once.
    pub rounds: usize,
    /// How large the rows are.
    pub scale: Scale,
    /// How long a server may let its clients wait for anything.
    pub stall: Duration,
    /// Whether servers and load have a processor each, where there are two.
    pub pinned: bool,
    /// What is counted by a program of its own, and how many rounds of it.
    pub tools: Vec<(Tool, usize)>,
    /// What the intervals' random numbers begin with.
    pub seed: u64,
}

/// Compares. A server that fails in a row takes no further part in it, and its failure is in the outcome.
///
/// # Errors
///
/// If the processors cannot be told or set.
pub fn run(options: &Options, progress: &Progress) -> anyhow::Result<Outcome> {
    let cores = Cores::new(options.pinned)?;
    let mut machine = describe(&cores);
    let bench = Bench { cores, scale: options.scale, stall: options.stall };
    progress.begin(steps(options));
    let rows = options.rows.iter().map(|row| one_row(*row, options, &bench, progress)).collect();
    progress.end();
    machine.extend(machine::load_average().map(|it| format!("{it} at the end")));
    Ok(Outcome { machine, scale: options.scale, rounds: options.rounds, seed: options.seed, rows })
}

/// How many turns there are.
fn steps(options: &Options) -> usize {
    let rounds = |it: &Contestant, row: Row| {
        let tools = options.tools.iter().filter(|(tool, _)| row.counts() && it.can_be_below(*tool));
        options.rounds + tools.map(|(_, rounds)| rounds).sum::<usize>()
    };
    let turns = |row: &Row| {
        options.servers.iter().filter(|it| it.can(*row)).map(|it| rounds(it, *row)).sum::<usize>()
    };
    options.rows.iter().map(turns).sum()
}

fn one_row(row: Row, options: &Options, bench: &Bench, progress: &Progress) -> RowOutcome {
    let contestants: Vec<&Contestant> = options.servers.iter().filter(|it| it.can(row)).collect();
    let all: Vec<Option<&Contestant>> = contestants.iter().copied().map(Some).collect();
    let servers = contestants.iter().map(|it| Server::new(&it.id, &it.label, it.kind)).collect();
    let mut outcome = RowOutcome { row, servers };
    first_run(row, &contestants, options, bench, progress);
    in_turn(&mut outcome, &all, options.rounds, "round", progress, |contestant| bench.once(contestant, row));
    for &(tool, rounds) in options.tools.iter().filter(|_| row.counts()) {
        let metric = match tool {
            Tool::SystemCalls => Metric::SystemCalls,
            Tool::Instructions => Metric::Instructions,
        };
        let able: Vec<Option<&Contestant>> =
            contestants.iter().map(|it| Some(*it).filter(|it| it.can_be_below(tool))).collect();
        in_turn(&mut outcome, &able, rounds, tool.program(), progress, |contestant| {
            Ok(vec![(metric, bench.count(contestant, row, tool).context(tool.program())?)])
        });
    }
    outcome
}

/// Drives the first server through a row without counting it: what the system makes once for so many connections is there then, and
/// is not on the account of whoever comes first.
fn first_run(row: Row, contestants: &[&Contestant], options: &Options, bench: &Bench, progress: &Progress) {
    if let (Some(first), Scale::Full(_)) = (contestants.first(), options.scale) {
        progress.turn(row.name(), "not counted", 0);
        // If it fails, it will fail again where it counts.
        drop(bench.once(first, row));
    }
}

/// Gives every server whose contestant is there a turn in every round, in an order that rotates.
fn in_turn(
    outcome: &mut RowOutcome,
    contestants: &[Option<&Contestant>],
    rounds: usize,
    what: &str,
    progress: &Progress,
    mut measure: impl FnMut(&Contestant) -> anyhow::Result<Vec<(Metric, f64)>>,
) {
    let (name, count) = (outcome.row.name(), contestants.len());
    for round in 0..rounds {
        progress.round(name, what, round, rounds);
        for turn in 0..count {
            let which = (round + turn) % count;
            let Some(contestant) = contestants[which] else { continue };
            let server = &mut outcome.servers[which];
            progress.turn(name, &server.label, round);
            if server.failure.is_none() {
                match measure(contestant) {
                    Ok(found) => {
                        found.into_iter().for_each(|(metric, value)| server.enter(round, metric, value))
                    }
                    Err(error) => {
                        progress.say(&format!("{name}, {}: {error:#}", server.label));
                        server.failure = Some(format!("{error:#}"));
                    }
                }
            }
            progress.step();
        }
    }
}
