//! Serves changes of poems: `cummings`, `shout` and `backwards`.
//!
//! Shows: a protocol with a question and an answer, framed by length, so that it works however TCP cuts it (`src/frame.rs`).
//!
//! Try it:
//!
//! ```sh
//! cargo run -p poetry-transform --bin transform-server -- --port 11000
//! printf 'shout 5\nhello' | nc -q 1 127.0.0.1 11000          # in another terminal: ok 5, HELLO
//! ```
//!
//! Departs from production: whoever sends requests and never reads the answers makes the server keep them.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use poetry_transform::TransformService;
use twistor::prelude::*;

/// Change the poems that clients send, by the name of the change.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version)]
struct Cli {
    /// The port to listen on; 0 is any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The interface to listen on, as an IP address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    iface: String,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let port = reactor.listen_tcp((cli.iface.as_str(), cli.port), TransformService)?;
    // Nobody reading this is no reason not to serve.
    let _ = writeln!(io::stdout(), "Transforming poems on {}.", port.host());
    reactor.run()?;
    Ok(())
}
