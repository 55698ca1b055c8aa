//! The stack of filters.

#![cfg(feature = "mio")]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod ending;
mod flow;
mod panics;
mod reading;
mod stack;
