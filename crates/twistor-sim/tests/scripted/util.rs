use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use twistor_reactor::kernel::{
    ConnectOptions, Kernel, ListenOptions, Readiness, StreamListener, StreamSocket, Token,
};
use twistor_sim::{Peer, ScriptedKernel};

/// The token of the one socket that most tests look at.
pub(crate) const SOCKET: Token = Token::new(7, 1);
pub(crate) const LISTENER: Token = Token::new(3, 0);

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn server() -> SocketAddr {
    address("127.0.0.1:80")
}

/// A listener on [`server`], registered.
pub(crate) fn listen(kernel: &ScriptedKernel) -> Box<dyn StreamListener> {
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    listener.register(LISTENER).unwrap();
    listener
}

pub(crate) fn connect(kernel: &ScriptedKernel, to: SocketAddr) -> Box<dyn StreamSocket> {
    kernel.connect_stream(to, &ConnectOptions::default()).unwrap()
}

/// An accepted socket, registered under [`SOCKET`] with its first event taken, and the other end in the test's hand.
pub(crate) fn accepted(kernel: &ScriptedKernel) -> (Box<dyn StreamSocket>, Peer) {
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let peer = kernel.dial(server());
    let socket = listener.accept().unwrap().socket;
    socket.register(SOCKET).unwrap();
    assert_eq!(events(kernel), [writable(SOCKET)]);
    (socket, peer)
}

/// What is ready now.
#[track_caller]
pub(crate) fn events(kernel: &ScriptedKernel) -> Vec<Readiness> {
    let mut ready = Vec::new();
    kernel.wait(Some(Duration::ZERO), &mut ready).unwrap();
    ready
}

/// What is ready next, whenever that is.
#[track_caller]
pub(crate) fn next_events(kernel: &ScriptedKernel) -> Vec<Readiness> {
    let mut ready = Vec::new();
    kernel.wait(None, &mut ready).unwrap();
    ready
}

/// One read of up to `most` bytes: the bytes, and whether that drained the socket.
pub(crate) fn recv(socket: &dyn StreamSocket, most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut scratch = vec![0; most];
    let received = socket.recv(&mut scratch)?;
    scratch.truncate(received.len());
    Ok((scratch, received.drained))
}

pub(crate) fn send(socket: &dyn StreamSocket, bytes: &[u8]) -> io::Result<usize> {
    socket.send(&[IoSlice::new(bytes)])
}

/// The kind of the error; a success is the mistake.
#[track_caller]
pub(crate) fn failure<T>(result: io::Result<T>) -> io::ErrorKind {
    match result {
        Ok(_) => panic!("this was to fail"),
        Err(error) => error.kind(),
    }
}

pub(crate) fn readable(token: Token) -> Readiness {
    Readiness::new(token).readable()
}

pub(crate) fn writable(token: Token) -> Readiness {
    Readiness::new(token).writable()
}

/// The peer sent a FIN.
pub(crate) fn ended(token: Token) -> Readiness {
    readable(token).read_closed()
}

/// Both directions are over.
pub(crate) fn hung_up(token: Token) -> Readiness {
    ended(token).writable().write_closed()
}

/// A reset or a refusal.
pub(crate) fn failed(token: Token) -> Readiness {
    hung_up(token).error()
}
