//! The wait: wakers, timeouts, very many events, and a loop above this one.

use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use twistor_reactor::kernel::{Interest, Kernel, MioKernel, Token};

use crate::support::{STEP, is_child, kernel, listen, ready_now, run_child};

#[test]
fn a_waker_ends_a_wait_from_another_thread() {
    let kernel = kernel();
    let waker = kernel.waker();
    for _ in 0..100 {
        let waker = waker.clone();
        let thread = thread::spawn(move || waker.wake());
        let mut ready = Vec::new();
        kernel.wait(None, &mut ready).unwrap();
        assert_eq!(ready, []);
        thread.join().unwrap();
    }
}

#[test]
fn wakes_before_a_wait_collapse_into_one() {
    let kernel = kernel();
    let waker = kernel.waker();
    for _ in 0..3 {
        waker.wake_by_ref();
        waker.wake_by_ref();
        kernel.wait(None, &mut Vec::new()).unwrap();
        let before = kernel.now();
        kernel.wait(Some(Duration::from_millis(3)), &mut Vec::new()).unwrap();
        assert!(kernel.now().saturating_duration_since(before) >= Duration::from_millis(3));
    }
    drop(kernel);
    waker.wake(); // Harmless.
}

#[test]
fn a_wait_is_never_short_and_takes_any_timeout() {
    let kernel = kernel();
    for timeout in [1, 900_000, 1_000_001, 4_000_000].map(Duration::from_nanos) {
        let before = kernel.now();
        kernel.wait(Some(timeout), &mut Vec::new()).unwrap();
        assert!(kernel.now().saturating_duration_since(before) >= timeout);
    }
    kernel.waker().wake();
    kernel.wait(Some(Duration::MAX), &mut Vec::new()).unwrap();
}

#[test]
fn seeds_differ_unless_they_are_given() {
    assert_ne!(kernel().seed(), kernel().seed());
    assert_eq!(MioKernel::with_seed(7).unwrap().seed(), 7);
    assert!(kernel().wall_time() > std::time::UNIX_EPOCH);
}

#[test]
fn the_kernels_descriptor_is_readable_while_it_has_something_to_report() {
    let kernel = kernel();
    let is_readable = || {
        let fd = kernel.poll_fd().unwrap();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)).unwrap() == 1
    };
    assert!(!is_readable());
    kernel.waker().wake();
    assert!(is_readable());
    ready_now(&kernel);
    assert!(!is_readable());
    let listener = listen(&kernel, Ipv4Addr::LOCALHOST);
    let _client = TcpStream::connect(listener.local().unwrap()).unwrap();
    assert!(is_readable());
}

#[test]
fn very_many_events_come_in_more_than_one_wait() {
    assert!(run_child("waiting::child_reports_very_many_events", "ulimit -n 4000; ").success());
}

#[test]
fn child_reports_very_many_events() {
    if !is_child() {
        return;
    }
    let kernel = kernel();
    let count = 3_000;
    let sources: Vec<_> = (0..count).map(|_| eventfd(1, EventfdFlags::CLOEXEC).unwrap()).collect();
    let rearm_or_watch = |again: bool| {
        for (index, fd) in (0..).zip(&sources) {
            let (token, descriptors) = (Token::new(index, 0), kernel.descriptors().unwrap());
            match again {
                true => descriptors.rearm(fd.as_fd(), token, Interest::READ).unwrap(),
                false => drop(descriptors.watch(fd.as_fd(), token, Interest::READ).unwrap()),
            }
        }
    };
    let waits = |counts: &mut Vec<usize>| {
        let mut ready = Vec::new();
        while ready.len() < count {
            let before = ready.len();
            kernel.wait(Some(STEP), &mut ready).unwrap();
            counts.push(ready.len() - before);
        }
        ready.sort_by_key(|event| event.token);
        ready.dedup();
        assert_eq!(ready.len(), count);
    };
    let mut counts = Vec::new();
    rearm_or_watch(false);
    waits(&mut counts);
    rearm_or_watch(true);
    waits(&mut counts);
    rearm_or_watch(true);
    waits(&mut counts);
    assert_eq!(counts, [1_024, 1_976, 2_048, 952, 3_000], "the room doubles when it was filled");
}
