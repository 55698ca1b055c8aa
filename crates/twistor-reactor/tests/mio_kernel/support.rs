//! How a test waits for the real kernel, and what it connects.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use twistor_reactor::kernel::{
    Accepted, ConnectOptions, ConnectProgress, Kernel, ListenOptions, MioKernel, Readiness, ReceivedData,
    StreamListener, StreamSocket, Token,
};

pub(crate) const LISTENER: Token = Token::new(0, 7);
pub(crate) const CLIENT: Token = Token::new(1, 0);
pub(crate) const SERVER: Token = Token::new(2, u32::MAX);
pub(crate) const OTHER: Token = Token::new(u32::MAX, 3);

/// How long a test waits for what must come, in steps of `STEP`.
pub(crate) const STEPS: u32 = 100;
pub(crate) const STEP: Duration = Duration::from_millis(100);

pub(crate) fn kernel() -> MioKernel {
    MioKernel::new().unwrap()
}

/// Everything that is ready now.
pub(crate) fn ready_now(kernel: &MioKernel) -> Vec<Readiness> {
    let mut ready = Vec::new();
    kernel.wait(Some(Duration::ZERO), &mut ready).unwrap();
    ready
}

/// Waits for an event of `token` that `wanted` agrees with.
#[track_caller]
pub(crate) fn await_event(kernel: &MioKernel, token: Token, wanted: impl Fn(Readiness) -> bool) -> Readiness {
    let mut seen = Vec::new();
    for _ in 0..STEPS {
        let before = seen.len();
        kernel.wait(Some(STEP), &mut seen).unwrap();
        if let Some(event) = seen[before..].iter().find(|event| event.token == token && wanted(**event)) {
            return *event;
        }
    }
    panic!("no such event of {token:?}; seen: {seen:?}");
}

#[track_caller]
pub(crate) fn await_readable(kernel: &MioKernel, token: Token) -> Readiness {
    await_event(kernel, token, Readiness::is_readable)
}

/// A listener on a free port of `ip`.
#[track_caller]
pub(crate) fn listen(kernel: &MioKernel, ip: impl Into<IpAddr>) -> Box<dyn StreamListener> {
    let listener = kernel.listen_stream(SocketAddr::new(ip.into(), 0), &ListenOptions::default()).unwrap();
    listener.register(LISTENER).unwrap();
    listener
}

#[track_caller]
pub(crate) fn accept(kernel: &MioKernel, listener: &dyn StreamListener) -> Accepted {
    await_readable(kernel, LISTENER);
    listener.accept().unwrap()
}

#[track_caller]
pub(crate) fn connected(kernel: &MioKernel, address: SocketAddr) -> Box<dyn StreamSocket> {
    let client = kernel.connect_stream(address, &ConnectOptions::default()).unwrap();
    client.register(CLIENT).unwrap();
    for _ in 0..STEPS {
        await_event(kernel, CLIENT, Readiness::is_writable);
        if client.connect_progress().unwrap() == ConnectProgress::Connected {
            return client;
        }
    }
    panic!("not connected to {address}");
}

/// Both ends of a connection: one of the kernel's, registered as `CLIENT`, one of the standard library's.
#[track_caller]
pub(crate) fn pair(kernel: &MioKernel) -> (Box<dyn StreamSocket>, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = connected(kernel, listener.local_addr().unwrap());
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(STEP * STEPS)).unwrap();
    (client, peer)
}

/// Reads once, and gives what was read and whether that was all.
pub(crate) fn recv(socket: &dyn StreamSocket, at_most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut scratch = vec![0; at_most];
    let received = socket.recv(&mut scratch)?;
    match received.data {
        ReceivedData::Scratch(len) => scratch.truncate(len),
        ReceivedData::Own(bytes) => scratch = bytes.to_vec(),
    }
    Ok((scratch, received.drained))
}

/// Reads `len` bytes, waiting for events of `token`.
#[track_caller]
pub(crate) fn read_all(kernel: &MioKernel, socket: &dyn StreamSocket, token: Token, len: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < len {
        match recv(socket, len - data.len()) {
            Ok((bytes, _)) if bytes.is_empty() => panic!("the end after {} bytes of {len}", data.len()),
            Ok((bytes, _)) => data.extend(bytes),
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                await_readable(kernel, token);
            }
            Err(why) => panic!("{why} after {} bytes of {len}", data.len()),
        }
    }
    data
}

/// The reading and the writing end.
pub(crate) fn pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    (reader.into(), writer.into())
}

/// Runs the test called `name`, its module before it, in a process of its own, begun by `sh -c` with `setup` before it. The test must
/// begin with `if !is_child() { return }`.
#[track_caller]
pub(crate) fn run_child(name: &str, setup: &str) -> ExitStatus {
    let output = Command::new("sh")
        .args(["-c", &format!("{setup}exec \"$0\" --exact {name} --nocapture --test-threads=1")])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success() || said.contains("1 passed"), "there is no test {name}: {said}{why}");
    output.status
}

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

pub(crate) const CHILD: &str = "TWISTOR_KERNEL_TEST_CHILD";
