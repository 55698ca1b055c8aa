//! Anything from anywhere: a random program hangs calls of the whole public interface on every callback there is, and on the `Drop` of
//! every value that the library is given. A small model says what each connection, factory, attempt and producer must hear.
//!
//! A program is a list of orders, "at the third `data_received` of a server, abort the first connection". Each is carried out once, so
//! every program ends. What must hold, whatever the program:
//!
//! - no callback runs inside a call of the user's, but those of Deferreds, of `try_with`, and destructors;
//! - no panic leaves the reactor, and the library makes none of its own;
//! - a connection hears `connection_made` first, `connection_lost` once and last, each half's end once, pauses and resumes in turn, its
//!   bytes in order, and none after it was closed or while it is paused;
//! - an attempt fails once, or its connection is lost once, and the protocol hears of that before the factory;
//! - factories are started and stopped in turn, and producers paused and resumed in turn and stopped once;
//! - afterwards nothing is left: no source, timer, socket, or value of the user's;
//! - the same program gives the same calls again.
//!
//! `PROPTEST_CASES` says how many programs are tried, `TWISTOR_SEED` which.

mod perform;
mod program;
mod run;
mod user;
mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::program::{HOOKS, programs};
use crate::run::run;

fn seed() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test is an application")]
    let given = std::env::var("TWISTOR_SEED");
    given.ok().and_then(|text| text.parse().ok()).unwrap_or(20_250_101)
}

#[test]
fn r12_anything_may_be_called_from_anywhere() {
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut config =
        ProptestConfig { failure_persistence: None, max_shrink_iters: 4_000, ..ProptestConfig::default() };
    if config.cases == 256 {
        config.cases = CASES;
    }
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let reached = RefCell::new(BTreeSet::new());
    let result = runner.run(&programs(), |program| {
        let first = run(&program).map_err(TestCaseError::fail)?;
        let again = run(&program).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&first, &again, "the same program, other calls");
        let mut reached = reached.borrow_mut();
        reached.extend(first.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned));
        Ok(())
    });
    if let Err(error) = result {
        panic!("TWISTOR_SEED={seed}: {error}");
    }
    let all: BTreeSet<_> = HOOKS.iter().map(|hook| format!("{hook:?}")).collect();
    let missing: Vec<_> = all.difference(&reached.borrow()).cloned().collect();
    assert!(missing.is_empty(), "no program reached {missing:?}");
}

/// How many programs are tried, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 4_000;
