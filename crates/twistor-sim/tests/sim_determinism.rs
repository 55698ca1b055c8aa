//! One seed, one run: the same events at the same moments, whatever goes on.

mod sim_support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{Protocol, ReactorTcp, Transport, for_protocol};
use twistor_reactor::Reactor;
use twistor_reactor::kernel::{ConnectOptions, ListenOptions, Token};
use twistor_sim::{Divergence, Happening, Sim, SocketId, Trace};

use self::sim_support::{Two, ms, secs};

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// Sends a few bytes now and then, at moments of its own.
struct Chatter {
    left: u32,
}
impl Protocol for Chatter {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"hello");
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if self.left == 0 {
            return transport.lose_connection();
        }
        self.left -= 1;
        let (size, again) = (data.len() * 2, transport.clone());
        transport.reactor().call_later(ms(u64::from(self.left) * 3), move || {
            again.write(&vec![1; size.min(5_000)]);
        });
    }
}

/// A busy world: hosts, chaos, bad lines, a crash, partitions, jobs, timers.
fn busy(seed: u64) -> Sim {
    let sim = Sim::new(seed);
    sim.links().latency(ms(3)).jitter(ms(2)).loss(0.02).bandwidth(1_000_000);
    sim.chaos(0.3);
    sim.set_job_time(ms(5));
    let server = sim.host("server");
    server.start(|reactor| {
        reactor.listen_tcp(("0.0.0.0", 80), for_protocol(|_| Echo)).unwrap();
    });
    for number in 0..20_u64 {
        let client = sim.host(&format!("client {number}"));
        client.start(move |reactor| {
            for _ in 0..2 {
                reactor.connect_tcp(("server", 80), for_protocol(|_| Chatter { left: 10 }));
            }
            reactor.call_in_thread(|| ());
            let again = reactor.clone();
            reactor.call_later(ms(40 * number), move || {
                again.connect_tcp(("server", 80), for_protocol(|_| Chatter { left: 3 }));
            });
        });
        if number % 5 == 0 {
            let link = sim.link(&server, &client);
            sim.at_random(ms(10), ms(500), move |sim| {
                link.partition();
                sim.at(ms(100), move |_| link.heal());
            });
        }
    }
    sim.at_random(ms(300), ms(600), |sim| {
        sim.hosts()[0].crash();
        sim.at(secs(2), |sim| sim.hosts()[0].restart());
    });
    sim.limit_time(secs(3600));
    let _ = sim.run();
    sim
}

#[test]
fn one_seed_gives_one_run() {
    for seed in [1, 2, 3] {
        let (one, two) = (busy(seed).trace(), busy(seed).trace());
        if let Some(divergence) = Divergence::between(&one, &two) {
            panic!("{divergence}");
        }
        assert_eq!(one.hash(), two.hash());
        assert!(one.count() > 5_000, "something happens: {}", one.count());
        assert_eq!(one, two);
    }
}

#[test]
fn seeds_differ() {
    let hashes: std::collections::BTreeSet<u64> = (0..10).map(|seed| busy(seed).trace_hash()).collect();
    assert_eq!(hashes.len(), 10);
}

#[test]
fn the_seed_of_the_world_is_that_of_its_reactors() {
    let seeds = |seed| {
        let sim = Sim::new(seed);
        let host = sim.host("host");
        let other = sim.host("other");
        [host, other].map(|host| host.reactor().kernel().unwrap().seed())
    };
    assert_eq!(seeds(1), seeds(1));
    assert_ne!(seeds(1), seeds(2));
    assert_ne!(seeds(1)[0], seeds(1)[1]);
}

/// Calls of the bare kernel, without a reactor's share, so that the number changes only with the network itself.
fn bare() -> Trace {
    let sim = Sim::new(42);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.link(&server, &client).latency(ms(5)).jitter(ms(1)).loss(0.1);
    let (server, client) = (server.build(Reactor::builder()), client.build(Reactor::builder()));
    let (server, client) = (server.kernel().unwrap(), client.kernel().unwrap());
    let listener = server.listen_stream("0.0.0.0:80".parse().unwrap(), &ListenOptions::default()).unwrap();
    listener.register(Token::new(0, 0)).unwrap();
    let socket = client.connect_stream("10.0.0.1:80".parse().unwrap(), &ConnectOptions::default()).unwrap();
    sim.run().expect_done();
    let accepted = listener.accept().unwrap();
    for size in [1, 100, 5_000] {
        socket.send(&[std::io::IoSlice::new(&vec![3; size])]).unwrap();
        sim.run().expect_done();
        let mut scratch = [0; 10_000];
        assert_eq!(accepted.socket.recv(&mut scratch).unwrap().len(), size);
    }
    drop(socket);
    sim.run().expect_done();
    sim.trace()
}

