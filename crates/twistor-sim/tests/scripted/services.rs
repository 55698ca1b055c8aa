//! Names, jobs, signals, descriptors.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use twistor_reactor::kernel::{Interest, JobLoad, Kernel, Polled, Token};
use twistor_sim::{Answer, Call, ScriptedKernel, errno};

use crate::util::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lookup_is_announced_and_then_fetched_once() {
    let kernel = ScriptedKernel::new();
    kernel.host("Example.test", [[192, 0, 2, 7], [192, 0, 2, 3]]);
    let resolver = kernel.resolver().unwrap();
    resolver.look_up("example.TEST", SOCKET).unwrap();
    assert!(resolver.answer(SOCKET).is_none());
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    let addresses = resolver.answer(SOCKET).unwrap().unwrap();
    assert_eq!(addresses, [IpAddr::from([192, 0, 2, 7]), IpAddr::from([192, 0, 2, 3])]);
    assert!(resolver.answer(SOCKET).is_none());
    assert_eq!(kernel.registered(), 0);
}

#[test]
fn a_slow_answer_takes_its_time() {
    let kernel = ScriptedKernel::new();
    kernel.host_after("slow.test", 3 * SECOND, [Ipv4Addr::LOCALHOST]);
    kernel.resolver().unwrap().look_up("slow.test", SOCKET).unwrap();
    assert_eq!(events(&kernel), []);
    assert_eq!(next_events(&kernel), [readable(SOCKET)]);
    assert_eq!(kernel.now().as_nanos(), 3_000_000_000);
}

#[test]
fn lookups_fail_as_told_and_unknown_names_are_not_found() {
    let kernel = ScriptedKernel::new();
    kernel.host_fails("broken.test", SECOND, ErrorKind::TimedOut);
    let resolver = kernel.resolver().unwrap();
    let (unknown, local, literal) = (Token::new(1, 0), Token::new(2, 0), Token::new(3, 0));
    resolver.look_up("broken.test", SOCKET).unwrap();
    resolver.look_up("unknown.test", unknown).unwrap();
    resolver.look_up("localhost", local).unwrap();
    resolver.look_up("2001:db8::5", literal).unwrap();
    assert_eq!(events(&kernel), [unknown, local, literal].map(readable));
    assert_eq!(failure(resolver.answer(unknown).unwrap()), ErrorKind::NotFound);
    assert_eq!(resolver.answer(local).unwrap().unwrap(), [IpAddr::from([127, 0, 0, 1])]);
    assert_eq!(resolver.answer(literal).unwrap().unwrap(), ["2001:db8::5".parse::<IpAddr>().unwrap()]);
    assert_eq!(next_events(&kernel), [readable(SOCKET)]);
    assert_eq!(failure(resolver.answer(SOCKET).unwrap()), ErrorKind::TimedOut);
    kernel.script(Call::LookUp, Answer::Errno(errno::EMFILE));
    assert!(resolver.look_up("localhost", SOCKET).is_err());
}

#[test]
fn a_cancelled_lookup_is_never_heard_of() {
    let kernel = ScriptedKernel::new();
    kernel.host_after("slow.test", SECOND, [Ipv4Addr::LOCALHOST]);
    let resolver = kernel.resolver().unwrap();
    resolver.look_up("slow.test", SOCKET).unwrap();
    resolver.cancel(SOCKET);
    resolver.cancel(SOCKET);
    assert_eq!(failure(kernel.wait(None, &mut Vec::new())), ErrorKind::Deadlock);
    // Announced already, then cancelled.
    resolver.look_up("slow.test", SOCKET).unwrap();
    kernel.advance(SECOND);
    resolver.cancel(SOCKET);
    assert_eq!(events(&kernel), []);
    assert!(resolver.answer(SOCKET).is_none());
    assert_eq!(kernel.registered(), 0);
}

#[test]
fn jobs_run_in_line_in_the_next_wait() {
    let kernel = ScriptedKernel::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let jobs = kernel.jobs().unwrap();
    for index in 0..20 {
        let (log, waker) = (Arc::clone(&log), kernel.waker());
        jobs.submit(Box::new(move || {
            log.lock().unwrap().push(index);
            waker.wake();
        }));
    }
    assert_eq!(jobs.load(), JobLoad { threads: 0, running: 0, queued: 20 });
    assert!(log.lock().unwrap().is_empty());
    kernel.wait(None, &mut Vec::new()).unwrap();
    assert_eq!(*log.lock().unwrap(), (0..20).collect::<Vec<_>>());
    assert_eq!(jobs.load(), JobLoad::default());
}

