//! Every server of the comparison does what the load generator counts on. Those that are not in Rust are tested too, if `BENCH_PEERS_DIR` names the
//! directory in which `benches/peers/build.sh` has put them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use twistor_bench::servers::{MOST_UNSENT, PIECE, piece};

/// More than anything here takes, so that a server that stalls fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server may have in memory after it was sent what nobody reads: its program, and bounded buffers.
const MOST_RESIDENT_KIB: u64 = 120 * 1024;

struct Server {
    name: String,
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(program: &Program, mode: &str, more: &[&str]) -> Self {
        let (path, name) = program;
        let mut child = Command::new(path)
            .args(["--port", "0", "--mode", mode, "--end-with-stdin"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{name} said {line:?}"));
        Self { name: name.clone(), child, address }
    }

    #[expect(clippy::disallowed_methods, reason = "a client that blocks")]
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Whether it echoes on a connection.
    fn serves(&self, mut socket: &TcpStream) -> bool {
        let mut back = [0; 12];
        socket.write_all(b"still there?").and_then(|()| socket.read_exact(&mut back)).is_ok()
            && back == *b"still there?"
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Program = (PathBuf, String);

fn program(path: PathBuf) -> Program {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    (path, name)
}

/// The servers of this package.
fn own() -> Vec<Program> {
    let all = [
        env!("CARGO_BIN_EXE_bench-server"),
        env!("CARGO_BIN_EXE_peer-epoll"),
        env!("CARGO_BIN_EXE_peer-mio"),
        env!("CARGO_BIN_EXE_peer-calloop"),
        env!("CARGO_BIN_EXE_peer-tokio"),
        env!("CARGO_BIN_EXE_peer-smol"),
    ];
    all.map(|path| program(path.into())).into()
}

/// The servers that are not in Rust: every executable file where they are said to be, as the comparison takes them.
fn others() -> Vec<Program> {
    let Some(directory) = std::env::var_os("BENCH_PEERS_DIR") else {
        // Once for all tests, and not by a macro, whose output nobody sees unless the test fails.
        static TOLD: Once = Once::new();
        let line = b"skipped: other_servers::*, since BENCH_PEERS_DIR names no directory\n";
        TOLD.call_once(|| drop(io::stderr().write_all(line)));
        return Vec::new();
    };
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let executable = |path: &PathBuf| {
        let about = std::fs::metadata(path).unwrap();
        about.is_file() && about.permissions().mode() & 0o111 != 0
    };
    let mut all: Vec<Program> = files.filter(executable).map(program).collect();
    all.sort();
    assert!(!all.is_empty(), "there is no server in BENCH_PEERS_DIR");
    all
}

fn each(programs: &[Program], mode: &str, test: impl Fn(&Program, Server)) {
    for program in programs {
        eprintln!("{} {mode}", program.1);
        test(program, Server::start(program, mode, &[]));
    }
}

/// Each behaviour, with the mode that the server is to be in, is a test of the servers of this package and one of the others.
macro_rules! behaviours {
    ($($name:ident: $mode:literal,)*) => {
        mod own_servers {
            $(#[test] fn $name() { super::each(&super::own(), $mode, super::$name); })*
        }
        mod other_servers {
            $(#[test] fn $name() { super::each(&super::others(), $mode, super::$name); })*
        }
    };
}

behaviours! {
    an_echo_gives_back_every_byte_and_closes_after_the_end: "echo",
    an_echo_sends_what_is_unsent_when_the_end_comes: "echo",
    an_echo_serves_many_at_once: "echo",
    an_echo_holds_little_for_who_does_not_read: "echo",
    an_echo_outlives_its_clients: "echo",
    a_stream_is_pieces_without_end: "stream",
    a_broadcast_goes_to_all_others_in_order: "broadcast",
    a_broadcast_drops_who_lets_too_much_wait: "broadcast",
    a_server_ends_with_its_input_if_it_is_told_to: "echo",
    a_server_ends_when_it_is_told_to_by_a_signal: "echo",
    a_server_refuses_arguments_that_make_no_sense: "echo",
}

/// Bytes that differ from their neighbours, at every distance that matters.
fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i / 251 % 253) as u8 ^ seed).collect()
}

/// Reads until the end, or until the connection is reset, whatever comes first; how many bytes came.
fn rest(mut socket: &TcpStream) -> usize {
    let mut scratch = vec![0; 1 << 16];
    let mut came = 0;
    loop {
        match socket.read(&mut scratch) {
            Ok(0) => return came,
            Ok(count) => came += count,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return came,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Sends all of `data` and the end, and gives everything that comes until the other end.
fn both_ways(socket: TcpStream, data: &[u8]) -> Vec<u8> {
    std::thread::scope(|threads| {
        threads.spawn(|| {
            (&socket).write_all(data).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        (&socket).read_to_end(&mut back).unwrap();
        back
    })
}

fn an_echo_gives_back_every_byte_and_closes_after_the_end(_: &Program, server: Server) {
    for len in [1, 64, 1_000, 16_384, 65_536, 65_537, 1 << 20] {
        let data = pattern(len, 7);
        assert!(both_ways(server.connect(), &data) == data, "{} changed {len} bytes", server.name);
    }
    assert_eq!(both_ways(server.connect(), b""), b"", "{}", server.name);
}

fn an_echo_sends_what_is_unsent_when_the_end_comes(_: &Program, server: Server) {
    let socket = server.connect();
    socket.set_nonblocking(true).unwrap();
    let mut sent = Vec::new();
    let mut full = 0;
    // Until the server has taken what it takes: it has had its turns when it has served another.
    while full < 3 {
        assert!(sent.len() < 256 << 20, "{} takes whatever comes", server.name);
        let data = pattern(1 << 20, (sent.len() % 241) as u8);
        match (&socket).write(&data) {
            Ok(count) => {
                full = 0;
                sent.extend_from_slice(&data[..count]);
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                full += 1;
            }
        }
        assert!(server.serves(&server.connect()), "{}", server.name);
    }
    socket.shutdown(Shutdown::Write).unwrap();
    socket.set_nonblocking(false).unwrap();
    let mut back = Vec::new();
    (&socket).read_to_end(&mut back).unwrap();
    assert!(back == sent, "{}: {} bytes of {}", server.name, back.len(), sent.len());
}

fn an_echo_serves_many_at_once(_: &Program, server: Server) {
    let clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for round in 0..3 {
        let message = |client: usize| pattern(64, (client * 3 + round) as u8);
        for (client, mut socket) in clients.iter().enumerate() {
            socket.write_all(&message(client)).unwrap();
        }
        for (client, mut socket) in clients.iter().enumerate() {
            let mut back = [0; 64];
            socket.read_exact(&mut back).unwrap();
            assert!(back[..] == message(client), "{} mixed up {client} in round {round}", server.name);
        }
    }
}

#[test]
fn with_two_reactors_it_is_the_same_echo() {
    for program in &own() {
        if !["bench-server", "peer-epoll", "peer-mio", "peer-tokio"].contains(&&*program.1) {
            continue;
        }
        let server = Server::start(program, "echo", &["--reactors", "2"]);
        for client in 0..20 {
            let data = pattern(10_000, client);
            assert!(both_ways(server.connect(), &data) == data, "{}", server.name);
        }
    }
}

fn an_echo_holds_little_for_who_does_not_read(_: &Program, server: Server) {
    let before = server.resident_kib();
    let mut socket = server.connect();
    socket.set_nonblocking(true).unwrap();
    let data = pattern(1 << 20, 1);
    let mut sent = 0;
    // The kernel has buffers too: what is taken at all says nothing, what the server holds of it does.
    for _ in 0..200 {
        match socket.write(&data) {
            Ok(count) => sent += count,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        assert!(server.serves(&server.connect()), "{}", server.name);
    }
    assert!(sent > 1 << 16, "{}", server.name);
    let after = server.resident_kib();
    assert!(
        after < MOST_RESIDENT_KIB && after < before + 8 * 1024,
        "{}: {before} then {after} KiB",
        server.name
    );
}

fn an_echo_outlives_its_clients(_: &Program, server: Server) {
    let data = pattern(1 << 16, 1);
    for client in 0..2_000 {
        let socket = server.connect();
        socket.set_nonblocking(true).unwrap();
        let _ = (&socket).write(&data).unwrap();
        // What comes back was never read, so the system resets the connection. Behind an end that is a broken pipe to the server.
        if client % 2 == 0 {
            socket.shutdown(Shutdown::Write).unwrap();
        }
        drop(socket);
    }
    assert!(server.serves(&server.connect()), "{}", server.name);
}

fn a_stream_is_pieces_without_end(_: &Program, server: Server) {
    let mut clients = [server.connect(), server.connect()];
    for _ in 0..20 {
        for client in &mut clients {
            let mut came = vec![0; PIECE];
            client.read_exact(&mut came).unwrap();
            assert!(came == piece(), "{}", server.name);
        }
    }
    drop(clients);
    let mut again = server.connect();
    let mut came = vec![0; 3 * PIECE];
    again.read_exact(&mut came).unwrap();
    assert!(came == piece().repeat(3), "{}", server.name);
    assert!(server.resident_kib() < MOST_RESIDENT_KIB, "{}: {} KiB", server.name, server.resident_kib());
}

fn a_broadcast_goes_to_all_others_in_order(_: &Program, server: Server) {
    let mut clients = vec![server.connect()];
    for from in 1..4_u8 {
        // Who is heard is in the room.
        let mut client = server.connect();
        client.write_all(&[from]).unwrap();
        for other in &mut clients {
            let mut heard = [0];
            other.read_exact(&mut heard).unwrap_or_else(|error| panic!("{}: {error}", server.name));
            assert_eq!(heard, [from], "{}", server.name);
        }
        clients.push(client);
    }
    let data = pattern(256 * 1024, 3);
    std::thread::scope(|threads| {
        let (name, data) = (&server.name, &data);
        for mut client in &clients[1..] {
            threads.spawn(move || {
                let mut heard = vec![0; data.len()];
                client.read_exact(&mut heard).unwrap();
                assert!(heard == *data, "{name}");
            });
        }
        (&clients[0]).write_all(data).unwrap();
    });
    // Nothing came back to who sent it.
    clients[0].set_nonblocking(true).unwrap();
    let nothing = (&clients[0]).read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock, "{}", server.name);
}

fn a_broadcast_drops_who_lets_too_much_wait(_: &Program, server: Server) {
    let (mut listener, mut deaf) = (server.connect(), server.connect());
    deaf.write_all(b"x").unwrap();
    // Who is heard is in the room.
    listener.read_exact(&mut [0]).unwrap();
    let mut sender = server.connect();
    let data = pattern(1 << 20, 5);
    let mut heard = vec![0; data.len()];
    // What is in the system's own buffers does not count.
    let all = MOST_UNSENT + (32 << 20);
    for _ in 0..all / data.len() {
        std::thread::scope(|threads| {
            threads.spawn(|| sender.write_all(&data).unwrap());
            listener.read_exact(&mut heard).unwrap();
        });
        assert!(heard == data, "{}", server.name);
    }
    let came = rest(&deaf);
    assert!(came < all, "{}: {came} bytes", server.name);
    sender.write_all(b"y").unwrap();
    listener.read_exact(&mut heard[..1]).unwrap();
    assert_eq!(heard[0], b'y', "{}", server.name);
}

fn a_server_ends_with_its_input_if_it_is_told_to(_: &Program, mut server: Server) {
    // By the drop of its end of the pipe alone; the socket tells when it is gone.
    let socket = server.connect();
    assert!(server.serves(&socket), "{}", server.name);
    drop(server.child.stdin.take());
    assert_eq!(rest(&socket), 0, "{}", server.name);
    assert!(server.child.wait().unwrap().success(), "{}", server.name);
}

fn a_server_ends_when_it_is_told_to_by_a_signal(_: &Program, mut server: Server) {
    let socket = server.connect();
    assert!(server.serves(&socket), "{}", server.name);
    let pid = i32::try_from(server.child.id()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    // That the process itself is the server, and not its child, is part of it: its cost is measured by its number.
    assert_eq!(rest(&socket), 0, "{}", server.name);
    server.child.wait().unwrap();
}

fn a_server_refuses_arguments_that_make_no_sense((path, name): &Program, _: Server) {
    for wrong in
        [&["--mode", "shout"][..], &["--port", "70000"], &["--port", "one"], &["--mode"], &["--wrong"]]
    {
        let output = Command::new(path).args(wrong).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} {wrong:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{name} {wrong:?}");
    }
}