#[test]
fn the_hash_is_the_same_in_every_build_and_on_every_machine() {
    let trace = bare();
    assert_eq!(trace.hash(), 8_538_111_325_977_661_779, "{trace}");
}

#[test]
fn the_kept_events_change_nothing_about_the_hash() {
    let two = Two::new(ms(10));
    two.sim.keep_trace(5);
    two.connect(two.server_side(), two.client_side());
    let other = Two::new(ms(10));
    other.connect(other.server_side(), other.client_side());
    assert_eq!(two.sim.trace_hash(), other.sim.trace_hash());
    assert_eq!(two.sim.trace().events().len(), 5);
    assert_eq!(two.sim.trace().count(), other.sim.trace().events().len() as u64);
    other.sim.keep_trace(0);
    assert!(other.sim.trace().events().is_empty());
    let divergence = Divergence::between(&other.sim.trace(), &two.sim.trace());
    assert!(divergence.is_none(), "the hashes agree, whatever was kept");
}

#[test]
fn a_divergence_shows_where_and_what_led_up_to_it() {
    let run = |extra: bool| {
        let two = Two::new(ms(10));
        let side = two.client_side().made(move |transport| {
            transport.write(if extra { b"one more" } else { b"the same" });
            if extra {
                transport.write(b"!");
            }
        });
        two.connect(two.server_side(), side);
        two.sim.run().expect_done();
        two.sim.trace()
    };
    let divergence = Divergence::between(&run(false), &run(true)).expect("they differ");
    assert_eq!(divergence.before().len(), 20);
    let text = divergence.to_string();
    assert!(text.contains("< ") && text.contains("> "), "{text}");
    assert!(text.contains("Send -> Count(8)") && text.contains("Send -> Count(9)"), "{text}");
    let [left, right] = divergence.events();
    assert_eq!(left.as_ref().map(|event| event.number), Some(divergence.number()));
    assert_eq!(left.as_ref().map(|event| event.at), right.as_ref().map(|event| event.at));
    assert!(Divergence::between(&run(true), &run(true)).is_none());
}

#[test]
fn a_trace_has_what_a_picture_needs() {
    let two = Two::new(ms(10));
    two.connect(two.server_side().echo(), two.client_side().says(b"hello".to_vec()));
    two.sim.run().expect_done();
    two.server.crash();
    let trace = two.sim.trace();
    let has = |fits: &dyn Fn(&twistor_sim::TraceEvent) -> bool| trace.events().iter().any(fits);
    assert!(has(&|event| matches!(event.what, Happening::Dialed { .. })
        && event.socket == Some(SocketId::Client(0))
        && event.host.as_deref() == Some("client")));
    assert!(has(&|event| event.what == Happening::Delivered { bytes: 5 }
        && event.socket == Some(SocketId::Server(0))
        && event.at.as_nanos() == 30_000_000));
    assert!(has(&|event| event.what == Happening::Callback("data_received".into())));
    assert!(has(&|event| event.what == Happening::Crashed && event.host.as_deref() == Some("server")));
    assert_eq!(SocketId::Server(3).connection(), Some(3));
    assert_eq!(SocketId::Listener(3).connection(), None);
    let lines = trace.to_string();
    assert!(lines.contains("server server 0: 5 bytes arrive"), "{lines}");
}

#[test]
fn a_hand_turned_reactor_is_part_of_the_world() {
    let sim = Sim::new(9);
    let server = sim.host("server");
    server.start(|reactor| {
        reactor.listen_tcp(("0.0.0.0", 80), for_protocol(|_| Echo)).unwrap();
    });
    let mut reactor = sim.host("client").build(Reactor::builder());
    let got = Rc::new(RefCell::new(Vec::new()));
    struct Once(Rc<RefCell<Vec<u8>>>);
    impl Protocol for Once {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(b"hello");
        }
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            self.0.borrow_mut().extend_from_slice(data);
            transport.reactor().stop().unwrap();
        }
    }
    let into = Rc::clone(&got);
    reactor.connect_tcp(("server", 80), for_protocol(move |_| Once(Rc::clone(&into))));
    reactor.run().unwrap();
    assert_eq!(*got.borrow(), b"hello");
    assert!(sim.now().as_nanos() >= Duration::from_millis(4).as_nanos() as u64);
}

#[test]
fn a_hand_turned_reactor_for_which_nothing_can_happen_says_so() {
    let mut reactor = Sim::solo(77);
    let error = reactor.run().expect_err("it would wait for ever");
    let text = format!("{error:?}");
    assert!(text.contains("seed 77"), "{text}");
}
