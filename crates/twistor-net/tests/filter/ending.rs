//! How a connection with filters comes to its end: half, in full, by an abort, by a refusal, with its reactor.

use std::time::Duration;

use twistor_net::{CloseReason, Filter, FilterIo, Flow};

use crate::common::{Heard, Pair, Probe, drive, ms, pair};
use crate::support::{Farewell, Shout, filtered, idle, push};

#[test]
fn half_03_our_half_ends_with_the_word_of_the_filter() {
    let (shout, seen) = Shout::new("<half>");
    let (client_probe, client_side) = idle();
    let mut shout = Some(shout.holding(ms(2)));
    let server = Probe::new(move |heard, transport| {
        if *heard == Heard::Made {
            transport.push_filter(shout.take().expect("once"), b"");
        }
    });
    let Pair { mut reactor, server, client, .. } = pair(server, (client_probe.keep_half(), client_side));
    server.transport().write(b"data");
    server.transport().lose_write_connection();
    assert_eq!(server.transport().write(b"too late"), Flow::Closed);
    drive(&mut reactor, "our FIN", || client.has(&Heard::ReadLost));
    assert_eq!(client.text(), "DATA<half>");
    drive(&mut reactor, "the word of it", || server.has(&Heard::WriteLost));
    client.transport().write(b"still read");
    drive(&mut reactor, "the other half", || server.text() == "STILL READ");
    client.transport().lose_connection();
    drive(&mut reactor, "the end", || server.is_lost() && client.is_lost());
    assert_eq!(server.lost().as_deref(), Some("Done"));
    assert_eq!(seen.count("closing"), 1, "once, not again at the full close");
}

#[test]
fn tcp_31_an_abort_asks_no_filter() {
    let (shout, seen) = Shout::new("<bye>");
    let Pair { mut reactor, server, client, .. } =
        filtered(vec![push(shout.holding(Duration::from_secs(600)))]);
    client.transport().write(b"held");
    server.transport().write(b"held too");
    drive(&mut reactor, "both", || seen.count("received") == 1 && seen.count("written") == 1);
    let timers = reactor.stats().timers_pending;
    server.transport().abort_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(server.lost().as_deref(), Some("Aborted"));
    assert!(client.lost().is_some_and(|why| why.contains("ConnectionReset")), "{:?}", client.lost());
    assert_eq!((client.text().as_str(), server.text().as_str(), seen.count("closing")), ("", "", 0));
    assert!(seen.is_dropped());
    assert_eq!(reactor.stats().timers_pending, timers - 1, "its timer goes with it");
}

/// Delivers what came, then calls the connection off.
struct Refuser;

impl Filter for Refuser {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.deliver(data);
        io.send(b"refused");
        io.fail(CloseReason::TimedOut(ms(7)));
        io.fail(CloseReason::Aborted); // The first one holds.
    }
}

#[test]
fn a_filter_that_fails_ends_in_order_and_says_why() {
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(Refuser)]);
    server.transport().write(b"written, ");
    client.transport().write(b"data");
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    let heard = [Heard::Made, Heard::Data(b"data".to_vec()), Heard::Lost("TimedOut(7ms)".to_owned())];
    assert_eq!(server.heard(), heard);
    assert_eq!(client.text(), "written, refused");
    assert_eq!(client.lost().as_deref(), Some("Done"), "the peer sees an orderly end");
}

#[test]
fn tcp_29_a_close_waits_for_the_timer_of_a_filter() {
    let (shout, seen) = Shout::new("<at last>");
    let Pair { mut reactor, server, client, .. } =
        filtered(vec![push(shout.leaving(Farewell::After(ms(20))))]);
    server.transport().write(b"data");
    let begin = reactor.now();
    server.transport().lose_connection();
    drive(&mut reactor, "the data", || client.text() == "DATA");
    assert!(!server.is_lost());
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(client.text(), "DATA<at last>");
    assert!(reactor.now().saturating_duration_since(begin) >= ms(20));
    assert_eq!(server.lost().as_deref(), Some("Done"));
    assert_eq!(seen.count("closing"), 1);
}

#[test]
fn tcp_29_a_filter_that_never_comes_to_an_end_meets_the_deadline() {
    let (shout, seen) = Shout::new("");
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(shout.leaving(Farewell::Never))]);
    server.transport().set_close_timeout(Some(ms(20)));
    server.transport().write(b"data");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(client.text(), "DATA");
    assert_eq!(server.lost().as_deref(), Some("CloseTimedOut(20ms)"));
    assert!(seen.is_dropped());
    assert_eq!(reactor.stats().connections, 0);
}

#[test]
fn tcp_29_the_deadline_holds_for_the_second_half_too() {
    let (shout, _) = Shout::new("");
    let mut shout = Some(shout.leaving(Farewell::Never));
    let (probe, side) = Probe::new(move |heard, transport| {
        if *heard == Heard::Made {
            transport.push_filter(shout.take().expect("once"), b"");
            transport.set_close_timeout(Some(ms(20)));
        }
    });
    let Pair { mut reactor, server, client, .. } = pair((probe.keep_half(), side), idle());
    client.transport().lose_write_connection();
    drive(&mut reactor, "the FIN", || server.has(&Heard::ReadLost));
    server.transport().lose_write_connection();
    drive(&mut reactor, "the end", || server.is_lost());
    assert_eq!(server.lost().as_deref(), Some("CloseTimedOut(20ms)"));
}

#[test]
fn a_filter_outlives_no_reactor() {
    let (shout, seen) = Shout::new("<bye>");
    let Pair { reactor, server, client, .. } = filtered(vec![push(shout.holding(Duration::from_secs(600)))]);
    server.transport().write(b"held");
    drop(reactor);
    assert_eq!(server.lost().as_deref(), Some("ReactorGone"));
    assert!(client.is_lost() && seen.is_dropped());
    // What is left of it is harmless.
    server.transport().push_filter(Shout::new("").0.panicking_in("drop"), b"more");
    assert_eq!(server.transport().write(b"x"), Flow::Closed);
}
