//! How connections end, and what for.

use std::io::{Read, Write};
use std::net::Shutdown;

use twistor_net::{
    CloseReason, Filter, FilterIo, Producer, ProducerKind, Protocol, ReactorTcp, Transport, for_protocol,
};

use crate::common::{Heard, INJECTED, Probe, drive, ms};
use crate::support::{
    MORE_THAN_SOCKETS_TAKE, Notes, Served, dial, new_reactor, read_what_is_there, serve, served, served_with,
    settle,
};

/// A producer by itself that never has anything.
struct Quiet;

impl Producer for Quiet {
    fn resume_producing(&mut self, _: &Transport) {}
}

/// The close once waited for the producer, and the reason became that of the close's deadline.
#[test]
fn a_panic_ends_the_connection_at_once_although_a_producer_is_registered() {
    let probe = Probe::new(|heard, transport| {
        if matches!(heard, Heard::Data(_)) {
            transport.register_producer(Quiet, ProducerKind::Pull).unwrap();
            panic!("{INJECTED}: data");
        }
    });
    let Served { mut reactor, side, mut peer } = served_with(new_reactor(), probe);
    peer.write_all(b"x").unwrap();
    settle(&mut reactor); // Far less than the deadline of a close.
    assert_eq!(side.lost(), Some(format!("Panicked(\"{INJECTED}: data\")")));
}

/// Sockets whose lingering was over still counted against the limit, and the only one left was reset.
#[test]
fn a_socket_that_lingered_no_longer_counts_against_the_limit() {
    let reactor = new_reactor();
    let mut limits = reactor.net_limits();
    limits.linger_sockets = 2;
    reactor.set_net_limits(limits);
    let Served { mut reactor, side, peer: mut lingers } = served_with(reactor, Probe::new(|_, _| ()));
    side.transport().lose_connection();
    drive(&mut reactor, "the loss", || side.is_lost());
    for _ in 0..2 {
        let (probe, brief) = Probe::new(|_, _| ());
        let port = serve(&reactor, probe);
        let peer = dial(&port);
        drive(&mut reactor, "the connection", || brief.has(&Heard::Made));
        brief.transport().lose_connection();
        drive(&mut reactor, "the loss", || brief.is_lost());
        drop(peer);
        settle(&mut reactor);
    }
    lingers.write_all(b"late").unwrap();
    settle(&mut reactor);
    lingers.write_all(b"later").unwrap();
    assert!(read_what_is_there(&mut lingers, &mut Vec::new()), "the FIN came, and no reset");
}

/// The deadline of the close once replaced the reason that the close was begun with.
#[test]
fn the_first_reason_of_a_close_outlasts_its_deadline() {
    /// Writes too much, and takes the idle time-out for the end.
    struct Impatient(Notes);
    impl Protocol for Impatient {
        fn connection_made(&mut self, transport: &Transport) {
            transport.set_close_timeout(Some(ms(60)));
            transport.set_timeout(Some(ms(20)));
            transport.write(&vec![0; MORE_THAN_SOCKETS_TAKE]);
        }
        fn timeout_connection(&mut self, transport: &Transport) {
            transport.fail(CloseReason::TimedOut(ms(20)));
        }
        fn connection_lost(&mut self, _: &Transport, reason: &CloseReason) {
            self.0.add(format!("{reason:?}"));
        }
    }
    let (mut reactor, notes) = (new_reactor(), Notes::default());
    let protocol = notes.clone();
    let factory = for_protocol(move |_| Impatient(protocol.clone()));
    let port = reactor.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let _peer = dial(&port);
    drive(&mut reactor, "the loss", || !notes.all().is_empty());
    assert_eq!(notes.all(), ["TimedOut(20ms)"]);
}

/// A FIN that a filter had been told of, but the table of states not yet, left the socket lingering.
#[test]
fn a_close_in_answer_to_the_fin_does_not_linger_behind_a_filter() {
    /// Delivers a last word at the FIN.
    struct SaysEnd;
    impl Filter for SaysEnd {
        fn read_closed(&mut self, io: &mut FilterIo) {
            io.deliver(b"end");
        }
    }
    let probe = Probe::new(|heard, transport| match heard {
        Heard::Made => transport.push_filter(SaysEnd, b""),
        Heard::Data(_) => transport.lose_connection(),
        _ => {}
    });
    let Served { mut reactor, side, peer } = served_with(new_reactor(), probe);
    let before = reactor.stats().sources;
    drop(peer);
    drive(&mut reactor, "the loss", || side.is_lost());
    assert_eq!(side.text(), "end");
    assert_eq!(reactor.stats().sources, before - 1, "nothing lingers");
}

/// Nobody asked the socket for its error while reading was paused.
#[test]
fn a_paused_connection_hears_of_a_reset() {
    let Served { mut reactor, side, peer } = served();
    side.transport().pause_producing();
    side.transport().write(b"never read");
    settle(&mut reactor);
    drop(peer); // With bytes unread, so it resets.
    drive(&mut reactor, "the loss", || side.is_lost());
    assert!(side.lost().is_some_and(|why| why.starts_with("Lost")), "{:?}", side.lost());
}

/// Nobody asked the socket for its error once the peer's FIN was read.
#[test]
fn a_connection_that_reads_no_more_hears_of_a_reset() {
    let (probe, side) = Probe::new(|_, _| ());
    let Served { mut reactor, side, peer } = served_with(new_reactor(), (probe.keep_half(), side));
    peer.shutdown(Shutdown::Write).unwrap();
    drive(&mut reactor, "the FIN", || side.has(&Heard::ReadLost));
    assert!(!side.is_lost());
    side.transport().write(b"never read");
    settle(&mut reactor);
    drop(peer); // With bytes unread, so it resets.
    drive(&mut reactor, "the loss", || side.is_lost());
    assert!(side.lost().is_some_and(|why| why.starts_with("Lost")), "{:?}", side.lost());
}

/// Only writes counted as activity: a long reply that was being read all the time was cut off.
#[test]
fn a_reply_that_the_peer_is_reading_is_no_idle_connection() {
    let idle_limit = ms(300);
    let Served { mut reactor, side, mut peer } = served();
    side.transport().write(&vec![0; 4 * MORE_THAN_SOCKETS_TAKE]);
    side.transport().set_timeout(Some(idle_limit));
    let clock = reactor.handle();
    let (mut last, end) = (clock.now(), clock.now().checked_add(idle_limit * 3).unwrap());
    peer.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 64 << 10];
    drive(&mut reactor, "the time", || {
        if clock.now().saturating_duration_since(last) >= ms(1) {
            last = clock.now();
            let _ = peer.read(&mut buffer); // Nothing may be there yet.
        }
        last >= end || side.is_lost()
    });
    assert!(side.transport().pending() > 0, "the reply was too short for the test");
    assert!(!side.transport().is_closing() && !side.is_lost());
}
