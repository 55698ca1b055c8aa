//! Five ends of a reactor.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::deferred;
use twistor_net::{CloseReason, ProducerKind, ReactorTcp, Shared, TcpClientOptions};
use twistor_reactor::{Descriptor, Phase, Reactor, Watch};

use crate::actors::{Later, Maker, Opposite, Other, Peer, Pull, Told};
use crate::common::{assert_descriptors, drive, ms, open_descriptors, quiet};
use crate::support::{Alive, in_a_process_of_its_own, is_child};

#[derive(Clone, Copy, Debug)]
enum End {
    Stop,
    Crash,
    DropIdle,
    DropWithConnections,
    DrivenByHand,
}

#[test]
fn a_reactor_that_is_stopped_leaves_nothing() {
    in_a_process_of_its_own("ends::stopped");
}

#[test]
fn a_reactor_that_crashes_leaves_nothing() {
    in_a_process_of_its_own("ends::crashed");
}

#[test]
fn a_reactor_that_is_dropped_while_idle_leaves_nothing() {
    in_a_process_of_its_own("ends::dropped_idle");
}

#[test]
fn a_reactor_that_is_dropped_with_connections_leaves_nothing() {
    in_a_process_of_its_own("ends::dropped_with_connections");
}

#[test]
fn a_reactor_that_is_driven_by_hand_and_dropped_leaves_nothing() {
    in_a_process_of_its_own("ends::driven_by_hand");
}

#[test]
fn stopped() {
    if !is_child() {
        return;
    }
    ends(End::Stop);
}

#[test]
fn crashed() {
    if !is_child() {
        return;
    }
    ends(End::Crash);
}

#[test]
fn dropped_idle() {
    if !is_child() {
        return;
    }
    ends(End::DropIdle);
}

#[test]
fn dropped_with_connections() {
    if !is_child() {
        return;
    }
    ends(End::DropWithConnections);
}

#[test]
fn driven_by_hand() {
    if !is_child() {
        return;
    }
    ends(End::DrivenByHand);
}

fn ends(end: End) {
    quiet();
    let before = open_descriptors();
    for _ in 0..3 {
        let alive: Alive = Rc::new(());
        let told = Rc::new(RefCell::new(Told::default()));
        let lost = Rc::new(Cell::new(0));
        let watched_lost = Rc::new(Cell::new(0));
        let mut reactor = Reactor::builder().shutdown_timeout(ms(500)).build().expect("a poller");
        let busy = !matches!(end, End::DropIdle);
        // What is held outside survives the reactor, and must not keep anything of it alive.
        let kept = fill(&mut reactor, busy, &alive, &told, &lost, &watched_lost);
        let descriptors = open_descriptors().len();
        assert!(descriptors > before.len());
        match end {
            End::Stop => {
                let handle = reactor.handle();
                reactor.call_later(ms(5), move || handle.stop().expect("it runs"));
                reactor.run().expect("it was not stopped before");
                assert_eq!(reactor.stats().connections, 0, "stopping disconnects");
            }
            End::Crash => {
                let handle = reactor.handle();
                reactor.call_later(ms(5), move || handle.crash());
                reactor.run().expect("it was not stopped before");
                assert!(reactor.stats().sources > 0, "crashing closes nothing");
            }
            End::DropIdle | End::DropWithConnections => {}
            End::DrivenByHand => {
                for _ in 0..20 {
                    reactor.iterate(Some(ms(1))).expect("the poller works");
                }
            }
        }
        let handle = reactor.handle();
        let remote = reactor.remote();
        drop(reactor);
        let stats = handle.stats();
        assert_eq!((stats.sources, stats.connections, stats.timers_pending), (0, 0, 0), "{end:?}");
        assert!(handle.is_gone() && !remote.is_alive());
        assert_eq!(
            lost.get(),
            if busy { 2 * CONNECTIONS } else { 0 },
            "{end:?}: every protocol heard of it once"
        );
        assert_eq!(watched_lost.get(), 1, "{end:?}");
        let told = told.borrow();
        assert_eq!(told.started, told.stopped, "{end:?}: {told:?}");
        assert_eq!(Rc::strong_count(&alive), 1, "{end:?}: {} values are left", Rc::strong_count(&alive) - 1);
        // A handle that is used afterwards makes nothing that stays.
        let value = Rc::clone(&alive);
        handle.call_later(ms(1), move || drop(value));
        let value = Rc::clone(&alive);
        handle.notify(move |_| drop(value));
        let maker = Maker::<Opposite> { next: Rc::default(), told: Rc::default(), _alive: Rc::clone(&alive) };
        assert!(handle.listen_tcp(("127.0.0.1", 0), maker).is_err());
        let maker = Maker::<Opposite> { next: Rc::default(), told: Rc::default(), _alive: Rc::clone(&alive) };
        drop(handle.connect_tcp(("127.0.0.1", 9), maker));
        assert_eq!(Rc::strong_count(&alive), 1, "{end:?}, afterwards");
        drop(kept);
        assert_descriptors(&before);
    }
}

const CONNECTIONS: usize = 15;

