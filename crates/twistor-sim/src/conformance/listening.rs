//! Ports: TCP-14 to TCP-22, and rulings R24 and R29.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use twistor_deferred::Panicked;
use twistor_net::{PortState, ReactorTcp, TcpServerOptions};

use super::Make;
use super::harness::{Ending, Event, Pair, Runner, Side};

pub(super) fn tcp_14_listening_binds_at_once(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    assert_ne!(port.host().port(), 0);
    assert_eq!(port.host().host(), "127.0.0.1");
    assert_eq!(port.state(), PortState::Listening);
    server.expect_all(&[]);
    runner.turn();
    server.expect_all(&[Event::Started]);
}

pub(super) fn tcp_14_an_address_in_use(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _server) = runner.listen(Side::new());
    let (second, factory) = runner.end("second", Side::new());
    let number = port.host().port();
    let error =
        runner.reactor().listen_tcp(("127.0.0.1", number), factory).expect_err("the address is in use");
    assert_eq!((error.interface.as_str(), error.port), ("127.0.0.1", number));
    assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&number.to_string()), "{error}");
    runner.settle();
    second.expect_all(&[]);
}

pub(super) fn tcp_14_an_interface_that_is_none(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (end, factory) = runner.end("server", Side::new());
    let error = runner.reactor().listen_tcp(("no interface", 0), factory).expect_err("no such interface");
    assert!(error.to_string().contains("no interface"), "{error}");
    runner.settle();
    end.expect_all(&[]);
}

pub(super) fn tcp_15_a_port_is_free_right_after_its_connections(make: Make<'_>) {
    let server = Side::new().on_made(|transport| transport.lose_connection());
    let mut pair = Pair::begin(make, server, Side::new());
    pair.until_over();
    let number = pair.port().host().port();
    let stopped = pair.port().stop_listening();
    pair.until("the port stopped", || stopped.has_result());
    let (_, factory) = pair.end("second", Side::new());
    let again = pair.reactor().listen_tcp(("127.0.0.1", number), factory);
    assert!(again.is_ok(), "SO_REUSEADDR is on: {again:?}");
}

pub(super) fn tcp_15_ipv6_by_its_interface(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (server, factory) = runner.end("server", Side::new());
    // Not every machine has it.
    let Ok(port) = runner.reactor().listen_tcp(("::1", 0), factory) else { return };
    let (_, client) = runner.connect(("::1", port.host().port()), Side::new());
    let seen = server.clone();
    runner.until("the connection", || seen.saw(&Event::Made) && client.saw(&Event::Made));
    assert!(server.transport().peer().ip().is_some_and(|ip| ip.is_ipv6()));
}

pub(super) fn r24_one_port_for_both_families(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (server, factory) = runner.end("server", Side::new());
    let options = TcpServerOptions::new().dual_stack(true);
    let Ok(port) = runner.reactor().listen_tcp_with(("::", 0), factory, options) else { return };
    let (_, client) = runner.connect(("127.0.0.1", port.host().port()), Side::new());
    runner.until("the connection", || server.saw(&Event::Made) && client.saw(&Event::Made));
}

pub(super) fn r24_ports_that_share_a_number(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let options = TcpServerOptions::new().reuse_port(true);
    let (first, _) = runner.listen_with(Side::new(), options.clone());
    let (_, factory) = runner.end("second", Side::new());
    let number = first.host().port();
    let second = runner.reactor().listen_tcp_with(("127.0.0.1", number), factory, options);
    assert!(second.is_ok(), "{second:?}");
    let (_, factory) = runner.end("third", Side::new());
    let third = runner.reactor().listen_tcp(("127.0.0.1", number), factory);
    assert!(third.is_err(), "sharing is off by default");
}

pub(super) fn tcp_16_accepts_come_in_batches(make: Make<'_>) {
    const CLIENTS: usize = 12;
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen_with(Side::new(), TcpServerOptions::new().accepts_per_turn(3));
    for _ in 0..CLIENTS {
        runner.connect(("127.0.0.1", port.host().port()), Side::new());
    }
    let mut first = 0;
    runner.until("all of them", || {
        let made = server.count(&Event::Made);
        if first == 0 {
            first = made;
        }
        made == CLIENTS
    });
    assert!((1..=3).contains(&first), "{first} accepted in the first turn");
}

pub(super) fn tcp_17_a_refused_client_is_closed_and_the_next_is_served(make: Make<'_>) {
    let first = Cell::new(true);
    let server = Side::new().on_build(move |_| !first.replace(false));
    let mut pair = Pair::begin(make, server, Side::new());
    let client = pair.client.clone();
    pair.until_lost(&client);
    let second = pair.another(Side::new());
    let server = pair.server.clone();
    pair.until("the second", || server.saw(&Event::Made) && second.saw(&Event::Made));
    assert_eq!(server.count(&Event::Built), 2);
    assert_eq!(server.count(&Event::Made), 1);
}

pub(super) fn tcp_18_a_panic_on_a_server_ends_that_connection_alone(make: Make<'_>) {
    let count = Cell::new(0);
    let server = Side::new().on_made(move |_| {
        count.set(count.get() + 1);
        assert_ne!(count.get(), 2, "the second is not wanted");
    });
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(server);
    for _ in 0..4 {
        runner.connect(("127.0.0.1", port.host().port()), Side::new());
    }
    let seen = server.clone();
    runner.until("all of them", || seen.count(&Event::Made) == 4);
    runner.settle();
    assert_eq!(server.count(&Event::Lost(Ending::Panicked)), 1, "{server:?}");
    assert_eq!(port.connections(), 3);
}

