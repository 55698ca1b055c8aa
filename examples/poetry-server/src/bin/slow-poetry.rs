//! Serves a poem slowly: a few bytes, a pause, a few bytes more, to any number of clients at once.
//!
//! Shows: a timer instead of a sleep (`src/slow.rs`). One thread and one loop serve everybody, since nobody waits inside a callback.
//!
//! Try it:
//!
//! ```sh
//! cargo run -p poetry-server --bin slow-poetry -- --port 10002 --num-bytes 30 --delay 0.1 examples/poems/the-tyger.txt
//! nc 127.0.0.1 10002          # in as many other terminals as you like
//! ```
//!
//! Departs from production: a client that never reads keeps its connection for as long as it likes, and the line that is printed for each client
//! would be a log record.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use poetry_server::{Pace, ServerArgs, SlowPoetry, parse_args, serve};

/// Serve a poem slowly, a few bytes at a time, to everybody who connects.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs,
    /// How many bytes to send at a time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = bytes_at_a_time)]
    num_bytes: usize,
    /// How many seconds to wait between two pieces
    #[arg(long, value_name = "SECONDS", default_value = "0.7", value_parser = seconds)]
    delay: Duration,
}

fn main() -> ExitCode {
    match parse_args::<Cli>() {
        Ok(cli) => {
            let pace = Pace { num_bytes: cli.num_bytes, delay: cli.delay };
            serve(&cli.server, |poem| SlowPoetry::new(poem, pace).announced())
        }
        Err(code) => code,
    }
}

fn bytes_at_a_time(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one byte has to go at a time".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(format!("{error}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("{error}"))
}
