//! Clients: TCP-01 to TCP-13.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{Address, ConnectError, ConnectorState, TcpClientOptions};

use super::Make;
use super::harness::{Ending, Event, Pair, Refusal, Runner, Side};

pub(super) fn tcp_01_connecting_calls_nothing_at_once(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new());
    assert_eq!(pair.connector().state(), ConnectorState::Connecting);
    pair.client.expect_all(&[]);
    pair.until_client_saw(&Event::ConnectionMade);
    pair.client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::Built,
        Event::Made,
        Event::ConnectionMade,
    ]);
}

pub(super) fn tcp_01_a_refusal_is_told_later(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let nobody = runner.nobody();
    let (connector, client) = runner.connect(("127.0.0.1", nobody), Side::new());
    client.expect_all(&[]);
    let seen = client.clone();
    runner.until("the refusal", || seen.saw(&Event::Stopped));
    client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::ConnectionFailed(Refusal::Refused),
        Event::Stopped,
    ]);
    assert_eq!(connector.state(), ConnectorState::Disconnected);
}

pub(super) fn tcp_02_a_name_is_looked_up(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let to = port.host().port();
    let (connector, client) = runner.connect(("localhost", to), Side::new());
    runner.until("the connection", || server.saw(&Event::Made));
    assert_eq!(connector.destination(), &Address::Host("localhost".to_owned(), to));
    assert_eq!(client.transport().peer(), port.host(), "the address that was found");
}

pub(super) fn tcp_02_an_unknown_name_is_a_failure_told_later(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let name = "x".repeat(300); // Too long to be one (RFC 1035), so that nobody is asked for it.
    let (_, client) = runner.connect((name.as_str(), 80), Side::new());
    client.expect_all(&[]);
    let seen = client.clone();
    runner.until("the failure", || seen.saw(&Event::Stopped));
    assert!(client.saw(&Event::ConnectionFailed(Refusal::Lookup)), "{client:?}");
    assert!(matches!(client.connect_error(), Some(ConnectError::Lookup { host, .. }) if host == name));
}

pub(super) fn tcp_03_success_ends_the_deadline(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.until_client_saw(&Event::ConnectionMade);
    assert_eq!(pair.connector().state(), ConnectorState::Connected);
    assert_eq!(pair.reactor().delayed_calls().len(), 0, "the timer of the attempt is gone");
}

pub(super) fn tcp_03_pausing_in_connection_made_works(make: Make<'_>) {
    let hello = Side::new().on_made(|transport| {
        transport.write(b"hello");
    });
    let mut pair = Pair::open(make, hello, Side::deaf());
    pair.settle();
    pair.client.expect(&[Event::Made]);
    pair.client.transport().resume_producing();
    pair.until_client_received(5);
}

pub(super) fn tcp_04_a_failure_is_told_once_then_the_factory_stops(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let nobody = runner.nobody();
    let (_, client) = runner.connect(("127.0.0.1", nobody), Side::new());
    runner.settle();
    assert_eq!(client.count(&Event::ConnectionFailed(Refusal::Refused)), 1, "{client:?}");
    assert_eq!(client.events().last(), Some(&Event::Stopped));
}

pub(super) fn tcp_04_connecting_again_keeps_the_factory(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let nobody = runner.nobody();
    let again = Cell::new(true);
    let side = Side::new().on_failed(move |connector, _| {
        if again.replace(false) {
            connector.connect().unwrap();
        }
    });
    let (_, client) = runner.connect(("127.0.0.1", nobody), side);
    let seen = client.clone();
    runner.until("the second failure", || seen.saw(&Event::Stopped));
    client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::ConnectionFailed(Refusal::Refused),
        Event::Connecting,
        Event::ConnectionFailed(Refusal::Refused),
        Event::Stopped,
    ]);
}

pub(super) fn tcp_05_protocol_then_factory_then_stop(make: Make<'_>) {
    let server = Side::new().on_made(|transport| transport.lose_connection());
    let mut pair = Pair::begin(make, server, Side::new());
    pair.until_client_saw(&Event::Stopped);
    assert_eq!(
        pair.client.events()[5..],
        [Event::ReadLost, Event::Lost(Ending::Done), Event::ConnectionLost(Ending::Done), Event::Stopped]
    );
    assert_eq!(pair.connector().state(), ConnectorState::Disconnected);
}