pub(super) fn tcp_18_a_panic_in_build_protocol_costs_one_client(make: Make<'_>) {
    let count = Cell::new(0);
    let server = Side::new().on_build(move |_| {
        count.set(count.get() + 1);
        assert_ne!(count.get(), 2, "the second is not wanted");
        true
    });
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(server);
    let clients: Vec<_> =
        (0..4).map(|_| runner.connect(("127.0.0.1", port.host().port()), Side::new()).1).collect();
    let seen = server.clone();
    runner.until("three of four", || {
        seen.count(&Event::Built) == 4 && clients.iter().filter(|client| client.is_over()).count() == 1
    });
    assert_eq!(server.count(&Event::Made), 3, "{server:?}");
}

pub(super) fn tcp_20_stop_listening_fires_later_and_leaves_connections_alone(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::echo(), Side::new());
    let seen = pair.server.clone();
    let stopped = pair.port().stop_listening();
    assert!(!stopped.has_result() && !seen.saw(&Event::Stopped), "never from inside the call");
    let noted = seen.clone();
    drop(stopped.map(move |()| noted.note("fired")));
    pair.until("the port stopped", || seen.noted("fired"));
    let events = pair.server.events();
    assert_eq!(events[events.len() - 2..], [Event::Stopped, Event::Note("fired".to_owned())]);
    pair.client.transport().write(b"still there");
    pair.until_client_received(11);
    let late = pair.another(Side::new());
    let refused = late.clone();
    pair.until("the late one refused", || refused.saw(&Event::Stopped));
    assert!(!late.saw(&Event::Made));
}

pub(super) fn tcp_20_nobody_is_accepted_after_stop_listening(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new());
    // The client is on its way when the port stops.
    drop(pair.port().stop_listening());
    pair.settle();
    assert!(!pair.server.saw(&Event::Built), "{:?}", pair.server);
}

pub(super) fn tcp_20_stopping_a_stopped_port(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let first = port.stop_listening();
    runner.until("the port stopped", || first.has_result());
    assert!(port.stop_listening().has_result(), "it does not listen");
    runner.settle();
    assert_eq!(server.count(&Event::Stopped), 1);
    server.expect_all(&[Event::Started, Event::Stopped]);
}

pub(super) fn tcp_20_a_port_listens_again(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let stopped = port.stop_listening();
    runner.until("the port stopped", || stopped.has_result());
    port.start_listening().unwrap();
    assert!(port.start_listening().is_ok(), "again: nothing");
    let (_, client) = runner.connect(("127.0.0.1", port.host().port()), Side::new());
    runner.until("the connection", || client.saw(&Event::Made) && server.saw(&Event::Made));
    assert_eq!(server.count(&Event::Started), 2);
}

pub(super) fn tcp_20_stop_and_start_in_one_breath_keeps_the_factory(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    runner.turn();
    let stopped = port.stop_listening();
    port.start_listening().unwrap();
    runner.until("the first stop told", || stopped.has_result());
    server.expect_all(&[Event::Started]);
    assert_eq!(port.state(), PortState::Listening);
}

pub(super) fn tcp_21_a_panic_in_stop_factory_fails_the_deferred(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new().on_stop(|| panic!("cannot stop")));
    let stopped = port.stop_listening();
    runner.until("the port stopped", || stopped.has_result());
    assert!(stopped.try_take().expect("it has a result").is_err_and(|why| why.check::<Panicked>()));
    assert_eq!(port.state(), PortState::Stopped);
    port.start_listening().unwrap();
    let (_, client) = runner.connect(("127.0.0.1", port.host().port()), Side::new());
    runner.until("the connection", || client.saw(&Event::Made) && server.saw(&Event::Made));
}

pub(super) fn r29_dropping_handles_detaches(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::echo());
    let number = port.host().port();
    drop(port);
    let hello = Side::new().on_made(|transport| {
        transport.write(b"hello");
    });
    let (connector, client) = runner.connect(("127.0.0.1", number), hello);
    drop(connector);
    let seen = client.clone();
    runner.until("the answer", || seen.received() == b"hello");
    assert!(!server.is_over() && !client.is_over());
}

pub(super) fn tcp_20_a_drain_asks_then_aborts(make: Make<'_>) {
    let server = Side::new().on_close_requested(|_| {});
    let mut pair = Pair::open(make, server, Side::new());
    let polite = pair.another(Side::new());
    let server = pair.server.clone();
    pair.until("two connections", || server.count(&Event::Made) == 2);
    let drained = pair.port().drain(Duration::from_millis(30));
    assert!(!drained.has_result());
    let asked = server.clone();
    pair.until("both asked", || asked.count(&Event::CloseRequested) == 2);
    polite.transport().lose_connection();
    pair.until("the end of the drain", || drained.has_result());
    let report = drained.try_take().expect("it has a result").expect("no failure");
    assert_eq!((report.closed, report.aborted), (1, 1));
    assert_eq!(pair.port().state(), PortState::Stopped);
    assert_eq!(server.events().last(), Some(&Event::Stopped));
}
