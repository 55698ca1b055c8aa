//! Printing. Nothing here panics if nobody reads, where `println!` would.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use twistor::Failure;

use crate::PoemAddress;

/// Prints a line to stdout.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line to stderr.
pub(crate) fn complain(line: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Some of a poem came.
pub fn got_bytes(task: usize, bytes: usize, address: &PoemAddress) {
    say(format_args!("Task {task}: got {bytes} bytes of poetry from {address}"));
}

/// A poem will not come, since nobody serves it there.
pub fn failed_to_connect(address: &impl fmt::Display) {
    say(format_args!("Failed to connect to: {address}"));
}

/// A poem did not come, or not to its end. On stderr.
pub fn poem_failed(reason: &impl fmt::Display) {
    complain(&format_args!("Poem failed: {reason}"));
}

/// A poem could not be changed, and is shown as it came. On stderr.
pub fn plain_poem(reason: &impl fmt::Display) {
    complain(&format_args!("The poem comes plain: {reason}"));
}

/// Prints the poems that arrived to stdout, in order, and says why the others did not. Gives the code to exit with: 1 if any is missing.
///
/// # Errors
///
/// If stdout cannot be written to.
pub fn print_outcomes(outcomes: &[Result<Vec<u8>, Failure>]) -> io::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut stdout = io::stdout().lock();
    for outcome in outcomes {
        match outcome {
            Ok(poem) => stdout.write_all(poem)?,
            Err(failure) => {
                poem_failed(failure);
                code = ExitCode::FAILURE;
            }
        }
    }
    stdout.flush()?;
    Ok(code)
}

/// Prints the size of each poem that arrived, by the number of its task, and how long it took.
pub fn print_totals(poems: &BTreeMap<usize, Vec<u8>>, took: Duration) {
    for (task, poem) in poems {
        say(format_args!("Task {task}: {} bytes of poetry", poem.len()));
    }
    say(format_args!("Got {} poems in {}", poems.len(), clock(took)));
}

/// Prints the poems to stdout, byte for byte and with nothing between them, in the order of their tasks.
///
/// # Errors
///
/// If stdout cannot be written to.
pub fn print_poems(poems: &BTreeMap<usize, Vec<u8>>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for poem in poems.values() {
        stdout.write_all(poem)?;
    }
    stdout.flush()
}

/// A duration as hours, minutes, seconds and the tenths that are over: `0:00:10.1`.
#[must_use]
pub fn clock(took: Duration) -> String {
    let (seconds, tenths) = (took.as_secs(), took.subsec_millis() / 100);
    format!("{}:{:02}:{:02}.{tenths}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_down_to_tenths() {
        assert_eq!(clock(Duration::ZERO), "0:00:00.0");
        assert_eq!(clock(Duration::from_millis(10_134)), "0:00:10.1");
        assert_eq!(clock(Duration::from_millis(59_999)), "0:00:59.9");
        assert_eq!(clock(Duration::from_millis(3_661_250)), "1:01:01.2");
        assert_eq!(clock(Duration::from_secs(100 * 3600)), "100:00:00.0");
    }
}
