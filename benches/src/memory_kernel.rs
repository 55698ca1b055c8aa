//! [`MemoryKernel`]: a kernel of memory that costs next to nothing, and the wires on which others talk to its sockets.
//!
//! It is for measuring what is above a kernel. `ScriptedKernel` of `twistor-sim` is for tests: its every answer can be scripted, and that
//! costs more than what is to be measured.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use twistor_deferred::Moment;
use twistor_reactor::kernel::{
    Accepted, ConnectOptions, ConnectProgress, Kernel, ListenOptions, Readiness, Received, ReceivedData,
    SocketOption, SocketOptionKind, StreamListener, StreamSocket, Token,
};

/// A kernel with one listener, whose clients are [`Wire`]s. Its clock stands still, waiting returns at once with what is ready, and no call
/// is a system call. A cheap clone: all are the same kernel.
///
/// A reactor over it is for turning by hand: one that *runs* with nothing to do would spin.
#[derive(Clone, Debug, Default)]
pub struct MemoryKernel {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What the next wait reports.
    ready: RefCell<Vec<Readiness>>,
    /// The token of the listener, once it is registered.
    listener: Cell<Option<Token>>,
    /// Who waits to be accepted.
    backlog: RefCell<VecDeque<Rc<Wire>>>,
}

impl MemoryKernel {
    /// A client, which waits to be accepted with the next turn.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[must_use]
    pub fn connect(&self) -> Rc<Wire> {
        let wire = Rc::new(Wire::new(&self.shared));
        self.connect_again(&wire);
        wire
    }

    /// As [`connect`](Self::connect), with a wire whose connection is over, so that nothing is allocated.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    pub fn connect_again(&self, wire: &Rc<Wire>) {
        wire.token.set(None);
        wire.ended.set(false);
        self.shared.backlog.borrow_mut().push_back(Rc::clone(wire));
        let listener = self.shared.listener.get().expect("somebody listens");
        self.shared.ready.borrow_mut().push(Readiness::new(listener).readable());
    }
}

/// A connection as seen from the other end.
///
/// What it sends is made where it is received: a number, in the first 8 bytes of each message, and zeros. Of what it is sent it keeps the
/// number at the front of each send, and how much it was.
#[derive(Debug)]
pub struct Wire {
    kernel: Rc<Shared>,
    token: Cell<Option<Token>>,
    /// Bytes on their way to the socket, and the number in them.
    coming: Cell<(usize, i64)>,
    /// Whether no more will come after those.
    ended: Cell<bool>,
    sent: Cell<Sent>,
    /// Whether there is a socket at the other end.
    held: Cell<bool>,
}

/// What a socket was given to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The sum of the numbers in the first 8 bytes of each send.
    pub numbers: i64,
    /// How many sends there were.
    pub sends: usize,
    /// How many bytes they were.
    pub bytes: usize,
}

impl Wire {
    fn new(kernel: &Rc<Shared>) -> Self {
        Self {
            kernel: Rc::clone(kernel),
            token: Cell::new(None),
            coming: Cell::new((0, 0)),
            ended: Cell::new(false),
            sent: Cell::default(),
            held: Cell::new(false),
        }
    }

    /// Has a message of so many bytes arrive at the socket with the next wait, behind `number`.
    ///
    /// # Panics
    ///
    /// If the socket was not registered, or has not received the message before.
    pub fn write(&self, bytes: usize, number: i64) {
        let (waiting, _) = self.coming.replace((bytes, number));
        assert_eq!(waiting, 0, "one message at a time");
        self.report(Readiness::readable);
    }

    /// Has the end arrive with the next wait: no more will come.
    ///
    /// # Panics
    ///
    /// If the socket was not registered.
    pub fn end(&self) {
        self.ended.set(true);
        self.report(|readiness| readiness.readable().read_closed());
    }

    /// What the socket sent since the last call.
    pub fn take_sent(&self) -> Sent {
        self.sent.take()
    }

    /// Whether there is a socket at the other end still.
    pub fn is_held(&self) -> bool {
        self.held.get()
    }

    fn report(&self, what: fn(Readiness) -> Readiness) {
        let token = self.token.get().expect("the socket was registered");
        self.kernel.ready.borrow_mut().push(what(Readiness::new(token)));
    }
}

impl Kernel for MemoryKernel {
    fn now(&self) -> Moment {
        Moment::from_nanos(0)
    }

    fn wall_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn wait(&self, _timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        ready.append(&mut self.shared.ready.borrow_mut());
        Ok(())
    }

    fn waker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn seed(&self) -> u64 {
        0
    }

    fn listen_stream(&self, _: SocketAddr, _: &ListenOptions) -> io::Result<Box<dyn StreamListener>> {
        Ok(Box::new(Listener(Rc::clone(&self.shared))))
    }

    fn connect_stream(&self, _: SocketAddr, _: &ConnectOptions) -> io::Result<Box<dyn StreamSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Listener(Rc<Shared>);

impl StreamListener for Listener {
    fn register(&self, token: Token) -> io::Result<()> {
        self.0.listener.set(Some(token));
        Ok(())
    }

