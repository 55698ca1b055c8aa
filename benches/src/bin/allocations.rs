//! Prints how often each variant of each case allocates: case, variant, number, with tabs between them. The first argument
//! is the list of cases, `deferred` or `spawn`; without one it is both. The benches that print tables run it and put the
//! numbers into them.
//!
//! It is a program of its own because its allocator counts, which takes time.

use allocation_counter::measure;
use twistor_bench::{deferreds, spawns};

/// What is counted, after as many that are not: those are for what is made once, a pool's queue for example.
const ITERATIONS: i64 = 1_000;

fn main() {
    let mut cases = match std::env::args().nth(1).as_deref() {
        Some("deferred") => deferreds::cases(),
        Some("spawn") => spawns::cases(),
        _ => deferreds::cases().into_iter().chain(spawns::cases()).collect(),
    };
    for case in &mut cases {
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
