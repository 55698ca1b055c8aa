//! The cases of `twistor-deferred`, for those who want distributions: `cargo bench -p twistor-bench --bench deferred`.

use criterion::{Criterion, criterion_group, criterion_main};
use twistor_bench::{deferreds, rounds::timed};

fn deferred(criterion: &mut Criterion) {
    for mut case in deferreds::cases() {
        let mut group = criterion.benchmark_group(format!("deferred/{}", case.name));
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

criterion_group!(benches, deferred);
criterion_main!(benches);
