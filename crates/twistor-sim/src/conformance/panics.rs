//! Where a panic of the user's ends up: table 28a row by row, TCP-06, TCP-33, TCP-38, and ruling R5.

use std::time::Duration;

use twistor_net::{ProducerKind, Transport};

use super::Make;
use super::harness::{End, Ending, Event, Feeding, Pair, Side, fill};

/// Runs a connection whose server does `server` when the client writes a byte; the server has to be told of the panic, the client of an
/// orderly close.
fn server_panics(make: Make<'_>, server: Side) -> (Pair, End) {
    let mut pair = Pair::open(make, server, Side::new());
    pair.client.transport().write(b"?");
    pair.until_over();
    let end = pair.server.clone();
    assert_eq!(end.ending(), Some(Ending::Panicked), "{end:?}");
    assert_eq!(pair.client.ending(), Some(Ending::Done), "an orderly close: {:?}", pair.client);
    assert_eq!(end.drops(), 1);
    (pair, end)
}

pub(super) fn table_28a_data_received(make: Make<'_>) {
    let server = Side::new().on_data(|transport, _| {
        transport.write(b"written before");
        panic!("in data_received");
    });
    let (pair, end) = server_panics(make, server);
    assert_eq!(pair.client.received(), b"written before", "what was written is sent");
    assert!(end.reason().is_some_and(|reason| reason.to_string().contains("in data_received")));
}

pub(super) fn table_28a_connection_made_of_a_server(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new().on_made(|_| panic!("not made")), Side::new());
    pair.until_over();
    pair.server.expect(&[Event::Made, Event::Lost(Ending::Panicked)]);
    assert_eq!(pair.client.ending(), Some(Ending::Done));
    if let Some(port) = &pair.connected().port {
        assert_eq!(port.connections(), 0);
    }
}

pub(super) fn table_28a_connection_lost(make: Make<'_>) {
    let client = Side::new().on_lost(|_, _| panic!("in connection_lost"));
    let mut pair = Pair::open(make, Side::new(), client);
    pair.server.transport().lose_connection();
    pair.until_client_saw(&Event::Stopped);
    let events = pair.client.events();
    assert_eq!(
        events[events.len() - 3..],
        [Event::Lost(Ending::Done), Event::ConnectionLost(Ending::Done), Event::Stopped]
    );
    assert_eq!(pair.client.drops(), 1);
}

pub(super) fn table_28a_connection_lost_of_a_server(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().on_lost(|_, _| panic!("in connection_lost")), Side::new());
    pair.client.transport().lose_connection();
    pair.until_over();
    pair.server.expect(&[Event::Made, Event::ReadLost, Event::Lost(Ending::Done)]);
    if let Some(port) = &pair.connected().port {
        assert_eq!(port.connections(), 0, "the port was told");
    }
}

pub(super) fn table_28a_client_connection_failed(make: Make<'_>) {
    let mut runner = super::harness::Runner::new(make);
    let nobody = runner.nobody();
    let (_, client) =
        runner.connect(("127.0.0.1", nobody), Side::new().on_failed(|_, _| panic!("in failed")));
    let seen = client.clone();
    runner.until("the stop", || seen.saw(&Event::Stopped));
    runner.settle();
    assert_eq!(client.events().len(), 4, "told once: {client:?}");
}

pub(super) fn table_28a_client_connection_lost(make: Make<'_>) {
    let client = Side::new().on_connection_lost(|_, _| panic!("in client_connection_lost"));
    let mut pair = Pair::open(make, Side::new(), client);
    pair.server.transport().lose_connection();
    pair.until_client_saw(&Event::Stopped);
    assert_eq!(pair.client.count(&Event::ConnectionLost(Ending::Done)), 1);
}

pub(super) fn table_28a_the_other_calls_of_a_client_factory(make: Make<'_>) {
    let client = Side::new()
        .on_start(|| panic!("in start_factory"))
        .on_connecting(|_| panic!("in started_connecting"))
        .on_connection_made(|_, _| panic!("in client_connection_made"))
        .on_stop(|| panic!("in stop_factory"));
    let mut pair = Pair::open(make, Side::echo(), client);
    pair.client.transport().write(b"goes on");
    pair.until_client_received(7);
    pair.client.transport().lose_connection();
    pair.until_client_saw(&Event::Stopped);
    assert_eq!(pair.client.ending(), Some(Ending::Done));
}

pub(super) fn table_28a_read_connection_lost(make: Make<'_>) {
    let mut pair =
        Pair::open(make, Side::new().on_read_lost(|_| panic!("in read_connection_lost")), Side::new());
    pair.client.transport().lose_write_connection();
    pair.until_over();
    assert_eq!(pair.server.ending(), Some(Ending::Panicked));
    assert_eq!(pair.client.ending(), Some(Ending::Done));
}

pub(super) fn table_28a_write_connection_lost(make: Make<'_>) {
    let server = Side::new()
        .on_data(|transport, _| transport.lose_write_connection())
        .on_write_lost(|_| panic!("in write_connection_lost"));
    let (_, end) = server_panics(make, server);
    assert_eq!(end.count(&Event::WriteLost), 1);
}

