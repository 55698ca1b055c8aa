//! What stays for a while on purpose.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{NetLimits, ReactorTcp};

use crate::common::{Probe, drive, drive_for, ms, pair};

/// The cap on sockets that linger counts those that do, not those that did.
#[test]
fn tcp_30_many_quick_ends_do_not_cut_a_slow_one_short() {
    let crate::common::Pair { mut reactor, server, client, port } =
        pair(Probe::new(|_, _| {}), Probe::new(|_, _| {}));
    let mut limits = NetLimits::default();
    limits.linger_sockets = 3;
    limits.linger_time = Duration::from_secs(600);
    reactor.set_net_limits(limits);
    // The client does not read: the server's socket lingers for its FIN.
    client.transport().pause_producing();
    server.transport().write(b"the tail");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || server.is_lost());
    let lingering = reactor.stats().sources;
    // Connections that end at once, one after another, through another port.
    let made = Rc::new(Cell::new(0));
    for round in 0..10 {
        let (probe, side) = Probe::new(|heard, transport| {
            if *heard == crate::common::Heard::Made {
                transport.lose_connection();
            }
        });
        let mut probe = Some(probe);
        let quick = reactor
            .listen_tcp(("127.0.0.1", 0), twistor_net::for_protocol(move |_| probe.take().expect("one")));
        let quick = quick.expect("a free port");
        let (other, other_side) = Probe::new(|_, _| {});
        drop(reactor.connect_protocol(("127.0.0.1", quick.host().port()), other));
        drive(&mut reactor, "a quick end", || side.is_lost() && other_side.is_lost());
        drop(quick.stop_listening());
        drive_for(&mut reactor, ms(2));
        made.set(round + 1);
        assert_eq!(
            reactor.stats().sources,
            lingering,
            "round {round}: the slow one lingers, and nothing else is left"
        );
    }
    client.transport().resume_producing();
    drive(&mut reactor, "the tail", || client.is_lost());
    assert_eq!((client.text().as_str(), client.lost().as_deref()), ("the tail", Some("Done")));
    let handle = reactor.handle();
    drive(&mut reactor, "the end of lingering", || handle.stats().sources == lingering - 2);
    assert_eq!((made.get(), port.connections()), (10, 0));
}
