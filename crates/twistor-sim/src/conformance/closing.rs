//! How connections end: TCP-27 to TCP-35, TCP-37, and rulings R8, R9, R10, R25.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::Failure;
use twistor_net::{CannotConnect, Flow, ProducerKind, SocketOptionKind, Transport};

use super::Make;
use super::harness::{Ending, Event, Feeding, Pair, Side, fill};

pub(super) fn tcp_27_lose_connection_sends_everything_first(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.transport();
    let written = fill(&server);
    server.lose_connection();
    assert!(server.is_closing() && !server.is_connected());
    assert!(!pair.server.is_over(), "not from inside the call");
    pair.until_over();
    assert_eq!(pair.client.received_len(), written);
    assert_eq!(pair.server.ending(), Some(Ending::Done));
    assert_eq!(pair.client.ending(), Some(Ending::Done));
}

pub(super) fn tcp_27_a_second_lose_connection_is_nothing(make: Make<'_>) {
    let server = Side::new().on_data(|transport, _| {
        transport.lose_connection();
        transport.lose_connection();
    });
    let mut pair = Pair::open(make, server, Side::new());
    pair.client.transport().write(b"bye");
    pair.until_over();
    pair.server.transport().lose_connection();
    pair.settle();
    pair.server.expect(&[Event::Made, Event::Data(3), Event::Lost(Ending::Done)]);
}

pub(super) fn tcp_28_a_write_after_lose_connection_is_dropped(make: Make<'_>) {
    let flow = Rc::new(RefCell::new(None));
    let seen = Rc::clone(&flow);
    let server = Side::new().on_data(move |transport, _| {
        transport.write(b"before");
        transport.lose_connection();
        *seen.borrow_mut() = Some(transport.write(b"after"));
    });
    let mut pair = Pair::open(make, server, Side::new());
    pair.client.transport().write(b"?");
    pair.until_over();
    assert_eq!(pair.client.received(), b"before");
    assert_eq!(*flow.borrow(), Some(Flow::Closed));
}

pub(super) fn tcp_29_no_data_comes_after_lose_connection(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    fill(&pair.server.transport());
    pair.server.transport().lose_connection();
    pair.client.transport().write(b"too late");
    pair.server.transport().resume_producing();
    pair.settle();
    assert_eq!(pair.server.received(), b"");
    pair.client.transport().resume_producing();
    pair.until_over();
    assert_eq!(pair.server.received(), b"", "reading stays off");
}

pub(super) fn tcp_29_a_reset_during_the_close_ends_it(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    fill(&pair.server.transport());
    pair.server.transport().lose_connection();
    pair.turn();
    pair.client.transport().abort_connection();
    pair.until_over();
    pair.server.expect_milestones(&[Event::Made, Event::Lost(Ending::Lost)]);
    assert_eq!(pair.server.transport().pending(), 0, "what nobody will read is dropped");
}

pub(super) fn r09_a_close_has_a_deadline(make: Make<'_>) {
    let server =
        Side::new().on_made(|transport| transport.set_close_timeout(Some(Duration::from_millis(30))));
    let mut pair = Pair::open(make, server, Side::deaf());
    let server = pair.server.transport();
    fill(&server);
    let begin = pair.now();
    server.lose_connection();
    pair.until_over();
    let took = pair.now().saturating_duration_since(begin);
    assert!(took >= Duration::from_millis(30), "{took:?}");
    assert_eq!(pair.server.ending(), Some(Ending::CloseTimedOut));
    assert_eq!(pair.client.ending(), Some(Ending::Lost), "the peer sees a reset");
}

pub(super) fn r10_unread_input_does_not_cost_the_tail(make: Make<'_>) {
    // The server writes megabytes and closes, while bytes of the client lie unread in its socket.
    let mut pair = Pair::open(make, Side::deaf(), Side::deaf());
    pair.client.transport().write(&[1; 40]);
    pair.settle();
    let written = fill(&pair.server.transport());
    pair.server.transport().lose_connection();
    pair.turn();
    pair.client.transport().write(&[2; 40]);
    pair.client.transport().resume_producing();
    pair.until_over();
    assert_eq!(pair.client.received_len(), written);
    assert_eq!(pair.client.ending(), Some(Ending::Done));
    assert_eq!(pair.server.ending(), Some(Ending::Done));
    assert_eq!(pair.server.received(), b"");
}

