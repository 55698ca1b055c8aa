//! How a world goes on and ends: runs, limits, reports, and work that comes from outside of a turn.

mod sim_support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::deferred;
use twistor_net::{ReactorTcp, Transport, for_protocol};
use twistor_reactor::{Moment, Phase, Reactor, ReactorHandle};
use twistor_sim::{Sim, StallCause};

use self::sim_support::{Side, Two, ms, secs};

fn now(sim: &Sim) -> Duration {
    sim.now().saturating_duration_since(Moment::ZERO)
}

#[test]
fn an_empty_world_is_done_at_once() {
    let sim = Sim::new(1);
    assert!(sim.run().is_done());
    assert!(!sim.step());
    assert!(sim.run_for(secs(5)).is_done());
    assert_eq!(now(&sim), secs(5));
}

#[test]
fn test_14_timers_are_called_at_their_moment_and_in_order() {
    let sim = Sim::new(1);
    let calls = Rc::new(RefCell::new(Vec::new()));
    for name in ["a", "b"] {
        let calls = Rc::clone(&calls);
        sim.host(name).start(move |reactor| {
            for delay in [30, 10, 20] {
                let (calls, handle) = (Rc::clone(&calls), reactor.clone());
                reactor.call_later(ms(delay), move || {
                    assert_eq!(handle.now().saturating_duration_since(Moment::ZERO), ms(delay));
                    calls.borrow_mut().push(format!("{name} {delay}"));
                });
            }
        });
    }
    sim.run().expect_done();
    assert_eq!(*calls.borrow(), ["a 10", "b 10", "a 20", "b 20", "a 30", "b 30"]);
    assert_eq!(now(&sim), ms(30));
}

#[test]
fn run_for_lets_happen_what_is_due_at_its_end_and_nothing_more() {
    let sim = Sim::new(1);
    let fired = Rc::new(Cell::new(0));
    for delay in [10, 11] {
        let fired = Rc::clone(&fired);
        sim.host(&format!("host {delay}"))
            .reactor()
            .call_later(ms(delay), move || fired.set(fired.get() + 1));
    }
    sim.run_for(ms(10)).expect_done();
    assert_eq!((fired.get(), now(&sim)), (1, ms(10)));
    sim.run_for(ms(1)).expect_done();
    assert_eq!((fired.get(), now(&sim)), (2, ms(11)));
}

#[test]
fn test_14_actions_happen_in_the_order_of_their_plans() {
    let sim = Sim::new(1);
    let calls = Rc::new(RefCell::new(Vec::new()));
    for (name, delay) in [("second", 20), ("first", 10), ("third", 20)] {
        let calls = Rc::clone(&calls);
        sim.at(ms(delay), move |_| calls.borrow_mut().push(name));
    }
    sim.run().expect_done();
    assert_eq!(*calls.borrow(), ["first", "second", "third"]);
}

