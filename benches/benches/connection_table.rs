//! The table of connections over a kernel of memory beside their peers, in Markdown: `cargo bench -p twistor-bench --bench connection_table`.
//!
//! Arguments choose cases by a part of their name. With `--test` they are gone through in one round, and no figures are
//! printed: one round says nothing.

use std::error::Error;

use twistor_bench::{connections, table};

fn main() -> Result<(), Box<dyn Error>> {
    table::print("connection", connections::cases(), env!("CARGO_BIN_EXE_allocations"))
}
