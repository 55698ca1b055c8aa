//! The library against a small model of what Deferreds are to do: random programs, run with both, must be observed to do
//! the same: who runs when and hears what, who is dropped when, what is woken, what is logged, what is said of the state.

mod plain;
mod program;
mod real;

use std::rc::Rc;

use plain::Model;
pub(crate) use program::program;
use program::{Step, run};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use real::World;

/// Runs `steps` both ways, compares, and gives the journal.
#[track_caller]
pub(crate) fn check(steps: &[Step]) -> Vec<String> {
    let mut model = Model::default();
    run(&mut model, steps);
    model.note("end".to_owned());
    let mut world = World::new();
    run(&mut world, steps);
    let journal = world.journal();
    for (number, pair) in journal.iter().zip(&model.journal).enumerate() {
        let before = &journal[number.saturating_sub(12)..number];
        assert_eq!(pair.0, pair.1, "the library (left) and the model (right) differ after {before:#?}");
    }
    assert_eq!(journal.len(), model.journal.len(), "one of the two goes on");
    if !model.leaks() {
        assert_eq!(Rc::strong_count(&world), 1, "something is left in memory");
    }
    journal
}

/// 5,120 programs; `PROPTEST_CASES=10000` makes it 200,000.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases * 20,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::XorShift,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn def_01_16_31_random_programs_do_what_the_model_does(steps in program(3)) {
        check(&steps);
    }
}

/// The programs are worth nothing if they never come to the places where something could go wrong.
#[test]
fn the_programs_come_everywhere() {
    let mut runner = TestRunner::new_with_rng(config(), TestRng::from_seed(RngAlgorithm::XorShift, &[7; 16]));
    let programs = program(3);
    let journals: Vec<String> =
        (0..500).map(|_| check(&programs.new_tree(&mut runner).unwrap().current()).join("\n")).collect();
    for (text, at_least) in [
        ("hears value", 100),
        ("hears failure", 100),
        ("hears panicked", 20),
        ("hears the operation was cancelled", 50),
        ("hears the promise was dropped", 100),
        ("hears a Deferred was returned into its own chain", 10),
        ("canceller", 100),
        (" called\n", 50),
        ("log: panic while cancelling a Deferred", 10),
        ("log: unhandled failure in a Deferred [failure: failure", 50),
        ("log: unhandled failure in a Deferred [failure: panicked", 10),
        ("log: unhandled failure in a Deferred [failure: the promise was dropped", 50),
        ("woken by waker", 50),
        ("took value", 20),
        ("has value", 20),
        ("has the operation was cancelled", 5),
    ] {
        let found = journals.iter().filter(|journal| journal.contains(text)).count();
        assert!(found >= at_least, "{text:?} was seen in {found} programs");
    }
}
