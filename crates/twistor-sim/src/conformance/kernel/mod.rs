//! What every kernel promises (the documentation of [`twistor_reactor::kernel`]), as cases over any of them.
//!
//! Both ends of each connection are sockets of the kernel, over its own loopback: `127.0.0.1` has to be there. A case waits in steps,
//! until what must come has come or far too much time has passed; an event too many is no error, one too few is.

mod adopted;
mod bench;
mod descriptors;
mod ending;
mod list;
mod opening;
mod pressure;
mod services;
mod signals;
mod streams;
mod surroundings;
mod waiting;

pub use self::surroundings::{Channel, Surroundings};

use twistor_deferred::contain;

/// What makes the kernel of a case, with what is around it.
pub(super) type MakeKernel<'a> = &'a dyn Make;

/// Makes one: a function without arguments.
pub(super) trait Make {
    fn make(&self) -> Box<dyn Surroundings>;
}

impl<F: Fn() -> S, S: Surroundings + 'static> Make for F {
    fn make(&self) -> Box<dyn Surroundings> {
        Box::new(self())
    }
}

/// A case: panics if the kernel breaks a promise.
pub(super) type KernelCase = fn(MakeKernel<'_>);

const CASES: &[(&str, KernelCase)] = crate::__kernel_cases!(__kernel_table {});

/// Runs every case of a kernel's promises, each with kernels made by `make`: boxed ones, or [`Surroundings`].
///
/// What a kernel does not offer, it says with [`Unsupported`](std::io::ErrorKind::Unsupported); cases about that are left out.
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
/// conformance::kernel(ScriptedKernel::new);
/// ```
pub fn kernel<S: Surroundings + 'static>(make: impl Fn() -> S) {
    super::report(CASES.iter().map(|(name, case)| (*name, contain(|| case(&make)))).collect());
}

/// Runs the one case of this name.
///
/// # Panics
///
/// If it fails, or there is none of this name.
pub fn kernel_case<S: Surroundings + 'static>(name: &str, make: impl Fn() -> S) {
    let found = CASES.iter().find(|(known, _)| *known == name);
    let (_, case) = found.unwrap_or_else(|| panic!("there is no kernel case of the name {name}"));
    case(&make);
}

/// The names of all cases, in the order in which [`kernel()`] runs them.
pub fn kernel_names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}
