//! The reactor's random numbers: from the world's seed over a simulated kernel, from the system's over the real one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_reactor::kernel::MioKernel;
use twistor_reactor::{Reactor, ReactorHandle, Rng};
use twistor_sim::{ScriptedKernel, Sim};

fn draws(rng: &Rng) -> Vec<u64> {
    (0..16).map(|_| rng.next_u64()).collect()
}

fn real() -> Reactor {
    Reactor::builder().handle_signals(false).build().unwrap()
}

#[test]
fn the_seed_of_the_world_decides_the_draws_of_its_reactors() {
    let of = |seed| {
        let sim = Sim::new(seed);
        ["a", "b"].map(|name| draws(&sim.host(name).reactor().rng()))
    };
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    let [a, b] = of(1);
    assert!(a.iter().all(|draw| !b.contains(draw)), "hosts have generators of their own");
}

#[test]
fn a_restarted_process_draws_anew_and_the_same_in_every_run() {
    let run = || {
        let sim = Sim::new(5);
        let host = sim.host("host");
        let lives = Rc::new(RefCell::new(Vec::new()));
        let into = Rc::clone(&lives);
        host.start(move |reactor| into.borrow_mut().push(draws(&reactor.rng())));
        host.crash();
        host.restart();
        Rc::try_unwrap(lives).map_or_else(|shared| shared.borrow().clone(), RefCell::into_inner)
    };
    let lives = run();
    assert_eq!(lives.len(), 2);
    assert_ne!(lives[0], lives[1]);
    assert_eq!(lives, run());
}

#[test]
fn every_real_reactor_has_a_seed_of_its_own() {
    let seeds: Vec<Vec<u64>> = (0..8).map(|_| draws(&real().rng())).collect();
    for (place, one) in seeds.iter().enumerate() {
        assert!(seeds[..place].iter().all(|other| other[0] != one[0]), "two of them begin alike: {seeds:?}");
    }
    // In other threads too, where the standard library's keys begin anew.
    #[expect(clippy::disallowed_methods, reason = "each thread has keys of its own to begin with")]
    let first = || std::thread::spawn(|| real().rng().next_u64()).join().unwrap();
    assert_ne!(first(), first());
}

#[test]
fn a_real_kernel_with_a_seed_repeats_itself_and_agrees_with_any_other_kernel() {
    let scripted = ScriptedKernel::new();
    scripted.set_seed(9);
    let reactors = [
        Reactor::builder().build_with(MioKernel::with_seed(9).unwrap()),
        Reactor::builder().build_with(MioKernel::with_seed(9).unwrap()),
        Reactor::builder().build_with(scripted),
    ];
    for reactor in &reactors {
        assert_eq!(draws(&reactor.rng()), draws(&Rng::seeded(9)));
    }
}

/// All handles of a reactor share one generator, which outlives it; a fork is another one.
#[track_caller]
fn assert_shared(reactor: Reactor) {
    let handle: ReactorHandle = reactor.handle();
    let copy = reactor.rng();
    let fork = copy.fork();
    let drawn = [handle.rng().next_u64(), copy.next_u64(), reactor.rng().next_u64(), fork.next_u64()];
    drop(reactor);
    let after = handle.rng().next_u64();
    let mut all = drawn.to_vec();
    all.push(after);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5, "each draw is another one");
}

#[test]
fn handles_share_the_generator() {
    assert_shared(real());
    assert_shared(Sim::solo(3));
    assert_shared(Reactor::builder().build_with(ScriptedKernel::new()));
}

#[test]
fn draws_of_the_users_do_not_move_the_world() {
    let run = |draws: usize| {
        let sim = Sim::new(11);
        sim.links().jitter(Duration::from_millis(5)).loss(0.2);
        let moments = Rc::new(RefCell::new(Vec::new()));
        let into = Rc::clone(&moments);
        let host = sim.host("host");
        host.start(move |reactor| {
            for _ in 0..draws {
                let _ = reactor.rng().next_u64();
            }
        });
        for _ in 0..5 {
            let into = Rc::clone(&into);
            sim.at_random(Duration::ZERO, Duration::from_secs(1), move |sim| {
                into.borrow_mut().push(sim.now());
            });
        }
        sim.run().expect_done();
        drop(host);
        (moments.borrow().clone(), sim.trace_hash())
    };
    assert_eq!(run(0), run(1_000));
}
