//! Connectors: what their factories are told, and in which order.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use twistor_net::{
    Address, CannotConnect, ClientFactory, CloseReason, ConnectError, Connector, ConnectorState, Factory,
    Protocol, ReactorTcp, TcpClientOptions, Transport,
};

use crate::common::{INJECTED, drive, ms};
use crate::support::{
    MORE_THAN_SOCKETS_TAKE, Notes, Noting, Stays, new_reactor, raw_connection, raw_listener, settle,
};

/// A deadline that came before the attempt had begun: the factory heard of a failure it had not been started for.
#[test]
fn a_deadline_of_zero_fails_an_attempt_that_the_factory_heard_of() {
    let (mut reactor, notes) = (new_reactor(), Notes::default());
    let (_listener, address) = raw_listener();
    let options = TcpClientOptions::new().timeout(Some(ms(0)));
    let connector = reactor.connect_tcp_with(address, Noting(notes.clone()), options);
    drive(&mut reactor, "the end of the attempt", || notes.count("stop") == 1);
    assert_eq!(notes.all(), ["start", "connecting", "failed", "stop"]);
    assert_eq!(connector.state(), ConnectorState::Disconnected);
}

/// The destructor of a factory that went with its attempt unwound through the loop.
#[test]
fn a_factory_that_panics_when_it_is_dropped_does_not_unwind_the_loop() {
    struct Rude(Notes);
    impl Factory for Rude {
        type Protocol = Stays;
        fn build_protocol(&mut self, _: &Address) -> Option<Stays> {
            Some(Stays)
        }
    }
    impl ClientFactory for Rude {}
    impl Drop for Rude {
        fn drop(&mut self) {
            self.0.add("dropped");
            panic!("{INJECTED}: factory");
        }
    }
    let (mut reactor, notes) = (new_reactor(), Notes::default());
    // The near end of a connection: nobody listens there, and nobody else can get the port.
    let (_far, near) = raw_connection();
    reactor.connect_tcp(near.local_addr().unwrap(), Rude(notes.clone()));
    drive(&mut reactor, "the drop", || notes.all() == ["dropped"]);
    settle(&mut reactor);
}

/// Disconnects while it builds a protocol.
struct SecondThoughts {
    connector: Option<Connector>,
    notes: Notes,
}

impl Factory for SecondThoughts {
    type Protocol = Stays;
    fn build_protocol(&mut self, _: &Address) -> Option<Stays> {
        self.connector.take().unwrap().disconnect();
        Some(Stays)
    }
}

impl ClientFactory for SecondThoughts {
    fn started_connecting(&mut self, connector: &Connector) {
        self.connector = Some(connector.clone());
    }
    fn client_connection_lost(&mut self, _: &Connector, reason: &CloseReason) {
        self.notes.add(format!("{reason:?}"));
    }
}

/// A disconnect from inside `build_protocol` found no connection yet, and was forgotten.
#[test]
fn a_disconnect_inside_build_protocol_closes_the_connection() {
    let (mut reactor, notes) = (new_reactor(), Notes::default());
    let (_listener, address) = raw_listener();
    let connector = reactor.connect_tcp(address, SecondThoughts { connector: None, notes: notes.clone() });
    drive(&mut reactor, "the loss", || !notes.all().is_empty());
    assert_eq!((notes.all(), connector.state()), (vec!["Done".to_owned()], ConnectorState::Disconnected));
}

/// Writes much, then panics.
struct PanicsWhenMade(Notes);

impl Protocol for PanicsWhenMade {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.add("protocol");
        transport.write(&vec![0; MORE_THAN_SOCKETS_TAKE]);
        panic!("{INJECTED}: made");
    }
}

/// Notes what it is told of connections that were made.
struct Announced(Notes);

impl Factory for Announced {
    type Protocol = PanicsWhenMade;
    fn build_protocol(&mut self, _: &Address) -> Option<PanicsWhenMade> {
        Some(PanicsWhenMade(self.0.clone()))
    }
}

impl ClientFactory for Announced {
    fn client_connection_made(&mut self, _: &Connector, _: &Transport) {
        self.0.add("factory");
    }
}

/// The factory was told of a connection whose protocol had panicked over it.
#[test]
fn a_connection_whose_making_panicked_is_not_announced_to_the_factory() {
    let (mut reactor, notes) = (new_reactor(), Notes::default());
    let (_listener, address) = raw_listener();
    reactor.connect_tcp(address, Announced(notes.clone()));
    drive(&mut reactor, "the connection", || notes.count("protocol") == 1);
    settle(&mut reactor);
    assert_eq!(notes.all(), ["protocol"]);
}

/// A factory that tries again.
struct TriesAgain {
    failures: Rc<Cell<usize>>,
    answer: Rc<RefCell<Option<Result<(), CannotConnect>>>>,
}

impl Factory for TriesAgain {
    type Protocol = Stays;

    fn build_protocol(&mut self, _: &Address) -> Option<Stays> {
        None
    }
}

impl ClientFactory for TriesAgain {
    fn client_connection_failed(&mut self, connector: &Connector, _: &ConnectError) {
        self.failures.set(self.failures.get() + 1);
        *self.answer.borrow_mut() = Some(connector.connect());
    }
}

/// Reconnecting was taken up by a reactor that was ending, and failed, and was taken up again, thousands of times.
#[test]
fn reconnecting_while_the_reactor_ends_is_refused() {
    let (mut reactor, failures, answer) = (new_reactor(), Rc::default(), Rc::default());
    let (_listener, address) = raw_listener();
    let factory = TriesAgain { failures: Rc::clone(&failures), answer: Rc::clone(&answer) };
    reactor.start().unwrap();
    let connector = reactor.connect_tcp(address, factory);
    drop(reactor);
    assert!(failures.get() <= 1, "{} failures were told", failures.get());
    assert!(matches!(*answer.borrow(), None | Some(Err(CannotConnect::ReactorGone))));
    assert_eq!(connector.connect(), Err(CannotConnect::ReactorGone));
}
