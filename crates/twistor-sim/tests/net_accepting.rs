//! Accepting under pressure: TCP-16 to TCP-19, and ruling R27.

mod net_support;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use net_support::{Bench, MILLISECOND, SECOND, address};
use twistor_net::{
    Address, Factory, ListeningPort, PortState, Protocol, ReactorTcp, Shortage, TcpServerOptions,
};
use twistor_reactor::Moment;
use twistor_sim::conformance::harness::{End, Ending, Event, Side};
use twistor_sim::{Answer, Call, Peer, ScriptGuard, Target, errno};

/// A bench with a port and `count` clients that wait to be accepted.
fn crowd(count: usize, side: Side) -> (Bench, ListeningPort, End, Vec<Peer>) {
    let mut bench = Bench::new();
    let backlog = TcpServerOptions::new().backlog(1_000);
    let (port, end) = bench.listen_with(side, backlog);
    let peers = (0..count).map(|_| bench.kernel.dial(address(&port))).collect();
    (bench, port, end, peers)
}

#[test]
fn tcp_16_the_batch_adapts() {
    let (mut bench, port, server, mut peers) = crowd(130, Side::new());
    let mut made = Vec::new();
    for _ in 0..3 {
        bench.turn();
        made.push(server.count(&Event::Made));
    }
    assert_eq!(made, [100, 130, 130], "100 at first, then the rest");
    // The limit is what the last batch found, 30: it grows by 20 when it is filled.
    peers.extend((0..60).map(|_| bench.kernel.dial(address(&port))));
    made.clear();
    for _ in 0..3 {
        bench.turn();
        made.push(server.count(&Event::Made) - 130);
    }
    assert_eq!(made, [30, 60, 60]);
}

#[test]
fn tcp_19_errors_of_one_client_do_not_end_the_batch() {
    for code in [errno::ECONNABORTED, errno::EPERM, errno::EINTR] {
        let (mut bench, _port, server, _peers) = crowd(3, Side::new());
        bench.kernel.script(Call::Accept, Answer::Errno(code)).times(2);
        bench.turn();
        assert_eq!(server.count(&Event::Made), 3, "errno {code}: in the same turn");
        assert!(bench.kernel.script_left().is_empty());
    }
}

#[test]
fn tcp_19_an_error_nobody_knows_is_tried_again_later() {
    let (mut bench, port, server, _peers) = crowd(2, Side::new());
    bench.kernel.script(Call::Accept, Answer::Errno(errno::EBADF));
    bench.turn();
    server.expect(&[]);
    assert_eq!(port.state(), PortState::Listening, "listening goes on");
    bench.until("both", || server.count(&Event::Made) == 2);
    assert!(bench.time().as_nanos() <= 20_000_000, "{:?}", bench.time());
}

#[test]
fn tcp_19_without_descriptors_clients_are_shed() {
    for code in [errno::EMFILE, errno::ENFILE, errno::ENOBUFS, errno::ENOMEM] {
        let (mut bench, port, server, peers) = crowd(3, Side::new());
        bench.kernel.script(Call::Accept, Answer::Errno(code));
        bench.turn();
        assert!(peers.iter().all(Peer::is_finished), "errno {code}: they learn at once");
        server.expect(&[]);
        // And listening goes on.
        let late = bench.kernel.dial(address(&port));
        let seen = server.clone();
        bench.until("the next", || seen.saw(&Event::Made));
        assert!(late.is_connected() && !late.is_finished());
    }
}

/// A shortage in which not even clients can be closed, as long as the guards live.
fn shortage(bench: &Bench) -> [ScriptGuard; 2] {
    let errno = Answer::Errno(errno::EMFILE);
    [Call::Accept, Call::Shed].map(|call| bench.kernel.script(call, errno).always().guard())
}

#[test]
fn r27_the_retry_backs_off_from_10_ms_to_1_s() {
    let (mut bench, port, server, _peers) = crowd(1, Side::new());
    let short = shortage(&bench);
    bench.pass(SECOND * 5);
    let times = bench.times(Call::Accept, Moment::default());
    let pauses: Vec<u128> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..8], [10, 20, 40, 80, 160, 320, 640, 1_000], "{pauses:?}");
    assert!(pauses[8..].iter().all(|pause| *pause == 1_000), "{pauses:?}");
    // Descriptors are freed: the next try serves whoever waits, and the next shortage begins anew.
    drop(short);
    bench.pass(SECOND);
    assert_eq!(server.count(&Event::Made), 1);
    let begin = bench.time();
    let _short = shortage(&bench);
    let _late = bench.kernel.dial(address(&port));
    bench.pass(MILLISECOND * 100);
    assert_eq!(bench.times(Call::Accept, begin)[..3], [0, 10, 30]);
}

#[test]
fn r27_a_shortage_that_ended_without_a_client_is_forgotten() {
    let (mut bench, port, _server, peers) = crowd(1, Side::new());
    let short = shortage(&bench);
    bench.pass(SECOND * 3);
    drop(short);
    // The one who waited is shed by hand, so to speak: the retry finds nobody.
    bench.kernel.script(Call::Accept, Answer::WouldBlock);
    bench.pass(SECOND * 2);
    drop(peers);
    let begin = bench.time();
    let _short = shortage(&bench);
    let _late = bench.kernel.dial(address(&port));
    bench.pass(MILLISECOND * 50);
    assert_eq!(bench.times(Call::Accept, begin)[..3], [0, 10, 30]);
}

