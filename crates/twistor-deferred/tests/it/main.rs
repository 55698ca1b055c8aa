//! The contract of this crate, rule by rule; one binary, so that it links once.

mod cancel;
mod chain;
mod deep;
mod future;
mod groups;
mod locks;
mod newcomer;
mod queue;
mod support;
mod timeout;
mod timers;
mod unhandled;
mod waiting_models;
mod waiting_world;
