//! Signals of the process, where the kernel has them and they can be raised.

use std::io;

use twistor_reactor::kernel::{Readiness, Signals};

use super::MakeKernel;
use super::bench::{Bench, CLIENT, OTHER, SERVER, kind, offered};

// Every case has signals of its own: real ones are heard by every kernel of the process.
const SIGUSR1: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 10 } else { 30 };
const SIGUSR2: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 12 } else { 31 };
const SIGWINCH: i32 = 28;
const SIGURG: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 23 } else { 16 };

fn signals(bench: &Bench) -> Option<&dyn Signals> {
    offered("signals", bench.kernel().signals())
}

/// Raises `signal`, if that can be arranged.
fn raise(bench: &Bench, signal: i32) -> Option<()> {
    offered("a signal that is raised", bench.world().raise(signal))
}

pub(in super::super) fn a_watched_signal_is_told_and_counted(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(signals) = signals(&bench) else { return };
    signals.watch(SIGUSR1, OTHER).unwrap();
    assert_eq!(signals.arrivals(OTHER), 0);
    for _ in 0..3 {
        if raise(&bench, SIGUSR1).is_none() {
            return;
        }
        bench.event(OTHER, Readiness::is_readable);
        assert_eq!(signals.arrivals(OTHER), 1);
        assert_eq!(signals.arrivals(OTHER), 0, "an arrival is counted once");
    }
}

pub(in super::super) fn each_signal_is_told_under_its_own_token(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(signals) = signals(&bench) else { return };
    signals.watch(SIGUSR2, OTHER).unwrap();
    signals.watch(SIGURG, CLIENT).unwrap();
    if raise(&bench, SIGUSR2).is_none() {
        return;
    }
    bench.event(OTHER, Readiness::is_readable);
    assert_eq!((signals.arrivals(OTHER), signals.arrivals(CLIENT), signals.arrivals(SERVER)), (1, 0, 0));
    raise(&bench, SIGURG).expect("the other one was raised");
    bench.event(CLIENT, Readiness::is_readable);
    assert_eq!((signals.arrivals(OTHER), signals.arrivals(CLIENT), signals.arrivals(SERVER)), (0, 1, 0));
}

pub(in super::super) fn a_signal_that_is_not_watched_any_more_is_not_told(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some(signals) = signals(&bench) else { return };
    signals.unwatch(OTHER);
    // By default this one is ignored, so that raising it is harmless.
    signals.watch(SIGWINCH, OTHER).unwrap();
    signals.watch(SIGWINCH, CLIENT).unwrap();
    signals.unwatch(OTHER);
    if raise(&bench, SIGWINCH).is_none() {
        return;
    }
    bench.event(CLIENT, Readiness::is_readable);
    assert_eq!((signals.arrivals(OTHER), signals.arrivals(CLIENT)), (0, 1));
    signals.unwatch(CLIENT);
    raise(&bench, SIGWINCH).expect("it was raised before");
    assert_eq!(bench.ready_now(), []);
    assert_eq!(signals.arrivals(CLIENT), 0);
}

pub(in super::super) fn signals_that_cannot_be_caught_are_refused(make: MakeKernel<'_>) {
    const SIGKILL: i32 = 9;
    const SIGSEGV: i32 = 11;
    let bench = Bench::new(make);
    let Some(signals) = signals(&bench) else { return };
    for signal in [SIGKILL, SIGSEGV, 0, -1, 9_999] {
        assert_eq!(kind(signals.watch(signal, OTHER)), io::ErrorKind::InvalidInput, "signal {signal}");
    }
}
