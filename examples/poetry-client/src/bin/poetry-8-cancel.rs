//! Downloads poems for as long as there is patience for them, then cancels the rest.
//!
//! Shows: whoever waits for a Deferred may cancel it, and its producer (`get_poetry`, see `src/download.rs`) is told to stop the work: here it gives up
//! the connection. The chain goes on with the failure `Cancelled`. A `Canceller` is the handle for that, good wherever the Deferred went. For a limit on
//! one Deferred alone there is `add_timeout`.
//!
//! Try it, with a fast server in another terminal (see `fast-poetry`) on port 10001, and a slow one on 10002:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-8-cancel -- --patience 2 10001 10002
//! ```

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use poetry_client::{PoemArgs, get_poetry, parse_args, print_outcomes};
use twistor::prelude::*;
use twistor::react;

/// Download poems, all of them at once, and print those that have come when the patience is over.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    poems: PoemArgs,
    /// How many seconds to wait for poems
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    patience: Duration,
}

fn main() -> ExitCode {
    let cli = match parse_args::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    react(move |reactor| {
        let poems: Vec<_> = cli.poems.addresses.iter().map(|address| get_poetry(reactor, address)).collect();
        let cancellers: Vec<_> = poems.iter().map(Deferred::canceller).collect();
        reactor.call_later(cli.patience, move || {
            for canceller in cancellers {
                canceller.cancel(); // Does nothing to a poem that has come.
            }
        });
        deferred_list(poems).add_callback(|outcomes| Ok(print_outcomes(&outcomes)?))
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{error}"))
}
