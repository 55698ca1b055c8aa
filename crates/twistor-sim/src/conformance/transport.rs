//! An open connection: reading, writing, pausing, options and time. TCP-23 to TCP-26, TCP-36, TCP-39, and rulings R4, R6, R7.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{Address, Flow, ProducerKind, SocketOption, SocketOptionKind, Transport};

use super::Make;
use super::harness::{Ending, Event, Pair, Side, fill};

pub(super) fn tcp_23_write_sends_nothing_inside_the_call(make: Make<'_>) {
    let pending = Rc::new(Cell::new(0));
    let seen = Rc::clone(&pending);
    let server = Side::new().on_made(move |transport| {
        transport.write(b"hello");
        seen.set(transport.pending());
    });
    let mut pair = Pair::open(make, server, Side::new());
    assert_eq!(pending.get(), 5, "it waits for the end of the callback");
    assert_eq!(pair.server.transport().pending(), 0, "and then it has left");
    let server = pair.server.transport();
    server.write(b" world");
    assert_eq!(server.pending(), 6);
    pair.until_client_received(11);
    assert_eq!(pair.client.received(), b"hello world");
}

pub(super) fn tcp_23_bytes_arrive_in_the_order_of_the_calls(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.transport();
    let mut expected = Vec::new();
    for (number, len) in [1, 5_000, 0, 70_000, 3, 200_000, 12, 1_024].into_iter().enumerate() {
        let data = vec![u8::try_from(number).unwrap(); len];
        expected.extend_from_slice(&data);
        match number % 3 {
            0 => server.write(&data),
            1 => server.write_bytes(data),
            _ => server.write_sequence(data.chunks(777)),
        };
    }
    pair.until_client_received(expected.len());
    assert!(pair.client.received() == expected, "the bytes are not those that were written");
}

pub(super) fn tcp_23_an_empty_write_is_none(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.transport();
    assert_eq!(server.write(b""), Flow::Ready);
    assert_eq!(server.write_sequence(Vec::<Vec<u8>>::new()), Flow::Ready);
    assert_eq!(server.pending(), 0);
    pair.settle();
    pair.client.expect(&[Event::Made]);
}

pub(super) fn tcp_24_a_read_brings_at_most_the_read_size(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let len = 1 << 20;
    pair.server.transport().write(&vec![7; len]);
    pair.until_client_received(len);
    let most = pair.reactor().limits().read_size;
    let pieces = pair.client.pieces();
    assert!(pieces.iter().all(|piece| *piece <= most), "{pieces:?}");
}

pub(super) fn r06_no_delay_is_on_and_keep_alive_off(make: Make<'_>) {
    let pair = Pair::open(make, Side::new(), Side::new());
    for end in [&pair.server, &pair.client] {
        let transport = end.transport();
        assert_eq!(transport.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(true));
        assert_eq!(transport.option(SocketOptionKind::KeepAlive).unwrap(), SocketOption::KeepAlive(None));
        transport.set_no_delay(false).unwrap();
        assert_eq!(transport.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(false));
    }
}

pub(super) fn r07_write_says_when_to_hold_on(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.transport();
    assert_eq!(server.write(b"little"), Flow::Ready);
    fill(&server);
    assert_eq!(server.write(b"more"), Flow::Full);
    pair.until_server_saw(&Event::Paused);
    let written = pair.server.transport().pending() > 65_536;
    assert!(written, "what was written while full is queued all the same");
    pair.client.transport().resume_producing();
    pair.until_server_saw(&Event::Resumed);
    assert_eq!(server.pending(), 0, "resumed when everything has left");
    assert_eq!(server.write(b"on"), Flow::Ready);
    pair.server.expect(&[Event::Made, Event::Paused, Event::Resumed]);
}

pub(super) fn r07_exactly_the_mark_is_not_over_it(make: Make<'_>) {
    let pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.transport();
    assert_eq!(server.write(&vec![0; 65_536]), Flow::Ready);
    assert_eq!(server.write(b"1"), Flow::Full);
}

