//! Programs that decide by what the seed does not decide: two runs differ, and the report says where the user's code is to blame.

mod sim_support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use twistor_net::{
    ClientFactory, Connector, Factory, Protocol, ReactorTcp, SocketOption, TcpServerOptions, Transport,
    for_protocol,
};
use twistor_sim::{Divergence, Happening, Sim, SocketId, Trace, TraceEvent};

use self::sim_support::{Two, ms};

/// How many members the club of [`club`] has.
const MEMBERS: u8 = 64;
/// How many of them it writes to.
const LUCKY: usize = 8;

/// The server's protocol: keeps who is there by number, and once all are, writes to a few of them.
#[derive(Clone)]
struct Club {
    members: Members,
    chosen: Rc<RefCell<Vec<u8>>>,
    order: Order,
}

#[expect(clippy::disallowed_types, reason = "its order is what the test is about")]
type Members = Rc<RefCell<std::collections::HashMap<u8, Transport>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Hashed,
    Sorted,
}

impl Protocol for Club {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.members.borrow_mut().insert(data[0], transport.clone());
        if self.members.borrow().len() == usize::from(MEMBERS) {
            // A little later, so that nothing is on its way that what is written could go along with.
            let club = self.clone();
            transport.reactor().call_later(ms(1), move || club.write_to_some());
        }
    }
}

impl Club {
    fn write_to_some(&self) {
        let members = self.members.borrow();
        let mut numbers: Vec<u8> = members.keys().copied().collect();
        if self.order == Order::Sorted {
            numbers.sort_unstable();
        }
        for number in numbers.into_iter().take(LUCKY) {
            self.chosen.borrow_mut().push(number);
            members[&number].write(b"you");
        }
    }
}

/// Says its number.
struct Member(u8);
impl Protocol for Member {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&[self.0]);
    }
}

/// A run, and the numbers of those that were written to.
fn club(order: Order) -> (Trace, Vec<u8>) {
    let sim = Sim::new(1);
    let server = sim.host("club");
    let chosen = Rc::new(RefCell::new(Vec::new()));
    let (members, into) = (Members::default(), Rc::clone(&chosen));
    server.start(move |reactor| {
        let (members, chosen) = (Rc::clone(&members), Rc::clone(&into));
        let build = move |_: &_| Club { members: Rc::clone(&members), chosen: Rc::clone(&chosen), order };
        // All of them come at once, and who finds the backlog full comes late.
        let options = TcpServerOptions::new().backlog(MEMBERS.into());
        reactor.listen_tcp_with(("0.0.0.0", 80), for_protocol(build), options).unwrap();
    });
    for number in 0..MEMBERS {
        sim.host(&format!("member {number}")).start(move |reactor| {
            reactor.connect_tcp(("club", 80), for_protocol(move |_| Member(number)));
        });
    }
    sim.run().expect_done();
    let chosen = chosen.borrow().clone();
    assert_eq!(chosen.len(), LUCKY);
    (sim.trace(), chosen)
}

fn name(event: &TraceEvent) -> &str {
    match &event.what {
        Happening::Callback(name) => name,
        other => panic!("{other} is no callback"),
    }
}

#[test]
fn the_order_of_a_hash_map_is_found() {
    let ((left, left_chosen), (right, right_chosen)) = (club(Order::Hashed), club(Order::Hashed));
    let divergence = Divergence::between(&left, &right).expect("64 keys do not come in one order twice");
    let both = left_chosen.iter().zip(&right_chosen).find(|(left, right)| left != right).unwrap();

    // All hear at one moment, in the order in which they were written to: the first that differ are the first callbacks that do.
    for (event, number) in divergence.callbacks().iter().zip([both.0, both.1]) {
        let event = event.as_ref().expect("something is received in either run");
        assert_eq!(name(event), "data_received", "{divergence}");
        assert_eq!(event.host.as_deref(), Some(&*format!("member {number}")), "{divergence}");
        assert_eq!(event.socket, Some(SocketId::Client(u64::from(*number))), "{divergence}");
    }
    // And the one that wrote to them is the timer.
    let culprit = divergence.culprit().expect("somebody wrote");
    assert_eq!((culprit.host.as_deref(), name(culprit)), (Some("club"), "a timed call"), "{divergence}");
    let last =
        left.events().iter().rev().find(|event| {
            event.host.as_deref() == Some("club") && matches!(&event.what, Happening::Callback(_))
        });
    assert_eq!(Some(culprit), last, "{divergence}");

    let text = divergence.to_string();
    let line = format!("member {}/{} client {}: calls data_received", both.0, both.0 + 1, both.0);
    assert!(text.contains(&line), "no `{line}` in {text}");
    assert!(text.contains("\nthe first callback that differs:\n< "), "{text}");
}

