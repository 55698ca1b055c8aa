//! How connections end.

use std::net::SocketAddr;

use twistor_net::Transport;
use twistor_reactor::kernel::{ListenOptions, StreamSocket};
use twistor_sim::conformance::harness::{End, Event, Side};

use super::compare;
use super::ground::Ground;

#[test]
fn the_server_closes_in_order() {
    let log = compare(|ground| {
        let hello = Side::new().on_made(|transport| {
            transport.write(b"hello");
        });
        let (server, client) = ground.open(hello, Side::new());
        ground.until("the bytes", || client.received_len() == 5);
        server.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "Lost(Done)");
    log.expect("client 1", "ReadLost");
}

#[test]
fn the_client_closes_in_order() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::echo(), Side::new());
        client.transport().write(b"hello");
        ground.until("the echo", || client.received_len() == 5);
        client.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "ReadLost");
    log.expect("client 1", "ConnectionLost(Done)");
    log.expect("client 1", "Stopped");
}

#[test]
fn the_server_resets() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new(), Side::new());
        server.transport().abort_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "Lost(Aborted)");
    log.expect("client 1", "ConnectionLost(Lost)");
}

#[test]
fn the_client_resets() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new(), Side::new());
        client.transport().abort_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "Lost(Lost)");
    log.expect("client 1", "ConnectionLost(Aborted)");
}

#[test]
fn the_client_half_closes() {
    let log = compare(|ground| {
        let answer = Side::new().on_read_lost(|transport| {
            transport.write(b"the answer");
            transport.lose_connection();
        });
        let (server, client) = ground.open(answer, Side::new());
        client.transport().write(b"a question");
        client.transport().lose_write_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("client 1", "WriteLost");
    log.expect("client 1", "Data(10)");
    log.expect("server", "Lost(Done)");
}

#[test]
fn the_server_half_closes() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new(), Side::new().stay());
        server.transport().write(b"all I have");
        server.transport().lose_write_connection();
        ground.until_saw(&client, &Event::ReadLost);
        client.transport().write(b"thanks");
        ground.until("the thanks", || server.received_len() == 6);
        client.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "WriteLost");
    log.expect("server", "Data(6)");
    log.expect("client 1", "Lost(Done)");
}

#[test]
fn both_half_close() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new().stay(), Side::new().stay());
        server.transport().lose_write_connection();
        client.transport().lose_write_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "ReadLost");
    log.expect("client 1", "ReadLost");
}

#[test]
fn the_peer_resets_what_was_half_closed() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new().stay(), Side::new());
        client.transport().lose_write_connection();
        ground.until_saw(&server, &Event::ReadLost);
        server.transport().abort_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("client 1", "Lost(Lost)");
}

#[test]
fn a_close_with_input_that_was_not_read() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::deaf(), Side::new());
        client.transport().write(b"nobody reads this");
        ground.settle(); // It has arrived.
        server.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    assert!(!log.of("server").iter().any(|line| line.starts_with("Data")), "{log:?}");
    log.expect("server", "Lost(Done)");
}

/// The library reads what is left before it closes; a process that ends does not, nor do others. The system then resets.
#[test]
fn a_bare_socket_is_closed_with_input_that_was_not_read() {
    let log = compare(|ground| {
        let (accepted, client) = bare_server(ground);
        client.transport().write(b"nobody reads this");
        ground.settle(); // It has arrived.
        drop(accepted);
        ground.until_over(&[&client]);
    });
    log.expect("client 1", "ConnectionLost(Lost)");
}

#[test]
fn a_bare_socket_is_closed_with_nothing_left_to_read() {
    let log = compare(|ground| {
        let (accepted, client) = bare_server(ground);
        drop(accepted);
        ground.until_over(&[&client]);
    });
    log.expect("client 1", "ReadLost");
    log.expect("client 1", "ConnectionLost(Done)");
}

/// A client of a socket that no protocol has.
fn bare_server(ground: &mut Ground) -> (Box<dyn StreamSocket>, End) {
    let address = SocketAddr::new(ground.address(), 0);
    let listener = ground.server_kernel().listen_stream(address, &ListenOptions::default()).unwrap();
    let (_, client) = ground.connect(listener.local().unwrap().port(), Side::new());
    ground.until_saw(&client, &Event::ConnectionMade);
    ground.settle();
    (listener.accept().unwrap().socket, client)
}

#[test]
fn both_close_at_once() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new(), Side::new());
        server.transport().lose_connection();
        client.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "Lost(Done)");
    log.expect("client 1", "Lost(Done)");
}

#[test]
fn both_reset_at_once() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new(), Side::new());
        server.transport().abort_connection();
        client.transport().abort_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "Lost(Aborted)");
    log.expect("client 1", "Lost(Aborted)");
}

#[test]
fn a_write_after_the_close() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new(), Side::new());
        let transport = server.transport();
        transport.write(b"before");
        transport.lose_connection();
        server.note(format!("closing: {:?}", transport.write(b"after")));
        ground.until_over(&[&server, &client]);
        server.note(format!("over: {:?}", transport.write(b"long after")));
        client.note(format!("over: {:?}", client.transport().write(b"long after")));
    });
    log.expect("client 1", "Data(6)");
    log.expect("server", "Note(\"closing: Closed\")");
}

/// The end that closed is told that all is over; its socket takes what still comes, so that nothing of what it sent is lost.
#[test]
fn a_write_into_a_connection_that_the_peer_has_closed() {
    let log = compare(|ground| {
        let chatty = Side::new().on_read_lost(|transport| {
            transport.write(b"who still listens?");
        });
        let (server, client) = ground.open(chatty, Side::new());
        client.transport().lose_connection();
        ground.until_saw(&server, &Event::ReadLost);
        ground.settle();
        server.note(format!("later: {:?}", server.transport().write(b"anybody?")));
        server.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("client 1", "Lost(Done)");
    log.expect("server", "Note(\"later: Ready\")");
    log.expect("server", "Lost(Done)");
}

#[test]
fn a_panic_in_a_callback_of_the_server() {
    let log = compare(|ground| {
        let side = Side::new().on_data(|_, _| panic!("on purpose"));
        let (server, client) = ground.open(side, Side::new());
        client.transport().write(b"now");
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "protocol: a callback panicked: on purpose");
    log.expect("client 1", "Lost(Done)");
}

#[test]
fn a_panic_in_connection_made_of_the_client() {
    let log = compare(|ground| {
        let side = Side::new().on_made(|_| panic!("on purpose"));
        let (server, client) = ground.begin(Side::new(), side);
        ground.until_over(&[&server, &client]);
    });
    log.expect("client 1", "ConnectionLost(Panicked)");
    log.expect("server", "Lost(Done)");
}

#[test]
fn an_idle_connection_times_out() {
    let log = compare(|ground| {
        let side = Side::new().on_made(|transport| {
            transport.set_timeout(Some(std::time::Duration::from_millis(60)));
        });
        let (server, client) = ground.begin(side, Side::new());
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "TimedOut");
    log.expect("server", "Lost(TimedOut)");
    log.expect("client 1", "ReadLost");
}

#[test]
fn a_close_from_inside_the_callbacks() {
    let log = compare(|ground| {
        let server = Side::new().on_data(|transport, _| {
            transport.write(b"and good bye");
            transport.lose_connection();
        });
        let client = Side::new().on_made(|transport| {
            transport.write(b"hello");
        });
        let (server, client) =
            ground.begin(server, client.on_data(|transport, _| Transport::lose_connection(transport)));
        ground.until_over(&[&server, &client]);
    });
    log.expect("client 1", "Data(12)");
    log.expect("server", "Data(5)");
}
