//! What Twistor costs, measured beside what others cost for the same work.
//!
//! - [`Case`] and [`Variant`]: some work, and the ways to do it. Every variant checks its own result, so a wrong answer is
//!   never a fast one.
//! - [`deferreds`]: the cases of `twistor-deferred`, and its peers in them. [`handmade`] is what people write
//!   instead of using a library.
//! - [`spawns`]: the cases of tasks of `twistor-reactor`, and its peers in them; [`idle_kernel`] has the kernel below it.
//! - [`rounds`]: measuring the variants of a case in turn, and the table that comes of it. [`table`] prints it.
//!
//! - [`servers`]: what the servers of the comparison share; `src/bin` has one for each loop.
//!
//! `README.md` beside this crate says how to run what there is and what the figures mean. Nothing here counts
//! allocations: that needs an allocator of its own, which would slow down whatever is linked with it.

mod case;

pub mod deferreds;
pub mod handmade;
pub mod idle_kernel;
pub mod rounds;
pub mod servers;
pub mod spawns;
pub mod table;

pub use case::{Case, Variant};
