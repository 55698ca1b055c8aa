//! How connections come to be, or do not.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use twistor_net::TcpClientOptions;
use twistor_reactor::kernel::{ConnectOptions, ConnectProgress, ListenOptions, StreamListener, StreamSocket};
use twistor_sim::conformance::harness::{Event, Refusal, Side};

use super::compare;
use super::ground::Ground;

/// A port of the server's that nobody listens on any more.
fn nobody(ground: &Ground) -> u16 {
    let address = SocketAddr::new(ground.address(), 0);
    let listener = ground.server_kernel().listen_stream(address, &ListenOptions::default()).unwrap();
    listener.local().unwrap().port()
}

/// A listener of the bare kernel, which nobody accepts from.
fn silent(ground: &Ground, backlog: i32) -> Box<dyn StreamListener> {
    let mut options = ListenOptions::default();
    options.backlog = backlog;
    let address = SocketAddr::new(ground.address(), 0);
    ground.server_kernel().listen_stream(address, &options).unwrap()
}

#[test]
fn refused() {
    let log = compare(|ground| {
        let port = nobody(ground);
        let (_, client) = ground.connect(port, Side::new());
        ground.until_saw(&client, &Event::Stopped);
    });
    log.expect("client 1", "ConnectionFailed(Refused)");
    log.expect("connectors", "Disconnected");
}

#[test]
fn refused_again_and_again() {
    let log = compare(|ground| {
        let port = nobody(ground);
        let left = Cell::new(3);
        let side = Side::new().on_failed(move |connector, _| {
            if left.replace(left.get() - 1) > 0 {
                connector.connect().unwrap();
            }
        });
        let (_, client) = ground.connect(port, side);
        ground.until_saw(&client, &Event::Stopped);
    });
    assert_eq!(log.of("client 1").iter().filter(|line| **line == "Connecting").count(), 4);
}

/// As many sockets as it takes until the backlog of `listener` is full, and one is not answered.
fn fill_backlog(ground: &mut Ground, listener: &dyn StreamListener) -> Vec<Box<dyn StreamSocket>> {
    let to = SocketAddr::new(ground.address(), listener.local().unwrap().port());
    let mut sockets = Vec::new();
    for _ in 0..16 {
        let socket = ground.client_kernel().connect_stream(to, &ConnectOptions::default()).unwrap();
        ground.settle(); // Longer than a handshake takes, shorter than the pause before a repetition.
        let progress = socket.connect_progress();
        sockets.push(socket);
        if matches!(progress, Ok(ConnectProgress::InProgress)) {
            return sockets;
        }
    }
    panic!("the backlog of {to} has no end");
}

/// Where nobody answers at all cannot be had over a loopback. What stands in for it is a listener whose backlog is full: Linux drops
/// the first segments of further connections, as the simulated network does, and the attempt ends by our own time-out.
#[cfg(target_os = "linux")]
#[test]
fn nobody_answers() {
    let scenario = |ground: &mut Ground| {
        let listener = silent(ground, 1);
        let _full = fill_backlog(ground, &*listener);
        let options = TcpClientOptions::new().timeout(Some(Duration::from_millis(80)));
        let (_, client) = ground.connect_with(listener.local().unwrap().port(), Side::new(), options);
        ground.until_saw(&client, &Event::Stopped);
    };
    let log = compare(scenario);
    log.expect("client 1", "ConnectionFailed(TimedOut)");

    // And that is what a real black hole looks like.
    let hole = Ground::two(Duration::from_millis(20)).play(&|ground| {
        let listener = silent(ground, 1);
        ground.cut();
        let options = TcpClientOptions::new().timeout(Some(Duration::from_millis(80)));
        let (_, client) = ground.connect_with(listener.local().unwrap().port(), Side::new(), options);
        ground.until_saw(&client, &Event::Stopped);
    });
    assert_eq!(log.differences(&hole), None);
}

#[test]
fn connecting_is_stopped() {
    let log = compare(|ground| {
        let side = Side::new().on_connecting(|connector| connector.disconnect());
        let (server, client) = ground.begin(Side::new(), side);
        ground.until_saw(&client, &Event::Stopped);
        assert!(!server.saw(&Event::Made));
    });
    log.expect("client 1", "ConnectionFailed(Stopped)");
}

/// The clients are connected as far as they know, but nobody has accepted them when the listener is closed.
#[test]
fn a_listener_stops_with_connections_waiting() {
    let log = compare(|ground| {
        let listener = silent(ground, 10);
        let port = listener.local().unwrap().port();
        let [one, other] = [(); 2].map(|()| ground.connect(port, Side::new()).1);
        ground
            .until("both connected", || one.saw(&Event::ConnectionMade) && other.saw(&Event::ConnectionMade));
        ground.settle();
        drop(listener);
        ground.until_over(&[&one, &other]);
    });
    log.expect("client 1", "ConnectionLost(Lost)");
    log.expect("client 2", "ConnectionLost(Lost)");
}

#[test]
fn a_port_stops_and_its_connections_go_on() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::echo(), Side::new());
        let port = ground.port(0);
        let stopped = port.stop_listening();
        ground.until("the end of the port", || stopped.has_result());
        let (_, late) = ground.connect(port.host().port(), Side::new());
        ground.until_saw(&late, &Event::ConnectionFailed(Refusal::Refused));
        client.transport().write(b"still here");
        ground.until("the echo", || client.received_len() == 10);
        client.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("client 1", "Data(10)");
    log.expect("ports", "Stopped, 0 left");
}

#[test]
fn a_server_that_wants_no_protocol() {
    let log = compare(|ground| {
        let (_, client) = ground.begin(Side::new().on_build(|_| false), Side::new());
        ground.until_over(&[&client]);
    });
    log.expect("server", "Built");
    log.expect("client 1", "Stopped");
}

#[test]
fn a_client_that_wants_no_protocol() {
    let log = compare(|ground| {
        let (server, client) = ground.begin(Side::new(), Side::new().on_build(|_| false));
        ground.until_saw(&client, &Event::Stopped);
        ground.until_over(&[&server]);
    });
    log.expect("client 1", "Built");
    assert!(!log.of("client 1").contains(&"Made"), "{log:?}");
}

#[test]
fn a_panic_in_build_protocol_of_the_client() {
    let log = compare(|ground| {
        let (server, client) = ground.begin(Side::new(), Side::new().on_build(|_| panic!("on purpose")));
        ground.until_saw(&client, &Event::Stopped);
        ground.until_over(&[&server]);
    });
    log.expect("client 1", "ConnectionFailed(Panicked)");
}

#[test]
fn a_panic_in_build_protocol_of_the_server() {
    let log = compare(|ground| {
        let (_, client) = ground.begin(Side::new().on_build(|_| panic!("on purpose")), Side::new());
        ground.until_over(&[&client]);
    });
    log.expect("client 1", "ConnectionMade");
}

#[test]
fn the_factory_connects_again() {
    let log = compare(|ground| {
        let server = Side::new().on_data(|transport, _| transport.lose_connection());
        let left = Cell::new(2);
        let client = Side::new().on_made(|transport| {
            transport.write(b"hello");
        });
        let client = client.on_connection_lost(move |connector, _| {
            if left.replace(left.get() - 1) > 0 {
                connector.connect().unwrap();
            }
        });
        let (server, client) = ground.begin(server, client);
        ground.until_saw(&client, &Event::Stopped);
        ground.until_over(&[&server]);
    });
    let made = |name| log.of(name).iter().filter(|line| **line == "Made").count();
    assert_eq!([made("server"), made("client 1")], [3, 3]);
}
