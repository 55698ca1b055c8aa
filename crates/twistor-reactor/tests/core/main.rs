//! The loop: its turn, its life, and what a panic does to it (contract section 1, CORE).

#![cfg(feature = "mio")]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod by_hand;
mod life;
mod turn;
