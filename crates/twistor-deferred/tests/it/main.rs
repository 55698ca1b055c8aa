//! The contract of this crate, rule by rule; one binary, so that it links once.

mod cancel;
mod chain;
mod deep;
mod future;
mod groups;
mod newcomer;
mod support;
mod timeout;
mod timers;
mod unhandled;
