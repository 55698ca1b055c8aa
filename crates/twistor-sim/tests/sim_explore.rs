//! The search itself: what it finds, in which order, how small it gets it, and how it is repeated.

use std::cell::{Cell, RefCell};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use twistor_net::{Protocol, ReactorTcp, TcpClientOptions, Transport, for_protocol};
use twistor_sim::{Call, Case, Chaos, Explore, Fault, Trial, explore};

mod explore_support;

use explore_support::transfer::{Weather, mix, transfer};

/// A protocol of messages of eight bytes, whose author believes that each comes in one piece.
struct Messages {
    heard: Rc<Cell<u32>>,
}

impl Protocol for Messages {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        for message in data.chunks(8) {
            if message.len() == 8 {
                self.heard.set(self.heard.get() + 1);
            }
        }
    }
}

struct Sender;

impl Protocol for Sender {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"one.....two.....three...");
        transport.lose_connection();
    }
}

/// As many clients as the scale says send three messages each.
fn messages(trial: &Trial) -> Result<(), String> {
    let (server, client) = (trial.host("server"), trial.host("client"));
    let heard = Rc::new(Cell::new(0));
    let into = Rc::clone(&heard);
    server.start(move |reactor| {
        let into = Rc::clone(&into);
        reactor.listen_tcp(80, for_protocol(move |_| Messages { heard: Rc::clone(&into) })).unwrap();
    });
    for _ in 0..trial.scale() {
        let options = TcpClientOptions::new().timeout(None);
        client.reactor().connect_tcp_with(("server", 80), for_protocol(|_| Sender), options);
    }
    trial.run().expect_done();
    let (heard, sent) = (heard.get(), 3 * trial.scale());
    if heard == sent { Ok(()) } else { Err(format!("{heard} messages of {sent} came")) }
}

fn search() -> Explore {
    Explore::seeds(0..1_000).faults(Chaos::harmless(0.3)).scale(4)
}

#[test]
fn a_planted_bug_is_found_and_made_small() {
    let explored = search().run(messages);
    let found = explored.found().expect("the bug is found");
    assert!(found.repeats);
    assert_eq!(found.rules_before, 14);
    assert_eq!(found.rules.len(), 1, "{found}");
    assert!(found.rules[0].to_string().contains("takes a few bytes"), "{found}");
    let scale = found.shrunk.scale.expect("fewer than four clients are enough");
    assert!(scale < 4, "{found}");
    assert_eq!(found.shrunk.time, None, "the scenario does not ask for it");
    assert!(found.shrunk_what.ends_with(&format!("messages of {} came", 3 * scale)), "{found}");
    // It fails with what is left, and does not without it.
    let only = |case: Case| search().only(case).run(messages);
    assert!(!only(found.shrunk.clone()).is_clean());
    let mut nothing = found.shrunk.clone();
    nothing.rules = Some(Vec::new());
    assert!(only(nothing).is_clean());
}

#[test]
fn what_is_shown_repeats_it_in_one_line() {
    let explored = search().run(messages);
    let found = explored.found().expect("the bug is found");
    let text = found.to_string();
    let line = text.lines().find_map(|line| line.strip_prefix("repeat it: ")).expect("a line");
    let test = "what_is_shown_repeats_it_in_one_line";
    assert_eq!(line, format!("TWISTOR_SEED={} cargo test {test} -- --exact", found.shrunk));
    assert!(text.contains(&found.trace.to_string()) && found.trace.events().len() == 40, "{text}");
    let case: Case = found.shrunk.to_string().parse().unwrap();
    let again = search().only(case).run(messages);
    let again = again.found().expect("it fails again");
    assert_eq!((&again.what, &again.trace), (&found.shrunk_what, &found.trace));
}

/// What the next test starts once more with `TWISTOR_SEED`. By itself it is clean.
#[test]
fn from_the_environment() {
    let seeds = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&seeds);
    let explored = Explore::seeds(0..3).run(move |trial| {
        seen.lock().unwrap().push(trial.seed());
        if trial.seed() == 77 { Err("seventy-seven") } else { Ok(()) }
    });
    println!("seeds: {:?}", seeds.lock().unwrap());
    explored.expect_clean();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the name of this binary")]
fn the_environment_names_the_only_case() {
    if std::env::var("TWISTOR_SEED").is_ok() {
        return; // Somebody repeats another test of this file.
    }
    let run = |seed: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["from_the_environment", "--exact", "--nocapture"]).env("TWISTOR_SEED", seed);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let (passed, text) = run("5");
    assert!(passed && text.contains("seeds: [5]"), "{text}");
    let (passed, text) = run("77:rules=");
    assert!(!passed && text.contains("seed 77 fails") && text.contains("seventy-seven"), "{text}");
    let (passed, text) = run("seven");
    assert!(!passed && text.contains("TWISTOR_SEED is `seven`"), "{text}");
}

#[test]
fn the_first_seed_that_fails_is_reported_whatever_the_number_of_threads() {
    for threads in [1, 2, 3, 8] {
        let explored = Explore::seeds(0..500).threads(threads).run(|trial| {
            // The earlier ones take longer: others fail before them.
            let events = if trial.seed() < 60 { 2_000 } else { 1 };
            for _ in 0..events {
                trial.at(Duration::ZERO, |_| ());
            }
            trial.run().expect_done();
            if trial.seed() >= 53 { Err(format!("seed {}", trial.seed())) } else { Ok(()) }
        });
        let found = explored.found().expect("many fail");
        assert_eq!((found.seed, found.passed), (53, 53), "with {threads} threads");
        assert!(explored.runs() >= 54);
    }
    let backwards = Explore::seeds((0..100).rev()).run(|trial| match trial.seed() {
        90 | 10 => Err("one of two"),
        _ => Ok(()),
    });
    assert_eq!(backwards.found().map(|found| found.seed), Some(90), "the order is that of the seeds");
}