pub(super) fn table_28a_timeout_connection(make: Make<'_>) {
    let server = Side::new()
        .on_made(|transport| {
            transport.set_timeout(Some(Duration::from_millis(5)));
        })
        .on_timed_out(|_| panic!("in timeout_connection"));
    let mut pair = Pair::open(make, server, Side::new());
    pair.until_over();
    pair.server.expect(&[Event::Made, Event::TimedOut, Event::Lost(Ending::Panicked)]);
}

pub(super) fn table_28a_pause_and_resume_writing(make: Make<'_>) {
    for pause in [true, false] {
        let mut side = Side::new();
        side = if pause {
            side.on_paused(|_| panic!("in pause_writing"))
        } else {
            side.on_resumed(|_| panic!("in resume_writing"))
        };
        let mut pair = Pair::open(make, side, Side::deaf());
        let written = fill(&pair.server.transport());
        pair.until_server_saw(&Event::Paused);
        pair.client.transport().resume_producing();
        pair.until_over();
        assert_eq!(pair.server.ending(), Some(Ending::Panicked));
        assert_eq!(pair.client.received_len(), written, "the close is an orderly one");
    }
}

pub(super) fn table_28a_a_posted_call(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let connection = pair.server.transport().connection::<super::harness::Recorder>();
    connection.post(|_, _| panic!("in a posted call"));
    pair.until_over();
    assert_eq!(pair.server.ending(), Some(Ending::Panicked));
    assert_eq!(pair.client.ending(), Some(Ending::Done));
}

pub(super) fn tcp_38_a_panic_in_resume_producing_ends_the_connection(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.clone();
    let feeding = Feeding::new().on_resume(|_| panic!("in resume_producing"));
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Pull).unwrap();
    pair.until_over();
    assert_eq!(server.ending(), Some(Ending::Panicked));
    assert_eq!(server.producer_events(), [Event::ProducerResumed, Event::ProducerStopped]);
    assert_eq!(pair.client.ending(), Some(Ending::Done));
}

pub(super) fn tcp_38_a_panic_in_pause_producing_ends_the_connection(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.clone();
    let feeding = Feeding::new().on_pause(|_| panic!("in pause_producing"));
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Push).unwrap();
    fill(&server.transport());
    pair.until("the producer stopped", || server.saw(&Event::ProducerStopped));
    pair.client.transport().resume_producing();
    pair.until_over();
    assert_eq!(pair.server.ending(), Some(Ending::Panicked));
}

pub(super) fn tcp_38_a_panic_in_stop_producing_suppresses_nothing(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let client = pair.client.clone();
    let feeding = Feeding::new().on_stop(|_| panic!("in stop_producing"));
    client.transport().register_producer(feeding.feeder(&client), ProducerKind::Push).unwrap();
    pair.server.transport().abort_connection();
    pair.until_client_saw(&Event::Stopped);
    let events = client.events();
    assert_eq!(
        events[events.len() - 4..],
        [
            Event::ProducerStopped,
            Event::Lost(Ending::Lost),
            Event::ConnectionLost(Ending::Lost),
            Event::Stopped
        ]
    );
    assert!(feeding.is_dropped());
}

pub(super) fn r05_a_panic_in_the_drop_of_a_protocol_is_contained(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new().on_drop(|| panic!("in drop")));
    pair.server.transport().lose_connection();
    pair.until_client_saw(&Event::Stopped);
    assert_eq!(pair.client.count(&Event::ConnectionLost(Ending::Done)), 1);
    assert_eq!(pair.client.drops(), 1);
}

pub(super) fn r05_every_notification_at_once_panics(make: Make<'_>) {
    let client = Side::new()
        .on_data(|_, _| panic!("data"))
        .on_lost(|_, _| panic!("lost"))
        .on_connection_lost(|_, _| panic!("factory"))
        .on_stop(|| panic!("stop"))
        .on_drop(|| panic!("drop"));
    let mut pair = Pair::open(make, Side::new(), client);
    pair.server.transport().write(b"?");
    pair.until_client_saw(&Event::Stopped);
    let events = pair.client.events();
    assert_eq!(
        events[events.len() - 4..],
        [
            Event::Data(1),
            Event::Lost(Ending::Panicked),
            Event::ConnectionLost(Ending::Panicked),
            Event::Stopped
        ]
    );
}

pub(super) fn r05_other_connections_go_on(make: Make<'_>) {
    let server = Side::new().on_data(|transport, data| {
        assert_ne!(data, b"bad", "the bad one");
        transport.write(data);
    });
    let mut pair = Pair::open(make, server, Side::new());
    let other = pair.another(Side::new());
    let seen = other.clone();
    pair.until("the second connection", || seen.saw(&Event::Made));
    pair.client.transport().write(b"bad");
    let client = pair.client.clone();
    pair.until_lost(&client);
    other.transport().write(b"good");
    pair.until("the echo", || other.received() == b"good");
}

pub(super) fn r05_a_panic_in_try_with_is_the_callers(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::echo(), Side::new());
    let connection = pair.server.transport().connection::<super::harness::Recorder>();
    let panicked =
        twistor_deferred::contain(|| connection.try_with(|_, _: &Transport| panic!("the caller's")));
    assert!(panicked.is_err());
    pair.client.transport().write(b"goes on");
    pair.until_client_received(7);
    assert!(connection.try_with(|_, _| ()).is_ok(), "no slot is left busy");
}
