//! A bar, if somebody sees it.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use poetry_client::clock;
use twistor::sim::Sim;

/// How many steps of the world there are between two looks at the bar.
const STEPS: u32 = 4_096;

/// The bar of all poems, on stderr.
pub(crate) struct Progress {
    bar: ProgressBar,
    steps: Cell<u32>,
}

impl Progress {
    pub(crate) fn new(clients: usize) -> Self {
        let visible = io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(clients as u64), target);
        // One that is wrong shows in every run, as the default style.
        let style = ProgressStyle::with_template("{pos} of {len} poems [{bar:40}] {msg} of virtual time");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { bar, steps: Cell::new(0) }
    }

    /// Called at each step; does something now and then.
    pub(crate) fn show(&self, sim: &Sim, ended: usize) {
        let steps = self.steps.get();
        self.steps.set((steps + 1) % STEPS);
        if steps == 0 {
            self.bar.set_message(clock(Duration::from_nanos(sim.now().as_nanos())));
            self.bar.set_position(ended as u64);
        }
    }

    /// Takes the bar from the screen.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
