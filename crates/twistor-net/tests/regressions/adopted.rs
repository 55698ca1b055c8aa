//! Connections that were made elsewhere: `connection_made` comes first for them too.

use std::io::Write;
use std::net::TcpStream;

use twistor_net::{Connection, ReactorTcp};
use twistor_reactor::Reactor;

use crate::common::{Heard, Probe, Side, drive, quiet};
use crate::support::raw_connection;

/// Adopts a connection on a reactor whose notifications are late, with the peer having written `data`.
fn adopt_late(data: &[u8]) -> (Reactor, Connection<Probe>, Side, TcpStream) {
    quiet();
    let builder = Reactor::builder().handle_signals(false).notifications_per_turn(1);
    let reactor = builder.build().expect("a poller");
    let (socket, mut peer) = raw_connection();
    peer.write_all(data).unwrap();
    for _ in 0..5 {
        reactor.notify(|_| ());
    }
    let (probe, side) = Probe::new(|_, _| ());
    let connection = reactor.adopt_stream_connection(&socket, probe).unwrap();
    (reactor, connection, side, peer)
}

/// Data that was there already came before the notification that announces the connection.
#[test]
fn an_adopted_connection_is_announced_before_its_data() {
    let (mut reactor, _connection, side, _peer) = adopt_late(b"early");
    drive(&mut reactor, "the data", || side.text() == "early");
    assert_eq!(side.heard(), [Heard::Made, Heard::Data(b"early".to_vec())]);
}

/// The protocol heard of the end of a connection that it had never heard of.
#[test]
fn an_adopted_connection_that_ends_with_the_reactor_is_announced_first() {
    let (reactor, _connection, side, _peer) = adopt_late(b"");
    drop(reactor);
    assert_eq!(side.heard(), [Heard::Made, Heard::Lost("ReactorGone".to_owned())]);
}

/// A close that was asked for before the announcement was carried out before it.
#[test]
fn an_adopted_connection_that_is_closed_at_once_is_announced_first() {
    let (mut reactor, connection, side, _peer) = adopt_late(b"");
    connection.transport().lose_connection();
    drive(&mut reactor, "the loss", || side.is_lost());
    assert_eq!(side.heard(), [Heard::Made, Heard::Lost("Done".to_owned())]);
}
