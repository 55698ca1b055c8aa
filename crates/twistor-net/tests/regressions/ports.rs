//! Listening ports: their factories, their batches and their drains.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpStream;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use twistor_net::{
    Address, Drained, Factory, ListeningPort, PortState, ReactorTcp, Shortage, TcpServerOptions, for_protocol,
};
use twistor_reactor::Reactor;

use crate::common::{INJECTED, drive, drive_for, ms};
use crate::support::{Notes, Noting, Stays, dial, new_reactor, settle};

/// A port that only accepted no more was in no table, and its factory was forgotten at the end.
#[test]
fn the_factory_of_a_port_that_accepts_no_more_is_stopped_with_the_reactor() {
    let (mut reactor, notes) = (new_reactor(), Notes::default());
    let port = reactor.listen_tcp(("127.0.0.1", 0), Noting(notes.clone())).unwrap();
    settle(&mut reactor);
    port.stop_accepting();
    reactor.stop().unwrap();
    settle(&mut reactor);
    drop(reactor);
    assert_eq!(notes.all(), ["start", "stop"]);
}

/// A port that is being drained, and what that came to.
struct Draining {
    reactor: Reactor,
    port: ListeningPort,
    outcome: Rc<RefCell<Option<Drained>>>,
}

fn begin_drain(reactor: Reactor, port: ListeningPort, deadline: Duration) -> Draining {
    let outcome = Rc::new(RefCell::new(None));
    let place = Rc::clone(&outcome);
    drop(port.drain(deadline).add_callback(move |drained| *place.borrow_mut() = Some(drained)));
    Draining { reactor, port, outcome }
}

fn port_with_one_connection() -> (Reactor, ListeningPort, TcpStream) {
    let mut reactor = new_reactor();
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Stays)).unwrap();
    let peer = dial(&port);
    drive(&mut reactor, "the connection", || port.connections() == 1);
    (reactor, port, peer)
}

/// A port that listened again during a drain waited for the new connections too.
#[test]
fn a_port_that_drains_refuses_to_listen_and_ends_with_its_last_connection() {
    let (reactor, port, peer) = port_with_one_connection();
    let Draining { mut reactor, port, outcome } = begin_drain(reactor, port, ms(60_000));
    let refused = port.start_listening().unwrap_err();
    assert_eq!(refused.error.kind(), io::ErrorKind::ResourceBusy);
    settle(&mut reactor);
    assert_eq!((port.state(), *outcome.borrow()), (PortState::Draining, None));
    drop(peer);
    drive(&mut reactor, "the end of the drain", || outcome.borrow().is_some());
    assert_eq!(*outcome.borrow(), Some(Drained { closed: 1, aborted: 0 }));
}

/// The count of closed connections went below zero when some were made after the beginning of the drain.
#[test]
fn a_drain_that_was_to_be_undone_still_ends_at_its_deadline() {
    let (reactor, port, _peer) = port_with_one_connection();
    let Draining { mut reactor, port, outcome } = begin_drain(reactor, port, ms(20));
    assert!(port.start_listening().is_err());
    drive(&mut reactor, "the end of the drain", || outcome.borrow().is_some());
    assert_eq!(*outcome.borrow(), Some(Drained { closed: 0, aborted: 1 }));
    port.start_listening().unwrap();
    assert_eq!(port.state(), PortState::Listening);
}

/// The Deferred of a drain that was asked of a reactor that is gone never fired.
#[test]
fn a_drain_without_a_reactor_is_over_at_once() {
    let reactor = new_reactor();
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Stays)).unwrap();
    drop(reactor);
    let Draining { outcome, .. } = begin_drain(new_reactor(), port, ms(60_000));
    assert_eq!(*outcome.borrow(), Some(Drained::default()));
}

/// The listening socket stayed bound until the next turn: its own port was in use for those who wanted it back.
#[test]
fn a_port_that_was_stopped_can_be_bound_again_at_once() {
    let reactor = new_reactor();
    let first = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Stays)).unwrap();
    let number = first.host().port();
    drop(first.stop_listening());
    let second = reactor.listen_tcp(("127.0.0.1", number), for_protocol(|_| Stays)).unwrap();
    drop(second.stop_listening());
    second.start_listening().unwrap();
    assert_eq!((second.state(), second.host().port()), (PortState::Listening, number));
}

