//! Producers: when they are asked, and what they hold up.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;

use twistor_net::{Producer, ProducerKind, ReactorTcp, Transport};

use crate::common::{Heard, Probe, drive, drive_for, ms};
use crate::support::{Plain, Served, dial, new_reactor, serve, served, settle};

/// A producer that counts how often it is asked, and has nothing.
#[derive(Clone, Default)]
struct Asked(Rc<Cell<usize>>);

impl Producer for Asked {
    fn resume_producing(&mut self, _: &Transport) {
        self.0.set(self.0.get() + 1);
    }
}

/// How often a pull producer with nothing to write is asked after `close`, and in how many turns.
fn asked_in_a_while(close: impl FnOnce(&Transport)) -> (usize, u64) {
    let Served { mut reactor, side, peer: _peer } = served();
    let asked = Asked::default();
    side.transport().register_producer(asked.clone(), ProducerKind::Pull).unwrap();
    close(&side.transport());
    let before = reactor.stats().turns;
    drive_for(&mut reactor, ms(50));
    assert!(!side.is_lost(), "the close waits for the producer");
    (asked.0.get(), reactor.stats().turns - before)
}

/// A close that waited for the producer asked it again in every turn, without a sleep.
#[test]
fn a_pull_producer_with_nothing_to_write_does_not_keep_a_closing_loop_busy() {
    let (asked, turns) = asked_in_a_while(Transport::lose_connection);
    assert!(asked <= 1 && turns < 60, "asked {asked} times in {turns} turns");
}

/// As with `lose_connection`, with the half close.
#[test]
fn a_pull_producer_with_nothing_to_write_does_not_keep_a_half_closing_loop_busy() {
    let (asked, turns) = asked_in_a_while(Transport::lose_write_connection);
    assert!(asked <= 1 && turns < 60, "asked {asked} times in {turns} turns");
}

/// Behind a filter every event counted as a drained buffer.
#[test]
fn a_pull_producer_behind_a_filter_is_asked_only_when_something_was_sent() {
    let Served { mut reactor, side, mut peer } = served();
    side.transport().push_filter(Plain, b"");
    let asked = Asked::default();
    side.transport().register_producer(asked.clone(), ProducerKind::Pull).unwrap();
    settle(&mut reactor);
    for count in 1..=5 {
        peer.write_all(b"x").unwrap();
        drive(&mut reactor, "the data", || side.bytes().len() == count);
        settle(&mut reactor);
    }
    assert_eq!(asked.0.get(), 1, "nothing was sent since");
}

/// It was asked for pieces that nobody would send.
#[test]
fn a_pull_producer_of_a_direction_that_is_shut_is_not_asked() {
    let Served { mut reactor, side, peer: _peer } = served();
    side.transport().lose_write_connection();
    drive(&mut reactor, "the FIN", || side.has(&Heard::WriteLost));
    let asked = Asked::default();
    side.transport().register_producer(asked.clone(), ProducerKind::Pull).unwrap();
    settle(&mut reactor);
    assert_eq!(asked.0.get(), 0);
}

/// Each of two transports that feed each other waited for the other to end, until the deadline of the close.
#[test]
fn a_relay_of_two_transports_closes_when_one_peer_leaves() {
    let mut reactor = new_reactor();
    let mut limits = reactor.net_limits();
    limits.close_timeout = Some(ms(200));
    reactor.set_net_limits(limits);
    let ((left_probe, left), (right_probe, right)) = (Probe::new(|_, _| ()), Probe::new(|_, _| ()));
    let (left_peer, _right_peer) = (dial(&serve(&reactor, left_probe)), dial(&serve(&reactor, right_probe)));
    drive(&mut reactor, "the connections", || left.has(&Heard::Made) && right.has(&Heard::Made));
    left.transport().register_producer(right.transport(), ProducerKind::Push).unwrap();
    right.transport().register_producer(left.transport(), ProducerKind::Push).unwrap();
    drop(left_peer);
    drive(&mut reactor, "both losses", || left.is_lost() && right.is_lost());
    assert_eq!((left.lost().as_deref(), right.lost().as_deref()), (Some("Done"), Some("Done")));
}
