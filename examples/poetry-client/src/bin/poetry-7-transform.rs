//! Downloads poems and has each changed by a service: a callback that returns a Deferred.
//!
//! Shows: the chain waits for the Deferred that its callback returned, and goes on with that one's result. So two steps over the network read as two
//! lines, and one errback speaks for the second alone: if the service is not there, or cannot change the poem, the poem comes plain.
//!
//! Try it, with a slow server in another terminal (see `slow-poetry`) on port 10001, and the service in a third:
//!
//! ```sh
//! cargo run -p poetry-transform --bin transform-server -- --port 11000
//! cargo run -p poetry-client --bin poetry-7-transform -- --transform-server 11000 10001
//! ```
//!
//! Departs from production: there is no time limit, and a connection to the service a poem.

use std::process::ExitCode;

use clap::Parser;
use poetry_client::{PoemAddress, PoemArgs, get_poetry, parse_args, plain_poem, print_outcomes};
use poetry_transform::transform;
use twistor::prelude::*;
use twistor::react;

/// Download poems, all of them at once, and print what a transformation service makes of them.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    poems: PoemArgs,
    /// Where the service is: hostname:port, or a port alone for one on 127.0.0.1
    #[arg(long, value_name = "ADDRESS")]
    transform_server: PoemAddress,
    /// What it is to do: cummings, shout or backwards
    #[arg(long, value_name = "NAME", default_value = "cummings")]
    transform: String,
}

fn main() -> ExitCode {
    let cli = match parse_args::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    react(move |reactor| {
        let poems = cli.poems.addresses.iter().map(|address| {
            let (reactor_too, service, name) =
                (reactor.clone(), cli.transform_server.clone(), cli.transform.clone());
            get_poetry(reactor, address).add_callback(move |poem| {
                let plain = poem.clone();
                transform(&reactor_too, (service.host(), service.port()), &name, poem).add_errback(
                    move |failure| {
                        plain_poem(&failure);
                        Ok(plain)
                    },
                )
            })
        });
        deferred_list(poems).add_callback(|outcomes| Ok(print_outcomes(&outcomes)?))
    })
}
