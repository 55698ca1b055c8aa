//! The table of `spawn` of `twistor-reactor` beside its peers, in Markdown: `cargo bench -p twistor-bench --bench spawn_table`.
//!
//! Arguments choose cases by a part of their name. With `--test` they are gone through in one round, and no figures are
//! printed: one round says nothing.

use std::error::Error;

use twistor_bench::{spawns, table};

fn main() -> Result<(), Box<dyn Error>> {
    table::print("spawn", spawns::cases(), env!("CARGO_BIN_EXE_allocations"))
}