    fn accept(&self) -> io::Result<Accepted> {
        let wire = self.0.backlog.borrow_mut().pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        wire.held.set(true);
        Ok(Accepted { socket: Box::new(Socket(wire)), peer: address(2) })
    }

    fn shed(&self, _most: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn local(&self) -> io::Result<SocketAddr> {
        Ok(address(1))
    }
}

/// The end of a wire that the kernel's user has.
struct Socket(Rc<Wire>);

impl StreamSocket for Socket {
    fn register(&self, token: Token) -> io::Result<()> {
        self.0.token.set(Some(token));
        Ok(())
    }

    fn connect_progress(&self) -> io::Result<ConnectProgress> {
        Ok(ConnectProgress::Connected)
    }

    fn recv(&self, scratch: &mut [u8]) -> io::Result<Received> {
        let (waiting, number) = self.0.coming.get();
        if waiting == 0 && !self.0.ended.get() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = waiting.min(scratch.len());
        self.0.coming.set((waiting - len, number));
        scratch[..len].fill(0);
        if let Some(front) = scratch[..len].first_chunk_mut() {
            *front = number.to_le_bytes();
        }
        // As with TCP: a read that fills the buffer says nothing.
        Ok(Received { data: ReceivedData::Scratch(len), drained: 0 < len && len < scratch.len() })
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        let number =
            parts.first().and_then(|part| part.first_chunk()).map_or(0, |front| i64::from_le_bytes(*front));
        let Sent { numbers, sends, bytes: before } = self.0.sent.get();
        self.0.sent.set(Sent { numbers: numbers + number, sends: sends + 1, bytes: before + bytes });
        Ok(bytes)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn reset_on_close(&self) -> io::Result<()> {
        Ok(())
    }

    fn local(&self) -> io::Result<SocketAddr> {
        Ok(address(1))
    }

    fn peer(&self) -> io::Result<SocketAddr> {
        Ok(address(2))
    }

    fn set_option(&self, _option: SocketOption) -> io::Result<()> {
        Ok(())
    }

    fn option(&self, _kind: SocketOptionKind) -> io::Result<SocketOption> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.held.set(false);
    }
}

const fn address(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener that is registered.
    fn listening() -> (MemoryKernel, Box<dyn StreamListener>) {
        let kernel = MemoryKernel::default();
        let listener = kernel.listen_stream(address(0), &ListenOptions::default()).unwrap();
        listener.register(Token::new(0, 0)).unwrap();
        (kernel, listener)
    }

    fn ready(kernel: &MemoryKernel) -> Vec<Readiness> {
        let mut ready = Vec::new();
        kernel.wait(None, &mut ready).unwrap();
        ready
    }

    #[test]
    fn what_a_wire_writes_is_received_and_what_is_sent_is_counted() {
        let (kernel, listener) = listening();
        let wire = kernel.connect();
        assert!(ready(&kernel)[0].token == Token::new(0, 0) && !wire.is_held());
        let socket = listener.accept().unwrap().socket;
        assert!(
            wire.is_held() && listener.accept().is_err_and(|why| why.kind() == io::ErrorKind::WouldBlock)
        );
        socket.register(Token::new(1, 0)).unwrap();
        wire.write(20, 7);
        assert!(ready(&kernel) == [Readiness::new(Token::new(1, 0)).readable()] && ready(&kernel).is_empty());
        let mut scratch = [1; 16];
        let received = socket.recv(&mut scratch).unwrap();
        assert!(
            (received.len(), received.drained) == (16, false) && scratch[..9] == [7, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        let received = socket.recv(&mut scratch).unwrap();
        assert!((received.len(), received.drained) == (4, true));
        assert!(socket.recv(&mut scratch).is_err_and(|why| why.kind() == io::ErrorKind::WouldBlock));
        let number = 5_i64.to_le_bytes();
        assert_eq!(socket.send(&[IoSlice::new(&number), IoSlice::new(&[0; 3])]).unwrap(), 11);
        assert_eq!(socket.send(&[IoSlice::new(&number)]).unwrap(), 8);
        assert_eq!(wire.take_sent(), Sent { numbers: 10, sends: 2, bytes: 19 });
        assert_eq!(wire.take_sent(), Sent::default());
    }

    #[test]
    fn a_wire_ends_and_begins_anew() {
        let (kernel, listener) = listening();
        let wire = kernel.connect();
        for _ in 0..2 {
            let socket = listener.accept().unwrap().socket;
            socket.register(Token::new(1, 0)).unwrap();
            ready(&kernel);
            wire.end();
            assert!(ready(&kernel)[0].is_final());
            assert!(socket.recv(&mut [0; 4]).unwrap().is_empty());
            drop(socket);
            assert!(!wire.is_held());
            kernel.connect_again(&wire);
        }
    }
}
