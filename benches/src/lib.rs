//! What Twistor costs, measured beside what others cost for the same work.
//!
//! - [`Case`] and [`Variant`]: some work, and the ways to do it. Every variant checks its own result, so a wrong answer is
//!   never a fast one.
//! - [`deferreds`]: the cases of `twistor-deferred`, and its peers in them. [`handmade`] is what people write
//!   instead of using a library.
//! - [`spawns`]: the cases of tasks of `twistor-reactor`, and its peers in them; [`idle_kernel`] has the kernel below it.
//! - [`posts`]: the cases of posts from other threads. [`connections`]: those of connections, over the kernel of [`memory_kernel`].
//! - [`rounds`]: measuring the variants of a case in turn, and the table that comes of it. [`table`] prints it;
//!   [`instructions`] are counted on demand.
//! - [`load`]: driving a server over loopback and checking every byte. [`compare`]: Twistor's servers and others', in turn,
//!   with the table and the plot that come of it. Both are of Linux alone, and have no allocator or thread of their own.
//!
//! - [`servers`]: what the servers of the comparison share; `src/bin` has one for each loop.
//!
//! `README.md` beside this crate says how to run what there is and what the figures mean. Nothing here counts
//! allocations: that needs an allocator of its own, which would slow down whatever is linked with it.

mod case;

#[cfg(target_os = "linux")]
pub mod compare;
pub mod connections;
pub mod deferreds;
pub mod handmade;
pub mod idle_kernel;
pub mod instructions;
#[cfg(target_os = "linux")]
pub mod load;
pub mod memory_kernel;
pub mod posts;
pub mod rounds;
pub mod servers;
pub mod spawns;
pub mod table;

pub use case::{Case, Variant};
pub use rounds::Clock;
