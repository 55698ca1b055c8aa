//! Calls from other threads (contract section 4: THR-01 to 03, THR-10): the logic over a kernel of memory, the threads over the real one.

#![cfg(feature = "mio")]

mod common;

use std::cell::RefCell;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use common::{Log, ms, reactor, real_reactor, run_bounded, started, turn_until, turns};
use twistor_deferred::{Abandoned, Failure, deferred, succeed};
use twistor_reactor::error::BlockingCallError;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::{Reactor, ReactorGone, ReactorHandle};

/// Calls from threads find the notes here.
fn note(text: &'static str) -> impl FnOnce(&ReactorHandle) + Send {
    move |reactor| reactor.extension::<RefCell<Vec<&str>>>().borrow_mut().push(text)
}

fn noted(reactor: &ReactorHandle) -> Vec<&'static str> {
    reactor.extension::<RefCell<Vec<&str>>>().take()
}

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().spawn(f).unwrap()
}

#[test]
fn thr_01_calls_run_on_the_loops_thread_in_order_and_wake_it() {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    let remote = reactor.remote();
    let home = thread::current().id();
    let calls = spawn(move || {
        for n in 0..100_usize {
            let check = move |reactor: &ReactorHandle| {
                assert_eq!(thread::current().id(), home);
                reactor.extension::<RefCell<Vec<usize>>>().borrow_mut().push(n);
            };
            remote.call_from_thread(check).unwrap();
        }
        remote.stop().unwrap();
        remote.stop().unwrap(); // Twice is nothing.
    });
    run_bounded(&mut reactor); // Without a timer: it sleeps until it is woken.
    calls.join().unwrap();
    assert_eq!(reactor.extension::<RefCell<Vec<usize>>>().take(), (0..100).collect::<Vec<_>>());
}

#[test]
fn thr_01_many_threads_lose_no_call_and_no_wake_up() {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    let barrier = Arc::new(Barrier::new(4));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (remote, barrier) = (reactor.remote(), Arc::clone(&barrier));
            spawn(move || {
                barrier.wait();
                for n in 0..500 {
                    remote.call_from_thread(|_| ()).unwrap();
                    if n % 50 == 0 {
                        // The loop is likely asleep by then; the answer says that it was woken.
                        assert_eq!(remote.blocking_call(move |_| Ok(n)).unwrap(), n);
                    }
                }
                remote.blocking_call(|reactor| {
                    let left = reactor.extension::<std::cell::Cell<usize>>();
                    left.set(left.get() + 1);
                    if left.get() == 4 {
                        reactor.stop().unwrap();
                    }
                    Ok(())
                })
            })
        })
        .collect();
    run_bounded(&mut reactor);
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(reactor.stats().thread_calls, 4 * (500 + 10 + 1));
}

#[test]
fn thr_02_a_call_queued_from_a_call_waits_for_the_next_turn_which_comes_at_once() {
    let (mut reactor, world) = started();
    let remote = reactor.remote();
    let again = reactor.remote();
    remote
        .call_from_thread(move |reactor| {
            note("1")(reactor);
            again.call_from_thread(note("3")).unwrap();
        })
        .unwrap();
    remote.call_from_thread(note("2")).unwrap();
    assert!(noted(&reactor).is_empty(), "never in place, not even on the loop's thread");
    world.waits();
    reactor.iterate(Some(ms(9))).unwrap();
    assert_eq!(noted(&reactor), ["1", "2"]);
    assert_eq!(world.waits(), [Some(Duration::ZERO)]);
    reactor.iterate(Some(ms(9))).unwrap();
    assert_eq!(noted(&reactor), ["3"]);
}

#[test]
fn thr_02_calls_of_before_the_run_are_made_in_its_first_turn() {
    let (mut reactor, _world) = reactor();
    reactor.remote().call_from_thread(note("early")).unwrap();
    reactor.remote().stop().unwrap();
    reactor.run().unwrap();
    assert_eq!(noted(&reactor), ["early"]);
    assert_eq!(reactor.stats().turns, 1);
}

#[test]
fn thr_03_a_panic_is_logged_and_the_next_call_is_made() {
    let log = Log::catch();
    let (mut reactor, _world) = reactor();
    let remote = reactor.remote();
    remote.call_from_thread(|_| panic!("first")).unwrap();
    remote.call_from_thread(note("second")).unwrap();
    turns(&mut reactor, 1);
    assert_eq!(noted(&reactor), ["second"]);
    log.expect(&["a call from another thread panicked: first"]);
}

#[test]
fn thr_10_a_blocking_call_waits_for_its_answer() {
    let mut reactor = real_reactor();
    let remote = reactor.remote();
    assert!(matches!(remote.blocking_call(|_| Ok(())), Err(BlockingCallError::OnReactorThread)));
    let caller = spawn(move || {
        assert_eq!(remote.blocking_call(|_| Ok(7)).unwrap(), 7);
        assert_eq!(remote.blocking_call(|_| succeed("at once")).unwrap(), "at once");
        let later = remote.blocking_call(|reactor| {
            let (promise, answer) = deferred();
            reactor.call_later(ms(1), move || promise.callback("later"));
            answer
        });
        assert_eq!(later.unwrap(), "later");
        for f in [|| panic!("called"), || Err(Failure::new(std::fmt::Error))] {
            let f: fn() -> Result<(), Failure> = f;
            assert!(matches!(remote.blocking_call(move |_| f()), Err(BlockingCallError::Failed(_))));
        }
        remote.stop().unwrap();
    });
    run_bounded(&mut reactor);
    caller.join().unwrap();
}

#[test]
fn thr_10_a_blocking_call_ends_with_the_reactor() {
    let mut reactor = real_reactor();
    let remote = reactor.remote();
    let (queued, is_queued) = channel();
    let caller = spawn(move || {
        let never = remote.blocking_call(|reactor| {
            let (promise, answer) = deferred::<()>();
            reactor.call_later(Duration::MAX, move || promise.callback(()));
            answer
        });
        assert!(matches!(never, Err(BlockingCallError::Failed(failure)) if failure.check::<Abandoned>()));
        queued.send(()).unwrap();
        remote.blocking_call(|_| Ok(()))
    });
    let handle = reactor.handle();
    turn_until(&mut reactor, || handle.stats().timers_pending == 1);
    drop(reactor);
    is_queued.recv().unwrap();
    assert!(matches!(caller.join().unwrap(), Err(BlockingCallError::ReactorGone)));
}

#[test]
fn a_remote_outlives_its_reactor() {
    let (reactor, _world) = reactor();
    let remote = reactor.remote();
    let owned = Arc::new(());
    let held = Arc::clone(&owned);
    remote.call_from_thread(move |_| drop(held)).unwrap();
    assert!(remote.is_alive());
    drop(reactor);
    assert_eq!(Arc::strong_count(&owned), 1, "a queued call is dropped");
    let held = Arc::clone(&owned);
    assert_eq!(remote.call_from_thread(move |_| drop(held)), Err(ReactorGone));
    assert_eq!(Arc::strong_count(&owned), 1);
    assert_eq!(remote.stop(), Err(ReactorGone));
    assert!(!remote.is_alive());
    let answer = spawn(move || remote.blocking_call(|_| Ok(()))).join().unwrap();
    assert!(matches!(answer, Err(BlockingCallError::ReactorGone)));
}