pub(super) fn r10_lingering_is_after_connection_lost(make: Make<'_>) {
    // The client keeps its end open, so that the server's socket lingers.
    let mut pair = Pair::open(make, Side::new(), Side::new().stay());
    pair.server.transport().write(b"the tail");
    pair.server.transport().lose_connection();
    let server = pair.server.clone();
    pair.until_lost(&server);
    pair.until_client_saw(&Event::ReadLost);
    pair.client.transport().write(b"into the void");
    pair.settle();
    assert!(!pair.client.is_over(), "no reset: what comes is drained");
    assert_eq!(pair.client.received(), b"the tail");
    pair.client.transport().lose_connection();
    let client = pair.client.clone();
    pair.until_lost(&client);
    assert_eq!(client.ending(), Some(Ending::Done));
}

pub(super) fn tcp_31_abort_sends_rst(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.transport();
    fill(&server);
    server.abort_connection();
    assert_eq!(server.pending(), 0, "the buffer is dropped");
    assert!(!pair.server.is_over(), "not from inside the call");
    pair.until_over();
    assert_eq!(pair.server.ending(), Some(Ending::Aborted));
    assert_eq!(pair.client.ending(), Some(Ending::Lost));
}

pub(super) fn tcp_31_abort_is_idempotent(make: Make<'_>) {
    let server = Side::new().on_data(|transport, _| {
        transport.abort_connection();
        transport.abort_connection();
        transport.lose_connection();
        transport.lose_write_connection();
        transport.write(b"nothing");
    });
    let mut pair = Pair::open(make, server, Side::new());
    pair.client.transport().write(b"?");
    pair.until_over();
    pair.server.transport().abort_connection();
    pair.settle();
    pair.server.expect(&[Event::Made, Event::Data(1), Event::Lost(Ending::Aborted)]);
    pair.client.expect(&[Event::Made, Event::Lost(Ending::Lost)]);
}

pub(super) fn tcp_31_abort_in_connection_made(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new().on_made(Transport::abort_connection), Side::new());
    let server = pair.server.clone();
    pair.until_lost(&server);
    server.expect(&[Event::Made, Event::Lost(Ending::Aborted)]);
    let client = pair.client.clone();
    // The client may or may not have heard of the connection before it was reset; it hears of one end.
    pair.until("the end at the client", || client.saw(&Event::Stopped));
}

pub(super) fn tcp_31_connection_lost_comes_in_the_next_turn(make: Make<'_>) {
    for read in [Side::new(), Side::deaf()] {
        let mut pair = Pair::open(make, read, Side::new());
        pair.settle();
        pair.server.transport().abort_connection();
        pair.server.expect_milestones(&[Event::Made]);
        pair.turn();
        pair.server.expect_milestones(&[Event::Made, Event::Lost(Ending::Aborted)]);
    }
}

pub(super) fn tcp_32_connection_lost_comes_once(make: Make<'_>) {
    type Act = fn(&Transport);
    let acts: [(&str, Act); 6] = [
        ("abort", Transport::abort_connection),
        ("lose", Transport::lose_connection),
        ("lose write", Transport::lose_write_connection),
        ("fail", |transport| transport.fail(Failure::message("failed"))),
        ("panic", |_| panic!("in data_received")),
        ("timeout", |transport| {
            transport.set_timeout(Some(Duration::ZERO));
        }),
    ];
    for (first_name, first) in acts {
        for (second_name, second) in acts {
            let server = Side::new().on_data(move |transport, _| {
                first(transport);
                second(transport);
            });
            let mut pair = Pair::open(make, server, Side::new());
            // Both ends at once.
            pair.client.transport().write(b"now");
            pair.client.transport().lose_connection();
            pair.until_over();
            pair.settle();
            let lost =
                pair.server.milestones().iter().filter(|event| matches!(event, Event::Lost(_))).count();
            assert_eq!(lost, 1, "after {first_name} and {second_name}: {:?}", pair.server);
        }
    }
}

pub(super) fn tcp_32_a_panic_after_an_abort_is_the_reason(make: Make<'_>) {
    let server = Side::new().on_data(|transport, _| {
        transport.abort_connection();
        panic!("after the abort");
    });
    let mut pair = Pair::open(make, server, Side::new());
    pair.client.transport().write(b"?");
    pair.until_over();
    assert_eq!(pair.server.ending(), Some(Ending::Panicked));
    assert_eq!(pair.client.ending(), Some(Ending::Lost), "the socket was reset all the same");
}

pub(super) fn tcp_33_a_fin_is_done_and_a_reset_is_lost(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.server.transport().lose_connection();
    pair.until_over();
    pair.client.expect(&[Event::Made, Event::ReadLost, Event::Lost(Ending::Done)]);
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.server.transport().abort_connection();
    pair.until_over();
    pair.client.expect(&[Event::Made, Event::Lost(Ending::Lost)]);
    assert!(pair.client.reason().is_some_and(|reason| reason.io_kind().is_some() && !reason.is_clean()));
}

