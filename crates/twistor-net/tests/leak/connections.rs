//! Ten thousand connections, which end in every way there is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use twistor_net::{NetLimits, ReactorTcp, TcpServerOptions};
use twistor_reactor::Reactor;

use crate::actors::{CALLS, Maker, Opposite, PEERS, STATES, Subject, Told};
use crate::common::{assert_descriptors, drive, drive_for, ms, open_descriptors, quiet};
use crate::support::{Alive, in_a_process_of_its_own, is_child};

/// A backlog for all who come at once: the system answers one that is too many a second later.
fn room() -> TcpServerOptions {
    TcpServerOptions::new().backlog(500)
}

#[test]
fn ten_thousand_connections_leave_nothing() {
    in_a_process_of_its_own("connections::ten_thousand_connections");
}

#[test]
fn ten_thousand_connections() {
    if !is_child() {
        return;
    }
    /// How many live at a time.
    const AT_ONCE: usize = 100;
    const ALL: usize = 10_000;
    quiet();
    let before = open_descriptors();
    let alive: Alive = Rc::new(());
    let told = Rc::new(RefCell::new(Told::default()));
    {
        let mut reactor = Reactor::builder().handle_signals(false).build().expect("a poller");
        let mut limits = NetLimits::default();
        limits.linger_time = ms(20);
        limits.close_timeout = Some(ms(200));
        reactor.set_net_limits(limits);
        // One server makes the ends that are looked at, another the other ends. Two addresses, so that no port runs out.
        let subjects = Rc::new(RefCell::new(Vec::new()));
        let opposites = Rc::new(RefCell::new(Vec::new()));
        let maker = Maker { next: Rc::clone(&subjects), told: Rc::clone(&told), _alive: Rc::clone(&alive) };
        let subject_port = reactor.listen_tcp_with(("127.0.0.1", 0), maker, room()).expect("a free port");
        let maker = Maker { next: Rc::clone(&opposites), told: Rc::clone(&told), _alive: Rc::clone(&alive) };
        let opposite_port = reactor.listen_tcp_with(("127.0.0.2", 0), maker, room()).expect("a free port");
        drive_for(&mut reactor, ms(2));
        let idle = (reactor.stats().sources, reactor.stats().timers_pending, Rc::strong_count(&alive));
        let lost = Rc::new(Cell::new(0));
        let mut way = 0;
        for _ in 0..ALL / AT_ONCE {
            for _ in 0..AT_ONCE {
                let (state, call) = (STATES[way % 5], CALLS[way / 5 % 16]);
                let (peer, accepted) = (PEERS[way / 80 % 5], way / 400 % 2 == 0);
                way += 1;
                let subject = Subject { state, call, alive: Rc::clone(&alive), lost: Rc::clone(&lost) };
                let opposite = Opposite { peer, _alive: Rc::clone(&alive), lost: Rc::clone(&lost) };
                let told = Rc::clone(&told);
                if accepted {
                    subjects.borrow_mut().push(subject);
                    let next = Rc::new(RefCell::new(vec![opposite]));
                    let maker = Maker { next, told, _alive: Rc::clone(&alive) };
                    reactor.connect_tcp(("127.0.0.1", subject_port.host().port()), maker);
                } else {
                    opposites.borrow_mut().push(opposite);
                    let next = Rc::new(RefCell::new(vec![subject]));
                    let maker = Maker { next, told, _alive: Rc::clone(&alive) };
                    reactor.connect_tcp(("127.0.0.2", opposite_port.host().port()), maker);
                }
            }
            let stats = reactor.handle();
            drive(&mut reactor, "the end of a batch", || {
                let now = (stats.stats().sources, stats.stats().timers_pending, Rc::strong_count(&alive));
                now == idle
            });
            assert_eq!(lost.get(), 2 * way, "each end hears of it once");
        }
        assert_eq!(reactor.stats().connections, 0);
        assert_eq!((subject_port.connections(), opposite_port.connections()), (0, 0));
        let told = told.borrow();
        assert_eq!((told.lost, told.failed), (ALL, 0));
        assert_eq!((told.started, told.stopped), (ALL + 2, ALL));
    }
    assert_eq!((told.borrow().started, told.borrow().stopped), (10_002, 10_002));
    assert_eq!(Rc::strong_count(&alive), 1, "no protocol, factory, filter or producer is left");
    assert_descriptors(&before);
}
