//! Prints how often each variant of each case allocates: case, variant, number, with tabs between them. The first argument
//! is one of `LISTS`; without one it is all of them. The benches that print tables run it and put the
//! numbers into them.
//!
//! It is a program of its own because its allocator counts, which takes time.

use allocation_counter::measure;
use twistor_bench::{Case, connections, deferreds, posts, spawns};

/// What is counted, after as many that are not: those are for what is made once, a pool's queue for example.
const ITERATIONS: i64 = 1_000;

/// A list of cases: its name, and what makes it.
type List = (&'static str, fn() -> Vec<Case>);

/// The lists of cases.
const LISTS: [List; 4] = [
    ("connection", connections::cases),
    ("deferred", deferreds::cases),
    ("post", posts::cases),
    ("spawn", spawns::cases),
];

fn main() {
    let chosen = std::env::args().nth(1);
    let lists = LISTS.iter().filter(|(name, _)| chosen.as_ref().is_none_or(|chosen| chosen == name));
    for case in &mut lists.flat_map(|(_, cases)| cases()).collect::<Vec<_>>() {
        let iterations = (ITERATIONS / case.unit).max(10);
        for variant in &mut case.variants {
            variant.run(iterations);
            let counted = measure(|| variant.run(iterations)).count_total;
            // To a hundredth, since a pool's own bookkeeping may come by once in a thousand.
            let hundredths = (counted as f64 * 100.0 / (iterations * case.unit) as f64).round();
            println!("{}\t{}\t{}", case.name, variant.name, hundredths / 100.0);
        }
    }
}
