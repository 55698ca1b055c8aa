//! The cases of connections over a kernel of memory, for those who want distributions: `cargo bench -p twistor-bench --bench connection`. In the cases of many
//! a figure is that of all of them; criterion also gives the throughput.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use twistor_bench::{connections, rounds::timed};

fn connection(criterion: &mut Criterion) {
    for mut case in connections::cases() {
        let mut group = criterion.benchmark_group(format!("connection/{}", case.name));
        group.throughput(Throughput::Elements(case.unit.unsigned_abs()));
        for variant in &mut case.variants {
            group.bench_function(variant.name, |bencher| {
                bencher.iter_custom(|iterations| {
                    let iterations = i64::try_from(iterations).unwrap_or(i64::MAX);
                    timed(|| variant.run(iterations))
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, connection);
criterion_main!(benches);
