//! The table of `twistor-deferred` beside its peers, in Markdown: `cargo bench -p twistor-bench --bench deferred_table`.
//!
//! Arguments choose cases by a part of their name. With `--test` they are gone through in one round, and no figures are
//! printed: one round says nothing.

use std::error::Error;

use twistor_bench::{deferreds, table};

fn main() -> Result<(), Box<dyn Error>> {
    table::print("deferred", deferreds::cases(), env!("CARGO_BIN_EXE_allocations"))
}
