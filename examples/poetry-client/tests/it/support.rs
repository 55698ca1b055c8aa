//! Servers in this process, clients in others. Both end with their guard, and nothing waits without a limit.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use poetry_server::{FastPoetry, Pace, SlowPoetry};
use twistor::prelude::*;
use twistor::reactor::Remote;

/// The longest that any program may take before a test gives up on it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A server in a thread of this process, on a free port of 127.0.0.1. Dropping it stops it.
pub(crate) struct Server {
    pub(crate) port: u16,
    remote: Remote,
    clients: Receiver<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn fast(poem: impl Into<Bytes>) -> Self {
        let poem = poem.into();
        Self::start(move |_| FastPoetry::new(poem))
    }

    pub(crate) fn slow(poem: impl Into<Bytes>, num_bytes: usize, delay: Duration) -> Self {
        let poem = poem.into();
        Self::start(move |client| {
            SlowPoetry::new(poem, Pace { num_bytes, delay }).on_client(move |_| {
                let _ = client.send(()); // Most tests do not listen.
            })
        })
    }

    /// Any other factory, which is made on the server's thread.
    pub(crate) fn of<F: Factory>(factory: impl FnOnce() -> F + Send + 'static) -> Self {
        Self::start(move |_| factory())
    }

    fn start<F: Factory>(factory: impl FnOnce(mpsc::Sender<()>) -> F + Send + 'static) -> Self {
        let (started, start) = mpsc::channel();
        let (client, clients) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || {
            let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
            let options = TcpServerOptions::new().backlog(1024);
            let port = reactor.listen_tcp_with(("127.0.0.1", 0), factory(client), options).unwrap();
            started.send((port.host().port(), reactor.remote())).unwrap();
            reactor.run().unwrap();
        });
        let (port, remote) = start.recv_timeout(LIMIT).unwrap();
        Self { port, remote, clients, thread: Some(thread.unwrap()) }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits until a client has connected. For slow servers.
    #[track_caller]
    pub(crate) fn wait_for_client(&self) {
        self.clients.recv_timeout(LIMIT).expect("no client has connected");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.remote.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client of the ladder, running. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

/// What came of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout: {}\nstderr: {}", self.text(), self.stderr);
        self
    }
}

impl Program {
    pub(crate) fn start(program: &str, args: &[impl AsRef<std::ffi::OsStr>]) -> Self {
        let mut command = Command::new(path_of(program));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = read_apart(child.stdout.take().unwrap());
        let stderr = read_apart(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Waits until stdout has shown `text`, and gives back all there was until then.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            match self.stdout.recv_timeout(LIMIT) {
                Ok(line) => seen += &String::from_utf8_lossy(&line),
                Err(_) => panic!("{text:?} was not shown, only {seen:?}"),
            }
        }
        seen
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let stdout = drain(&self.stdout).expect("the program did not end in time");
        let stderr = drain(&self.stderr).expect("the program did not end in time");
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ended { status: self.child.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(program: &str, args: &[impl AsRef<std::ffi::OsStr>]) -> Ended {
    Program::start(program, args).end()
}

fn path_of(program: &str) -> PathBuf {
    PathBuf::from(match program {
        "poetry-0-no-reactor" => env!("CARGO_BIN_EXE_poetry-0-no-reactor"),
        "poetry-1-reader" => env!("CARGO_BIN_EXE_poetry-1-reader"),
        "poetry-2-protocol" => env!("CARGO_BIN_EXE_poetry-2-protocol"),
        "poetry-3-callback" => env!("CARGO_BIN_EXE_poetry-3-callback"),
        "poetry-4-deferred" => env!("CARGO_BIN_EXE_poetry-4-deferred"),
        "poetry-5-async" => env!("CARGO_BIN_EXE_poetry-5-async"),
        "poetry-6-errors" => env!("CARGO_BIN_EXE_poetry-6-errors"),
        "poetry-7-transform" => env!("CARGO_BIN_EXE_poetry-7-transform"),
        "poetry-8-cancel" => env!("CARGO_BIN_EXE_poetry-8-cancel"),
        "poetry-9-list" => env!("CARGO_BIN_EXE_poetry-9-list"),
        "get-poetry" => env!("CARGO_BIN_EXE_get-poetry"),
        other => panic!("no such program: {other}"),
    })
}

/// Reads by lines in a thread, so that it can be waited for with a limit, and no pipe is ever full.
fn read_apart(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let read = move || -> io::Result<()> {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            if pipe.read_until(b'\n', &mut line)? == 0 || sender.send(line).is_err() {
                return Ok(());
            }
        }
    };
    thread::Builder::new().spawn(read).unwrap();
    receiver
}

/// All that is still to come, or nothing if that takes longer than the limit.
fn drain(pipe: &Receiver<Vec<u8>>) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        match pipe.recv_timeout(LIMIT) {
            Ok(piece) => all.extend(piece),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Some(all),
            Err(mpsc::RecvTimeoutError::Timeout) => return None,
        }
    }
}

/// A folder of its own, removed with its guard.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    /// The files in it, by name.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(Result::unwrap);
        let file = |entry: std::fs::DirEntry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        };
        let mut files: Vec<_> = entries.map(file).collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port on which nobody listens.
pub(crate) fn free_port() -> u16 {
    let server = Server::fast("");
    server.port
}

/// Random bytes, the same for the same seed.
pub(crate) fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}
