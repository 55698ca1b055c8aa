//! Name lookups and jobs, as far as the kernel offers them: what it does not have says so with `Unsupported`.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use twistor_reactor::kernel::Readiness;

use super::MakeKernel;
use super::bench::{Bench, OTHER};

/// The service, or `None` if the kernel says that it has none.
#[track_caller]
fn offered<T>(service: io::Result<T>) -> Option<T> {
    match service {
        Ok(service) => Some(service),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
        Err(error) => panic!("{error}"),
    }
}

pub(in super::super) fn a_lookup_is_announced_and_fetched_once(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(resolver) = offered(bench.kernel().resolver()) else { return };
    assert!(resolver.answer(OTHER).is_none(), "nobody asked");
    resolver.look_up("localhost", OTHER).unwrap();
    bench.event(OTHER, Readiness::is_readable);
    let addresses = resolver.answer(OTHER).expect("it was announced").unwrap();
    assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    assert!(resolver.answer(OTHER).is_none(), "an answer is fetched once");
}

pub(in super::super) fn a_lookup_that_was_cancelled_has_no_answer(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(resolver) = offered(bench.kernel().resolver()) else { return };
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
    let Some(jobs) = offered(bench.kernel().jobs()) else { return };
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

pub(in super::super) fn a_closed_pool_drops_what_it_is_given(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(jobs) = offered(bench.kernel().jobs()) else { return };
    jobs.close(false);
    let token = Arc::new(());
    let inside = Arc::clone(&token);
    jobs.submit(Box::new(move || drop(inside)));
    assert_eq!(Arc::strong_count(&token), 1, "the job was dropped");
}