#[test]
fn test_11_a_condition_that_cannot_be_met_gives_a_report() {
    let two = Two::new(ms(10));
    two.sim.set_buffers(10, 10);
    two.server_side().made(Transport::pause_producing).listens(&two.server, 80);
    two.client_side().says(vec![1; 100]).connects(&two.client, ("server", 80));
    let third = two.sim.host("third");
    two.sim.link(&two.server, &third).partition_from(&third);
    two.sim.name_silent("nobody");
    two.client_side().connects(&third, ("nobody", 80));
    let outcome = two.sim.run_until(|| two.diary.has("client lost done"));
    let stalled = outcome.stalled().expect("nobody reads");
    assert_eq!(stalled.cause, StallCause::Quiet);
    let text = stalled.to_string();
    for part in [
        "nothing can happen any more",
        "seed 1",
        "host server",
        "listens on 0.0.0.0:80",
        "cut: third to server",
        "connection 0, client 10.0.0.2:20000 to server 10.0.0.1:80: client of reactor 1 open, 10 bytes unsent; \
         server of reactor 0 open, 10 bytes unread",
        "looks up `nobody` since 0.000000000 s, not answered",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[test]
fn a_report_names_what_is_held_and_who_is_not_answered() {
    let two = Two::new(ms(10));
    let link = two.sim.link(&two.server, &two.client);
    let again = link.clone();
    let client = two.client_side().made(move |transport| {
        again.partition();
        transport.write(b"held");
    });
    two.connect_and_run(client);
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run_for(secs(10)).expect_done();
    let report = two.sim.report();
    let text = report.to_string();
    assert!(text.contains("2 segments with 4 bytes held"), "{text}");
    assert!(text.contains("not there: the handshake was not answered"), "{text}");
    assert!(text.contains("planned: "), "{text}");
    assert_eq!(report.lines()[0], "seed 1, at 10.500000000 s");
    link.heal();
}

impl Two {
    fn connect_and_run(&self, client: Side) {
        self.server_side().listens(&self.server, 80);
        client.connects(&self.client, ("10.0.0.1", 80));
        self.sim.run_for(ms(500)).expect_done();
    }
}

fn again_and_again(reactor: &ReactorHandle, pause: Duration) {
    let next = reactor.clone();
    reactor.call_later(pause, move || again_and_again(&next, pause));
}

#[test]
fn a_loop_with_pauses_ends_at_the_limit_of_time() {
    let sim = Sim::new(1);
    sim.host("host").start(|reactor| again_and_again(reactor, secs(1)));
    sim.limit_time(secs(100));
    let outcome = sim.run();
    let stalled = outcome.stalled().expect("it goes on for ever");
    assert_eq!(stalled.cause, StallCause::Time(secs(100)));
    assert_eq!(now(&sim), secs(100));
    assert!(stalled.to_string().contains("1 timers"), "{stalled}");
    // The limit counts anew.
    assert!(sim.run().stalled().is_some());
    assert_eq!(now(&sim), secs(200));
}

#[test]
fn a_loop_without_pauses_ends_at_the_limit_of_steps() {
    let sim = Sim::new(1);
    sim.host("host").start(|reactor| again_and_again(reactor, Duration::ZERO));
    sim.limit_steps_at_once(1_000);
    assert_eq!(sim.run().stalled().map(|stalled| stalled.cause), Some(StallCause::Spins(1_000)));
    assert_eq!(now(&sim), Duration::ZERO);
}

#[test]
fn turns_are_limited_too() {
    let sim = Sim::new(1);
    sim.host("host").start(|reactor| again_and_again(reactor, ms(1)));
    sim.limit_turns(50);
    assert_eq!(sim.run_for(secs(10)).stalled().map(|stalled| stalled.cause), Some(StallCause::Turns(50)));
}

#[test]
fn a_run_within_its_limits_is_not_stalled_by_them() {
    let sim = Sim::new(1);
    sim.limit_time(secs(1));
    sim.host("host").reactor().call_later(secs(1), || ());
    assert!(sim.run().is_done());
}

#[test]
fn steps_go_one_by_one() {
    let sim = Sim::new(1);
    let reactor = sim.host("host").reactor();
    let fired = Rc::new(Cell::new(false));
    let flag = Rc::clone(&fired);
    reactor.call_later(secs(1), move || flag.set(true));
    let mut steps = 0;
    while !fired.get() {
        assert!(sim.step());
        steps += 1;
    }
    assert!(steps <= 3, "{steps}");
    assert_eq!(now(&sim), secs(1));
}

#[test]
fn work_that_comes_from_outside_of_a_turn_is_found() {
    let sim = Sim::new(1);
    let (a, b) = (sim.host("a"), sim.host("b"));
    let (a, b) = (a.reactor(), b.reactor());
    sim.run().expect_done();
    let told = Rc::new(RefCell::new(Vec::new()));
    let note = |what: &'static str| {
        let told = Rc::clone(&told);
        move || told.borrow_mut().push(what)
    };
    // From the test itself.
    a.call_later(secs(1), note("a timer of the test"));
    let from_test = note("a notification of the test");
    b.notify(move |_| from_test());
    sim.run().expect_done();
    // From another reactor's callback, and from an action.
    let (timer, notification) =
        (note("a timer of another reactor"), note("a notification of another reactor"));
    let other = b.clone();
    a.call_later(secs(1), move || {
        other.call_later(secs(1), timer);
        other.notify(move |_| notification());
    });
    let (other, from_action) = (b, note("a notification of an action"));
    sim.at(ms(1_500), move |_| other.notify(move |_| from_action()));
    sim.run().expect_done();
    assert_eq!(
        *told.borrow(),
        [
            "a notification of the test",
            "a timer of the test",
            "a notification of another reactor",
            "a notification of an action",
            "a timer of another reactor",
        ]
    );
    assert_eq!(now(&sim), secs(3));
}

#[test]
fn a_reactor_that_another_one_stops_stops_at_once() {
    let sim = Sim::new(1);
    let (a, b) = (sim.host("a").reactor(), sim.host("b").reactor());
    sim.run().expect_done();
    let (victim, at) = (b.clone(), Rc::new(Cell::new(None)));
    a.call_later(secs(1), move || victim.stop().unwrap());
    let (seen, handle) = (Rc::clone(&at), b.clone());
    let trigger = b.add_system_event_trigger(Phase::During, "shutdown", move |_| {
        seen.set(Some(handle.now()));
    });
    let _ = trigger;
    // Something later, so that the world does not end before.
    a.call_later(secs(100), || ());
    sim.run().expect_done();
    assert_eq!(at.get().map(|at: Moment| at.as_nanos()), Some(1_000_000_000));
    assert!(sim.report().to_string().contains("reactor 1, stopped"));
}

#[test]
fn a_write_from_outside_is_sent_at_its_moment() {
    let two = Two::new(ms(10));
    let held = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&held);
    let client = two.client_side().made(move |transport| *keep.borrow_mut() = Some(transport.clone()));
    two.connect(two.server_side(), client);
    sim_idle(&two.sim);
    let transport: Transport = held.borrow_mut().take().unwrap();
    let begin = now(&two.sim);
    two.sim.at(secs(1), move |_| {
        transport.write(b"from outside");
    });
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("server got 12"), begin + secs(1) + ms(10));
}