pub(super) fn r07_a_pause_that_is_over_at_once_is_not_told(make: Make<'_>) {
    // The system takes it all at the end of the call.
    let server = Side::new().on_made(|transport| {
        transport.set_write_buffer_limits(1_000, 0);
        transport.write(&[0; 2_000]);
    });
    let mut pair = Pair::open(make, server, Side::new());
    pair.until_client_received(2_000);
    pair.server.expect(&[Event::Made]);
}

pub(super) fn r07_a_hard_limit_ends_the_connection(make: Make<'_>) {
    let server = Side::new().on_made(|transport| transport.set_max_write_buffer(Some(100_000)));
    let mut pair = Pair::open(make, server, Side::deaf());
    let server = pair.server.transport();
    assert_eq!(server.write(&vec![0; 100_000]), Flow::Full);
    assert_eq!(server.write(b"1"), Flow::Closed);
    assert_eq!(server.pending(), 0);
    assert!(!pair.server.is_over(), "not from inside the call");
    pair.until_over();
    assert_eq!(pair.server.ending(), Some(Ending::WriteBufferFull));
    assert_eq!(pair.client.ending(), Some(Ending::Lost));
}

pub(super) fn tcp_26_a_write_after_the_loss_is_dropped(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.server.transport().lose_connection();
    pair.until_over();
    for end in [&pair.server, &pair.client] {
        assert_eq!(end.transport().write(b"late"), Flow::Closed);
        assert_eq!(end.transport().pending(), 0);
    }
    pair.settle();
    assert_eq!(pair.client.received(), b"");
}

pub(super) fn tcp_36_what_came_during_a_pause_comes_after_it(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    for piece in [&b"one "[..], b"two ", b"three"] {
        pair.server.transport().write(piece);
        pair.turn();
    }
    pair.server.transport().lose_connection();
    pair.settle();
    pair.client.expect(&[Event::Made]);
    pair.client.transport().resume_producing();
    pair.until_over();
    assert_eq!(pair.client.received(), b"one two three");
    pair.client.expect(&[Event::Made, Event::Data(13), Event::ReadLost, Event::Lost(Ending::Done)]);
}

pub(super) fn tcp_36_a_pause_in_data_received_holds_the_next(make: Make<'_>) {
    let client = Side::new().on_data(|transport, _| transport.pause_producing());
    let mut pair = Pair::open(make, Side::new(), client);
    let len = 1 << 20;
    pair.server.transport().write(&vec![1; len]);
    pair.settle();
    assert_eq!(pair.client.pieces().len(), 1, "{:?}", pair.client.pieces());
    let mut resumed = 1;
    while pair.client.received_len() < len {
        pair.client.transport().resume_producing();
        let (client, before) = (pair.client.clone(), pair.client.pieces().len());
        pair.until("the next piece", || client.pieces().len() > before);
        resumed += 1;
        assert_eq!(client.pieces().len(), resumed, "one piece a resume");
    }
}

pub(super) fn tcp_36_pause_and_resume_in_one_breath(make: Make<'_>) {
    let client = Side::new().on_data(|transport, _| {
        transport.pause_producing();
        transport.resume_producing();
        transport.resume_producing();
    });
    let mut pair = Pair::open(make, Side::new(), client);
    pair.server.transport().write(&vec![1; 500_000]);
    pair.until_client_received(500_000);
}

pub(super) fn r04_a_paused_connection_hears_of_a_reset(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    pair.server.transport().abort_connection();
    pair.until_over();
    assert_eq!(pair.client.ending(), Some(Ending::Lost));
}

pub(super) fn r04_a_half_closed_connection_hears_of_a_reset(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new().stay());
    pair.server.transport().lose_write_connection();
    pair.until_client_saw(&Event::ReadLost);
    pair.server.transport().abort_connection();
    pair.until_over();
    pair.client.expect(&[Event::Made, Event::ReadLost, Event::Lost(Ending::Lost)]);
}

pub(super) fn r04_a_paused_connection_hears_of_shutdown(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::deaf(), Side::deaf());
    pair.stop();
    for end in [&pair.server, &pair.client] {
        end.expect(&[Event::Made, Event::Lost(Ending::ReactorGone)]);
    }
}

