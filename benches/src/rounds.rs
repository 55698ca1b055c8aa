//! Measuring the variants of a case in turn, and the table that comes of it.
//!
//! On a machine that others use too, what is measured later may be slower for reasons of its own. So the variants take
//! turns: in each round everyone runs once, in an order that rotates, and a variant is compared with the first one of the
//! same round.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::{Case, Variant};

/// How long one variant runs in one round, about: long beside reading the clock, short beside the time slice of a scheduler,
/// so that most rounds are not interrupted.
const SHARE: Duration = Duration::from_micros(100);

/// How often each variant runs in a measurement that is to be quoted.
pub const ROUNDS: usize = 500;

/// What came of measuring one variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The name of the variant.
    pub name: &'static str,
    /// Nanoseconds for doing the work once, in all rounds.
    pub time: Spread,
    /// The time of the same round's first variant goes into this one's so many times.
    pub ratio: Spread,
}

/// The middle of some numbers, and what half of them are within.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// A quarter of the numbers are below.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// A quarter of the numbers are above.
    pub high: f64,
}

impl Spread {
    /// The quartiles of `numbers`, each of them one of the numbers.
    ///
    /// # Panics
    ///
    /// If there are no numbers.
    #[must_use]
    pub fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let at = |quarters: usize| numbers[(numbers.len() - 1) * quarters / 4];
        Self { low: at(1), median: at(2), high: at(3) }
    }
}

/// What the time of a variant is taken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The time that passes.
    Wall,
    /// The processor time of the thread that runs the variant, in user mode and in the system. Threads that work for it are not in it.
    Thread,
    /// The processor time of the process: of all its threads.
    Process,
}

impl Clock {
    /// How long `work` takes by this clock.
    pub fn timed(self, work: impl FnOnce()) -> Duration {
        let id = match self {
            Self::Wall => return timed(work),
            Self::Thread => ClockId::ThreadCPUTime,
            Self::Process => ClockId::ProcessCPUTime,
        };
        let start = processor_time(id);
        work();
        processor_time(id).saturating_sub(start)
    }
}

fn processor_time(id: ClockId) -> Duration {
    // Neither is ever negative.
    Duration::try_from(clock_gettime(id)).unwrap_or_default()
}

/// How long `work` takes.
#[expect(clippy::disallowed_methods, reason = "measuring is what this crate is for")]
pub fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Runs each variant of `case` `rounds` times, in turn, and gives a row for each, in their order. A round that is not
/// counted comes first, and so does finding out how many iterations a share of a tenth of a millisecond is.
///
/// # Panics
///
/// If `rounds` is zero, or a variant gives a wrong result.
pub fn measure(case: &mut Case, rounds: usize) -> Vec<Row> {
    let count = case.variants.len();
    let unit = case.unit;
    let iterations: Vec<i64> = case.variants.iter_mut().map(|it| calibrate(unit, it)).collect();
    let mut times = vec![Vec::with_capacity(rounds); count];
    for round in 0..=rounds {
        for turn in 0..count {
            let which = (round + turn) % count;
            // Not counted: the variant is to find caches and allocator as it leaves them, not as another one did.
            let variant = &mut case.variants[which];
            variant.run(1);
            let elapsed = variant.clock.timed(|| variant.run(iterations[which]));
            if round > 0 {
                times[which].push(elapsed.as_nanos() as f64 / (iterations[which] * unit) as f64);
            }
        }
    }
    let row = |which: usize| Row {
        name: case.variants[which].name,
        time: Spread::of(times[which].clone()),
        ratio: Spread::of(times[which].iter().zip(&times[0]).map(|(time, first)| time / first).collect()),
    };
    (0..count).map(row).collect()
}

/// How many iterations, each of so many units, take [`SHARE`], about.
fn calibrate(unit: i64, variant: &mut Variant) -> i64 {
    let mut iterations = (64 / unit).max(1);
    loop {
        let elapsed = variant.clock.timed(|| variant.run(iterations));
        if elapsed >= SHARE || iterations >= 1 << 30 {
            return iterations;
        }
        iterations *= 2;
    }
}

/// One more column of a table: its title, and what it says about the variant of a name.
pub type Column<'a> = (&'a str, &'a dyn Fn(&str) -> String);

/// The rows as a table in Markdown, with `more` columns to the right.
///
/// # Errors
///
/// None of its own: what writing to a string gives.
pub fn table(rows: &[Row], more: &[Column<'_>]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    write!(text, "| variant | ns | half of the rounds within | ratio | half within |")?;
    more.iter().try_for_each(|(title, _)| write!(text, " {title} |"))?;
    writeln!(text, "\n|---|---:|---:|---:|---:|{}", "---:|".repeat(more.len()))?;
    for Row { name, time, ratio } in rows {
        write!(
            text,
            "| {name} | {:.1} | {:.1} to {:.1} | {:.2} | {:.2} to {:.2} |",
            time.median, time.low, time.high, ratio.median, ratio.low, ratio.high,
        )?;
        more.iter().try_for_each(|(_, of)| write!(text, " {} |", of(name)))?;
        writeln!(text)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Variant;

    #[test]
    fn a_spread_is_the_quartiles() {
        let spread = Spread::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(spread, Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(Spread::of(vec![7.0]), Spread { low: 7.0, median: 7.0, high: 7.0 });
    }

    #[test]
    fn sleep_is_no_processor_time_and_other_threads_are_of_the_process() {
        let (out, back) = std::sync::mpsc::channel::<u64>();
        let spin = || (0..20_000_000).map(std::hint::black_box).sum::<u64>();
        let mut thread = Duration::ZERO;
        let process = Clock::Process.timed(|| {
            thread = Clock::Thread.timed(|| {
                std::thread::scope(|scope| {
                    scope.spawn(move || out.send(spin()).unwrap());
                    back.recv().unwrap();
                });
            });
        });
        assert!(process > thread * 2, "{process:?} {thread:?}");
    }

    #[test]
    fn everybody_is_compared_with_the_first() {
        let work = |name, cost: u64| {
            Variant::each(
                name,
                |n| n,
                move |n| if (0..cost).map(std::hint::black_box).sum::<u64>() > 0 { n } else { -1 },
            )
        };
        let mut case =
            Case { name: "sums", what: "", unit: 1, variants: vec![work("some", 100), work("more", 2_000)] };
        let rows = measure(&mut case, 5);
        assert_eq!((rows[0].name, rows[0].ratio.low, rows[0].ratio.high), ("some", 1.0, 1.0));
        assert!(rows[1].ratio.median > 2.0, "{rows:?}");
        let of = |name: &str| format!("those of {name}");
        let table = table(&rows, &[("allocations", &of), ("instructions", &|_| "?".to_owned())]).unwrap();
        assert_eq!(table.lines().count(), 4);
        assert!(table.lines().next().unwrap().ends_with("| half within | allocations | instructions |"));
        assert!(table.lines().last().unwrap().ends_with("| those of more | ? |"));
    }
}