#[test]
fn a_resume_from_outside_is_heard_at_its_moment() {
    let two = Two::new(ms(10));
    let held = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&held);
    let server = two.server_side().made(move |transport| {
        transport.pause_producing();
        *keep.borrow_mut() = Some(transport.clone());
    });
    two.connect(server, two.client_side().says(b"waiting".to_vec()));
    sim_idle(&two.sim);
    let transport: Transport = held.borrow_mut().take().unwrap();
    let begin = now(&two.sim);
    two.sim.at(secs(1), move |_| transport.resume_producing());
    two.client.reactor().call_later(secs(5), || ());
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("server got 7"), begin + secs(1));
}

#[test]
fn a_deferred_that_is_fired_from_outside_lets_a_shutdown_go_on() {
    let sim = Sim::new(1);
    let reactor = sim.host("host").reactor();
    sim.run().expect_done();
    let (promise, waited_for) = deferred::<()>();
    let waited_for = Cell::new(Some(waited_for));
    reactor.add_system_event_trigger(Phase::Before, "shutdown", move |_| waited_for.take());
    reactor.stop().unwrap();
    sim.run_for(secs(1)).expect_done();
    assert!(reactor.is_running(), "it waits");
    promise.fire(Ok(()));
    sim.run().expect_done();
    assert!(!reactor.is_running());
    assert_eq!(now(&sim), secs(1), "not when its patience ended");
}

#[test]
fn a_reactor_that_another_one_crashes_ends_before_its_timers() {
    let sim = Sim::new(1);
    let (a, b) = (sim.host("a").reactor(), sim.host("b").reactor());
    let (victim, fired) = (b.clone(), Rc::new(Cell::new(false)));
    let flag = Rc::clone(&fired);
    b.call_later(secs(5), move || flag.set(true));
    a.call_later(secs(1), move || victim.crash());
    sim.run().expect_done();
    assert!(!fired.get());
    assert_eq!(now(&sim), secs(1));
}

fn sim_idle(sim: &Sim) {
    sim.run().expect_done();
}

#[test]
fn jobs_run_in_line_or_take_their_time() {
    let sim = Sim::new(1);
    let reactor = sim.host("host").reactor();
    let when = Rc::new(RefCell::new(Vec::new()));
    let ask = |name: &'static str| {
        let (when, handle) = (Rc::clone(&when), reactor.clone());
        reactor.defer_to_thread(move || Ok(name)).add_callback(move |name| {
            when.borrow_mut().push((name, handle.now().as_nanos() / 1_000_000));
        })
    };
    let first = ask("at once");
    sim.run().expect_done();
    sim.set_job_time(ms(100));
    reactor.suggest_thread_pool_size(2);
    let rest = [ask("one"), ask("two"), ask("three")];
    sim.run().expect_done();
    assert_eq!(*when.borrow(), [("at once", 0), ("one", 100), ("two", 100), ("three", 200)]);
    drop((first, rest));
}

#[test]
fn signals_reach_the_reactors_of_a_host() {
    let sim = Sim::new(1);
    let (host, other) = (sim.host("host"), sim.host("other"));
    let reactor = host.reactor();
    sim.run().expect_done();
    const SIGTERM: i32 = 15;
    const SIGUSR1: i32 = 10;
    host.signal(SIGUSR1);
    host.signal(SIGTERM);
    sim.run().expect_done();
    assert!(!reactor.is_running(), "SIGTERM stops it");
    assert_eq!(host.unhandled_signals(), [SIGUSR1]);
    assert!(other.unhandled_signals().is_empty());
}

