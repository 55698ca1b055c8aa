//! Downloads poems and changes each, if it can be changed: a chain with an error in its middle.
//!
//! Shows: a result goes down a chain in one of two lanes. A download that fails passes by the callback that changes the poem. A poem that cannot
//! be changed (it is no text) goes to the errback after it, which traps that one kind of error and passes the others on; what it returns,
//! the plain poem, is back in the lane of values.
//!
//! Try it, with a server of a text on port 10001, one of anything else on 10002, and nobody on 10003:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-6-errors -- 10001 10002 10003
//! ```
//!
//! Departs from production: there is no time limit.

use std::process::ExitCode;

use clap::Parser;
use poetry_client::{PoemArgs, get_poetry, parse_args, plain_poem, print_outcomes};
use poetry_transform::{NotText, cummingsify};
use twistor::prelude::*;
use twistor::react;

/// Download poems, all of them at once, and print them in the manner of e. e. cummings; those that are no text as they are.
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
        let poems = cli.poems.addresses.iter().map(|address| {
            get_poetry(reactor, address).add_callback(|poem| Ok(cummingsify(poem)?)).add_errback(|failure| {
                let not_text = failure.trap::<NotText>()?;
                plain_poem(&*not_text);
                Ok(not_text.poem.clone())
            })
        });
        deferred_list(poems).add_callback(|outcomes| Ok(print_outcomes(&outcomes)?))
    })
}
