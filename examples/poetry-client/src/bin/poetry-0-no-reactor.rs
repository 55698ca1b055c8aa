//! Downloads poems with a readiness loop made by hand, over mio alone. No Twistor here: this is the work it takes away.
//!
//! Shows: what an event loop is. One thread waits for all sockets at once, reads what is there from those that are ready, and waits again.
//!
//! Try it, with two slow servers in other terminals (see `slow-poetry`) on ports 10001 and 10002:
//!
//! ```sh
//! cargo run -p poetry-client --bin poetry-0-no-reactor -- 10001 10002
//! ```
//!
//! Departs from production: looking up names and connecting block, one poem after the other; a socket that always has more to read would starve
//! the others; SIGINT ends the program by its default, at once and without a word.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use poetry_client::{
    PoemAddress, PoemArgs, connect_blocking, exit_with, failed_to_connect, got_bytes, parse_args,
    poem_failed, print_totals, say,
};

/// Download poems, all of them at once, with a readiness loop made by hand.
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

/// A poem on its way.
struct Task {
    address: PoemAddress,
    socket: TcpStream,
    poem: Vec<u8>,
}

#[expect(clippy::disallowed_methods, reason = "without a reactor there is no clock but the system's")]
fn run(addresses: &[PoemAddress]) -> io::Result<bool> {
    let start = Instant::now();
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut tasks = BTreeMap::new();
    let mut poems = BTreeMap::new();

    for (number, address) in (1..).zip(addresses) {
        let Ok(socket) = connect_blocking(address) else {
            failed_to_connect(address);
            continue;
        };
        let mut socket = TcpStream::from_std(socket);
        poll.registry().register(&mut socket, Token(number), Interest::READABLE)?;
        tasks.insert(number, Task { address: address.clone(), socket, poem: Vec::new() });
    }

    while !tasks.is_empty() {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let Token(number) = event.token();
            let Some(task) = tasks.get_mut(&number) else { continue };
            match task.read(number) {
                Ok(Progress::More) => {}
                Ok(Progress::Finished) => {
                    say(format_args!("Task {number} finished"));
                    poems.extend(tasks.remove(&number).map(|task| (number, task.poem)));
                }
                Err(error) => {
                    poem_failed(&error);
                    tasks.remove(&number);
                }
            }
        }
    }

    print_totals(&poems, start.elapsed());
    Ok(poems.len() == addresses.len())
}

enum Progress {
    More,
    Finished,
}

impl Task {
    /// Reads all there is. mio tells of new data once, so what is left unread now would not be heard of again.
    fn read(&mut self, number: usize) -> io::Result<Progress> {
        let before = self.poem.len();
        let progress = match self.socket.read_to_end(&mut self.poem) {
            Ok(_) => Progress::Finished,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::More,
            Err(error) => return Err(error),
        };
        let got = self.poem.len() - before;
        if got > 0 {
            got_bytes(number, got, &self.address);
        }
        Ok(progress)
    }
}
