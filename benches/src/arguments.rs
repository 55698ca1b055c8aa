//! The arguments of `twistor-bench`, and what is done with them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twistor_bench::compare::{
    Cpu, Options, Probe, Progress, Row, Scale, Tool, Verdict, aims, chosen, plot, roster, run, table,
};
use twistor_bench::load::{self, Amount, Mark, Plan, Report, Workload};

/// Rounds in which system calls or instructions are counted. They hardly vary.
const COUNTING_ROUNDS: usize = 3;

/// Drives servers over loopback, checks every byte, and measures what they cost
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Compare Twistor with bare epoll and with others: a table, and a plot
    Compare(Compare),
    /// Drive one server that runs already
    Load(Load),
}

#[derive(Debug, Args)]
struct Compare {
    /// Rows to measure, with commas between them; all of them if none is named
    #[arg(long, value_delimiter = ',', value_name = "ROW")]
    rows: Vec<Row>,
    /// Servers beside bare epoll, with commas between them; all that are found if none is named
    #[arg(long, value_delimiter = ',', value_name = "SERVER")]
    servers: Vec<String>,
    /// How often each server is driven in each row [default: 15, or 5 with --quick]
    #[arg(long, value_name = "COUNT", value_parser = positive)]
    rounds: Option<usize>,
    /// Seconds for each server in each round, after a fifth of that for warming up [default: 1, or 0.3 with --quick]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// Fewer and shorter rounds: a first look in some minutes
    #[arg(long)]
    quick: bool,
    /// Every row tiny, once, for whether it runs; no figure means anything
    #[arg(long, conflicts_with_all = ["quick", "rounds", "seconds"])]
    smoke: bool,
    /// A folder for results.md, plot.svg and samples.csv, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The folder of bench-server and the peer-* programs; that of this program if not named
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// A folder in which every executable file is one more server
    #[arg(long, value_name = "DIR")]
    peers_dir: Option<PathBuf>,
    /// Seconds that a server may let its clients wait
    #[arg(long, default_value = "10", value_parser = seconds)]
    stall: Duration,
    /// Count no system calls; they are counted if strace is installed
    #[arg(long)]
    no_system_calls: bool,
    /// Count instructions in user mode, too, by valgrind
    #[arg(long)]
    instructions: bool,
    /// Let servers and load run on any processor
    #[arg(long)]
    unpinned: bool,
    /// What the random numbers of the intervals begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fail if an aim is missed or unknown
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Args)]
struct Load {
    /// Where the server listens
    #[arg(long, value_name = "ADDRESS:PORT")]
    server: SocketAddr,
    /// The server's process, whose cost is to be told
    #[arg(long)]
    pid: Option<u32>,
    /// Messages that are counted (of a churn: connections; of a stream: MiB) [default: one second of them]
    #[arg(long, value_name = "COUNT", conflicts_with = "seconds")]
    messages: Option<u64>,
    /// Seconds that are counted, instead of a number of messages
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// Seconds of warming up before
    #[arg(long, default_value = "0.2", value_parser = seconds)]
    warm_up: Duration,
    /// Seconds that the server may let its clients wait
    #[arg(long, default_value = "10", value_parser = seconds)]
    stall: Duration,
    #[command(subcommand)]
    workload: Kind,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Kind {
    /// Messages that come back
    Echo {
        /// Connections at once
        #[arg(long, default_value_t = 64, value_parser = positive)]
        connections: usize,
        /// Bytes in a message
        #[arg(long, default_value_t = 64, value_parser = positive)]
        size: usize,
        /// Messages under way at a time on each connection
        #[arg(long, default_value_t = 1, value_parser = positive)]
        depth: usize,
    },
    /// Connections that echo one message and are closed
    Churn {
        /// Connections at once
        #[arg(long, default_value_t = 64, value_parser = positive)]
        parallel: usize,
        /// Bytes in a message
        #[arg(long, default_value_t = 64, value_parser = positive)]
        size: usize,
    },
    /// Reading what a server in stream mode sends
    Stream {
        /// Connections at once
        #[arg(long, default_value_t = 4, value_parser = positive)]
        connections: usize,
    },
    /// One client's messages to many others, by a server in broadcast mode
    FanOut {
        /// Clients that receive
        #[arg(long, default_value_t = 1_000, value_parser = positive)]
        receivers: usize,
        /// Bytes in a message
        #[arg(long, default_value_t = 64, value_parser = positive)]
        size: usize,
    },
    /// Connections that do nothing
    Idle {
        /// Connections at once
        #[arg(long, default_value_t = 10_000, value_parser = positive)]
        connections: usize,
        /// Bytes in the one message of each
        #[arg(long, default_value_t = 64, value_parser = positive)]
        size: usize,
    },
    /// Connections that send and never read, beside others that echo
    SlowReaders {
        /// Connections that never read
        #[arg(long, default_value_t = 100)]
        slow: usize,
        /// MiB that each of these tries to send
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(..=1_048_576))]
        flood: u64,
        /// Connections that echo
        #[arg(long, default_value_t = 64, value_parser = positive)]
        connections: usize,
        /// Bytes in a message of those
        #[arg(long, default_value_t = 64, value_parser = positive)]
        size: usize,
    },
}

