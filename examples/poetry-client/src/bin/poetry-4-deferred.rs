//! Downloads poems with one function, `get_poetry`, that returns a Deferred.
//!
//! Shows: a `Deferred` is a result that is not here yet, and callbacks are added to it by whoever wants it: `add_callbacks` for the poem and for
//! the failure, `add_both` for what is to be done in either case. `get_poetry` knows nothing of them, and needs no argument for them.
//!
//! Try it, with a slow server in another terminal (see `slow-poetry`) on port 10001, and nobody on 10003:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-4-deferred -- 10001 10003
//! ```
//!
//! Departs from production: there is no time limit, and nothing to be seen before the last poem has come. `get-poetry` is the finished client.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use poetry_client::{PoemAddress, PoemArgs, exit_with, parse_args, poem_failed, print_poems};
use twistor::prelude::*;

/// Download poems, all of them at once, and print them in order when all are there.
#[derive(Parser)]
#[command(name = env!("CARGO_BIN_NAME"), version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    poems: PoemArgs,
}

fn main() -> ExitCode {
    match parse_args::<Cli>() {
        Ok(cli) => exit_with(run(&cli.poems.addresses)),
        Err(code) => code,
    }
}

/// Downloads a poem from `host`, `port`.
fn get_poetry(reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<u8>> {
    let (promise, poem) = deferred();
    reactor.connect_tcp((host, port), PoetryFactory { promise: Some(promise) });
    poem
}

struct PoetryFactory {
    /// With the protocol, once there is one.
    promise: Option<Promise<Vec<u8>>>,
}

impl Factory for PoetryFactory {
    type Protocol = PoetryProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<PoetryProtocol> {
        Some(PoetryProtocol { poem: Vec::new(), promise: self.promise.take() })
    }
}

impl ClientFactory for PoetryFactory {
    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        if let Some(promise) = self.promise.take() {
            promise.errback(reason.clone());
        }
    }
}

struct PoetryProtocol {
    poem: Vec<u8>,
    promise: Option<Promise<Vec<u8>>>,
}

impl Protocol for PoetryProtocol {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.poem.extend_from_slice(data);
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        match self.promise.take() {
            Some(promise) if reason.is_clean() => promise.callback(std::mem::take(&mut self.poem)),
            Some(promise) => promise.errback(reason.clone()),
            None => {}
        }
    }
}

fn run(addresses: &[PoemAddress]) -> Result<bool, Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let poems = Rc::new(RefCell::new(BTreeMap::new()));
    let to_come = Rc::new(Cell::new(addresses.len()));

    for (task, address) in (1..).zip(addresses) {
        let (shelf, to_come, handle) = (Rc::clone(&poems), Rc::clone(&to_come), reactor.handle());
        let got_poem = move |poem| drop(shelf.borrow_mut().insert(task, poem));
        let poem_done = move |_| {
            to_come.set(to_come.get() - 1);
            if to_come.get() == 0 {
                let _ = handle.stop(); // Unless it is stopping already.
            }
        };
        get_poetry(&reactor, address.host(), address.port())
            .add_callbacks(got_poem, |failure| poem_failed(&failure))
            .add_both(poem_done);
    }
    reactor.run()?;

    let poems = poems.borrow();
    print_poems(&poems)?;
    Ok(poems.len() == addresses.len())
}
