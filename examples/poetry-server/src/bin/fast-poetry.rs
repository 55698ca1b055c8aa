//! Serves a poem: the smallest useful server.
//!
//! Shows: a server is a protocol of three lines (`src/fast.rs`) and a factory that makes one for each client. All the rest of this
//! program is arguments.
//!
//! Try it:
//!
//! ```sh
//! cargo run -p poetry-server --bin fast-poetry -- --port 10001 examples/poems/ozymandias.txt
//! nc 127.0.0.1 10001          # in another terminal
//! ```
//!
//! Departs from production: the file is read once, at the start; a client that never reads keeps its connection for as long as it likes.

use std::process::ExitCode;

use clap::Parser;
use poetry_server::{FastPoetry, ServerArgs, parse_args, serve};

/// Serve a poem, the whole of it at once, to everybody who connects.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs,
}

fn main() -> ExitCode {
    match parse_args::<Cli>() {
        Ok(cli) => serve(&cli.server, FastPoetry::new),
        Err(code) => code,
    }
}