/// Runs the program with its arguments.
pub(crate) fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    raise_limit().context("the limit of open files")?;
    match arguments.command {
        Subcommands::Compare(arguments) => compare(arguments),
        Subcommands::Load(arguments) => drive(&arguments),
    }
}

fn compare(arguments: Compare) -> anyhow::Result<ExitCode> {
    let options = options(&arguments)?;
    let folder = arguments.out.as_deref();
    // Before the work of half an hour, not after it.
    folder.map_or(Ok(()), fs::create_dir_all).context("the folder for the results")?;
    let outcome = run(&options, &Progress::new())?;
    let text = table(&outcome)?;
    print!("{text}");
    if let Some(folder) = folder {
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).with_context(|| folder.join(name).display().to_string())
        };
        write("results.md", &text)?;
        write("plot.svg", &plot(&outcome)?)?;
        write("samples.csv", &outcome.samples())?;
    }
    let missed = arguments.strict && aims(&outcome).iter().any(|aim| aim.verdict != Verdict::Met);
    let failed = !outcome.failures().is_empty();
    Ok(if missed || failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn options(arguments: &Compare) -> anyhow::Result<Options> {
    let program = std::env::current_exe()?;
    let beside = program.parent().unwrap_or(&program).to_owned();
    let binaries = arguments.bin_dir.as_ref().unwrap_or(&beside);
    let found = roster(binaries, arguments.peers_dir.as_deref()).context("the folder of peers")?;
    let names: Vec<String> = found.iter().map(|it| it.id.clone()).collect();
    let servers = match chosen(found, &arguments.servers) {
        Ok(servers) => servers,
        Err(unknown) => bail!("there is no server {unknown}; there are {}", names.join(", ")),
    };
    let folder = binaries.display();
    for needed in ["epoll", "twistor"] {
        ensure!(
            names.iter().any(|it| it == needed),
            "the server {needed} is not in {folder}: cargo build --release -p twistor-bench --bins"
        );
    }
    let (rounds, seconds) = if arguments.quick { (5, 0.3) } else { (15, 1.0) };
    let seconds = arguments.seconds.unwrap_or_else(|| Duration::from_secs_f64(seconds));
    let counting = if arguments.smoke { 1 } else { COUNTING_ROUNDS };
    Ok(Options {
        rows: if arguments.rows.is_empty() { Row::all().to_vec() } else { arguments.rows.clone() },
        servers,
        rounds: if arguments.smoke { 1 } else { arguments.rounds.unwrap_or(rounds) },
        scale: if arguments.smoke { Scale::Smoke } else { Scale::Full(seconds) },
        stall: arguments.stall,
        pinned: !arguments.unpinned,
        tools: tools(arguments)?.into_iter().map(|tool| (tool, counting)).collect(),
        seed: arguments.seed,
    })
}

/// The tools that are wanted and there. One that was asked for by name has to be.
fn tools(arguments: &Compare) -> anyhow::Result<Vec<Tool>> {
    let mut tools = Vec::new();
    if !arguments.no_system_calls {
        if Tool::SystemCalls.installed() {
            tools.push(Tool::SystemCalls);
        } else {
            eprintln!("strace is not installed: system calls are not counted");
        }
    }
    if arguments.instructions {
        ensure!(Tool::Instructions.installed(), "valgrind is not installed");
        tools.push(Tool::Instructions);
    }
    Ok(tools)
}

fn drive(arguments: &Load) -> anyhow::Result<ExitCode> {
    let plan = Plan {
        workload: arguments.workload.into(),
        warm_up: Amount::Time(arguments.warm_up),
        measured: match (arguments.messages, arguments.seconds) {
            (Some(count), _) => Amount::Count(count),
            (None, time) => Amount::Time(time.unwrap_or(Duration::from_secs(1))),
        },
        stall: arguments.stall,
    };
    let probe = arguments.pid.map(Probe::new);
    let mut seen: Vec<(Mark, Cpu, u64)> = Vec::new();
    let report = load::run(arguments.server, &plan, &mut |mark| {
        if let Some(probe) = &probe {
            probe.settle()?;
            seen.push((mark, probe.cpu()?, probe.resident()?));
        }
        Ok(())
    })?;
    tell(&plan, &report);
    if let ([(_, first, _), .., (_, last, _)], true) = (&seen[..], report.messages > 0) {
        let each = last.ns.saturating_sub(first.ns) as f64 / report.messages as f64;
        println!("server: {each:.0} ns of processor a {}", plan.workload.unit());
    }
    for (mark, _, resident) in &seen {
        println!("server: {resident} bytes resident at {mark:?}");
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(plan: &Plan, report: &Report) {
    let unit = plan.workload.unit();
    println!("{} times a {unit}, {} bytes, all right", report.messages, report.bytes);
    println!("{:.3} s, {:.0} a second", report.elapsed.as_secs_f64(), report.rate());
    if let [Some(p50), Some(p99), Some(p999), Some(most)] =
        [0.5, 0.99, 0.999, 1.0].map(|it| report.latency_at(it))
    {
        println!("half within {p50:?}, 99 % within {p99:?}, 99.9 % within {p999:?}, all within {most:?}");
    }
    if report.flooded > 0 {
        println!("{} bytes taken from those who never read", report.flooded);
    }
    println!(
        "the load generator itself: {:.0} ns a {unit}, busy for {:.0} % of the time",
        report.own_ns(),
        report.own_share() * 100.0
    );
}

impl From<Kind> for Workload {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Echo { connections, size, depth } => Self::Echo { connections, size, depth },
            Kind::Churn { parallel, size } => Self::Churn { parallel, size },
            Kind::Stream { connections } => Self::Stream { connections },
            Kind::FanOut { receivers, size } => Self::FanOut { receivers, size },
            Kind::Idle { connections, size } => Self::Idle { connections, size },
            Kind::SlowReaders { slow, flood, connections, size } => {
                Self::SlowReaders { slow, flood: flood << 20, connections, size }
            }
        }
    }
}

/// Lets this process, and the servers that it starts, have as many connections as the system allows.
fn raise_limit() -> rustix::io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
}

