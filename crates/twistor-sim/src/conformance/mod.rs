//! What every transport, kernel, clock and filter owes its users, as cases that run against any of them: this crate's, and yours.
//!
//! One function a trait. Each is handed what makes one, runs every case with new ones, and panics with the list of the cases that
//! failed and what each saw. A case is named after the rule it proves (`docs/contract.md`).
//!
//! - [`transport()`]: what users of connections rely on, over reactors or whatever else connects two ends ([`harness::Ground`]);
//! - [`kernel()`]: what the library relies on, the promises of [`twistor_reactor::kernel`];
//! - [`clock()`]: calls made later, the promises of `Clock` of `twistor-deferred`;
//! - [`filter()`]: a filter of yours, with streams of yours.
//!
//! [`transport_conformance!`](crate::transport_conformance) and [`kernel_conformance!`](crate::kernel_conformance) make a `#[test]` of each
//! case, so that a failure shows by its name; [`case`] and [`kernel_case`] run one. The suites run over the real kernel, the scripted and
//! the simulated one, and that of transports over two [`StringTransport`](crate::StringTransport)s too, so none of these can drift from
//! the others. What needs exact answers of a kernel (an errno, a late packet) is not here but in the tests of the crates.
//!
//! # Transports
//!
//! Both ends of a connection are in the case's hands. Where there is a network, it is a reactor's own: `127.0.0.1` has to be there, and
//! `localhost` to be known. Nothing else is asked of the machine, and no case waits for more than a fraction of a second.
//!
//! ```
//! use twistor_reactor::Reactor;
//! use twistor_sim::{ScriptedKernel, conformance};
//!
//! // A kernel with buffers of its own size: users must not see it.
//! let make = || {
//!     let kernel = ScriptedKernel::new();
//!     kernel.set_buffers(10_000, 30_000);
//!     Reactor::builder().build_with(kernel)
//! };
//! conformance::case("tcp_31_abort_sends_rst", make);
//! // All of them: conformance::transport(make);
//! assert!(conformance::left_out(make).is_empty(), "a reactor has all that a case needs");
//! ```
//!
//! [`harness`] is what the cases are written with, and is there for tests of your own. Areas, in reading order: connecting and one-shot
//! clients, listening, the transport, its closing, its table of calls by state, half closes, producers, panics, factories, errors, and
//! what a reactor does beside its connections: threads, jobs, timers.
//!
//! # Kernels
//!
//! A kernel in a box is enough for most cases; what concerns signals, a shortage of descriptors, and descriptors that become ready needs
//! somebody to bring them about: [`Surroundings`]. What a kernel does not offer, it answers with `Unsupported`, and cases about that are left out.
//!
//! ```
//! use twistor_reactor::kernel::Kernel;
//! use twistor_sim::{ScriptedKernel, conformance};
//!
//! /// Stands for a kernel of your own.
//! fn make() -> Box<dyn Kernel> {
//!     Box::new(ScriptedKernel::new())
//! }
//! conformance::kernel(make);
//! ```
//!
//! # Clocks
//!
//! A clock, and how its time passes in a test:
//!
//! ```
//! use std::time::Duration;
//! use twistor_deferred::{Clock, DelayedCall, ManualClock, Moment};
//! use twistor_sim::conformance::{self, PassTime};
//!
//! /// A clock that shows an hour more than another one.
//! #[derive(Clone, Default)]
//! struct Ahead(ManualClock);
//!
//! impl Clock for Ahead {
//!     fn now(&self) -> Moment {
//!         self.0.now().checked_add(Duration::from_secs(3_600)).unwrap_or(Moment::MAX)
//!     }
//!     fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
//!         self.0.call_later(delay, f)
//!     }
//! }
//!
//! impl PassTime for Ahead {
//!     type Clock = Self;
//!     fn clock(&self) -> Self {
//!         self.clone()
//!     }
//!     fn pass(&mut self, time: Duration) {
//!         self.0.advance(time);
//!     }
//! }
//!
//! // The time of a call is told on the other clock's scale: one case finds out.
//! let why = twistor_deferred::contain(|| conformance::clock(Ahead::default)).unwrap_err();
//! assert!(why.starts_with("1 of ") && why.contains("time_06_moving_counts_from_now"), "{why}");
//! conformance::clock(ManualClock::new);
//! ```
//!
//! # Filters
//!
//! A filter, and bytes that mean something to it. However the stream is cut, the outcome has to be the same:
//!
//! ```
//! use twistor_net::{Filter, FilterIo};
//! use twistor_sim::conformance::{self, FilterSample};
//!
//! /// Takes every other byte for padding.
//! #[derive(Default)]
//! struct Padded { odd: bool }
//!
//! impl Filter for Padded {
//!     fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
//!         for byte in data {
//!             self.odd = !self.odd;
//!             if self.odd {
//!                 io.deliver(&[*byte]);
//!             }
//!         }
//!     }
//!     fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
//!         for byte in data {
//!             io.send(&[*byte, b'.']);
//!         }
//!     }
//! }
//!
//! conformance::filter(Padded::default, &FilterSample::new(b"h.e.l.l.o.").writes(b"good morning"));
//! ```

pub mod harness;

mod case;
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
mod reactor;

mod clock;
mod filter;
mod kernel;

pub use self::clock::{PassTime, clock};
pub use self::filter::{FilterSample, filter};
pub use self::kernel::{Channel, Surroundings, kernel, kernel_case, kernel_names};

use twistor_deferred::contain;

use self::case::Make;
use self::harness::Ground;

/// Runs every case, each over a ground of its own that `make` makes: a reactor, as a rule.
///
/// What the ground [lacks](Ground::lacks) leaves cases out; [`left_out`] says which.
///
/// # Panics
///
/// With the list of the cases that failed and what each saw, if any did. All are run first.
///
/// # Examples
///
/// ```
/// use twistor_reactor::Reactor;
/// use twistor_sim::{ScriptedKernel, conformance};
///
/// conformance::transport(|| Reactor::builder().build_with(ScriptedKernel::new()));
/// ```
pub fn transport<G: Ground>(make: impl Fn() -> G) {
    let ground = make();
    let cases = case::ALL.iter().filter(|case| ground.lacks(case.needs).is_none());
    report(cases.map(|case| (case.name, contain(|| (case.run)(&make)))).collect());
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

/// Runs the one case of this name; or says on standard output why it was left out.
///
/// # Panics
///
/// If it fails, or there is none of this name.
pub fn case<G: Ground>(name: &str, make: impl Fn() -> G) {
    let case = case::named(name);
    match make().lacks(case.needs) {
        Some(why) => println!("{name} is left out: {why}"),
        None => (case.run)(&make),
    }
}

/// The cases that do not apply to the grounds that `make` makes, each with the reason.
pub fn left_out<G: Ground>(make: impl Fn() -> G) -> Vec<(&'static str, &'static str)> {
    let ground = make();
    case::ALL.iter().filter_map(|case| Some((case.name, ground.lacks(case.needs)?))).collect()
}

/// The names of all cases, in the order in which [`transport()`] runs them.
pub fn names() -> impl Iterator<Item = &'static str> {
    case::ALL.iter().map(|case| case.name)
}
