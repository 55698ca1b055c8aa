//! What every transport, kernel, clock and filter owes its users, as cases that run against any of them.
//!
//! - [`transport()`], over reactors of your making: what users of connections rely on;
//! - [`kernel()`], over kernels: what the library relies on, the promises of [`twistor_reactor::kernel`];
//! - [`clock()`], over whatever makes calls later: a `Clock` of `twistor-deferred`;
//! - [`filter()`], over a filter of yours, with streams of yours.
//!
//! # Transports
//!
//! [`transport()`] runs all of them against reactors of your making; [`transport_conformance!`](crate::transport_conformance) makes a test
//! of each, so that a failure shows by its name, which begins with the rule it proves (`docs/contract.md`). Both ends of each
//! connection live in one reactor, over its own loopback: `127.0.0.1` has to be there, and `localhost` to be known.
//!
//! [`harness`] is what the cases are written with, and is there for tests of your own.
//!
//! Areas, in reading order: connecting and one-shot clients, listening, the transport, its closing, its table of calls by state,
//! half closes, producers, panics, factories and errors. What needs exact answers of a kernel is not here but in this crate's own tests.
//!
//! # Examples
//!
//! ```
//! use twistor_reactor::Reactor;
//! use twistor_sim::ScriptedKernel;
//! use twistor_sim::conformance;
//!
//! conformance::case("tcp_31_abort_sends_rst", || Reactor::builder().build_with(ScriptedKernel::new()));
//! ```

pub mod harness;

mod list;

mod connecting;
mod listening;
mod once;

mod closing;
mod half_close;
mod table;
mod transport;

mod errors;
mod factories;
mod panics;
mod producers;

mod clock;
mod filter;
mod kernel;

pub use self::clock::{PassTime, clock};
pub use self::filter::{FilterSample, filter};
pub use self::kernel::{kernel, kernel_case, kernel_names};

use twistor_deferred::contain;
use twistor_reactor::Reactor;

/// What makes the reactor of a case.
type Make<'a> = &'a dyn Fn() -> Reactor;

/// A case: panics if the transport does not do what it has to.
type Case = fn(Make<'_>);

const CASES: &[(&str, Case)] = crate::__transport_cases!(__transport_table {});

/// Runs every case, each with reactors made by `make`.
///
/// # Panics
///
/// With the list of the cases that failed and what each saw, if any did. All are run first.
pub fn transport(make: impl Fn() -> Reactor) {
    report(CASES.iter().map(|(name, case)| (*name, contain(|| case(&make)))).collect());
}

/// Panics with the cases that failed, if any did.
fn report(results: Vec<(&str, Result<(), String>)>) {
    let count = results.len();
    let failed: Vec<String> = results
        .into_iter()
        .filter_map(|(name, result)| result.err().map(|why| format!("{name}: {why}")))
        .collect();
    assert!(failed.is_empty(), "{} of {count} cases failed\n{}", failed.len(), failed.join("\n"));
}

/// Runs the one case of this name.
///
/// # Panics
///
/// If it fails, or there is none of this name.
pub fn case(name: &str, make: impl Fn() -> Reactor) {
    let found = CASES.iter().find(|(known, _)| *known == name);
    let (_, case) = found.unwrap_or_else(|| panic!("there is no case of the name {name}"));
    case(&make);
}

/// The names of all cases, in the order in which [`transport()`] runs them.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}
