//! Defects that were mended once, by area: each test states the behaviour that was missing. Raw sockets of the standard library play the
//! peer, so that what it sees is what a stranger would.

#![cfg(feature = "mio")]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod closing;
mod producers;

mod filters;

mod connectors;

mod adopted;
mod ports;

mod lending;

mod shutdown;