pub(super) fn tcp_33_fail_gives_the_reason(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.client.transport().write(b"the rest");
    pair.client.transport().fail(Failure::message("enough"));
    pair.until_over();
    assert_eq!(pair.client.ending(), Some(Ending::Failed));
    assert!(pair.client.reason().unwrap().to_string().contains("enough"));
    assert_eq!(pair.client.factory_reason().as_ref().map(Ending::from), Some(Ending::Failed));
    assert_eq!(pair.server.received(), b"the rest", "it closes in order");
    assert_eq!(pair.server.ending(), Some(Ending::Done));
}

pub(super) fn tcp_35_everything_is_harmless_in_connection_lost(make: Make<'_>) {
    let seen = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&seen);
    let server = Side::new().on_lost(move |transport, _| {
        transport.write(b"late");
        transport.lose_connection();
        transport.lose_write_connection();
        transport.abort_connection();
        transport.pause_producing();
        transport.resume_producing();
        transport.unregister_producer();
        transport.set_timeout(Some(Duration::ZERO));
        *kept.borrow_mut() = Some((transport.is_connected(), transport.peer(), transport.host()));
    });
    let mut pair = Pair::open(make, server, Side::new());
    let before = (pair.server.transport().peer(), pair.client.transport().peer());
    pair.client.transport().lose_connection();
    pair.until_over();
    pair.settle();
    let (connected, peer, host) = seen.borrow_mut().take().expect("connection_lost was called");
    assert!(!connected);
    assert_eq!((peer, host), before, "the addresses are remembered");
    assert_eq!(pair.server.milestones().len(), 3, "{:?}", pair.server);
}

pub(super) fn tcp_35_addresses_are_known_after_the_loss(make: Make<'_>) {
    for abort in [false, true] {
        let mut pair = Pair::open(make, Side::new(), Side::new());
        let (server, client) = (pair.server.transport(), pair.client.transport());
        if abort {
            server.abort_connection()
        } else {
            server.lose_connection()
        }
        pair.until_over();
        assert_eq!(server.peer(), client.host());
        assert_eq!(client.peer(), server.host());
        assert!(!server.is_connected() && !client.is_connected() && !server.is_closing());
        let option = server.option(SocketOptionKind::NoDelay);
        assert_eq!(option.expect_err("the socket is gone").kind(), std::io::ErrorKind::NotConnected);
    }
}

pub(super) fn tcp_37_the_producer_is_stopped_before_the_protocol_is_told(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let feeding = Feeding::new();
    let feeder = feeding.feeder(&pair.server);
    pair.server.transport().register_producer(feeder, ProducerKind::Push).unwrap();
    pair.client.transport().abort_connection();
    pair.until_over();
    let events = pair.server.events();
    assert_eq!(events[events.len() - 2..], [Event::ProducerStopped, Event::Lost(Ending::Lost)], "{events:?}");
    assert!(feeding.is_dropped());
}

pub(super) fn r25_a_dropped_reactor_loses_its_connections(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.transport();
    pair.drop_reactor();
    pair.server.expect(&[Event::Made, Event::Lost(Ending::ReactorGone)]);
    pair.client.expect(&[Event::Made, Event::Lost(Ending::ReactorGone)]);
    assert_eq!(pair.client.events().last(), Some(&Event::Stopped));
    // Whoever holds a transport still may use it.
    assert_eq!(server.write(b"nobody"), Flow::Closed);
    server.lose_connection();
    server.abort_connection();
    assert_eq!(server.peer(), pair.client.transport().host());
    assert_eq!(pair.connector().connect(), Err(CannotConnect::ReactorGone));
}

pub(super) fn r25_a_dropped_reactor_fails_its_attempts(make: Make<'_>) {
    let mut pair = Pair::begin(make, Side::new(), Side::new());
    pair.drop_reactor();
    let client = pair.client.events();
    let failed = Event::ConnectionFailed(super::harness::Refusal::ReactorGone);
    assert_eq!(client.iter().filter(|event| **event == failed).count(), 1, "{client:?}");
    assert_eq!(client.last(), Some(&Event::Stopped));
    assert_eq!(pair.server.events().last(), Some(&Event::Stopped), "{:?}", pair.server);
}

pub(super) fn r25_stopping_disconnects_in_order(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.server.transport().write(b"goodbye");
    pair.stop();
    for end in [&pair.server, &pair.client] {
        assert_eq!(end.ending(), Some(Ending::ReactorGone), "{end:?}");
        assert_eq!(end.events().last().filter(|_| end.saw(&Event::Stopped)), end.events().last());
    }
}
