//! Instructions in user mode that a variant takes, counted by callgrind: the same number whatever else the machine does.
//!
//! The program calls itself below callgrind, with `--iterate` as its first argument, once with so many iterations and once with twice as
//! many; what the second run took more is the work alone, without start and end. Threads that work for the variant are
//! counted too.

use std::collections::BTreeMap;
use std::error::Error;

use crate::Case;

/// `--iterate CASE VARIANT COUNT`: goes through one variant, by its place in the case, so often, and prints nothing.
const ITERATE: &str = "--iterate";

/// Whether this process is one that is being counted. If so, it has done its work.
///
/// # Errors
///
/// If the arguments name no variant.
///
/// # Panics
///
/// If the variant gives a wrong result.
pub fn is_counted(arguments: &[String], cases: &mut [Case]) -> Result<bool, Box<dyn Error>> {
    let [first, case, variant, count] = arguments else { return Ok(false) };
    if first != ITERATE {
        return Ok(false);
    }
    let case = cases.iter_mut().find(|it| it.name == case).ok_or("no such case")?;
    let variant = case.variants.get_mut(variant.parse::<usize>()?).ok_or("no such variant")?;
    variant.run(count.parse()?);
    Ok(true)
}

/// The instructions of each variant of `case`, by its name, for doing the work once.
///
/// # Errors
///
/// If valgrind is not there, or a run below it fails.
#[cfg(target_os = "linux")]
pub fn of(case: &Case) -> Result<BTreeMap<&'static str, f64>, Box<dyn Error>> {
    /// So much work in the run with less of it: a hundred times what callgrind's own threads and the allocator differ by.
    const WORK: i64 = 20_000;
    let iterations = (WORK / case.unit).max(2);
    let mut found = BTreeMap::new();
    for (place, variant) in case.variants.iter().enumerate() {
        let [once, twice] = [1, 2].map(|times| counted(case.name, place, iterations * times));
        let more = twice?.checked_sub(once?).ok_or("callgrind counted less for more work")?;
        found.insert(variant.name, more as f64 / (iterations * case.unit) as f64);
    }
    Ok(found)
}

/// All instructions of this program while it goes through a variant.
#[cfg(target_os = "linux")]
fn counted(case: &str, place: usize, iterations: i64) -> Result<u64, Box<dyn Error>> {
    use crate::compare::Tool;
    use std::process::{Command, Stdio};

    let program = std::env::current_exe()?;
    let command = [ITERATE, case, &place.to_string(), &iterations.to_string()].map(Into::into);
    let command = std::iter::once(program.into()).chain(command).collect();
    let file = Tool::Instructions.file();
    let words = Tool::Instructions.wrap(command, &file);
    let status = Command::new(&words[0]).args(&words[1..]).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("{case}, below callgrind: {status}").into());
    }
    let count = Tool::Instructions.count(&file);
    let _ = std::fs::remove_file(&file); // It is a temporary one.
    Ok(count?)
}

/// Not here.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn of(_case: &Case) -> Result<BTreeMap<&'static str, f64>, Box<dyn Error>> {
    Err("instructions are counted on Linux alone".into())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::Variant;

    #[test]
    fn a_process_that_is_counted_runs_its_variant_alone() {
        let runs = Rc::new(Cell::new((0, 0)));
        let (first, second) = (Rc::clone(&runs), Rc::clone(&runs));
        let variants = vec![
            Variant::new("first", move |n| first.set((first.get().0 + n, first.get().1))),
            Variant::new("second", move |n| second.set((second.get().0, second.get().1 + n))),
        ];
        let mut cases = [Case { name: "sums", what: "", unit: 1, variants }];
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_counted(&words("--iterate sums 1 30"), &mut cases).unwrap());
        assert_eq!(runs.get(), (0, 30));
        assert!(is_counted(&words("--iterate sums 2 30"), &mut cases).is_err());
        assert!(is_counted(&words("--iterate other 1 30"), &mut cases).is_err());
        assert!(!is_counted(&words("--bench sums 1 30"), &mut cases).unwrap());
        assert!(!is_counted(&words("--test"), &mut cases).unwrap());
        assert_eq!(runs.get(), (0, 30));
    }
}
