//! Every server of the comparison does what the load generator counts on. Those that are built by `benches/peers/build.sh` are tested too, if
//! `BENCH_PEERS_DIR` names the directory.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use twistor_bench::servers::{PIECE, piece};

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

#[expect(clippy::disallowed_methods, reason = "where the other peers are")]
fn programs() -> Vec<Program> {
    let ours = [
        env!("CARGO_BIN_EXE_bench-server"),
        env!("CARGO_BIN_EXE_peer-epoll"),
        env!("CARGO_BIN_EXE_peer-mio"),
        env!("CARGO_BIN_EXE_peer-calloop"),
        env!("CARGO_BIN_EXE_peer-tokio"),
        env!("CARGO_BIN_EXE_peer-smol"),
    ];
    let mut all: Vec<PathBuf> = ours.iter().map(PathBuf::from).collect();
    if let Ok(directory) = std::env::var("BENCH_PEERS_DIR") {
        let mut others: Vec<_> =
            std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        others.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("peer-"));
        others.sort();
        all.extend(others);
    }
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    all.into_iter().map(|path| (path.clone(), name(&path))).collect()
}

fn each(mode: &str, test: impl Fn(&Server)) {
    for program in programs() {
        eprintln!("{} {mode}", program.1);
        test(&Server::start(&program, mode, &[]));
    }
}

/// Bytes that differ from their neighbours, at every distance that matters.
fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i / 251 % 253) as u8 ^ seed).collect()
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

#[test]
fn an_echo_gives_back_every_byte_and_closes_after_the_end() {
    each("echo", |server| {
        for len in [1, 64, 1_000, 16_384, 65_536, 65_537, 1 << 20] {
            let data = pattern(len, 7);
            assert!(both_ways(server.connect(), &data) == data, "{} changed {len} bytes", server.name);
        }
        assert_eq!(both_ways(server.connect(), b""), b"", "{}", server.name);
    });
}

#[test]
fn an_echo_serves_many_at_once() {
    each("echo", |server| {
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
    });
}

#[test]
fn with_two_reactors_it_is_the_same_echo() {
    for program in &programs()[..] {
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

#[test]
fn an_echo_holds_little_for_who_does_not_read() {
    each("echo", |server| {
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
            let mut another = server.connect();
            another.write_all(b"still there?").unwrap();
            another.read_exact(&mut [0; 12]).unwrap();
        }
        assert!(sent > 1 << 16, "{}", server.name);
        let after = server.resident_kib();
        assert!(
            after < MOST_RESIDENT_KIB && after < before + 8 * 1024,
            "{}: {before} then {after} KiB",
            server.name
        );
    });
}

#[test]
fn a_stream_is_pieces_without_end() {
    each("stream", |server| {
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
    });
}

#[test]
fn a_broadcast_goes_to_all_others_in_order() {
    each("broadcast", |server| {
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
    });
}

#[test]
fn a_server_ends_with_its_input_if_it_is_told_to() {
    each("echo", |server| {
        // By the drop of its end of the pipe alone; the socket tells when it is gone.
        let program = programs().into_iter().find(|(_, name)| *name == server.name).unwrap();
        let mut one = Server::start(&program, "echo", &[]);
        let mut socket = one.connect();
        socket.write_all(b"x").unwrap();
        socket.read_exact(&mut [0]).unwrap();
        drop(one.child.stdin.take());
        let end = socket.read(&mut [0]);
        assert!(
            matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
        );
        assert!(one.child.wait().unwrap().success(), "{}", one.name);
    });
}
