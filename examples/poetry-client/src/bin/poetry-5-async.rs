//! Downloads poems with `async` and `.await`.
//!
//! Shows: a `Deferred` is a future, and `reactor.spawn` makes a Deferred of any future. The same `get_poetry` that callbacks are added to in
//! `poetry-4-deferred` is awaited here; nothing of it had to change. `react` runs a reactor until one Deferred has its result, which is the exit code.
//!
//! Try it, with a slow server in another terminal (see `slow-poetry`) on port 10001, and nobody on 10003:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-5-async -- 10001 10003
//! ```
//!
//! Departs from production: there is no time limit.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use poetry_client::{PoemAddress, PoemArgs, get_poetry, parse_args, poem_failed};
use twistor::prelude::*;
use twistor::react;

/// Download poems, all of them at once, and print each in its turn.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    poems: PoemArgs,
}

fn main() -> ExitCode {
    match parse_args::<Cli>() {
        Ok(cli) => react(|reactor| reactor.spawn(print_all(reactor.clone(), cli.poems.addresses))),
        Err(code) => code,
    }
}

async fn print_all(reactor: ReactorHandle, addresses: Vec<PoemAddress>) -> Result<ExitCode, Failure> {
    // A Deferred is not lazy as most futures are: the work has begun, and all poems come down at once, whichever is awaited first.
    let poems: Vec<_> = addresses.iter().map(|address| get_poetry(&reactor, address)).collect();

    let mut code = ExitCode::SUCCESS;
    for poem in poems {
        match poem.await {
            Ok(poem) => print(&poem)?,
            Err(failure) => {
                poem_failed(&failure);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn print(poem: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(poem)?;
    stdout.flush()
}
