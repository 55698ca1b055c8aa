//! What a filter holds back on its way to the protocol: pauses, posts, and the end of the input.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_net::Connection;

use crate::common::{Heard, Pair, Probe, drive, drive_for, ms, pair};
use crate::support::{Shout, filtered, idle, push};

#[test]
fn tcp_36_held_bytes_come_in_order_after_a_pause() {
    let paused = Rc::new(Cell::new(0));
    let times = Rc::clone(&paused);
    let Pair { mut reactor, server, client, .. } = pair(
        Probe::new(move |heard, transport| {
            if *heard == Heard::Made {
                transport.push_filter(Shout::new("").0.holding(ms(1)), b"");
            }
            if let Heard::Data(_) = heard {
                times.set(times.get() + 1);
                transport.pause_producing();
            }
        }),
        idle(),
    );
    let mut sent = String::new();
    for round in 0..20 {
        let piece = format!("piece {round} ");
        client.transport().write(piece.as_bytes());
        sent.push_str(&piece.to_uppercase());
        drive_for(&mut reactor, ms(2));
    }
    assert_eq!(paused.get(), 1, "it is paused: nothing more comes");
    let handle = server.transport();
    drive(&mut reactor, "all of it, a resume at a time", || {
        handle.resume_producing();
        server.text() == sent
    });
    client.transport().lose_connection();
    server.transport().resume_producing();
    drive(&mut reactor, "the end", || server.is_lost());
}

/// Bytes that came through a filter during a pause are not forgotten when a post is still queued at the turn that would deliver them.
#[test]
fn held_bytes_survive_a_post_in_the_same_turn() {
    let server_connection = Rc::new(RefCell::new(None));
    let place = Rc::clone(&server_connection);
    let posted = Rc::new(Cell::new(false));
    let ran = Rc::clone(&posted);
    let poster = Probe::new(move |heard, _| {
        let connection: Option<Connection<Probe>> = place.borrow().clone();
        if let (Heard::Data(_), Some(connection)) = (heard, connection) {
            let ran = Rc::clone(&ran);
            connection.post(move |_, _| ran.set(true));
        }
    });
    let Pair { mut reactor, server, client, .. } = pair(idle(), poster);
    *server_connection.borrow_mut() = Some(server.connection());
    server.transport().pause_producing();
    server.transport().push_filter(Shout::new("").0, b"held");
    drive_for(&mut reactor, ms(3));
    assert_eq!(server.text(), "");
    // In one turn: the resume asks for a dispatch, and before it comes the other connection posts.
    server.transport().resume_producing();
    server.transport().write(b"now");
    drive(&mut reactor, "the post", || posted.get());
    drive(&mut reactor, "the held bytes", || server.text() == "HELD");
    server_connection.take();
    assert_eq!(client.text(), "NOW");
}

#[test]
fn half_02_the_peers_fin_brings_out_what_is_held() {
    let Pair { mut reactor, server, client, .. } =
        filtered(vec![push(Shout::new("").0.holding(Duration::from_secs(600)))]);
    client.transport().write(b"held");
    client.transport().lose_connection();
    drive(&mut reactor, "the end", || server.is_lost());
    let heard = [Heard::Made, Heard::Data(b"HELD".to_vec()), Heard::ReadLost, Heard::Lost("Done".to_owned())];
    assert_eq!(server.heard(), heard);
}

#[test]
fn what_a_filter_keeps_past_the_fin_is_not_delivered_any_more() {
    let (mut shout, seen) = Shout::new("<bye>");
    shout.yields_at_fin = false;
    let mut shout = Some(shout.holding(ms(10)));
    let (probe, side) = Probe::new(move |heard, transport| {
        if *heard == Heard::Made {
            transport.push_filter(shout.take().expect("once"), b"");
        }
    });
    let Pair { mut reactor, server, client, .. } = pair((probe.keep_half(), side), idle());
    client.transport().write(b"held");
    client.transport().lose_write_connection();
    drive(&mut reactor, "the FIN", || server.has(&Heard::ReadLost));
    drive(&mut reactor, "the timer", || seen.count("timer") == 1);
    server.transport().write(b"answer");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!((server.text().as_str(), client.text().as_str()), ("", "ANSWER<bye>"));
}
