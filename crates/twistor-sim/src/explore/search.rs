//! Hands out the seeds to the threads, in order, until one of them fails.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::progress::{Progress, ProgressFn};

/// A seed that failed.
pub(super) struct First {
    /// Its place in the order of the seeds, from zero.
    pub(super) index: u64,
    pub(super) seed: u64,
    pub(super) what: String,
}

pub(super) struct Searched {
    /// How many seeds were run.
    pub(super) runs: u64,
    pub(super) first: Option<First>,
}

type Seeds = Box<dyn Iterator<Item = u64> + Send>;

struct Search<'a, F> {
    seeds: Mutex<(u64, Seeds)>,
    of: Option<u64>,
    runs: AtomicU64,
    passed: AtomicU64,
    failed: AtomicBool,
    first: Mutex<Option<First>>,
    progress: Option<&'a ProgressFn>,
    run: F,
}

/// Runs `run`, which answers with a failure, for the seeds in order. Those before the first that fails are all run, so that it is the
/// first whatever the number of threads.
pub(super) fn search(
    seeds: Seeds,
    threads: usize,
    progress: Option<&ProgressFn>,
    run: impl Fn(u64) -> Option<String> + Sync,
) -> Searched {
    let of = match seeds.size_hint() {
        (least, Some(most)) if least == most => u64::try_from(most).ok(),
        _ => None,
    };
    let search = Search {
        seeds: Mutex::new((0, seeds)),
        of,
        runs: AtomicU64::new(0),
        passed: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        first: Mutex::new(None),
        progress,
        run,
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| search.work());
        }
    });
    let first = search.first.into_inner().unwrap_or_else(PoisonError::into_inner);
    Searched { runs: search.runs.into_inner(), first }
}

impl<F: Fn(u64) -> Option<String> + Sync> Search<'_, F> {
    fn work(&self) {
        while let Some((index, seed)) = self.next() {
            let failure = (self.run)(seed);
            self.runs.fetch_add(1, Ordering::Relaxed);
            let Some(what) = failure else {
                let done = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(progress) = self.progress {
                    progress(&Progress { done, of: self.of, seed });
                }
                continue;
            };
            let mut first = lock(&self.first);
            if first.as_ref().is_none_or(|first| index < first.index) {
                *first = Some(First { index, seed, what });
            }
            drop(first);
            self.failed.store(true, Ordering::Release);
        }
    }

    /// The next seed, and its place. None after a failure: all before the failing one were handed out by then, and are run to their end.
    fn next(&self) -> Option<(u64, u64)> {
        let mut seeds = lock(&self.seeds);
        if self.failed.load(Ordering::Acquire) {
            return None;
        }
        let seed = seeds.1.next()?;
        seeds.0 += 1;
        Some((seeds.0 - 1, seed))
    }
}

/// A thread that panicked takes the whole search along; the others may end in peace.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