#[test]
fn panics_are_found_where_they_are() {
    let explored = explore(0..10, |trial| assert_ne!(trial.seed(), 4, "four is wrong"));
    let found = explored.found().expect("it panics");
    assert_eq!(found.seed, 4);
    assert!(found.what.contains("four is wrong") && found.what.contains("sim_explore.rs:"), "{found}");
}

/// Connects to an echo whose protocol panics at seed 3.
fn contained(trial: &Trial) {
    struct Panics(u64);
    impl Protocol for Panics {
        fn connection_made(&mut self, _transport: &Transport) {
            assert_ne!(self.0, 3, "three is wrong");
        }
    }
    let seed = trial.seed();
    let host = trial.host("host");
    host.start(move |reactor| {
        reactor.listen_tcp(80, for_protocol(move |_| Panics(seed))).unwrap();
        reactor.connect_tcp(("host", 80), for_protocol(|_| Sender));
    });
    trial.run().expect_done();
}

#[test]
fn panics_that_the_library_contains_are_found_unless_they_are_allowed() {
    let explored = explore(0..10, contained);
    let found = explored.found().expect("a callback panics");
    assert_eq!(found.seed, 3);
    assert!(found.what.contains("three is wrong"), "{found}");
    Explore::seeds(0..10).allow_contained_panics().run(contained).expect_clean();
}

#[test]
#[should_panic(expected = "seed 2 fails, after 2 that passed: no")]
fn a_failure_is_shown_by_a_test() {
    explore(0..5, |trial| if trial.seed() == 2 { Err("no") } else { Ok(()) }).expect_clean();
}

#[test]
fn a_stall_is_a_failure() {
    let explored = explore(0..3, |trial| trial.run_until(|| trial.seed() != 1));
    let found = explored.found().expect("a condition is never met");
    assert_eq!(found.seed, 1);
    assert!(found.what.contains("nothing can happen any more"), "{found}");
}

#[test]
fn a_scenario_that_does_not_repeat_is_found_out() {
    let runs = AtomicU64::new(0);
    let explored = Explore::seeds(0..100)
        .threads(1)
        .run(|_| if runs.fetch_add(1, Ordering::Relaxed) == 5 { Err("once") } else { Ok(()) });
    let found = explored.found().expect("it failed once");
    assert!(!found.repeats && found.to_string().contains("depends on more than its trial"), "{found}");
}

#[test]
fn time_is_made_shorter_for_those_who_ask_for_it() {
    let explored = Explore::seeds(0..1).time(Duration::from_secs(64)).run(|trial| {
        let late = Rc::new(RefCell::new(false));
        let into = Rc::clone(&late);
        trial.at(Duration::from_secs(5), move |_| *into.borrow_mut() = true);
        trial.run_for(trial.time()).expect_done();
        if *late.borrow() { Err("five seconds passed") } else { Ok(()) }
    });
    let found = explored.found().expect("64 seconds are more than five");
    assert_eq!(found.shrunk.time, Some(Duration::from_secs(8)));
    assert_eq!(found.shrunk.to_string(), "0:time=8000000000");
}

#[test]
fn progress_is_told_once_for_each_seed() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&told);
    let explored = Explore::seeds(10..60)
        .progress(move |progress| into.lock().unwrap().push((progress.done, progress.of, progress.seed)))
        .run(|_| ());
    assert_eq!(explored.runs(), 50);
    let mut told = told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    assert!(told.iter().all(|told| told.1 == Some(50)));
    told.sort_unstable_by_key(|told| told.2);
    assert_eq!(told.iter().map(|told| told.2).collect::<Vec<_>>(), (10..60).collect::<Vec<_>>());
}

#[test]
fn no_seeds_are_clean() {
    let explored = Explore::seeds([]).run(|_| -> () { panic!("nobody calls this") });
    assert!(explored.is_clean() && explored.runs() == 0);
}

/// The transfer of `examples/explore.rs`, with as many seeds as a test can wait for.
#[test]
fn a_transfer_is_clean_under_every_weather() {
    for weather in [Weather::Harmless, Weather::Resets, Weather::Forged, Weather::Crashes] {
        let search = Explore::seeds(0..70).faults(mix(weather)).scale(2);
        search.run(move |trial| transfer(trial, weather)).expect_clean();
    }
}

/// Found by the search: the event of data that came while the kernel still denied the connection was forgotten with the attempt.
#[test]
fn data_that_was_reported_to_the_attempt_is_read_by_the_connection() {
    struct Hears(Rc<Cell<usize>>);
    impl Protocol for Hears {
        fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
            self.0.set(self.0.get() + data.len());
        }
    }
    struct Speaks;
    impl Protocol for Speaks {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(b"hello");
        }
    }
    let sim = twistor_sim::Sim::new(1);
    let (server, client) = (sim.host("server"), sim.host("client"));
    let slow = Fault::would_block(Call::ConnectProgress).times(2).delay(Duration::from_secs(1));
    let slow = sim.fault(slow);
    server.start(|reactor| {
        reactor.listen_tcp(80, for_protocol(|_| Speaks)).unwrap();
    });
    let heard = Rc::new(Cell::new(0));
    let into = Rc::clone(&heard);
    let factory = for_protocol(move |_| Hears(Rc::clone(&into)));
    client.reactor().connect_tcp_with(("server", 80), factory, TcpClientOptions::new().timeout(None));
    sim.run().expect_done();
    assert_eq!(slow.used(), 2, "the connection was denied twice, the second time with the data there");
    assert_eq!(heard.get(), 5);
}
