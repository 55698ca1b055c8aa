//! A poetry server that has its poem from another one, once.
//!
//! - [`PoemCache`]: gives the poem as a Deferred, which has its result already from the second time on;
//! - [`ProxyFactory`]: serves it.

mod cache;
mod proxy;

pub use self::cache::PoemCache;
pub use self::proxy::{ProxyFactory, ProxyProtocol};
