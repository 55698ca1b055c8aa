//! A listener that has no descriptor left sheds clients or lets them wait, serves those it has, sleeps while nothing happens, and
//! recovers. The server is a process of its own with 64 descriptors; the clients are sockets of the standard library in this one.

#![cfg(all(feature = "mio", target_os = "linux"))]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twistor_net::{
    Address, CloseReason, Factory, Protocol, ReactorTcp, Shortage, TcpServerOptions, Transport,
};
use twistor_reactor::Reactor;

/// The server's descriptors.
const LIMIT: u64 = 64;
/// How long a client waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

// ---------------------------------------------------------------------------------------------------------------------------------
// The server.

struct Service {
    policy: Shortage,
    shortages: usize,
}

struct Answers;

impl Factory for Service {
    type Protocol = Answers;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Answers> {
        Some(Answers)
    }
    fn descriptors_exhausted(&mut self, error: &io::Error) -> Shortage {
        assert_eq!(error.raw_os_error(), Some(24), "EMFILE");
        self.shortages += 1;
        self.policy
    }
}

/// The processor time of this process so far, in ticks of 10 ms.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux shows it");
    let fields: Vec<_> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}

impl Protocol for Answers {
    /// One letter, one line: `e` is answered, `s` tells what the reactor did so far, `q` ends it.
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let stats = transport.reactor().stats();
        for letter in data {
            match letter {
                b'e' => drop(transport.write(b"yes\n")),
                b's' => {
                    let line = format!(
                        "{} {} {} {}\n",
                        stats.turns,
                        stats.timers_pending,
                        stats.connections,
                        self.cpu()
                    );
                    transport.write(line.as_bytes());
                }
                b'q' => transport.reactor().stop().expect("it runs"),
                other => panic!("no such letter: {other}"),
            }
        }
    }
    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {}
}

impl Answers {
    /// Reading it takes a descriptor, and there may be none.
    fn cpu(&self) -> u64 {
        let limit = getrlimit(Resource::Nofile);
        let more = Rlimit { current: Some(LIMIT + 4), maximum: limit.maximum };
        setrlimit(Resource::Nofile, more).expect("the hard limit is higher");
        let ticks = ticks();
        setrlimit(Resource::Nofile, limit).expect("it was so before");
        ticks
    }
}

fn serve(policy: Shortage) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum }).expect("a lower limit is allowed");
    let mut reactor = Reactor::new().expect("a poller");
    let options = TcpServerOptions::new().backlog(500);
    let port = reactor.listen_tcp_with(("127.0.0.1", 0), Service { policy, shortages: 0 }, options);
    println!("\nlistening on {}", port.expect("a free port").host());
    reactor.run().expect("a new reactor");
}

/// Set in a process that runs one test alone.
const CHILD: &str = "TWISTOR_DESCRIPTOR_LIMIT_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn serve_and_shed() {
    if !is_child() {
        return;
    }
    serve(Shortage::Shed);
}

#[test]
fn serve_and_let_wait() {
    if !is_child() {
        return;
    }
    serve(Shortage::Wait);
}

// ---------------------------------------------------------------------------------------------------------------------------------
// The clients.

struct Server {
    process: Child,
    address: SocketAddr,
    /// Kept open: the server writes to it still.
    output: Option<BufReader<ChildStdout>>,
}

/// What the server says of itself.
#[derive(Debug)]
struct Says {
    turns: u64,
    timers: u64,
    connections: u64,
    ticks: u64,
}