/// An event that came while a batch was due began a second batch in the same turn, and so on.
#[test]
fn a_port_accepts_one_batch_a_turn_however_many_clients_come() {
    /// Refuses everybody, and counts them.
    struct Refuses(Rc<Cell<usize>>);
    impl Factory for Refuses {
        type Protocol = Stays;
        fn build_protocol(&mut self, _: &Address) -> Option<Stays> {
            self.0.set(self.0.get() + 1);
            None
        }
    }
    let (mut reactor, refused) = (new_reactor(), Rc::new(Cell::new(0)));
    let options = TcpServerOptions::new().accepts_per_turn(1).backlog(200);
    let port = reactor.listen_tcp_with(("127.0.0.1", 0), Refuses(Rc::clone(&refused)), options).unwrap();
    reactor.start().unwrap();
    let mut peers = Vec::new();
    let mut batches = Vec::new();
    for arrivals in [3, 40, 80] {
        peers.extend((0..arrivals).map(|_| dial(&port)));
        reactor.iterate(Some(ms(0))).unwrap();
        batches.push(refused.take());
    }
    assert_eq!(batches, [1, 21, 41]);
}

/// A panic in `noisy` unwound through the loop, at the start and again at the stop.
#[test]
fn a_panic_in_noisy_leaves_the_start_and_the_stop_of_a_factory_alone() {
    struct PanicsWhenAsked(Notes);
    impl Factory for PanicsWhenAsked {
        type Protocol = Stays;
        fn build_protocol(&mut self, _: &Address) -> Option<Stays> {
            None
        }
        fn start_factory(&mut self) {
            self.0.add("start");
        }
        fn stop_factory(&mut self) {
            self.0.add("stop");
        }
        fn noisy(&self) -> bool {
            panic!("{INJECTED}: noisy")
        }
    }
    let (mut reactor, notes) = (new_reactor(), Notes::default());
    let _port = reactor.listen_tcp(("127.0.0.1", 0), PanicsWhenAsked(notes.clone())).unwrap();
    drive(&mut reactor, "the start", || notes.count("start") == 1);
    reactor.stop().unwrap();
    drive(&mut reactor, "the stop", || notes.count("stop") == 1);
    assert_eq!(notes.all(), ["start", "stop"]);
}

/// Every client that came during a shortage of descriptors began another chain of retries.
#[test]
fn clients_that_come_during_a_shortage_of_descriptors_do_not_multiply_the_retries() {
    const CHILD: &str = "TWISTOR_NET_FEW_DESCRIPTORS";
    const NAME: &str =
        "ports::clients_that_come_during_a_shortage_of_descriptors_do_not_multiply_the_retries";
    if std::env::var_os(CHILD).is_some() {
        return retry_during_a_shortage();
    }
    // The limit is the whole process's, so it is a process of its own.
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", NAME]).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Lets clients wait, and counts the retries.
struct Waits(Rc<Cell<usize>>);

impl Factory for Waits {
    type Protocol = Stays;
    fn build_protocol(&mut self, _: &Address) -> Option<Stays> {
        Some(Stays)
    }
    fn descriptors_exhausted(&mut self, _: &io::Error) -> Shortage {
        self.0.set(self.0.get() + 1);
        Shortage::Wait
    }
}

fn retry_during_a_shortage() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) }).unwrap();
    let (mut reactor, retries) = (new_reactor(), Rc::new(Cell::new(0)));
    let port = reactor.listen_tcp(("127.0.0.1", 0), Waits(Rc::clone(&retries))).unwrap();
    let first = dial(&port);
    drive(&mut reactor, "the connection", || port.connections() == 1);
    let mut copies: Vec<_> = std::iter::from_fn(|| first.try_clone().ok()).collect();
    let mut peers = Vec::new();
    for _ in 0..10 {
        copies.pop(); // The peer needs a descriptor of its own.
        peers.push(dial(&port));
        settle(&mut reactor);
    }
    retries.set(0);
    drive_for(&mut reactor, ms(2_000)); // The retries are a second apart by now.
    assert!((1..=3).contains(&retries.get()), "{} retries in two seconds", retries.get());
    copies.clear();
    drive(&mut reactor, "the service", || port.connections() == 11);
}
