//! Faults of a kernel's calls: each kind, where and how often they strike, and a mix of all.

mod sim_support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{Factory, ReactorTcp, for_protocol};
use twistor_sim::{Call, CallOutcome, Chaos, Fault, Happening, Sim, Target, Trace, errno};

use self::sim_support::{Two, ms, secs};

/// How many calls a fault had its hand in, by the outcome.
fn struck(trace: &Trace, call: Call) -> Vec<CallOutcome> {
    let mut all = Vec::new();
    for event in trace.events() {
        if let Happening::Call { call: other, outcome, fault: true } = event.what {
            if other == call {
                all.push(outcome);
            }
        }
    }
    all
}

/// An echo of 10,000 bytes under `fault`; what came back is what was sent.
fn echo_under(fault: Fault) -> (Two, u64) {
    let two = Two::new(ms(10));
    let installed = two.sim.fault(fault);
    let sent: Vec<u8> = (0..10_000_u32).map(|number| (number % 251) as u8).collect();
    let back = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&back);
    let client = two.client_side().got(move |transport, data| {
        into.borrow_mut().extend_from_slice(data);
        if into.borrow().len() == 10_000 {
            transport.lose_connection();
        }
    });
    two.connect(two.server_side().echo(), client.says(sent.clone()));
    two.sim.run().expect_done();
    assert_eq!(*back.borrow(), sent);
    assert!(
        two.diary.has("client lost done") && two.diary.has("server lost done"),
        "{:?}",
        two.diary.texts()
    );
    (two, installed.used())
}

#[test]
fn short_reads_and_writes_change_only_the_pieces() {
    for call in [Call::Recv, Call::Send] {
        let (two, used) = echo_under(Fault::short(call).chance(0.5));
        assert!(used >= 3, "{call:?} was short {used} times");
        assert!(
            struck(&two.sim.trace(), call)
                .iter()
                .any(|outcome| matches!(outcome, CallOutcome::Count(1..=4096)))
        );
    }
    let (two, used) = echo_under(Fault::short_to(Call::Recv, 7));
    assert!(used > 2_000, "{used}");
    assert!(two.diary.texts().contains(&"server got 7".to_owned()));
}

#[test]
fn what_would_block_for_nothing_comes_again() {
    for call in [Call::Recv, Call::Send, Call::ConnectProgress] {
        let (two, used) = echo_under(Fault::would_block(call).times(2).delay(ms(3)));
        assert_eq!(used, 2, "{call:?}");
        let expected = if call == Call::ConnectProgress { 2 } else { struck(&two.sim.trace(), call).len() };
        assert_eq!(struck(&two.sim.trace(), call), vec![CallOutcome::WouldBlock; expected]);
    }
    let (two, used) = echo_under(Fault::would_block(Call::Accept).times(1));
    assert_eq!(used, 1);
    assert!(two.diary.at("server made") > ms(30));
}

#[test]
fn errors_of_the_moment_pass() {
    for (call, code) in [
        (Call::Recv, errno::EINTR),
        (Call::Send, errno::EINTR),
        (Call::Send, errno::ENOBUFS),
        (Call::Accept, errno::EINTR),
        (Call::Accept, errno::ECONNABORTED),
    ] {
        let (two, used) = echo_under(Fault::errno(call, code).times(3));
        assert_eq!(used, 3, "{call:?} {code}");
        assert_eq!(struck(&two.sim.trace(), call), [CallOutcome::Errno(code); 3]);
    }
}

#[test]
fn a_shortage_at_accept_sheds_who_waits_and_listening_goes_on() {
    for code in [errno::EMFILE, errno::ENFILE, errno::ENOBUFS] {
        let two = Two::new(ms(10));
        two.server_side().listens(&two.server, 80);
        two.sim.fault(Fault::errno(Call::Accept, code).times(1));
        two.client_side().connects(&two.client, ("10.0.0.1", 80));
        two.sim.run().expect_done();
        assert!(two.diary.has("client lost done"), "{:?}", two.diary.texts());
        two.client_side().connects(&two.client, ("10.0.0.1", 80));
        two.sim.run().expect_done();
        assert!(two.diary.has("server made"));
    }
}

#[test]
fn false_readiness_and_false_wakes_are_borne() {
    let (two, used) = echo_under(Fault::spurious().chance(0.5));
    assert!(used > 3 && two.diary.bytes("client") == 10_000);
    let (_, used) = echo_under(Fault::early_wake().chance(0.5));
    assert!(used > 3);
}

#[test]
fn an_error_that_lasts_ends_the_connection() {
    let two = Two::new(ms(10));
    two.sim.fault(Fault::errno(Call::Recv, errno::ECONNRESET).on(&two.server));
    two.connect(two.server_side(), two.client_side().says(b"hello".to_vec()));
    two.sim.run().expect_done();
    assert!(two.diary.has("server lost ConnectionReset"));
}

#[test]
fn a_fault_strikes_where_it_says_and_as_often() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    two.server_side().listens(&two.server, 81);
    let only =
        two.sim.fault(Fault::errno(Call::Accept, errno::ECONNABORTED).target(Target::Listener(81)).times(2));
    let other_host = two.sim.fault(Fault::errno(Call::Accept, errno::ECONNABORTED).on(&two.client));
    for port in [80, 81] {
        two.client_side().connects(&two.client, ("10.0.0.1", port));
    }
    two.sim.run().expect_done();
    assert_eq!((only.used(), other_host.used()), (2, 0));
    assert_eq!(two.diary.times("server made").len(), 2);
}

