//! Signals: as events, and back to what they do by default.

use std::io;
use std::os::unix::process::ExitStatusExt;

use signal_hook::consts::{SIGKILL, SIGPIPE, SIGSEGV, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::low_level::raise;
use twistor_reactor::kernel::Kernel;

use crate::support::{CLIENT, OTHER, SERVER, await_readable, is_child, kernel, ready_now, run_child};

#[test]
fn signals_reach_every_kernel_that_watches_them() {
    let (one, two) = (kernel(), kernel());
    for kernel in [&one, &two] {
        kernel.signals().unwrap().watch(SIGUSR1, OTHER).unwrap();
        kernel.signals().unwrap().watch(SIGWINCH, CLIENT).unwrap();
        assert_eq!(kernel.signals().unwrap().arrivals(OTHER), 0);
    }
    raise(SIGUSR1).unwrap();
    raise(SIGUSR1).unwrap();
    for kernel in [&one, &two] {
        await_readable(kernel, OTHER);
        assert_eq!(kernel.signals().unwrap().arrivals(OTHER), 2);
        assert_eq!(kernel.signals().unwrap().arrivals(OTHER), 0);
        assert_eq!(kernel.signals().unwrap().arrivals(CLIENT), 0);
        assert_eq!(kernel.signals().unwrap().arrivals(SERVER), 0);
    }
    one.signals().unwrap().unwatch(OTHER);
    one.signals().unwrap().unwatch(OTHER);
    raise(SIGUSR1).unwrap();
    await_readable(&two, OTHER);
    assert_eq!(ready_now(&one), []);
    // And again, although the other one never stopped.
    one.signals().unwrap().watch(SIGUSR1, SERVER).unwrap();
    raise(SIGUSR1).unwrap();
    await_readable(&one, SERVER);
    await_readable(&two, OTHER);
}

#[test]
fn signals_that_cannot_be_caught_are_refused() {
    let kernel = kernel();
    let signals = kernel.signals().unwrap();
    for signal in [SIGKILL, SIGSEGV, 0, -1, 9_999] {
        let error = signals.watch(signal, OTHER).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&signal.to_string()), "{error}");
    }
}

#[test]
fn sigpipe_is_ignored_again_after_it_was_watched() {
    let kernel = kernel();
    kernel.signals().unwrap().watch(SIGPIPE, OTHER).unwrap();
    raise(SIGPIPE).unwrap();
    await_readable(&kernel, OTHER);
    kernel.signals().unwrap().unwatch(OTHER);
    raise(SIGPIPE).unwrap(); // We are still here.
}

#[test]
fn r16_a_signal_acts_by_default_when_nobody_watches_it_any_more() {
    assert_eq!(run_child("signals::child_dies_of_sigterm", "").signal(), Some(SIGTERM));
    assert_eq!(run_child("signals::child_dies_of_sigusr2", "").signal(), Some(SIGUSR2));
}

#[test]
fn child_dies_of_sigterm() {
    if !is_child() {
        return;
    }
    let (one, two) = (kernel(), kernel());
    for _ in 0..3 {
        one.signals().unwrap().watch(SIGTERM, OTHER).unwrap();
        raise(SIGTERM).unwrap();
        await_readable(&one, OTHER);
        two.signals().unwrap().watch(SIGTERM, OTHER).unwrap();
        one.signals().unwrap().unwatch(OTHER);
        raise(SIGTERM).unwrap();
        await_readable(&two, OTHER);
        two.signals().unwrap().unwatch(OTHER);
    }
    raise(SIGTERM).unwrap();
    unreachable!("the signal acts by default");
}

#[test]
fn child_dies_of_sigusr2() {
    if !is_child() {
        return;
    }
    let kernel = kernel();
    kernel.signals().unwrap().watch(SIGUSR2, OTHER).unwrap();
    raise(SIGUSR2).unwrap();
    drop(kernel); // As good as unwatching.
    raise(SIGUSR2).unwrap();
    unreachable!("the signal acts by default");
}
