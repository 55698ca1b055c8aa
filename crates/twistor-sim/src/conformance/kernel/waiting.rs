//! Time, and how a wait ends.

use std::time::Duration;

use twistor_reactor::kernel::Readiness;

use super::MakeKernel;
use super::bench::{Bench, OTHER, SERVER, send};

pub(in super::super) fn the_clock_never_goes_back(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let mut last = bench.kernel().now();
    for round in 0..200 {
        if round % 50 == 0 {
            bench.ready_now();
        }
        let now = bench.kernel().now();
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
    }
}

pub(in super::super) fn a_timeout_is_not_cut_short(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    for nanos in [1, 900_000, 1_000_001, 3_500_000] {
        let timeout = Duration::from_nanos(nanos);
        // A signal of the process may end one early, which is nobody's purpose.
        let whole = (0..5).any(|_| {
            let before = bench.kernel().now();
            bench.kernel().wait(Some(timeout), &mut Vec::new()).unwrap();
            bench.kernel().now().saturating_duration_since(before) >= timeout
        });
        assert!(whole, "a wait of {timeout:?} always ends before its time");
    }
}

pub(in super::super) fn an_event_ends_a_wait_however_long(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    send(&*ends.client, b"wake up");
    let mut ready = Vec::new();
    for _ in 0..10 {
        bench.kernel().wait(Some(Duration::MAX), &mut ready).unwrap();
        if ready.iter().any(|event| event.token == SERVER && event.has_data()) {
            return;
        }
    }
    panic!("ten waits, and not the event: {ready:?}");
}

pub(in super::super) fn what_is_ready_is_appended(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    send(&*ends.client, b"x");
    let mut ready = vec![Readiness::new(OTHER)];
    for _ in 0..10 {
        bench.kernel().wait(Some(Duration::from_millis(100)), &mut ready).unwrap();
        if ready.len() > 1 {
            break;
        }
    }
    assert!(ready.len() > 1 && ready[0].token == OTHER, "{ready:?}");
}

pub(in super::super) fn a_waker_ends_a_wait_from_another_thread(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let waker = bench.kernel().waker();
    for _ in 0..20 {
        // Woken before it is entered or while it lasts: a kernel in virtual time has no other way to end, so it is the former.
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake_by_ref());
        });
        bench.kernel().wait(None, &mut Vec::new()).unwrap();
    }
}

pub(in super::super) fn wakes_collapse_into_one(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let waker = bench.kernel().waker();
    let timeout = Duration::from_millis(3);
    let whole = (0..5).any(|_| {
        for _ in 0..100 {
            waker.wake_by_ref();
        }
        bench.kernel().wait(None, &mut Vec::new()).unwrap();
        let before = bench.kernel().now();
        bench.kernel().wait(Some(timeout), &mut Vec::new()).unwrap();
        bench.kernel().now().saturating_duration_since(before) >= timeout
    });
    assert!(whole, "a hundred wakes end more than one wait");
}

pub(in super::super) fn a_waker_outlives_its_kernel(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let waker = bench.kernel().waker();
    drop(bench);
    waker.wake();
}

pub(in super::super) fn the_seed_is_always_the_same_one(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    assert_eq!(bench.kernel().seed(), bench.kernel().seed());
}