pub(super) fn r04_a_paused_connection_hears_of_its_time_out(make: Make<'_>) {
    let server = Side::new().on_made(|transport| {
        transport.pause_producing();
        transport.set_timeout(Some(Duration::from_millis(20)));
    });
    let mut pair = Pair::open(make, server, Side::new());
    pair.until_over();
    pair.server.expect(&[Event::Made, Event::TimedOut, Event::Lost(Ending::TimedOut)]);
    assert_eq!(pair.client.ending(), Some(Ending::Done), "the default flushes and closes");
}

pub(super) fn idle_time_out_counts_from_the_last_activity(make: Make<'_>) {
    let limit = Duration::from_millis(200);
    let server = Side::echo().stay().on_timed_out(Transport::lose_connection);
    let mut pair = Pair::open(make, server, Side::new());
    let server = pair.server.transport();
    assert_eq!(server.set_timeout(Some(limit)), None);
    assert_eq!(server.timeout(), Some(limit));
    let mut last = pair.now();
    for sent in 1..=3 {
        pair.pass(limit / 4);
        last = pair.now();
        pair.client.transport().write(b"x");
        pair.until_client_received(sent);
    }
    pair.until_server_saw(&Event::TimedOut);
    let idle = pair.now().saturating_duration_since(last);
    assert!(idle >= limit, "told after {idle:?}");
    pair.until_over();
}

pub(super) fn idle_time_out_is_told_again_to_one_who_stays(make: Make<'_>) {
    let limit = Duration::from_millis(10);
    let mut pair = Pair::open(make, Side::new().on_timed_out(|_| {}), Side::new());
    pair.server.transport().set_timeout(Some(limit));
    let server = pair.server.clone();
    pair.until("three times", || server.count(&Event::TimedOut) == 3);
    assert_eq!(server.transport().set_timeout(None), Some(limit));
    pair.pass(limit * 4);
    assert_eq!(server.count(&Event::TimedOut), 3, "turned off");
}

pub(super) fn tcp_36_a_relay_of_two_transports_is_bounded(make: Make<'_>) {
    // What the server receives on its first connection goes out on its second, whose other end does not read.
    let out: Rc<RefCell<Option<Transport>>> = Rc::default();
    let way = Rc::clone(&out);
    let server = Side::new().on_data(move |_, data| {
        if let Some(out) = way.borrow().as_ref() {
            out.write(data);
        }
    });
    let mut pair = Pair::open(make, server, Side::new());
    let sink = pair.another(Side::deaf());
    let server = pair.server.clone();
    let seen = sink.clone();
    pair.until("the second connection", || server.count(&Event::Made) == 2 && seen.saw(&Event::Made));
    let (input, output) = (server.transports()[0].clone(), server.transports()[1].clone());
    let _ = output.set_option(SocketOption::SendBuffer(65_536));
    *out.borrow_mut() = Some(output.clone());
    output.register_producer(input, ProducerKind::Push).unwrap();
    let source = pair.client.transport();
    let total = fill(&source);
    pair.settle();
    assert!(output.pending() <= 4 * 65_536, "{} bytes wait at the relay", output.pending());
    assert!(source.pending() > 0, "the source is held up");
    sink.transport().resume_producing();
    pair.until("all of it", || sink.received_len() == total);
}

pub(super) fn tcp_39_addresses_are_values_and_both_ends_agree_on_them(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let (server, client) = (pair.server.transport(), pair.client.transport());
    for (ours, theirs) in [(server.peer(), client.host()), (server.host(), client.peer())] {
        assert_eq!(ours, theirs);
        assert_eq!(hash(&ours), hash(&theirs), "equal ones have equal hashes");
        assert_eq!(ours.to_string(), format!("{}:{}", ours.host(), ours.port()));
        assert_eq!(
            ours.socket_addr().map(|address| (address.ip(), address.port())),
            ours.ip().zip(Some(ours.port()))
        );
    }
    assert_ne!(server.peer(), server.host());
    // They stay the same, whatever happens to the connection.
    let before = (server.peer(), server.host());
    server.abort_connection();
    pair.until_over();
    assert_eq!((server.peer(), server.host()), before);
}

fn hash(address: &Address) -> u64 {
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    hasher.finish()
}
