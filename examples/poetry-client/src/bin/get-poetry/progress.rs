//! A bar for each poem, if somebody sees it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use twistor::prelude::*;

use crate::Job;

/// How many bars fit on a screen together. More poems than that share one.
const MOST_BARS: usize = 20;
/// How often bars are drawn although nothing came, so that their clocks go on.
const TICK: Duration = Duration::from_millis(100);

/// The bars on the screen.
pub(crate) struct Progress {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
}

/// The bar of one poem, or its share of one.
#[derive(Clone)]
pub(crate) struct Meter {
    bar: ProgressBar,
    shared: bool,
}

impl Progress {
    /// Shows the bars, unless stdout is no terminal or is `taken` by something else.
    pub(crate) fn new(reactor: &ReactorHandle, jobs: &[Job], taken: bool) -> Self {
        let visible = io::stdout().is_terminal() && !taken;
        let target = if visible { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let bars: Vec<_> = match jobs.len() {
            0..=MOST_BARS => jobs.iter().map(|job| all.add(bar(job))).collect(),
            many => vec![all.add(shared_bar(many))],
        };
        if visible {
            keep_drawing(reactor, bars.clone());
        }
        Self { all, bars }
    }

    /// The meter of the poem with this index.
    pub(crate) fn meter(&self, index: usize) -> Meter {
        let own = self.bars.get(index).filter(|_| self.bars.len() > 1 || index == 0);
        match own {
            Some(bar) => Meter { bar: bar.clone(), shared: false },
            None => Meter { bar: self.bars[0].clone(), shared: true },
        }
    }

    /// Takes the bars from the screen.
    pub(crate) fn clear(&self) {
        let _ = self.all.clear(); // A screen that cannot be written to needs no clearing.
    }
}

impl Meter {
    /// More came.
    pub(crate) fn advance(&self, bytes: usize) {
        if !self.shared {
            self.bar.inc(bytes as u64);
        }
    }

    /// Nothing more will come.
    pub(crate) fn finish(&self, arrived: bool) {
        match (self.shared, arrived) {
            (true, _) => self.bar.inc(1),
            (false, true) => self.bar.finish_with_message("done"),
            (false, false) => self.bar.abandon_with_message("failed"),
        }
    }
}

fn bar(job: &Job) -> ProgressBar {
    let (bar, template) = match job.length {
        Some(length) => (
            ProgressBar::new(length),
            "{prefix:22} [{bar:30}] {bytes:>10} of {total_bytes:10} {elapsed} {msg}",
        ),
        None => (
            ProgressBar::no_length(),
            "{prefix:22} {spinner} {bytes:>10} {bytes_per_sec:>12} {elapsed} {msg}",
        ),
    };
    bar.with_style(style(template)).with_prefix(job.address.to_string())
}

fn shared_bar(poems: usize) -> ProgressBar {
    ProgressBar::new(poems as u64).with_style(style("{pos} of {len} poems [{bar:40}] {elapsed}"))
}

fn style(template: &str) -> ProgressStyle {
    // The templates are those above: one that is wrong shows in every run, as the default style.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Draws the bars again and again, for as long as the reactor runs.
fn keep_drawing(reactor: &ReactorHandle, bars: Vec<ProgressBar>) {
    let handle = reactor.clone();
    reactor.call_later(TICK, move || {
        bars.iter().filter(|bar| !bar.is_finished()).for_each(ProgressBar::tick);
        keep_drawing(&handle, bars);
    });
}
