//! Nothing is left behind: not by ten thousand connections that end in every way there is, and not by a reactor that ends in any of five.

#![cfg(all(feature = "mio", target_os = "linux"))]

mod common;

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use common::{INJECTED, Probe, assert_descriptors, drive, drive_for, ms, open_descriptors, pair, quiet};
use twistor_deferred::deferred;
use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connector, Factory, Filter, FilterIo, NetLimits,
    Producer, ProducerKind, Protocol, ReactorTcp, Shared, TcpClientOptions, TcpServerOptions, Transport,
};
use twistor_reactor::{Descriptor, Phase, Reactor, Watch};

/// Counts what is alive: each value of a test's holds a clone of one.
type Alive = Rc<()>;

/// Runs the test `name` in a process of its own, so that its descriptors are nobody else's. The test must begin with
/// `if !is_child() { return }`.
#[track_caller]
fn in_a_process_of_its_own(name: &str) {
    let program = std::env::current_exe().expect("the test program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    let output = command.output().expect("the test program runs again");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "there is no test {name}\n{said}");
}

/// Set in a process that runs one test alone.
const CHILD: &str = "TWISTOR_LEAK_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

// ---------------------------------------------------------------------------------------------------------------------------------
// Ten thousand connections.

/// The states of table 28b. Each call is made in each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Open,
    Closing,
    WriteClosed,
    Aborting,
    Lost,
}

const STATES: [In; 5] = [In::Open, In::Closing, In::WriteClosed, In::Aborting, In::Lost];

/// The calls of table 28b, and some more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Do {
    Nothing,
    Write,
    WriteMuch,
    Lose,
    Abort,
    LoseWrite,
    Pause,
    PauseAndResume,
    RegisterPull,
    RegisterPush,
    Fail,
    PushFilter,
    Switch,
    SetTimeout,
    Panic,
    Ask,
}

const CALLS: [Do; 16] = [
    Do::Nothing,
    Do::Write,
    Do::WriteMuch,
    Do::Lose,
    Do::Abort,
    Do::LoseWrite,
    Do::Pause,
    Do::PauseAndResume,
    Do::RegisterPull,
    Do::RegisterPush,
    Do::Fail,
    Do::PushFilter,
    Do::Switch,
    Do::SetTimeout,
    Do::Panic,
    Do::Ask,
];

/// What the other end does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Nothing, until it sees the end.
    Waits,
    Closes,
    HalfCloses,
    Resets,
    WritesAndCloses,
}

const PEERS: [Peer; 5] = [Peer::Waits, Peer::Closes, Peer::HalfCloses, Peer::Resets, Peer::WritesAndCloses];

/// The end that is looked at. Its way is one cell of the table.
struct Subject {
    state: In,
    call: Do,
    alive: Alive,
    lost: Rc<Cell<usize>>,
}

impl Subject {
    fn act(&mut self, transport: &Transport) {
        match self.call {
            Do::Nothing => {}
            Do::Write => drop(transport.write(b"some")),
            Do::WriteMuch => drop(transport.write_bytes(vec![7; 100_000])),
            Do::Lose => transport.lose_connection(),
            Do::Abort => transport.abort_connection(),
            Do::LoseWrite => transport.lose_write_connection(),
            Do::Pause => transport.pause_producing(),
            Do::PauseAndResume => {
                transport.pause_producing();
                transport.resume_producing();
            }
            Do::RegisterPull => {
                let pull = Pull(3, Rc::clone(&self.alive));
                assert!(transport.register_producer(pull, ProducerKind::Pull).is_ok());
            }
            Do::RegisterPush => {
                let push = Pull(0, Rc::clone(&self.alive));
                assert!(transport.register_producer(push, ProducerKind::Push).is_ok());
            }
            Do::Fail => transport.fail(CloseReason::TimedOut(ms(1))),
            Do::PushFilter => transport.push_filter(Later(Rc::clone(&self.alive)), b"unread"),
            Do::Switch => {
                let next = Other { alive: Rc::clone(&self.alive), lost: Rc::clone(&self.lost) };
                transport.switch_protocol(next, b"unread");
            }
            Do::SetTimeout => drop(transport.set_timeout(Some(Duration::from_secs(3_600)))),
            Do::Panic => panic!("{INJECTED}"),
            Do::Ask => {
                assert!(transport.host().port() > 0 && transport.peer().port() > 0);
                let _ = (transport.set_no_delay(false), transport.set_keep_alive(None), transport.pending());
            }
        }
    }
}