#[test]
fn the_same_program_with_an_order_does_not_diverge() {
    let ((left, _), (right, _)) = (club(Order::Sorted), club(Order::Sorted));
    if let Some(divergence) = Divergence::between(&left, &right) {
        panic!("{divergence}");
    }
}

/// The time since the first question, on the real clock.
fn real_time() -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "that a program asks the real clock is what the test is about"
    )]
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed()
}

/// Answers after a millisecond and this while.
struct Patient {
    more: fn() -> Duration,
}
impl Protocol for Patient {
    fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
        let delay = ms(1) + (self.more)();
        let again = transport.clone();
        transport.reactor().call_later(delay, move || {
            again.write(b"done");
        });
    }
}

/// A server that takes its time, for three clients, and a metronome that beats every 50 microseconds, so often.
fn office(more: fn() -> Duration, beats: u64) -> Trace {
    let sim = Sim::new(7);
    let (metronome, server, client) = (sim.host("metronome"), sim.host("server"), sim.host("client"));
    metronome.start(move |reactor| {
        for beat in 1..=beats {
            reactor.call_later(Duration::from_micros(50 * beat), || ());
        }
    });
    server.start(move |reactor| {
        reactor.listen_tcp(("0.0.0.0", 80), for_protocol(move |_| Patient { more })).unwrap();
    });
    for number in 0..3 {
        client.start(move |reactor| {
            reactor.connect_tcp(("server", 80), for_protocol(move |_| Member(number)));
        });
    }
    sim.run().expect_done();
    sim.trace()
}

#[test]
fn the_real_clock_is_found() {
    let before = real_time();
    // The metronome is done before any answer is due.
    let left = office(real_time, 75);
    while real_time() == before {} // A clock that ticks seldom.
    let divergence = Divergence::between(&left, &office(real_time, 75)).expect("time does not stand still");
    let [left, right] = divergence.callbacks().each_ref().map(|event| event.as_ref().expect("a timer fires"));
    for event in [left, right] {
        assert_eq!((event.host.as_deref(), event.reactor), (Some("server"), Some(1)), "{divergence}");
        assert_eq!(name(event), "a timed call", "{divergence}");
        assert_eq!(event.socket, None, "{divergence}");
    }
    assert!(left.at < right.at, "the clock goes on: {divergence}");
    // The first that differs is the end of a wait that the delay decided, and before it the last of the three asked for one.
    let culprit = divergence.culprit().expect("somebody made the timer");
    assert_eq!((culprit.host.as_deref(), name(culprit)), (Some("server"), "data_received"), "{divergence}");
    assert!(matches!(culprit.socket, Some(SocketId::Server(_))), "{divergence}");
    let between = left.number - culprit.number;
    assert!(between > 10, "the metronome beats in between: {between} events");

    let same = Divergence::between(&office(Duration::default, 75), &office(Duration::default, 75));
    assert!(same.is_none(), "{}", same.unwrap());
}

