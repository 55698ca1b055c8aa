//! Machines that lose power, processes that end, and how both begin again.

mod sim_support;

use std::cell::Cell;
use std::rc::Rc;

use twistor_net::ReactorTcp;
use twistor_reactor::{Moment, Reactor};
use twistor_sim::Sim;

use self::sim_support::{Two, ms, secs};

#[test]
fn after_a_crash_the_peer_hears_nothing() {
    let two = Two::new(ms(10));
    two.connect(two.server_side(), two.client_side());
    two.server.crash();
    assert!(two.diary.has("server lost reactor gone"), "its own protocols are told");
    assert!(!two.server.is_up());
    two.sim.run().expect_done();
    assert!(!two.diary.texts().iter().any(|text| text.starts_with("client lost")));
    let report = two.sim.report().to_string();
    assert!(report.contains("host server, without power"), "{report}");
    assert!(report.contains("server lost with its machine"), "{report}");
}

#[test]
fn who_talks_to_a_crashed_host_gives_up() {
    let two = Two::new(ms(10));
    two.sim.set_patience(secs(60));
    let client = two.client_side().made(|transport| {
        let later = transport.clone();
        transport.reactor().call_later(secs(1), move || {
            later.write(b"are you there?");
        });
    });
    two.connect(two.server_side(), client);
    two.server.crash();
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client lost TimedOut"), ms(20) + secs(61));
}

#[test]
fn who_waits_for_room_at_a_crashed_host_gives_up_too() {
    for restarts in [false, true] {
        let two = Two::new(ms(10));
        two.sim.set_patience(secs(60));
        two.sim.set_buffers(100, 100);
        let server = two.server_side().made(|transport| transport.pause_producing());
        two.connect(server, two.client_side().says(vec![1; 1_000]));
        two.sim.run().expect_done();
        let begin = two.sim.now().saturating_duration_since(Moment::ZERO);
        two.server.crash();
        if restarts {
            two.sim.at(secs(5), |sim| sim.hosts()[0].restart());
        }
        two.sim.run().expect_done();
        match restarts {
            false => assert_eq!(two.diary.at("client lost TimedOut"), begin + secs(60)),
            true => assert_eq!(two.diary.at("client lost ConnectionReset"), begin + secs(5) + ms(20)),
        }
    }
}

#[test]
fn a_closed_end_does_not_wait_for_a_machine_that_is_gone() {
    let two = Two::new(ms(10));
    two.connect(two.server_side().stays(), two.client_side().made(|transport| transport.lose_connection()));
    two.sim.run_for(ms(100)).expect_done();
    assert!(two.diary.has("server read end"));
    two.server.crash();
    two.sim.run().expect_done();
    let report = two.sim.report().to_string();
    assert!(!report.contains("connection"), "{report}");
}

#[test]
fn who_waits_for_room_over_a_cut_way_goes_on_after_it() {
    let two = Two::new(ms(10));
    two.sim.set_buffers(100, 100);
    let kept = Rc::new(std::cell::RefCell::new(None));
    let keep = Rc::clone(&kept);
    let server = two.server_side().made(move |transport| {
        transport.pause_producing();
        *keep.borrow_mut() = Some(transport.clone());
    });
    two.connect(server, two.client_side().says(vec![1; 1_000]));
    two.sim.run().expect_done();
    let link = two.sim.link(&two.server, &two.client);
    link.partition();
    two.sim.run_for(secs(5)).expect_done();
    link.heal();
    let server = kept.borrow_mut().take().unwrap();
    server.resume_producing();
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("server"), 1_000);
    assert!(!two.diary.texts().iter().any(|text| text.contains("lost")), "{:?}", two.diary.texts());
}