/// Puts one of everything into a reactor.
fn fill(
    reactor: &mut Reactor,
    busy: bool,
    alive: &Alive,
    told: &Rc<RefCell<Told>>,
    lost: &Rc<Cell<usize>>,
    watched_lost: &Rc<Cell<usize>>,
) -> Vec<Box<dyn std::any::Any>> {
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    let next = Rc::new(RefCell::new(Vec::new()));
    let shared =
        Shared::new(Maker { next: Rc::clone(&next), told: Rc::clone(told), _alive: Rc::clone(alive) });
    let port = reactor.listen_tcp(("127.0.0.1", 0), shared.clone()).expect("a free port");
    let second = reactor.listen_tcp(("127.0.0.2", 0), shared.clone()).expect("a free port");
    let accepting_no_more =
        Maker::<Opposite> { next: Rc::default(), told: Rc::clone(told), _alive: Rc::clone(alive) };
    let third = reactor.listen_tcp(("127.0.0.3", 0), accepting_no_more).expect("a free port");
    third.stop_accepting();
    let (reader, writer) = UnixStream::pair().expect("descriptors");
    let watched = Watched(reader, Rc::clone(alive), Rc::clone(watched_lost));
    let watch = reactor.add_reader(watched).map_err(|error| error.error).expect("a socket can be watched");
    kept.push(Box::new((writer, watch)));
    for phase in [Phase::Before, Phase::During, Phase::After] {
        for event in ["startup", "shutdown", "never"] {
            let value = Rc::clone(alive);
            reactor.add_system_event_trigger(phase, event, move |_| drop(value));
        }
    }
    let value = Rc::clone(alive);
    kept.push(Box::new(reactor.call_later(Duration::from_secs(3_600), move || drop(value))));
    let value = Rc::clone(alive);
    kept.push(Box::new(
        reactor.on_signal(10, move |_| assert!(Rc::strong_count(&value) > 0)).expect("SIGUSR1"),
    ));
    if busy {
        let mut transports = Vec::new();
        for at in 0..CONNECTIONS {
            let opposite = Opposite { peer: Peer::Waits, _alive: Rc::clone(alive), lost: Rc::clone(lost) };
            next.borrow_mut().push(opposite);
            let port = if at % 2 == 0 { &port } else { &second };
            let protocol = Opposite { peer: Peer::Waits, _alive: Rc::clone(alive), lost: Rc::clone(lost) };
            let address = port.host().socket_addr().expect("TCP");
            let made = reactor.connect_protocol(address, protocol);
            let place = Rc::new(RefCell::new(None));
            let found = Rc::clone(&place);
            made.add_callback(move |connection| {
                *found.borrow_mut() = Some(connection);
            });
            drive(reactor, "a connection", || place.borrow().is_some());
            transports.push(place.take().expect("it was made"));
        }
        drive(reactor, "the other ends", || port.connections() + second.connections() == CONNECTIONS);
        for (at, connection) in transports.iter().enumerate() {
            let transport = connection.transport();
            let value = Rc::clone(alive);
            match at {
                0 => drop(transport.write(&vec![0; 8 << 20])),
                1 => {
                    transport.write(&vec![0; 8 << 20]);
                    transport.lose_connection();
                }
                2 => transport.abort_connection(),
                3 => transport.pause_producing(),
                4 => assert!(transport.register_producer(Pull(9, value), ProducerKind::Pull).is_ok()),
                5 => assert!(transport.register_producer(Pull(9, value), ProducerKind::Push).is_ok()),
                6 => transport.push_filter(Later(value), b""),
                7 => drop(transport.set_timeout(Some(Duration::from_secs(3_600)))),
                8 => connection.post(move |_, _| drop(value)),
                9 => {
                    let answer = connection.call(move |_, _| drop(value));
                    kept.push(Box::new(answer));
                }
                10 => transport.lose_write_connection(),
                11 => drop(connection.remote().post(|_, _| ())),
                12 => {
                    let next = Other { alive: value, lost: Rc::clone(lost) };
                    transport.switch_protocol(next, b"");
                }
                13 => assert!(
                    transport.register_producer(transports[14].transport(), ProducerKind::Push).is_ok()
                ),
                _ => {}
            }
        }
        kept.push(Box::new(transports));
        // An attempt that leads nowhere soon, a lookup, a job, a Deferred that nobody fires.
        let options = TcpClientOptions::new().timeout(Some(Duration::from_secs(3_600)));
        let nowhere =
            Maker::<Opposite> { next: Rc::default(), told: Rc::clone(told), _alive: Rc::clone(alive) };
        kept.push(Box::new(reactor.connect_tcp_with(("192.0.2.1", 9), nowhere, options)));
        let somewhere =
            Maker::<Opposite> { next: Rc::default(), told: Rc::clone(told), _alive: Rc::clone(alive) };
        kept.push(Box::new(reactor.connect_tcp(("localhost", 9), somewhere)));
        let value = Rc::clone(alive);
        reactor.defer_to_thread(|| Ok(1_u32)).add_both(move |_| drop(value));
        let (promise, never) = deferred::<()>();
        let value = Rc::clone(alive);
        never.add_both(move |_| drop(value));
        reactor.call_later(Duration::from_secs(3_600), move || promise.callback(()));
    }
    kept.push(Box::new((port, second, third, shared.users())));
    kept
}

struct Watched(UnixStream, Alive, Rc<Cell<usize>>);

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        assert!(Rc::strong_count(&self.1) > 0);
        self.0.as_fd()
    }
}

impl Descriptor for Watched {
    fn do_read(&mut self, _watch: &Watch<Self>) -> Result<(), CloseReason> {
        Err(CloseReason::Done)
    }
    fn connection_lost(&mut self, _reason: &CloseReason) {
        self.2.set(self.2.get() + 1);
    }
}
