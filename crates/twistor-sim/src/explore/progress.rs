use std::io::{IsTerminal, Write};

/// How far a search is. Told to whom [`Explore::progress`](super::Explore::progress) names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many seeds have passed. Each number is told once, in no fixed order.
    pub done: u64,
    /// How many there are, if the iterator says so.
    pub of: Option<u64>,
    /// The seed that passed.
    pub seed: u64,
}

pub(super) type ProgressFn = Box<dyn Fn(&Progress) + Send + Sync>;

pub(super) fn is_shown() -> bool {
    std::io::stderr().is_terminal()
}

/// One line that is written over again and again.
pub(super) fn show(progress: &Progress) {
    const EVERY: u64 = 64; // A power of two.
    let last = Some(progress.done) == progress.of;
    if last || progress.done & (EVERY - 1) == 0 {
        write(progress, last);
    }
}

fn write(progress: &Progress, last: bool) {
    let mut line = format!("\r{} seeds", progress.done);
    if let Some(of) = progress.of {
        line += &format!(" of {of}");
    }
    line += if last { "\n" } else { " " };
    let _ = std::io::stderr().write_all(line.as_bytes());
}
