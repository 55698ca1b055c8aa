//! Downloads poems with one function, `get_poetry`, that takes a callback.
//!
//! Shows: protocol and factory know nothing of the program any more. They hand the result to a callback, once, and so can be used for anything.
//! That it is once needs no care: the callback is moved from the factory to the protocol to its call.
//!
//! Try it, with two slow servers in other terminals (see `slow-poetry`) on ports 10001 and 10002:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-3-callback -- 10001 10002
//! ```
//!
//! Departs from production: callbacks do not compose. Doing something after the poem means a callback in a callback, and each of them has to pass
//! failures on by hand. The next step puts that right.

use std::cell::RefCell;
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

/// What is called with a poem, or with the reason why there is none.
type Callback = Box<dyn FnOnce(Result<Vec<u8>, Failure>)>;

/// Downloads a poem from `host`, `port` and calls `callback` with it, once, from the loop.
fn get_poetry(
    reactor: &ReactorHandle,
    host: &str,
    port: u16,
    callback: impl FnOnce(Result<Vec<u8>, Failure>) + 'static,
) {
    reactor.connect_tcp((host, port), PoetryFactory { callback: Some(Box::new(callback)) });
}

struct PoetryFactory {
    /// With the protocol, once there is one.
    callback: Option<Callback>,
}

impl Factory for PoetryFactory {
    type Protocol = PoetryProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<PoetryProtocol> {
        Some(PoetryProtocol { poem: Vec::new(), callback: self.callback.take() })
    }
}

impl ClientFactory for PoetryFactory {
    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        if let Some(callback) = self.callback.take() {
            callback(Err(reason.clone().into()));
        }
    }
}

struct PoetryProtocol {
    poem: Vec<u8>,
    callback: Option<Callback>,
}

impl Protocol for PoetryProtocol {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.poem.extend_from_slice(data);
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        if let Some(callback) = self.callback.take() {
            let poem = std::mem::take(&mut self.poem);
            callback(if reason.is_clean() { Ok(poem) } else { Err(reason.clone().into()) });
        }
    }
}

fn run(addresses: &[PoemAddress]) -> Result<bool, Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let poems = Rc::new(RefCell::new(BTreeMap::new()));
    let to_come = Rc::new(RefCell::new(addresses.len()));

    for (task, address) in (1..).zip(addresses) {
        let (poems, to_come, handle) = (Rc::clone(&poems), Rc::clone(&to_come), reactor.handle());
        get_poetry(&reactor, address.host(), address.port(), move |result| {
            match result {
                Ok(poem) => drop(poems.borrow_mut().insert(task, poem)),
                Err(failure) => poem_failed(&failure),
            }
            *to_come.borrow_mut() -= 1;
            if *to_come.borrow() == 0 {
                let _ = handle.stop(); // Unless it is stopping already.
            }
        });
    }
    reactor.run()?;

    let poems = poems.borrow();
    print_poems(&poems)?;
    Ok(poems.len() == addresses.len())
}
