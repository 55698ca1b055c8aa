//! Both servers as programs, against plain sockets: what they print, how they end, and that poems leave whole.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const POEM: &[u8] = include_bytes!("../../poems/the-tyger.txt");
const FAST: &str = env!("CARGO_BIN_EXE_fast-poetry");
const SLOW: &str = env!("CARGO_BIN_EXE_slow-poetry");

/// The longest that anything may take before a test gives up on it.
const LIMIT: Duration = Duration::from_secs(30);

/// A server that runs. Dropping it kills it.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    #[track_caller]
    fn start(program: &str, args: &[&str], file: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(args).arg(file).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let start = format!("Serving {} on 127.0.0.1:", file.display());
        let port = line.strip_prefix(&start).and_then(|rest| rest.strip_suffix(".\n")).map(str::parse);
        let Some(Ok(port)) = port else { panic!("{program} said {line:?}") };
        Self { child, stdout, port }
    }

    #[expect(clippy::disallowed_methods, reason = "the other side is to be no code of ours")]
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket
    }

    #[track_caller]
    fn poem(&self) -> Vec<u8> {
        let mut poem = Vec::new();
        self.connect().read_to_end(&mut poem).unwrap();
        poem
    }

    /// Ends it as `signal` does, and gives its status and the rest of what it said.
    fn end(mut self, signal: rustix::process::Signal) -> (ExitStatus, String) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of its own, removed with its guard.
struct PoemFile(PathBuf);

impl PoemFile {
    fn new(name: &str, poem: &[u8]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::write(&path, poem).unwrap();
        Self(path)
    }
}

impl Drop for PoemFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs a program that ends by itself, and gives its code and what it said on stderr.
#[track_caller]
fn run(program: &str, args: &[&str]) -> (Option<i32>, String) {
    let child = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || sender.send(child.wait_with_output().unwrap())).unwrap();
    let Ok(output) = receiver.recv_timeout(LIMIT) else {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        panic!("{program} {args:?} did not end");
    };
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn both_serve_a_poem_again_and_again() {
    let file = PoemFile::new("poem", POEM);
    for server in [
        Server::start(FAST, &[], &file.0),
        Server::start(SLOW, &["--num-bytes", "100", "--delay", "0.01"], &file.0),
    ] {
        for _ in 0..3 {
            assert!(server.poem() == POEM);
        }
    }
}

#[test]
fn both_serve_nothing_at_all() {
    let file = PoemFile::new("nothing", b"");
    for server in [Server::start(FAST, &[], &file.0), Server::start(SLOW, &[], &file.0)] {
        assert_eq!(server.poem(), b"");
    }
}

#[test]
fn fifty_megabytes_of_random_bytes_leave_whole() {
    let mut poem = vec![0; 50_000_000];
    fastrand::Rng::with_seed(3).fill(&mut poem);
    let file = PoemFile::new("random", &poem);
    let fast = Server::start(FAST, &[], &file.0);
    assert!(fast.poem() == poem);
    // Pieces far over the high-water mark: paused and resumed in between.
    let slow = Server::start(SLOW, &["--num-bytes", "5000000", "--delay", "0.01"], &file.0);
    assert!(slow.poem() == poem);
}

#[test]
fn a_slow_poem_comes_in_pieces_and_to_many_at_once() {
    let file = PoemFile::new("pieces", POEM);
    let server = Server::start(SLOW, &["--num-bytes", "50", "--delay", "0.05"], &file.0);
    let mut sockets: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for socket in &mut sockets {
        let mut first = [0; 50];
        socket.read_exact(&mut first).unwrap();
        assert!(first == POEM[..50]);
    }
    for socket in &mut sockets {
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).unwrap();
        assert!(rest == POEM[50..]);
    }
    let (status, lines) = server.end(rustix::process::Signal::INT);
    assert_eq!(status.code(), Some(0));
    assert_eq!(lines.matches("Sending the poem to 127.0.0.1:").count(), 20, "{lines}");
}

#[test]
fn a_client_that_talks_or_closes_its_half_gets_the_poem_all_the_same() {
    let file = PoemFile::new("half", POEM);
    for server in [
        Server::start(FAST, &[], &file.0),
        Server::start(SLOW, &["--num-bytes", "100", "--delay", "0.01"], &file.0),
    ] {
        let mut socket = server.connect();
        let _ = socket.write_all(b"GET / HTTP/1.0\r\n\r\n"); // The fast one may have closed already.
        let _ = socket.shutdown(Shutdown::Write);
        let mut poem = Vec::new();
        socket.read_to_end(&mut poem).unwrap();
        assert!(poem == POEM);
    }
}

#[test]
fn clients_that_go_away_leave_the_others_alone() {
    let file = PoemFile::new("away", POEM);
    let server = Server::start(SLOW, &["--num-bytes", "100", "--delay", "0.02"], &file.0);
    let staying = server.connect();
    for _ in 0..10 {
        drop(server.connect());
    }
    let mut poem = Vec::new();
    (&staying).read_to_end(&mut poem).unwrap();
    assert!(poem == POEM);
}

#[test]
fn sigint_and_sigterm_end_a_server_that_has_clients() {
    let file = PoemFile::new("sigint", POEM);
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        for program in [FAST, SLOW] {
            let server = Server::start(program, &[], &file.0);
            let mut socket = server.connect();
            socket.read_exact(&mut [0; 10]).unwrap();
            assert_eq!(server.end(signal).0.code(), Some(0), "{program}");
        }
    }
}

#[test]
fn a_missing_file_is_told() {
    for program in [FAST, SLOW] {
        let (code, stderr) = run(program, &["no/such/poem"]);
        assert_eq!((code, stderr.as_str()), (Some(2), "No such file: no/such/poem\n"), "{program}");
        let (code, stderr) = run(program, &["."]);
        assert!(code == Some(2) && stderr.starts_with("Cannot read .: "), "{program}: {stderr}");
    }
}

#[test]
fn no_file_shows_the_help() {
    for program in [FAST, SLOW] {
        let (code, stderr) = run(program, &[]);
        assert!(code == Some(2) && stderr.contains("Usage: "), "{program}: {stderr}");
        assert!(stderr.contains("--port") && stderr.contains("--iface"), "{program}: {stderr}");
    }
}

#[test]
fn a_port_that_is_taken_or_an_interface_that_is_none_is_told() {
    let file = PoemFile::new("taken", POEM);
    let path = file.0.to_str().unwrap();
    let server = Server::start(FAST, &[], &file.0);
    let (code, stderr) = run(FAST, &["--port", &server.port.to_string(), path]);
    assert!(code == Some(1) && stderr.starts_with("cannot listen on 127.0.0.1:"), "{stderr}");
    let (code, stderr) = run(SLOW, &["--iface", "nowhere", path]);
    assert!(code == Some(1) && stderr.starts_with("cannot listen on nowhere:"), "{stderr}");
}

#[test]
fn paces_that_make_no_sense_are_refused() {
    for args in [["--num-bytes", "0"], ["--num-bytes", "ten"], ["--delay", "soon"], ["--delay", "nan"]] {
        let (code, stderr) = run(SLOW, &[args[0], args[1], "file"]);
        assert!(code == Some(2) && stderr.contains(args[0]), "{stderr}");
    }
}
