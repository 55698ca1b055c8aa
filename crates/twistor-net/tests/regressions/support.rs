//! What the regressions share: a reactor with one probe, and a raw socket as its peer.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;

use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connector, Factory, Filter, ListeningPort, Protocol,
    ReactorTcp, Transport, for_protocol,
};
use twistor_reactor::{Reactor, ReactorHandle};

use crate::common::{Heard, Probe, Side, drive, ms, quiet};

/// More than the buffers of two sockets take, so that some of it waits in the connection.
pub(crate) const MORE_THAN_SOCKETS_TAKE: usize = 20 << 20;

/// A list that callbacks write to and tests read.
#[derive(Clone, Default)]
pub(crate) struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, text: impl Into<String>) {
        self.0.borrow_mut().push(text.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn count(&self, text: &str) -> usize {
        self.0.borrow().iter().filter(|note| *note == text).count()
    }
}

/// A protocol that says nothing and leaves every request to close unanswered.
pub(crate) struct Stays;

impl Protocol for Stays {
    fn close_requested(&mut self, _: &Transport) {}
}

/// A factory that notes what it is told.
pub(crate) struct Noting(pub(crate) Notes);

impl Factory for Noting {
    type Protocol = Stays;

    fn build_protocol(&mut self, _: &Address) -> Option<Stays> {
        Some(Stays)
    }

    fn start_factory(&mut self) {
        self.0.add("start");
    }

    fn stop_factory(&mut self) {
        self.0.add("stop");
    }
}

impl ClientFactory for Noting {
    fn started_connecting(&mut self, _: &Connector) {
        self.0.add("connecting");
    }

    fn client_connection_failed(&mut self, _: &Connector, _: &ConnectError) {
        self.0.add("failed");
    }

    fn client_connection_lost(&mut self, _: &Connector, _: &CloseReason) {
        self.0.add("lost");
    }
}

/// A filter that changes nothing.
pub(crate) struct Plain;

impl Filter for Plain {}

/// A reactor over the real kernel that leaves signals alone.
pub(crate) fn new_reactor() -> Reactor {
    quiet();
    Reactor::builder().handle_signals(false).build().expect("a poller")
}

/// A port that serves one connection, with `probe`.
pub(crate) fn serve(reactor: &ReactorHandle, probe: Probe) -> ListeningPort {
    let mut probe = Some(probe);
    let factory = for_protocol(move |_| probe.take().expect("one client"));
    reactor.listen_tcp(("127.0.0.1", 0), factory).expect("a free port")
}

#[expect(clippy::disallowed_methods, reason = "the peer is no part of the loop")]
pub(crate) fn dial_address(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).expect("somebody listens")
}

/// A peer of the port.
pub(crate) fn dial(port: &ListeningPort) -> TcpStream {
    dial_address(([127, 0, 0, 1], port.host().port()).into())
}

#[expect(clippy::disallowed_methods, reason = "the peer is no part of the loop")]
pub(crate) fn raw_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    (listener, address)
}

/// A connection that was made and accepted outside the reactor: this end and the peer's.
pub(crate) fn raw_connection() -> (TcpStream, TcpStream) {
    let (listener, address) = raw_listener();
    let peer = dial_address(address);
    (listener.accept().expect("it was dialled").0, peer)
}

/// A few turns, long enough for everything that is under way on the loopback; fewer if the reactor ends.
pub(crate) fn settle(reactor: &mut Reactor) {
    reactor.start().expect("a reactor that was not stopped");
    for _ in 0..20 {
        if reactor.is_finished() {
            break;
        }
        reactor.iterate(Some(ms(1))).expect("the poller works");
    }
}

/// Drives the reactor until the peer has read `len` bytes, and gives them.
#[track_caller]
pub(crate) fn receive(reactor: &mut Reactor, peer: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    let mut end = false;
    drive(reactor, "the arrival at the peer", || {
        end = end || read_what_is_there(peer, &mut got);
        end || got.len() >= len
    });
    assert_eq!(got.len(), len, "the peer got another number of bytes");
    got
}

/// Appends to `got`; says whether it was the end. A reset is a failure of the test.
#[track_caller]
pub(crate) fn read_what_is_there(peer: &mut TcpStream, got: &mut Vec<u8>) -> bool {
    peer.set_nonblocking(true).expect("an open socket");
    match peer.read_to_end(got) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => panic!("the peer met {error}"),
    }
}

/// One connection: a probe on the reactor's side, a raw socket as its peer.
pub(crate) struct Served {
    pub(crate) reactor: Reactor,
    pub(crate) side: Side,
    pub(crate) peer: TcpStream,
}

/// A connection whose protocol only remembers.
pub(crate) fn served() -> Served {
    served_with(new_reactor(), Probe::new(|_, _| ()))
}

/// A connection of `probe`.
pub(crate) fn served_with(mut reactor: Reactor, (probe, side): (Probe, Side)) -> Served {
    let port = serve(&reactor, probe);
    let peer = dial(&port);
    drive(&mut reactor, "the connection", || side.has(&Heard::Made));
    Served { reactor, side, peer }
}
