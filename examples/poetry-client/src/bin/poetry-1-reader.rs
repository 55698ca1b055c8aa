//! Downloads poems with the loop of a reactor, and hand-made descriptors.
//!
//! Shows: the loop is no longer ours. An object with a descriptor is given to the reactor with `add_reader` and is called when there is something
//! to read; `readers()` tells when nobody is left, which is when to stop.
//!
//! Try it, with two slow servers in other terminals (see `slow-poetry`) on ports 10001 and 10002:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-1-reader -- 10001 10002
//! ```
//!
//! Departs from production: looking up names and connecting still block, one poem after the other. Sockets are the next step's business; what
//! `add_reader` is for is everything else that has a descriptor: pipes, terminals, other libraries.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use poetry_client::{
    PoemAddress, PoemArgs, connect_blocking, exit_with, failed_to_connect, got_bytes, parse_args,
    poem_failed, print_totals, say,
};
use twistor::prelude::*;

/// Download poems, all of them at once, with descriptors that a reactor watches.
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

/// The poems that arrived, by the number of their task.
type Poems = Rc<RefCell<BTreeMap<usize, Vec<u8>>>>;

/// A socket that reads a poem.
struct PoetrySocket {
    task: usize,
    address: PoemAddress,
    socket: TcpStream,
    poem: Vec<u8>,
    poems: Poems,
    reactor: ReactorHandle,
}

impl AsFd for PoetrySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Descriptor for PoetrySocket {
    /// Reads a piece. While there is more, the reactor calls again, after everybody else had a turn.
    fn do_read(&mut self, _watch: &Watch<Self>) -> Result<(), CloseReason> {
        let mut buffer = [0; 16 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => Err(CloseReason::Done),
            Ok(got) => {
                got_bytes(self.task, got, &self.address);
                self.poem.extend_from_slice(&buffer[..got]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn connection_lost(&mut self, reason: &CloseReason) {
        if reason.is_clean() {
            say(format_args!("Task {} finished", self.task));
            self.poems.borrow_mut().insert(self.task, std::mem::take(&mut self.poem));
        } else {
            poem_failed(reason);
        }
        if self.reactor.readers().is_empty() {
            let _ = self.reactor.stop(); // Unless it is stopping already.
        }
    }
}

fn run(addresses: &[PoemAddress]) -> Result<bool, Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let start = reactor.now();
    let poems = Poems::default();

    for (task, address) in (1..).zip(addresses) {
        let Ok(socket) = connect_blocking(address) else {
            failed_to_connect(address);
            continue;
        };
        let (address, poems, reactor) = (address.clone(), Rc::clone(&poems), reactor.handle());
        let handle = reactor.clone();
        let socket = PoetrySocket { task, address, socket, poem: Vec::new(), poems, reactor };
        handle.add_reader(socket).map_err(|refused| refused.error)?;
    }
    if !reactor.readers().is_empty() {
        reactor.run()?;
    }

    let poems = poems.borrow();
    print_totals(&poems, reactor.now().saturating_duration_since(start));
    Ok(poems.len() == addresses.len())
}
