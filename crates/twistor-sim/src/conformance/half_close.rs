//! Half closes: HALF-01 to HALF-09, and ruling R11. (HALF-10 is about TLS.)

use twistor_net::{Flow, ProducerKind, Transport};

use super::Make;
use super::harness::{Ending, Event, Feeding, Pair, Side, fill};

pub(super) fn half_01_the_default_flushes_and_closes(make: Make<'_>) {
    // The client half-closes while megabytes for it are still queued.
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let written = fill(&pair.server.transport());
    pair.client.transport().lose_write_connection();
    pair.until_server_saw(&Event::ReadLost);
    pair.client.transport().resume_producing();
    pair.until_over();
    assert_eq!(pair.client.received_len(), written);
    pair.server.expect_milestones(&[Event::Made, Event::ReadLost, Event::Lost(Ending::Done)]);
    assert_eq!(pair.client.ending(), Some(Ending::Done));
}

pub(super) fn half_02_who_stays_can_write_on(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new());
    pair.client.transport().write(b"a question");
    pair.client.transport().lose_write_connection();
    pair.until_server_saw(&Event::ReadLost);
    assert_eq!(pair.server.received(), b"a question");
    pair.settle();
    assert!(!pair.server.is_over(), "nothing else closes it");
    assert_eq!(pair.server.transport().write(b"an answer"), Flow::Ready);
    pair.until_client_received(9);
    pair.server.transport().lose_connection();
    pair.until_over();
    pair.server.expect(&[Event::Made, Event::Data(10), Event::ReadLost, Event::Lost(Ending::Done)]);
    pair.client.expect(&[
        Event::Made,
        Event::WriteLost,
        Event::Data(9),
        Event::ReadLost,
        Event::Lost(Ending::Done),
    ]);
}

pub(super) fn half_03_the_end_comes_after_everything_written(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new());
    let client = pair.client.transport();
    let written = fill(&client);
    client.lose_write_connection();
    assert_eq!(client.write(b"late"), Flow::Closed, "dropped, though the flush goes on (R8)");
    assert!(!pair.client.saw(&Event::WriteLost), "not from inside the call");
    pair.until_server_saw(&Event::ReadLost);
    assert_eq!(pair.server.received_len(), written);
    pair.until_client_saw(&Event::WriteLost);
    pair.server.transport().write(b"still heard");
    pair.until_client_received(11);
}

pub(super) fn half_04_a_panic_in_either_callback_ends_the_connection(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().on_read_lost(|_| panic!("read")), Side::new());
    pair.client.transport().lose_write_connection();
    pair.until_over();
    pair.server.expect(&[Event::Made, Event::ReadLost, Event::Lost(Ending::Panicked)]);
    let mut pair = Pair::open(make, Side::new(), Side::new().on_write_lost(|_| panic!("write")));
    pair.client.transport().lose_write_connection();
    pair.until_over();
    assert_eq!(pair.client.ending(), Some(Ending::Panicked));
    assert_eq!(pair.client.count(&Event::WriteLost), 1);
}

pub(super) fn half_05_a_close_after_the_half_close_is_told_later(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new());
    let client = pair.client.transport();
    client.lose_write_connection();
    pair.until_client_saw(&Event::WriteLost);
    client.lose_connection();
    assert!(!pair.client.is_over(), "not from inside the call");
    let client = pair.client.clone();
    pair.until_lost(&client);
    client.expect(&[Event::Made, Event::WriteLost, Event::Lost(Ending::Done)]);
}

pub(super) fn half_05_a_close_in_write_connection_lost(make: Make<'_>) {
    let client = Side::new().on_write_lost(Transport::lose_connection);
    let mut pair = Pair::open(make, Side::new().stay(), client);
    pair.client.transport().lose_write_connection();
    let client = pair.client.clone();
    pair.until_lost(&client);
    client.expect(&[Event::Made, Event::WriteLost, Event::Lost(Ending::Done)]);
}

pub(super) fn half_06_both_directions_shut_is_the_end(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new().stay());
    pair.client.transport().lose_write_connection();
    pair.until_server_saw(&Event::ReadLost);
    pair.server.transport().write(b"last words");
    pair.server.transport().lose_write_connection();
    pair.until_over();
    pair.server.expect(&[Event::Made, Event::ReadLost, Event::WriteLost, Event::Lost(Ending::Done)]);
    pair.client.expect(&[
        Event::Made,
        Event::WriteLost,
        Event::Data(10),
        Event::ReadLost,
        Event::Lost(Ending::Done),
    ]);
}

pub(super) fn half_06_both_at_once(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new().stay());
    pair.client.transport().lose_write_connection();
    pair.server.transport().lose_write_connection();
    pair.until_over();
    for end in [&pair.server, &pair.client] {
        assert_eq!(end.ending(), Some(Ending::Done), "{end:?}");
        assert_eq!((end.count(&Event::ReadLost), end.count(&Event::WriteLost)), (1, 1), "{end:?}");
    }
}

pub(super) fn half_07_the_fin_waits_for_the_producer_and_then_comes(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new());
    // Two pieces, then it unregisters without a last write.
    let mut pieces = 2;
    let feeding = Feeding::new().on_resume(move |consumer| {
        if pieces == 0 {
            return consumer.unregister_producer();
        }
        pieces -= 1;
        consumer.write(b"piece");
    });
    let client = pair.client.clone();
    client.transport().register_producer(feeding.feeder(&client), ProducerKind::Pull).unwrap();
    client.transport().lose_write_connection();
    pair.until_server_saw(&Event::ReadLost);
    assert_eq!(pair.server.received(), b"piecepiece");
    pair.until_client_saw(&Event::WriteLost);
    assert_eq!(client.producer_events(), vec![Event::ProducerResumed; 3]);
}

pub(super) fn half_08_a_second_half_close_is_nothing(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new());
    let client = pair.client.transport();
    client.lose_write_connection();
    client.lose_write_connection();
    pair.until_client_saw(&Event::WriteLost);
    client.lose_write_connection();
    pair.settle();
    pair.client.expect(&[Event::Made, Event::WriteLost]);
    pair.server.transport().lose_connection();
    pair.until_over();
    client.lose_write_connection();
    pair.client.expect(&[Event::Made, Event::WriteLost, Event::ReadLost, Event::Lost(Ending::Done)]);
}

pub(super) fn half_08_a_half_close_and_a_close_in_one_breath(make: Make<'_>) {
    for half_first in [true, false] {
        let client = Side::new().on_made(move |transport| {
            if half_first {
                transport.lose_write_connection();
            }
            transport.lose_connection();
            transport.lose_write_connection();
        });
        let mut pair = Pair::open(make, Side::new(), client);
        pair.until_over();
        pair.client.expect(&[Event::Made, Event::Lost(Ending::Done)]);
    }
}

pub(super) fn half_09_the_end_is_told_once(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new().stay(), Side::new());
    pair.client.transport().lose_write_connection();
    pair.until_server_saw(&Event::ReadLost);
    for _ in 0..3 {
        pair.server.transport().pause_producing();
        pair.server.transport().resume_producing();
        pair.settle();
    }
    pair.server.expect(&[Event::Made, Event::ReadLost]);
}

pub(super) fn half_09_an_end_that_came_during_a_pause(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::deaf().stay(), Side::new());
    pair.client.transport().write(b"before");
    pair.client.transport().lose_write_connection();
    pair.settle();
    pair.server.expect(&[Event::Made]);
    pair.server.transport().resume_producing();
    pair.until_server_saw(&Event::ReadLost);
    pair.server.expect(&[Event::Made, Event::Data(6), Event::ReadLost]);
}
