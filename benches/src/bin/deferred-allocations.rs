//! Prints how often each variant of each case of Deferreds allocates in an iteration: case, variant, number, with tabs
//! between them. The bench `deferred_table` runs it and puts the numbers into its table.
//!
//! It is a program of its own because its allocator counts, which takes time.

use allocation_counter::measure;
use twistor_bench::deferreds;

/// What is counted, after as many that are not: those are for what is made once, a pool's queue for example.
const ITERATIONS: u32 = 1_000;

fn main() {
    for mut case in deferreds::cases() {
        for variant in &mut case.variants {
            variant.run(ITERATIONS.into());
            let counted = measure(|| variant.run(ITERATIONS.into())).count_total;
            // To a hundredth, since a pool's own bookkeeping may come by once in a thousand.
            let hundredths = (counted as f64 * 100.0 / f64::from(ITERATIONS)).round();
            println!("{}\t{}\t{}", case.name, variant.name, hundredths / 100.0);
        }
    }
}
