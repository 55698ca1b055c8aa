//! Signals and system events (contract section 13, SIG): the logic by hand, the signals of a process in children.

#![cfg(feature = "mio")]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod handlers;
mod process;
mod triggers;
