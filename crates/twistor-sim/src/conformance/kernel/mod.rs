//! What every kernel promises (the documentation of [`twistor_reactor::kernel`]), as cases over any of them.
//!
//! Both ends of each connection are sockets of the kernel, over its own loopback: `127.0.0.1` has to be there. A case waits in steps,
//! until what must come has come or far too much time has passed; an event too many is no error, one too few is.

mod bench;
mod ending;
mod opening;
mod services;
mod streams;
mod waiting;

use twistor_deferred::contain;
use twistor_reactor::kernel::Kernel;

/// What makes the kernel of a case.
pub(super) type MakeKernel<'a> = &'a dyn Fn() -> Box<dyn Kernel>;

/// A case: panics if the kernel breaks a promise.
pub(super) type KernelCase = fn(MakeKernel<'_>);

const CASES: &[(&str, KernelCase)] = crate::__kernel_cases!(__kernel_table {});

/// Runs every case of a kernel's promises, each with kernels made by `make`.
///
/// [`kernel_conformance!`](crate::kernel_conformance) makes a test of each.
///
/// # Panics
///
/// With the list of the cases that failed and what each saw, if any did. All are run first.
///
/// # Examples
///
/// ```
/// use twistor_sim::{ScriptedKernel, conformance};
///
/// conformance::kernel(|| Box::new(ScriptedKernel::new()));
/// ```
pub fn kernel(make: impl Fn() -> Box<dyn Kernel>) {
    super::report(CASES.iter().map(|(name, case)| (*name, contain(|| case(&make)))).collect());
}

/// Runs the one case of this name.
///
/// # Panics
///
/// If it fails, or there is none of this name.
pub fn kernel_case(name: &str, make: impl Fn() -> Box<dyn Kernel>) {
    let found = CASES.iter().find(|(known, _)| *known == name);
    let (_, case) = found.unwrap_or_else(|| panic!("there is no kernel case of the name {name}"));
    case(&make);
}

/// The names of all cases, in the order in which [`kernel()`] runs them.
pub fn kernel_names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}
