//! What the servers of the comparison have in common, whoever's loop is below them: options, sockets, and the bytes they send.
//!
//! - [`ServerOptions`]: the command line. [`listener`] makes the socket that it asks for, [`announce`] says where it listens.
//! - [`piece`]: what a server in stream mode repeats.
//! - [`hub`]: connections driven by readiness edges, for the peers that are bare loops.
//! - [`tasks`]: connections as tasks, for the peers that are executors: what they share of the broadcast.
//!
//! What a mode does is said at [`Mode`]. All servers do the same.

pub mod hub;
mod options;
pub mod tasks;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

pub use options::{Mode, ServerOptions};

/// How much is read at a time, where the server owns one buffer for all connections. In bytes.
pub const READ_SIZE: usize = 64 * 1024;

/// How much a task reads at a time, where each connection has a buffer of its own: what tutorials and buffered readers have, and little enough for
/// ten thousand of them. In bytes.
pub const TASK_READ_SIZE: usize = 16 * 1024;

/// How many connections may wait to be accepted.
pub const BACKLOG: i32 = 4_096;

/// The length of a [`piece`], in bytes.
pub const PIECE: usize = 64 * 1024;

/// How many pieces are handed to the system at a time.
pub const PIECES_AT_ONCE: usize = 4;

/// How many bytes may wait for a client of a broadcast; one that lets more wait is dropped.
pub const MOST_UNSENT: usize = 64 * 1024 * 1024;

/// What a server in stream mode repeats: byte `i` is `i % 251`.
#[must_use]
pub fn piece() -> Vec<u8> {
    (0..PIECE).map(|i| (i % 251) as u8).collect()
}

/// Several [`piece`]s in a row.
#[must_use]
pub fn pieces() -> Vec<u8> {
    piece().repeat(PIECES_AT_ONCE)
}

/// A socket that listens on 127.0.0.1, and does not block. With `shared` several may have the port (`SO_REUSEPORT`).
///
/// # Errors
///
/// If the port is taken, or there is no descriptor left.
pub fn listener(port: u16, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// As many listeners on one port as `options` have reactors.
///
/// # Errors
///
/// As [`listener`].
pub fn listeners(options: &ServerOptions) -> io::Result<Vec<TcpListener>> {
    let shared = options.reactors > 1;
    let first = listener(options.port, shared)?;
    let port = first.local_addr()?.port();
    let mut all = vec![first];
    for _ in 1..options.reactors {
        all.push(listener(port, shared)?);
    }
    Ok(all)
}

/// Has the process ready to serve: as many descriptors as the system gives, and the end with its input where that was asked for. To be called first.
///
/// # Errors
///
/// If the thread that watches the input cannot be made.
pub fn prepare(options: &ServerOptions) -> io::Result<()> {
    raise_descriptor_limit();
    if options.end_with_stdin {
        std::thread::Builder::new().spawn(|| {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            std::process::exit(0)
        })?;
    }
    Ok(())
}

/// Every connection is a descriptor: allows the process as many as it may allow itself.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Prints the one line that says that clients may come.
///
/// # Errors
///
/// If standard output is closed.
pub fn announce(address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {address}")?;
    out.flush()
}

/// Runs `serve` for each of `listeners`: the last on this thread, the others on threads of their own.
///
/// # Errors
///
/// What `serve` gives on this thread. If it fails on another, the process says so and ends.
pub fn on_threads(
    mut listeners: Vec<TcpListener>,
    serve: impl Fn(TcpListener) -> anyhow::Result<()> + Send + Clone + 'static,
) -> anyhow::Result<()> {
    let Some(last) = listeners.pop() else { return Ok(()) };
    for listener in listeners {
        let serve = serve.clone();
        std::thread::Builder::new().spawn(move || {
            if let Err(error) = serve(listener) {
                eprintln!("error: {error:#}");
                std::process::exit(1);
            }
        })?;
    }
    serve(last)
}

/// Reads what is there and forgets it. Says whether the other end may send more.
///
/// # Errors
///
/// Other than that nothing is there.
pub fn drain(mut socket: impl Read, scratch: &mut [u8]) -> io::Result<bool> {
    loop {
        match socket.read(scratch) {
            Ok(0) => return Ok(false),
            Ok(count) if count < scratch.len() => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
