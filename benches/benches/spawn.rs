//! The cases of `spawn`, for those who want distributions: `cargo bench -p twistor-bench --bench spawn`. In the cases of a
//! thousand, a figure is that of all thousand; criterion also gives the throughput.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use twistor_bench::{rounds::timed, spawns};

fn spawn(criterion: &mut Criterion) {
    for mut case in spawns::cases() {
        let mut group = criterion.benchmark_group(format!("spawn/{}", case.name));
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

criterion_group!(benches, spawn);
criterion_main!(benches);
