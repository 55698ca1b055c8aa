//! The real kernel over loopback sockets, pipes, threads and signals. Nothing sleeps: every wait is for an event, and bounded.
//!
//! What every kernel promises is proved by the conformance suite of `twistor-sim`; here is what the system alone can show.

#![cfg(feature = "mio")]
#![expect(clippy::disallowed_methods, reason = "the other ends of the sockets are the standard library's")]

mod support;

mod adopted;
mod descriptors;
mod listeners;
mod services;
mod signals;
mod streams;
mod waiting;
