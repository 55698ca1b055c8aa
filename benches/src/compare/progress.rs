//! [`Progress`]: what is seen while it runs.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far the comparison is: a bar on a terminal, lines elsewhere, on standard error.
#[derive(Debug)]
pub enum Progress {
    /// A bar, redrawn.
    Bar(ProgressBar),
    /// A line for each row and round.
    Lines,
    /// Nothing, for tests.
    Silent,
}

impl Progress {
    /// A bar if standard output and standard error are a terminal, else lines.
    #[must_use]
    pub fn new() -> Self {
        if !std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is a constant; a wrong one would leave the plain style.
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len}, {eta} left\n{msg}") {
            bar.set_style(style);
        }
        Self::Bar(bar)
    }

    /// There are `steps` in all.
    pub fn begin(&self, steps: usize) {
        if let Self::Bar(bar) = self {
            bar.set_length(steps as u64);
        }
    }

    /// A row's round begins.
    pub fn round(&self, row: &str, what: &str, round: usize, rounds: usize) {
        if matches!(self, Self::Lines) {
            eprintln!("{row}: {what} {} of {rounds}", round + 1);
        }
    }

    /// A server's turn begins.
    pub fn turn(&self, row: &str, server: &str, round: usize) {
        if let Self::Bar(bar) = self {
            bar.set_message(format!("{row}, round {}: {server}", round + 1));
        }
    }

    /// A step is over.
    pub fn step(&self) {
        if let Self::Bar(bar) = self {
            bar.inc(1);
        }
    }

    /// Something is to be read whatever else is shown.
    pub fn say(&self, text: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
            Self::Lines => eprintln!("{text}"),
            Self::Silent => {}
        }
    }

    /// All is over: the bar goes away.
    pub fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
