//! Two protocols against each other (TEST-05, TEST-08).

use std::time::Duration;

use twistor_deferred::contain;
use twistor_net::{CloseReason, Protocol, Transport};
use twistor_reactor::ReactorHandle;
use twistor_sim::conformance::harness::{Ending, Event, Side};
use twistor_sim::{Accumulating, Chunks, Conversation, LogCatcher, Loopback, loopback};

/// Sends `poem` to whoever connects, and closes.
struct Poet(Vec<u8>);

impl Protocol for Poet {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&self.0);
        transport.lose_connection();
    }
}

/// Counts down with whoever does the same: sends the number below the one it got, and closes at zero.
struct Down(Option<u8>);

impl Protocol for Down {
    fn connection_made(&mut self, transport: &Transport) {
        if let Some(first) = self.0 {
            transport.write(&[first]);
        }
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        for number in data {
            match number {
                0 => transport.lose_connection(),
                number => {
                    transport.write(&[number - 1]);
                }
            }
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn test_08_both_run_until_both_have_ended() {
    let conversation = loopback(Down(None), Down(Some(5)));
    assert!(conversation.ended_cleanly());
    assert_eq!(conversation.server.received, [5, 3, 1]);
    assert_eq!(conversation.client.received, [4, 2, 0]);
    assert_eq!(conversation.took, Duration::ZERO);
}

#[test]
fn test_08_the_pieces_can_be_chosen_and_change_nothing() {
    let poem = pattern(200_000);
    for (chunks, most) in
        [(Chunks::Whole, 65_536), (Chunks::Of(1_000), 1_000), (Chunks::Of(1), 1), (Chunks::Of(0), 1)]
    {
        let (reader, seen) = Accumulating::new();
        let conversation = Loopback::new().chunks(chunks).run(Poet(poem.clone()), reader);
        assert!(conversation.ended_cleanly(), "{chunks:?}");
        assert_eq!(seen.data(), poem, "{chunks:?}");
        assert_eq!(conversation.client.received.len(), poem.len());
        assert_eq!(seen.pieces().iter().max(), Some(&most), "{chunks:?}");
    }
}

#[test]
fn test_05_it_ends_when_nothing_moves() {
    let (server, heard_server) = Accumulating::new();
    let (client, heard_client) = Accumulating::new();
    let conversation = loopback(server, client);
    assert!(!conversation.ended() && !conversation.ended_cleanly());
    assert!(conversation.server.reason.is_none() && conversation.client.reason.is_none());
    assert_eq!(conversation.took, Duration::from_secs(3_600));
    // What was left was put away with the reactor.
    for heard in [heard_server, heard_client] {
        assert!(matches!(heard.reason(), Some(CloseReason::ReactorGone)));
    }
}

#[test]
fn test_05_what_waits_for_time_gets_it_up_to_the_limit() {
    let patient = || {
        Side::new().on_made(|transport| {
            transport.set_timeout(Some(Duration::from_secs(60)));
        })
    };
    let (end, server) = patient().recorder("server");
    let conversation = loopback(server, Accumulating::new().0);
    assert_eq!((end.ending(), conversation.took), (Some(Ending::TimedOut), Duration::from_secs(60)));
    assert!(conversation.ended() && !conversation.ended_cleanly());

    let (end, server) = patient().recorder("server");
    let conversation = Loopback::new().limit(Duration::from_secs(59)).run(server, Accumulating::new().0);
    assert!(!conversation.ended());
    assert_eq!(end.ending(), Some(Ending::ReactorGone));
}

#[test]
fn test_05_two_that_never_rest_are_told_apart_from_slow_ones() {
    /// Has itself called at once, for ever.
    struct Restless;
    impl Protocol for Restless {
        fn connection_made(&mut self, transport: &Transport) {
            fn again(reactor: &ReactorHandle) {
                let next = reactor.clone();
                reactor.call_later(Duration::ZERO, move || again(&next));
            }
            again(transport.reactor());
        }
    }
    let why = contain(|| loopback(Restless, Accumulating::new().0)).unwrap_err();
    assert!(why.contains("do not come to rest"), "{why}");
}

#[test]
fn test_06_a_close_and_an_abort_are_told_apart() {
    let ends = |conversation: &Conversation| {
        [&conversation.server, &conversation.client].map(|end| end.reason.as_ref().map(Ending::from))
    };
    let closing = Side::new().on_data(|transport, _| transport.lose_connection()).recorder("server").1;
    let conversation = loopback(closing, Down(Some(1)));
    assert_eq!(ends(&conversation), [Some(Ending::Done), Some(Ending::Done)]);
    let aborting = Side::new().on_data(|transport, _| transport.abort_connection()).recorder("server").1;
    let conversation = loopback(aborting, Down(Some(1)));
    assert_eq!(ends(&conversation), [Some(Ending::Aborted), Some(Ending::Lost)]);
}

#[test]
fn a_panic_of_one_is_the_end_of_both() {
    let log = LogCatcher::new();
    let (end, server) = Side::new().on_data(|_, _| panic!("too much")).recorder("server");
    let conversation = loopback(server, Down(Some(9)));
    assert_eq!(end.ending(), Some(Ending::Panicked));
    assert!(conversation.client.reason.is_some());
    log.expect(&["too much"]);
}

#[test]
fn test_09_a_recorder_writes_down_what_both_were_told() {
    let (server, greeter) = Side::echo().recorder("server");
    let (client, guest) = Side::new()
        .on_made(|transport| {
            transport.write(b"hello");
        })
        .on_data(|transport, _| transport.lose_connection())
        .recorder("client");
    assert!(loopback(greeter, guest).ended_cleanly());
    client.expect(&[Event::Made, Event::Data(5), Event::Lost(Ending::Done)]);
    server.expect(&[Event::Made, Event::Data(5), Event::ReadLost, Event::Lost(Ending::Done)]);
    assert_eq!(server.received(), b"hello");
    assert_eq!((server.misorder(), client.misorder()), (None, None));
}