#[test]
fn a_host_that_came_back_answers_what_it_does_not_know_with_a_reset() {
    let two = Two::new(ms(10));
    two.connect(two.server_side(), two.client_side().says(b"one".to_vec()));
    two.sim.run().expect_done();
    two.server.crash();
    let began = two.sim.now();
    two.sim.at(secs(5), |sim| sim.hosts()[0].restart());
    let client = two.client.reactor();
    assert_eq!(client.stats().connections, 1);
    // A new connection, and something on the old one.
    let again = two.client_side();
    two.sim.at(secs(6), move |sim| {
        again.connects(&sim.hosts()[1], ("10.0.0.1", 80));
    });
    two.sim.run().expect_done();
    assert!(!two.diary.texts().iter().any(|text| text.starts_with("client lost")), "the old one is idle");
    assert_eq!(two.diary.times("server made").len(), 2, "the boot listened again");
    assert!(two.sim.now() > began);
}

#[test]
fn what_was_sent_to_a_host_without_power_meets_nobody_after_its_restart() {
    let two = Two::new(ms(10));
    let client = two.client_side().made(|transport| {
        let later = transport.clone();
        transport.reactor().call_later(secs(1), move || {
            later.write(b"are you there?");
        });
    });
    two.connect(two.server_side(), client);
    two.server.crash();
    let begin = two.sim.now().saturating_duration_since(Moment::ZERO);
    two.sim.at(secs(5), |sim| sim.hosts()[0].restart());
    two.sim.run().expect_done();
    // Held until the restart, a latency there, and the reset a latency back.
    assert_eq!(two.diary.at("client lost ConnectionReset"), begin + secs(5) + ms(20));
}

#[test]
fn a_kill_closes_in_order() {
    let two = Two::new(ms(10));
    two.connect(two.server_side(), two.client_side());
    let at = two.sim.now().saturating_duration_since(Moment::ZERO);
    two.server.kill();
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert!(two.diary.has("server lost reactor gone"));
    assert_eq!(two.diary.at("client lost done"), at + ms(10), "a FIN");
    assert_eq!(two.diary.at("client failed refused"), at + ms(20), "the machine answers, nobody listens");
    assert!(two.sim.report().to_string().contains("host server, killed"));
}

#[test]
fn a_kill_closes_what_a_hand_turned_reactor_has() {
    let two = Two::new(ms(10));
    two.client_side().listens(&two.client, 80);
    let mut reactor = two.server.build(Reactor::builder());
    reactor.start().unwrap();
    reactor.connect_tcp(("client", 80), two.server_side());
    while !two.diary.has("server made") {
        reactor.iterate(None).unwrap();
    }
    two.sim.run().expect_done();
    let before = two.server.descriptors();
    two.server.kill();
    two.sim.run().expect_done();
    assert_eq!((before, two.server.descriptors()), (1, 0));
    assert!(two.diary.has("client lost done"), "{:?}", two.diary.texts());
    assert!(!two.diary.has("server lost reactor gone"), "the reactor is the caller's");
    assert!(reactor.iterate(None).is_err());
}

#[test]
fn nothing_that_a_dying_reactor_s_user_does_gets_out() {
    let two = Two::new(ms(10));
    struct LastWords;
    impl twistor_net::Protocol for LastWords {
        fn connection_lost(&mut self, transport: &twistor_net::Transport, _: &twistor_net::CloseReason) {
            transport.write(b"my last words");
            let reactor = transport.reactor();
            assert!(reactor.listen_tcp(("0.0.0.0", 99), twistor_net::for_protocol(|_| Self)).is_err());
            reactor.connect_tcp(("client", 99), twistor_net::for_protocol(|_| Self));
        }
    }
    two.server.start(|reactor| {
        reactor.listen_tcp(("0.0.0.0", 80), twistor_net::for_protocol(|_| LastWords)).unwrap();
    });
    two.server_side().listens(&two.client, 99);
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    two.server.crash();
    two.sim.run().expect_done();
    assert_eq!(two.diary.texts(), ["client made"]);
    assert_eq!(two.server.descriptors(), 0);
}