#[test]
fn the_first_rule_that_fits_decides() {
    let two = Two::new(ms(10));
    let first = two.sim.fault(Fault::errno(Call::Connect, errno::EMFILE).times(1));
    let second = two.sim.fault(Fault::errno(Call::Connect, errno::ENOBUFS).times(1));
    assert_eq!(two.sim.faults()[1].to_string(), "Connect fails with ENOBUFS, 1 times");
    for _ in 0..3 {
        two.client_side().connects(&two.client, ("10.0.0.1", 80));
    }
    two.sim.run().expect_done();
    assert_eq!((first.used(), second.used()), (1, 1));
    assert_eq!(two.diary.times("client failed bind").len(), 2);
    assert_eq!(two.diary.times("client failed refused").len(), 1);
    first.remove();
    assert_eq!(two.sim.faults().len(), 1);
    two.sim.clear_faults();
    assert!(two.sim.faults().is_empty());
}

#[test]
fn lookups_are_slow_or_fail() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    two.sim.fault(Fault::failed_lookup().times(1));
    two.sim.fault(Fault::slow_lookup(secs(2)));
    for _ in 0..5 {
        two.client_side().connects(&two.client, ("server", 80));
    }
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("client failed lookup").len(), 1);
    let times = two.diary.times("client made");
    assert_eq!(times.len(), 4);
    assert!(times.iter().all(|time| (ms(20)..=secs(2) + ms(20)).contains(time)), "{times:?}");
    assert!(times.iter().any(|time| *time > ms(21)));
}

#[test]
fn a_guard_takes_its_rule_back() {
    let sim = Sim::new(1);
    let guard = sim.fault(Fault::spurious()).guard();
    assert_eq!((sim.faults().len(), guard.used()), (1, 0));
    drop(guard);
    assert!(sim.faults().is_empty());
}

#[test]
fn the_dice_of_one_rule_do_not_move_those_of_another() {
    let strikes = |with_other: bool| {
        let two = Two::new(ms(10));
        let rule = two.sim.fault(Fault::short_to(Call::Recv, 100).chance(0.3));
        if with_other {
            // It throws its dice at every send, and never strikes.
            two.sim.fault(Fault::short(Call::Send).chance(0.0));
        }
        two.connect(two.server_side(), two.client_side().says(vec![0; 20_000]));
        two.sim.run().expect_done();
        (rule.used(), two.sim.trace_hash())
    };
    assert_eq!(strikes(false), strikes(true));
}

#[test]
fn chaos_has_a_level_and_a_list() {
    assert!(Chaos::new(0.0).faults().is_empty());
    let chaos = Chaos::new(0.5);
    assert!(chaos.faults().len() > 20);
    assert_eq!(chaos.without(3).faults().len(), chaos.faults().len() - 1);
    assert_eq!(chaos.without(1_000), chaos);
    assert_eq!(Chaos::of(chaos.faults().to_vec()), chaos);
    assert!(chaos.to_string().contains("Accept fails with ECONNABORTED, 5 %"), "{chaos}");
    assert_eq!(Chaos::new(7.0), Chaos::new(1.0), "one is the most");
}

#[test]
fn test_12_under_chaos_everything_ends_and_nothing_is_left_behind() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.chaos(0.7);
        sim.links().loss(0.05).jitter(ms(5));
        let port = Rc::new(RefCell::new(None));
        let keep = Rc::clone(&port);
        server.start(move |reactor| {
            let listening = reactor.listen_tcp(("0.0.0.0", 80), for_protocol(|_| Echo)).unwrap();
            *keep.borrow_mut() = Some(listening);
        });
        let over = Rc::new(Cell::new(0));
        for _ in 0..20 {
            let factory = Counting(Rc::clone(&over));
            client.reactor().connect_tcp(("server", 80), factory);
        }
        let ended = Rc::clone(&over);
        sim.run_until(|| ended.get() == 20).expect_done();
        assert_eq!(sim.run_for(secs(3600)).stalled().map(ToString::to_string), None);
        assert_eq!(client.descriptors(), 0, "seed {seed}: {}", sim.report());
        assert!(server.descriptors() >= 1);
    }
}

struct Echo;
impl twistor_net::Protocol for Echo {
    fn connection_made(&mut self, transport: &twistor_net::Transport) {
        transport.set_timeout(Some(Duration::from_secs(60)));
    }
    fn data_received(&mut self, transport: &twistor_net::Transport, data: &[u8]) {
        transport.write(data);
    }
}

struct Talker {
    got: usize,
}
impl twistor_net::Protocol for Talker {
    fn connection_made(&mut self, transport: &twistor_net::Transport) {
        transport.set_timeout(Some(Duration::from_secs(60)));
        transport.write(&[7; 3_000]);
    }
    fn data_received(&mut self, transport: &twistor_net::Transport, data: &[u8]) {
        assert!(data.iter().all(|byte| *byte == 7));
        self.got += data.len();
        assert!(self.got <= 3_000);
        if self.got == 3_000 {
            transport.lose_connection();
        }
    }
}

/// Counts the clients that are over, one way or the other.
struct Counting(Rc<Cell<usize>>);
impl Factory for Counting {
    type Protocol = Talker;
    fn build_protocol(&mut self, _: &twistor_net::Address) -> Option<Talker> {
        Some(Talker { got: 0 })
    }
    fn stop_factory(&mut self) {
        self.0.set(self.0.get() + 1);
    }
    fn noisy(&self) -> bool {
        false
    }
}
impl twistor_net::ClientFactory for Counting {}
