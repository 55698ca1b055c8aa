//! The table of `twistor-deferred` beside its peers, in Markdown: `cargo bench -p twistor-bench --bench deferred_table`.
//!
//! Arguments choose cases by a part of their name. With `--test` they are gone through in one round, and no figures are
//! printed: one round says nothing.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;

use twistor_bench::{deferreds, rounds};

/// The program that counts allocations.
const COUNTER: &str = env!("CARGO_BIN_EXE_deferred-allocations");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let smoke = arguments.iter().any(|it| it == "--test");
    let names: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let allocations = allocations()?;
    for mut case in deferreds::cases() {
        if !names.is_empty() && !names.iter().any(|it| case.name.contains(it.as_str())) {
            continue;
        }
        if smoke {
            rounds::measure(&mut case, 1);
            println!("{}: ok", case.name);
            continue;
        }
        let rows = rounds::measure(&mut case, rounds::ROUNDS);
        let table = rounds::table(&rows, |variant| {
            allocations
                .get(&(case.name.to_owned(), variant.to_owned()))
                .map_or("?", String::as_str)
                .to_owned()
        })?;
        println!("### `{}`: {}\n\n{table}", case.name, case.what);
    }
    Ok(())
}

/// Case and variant to how often it allocates in an iteration.
fn allocations() -> Result<BTreeMap<(String, String), String>, Box<dyn Error>> {
    let output = Command::new(COUNTER).output()?;
    if !output.status.success() {
        return Err(format!("{COUNTER}: {}", output.status).into());
    }
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        if let [case, variant, count] = line.split('\t').collect::<Vec<_>>()[..] {
            found.insert((case.to_owned(), variant.to_owned()), count.to_owned());
        }
    }
    Ok(found)
}
