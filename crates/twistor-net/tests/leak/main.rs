//! Nothing is left behind: not by ten thousand connections that end in every way there is, and not by a reactor that ends in any of five.

#![cfg(all(feature = "mio", target_os = "linux"))]

mod actors;
#[path = "../common/mod.rs"]
mod common;
mod support;

mod connections;
mod ends;
mod lingering;