#[test]
fn a_host_may_crash_itself_in_a_callback() {
    let two = Two::new(ms(10));
    let server = two.server.clone();
    let side = two.server_side().got(move |transport, _| {
        server.crash();
        transport.write(b"unheard");
    });
    two.connect(side, two.client_side().says(b"die".to_vec()));
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("client"), 0);
    assert!(two.diary.has("server lost reactor gone"));
}

#[test]
fn a_host_may_restart_itself_in_a_callback() {
    let two = Two::new(ms(10));
    let server = two.server.clone();
    let side = two.server_side().got(move |_, _| server.restart());
    two.connect(side, two.client_side().says(b"again".to_vec()));
    two.sim.run().expect_done();
    assert!(two.diary.has("client lost done"), "{:?}", two.diary.texts());
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("server made").len(), 2);
}

#[test]
fn a_restart_calls_the_boots_in_order_on_new_reactors() {
    let sim = Sim::new(1);
    let host = sim.host("host");
    let calls = Rc::new(std::cell::RefCell::new(Vec::new()));
    for name in ["first", "second"] {
        let calls = Rc::clone(&calls);
        host.start(move |reactor| {
            assert!(!reactor.is_running(), "before its first turn");
            calls.borrow_mut().push(name);
        });
    }
    let old = host.reactor();
    assert!(old.is_running());
    host.restart();
    assert_eq!(*calls.borrow(), ["first", "second", "first", "second"]);
    assert!(old.is_gone());
    assert!(host.reactor().is_running());
}

#[test]
fn a_host_s_reactor_is_the_same_from_its_own_callbacks() {
    let sim = Sim::new(1);
    let host = sim.host("host");
    let reactor = host.reactor();
    let (inside, seen) = (host, Rc::new(Cell::new(0)));
    let count = Rc::clone(&seen);
    reactor.call_later(secs(1), move || count.set(inside.reactor().stats().timers_fired));
    sim.run().expect_done();
    assert_eq!(seen.get(), 1);
}

#[test]
fn a_host_that_is_down_boots_what_it_was_given_meanwhile() {
    let sim = Sim::new(1);
    let host = sim.host("host");
    host.crash();
    let boots = Rc::new(Cell::new(0));
    let count = Rc::clone(&boots);
    host.start(move |_| count.set(count.get() + 1));
    assert_eq!(boots.get(), 0);
    host.crash();
    host.kill();
    host.restart();
    assert_eq!(boots.get(), 1);
}

#[test]
fn a_crash_forgets_timers_and_jobs() {
    let sim = Sim::new(1);
    let host = sim.host("host");
    sim.set_job_time(secs(2));
    let reactor = host.reactor();
    let fired = Rc::new(Cell::new(0));
    let count = Rc::clone(&fired);
    reactor.call_later(secs(10), move || count.set(count.get() + 1));
    reactor.call_in_thread(|| panic!("it must not run"));
    sim.run_for(secs(1)).expect_done();
    host.crash();
    sim.run().expect_done();
    assert_eq!(fired.get(), 0);
    assert!(reactor.is_gone());
}

#[test]
fn random_plans_depend_on_the_seed_alone() {
    let when = |seed| {
        let sim = Sim::new(seed);
        let at = Rc::new(Cell::new(Moment::ZERO));
        let seen = Rc::clone(&at);
        sim.at_random(secs(10), secs(20), move |sim| seen.set(sim.now()));
        sim.run().expect_done();
        at.get().saturating_duration_since(Moment::ZERO)
    };
    assert_eq!(when(1), when(1));
    assert_ne!(when(1), when(2));
    assert!((secs(10)..=secs(20)).contains(&when(3)));
}

#[test]
fn a_world_ends_with_its_last_handle_and_tells_its_users() {
    let diary = {
        let two = Two::new(ms(10));
        two.connect(two.server_side(), two.client_side());
        two.diary
    };
    assert!(diary.has("server lost reactor gone"));
    assert!(diary.has("client lost reactor gone"));
}
