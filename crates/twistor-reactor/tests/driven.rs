//! A reactor that another loop drives: start, next_deadline, as_fd, iterate (CORE-10).

#![cfg(feature = "mio")]

mod common;

use std::os::fd::AsFd;
use std::time::Duration;

use common::{Notes, Probe, ms, pipe, reactor, real_reactor, run_bounded, write};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{Phase, Reactor};

/// One round of the loop above: sleeps in its own poll, then lets the reactor turn. Says whether the descriptor was readable.
fn outer_round(reactor: &mut Reactor, most: Duration) -> bool {
    let sleep = reactor.next_deadline().map_or(most, |deadline| deadline.min(most));
    // Rounded up, as `poll` takes its time in whole milliseconds on some systems.
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(sleep.subsec_nanos()) };
    let readable = {
        let fd = reactor.as_fd().unwrap();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).unwrap() > 0
    };
    reactor.iterate(Some(Duration::ZERO)).unwrap();
    readable
}

#[test]
fn core_10_another_loop_drives_the_reactor() {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    let notes = Notes::default();
    for event in [STARTUP, SHUTDOWN] {
        reactor.add_system_event_trigger(Phase::During, event, notes.note_with(event));
    }
    reactor.start().unwrap();
    notes.expect(&["startup"]);
    assert!(reactor.is_running());

    // A timer, by its deadline alone.
    reactor.call_later(ms(3), notes.note("timer"));
    for _ in 0..1_000 {
        if !notes.is_empty() {
            break;
        }
        assert!(!outer_round(&mut reactor, ms(900)));
    }
    notes.expect(&["timer"]);
    assert_eq!(reactor.next_deadline(), None);

    // A descriptor, by readiness.
    let (reader, writer) = pipe();
    let _watch = reactor.add_reader(Probe::new("a", &notes, reader)).unwrap();
    write(&writer, b"xy");
    assert!(outer_round(&mut reactor, ms(900)));
    assert!(outer_round(&mut reactor, ms(900)), "what is left is reported again");
    notes.expect(&["a read", "a got x", "a read", "a got y"]);

    // A call and a job's answer, by the wake-up.
    let remote = reactor.remote();
    let call = std::thread::Builder::new().spawn(move || remote.call_from_thread(|_| ())).unwrap();
    for _ in 0..1_000 {
        if reactor.stats().thread_calls == 1 {
            break;
        }
        outer_round(&mut reactor, ms(900));
    }
    call.join().unwrap().unwrap();
    let (seen, handle) = (notes.clone(), reactor.handle());
    reactor.defer_to_thread(|| Ok(7)).add_callback(move |answer| {
        seen.add(answer);
        handle.stop().unwrap();
    });
    let mut rounds = 0;
    while !reactor.is_finished() {
        outer_round(&mut reactor, ms(900));
        rounds += 1;
        assert!(rounds < 1_000);
    }
    notes.expect(&["7", "a lost: reactor was stopped or dropped", "shutdown"]);
}

#[test]
fn core_10_the_next_deadline_is_zero_while_there_is_work() {
    let (mut reactor, world) = reactor();
    assert_eq!(reactor.next_deadline(), None);
    assert!(reactor.as_fd().is_none(), "a kernel of memory has no descriptor");
    reactor.start().unwrap();
    reactor.call_later(ms(50), || ());
    world.pass(ms(20));
    assert_eq!(reactor.next_deadline(), Some(ms(30)), "by the clock as it is now");
    reactor.notify(|_| ());
    assert_eq!(reactor.next_deadline(), Some(Duration::ZERO));
    reactor.iterate(Some(Duration::ZERO)).unwrap();
    assert_eq!(reactor.next_deadline(), Some(ms(30)));
    reactor.stop().unwrap();
    assert_eq!(reactor.next_deadline(), Some(Duration::ZERO));
    reactor.iterate(Some(Duration::ZERO)).unwrap();
    assert!(reactor.is_finished());
}

/// The same program by `run` and by hand gives the same notes.
#[test]
fn core_10_by_hand_is_as_good_as_run() {
    fn program(reactor: &Reactor, notes: &Notes) {
        reactor.call_when_running(notes.note_with("running"));
        reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, notes.note_with("before"));
        reactor.add_system_event_trigger(Phase::After, SHUTDOWN, notes.note_with("after"));
        let handle = reactor.handle();
        reactor.call_later(ms(2), move || handle.stop().unwrap());
        reactor.call_in_thread(|| ());
    }
    let notes = Notes::default();
    let mut reactor = real_reactor();
    program(&reactor, &notes);
    while !reactor.is_finished() {
        reactor.iterate(None).unwrap();
    }
    let by_hand = notes.take();
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    program(&reactor, &notes);
    run_bounded(&mut reactor);
    assert_eq!(notes.take(), by_hand);
    let _ = reactor.as_fd().map(|fd| fd.as_fd().try_clone_to_owned());
}