/// A number of seconds, with a fraction if need be, above zero and at most a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if seconds > 0.0 && seconds <= 86_400.0 {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not above zero, or more than a day".to_owned())
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;

    #[test]
    fn every_argument_and_value_has_a_help() {
        fn look(command: &clap::Command, seen: &mut usize) {
            for argument in command.get_arguments() {
                let name = argument.get_id();
                assert!(argument.get_help().is_some(), "{}: {name}", command.get_name());
                *seen += 1;
            }
            for below in command.get_subcommands() {
                assert!(below.get_about().is_some(), "{}", below.get_name());
                look(below, seen);
            }
        }
        let command = Arguments::command();
        command.clone().debug_assert();
        let mut seen = 0;
        look(&command, &mut seen);
        assert!(seen > 25, "{seen}");
        assert!(
            Row::value_variants().iter().all(|row| row.to_possible_value().unwrap().get_help().is_some())
        );
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["0", "-1", "NaN", "inf", "1e9", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(positive("3"), Ok(3));
        assert!(positive("0").is_err() && positive("-3").is_err());
    }

    #[test]
    fn arguments_are_taken_as_written() {
        let words =
            "twistor-bench compare --rows echo-64,churn --servers mio --rounds 3 --seconds 0.5 --out there";
        let Subcommands::Compare(it) = Arguments::try_parse_from(words.split(' ')).unwrap().command else {
            panic!("another command")
        };
        assert_eq!((it.rows, it.rounds), (vec![Row::Echo64, Row::Churn], Some(3)));
        assert_eq!((it.seconds, it.out), (Some(Duration::from_millis(500)), Some("there".into())));
        let refused =
            ["compare --smoke --quick", "compare --rows tea", "load echo", "load --server here echo"];
        for words in refused {
            assert!(
                Arguments::try_parse_from(["twistor-bench"].into_iter().chain(words.split(' '))).is_err()
            );
        }
    }
}
