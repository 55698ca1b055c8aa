//! What the benches that print tables have in common: their arguments, and what is counted in other processes.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;

use crate::rounds::{self, Column};
use crate::{Case, instructions};

/// Measures `cases`, the list that `counter` knows as `list`, and prints a table for each, in Markdown.
///
/// The program's arguments choose cases by a part of their name. With `--test` they are gone through in one round, and no
/// figures are printed: one round says nothing. With `--instructions` there is a column of instructions in user mode, which
/// needs valgrind and takes some seconds a variant. `counter` is the path of the program `allocations`.
///
/// # Errors
///
/// If `counter` cannot be run, or fails; if instructions are asked for and cannot be counted.
///
/// # Panics
///
/// If a variant gives a wrong result.
pub fn print(list: &str, mut cases: Vec<Case>, counter: &str) -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if instructions::is_counted(&arguments, &mut cases)? {
        return Ok(());
    }
    let has = |flag: &str| arguments.iter().any(|it| it == flag);
    let (smoke, counts) = (has("--test"), has("--instructions"));
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
        let allocated = |variant: &str| {
            let key = (case.name.to_owned(), variant.to_owned());
            allocations.get(&key).map_or("?", String::as_str).to_owned()
        };
        let mut more: Vec<Column<'_>> = vec![("allocations", &allocated)];
        let counted = if counts { instructions::of(&case)? } else { BTreeMap::new() };
        let instructions = |variant: &str| {
            counted.get(variant).map_or_else(|| "?".to_owned(), |count| format!("{count:.0}"))
        };
        if counts {
            more.push(("instructions", &instructions));
        }
        println!("### `{}`: {}\n\n{}", case.name, case.what, rounds::table(&rows, &more)?);
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
