//! The conformance suite over the real kernel: loopback sockets, in real time; and adopted sockets, which need descriptors.

#![expect(clippy::disallowed_methods, reason = "sockets that somebody else made are the standard library's")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use twistor_net::ReactorTcp;
use twistor_reactor::Reactor;
use twistor_sim::conformance::harness::{Event, Runner, Side};
use twistor_sim::transport_conformance;

fn make() -> Reactor {
    Reactor::builder().handle_signals(false).build().unwrap()
}

transport_conformance!(real, make);

#[test]
fn tcp_22_an_adopted_port_leaves_other_holders_accepting() {
    let theirs = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut runner = Runner::new(&make);
    let (server, factory) = runner.end("server", Side::echo());
    let port = runner.reactor().adopt_stream_port(&theirs, factory).unwrap();
    assert_eq!(port.host().socket_addr(), theirs.local_addr().ok());
    let (_, client) = runner.connect(theirs.local_addr().unwrap(), Side::new());
    runner.until("the connection", || server.saw(&Event::Made) && client.saw(&Event::Made));
    let stopped = port.stop_listening();
    runner.until("the port stopped", || stopped.has_result());
    assert!(port.start_listening().is_err(), "its socket is gone");
    // It was closed, but not shut down: ours still accepts.
    let mut late = TcpStream::connect(theirs.local_addr().unwrap()).unwrap();
    let (mut accepted, _) = theirs.accept().unwrap();
    late.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    accepted.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

#[test]
fn tcp_22_an_adopted_connection_is_a_duplicate() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let mut runner = Runner::new(&make);
    let (end, protocol) = runner.protocol("adopted", Side::echo());
    let connection = runner.reactor().adopt_stream_connection(&ours, protocol).unwrap();
    end.expect(&[]);
    far.write_all(b"hello").unwrap();
    runner.until("the bytes", || end.received() == b"hello");
    connection.transport().lose_connection();
    runner.until("the loss", || end.is_over());
    assert!(ours.peer_addr().is_ok(), "the caller still owns its own");
    let mut echoed = [0; 5];
    far.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"hello");
}

#[test]
fn tcp_22_what_is_no_such_socket_is_refused() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut runner = Runner::new(&make);
    let (end, factory) = runner.end("server", Side::new());
    assert!(runner.reactor().adopt_stream_port(&ours, factory).is_err(), "it is no listener");
    let (other, protocol) = runner.protocol("adopted", Side::new());
    assert!(runner.reactor().adopt_stream_connection(&listener, protocol).is_err(), "it is no connection");
    runner.settle();
    end.expect_all(&[]);
    other.expect(&[]);
}
