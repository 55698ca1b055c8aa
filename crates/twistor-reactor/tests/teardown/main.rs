//! How a reactor ends, and what is left then: shutdown (CORE-11, CORE-12), dropping, handles that outlive it, destructors that call back.

#![cfg(feature = "mio")]

#[path = "../common/mod.rs"]
mod common;

mod destructors;
mod handles;
mod nothing_left;
mod shutdown;
