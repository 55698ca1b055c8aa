//! The cases of posts from other threads, for those who want distributions: `cargo bench -p twistor-bench --bench post`. In the cases of a
//! burst, a figure is that of all ten thousand; criterion also gives the throughput. It is processor time, as in the table.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use twistor_bench::posts;

fn post(criterion: &mut Criterion) {
    for mut case in posts::cases() {
        let mut group = criterion.benchmark_group(format!("post/{}", case.name));
        group.throughput(Throughput::Elements(case.unit.unsigned_abs()));
        for variant in &mut case.variants {
            let clock = variant.clock;
            group.bench_function(variant.name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let iterations = i64::try_from(iterations).unwrap_or(i64::MAX);
                    clock.timed(|| variant.run(iterations))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, post);
criterion_main!(benches);