/// Of two events that differ, the later one may be anything that comes next.
#[test]
fn the_earlier_event_shows_who_is_to_blame() {
    let (early, late) = (office(|| ms(1), 200), office(|| ms(2), 200));
    for (one, other) in [(&early, &late), (&late, &early)] {
        let divergence = Divergence::between(one, other).expect("the answers come at other moments");
        let hosts =
            divergence.callbacks().each_ref().map(|event| event.as_ref().unwrap().host.as_deref().unwrap());
        assert!(hosts.contains(&"server") && hosts.contains(&"metronome"), "{divergence}");
        let culprit = divergence.culprit().expect("somebody made the timer");
        assert_eq!(
            (culprit.host.as_deref(), name(culprit)),
            (Some("server"), "data_received"),
            "{divergence}"
        );
    }
}

#[test]
fn runs_whose_callbacks_are_the_same_say_so() {
    let run = |curious: bool| {
        let two = Two::new(ms(5));
        let side = two.client_side().made(move |transport| {
            if curious {
                transport.set_option(SocketOption::SendBuffer(70_000)).unwrap();
            }
            transport.write(b"hello");
        });
        two.connect(two.server_side().echo(), side);
        two.sim.run().expect_done();
        two.sim.trace()
    };
    let divergence = Divergence::between(&run(false), &run(true)).expect("one asks the kernel for something");
    assert_eq!(divergence.callbacks(), &[None, None]);
    let culprit = divergence.culprit().expect("somebody asked");
    assert_eq!((culprit.host.as_deref(), name(culprit)), (Some("client"), "connection_made"), "{divergence}");
    assert_eq!(culprit.socket, Some(SocketId::Client(0)), "{divergence}");
    assert!(divergence.to_string().ends_with("the callbacks are the same\n"), "{divergence}");
}

/// A client that is told everything.
#[derive(Clone)]
struct Told(Rc<Cell<u32>>);
impl Protocol for Told {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"hello");
    }
    fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
        transport.lose_connection();
    }
}
impl Factory for Told {
    type Protocol = Self;
    fn build_protocol(&mut self, _peer: &twistor_net::Address) -> Option<Self> {
        Some(self.clone())
    }
}
impl ClientFactory for Told {
    fn client_connection_lost(&mut self, connector: &Connector, _reason: &twistor_net::CloseReason) {
        self.0.set(self.0.get() + 1);
        if self.0.get() == 1 {
            connector.connect().unwrap();
        }
    }
}

#[test]
fn callbacks_name_their_connection() {
    let two = Two::new(ms(5));
    two.server_side().echo().listens(&two.server, 80);
    two.client.reactor().connect_tcp(("server", 80), Told(Rc::default()));
    two.sim.run().expect_done();
    let trace = two.sim.trace();
    let told = |host: &str| -> Vec<String> {
        let here = |event: &&TraceEvent| event.host.as_deref() == Some(host);
        let callbacks = trace.events().iter().filter(here).filter_map(|event| match &event.what {
            Happening::Callback(name) if &**name != "log_prefix" && &**name != "a notification" => {
                Some((event.socket, name))
            }
            _ => None,
        });
        callbacks
            .map(|(socket, name)| {
                format!("{} {name}", socket.map_or_else(|| "-".into(), |id| id.to_string()))
            })
            .collect()
    };
    assert_eq!(
        told("client"),
        [
            "- start_factory",
            "- started_connecting",
            "client 0 build_protocol",
            "client 0 connection_made",
            "client 0 client_connection_made",
            "client 0 data_received",
            "client 0 connection_lost",
            "client 0 client_connection_lost",
            "- started_connecting",
            "client 1 build_protocol",
            "client 1 connection_made",
            "client 1 client_connection_made",
            "client 1 data_received",
            "client 1 connection_lost",
            "client 1 client_connection_lost",
            "- stop_factory",
        ]
    );
    assert_eq!(
        told("server"),
        [
            "listener 0 start_factory",
            "listener 0 build_protocol",
            "server 0 connection_made",
            "server 0 data_received",
            "server 0 read_connection_lost",
            "server 0 connection_lost",
            "listener 0 build_protocol",
            "server 1 connection_made",
            "server 1 data_received",
            "server 1 read_connection_lost",
            "server 1 connection_lost",
        ]
    );
}
