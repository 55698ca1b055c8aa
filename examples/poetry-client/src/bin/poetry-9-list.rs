//! Downloads poems and says of each what came of it, when all have ended.
//!
//! Shows: `deferred_list` makes one Deferred of many. It has a result for each, in the order they were given and whether they failed or not, so no
//! counting of what is still to come and no `add_both` on each of them.
//!
//! Try it, with a slow server in another terminal (see `slow-poetry`) on port 10001, and nobody on 10003:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-9-list -- 10001 10003
//! ```
//!
//! Departs from production: there is no time limit.

use std::process::ExitCode;

use clap::Parser;
use poetry_client::{PoemArgs, get_poetry, parse_args, say};
use twistor::prelude::*;
use twistor::react;

/// Download poems, all of them at once, and say of each how many bytes came, or what went wrong.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    poems: PoemArgs,
}

fn main() -> ExitCode {
    let cli = match parse_args::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    react(move |reactor| {
        let addresses = cli.poems.addresses;
        let poems = addresses.iter().map(|address| get_poetry(reactor, address));
        deferred_list(poems).map(move |outcomes| {
            let whole = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            for ((task, address), outcome) in (1..).zip(&addresses).zip(&outcomes) {
                match outcome {
                    Ok(poem) => {
                        say(format_args!("Task {task}: {} bytes of poetry from {address}", poem.len()))
                    }
                    Err(failure) => say(format_args!("Task {task}: no poem from {address}: {failure:#}")),
                }
            }
            say(format_args!("Got {whole} of {} poems", outcomes.len()));
            if whole == outcomes.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        })
    })
}