#[test]
fn jobs_with_a_time_share_the_threads() {
    let kernel = ScriptedKernel::new();
    kernel.job_time(SECOND);
    let jobs = kernel.jobs().unwrap();
    jobs.resize(0, 2);
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let (done, waker) = (Arc::clone(&done), kernel.waker());
        jobs.submit(Box::new(move || {
            done.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        }));
    }
    assert_eq!(jobs.load(), JobLoad { threads: 2, running: 2, queued: 3 });
    for (seconds, finished) in [(1, 2), (2, 4), (3, 5)] {
        kernel.wait(None, &mut Vec::new()).unwrap();
        assert_eq!(kernel.now().as_nanos(), seconds * 1_000_000_000);
        assert_eq!(done.load(Ordering::Relaxed), finished);
    }
    assert_eq!(jobs.load(), JobLoad { threads: 2, running: 0, queued: 0 });
}

#[test]
fn a_closed_pool_finishes_its_queue_and_takes_no_more() {
    let kernel = ScriptedKernel::new();
    let jobs = kernel.jobs().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let job = |done: &Arc<AtomicUsize>| {
        let done = Arc::clone(done);
        Box::new(move || {
            done.fetch_add(1, Ordering::Relaxed);
        })
    };
    jobs.submit(job(&done));
    jobs.close(false);
    jobs.submit(job(&done));
    // Refused means dropped: the queued one and our own are left.
    assert_eq!(Arc::strong_count(&done), 2);
    assert_eq!(events(&kernel), []);
    assert_eq!(done.load(Ordering::Relaxed), 1);
}

#[test]
fn an_abandoned_pool_drops_its_queue_and_leaves_busy_threads_behind() {
    let kernel = ScriptedKernel::new();
    kernel.job_time(SECOND);
    let jobs = kernel.jobs().unwrap();
    jobs.resize(0, 1);
    let (busy, queued) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for count in [&busy, &queued] {
        let count = Arc::clone(count);
        jobs.submit(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
    }
    jobs.close(true);
    assert_eq!(Arc::strong_count(&queued), 1);
    assert_eq!(jobs.load(), JobLoad { threads: 1, running: 1, queued: 0 });
    kernel.advance(SECOND);
    assert_eq!(busy.load(Ordering::Relaxed), 1);
    assert_eq!(jobs.load(), JobLoad::default());
}

#[test]
fn signals_are_counted_for_everyone_who_watches() {
    let kernel = ScriptedKernel::new();
    let signals = kernel.signals().unwrap();
    let (one, two) = (Token::new(1, 0), Token::new(2, 0));
    signals.watch(15, one).unwrap();
    signals.watch(15, two).unwrap();
    for forbidden in [9, 11, 0, 65] {
        assert_eq!(failure(signals.watch(forbidden, two)), ErrorKind::InvalidInput);
    }
    kernel.raise(15);
    kernel.raise(15);
    assert_eq!(events(&kernel), [readable(one), readable(two)]);
    assert_eq!((signals.arrivals(one), signals.arrivals(one)), (2, 0));
    signals.unwatch(two);
    assert_eq!(signals.arrivals(two), 0);
    kernel.raise(15);
    assert_eq!(events(&kernel), [readable(one)]);
    signals.unwatch(one);
    kernel.raise(15);
    assert_eq!(kernel.unhandled_signals(), [15]);
    assert_eq!(kernel.registered(), 0);
}

#[test]
fn a_descriptor_is_what_the_test_says_it_is() {
    let kernel = ScriptedKernel::new();
    let descriptors = kernel.descriptors().unwrap();
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let fd = input.as_fd();
    assert_eq!(descriptors.watch(fd, SOCKET, Interest::READ).unwrap(), Polled::Events);
    assert_eq!(failure(descriptors.watch(fd, SOCKET, Interest::READ)), ErrorKind::AlreadyExists);
    kernel.set_ready(fd, Interest::READ | Interest::WRITE);
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    // An edge, until it is armed again.
    assert_eq!(events(&kernel), []);
    descriptors.rearm(fd, SOCKET, Interest::WRITE).unwrap();
    assert_eq!(events(&kernel), [writable(SOCKET)]);
    kernel.hang_up(fd);
    let event = events(&kernel)[0];
    assert!(event.is_hang_up() && !event.has_data());
    descriptors.unwatch(fd.as_raw_fd()).unwrap();
    assert_eq!(failure(descriptors.unwatch(fd.as_raw_fd())), ErrorKind::NotFound);
    assert_eq!(failure(descriptors.rearm(fd, SOCKET, Interest::READ)), ErrorKind::NotFound);

    kernel.refuse_to_poll(output.as_fd());
    assert_eq!(descriptors.watch(output.as_fd(), SOCKET, Interest::READ).unwrap(), Polled::Never);
    kernel.script(Call::Watch, Answer::Errno(errno::EBADF));
    assert_eq!(descriptors.watch(fd, SOCKET, Interest::READ).unwrap_err().raw_os_error(), Some(errno::EBADF));
    assert_eq!(kernel.registered(), 0);
}
