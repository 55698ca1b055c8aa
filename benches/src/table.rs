//! What the benches that print tables have in common: their arguments, and the allocations that another program counts.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;

use crate::{Case, rounds};

/// Measures `cases`, the list that `counter` knows as `list`, and prints a table for each, in Markdown.
///
/// The program's arguments choose cases by a part of their name. With `--test` they are gone through in one round, and no
/// figures are printed: one round says nothing. `counter` is the path of the program `allocations`.
///
/// # Errors
///
/// If `counter` cannot be run, or fails.
///
/// # Panics
///
/// If a variant gives a wrong result.
pub fn print(list: &str, cases: Vec<Case>, counter: &str) -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let smoke = arguments.iter().any(|it| it == "--test");
    let names: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let allocations = allocations(counter, list)?;
    for mut case in cases {
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

/// Case and variant to how often it allocates.
fn allocations(counter: &str, list: &str) -> Result<BTreeMap<(String, String), String>, Box<dyn Error>> {
    let output = Command::new(counter).arg(list).output()?;
    if !output.status.success() {
        return Err(format!("{counter}: {}", output.status).into());
    }
    let mut found = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        if let [case, variant, count] = line.split('\t').collect::<Vec<_>>()[..] {
            found.insert((case.to_owned(), variant.to_owned()), count.to_owned());
        }
    }
    Ok(found)
}
