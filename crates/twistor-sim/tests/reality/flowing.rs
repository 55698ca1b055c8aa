//! Ends that come while megabytes are on their way.

use twistor_sim::conformance::harness::{Event, Side, fill};

use super::compare;

/// What [`fill`] writes.
const ALL: usize = 8 << 20;

#[test]
fn a_close_with_buffered_output() {
    let log = compare(|ground| {
        let side = Side::new().on_made(|transport| {
            fill(transport);
            transport.lose_connection();
        });
        let (server, client) = ground.begin(Side::new(), side);
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", &format!("Data({ALL})"));
    log.expect("client 1", "Lost(Done)");
}

#[test]
fn a_half_close_with_buffered_output() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::new(), Side::new());
        fill(&client.transport());
        client.transport().lose_write_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", &format!("Data({ALL})"));
    log.expect("client 1", "WriteLost");
}

#[test]
fn a_writer_that_is_paused_and_resumed() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::deaf(), Side::new());
        fill(&client.transport());
        ground.until_saw(&client, &Event::Paused);
        ground.settle();
        server.transport().resume_producing();
        ground.until("all of it", || server.received_len() == ALL);
        ground.until_saw(&client, &Event::Resumed);
        client.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    assert_eq!(log.of("client 1").iter().filter(|line| **line == "Paused").count(), 1, "{log:?}");
}

#[test]
fn an_abort_with_buffered_output() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::deaf(), Side::new());
        fill(&client.transport());
        ground.settle();
        client.transport().abort_connection();
        ground.until_over(&[&client]);
        ground.settle(); // The reset is there, whether or not it was noticed.
        server.transport().resume_producing();
        ground.until_over(&[&server]);
    });
    log.expect("client 1", "Lost(Aborted)");
    log.expect("server", "Lost(Lost)");
}

#[test]
fn a_peer_that_does_not_read_and_then_closes() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::deaf(), Side::new());
        fill(&client.transport());
        ground.settle();
        server.transport().lose_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "Lost(Done)");
    log.expect("client 1", "Lost(Lost)");
}

#[test]
fn a_peer_that_does_not_read_and_then_resets() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::deaf(), Side::new());
        fill(&client.transport());
        ground.settle();
        server.transport().abort_connection();
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "Lost(Aborted)");
    log.expect("client 1", "Lost(Lost)");
}

#[test]
fn a_port_is_drained() {
    let log = compare(|ground| {
        let (server, client) = ground.open(Side::echo(), Side::new());
        client.transport().write(b"still here");
        ground.until("the echo", || client.received_len() == 10);
        let port = ground.port(0);
        let drained = port.drain(std::time::Duration::from_secs(5));
        ground.until("the end of the port", || drained.has_result());
        ground.until_over(&[&server, &client]);
    });
    log.expect("server", "CloseRequested");
    log.expect("server", "Stopped");
    log.expect("ports", "Stopped, 0 left");
}