#[test]
fn r27_one_timer_however_many_clients_come_during_a_shortage() {
    let (mut bench, port, _server, _peers) = crowd(1, Side::new());
    let _short = shortage(&bench);
    bench.pass(SECOND * 4);
    for _ in 0..50 {
        drop(bench.kernel.dial(address(&port)));
        bench.pass(MILLISECOND * 7);
    }
    let begin = bench.time();
    bench.pass(SECOND * 10);
    let tries = bench.times(Call::Accept, begin).len();
    assert!((9..=11).contains(&tries), "{tries} tries in 10 s");
    assert!(bench.reactor().delayed_calls().len() <= 1);
}

#[test]
fn r27_who_has_shed_everybody_waits_for_the_next_event() {
    let (mut bench, port, _server, _peers) = crowd(3, Side::new());
    let _short = bench.kernel.script(Call::Accept, Answer::Errno(errno::EMFILE)).always().guard();
    bench.pass(SECOND * 60);
    let tries = bench.kernel.count(Call::Accept);
    assert!(tries <= 3, "{tries} tries with nobody waiting");
    let late = bench.kernel.dial(address(&port));
    bench.turn();
    assert!(late.is_finished(), "shed at once");
}

#[test]
fn r27_a_stopped_port_tries_no_more() {
    let (mut bench, port, _server, _peers) = crowd(1, Side::new());
    let _short = shortage(&bench);
    bench.pass(SECOND);
    drop(port.stop_listening());
    bench.settle();
    let tries = bench.kernel.count(Call::Accept);
    bench.pass(SECOND * 5);
    assert_eq!(bench.kernel.count(Call::Accept), tries);
    assert_eq!(bench.kernel.open_listeners(), 0);
}

/// A factory that lets clients wait when descriptors are short.
struct Patient {
    asked: Rc<RefCell<Vec<Option<i32>>>>,
    made: Rc<Cell<usize>>,
}

struct Nothing;

impl Protocol for Nothing {}

impl Factory for Patient {
    type Protocol = Nothing;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Nothing> {
        self.made.set(self.made.get() + 1);
        Some(Nothing)
    }

    fn descriptors_exhausted(&mut self, error: &io::Error) -> Shortage {
        self.asked.borrow_mut().push(error.raw_os_error());
        Shortage::Wait
    }
}

#[test]
fn r27_the_factory_may_let_clients_wait() {
    let mut bench = Bench::new();
    let (asked, made) = (Rc::default(), Rc::default());
    let factory = Patient { asked: Rc::clone(&asked), made: Rc::clone(&made) };
    let port = bench.reactor().listen_tcp(("127.0.0.1", 0), factory).unwrap();
    bench.kernel.script(Call::Accept, Answer::Errno(errno::EMFILE)).on(Target::Any).times(3);
    let peer = bench.kernel.dial(address(&port));
    let served = Rc::clone(&made);
    bench.until("the client", || served.get() == 1);
    assert_eq!(*asked.borrow(), vec![Some(errno::EMFILE); 3], "asked at each try");
    assert_eq!(bench.kernel.count(Call::Shed), 0);
    assert!(!peer.is_finished());
    assert_eq!(bench.time().as_nanos() / 1_000_000, 70, "10, 20 and 40 ms");
}

#[test]
fn tcp_19_clients_that_cannot_be_shed_wait() {
    let (mut bench, _port, server, peers) = crowd(2, Side::new());
    bench.kernel.script(Call::Accept, Answer::Errno(errno::EMFILE));
    bench.kernel.script(Call::Shed, Answer::Errno(errno::EMFILE));
    bench.until("both", || server.count(&Event::Made) == 2);
    assert!(peers.iter().all(|peer| !peer.is_finished()));
}

#[test]
fn tcp_19_more_than_a_hundred_are_shed_turn_by_turn() {
    let (mut bench, _port, _server, peers) = crowd(250, Side::new());
    bench.kernel.script(Call::Accept, Answer::Errno(errno::EMFILE)).always();
    bench.turn();
    assert_eq!(peers.iter().filter(|peer| peer.is_finished()).count(), 100);
    bench.pass(Duration::from_secs(2));
    assert!(peers.iter().all(Peer::is_finished));
}

#[test]
fn a_connection_that_cannot_be_registered_is_lost() {
    let (mut bench, port, server, peers) = crowd(0, Side::new());
    bench.settle();
    bench.kernel.script(Call::Register, Answer::Errno(errno::ENOMEM));
    let first = bench.kernel.dial(address(&port));
    let second = bench.kernel.dial(address(&port));
    let seen = server.clone();
    bench.until("both", || seen.count(&Event::Made) == 2);
    bench.settle();
    assert_eq!(server.ending(), Some(Ending::Lost));
    assert_eq!(server.milestones().len(), 3, "the other one is served: {server:?}");
    assert!(first.is_finished() || first.was_reset());
    assert!(!second.is_finished());
    assert_eq!((port.connections(), peers.len()), (1, 0));
}

#[test]
fn tcp_14_a_listener_that_cannot_be_registered_is_an_error_of_the_call() {
    let mut bench = Bench::new();
    bench.kernel.script(Call::Register, Answer::Errno(errno::ENOMEM));
    let (server, factory) = bench.end("server", Side::new());
    let error = bench.reactor().listen_tcp(("127.0.0.1", 0), factory).expect_err("it cannot be registered");
    assert_eq!(error.error.raw_os_error(), Some(errno::ENOMEM));
    bench.settle();
    server.expect_all(&[]);
    assert_eq!(bench.kernel.open_listeners(), 0);
}

#[test]
fn tcp_14_the_systems_error_is_told() {
    let mut bench = Bench::new();
    bench.kernel.script(Call::Listen, Answer::Errno(errno::EACCES));
    let (_, factory) = bench.end("server", Side::new());
    let error = bench.reactor().listen_tcp(80, factory).expect_err("the port is not for everybody");
    assert_eq!(error.error.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!((error.interface.as_str(), error.port), ("", 80));
}