impl Protocol for Subject {
    fn connection_made(&mut self, transport: &Transport) {
        // Whatever the way, it comes to an end: not every call leads to one.
        let later = transport.clone();
        let end = transport.reactor().call_later(ms(3), move || {
            later.unregister_producer();
            later.lose_connection();
        });
        drop(end);
        match self.state {
            In::Open => self.act(transport),
            In::Closing => {
                transport.write(b"first");
                transport.lose_connection();
                self.act(transport);
            }
            In::WriteClosed => transport.lose_write_connection(),
            In::Aborting => {
                transport.abort_connection();
                self.act(transport);
            }
            In::Lost => transport.lose_connection(),
        }
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        if self.state != In::WriteClosed {
            transport.lose_connection();
        }
    }
    fn write_connection_lost(&mut self, transport: &Transport) {
        if self.state == In::WriteClosed {
            self.act(transport);
        }
    }
    fn connection_lost(&mut self, transport: &Transport, _reason: &CloseReason) {
        self.lost.set(self.lost.get() + 1);
        if self.state == In::Lost {
            self.act(transport);
        }
    }
}

/// What a [`Subject`] is switched for.
struct Other {
    alive: Alive,
    lost: Rc<Cell<usize>>,
}

impl Protocol for Other {
    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        assert!(Rc::strong_count(&self.alive) > 0);
        self.lost.set(self.lost.get() + 1);
    }
}

struct Pull(u32, Alive);

impl Producer for Pull {
    fn resume_producing(&mut self, consumer: &Transport) {
        assert!(Rc::strong_count(&self.1) > 0);
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                consumer.write(b"piece");
            }
            None => consumer.unregister_producer(),
        }
    }
}

/// Holds everything back, for longer than the connection lives.
struct Later(Alive);

impl Filter for Later {
    fn written(&mut self, io: &mut FilterIo, _data: &[u8]) {
        assert!(Rc::strong_count(&self.0) > 0);
        io.wake_after(Duration::from_secs(3_600));
    }
}

/// The other end.
struct Opposite {
    peer: Peer,
    _alive: Alive,
    lost: Rc<Cell<usize>>,
}

impl Protocol for Opposite {
    fn connection_made(&mut self, transport: &Transport) {
        match self.peer {
            Peer::Waits => {}
            Peer::Closes => transport.lose_connection(),
            Peer::HalfCloses => transport.lose_write_connection(),
            Peer::Resets => transport.abort_connection(),
            Peer::WritesAndCloses => {
                transport.write(&[1; 10_000]);
                transport.lose_connection();
            }
        }
    }
    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        self.lost.set(self.lost.get() + 1);
    }
}

/// Makes what it was told to make next, on either end.
struct Maker<P> {
    next: Rc<RefCell<Vec<P>>>,
    told: Rc<RefCell<Told>>,
    _alive: Alive,
}

#[derive(Debug, Default)]
struct Told {
    started: usize,
    stopped: usize,
    failed: usize,
    lost: usize,
}

impl<P: Protocol> Factory for Maker<P> {
    type Protocol = P;

    fn build_protocol(&mut self, _peer: &Address) -> Option<P> {
        self.next.borrow_mut().pop()
    }
    fn start_factory(&mut self) {
        self.told.borrow_mut().started += 1;
    }
    fn stop_factory(&mut self) {
        self.told.borrow_mut().stopped += 1;
    }
    fn noisy(&self) -> bool {
        false
    }
}

impl<P: Protocol> ClientFactory for Maker<P> {
    fn client_connection_failed(&mut self, _connector: &Connector, _reason: &ConnectError) {
        self.told.borrow_mut().failed += 1;
    }
    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &CloseReason) {
        self.told.borrow_mut().lost += 1;
    }
}

/// A backlog for all who come at once: the system answers one that is too many a second later.
fn room() -> TcpServerOptions {
    TcpServerOptions::new().backlog(500)
}

#[test]
fn ten_thousand_connections_leave_nothing() {
    in_a_process_of_its_own("ten_thousand_connections");
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

// ---------------------------------------------------------------------------------------------------------------------------------
// Five ends of a reactor.

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
    in_a_process_of_its_own("stopped");
}

#[test]
fn a_reactor_that_crashes_leaves_nothing() {
    in_a_process_of_its_own("crashed");
}

#[test]
fn a_reactor_that_is_dropped_while_idle_leaves_nothing() {
    in_a_process_of_its_own("dropped_idle");
}

#[test]
fn a_reactor_that_is_dropped_with_connections_leaves_nothing() {
    in_a_process_of_its_own("dropped_with_connections");
}

#[test]
fn a_reactor_that_is_driven_by_hand_and_dropped_leaves_nothing() {
    in_a_process_of_its_own("driven_by_hand");
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

// ---------------------------------------------------------------------------------------------------------------------------------
// What stays for a while on purpose.

/// The cap on sockets that linger counts those that do, not those that did.
#[test]
fn tcp_30_many_quick_ends_do_not_cut_a_slow_one_short() {
    let common::Pair { mut reactor, server, client, port } =
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
            if *heard == common::Heard::Made {
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
