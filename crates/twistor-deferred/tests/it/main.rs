//! The contract of this crate, rule by rule; one binary, so that it links once.

mod cancel;
mod cancel_on_drop;
mod chain;
mod cooperator;
mod deep;
mod defer_later;
mod executors;
mod future;
mod groups;
mod hostile;
mod locks;
mod looping_call;
mod model;
mod newcomer;
mod queue;
mod support;
mod timeout;
mod timers;
mod unhandled;
mod waiting_models;
mod waiting_world;