impl Server {
    /// Runs the test `name` in a process of its own. The test must begin with `if !is_child() { return }`.
    fn start(name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("the test program has a path"));
        command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
        let process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the test program");
        let mut server = Self { process, address: ([0, 0, 0, 0], 0).into(), output: None };
        let mut output = BufReader::new(server.process.stdout.take().expect("a pipe"));
        while server.address.port() == 0 {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("a pipe") > 0, "the server has ended");
            if let Some(address) = line.trim().strip_prefix("listening on ") {
                server.address = address.parse().expect("an address");
            }
        }
        server.output = Some(output);
        server
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).expect("the backlog has room");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    }

    fn end(mut self, client: &mut TcpStream) {
        client.write_all(b"q").expect("it listens");
        let rest = self.output.take().into_iter().flat_map(BufRead::lines);
        assert!(rest.map_while(Result::ok).any(|line| line.contains("1 passed")));
        assert!(self.process.wait().expect("our child").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(client: &mut TcpStream) -> io::Result<String> {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with('\n') {
        if client.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        text.push(char::from(byte[0]));
    }
    Ok(text)
}

/// Whether the server answers; `false` if it has closed the connection.
fn is_served(client: &mut TcpStream) -> bool {
    let answer = client.write_all(b"e").and_then(|()| line(client));
    match answer {
        Ok(text) => text == "yes\n",
        Err(error) => {
            assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "neither served nor shed");
            false
        }
    }
}

fn ask(client: &mut TcpStream) -> Says {
    client.write_all(b"s").expect("it is served");
    let text = line(client).expect("it is served");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().expect("four numbers");
    Says { turns: next(), timers: next(), connections: next(), ticks: next() }
}

/// Lets a second pass in which nobody says anything.
fn idle_second(client: &mut TcpStream) {
    client.set_read_timeout(Some(Duration::from_secs(1))).expect("not zero");
    let quiet = client.read(&mut [0]).expect_err("nobody was asked");
    assert_eq!(quiet.kind(), io::ErrorKind::WouldBlock);
    client.set_read_timeout(Some(PATIENCE)).expect("not zero");
}

#[test]
fn tcp_19_a_listener_without_descriptors_sheds_stays_responsive_sleeps_and_recovers() {
    let server = Server::start("serve_and_shed");
    let mut served = Vec::new();
    let mut shed = 0;
    for _ in 0..100 {
        let mut client = server.dial();
        if is_served(&mut client) { served.push(client) } else { shed += 1 }
    }
    assert!((30..LIMIT as usize).contains(&served.len()), "{} clients are served", served.len());
    assert_eq!(served.len() + shed, 100, "the others know at once that they are not");
    // Many at once, too.
    let crowd: Vec<_> = (0..300).map(|_| server.dial()).collect();
    let lucky = crowd.into_iter().map(|mut client| is_served(&mut client)).filter(|&served| served).count();
    assert_eq!(lucky, 0);
    assert!(served.iter_mut().all(is_served), "those it has are served as ever");

    let (first, _) = served.split_first_mut().expect("somebody is served");
    let before = ask(first);
    idle_second(first);
    let after = ask(first);
    assert!(after.turns - before.turns < 20, "it sleeps: {before:?}, {after:?}");
    assert!(after.ticks - before.ticks <= 5, "and uses no processor: {before:?}, {after:?}");
    assert!(after.timers <= 2, "one timer for the shortage at most: {after:?}");
    assert_eq!(after.connections, served.len() as u64);

    served.truncate(10);
    let mut new = Vec::new();
    for _ in 0..20 {
        // Those who left are noticed in their own time.
        let client =
            (0..50).map(|_| server.dial()).find_map(|mut client| is_served(&mut client).then_some(client));
        new.push(client.expect("there are descriptors again"));
    }
    assert!(served.iter_mut().chain(&mut new).all(is_served));
    server.end(&mut served[0]);
}

#[test]
fn tcp_19_a_listener_that_lets_clients_wait_serves_them_when_descriptors_are_freed() {
    let server = Server::start("serve_and_let_wait");
    let mut served = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..70 {
        let mut client = server.dial();
        client.write_all(b"e").expect("the system takes it");
        let patience = if waiting.is_empty() { Duration::from_millis(500) } else { Duration::from_millis(1) };
        client.set_read_timeout(Some(patience)).expect("not zero");
        match line(&mut client) {
            Ok(text) => {
                assert!(waiting.is_empty() && text == "yes\n");
                client.set_read_timeout(Some(PATIENCE)).expect("not zero");
                served.push(client);
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "nobody is shed");
                waiting.push(client);
            }
        }
    }
    assert!((30..LIMIT as usize).contains(&served.len()) && !waiting.is_empty());
    // Whoever comes now is an event that changes nothing, and must not leave a timer each.
    waiting.extend((0..200).map(|_| {
        let mut client = server.dial();
        client.write_all(b"e").expect("the system takes it");
        client
    }));
    assert!(served.iter_mut().all(is_served), "those it has are served as ever");
    let (first, _) = served.split_first_mut().expect("somebody is served");
    let before = ask(first);
    idle_second(first);
    let after = ask(first);
    assert!(after.timers <= 2, "one timer for the shortage: {after:?}");
    assert!(after.turns - before.turns < 30, "it sleeps: {before:?}, {after:?}");
    assert!(after.ticks - before.ticks <= 5, "and uses no processor: {before:?}, {after:?}");

    // As those who were served leave, those who wait get their turn, in the order they came.
    served.truncate(1);
    let room = 30;
    for client in waiting.iter_mut().take(room) {
        client.set_read_timeout(Some(PATIENCE)).expect("not zero");
        assert_eq!(line(client).expect("there is a descriptor for it"), "yes\n");
    }
    assert!(waiting.iter_mut().take(room).all(is_served));
    server.end(&mut served[0]);
}
