//! Serves the poem of another server, which it asks once.
//!
//! Shows: a function whose answer may be there already returns a Deferred all the same (`src/cache.rs`), and its callers are written once.
//!
//! Try it, with a slow server in another terminal (see `slow-poetry`) on port 10002:
//!
//! ```sh
//! cargo run -p poetry-proxy -- --port 10000 10002
//! cargo run -p poetry-client -- 10000          # in a third terminal, twice: slowly, then at once
//! ```
//!
//! Departs from production: the poem is kept for ever, and a client that never reads keeps its connection for as long as it likes.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use poetry_client::{PoemAddress, exit_with, parse_args};
use poetry_proxy::{PoemCache, ProxyFactory};
use twistor::prelude::*;

/// Serve the poem of another server, which is asked for it when the first client comes.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    /// Where the poem is: hostname:port, or a port alone for one on 127.0.0.1
    #[arg(value_name = "ADDRESS")]
    origin: PoemAddress,
    /// The port to listen on; 0 is any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The interface to listen on, as an IP address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    iface: String,
}

fn main() -> ExitCode {
    match parse_args::<Cli>() {
        Ok(cli) => exit_with(run(&cli)),
        Err(code) => code,
    }
}

fn run(cli: &Cli) -> Result<bool, Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let cache = PoemCache::new(&reactor, cli.origin.clone());
    let port = reactor.listen_tcp((cli.iface.as_str(), cli.port), ProxyFactory::new(cache))?;
    // Nobody reading this is no reason not to serve.
    let _ = writeln!(io::stdout(), "Proxying poetry from {} on {}.", cli.origin, port.host());
    reactor.run()?;
    Ok(true)
}
