//! The chat server as a program, and its clients as plain sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The longest that anything may take before a test gives up on it.
const LIMIT: Duration = Duration::from_secs(30);

/// A server that runs. Dropping it kills it.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port =
            line.trim_end().strip_prefix("Chat room on 127.0.0.1:").and_then(|rest| rest.strip_suffix('.'));
        let port = port.unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        Self { child, port }
    }

    #[expect(clippy::disallowed_methods, reason = "the other side is to be no code of ours")]
    fn connect(&self) -> Client {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.set_write_timeout(Some(LIMIT)).unwrap();
        let client = Client { lines: BufReader::new(socket) };
        client.expect_first("* Welcome. What is your name?")
    }

    #[track_caller]
    fn enter(&self, name: &str) -> Client {
        let mut client = self.connect();
        client.say(name);
        client.expect(&format!("* {name} has come in."));
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    lines: BufReader<TcpStream>,
}

impl Client {
    #[track_caller]
    fn expect_first(mut self, line: &str) -> Self {
        self.expect(line);
        self
    }

    #[track_caller]
    fn expect(&mut self, expect: &str) {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{expect}\r\n"));
    }

    #[track_caller]
    fn expect_end(&mut self) {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    #[track_caller]
    fn say(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

#[test]
fn everybody_hears_what_is_said() {
    let server = Server::start();
    let mut ann = server.enter("ann");
    let mut bob = server.enter("bob");
    ann.expect("* bob has come in.");
    bob.say("hello");
    ann.expect("<bob> hello");
    bob.expect("<bob> hello");
    ann.say("/who");
    ann.expect("* Here are: ann, bob.");
    bob.say("/quit");
    bob.expect("* Goodbye.");
    bob.expect_end();
    ann.expect("* bob has left.");
    ann.say("/dance");
    ann.expect("* There is no /dance: try /help.");
}

#[test]
fn names_are_words_and_taken_once() {
    let server = Server::start();
    let _ann = server.enter("ann");
    let mut other = server.connect();
    other.say("a name of many words");
    other.expect("* A name is 1 to 20 letters, digits, - or _.");
    other.say("ann");
    other.expect("* Somebody here is called ann. What is your name?");
    other.say("bob");
    other.expect("* bob has come in.");
}

#[test]
fn a_protocol_reaches_another_and_itself() {
    let server = Server::start();
    let mut ann = server.enter("ann");
    let mut bob = server.enter("bob");
    ann.expect("* bob has come in.");
    bob.say("/reply too early");
    bob.expect("* Nobody has told you anything.");
    ann.say("/tell bob psst");
    bob.expect("<ann to you> psst");
    bob.say("/reply what is it?");
    ann.expect("<bob to you> what is it?");
    ann.say("/tell ann note to self");
    ann.expect("<ann to you> note to self");
    ann.say("/tell carol psst");
    ann.expect("* Nobody here is called carol.");
}

#[test]
fn a_line_over_the_limit_ends_the_connection() {
    let server = Server::start();
    let mut ann = server.enter("ann");
    let mut bob = server.enter("bob");
    ann.expect("* bob has come in.");
    bob.say(&"x".repeat(1025));
    bob.expect("* Lines are limited to 1024 bytes. Goodbye.");
    bob.expect_end();
    ann.expect("* bob has left.");
}

#[test]
fn a_reader_that_is_too_slow_is_put_out_and_the_others_go_on() {
    let server = Server::start();
    let mut ann = server.enter("ann");
    let _slow = server.enter("slow"); // Reads nothing from here on.
    ann.expect("* slow has come in.");
    let text = "x".repeat(1000);
    loop {
        ann.say(&text);
        let mut line = String::new();
        ann.lines.read_line(&mut line).unwrap();
        if line.starts_with("* slow reads too slowly") {
            break;
        }
        assert_eq!(line, format!("<ann> {text}\r\n"));
    }
    ann.expect(&format!("<ann> {text}"));
    ann.say("/who");
    ann.expect("* Here are: ann.");
}

#[test]
fn sigint_says_goodbye_and_ends() {
    let mut server = Server::start();
    let mut ann = server.enter("ann");
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    ann.expect("* The room closes. Goodbye.");
    ann.expect_end();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}
