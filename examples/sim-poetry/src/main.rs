//! The poetry ladder in a simulated world: ten thousand clients, a bad network, an hour of it in seconds.
//!
//! Shows: the servers and clients of the ladder run unchanged, as libraries, over `Sim`: hosts that lose power, links with latency, losses and
//! partitions, faults in every call. Every poem arrives whole or fails with a reason, which a table counts; the last line is the hash of
//! everything that happened, the same for the same arguments, on every machine.
//!
//! Try it, and look at the picture with a browser:
//!
//! ```sh
//! cargo run --release -p sim-poetry
//! cargo run -p sim-poetry -- --seed 7 --clients 5 --minutes 1 --timeline run.svg
//! ```
//!
//! Departs from production: poetry has no length, so a poem that was cut off in order looks whole to its client. Here the original is at hand to
//! compare with.

mod progress;
mod readers;
mod tally;
mod world;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use poetry_client::{exit_with, parse_args};
use twistor::sim::Sim;

use self::progress::Progress;
use self::tally::Tally;

/// Download poems in a simulated world where everything goes wrong now and then.
///
/// Prints what came of the poems, and on the last line the hash of everything that happened, `trace` and 16 digits: the same for the same
/// arguments. Exits with 1 if a poem is neither whole nor failed with a reason, and with 2 if the arguments make no sense.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// What everything random comes from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many poems are downloaded, each by a client of its own
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    clients: usize,
    /// How much goes wrong: 0 is nothing, 1 is nearly everything
    #[arg(long, value_name = "LEVEL", default_value_t = 0.1, value_parser = level)]
    chaos: f64,
    /// How long the world goes on at most, in its own time
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
    /// The clients begin within so many seconds [default: two thirds of the time]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    spread: Option<Duration>,
    /// Draw a picture of what happened into FILE, as SVG
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
}

fn main() -> ExitCode {
    match parse_args::<Cli>() {
        Ok(cli) => exit_with(run(&cli)),
        Err(code) => code,
    }
}

fn run(cli: &Cli) -> Result<bool, Box<dyn Error>> {
    /// What a picture can be made of (some 150 MB). The hash covers everything anyway.
    const DRAWN: usize = 1_000_000;
    let sim = Sim::new(cli.seed);
    sim.keep_trace(if cli.timeline.is_some() { DRAWN } else { 0 });
    let time = Duration::from_secs(60) * cli.minutes;
    sim.limit_time(time);
    sim.limit_turns(u64::MAX);

    let poems = world::Poems::new();
    world::build(&sim, &poems, cli.chaos, time);
    let tally = Tally::new(cli.clients);
    let spread = cli.spread.unwrap_or(time * 2 / 3).min(time);
    readers::send_out(&sim, &poems, &tally, cli.clients, spread, time / 6);

    let progress = Progress::new(cli.clients);
    let outcome = sim.run_until(|| {
        progress.show(&sim, tally.ended());
        tally.ended() == cli.clients
    });
    progress.clear();
    if let Some(stalled) = outcome.stalled() {
        // Nobody reading this is no reason to stop.
        let _ = writeln!(io::stderr(), "{stalled}");
    }
    if let Some(file) = &cli.timeline {
        sim.timeline(file).map_err(|error| format!("Cannot write {}: {error}", file.display()))?;
    }
    tally.print(&sim)?;
    Ok(tally.is_accounted_for())
}

fn level(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(level) if (0.0..=1.0).contains(&level) => Ok(level),
        Ok(_) => Err("it is not between 0 and 1".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{error}"))
}
