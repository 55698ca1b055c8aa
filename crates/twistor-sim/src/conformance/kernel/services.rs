//! Name lookups and jobs, as far as the kernel offers them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use twistor_reactor::kernel::{Jobs, Readiness};

use super::MakeKernel;
use super::bench::{Bench, OTHER, offered};

pub(in super::super) fn a_lookup_is_announced_and_fetched_once(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(resolver) = offered("name lookups", bench.kernel().resolver()) else { return };
    assert!(resolver.answer(OTHER).is_none(), "nobody asked");
    resolver.look_up("localhost", OTHER).unwrap();
    bench.event(OTHER, Readiness::is_readable);
    let addresses = resolver.answer(OTHER).expect("it was announced").unwrap();
    assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    assert!(resolver.answer(OTHER).is_none(), "an answer is fetched once");
}

pub(in super::super) fn a_lookup_that_was_cancelled_has_no_answer(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(resolver) = offered("name lookups", bench.kernel().resolver()) else { return };
    resolver.look_up("localhost", OTHER).unwrap();
    resolver.cancel(OTHER);
    resolver.cancel(OTHER);
    bench.ready_now();
    assert!(resolver.answer(OTHER).is_none());
    // The token is free for another.
    resolver.look_up("localhost", OTHER).unwrap();
    bench.event(OTHER, Readiness::is_readable);
    assert!(resolver.answer(OTHER).is_some());
}

pub(in super::super) fn every_job_runs_once(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(jobs) = offered("jobs on threads", bench.kernel().jobs()) else { return };
    jobs.resize(0, 3);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..20 {
        let (ran, waker) = (Arc::clone(&ran), bench.kernel().waker());
        jobs.submit(Box::new(move || {
            ran.fetch_add(1, Ordering::SeqCst);
            waker.wake();
        }));
    }
    bench.until("twenty jobs", |_| (ran.load(Ordering::SeqCst) >= 20).then_some(()));
    bench.until("their threads", |_| {
        let load = jobs.load();
        (load.running == 0 && load.queued == 0).then_some(())
    });
    assert_eq!(ran.load(Ordering::SeqCst), 20);
}

/// Jobs that count themselves, and how many of them there were at once.
#[derive(Clone, Default)]
struct Tally {
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
}

impl Tally {
    fn submit(&self, bench: &Bench, jobs: &dyn Jobs) {
        let (tally, waker) = (self.clone(), bench.kernel().waker());
        jobs.submit(Box::new(move || {
            tally.most.fetch_max(tally.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..100 {
                std::thread::yield_now(); // Time for others to begin.
            }
            tally.running.fetch_sub(1, Ordering::SeqCst);
            tally.done.fetch_add(1, Ordering::SeqCst);
            waker.wake();
        }));
    }

    fn until(&self, bench: &Bench, done: usize) {
        bench.until("the jobs", |_| (self.done.load(Ordering::SeqCst) == done).then_some(()));
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

pub(in super::super) fn thr_04_no_more_jobs_run_at_once_than_there_may_be_threads(make: MakeKernel<'_>) {
    const JOBS: usize = 12;
    const MOST: usize = 3;
    let bench = Bench::new(make);
    let Some(jobs) = offered("jobs on threads", bench.kernel().jobs()) else { return };
    jobs.resize(0, MOST);
    let tally = Tally::default();
    for _ in 0..JOBS {
        tally.submit(&bench, jobs);
        assert!(jobs.load().threads <= MOST, "{:?}", jobs.load());
    }
    tally.until(&bench, JOBS);
    assert!((1..=MOST).contains(&tally.most()), "{} at once", tally.most());
}

pub(in super::super) fn thr_07_the_limit_moves_while_jobs_wait(make: MakeKernel<'_>) {
    const JOBS: usize = 10;
    let bench = Bench::new(make);
    let Some(jobs) = offered("jobs on threads", bench.kernel().jobs()) else { return };
    jobs.resize(0, 4);
    let tally = Tally::default();
    for _ in 0..JOBS {
        tally.submit(&bench, jobs);
    }
    // Fewer: nothing is lost, and threads that have nothing to do go.
    jobs.resize(0, 1);
    tally.until(&bench, JOBS);
    bench.until("threads that go", |_| (jobs.load().threads <= 1).then_some(()));
    let fewer = Tally::default();
    for _ in 0..JOBS {
        fewer.submit(&bench, jobs);
    }
    fewer.until(&bench, JOBS);
    assert_eq!(fewer.most(), 1, "one thread runs one job at a time");
    // More again.
    jobs.resize(0, 3);
    for _ in 0..JOBS {
        tally.submit(&bench, jobs);
    }
    tally.until(&bench, 2 * JOBS);
    assert!(jobs.load().threads <= 3, "{:?}", jobs.load());
}

pub(in super::super) fn a_closed_pool_drops_what_it_is_given(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(jobs) = offered("jobs on threads", bench.kernel().jobs()) else { return };
    jobs.close(false);
    let token = Arc::new(());
    let inside = Arc::clone(&token);
    jobs.submit(Box::new(move || drop(inside)));
    assert_eq!(Arc::strong_count(&token), 1, "the job was dropped");
}