pub(super) fn tcp_05_a_reconnect_comes_before_the_stop(make: Make<'_>) {
    let server = Side::new().on_made(|transport| transport.lose_connection());
    let again = Cell::new(true);
    let client = Side::new().on_connection_lost(move |connector, _| {
        if again.replace(false) {
            connector.connect().unwrap();
        }
    });
    let mut pair = Pair::begin(make, server, client);
    pair.until_client_saw(&Event::Stopped);
    assert_eq!(pair.client.count(&Event::Made), 2);
    assert_eq!(pair.client.count(&Event::Started), 1, "the factory goes on: {:?}", pair.client);
    assert_eq!(pair.client.count(&Event::Stopped), 1);
}

pub(super) fn tcp_07_a_refusal_names_the_address(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let nobody = runner.nobody();
    let (_, client) = runner.connect(("127.0.0.1", nobody), Side::new());
    let seen = client.clone();
    runner.until("the failure", || seen.saw(&Event::Stopped));
    match client.connect_error() {
        Some(ConnectError::Refused(to)) => assert_eq!(to.port(), nobody),
        other => panic!("{other:?}"),
    }
}

pub(super) fn tcp_07_a_local_address_that_cannot_be_bound(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _server) = runner.listen(Side::new());
    let taken = port.host().socket_addr().expect("a port has an address");
    let options = TcpClientOptions::new().bind_address(taken);
    let (_, client) = runner.connect_with(taken, Side::new(), options);
    client.expect_all(&[]);
    let seen = client.clone();
    runner.until("the failure", || seen.saw(&Event::Stopped));
    assert!(client.saw(&Event::ConnectionFailed(Refusal::Bind)), "{client:?}");
}

pub(super) fn tcp_07_a_local_address_can_be_chosen(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let options = TcpClientOptions::new().bind_address(([127, 0, 0, 1], 0).into());
    let (_, client) = runner.connect_with(port.host().socket_addr().unwrap(), Side::new(), options);
    let seen = server.clone();
    runner.until("the connection", || seen.saw(&Event::Made) && client.saw(&Event::Made));
    assert_eq!(server.transport().peer().host(), "127.0.0.1");
}

pub(super) fn tcp_08_the_deadline_covers_the_lookup(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _server) = runner.listen(Side::new());
    // The next turn, and no lookup and connect is done by then.
    let options = TcpClientOptions::new().timeout(Some(Duration::ZERO));
    let (connector, client) = runner.connect_with(("localhost", port.host().port()), Side::new(), options);
    let seen = client.clone();
    runner.until("the end of the attempt", || seen.saw(&Event::Stopped));
    runner.settle(); // What comes late is ignored.
    client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::ConnectionFailed(Refusal::TimedOut),
        Event::Stopped,
    ]);
    assert!(client.connect_error().is_some_and(|error| error.is_timeout()));
    assert_eq!(connector.state(), ConnectorState::Disconnected);
}

pub(super) fn tcp_08_no_deadline_if_none_is_wanted(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _server) = runner.listen(Side::new());
    let options = TcpClientOptions::new().timeout(None);
    let (_, client) = runner.connect_with(("127.0.0.1", port.host().port()), Side::new(), options);
    assert_eq!(runner.reactor().delayed_calls().len(), 0);
    runner.until("the connection", || client.saw(&Event::Made));
}

pub(super) fn tcp_09_stop_connecting_is_told_after_the_call(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new());
    assert!(pair.connector().stop_connecting().is_ok());
    assert!(pair.connector().stop_connecting().is_err(), "it is not connecting any more");
    pair.client.expect_all(&[]);
    pair.settle();
    pair.client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::ConnectionFailed(Refusal::Stopped),
        Event::Stopped,
    ]);
}

pub(super) fn tcp_09_stop_connecting_in_started_connecting(make: Make<'_>) {
    let client = Side::new().on_connecting(|connector| connector.stop_connecting().unwrap());
    let mut pair = Pair::begin(make, Side::new(), client);
    pair.settle();
    pair.client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::ConnectionFailed(Refusal::Stopped),
        Event::Stopped,
    ]);
    pair.server.expect(&[]);
}