#[test]
fn a_hand_turned_reactor_sleeps_in_virtual_time() {
    let sim = Sim::new(1);
    let mut reactor = sim.host("host").build(Reactor::builder());
    reactor.start().unwrap();
    reactor.iterate(Some(secs(5))).unwrap();
    assert_eq!(now(&sim), secs(5));
    // A timer of another host is kept meanwhile, and its action seen.
    let fired = Rc::new(Cell::new(false));
    let flag = Rc::clone(&fired);
    sim.host("other").reactor().call_later(secs(3), move || flag.set(true));
    reactor.iterate(Some(secs(2))).unwrap();
    assert!(!fired.get());
    reactor.iterate(Some(secs(2))).unwrap();
    assert!(fired.get());
    assert_eq!(now(&sim), secs(9));
    // Another thread's call ends a wait.
    let remote = reactor.remote();
    sim.at(secs(1), move |_| remote.call_from_thread(|_| ()).unwrap());
    reactor.iterate(None).unwrap();
    assert_eq!(now(&sim), secs(10));
}

#[test]
fn a_hand_turned_reactor_hears_others_while_it_waits() {
    let sim = Sim::new(1);
    let mut reactor = sim.host("host").build(Reactor::builder());
    reactor.start().unwrap();
    let told = Rc::new(Cell::new(0));
    let (handle, count) = (reactor.handle(), Rc::clone(&told));
    sim.host("other").reactor().call_later(secs(1), move || {
        let (notified, timed) = (Rc::clone(&count), Rc::clone(&count));
        handle.notify(move |_| notified.set(notified.get() + 1));
        // A clock is read by whoever asks, so it counts from now and not from when the wait began.
        handle.call_later(secs(2), move || timed.set(timed.get() + 10));
    });
    reactor.iterate(None).unwrap();
    reactor.iterate(Some(Duration::ZERO)).unwrap();
    assert_eq!((told.get(), now(&sim)), (1, secs(1)));
    reactor.iterate(None).unwrap();
    reactor.iterate(Some(Duration::ZERO)).unwrap();
    assert_eq!((told.get(), now(&sim)), (11, secs(3)));
}

#[test]
fn a_world_cannot_be_run_from_inside() {
    let sim = Sim::new(1);
    sim.at(secs(1), |sim| drop(sim.run()));
    let text = twistor_deferred::contain(|| drop(sim.run())).expect_err("it runs already");
    assert!(text.contains("cannot be run from inside"), "{text}");
    assert!(sim.run().is_done(), "and is not broken by it");
}

#[test]
fn a_hand_turned_reactor_whose_host_crashed_ends() {
    let sim = Sim::new(1);
    let host = sim.host("host");
    let mut reactor = host.build(Reactor::builder());
    reactor.call_later(secs(10), || ());
    sim.at(secs(1), move |_| host.crash());
    let error = reactor.run().expect_err("its machine is gone");
    assert!(format!("{error:?}").contains("NetworkDown"), "{error:?}");
}

#[test]
fn the_time_of_day_begins_where_it_is_told_to() {
    let sim = Sim::new(1);
    let kernel = sim.host("host").reactor().kernel().unwrap();
    let begin = std::time::SystemTime::UNIX_EPOCH + secs(1_000);
    sim.set_wall_clock(begin);
    sim.run_for(secs(5)).expect_done();
    assert_eq!(kernel.wall_time(), begin + secs(5));
    assert!(kernel.descriptors().is_err(), "there are none to watch");
    assert!(kernel.poll_fd().is_none());
}

#[test]
fn names_and_addresses_of_hosts_are_their_own() {
    let sim = Sim::new(1);
    let host = sim.host("host");
    assert_eq!(host.address().to_string(), "10.0.0.1");
    assert_eq!(host.addresses()[1].to_string(), "fd00::1");
    assert_eq!(sim.host("other").address().to_string(), "10.0.0.2");
    assert_eq!(sim.hosts().iter().map(twistor_sim::Host::name).collect::<Vec<_>>(), ["host", "other"]);
    let twice = twistor_deferred::contain(|| drop(sim.host("HOST")));
    assert!(twice.is_err_and(|text| text.contains("taken")));
    let address = twistor_deferred::contain(|| drop(sim.host_with("third", ["10.0.0.1".parse().unwrap()])));
    assert!(address.is_err_and(|text| text.contains("taken")));
    let _lonely = sim.host_with("lonely", []);
}

#[test]
fn kernels_are_shown_without_their_world() {
    let sim = Sim::new(1);
    let host = sim.host("host");
    let reactor = host.reactor();
    let text = format!("{sim:?} {host:?} {:?} {reactor:?}", sim.link(&host, &host));
    assert!(text.contains("seed: 1") && text.contains("\"host\""), "{text}");
    assert!(reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Nothing)).is_ok());
}

struct Nothing;
impl twistor_net::Protocol for Nothing {}
