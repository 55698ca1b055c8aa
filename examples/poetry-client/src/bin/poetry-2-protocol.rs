//! Downloads poems with a protocol and a factory: no socket in sight.
//!
//! Shows: `Protocol` is what to do with one connection's data; `ClientFactory` makes a protocol when the connection stands, and hears how it went,
//! `client_connection_failed` if it never stood. Connecting blocks nobody now.
//!
//! Try it, with a slow server in another terminal (see `slow-poetry`) on port 10001, and nobody on 10003:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-2-protocol -- 10001 localhost:10003
//! ```
//!
//! Departs from production: what to do with a poem, and when to stop, is written into the protocol and the factory, so that neither can be used for
//! anything else. The next step puts that right.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use poetry_client::{
    PoemAddress, PoemArgs, exit_with, failed_to_connect, got_bytes, parse_args, poem_failed, print_totals,
};
use twistor::prelude::*;

/// Download poems, all of them at once, with protocols that a factory makes.
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

/// What all factories and protocols share: the poems that arrived, by the number of their task, and how many are still to come.
struct Shelf {
    poems: BTreeMap<usize, Vec<u8>>,
    to_come: usize,
}

/// One side of one connection. It owns its fields: nobody else calls it, and never two at a time.
struct PoetryProtocol {
    task: usize,
    address: PoemAddress,
    poem: Vec<u8>,
    shelf: Rc<RefCell<Shelf>>,
}

impl Protocol for PoetryProtocol {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        got_bytes(self.task, data.len(), &self.address);
        self.poem.extend_from_slice(data);
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        if reason.is_clean() {
            self.shelf.borrow_mut().poems.insert(self.task, std::mem::take(&mut self.poem));
        } else {
            poem_failed(reason);
        }
    }
}

/// Makes the protocol of one task.
struct PoetryFactory {
    task: usize,
    address: PoemAddress,
    shelf: Rc<RefCell<Shelf>>,
    reactor: ReactorHandle,
}

impl PoetryFactory {
    fn task_ended(&self) {
        let mut shelf = self.shelf.borrow_mut();
        shelf.to_come -= 1;
        if shelf.to_come == 0 {
            let _ = self.reactor.stop(); // Unless it is stopping already.
        }
    }
}

impl Factory for PoetryFactory {
    type Protocol = PoetryProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<PoetryProtocol> {
        let (address, shelf) = (self.address.clone(), Rc::clone(&self.shelf));
        Some(PoetryProtocol { task: self.task, address, poem: Vec::new(), shelf })
    }
}

impl ClientFactory for PoetryFactory {
    fn client_connection_failed(&mut self, connector: &Connector, _reason: &ConnectError) {
        failed_to_connect(connector.destination());
        self.task_ended();
    }

    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &CloseReason) {
        self.task_ended();
    }
}

fn run(addresses: &[PoemAddress]) -> Result<bool, Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let start = reactor.now();
    let shelf = Rc::new(RefCell::new(Shelf { poems: BTreeMap::new(), to_come: addresses.len() }));

    for (task, address) in (1..).zip(addresses) {
        let (shelf, handle) = (Rc::clone(&shelf), reactor.handle());
        let factory = PoetryFactory { task, address: address.clone(), shelf, reactor: handle };
        reactor.connect_tcp((address.host(), address.port()), factory);
    }
    reactor.run()?;

    let poems = &shelf.borrow().poems;
    print_totals(poems, reactor.now().saturating_duration_since(start));
    Ok(poems.len() == addresses.len())
}