pub(super) fn tcp_09_disconnect_does_what_it_takes(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new());
    pair.connector().disconnect();
    pair.until_client_saw(&Event::ConnectionFailed(Refusal::Stopped));
    pair.connector().disconnect();
    pair.connector().connect().unwrap();
    pair.until_client_saw(&Event::ConnectionMade);
    assert!(pair.connector().stop_connecting().is_err(), "it is connected");
    pair.connector().disconnect();
    assert!(!pair.client.saw(&Event::Lost(Ending::Done)), "not from inside the call");
    pair.until_client_saw(&Event::ConnectionLost(Ending::Done));
    pair.connector().disconnect();
    pair.settle();
    assert_eq!(pair.client.count(&Event::Lost(Ending::Done)), 1);
}

pub(super) fn tcp_10_connect_on_a_busy_connector(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new());
    assert!(pair.connector().connect().is_err(), "it is connecting");
    pair.until_client_saw(&Event::ConnectionMade);
    assert!(pair.connector().connect().is_err(), "it is connected");
    assert_eq!(pair.client.count(&Event::Connecting), 1);
}

pub(super) fn tcp_10_a_stopped_factory_is_started_again(make: Make<'_>) {
    let server = Side::new().on_made(|transport| transport.lose_connection());
    let mut pair = Pair::begin(make, server, Side::new());
    pair.until_client_saw(&Event::Stopped);
    pair.connector().connect().unwrap();
    let client = pair.client.clone();
    pair.until("the second end", || client.count(&Event::Stopped) == 2);
    assert_eq!(client.count(&Event::Started), 2);
    assert_eq!(client.count(&Event::Made), 2);
}

pub(super) fn tcp_10_stop_and_connect_in_one_breath(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new());
    pair.connector().stop_connecting().unwrap();
    pair.connector().connect().unwrap();
    pair.until_client_saw(&Event::ConnectionMade);
    pair.settle();
    assert_eq!(pair.client.count(&Event::ConnectionFailed(Refusal::Stopped)), 1, "{:?}", pair.client);
    assert_eq!(pair.client.count(&Event::Made), 1);
    assert_eq!(pair.client.count(&Event::Started), 1);
    assert_eq!(pair.client.count(&Event::Stopped), 0, "the second attempt keeps the factory");
}

pub(super) fn tcp_11_no_protocol_is_a_lost_connection(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new().on_build(|_| false));
    pair.until_client_saw(&Event::Stopped);
    pair.client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::Built,
        Event::ConnectionLost(Ending::Done),
        Event::Stopped,
    ]);
    let server = pair.server.clone();
    pair.until_lost(&server);
}

pub(super) fn tcp_11_a_panic_in_build_protocol_is_a_failure(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new().on_build(|_| panic!("no protocol today")));
    pair.until_client_saw(&Event::Stopped);
    pair.client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::Built,
        Event::ConnectionFailed(Refusal::Panicked),
        Event::Stopped,
    ]);
    let error = pair.client.connect_error().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("no protocol today"), "{error}");
}

pub(super) fn tcp_12_a_panic_in_connection_made_of_a_client(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new().on_made(|_| panic!("not made")));
    pair.until_client_saw(&Event::Stopped);
    pair.client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::Built,
        Event::Made,
        Event::Lost(Ending::Panicked),
        Event::ConnectionLost(Ending::Panicked),
        Event::Stopped,
    ]);
    pair.until_over();
    assert_eq!(pair.server.ending(), Some(Ending::Done), "the peer sees an orderly close");
}

pub(super) fn tcp_13_the_addresses(make: Make<'_>) {
    let peers = Rc::new(Cell::new(0));
    let seen = Rc::clone(&peers);
    let server = Side::new().on_build(move |peer| {
        seen.set(peer.port());
        true
    });
    let pair = Pair::open(make, server, Side::new());
    let (server, client) = (pair.server.transport(), pair.client.transport());
    assert_eq!(pair.connector().destination(), &pair.port().host());
    assert_eq!(client.peer(), pair.port().host());
    assert_eq!(server.peer(), client.host());
    assert_eq!(server.host(), client.peer());
    assert_eq!(peers.get(), client.host().port(), "build_protocol is told the peer");
}
