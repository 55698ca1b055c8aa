//! A chat server by lines: protocols that reach their factory's state, and each other.
//!
//! Shows: the pattern that every server with more than one client needs.
//!
//! - **Shared state** is an `Rc<RefCell<Room>>`, which the factory gives to each protocol. There is one thread, so nothing is locked; and nothing of
//!   yours is ever called from inside a call of yours to the library, so no `borrow_mut` can meet another one further up the stack. Writing
//!   to forty transports with the room borrowed is safe: `write_bytes` queues, and what follows from it (a `connection_lost`, say) is told
//!   after the present callback has returned.
//! - **Reaching another connection** goes in two ways. To send to it, its `Transport` is enough. To change its *protocol*, whose plain fields belong
//!   to it alone, `Connection::post` queues a call with `&mut` to it; so `/tell` has the other side remember who spoke, for its `/reply`. Posting
//!   to oneself, or to somebody who has left a moment ago, is no special case.
//!
//! Try it:
//!
//! ```sh
//! cargo run -p chat -- --port 8007
//! nc 127.0.0.1 8007           # in two other terminals or more; the first line is your name, then /help
//! ```
//!
//! Departs from production: nobody proves who they are, there is one room, and a client that says nothing stays for ever.

mod line;
mod room;

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use twistor::prelude::*;

use self::line::{LineBuffer, MAX_LINE};
use self::room::{MAX_NAME, Room, is_name};

/// The bytes that may wait for one reader. Whoever is further behind is disconnected: the others' memory is not the place for it.
const MAX_BACKLOG: usize = 256 * 1024;

/// How long those who are in the room have to hear the goodbye at the end.
const GOODBYE: Duration = Duration::from_secs(2);

/// Serve a chat room to everybody who connects, by lines of text.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The port to listen on; 0 is any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The interface to listen on, as an IP address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    iface: String,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let port = reactor.listen_tcp((cli.iface.as_str(), cli.port), ChatFactory::default())?;
    // Nobody reading this is no reason not to serve.
    let _ = writeln!(io::stdout(), "Chat room on {}.", port.host());
    // SIGINT stops the reactor; before it does, everybody hears so.
    reactor.add_system_event_trigger(Phase::Before, "shutdown", move |_| port.drain(GOODBYE).map(|_| ()));
    reactor.run()?;
    Ok(())
}

/// Makes a [`Chat`] for each client, and gives it the room.
#[derive(Default)]
struct ChatFactory {
    room: Rc<RefCell<Room>>,
}

impl Factory for ChatFactory {
    type Protocol = Chat;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Chat> {
        Some(Chat {
            room: Rc::clone(&self.room),
            lines: LineBuffer::default(),
            name: None,
            last_teller: None,
        })
    }
}

/// One client.
struct Chat {
    room: Rc<RefCell<Room>>,
    lines: LineBuffer,
    /// `None` until a name was given and found free.
    name: Option<String>,
    /// Who told us something last, for `/reply`.
    last_teller: Option<String>,
}

impl Protocol for Chat {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_max_write_buffer(Some(MAX_BACKLOG));
        say(transport, "* Welcome. What is your name?");
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.lines.push(data);
        while transport.is_connected() {
            match self.lines.next_line() {
                Ok(Some(line)) => self.line_received(transport, line.trim()),
                Ok(None) => return,
                Err(_) => {
                    say(transport, &format!("* Lines are limited to {MAX_LINE} bytes. Goodbye."));
                    transport.lose_connection();
                }
            }
        }
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        let Some(name) = self.name.take() else { return };
        let mut room = self.room.borrow_mut();
        room.leave(&name);
        match reason {
            CloseReason::WriteBufferFull(_) => {
                room.say_to_all(&format!("* {name} reads too slowly and was put out."))
            }
            _ => room.say_to_all(&format!("* {name} has left.")),
        }
    }

    fn close_requested(&mut self, transport: &Transport) {
        say(transport, "* The room closes. Goodbye.");
        transport.lose_connection();
    }
}

impl Chat {
    fn line_received(&mut self, transport: &Transport, line: &str) {
        let Some(name) = &self.name else { return self.introduce(transport, line) };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => {}
            "/who" => say(transport, &format!("* Here are: {}.", self.room.borrow().names())),
            "/tell" => self.tell(transport, rest),
            "/reply" => self.reply(transport, rest),
            "/quit" => {
                say(transport, "* Goodbye.");
                transport.lose_connection();
            }
            "/help" => {
                say(transport, "* /who, /tell NAME TEXT, /reply TEXT, /quit; all else is said to everybody.")
            }
            word if word.starts_with('/') => say(transport, &format!("* There is no {word}: try /help.")),
            _ => self.room.borrow().say_to_all(&format!("<{name}> {line}")),
        }
    }

    /// The first line: a name.
    fn introduce(&mut self, transport: &Transport, name: &str) {
        if !is_name(name) {
            return say(transport, &format!("* A name is 1 to {MAX_NAME} letters, digits, - or _."));
        }
        let mut room = self.room.borrow_mut();
        if !room.enter(name, transport.connection()) {
            return say(transport, &format!("* Somebody here is called {name}. What is your name?"));
        }
        room.say_to_all(&format!("* {name} has come in."));
        self.name = Some(name.to_owned());
    }

    fn tell(&self, transport: &Transport, rest: &str) {
        match rest.split_once(' ') {
            Some((to, text)) => self.tell_one(transport, to, text),
            None => say(transport, "* /tell NAME TEXT"),
        }
    }

    fn reply(&self, transport: &Transport, text: &str) {
        match &self.last_teller {
            Some(to) => self.tell_one(transport, to, text),
            None => say(transport, "* Nobody has told you anything."),
        }
    }

    fn tell_one(&self, transport: &Transport, to: &str, text: &str) {
        let Some(from) = self.name.clone() else { return };
        let Some(connection) = self.room.borrow().find(to) else {
            return say(transport, &format!("* Nobody here is called {to}."));
        };
        let text = format!("<{from} to you> {text}");
        connection.post(move |other, transport| {
            say(transport, &text);
            other.last_teller = Some(from);
        });
    }
}

/// Sends a line.
fn say(transport: &Transport, line: &str) {
    transport.write_sequence([line, "\r\n"]);
}
