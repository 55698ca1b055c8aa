//! Downloads poems: the finished client.
//!
//! Shows: what the ladder leads to. A download is a Deferred (`fetch.rs`); saving it is a callback that returns another Deferred, of work on a thread;
//! whatever went wrong on the way arrives at one place. Progress, time limits and the demo's servers live in the same loop.
//!
//! Try it:
//!
//! ```sh
//! cargo run -p poetry-client -- --demo
//! cargo run -p poetry-client -- --timeout 5 --output /tmp/poems 10001 localhost:10002
//! ```
//!
//! Departs from production: a poem is held in memory until it is whole, whatever its size.

mod demo;
mod fetch;
mod progress;
mod save;
mod summary;

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use poetry_client::{PoemAddress, PoemArgs, exit_with, parse_args};
use twistor::prelude::*;

use self::fetch::fetch;
use self::progress::Progress;
use self::save::Folder;
use self::summary::{Saved, Summary};

/// Download poems, all of them at once.
///
/// Shows a progress bar for each poem if stdout is a terminal, and a summary at the end. Exits with 1 if any poem failed, and with 2 if the
/// arguments make no sense.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version)]
struct Cli {
    #[command(flatten)]
    poems: PoemArgs,
    /// Give up on a poem when connecting takes so long, or nothing of it comes for so long. Without it, connecting may take 30 s, and the
    /// poem as long as it likes
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Save each poem that arrives whole as a file in DIR, which is made if need be: 1-localhost-10001.txt and so on
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the poems to stdout, in order, when all are there; the summary goes to stderr then
    #[arg(long)]
    print: bool,
    /// Start three slow poetry servers in this process, and download from them
    #[arg(long, conflicts_with = "addresses")]
    demo: bool,
}

/// A poem to download.
struct Job {
    address: PoemAddress,
    /// In bytes, if somebody knows: poetry servers do not tell.
    length: Option<u64>,
}

fn main() -> ExitCode {
    let cli = match parse_args::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if cli.poems.addresses.is_empty() && !cli.demo {
        let _ = write!(io::stderr(), "{}", Cli::command().render_help());
        return ExitCode::from(2);
    }
    exit_with(run(cli))
}

fn run(cli: Cli) -> Result<bool, Box<dyn Error>> {
    let folder = cli.output.map(Folder::create).transpose()?.map(Rc::new);
    let mut reactor = Reactor::new()?;
    let jobs = if cli.demo {
        demo::start_servers(&reactor, cli.print)?
    } else {
        cli.poems.addresses.into_iter().map(|address| Job { address, length: None }).collect()
    };
    let progress = Progress::new(&reactor, &jobs, cli.print);
    let summary = Rc::new(Summary::new(&jobs, reactor.now(), cli.print));
    let to_come = Rc::new(Cell::new(jobs.len()));

    for (index, job) in jobs.iter().enumerate() {
        let meter = progress.meter(index);
        let counted = Rc::clone(&summary);
        let on_data = {
            let meter = meter.clone();
            move |bytes: usize| {
                meter.advance(bytes);
                counted.got(index, bytes);
            }
        };
        let poem = fetch(&reactor, &job.address, cli.timeout, on_data);
        let saved = match &folder {
            Some(folder) => {
                let (folder, handle) = (Rc::clone(folder), reactor.handle());
                let path = folder.path(index, jobs.len(), &job.address);
                poem.add_callback(move |poem| folder.save(&handle, path, poem))
            }
            None => poem.map(Saved::in_memory),
        };
        let (summary, to_come, handle) = (Rc::clone(&summary), Rc::clone(&to_come), reactor.handle());
        saved.add_both(move |result| {
            meter.finish(result.is_ok());
            summary.ended(index, result, handle.now());
            to_come.set(to_come.get() - 1);
            if to_come.get() == 0 {
                let _ = handle.stop(); // Unless SIGINT has stopped it already.
            }
        });
    }
    reactor.run()?;

    progress.clear();
    summary.print(reactor.now())?;
    Ok(summary.is_complete())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Err("a limit of no time at all lets no poem through".to_owned()),
        Ok(limit) => Ok(limit),
        Err(error) => Err(format!("{error}")),
    }
}
