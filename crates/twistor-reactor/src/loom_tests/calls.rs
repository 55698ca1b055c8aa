//! Calls from other threads, against a loop that goes to sleep and a reactor that goes.

use loom::thread::spawn;

use super::{Drops, Notes, join, model, reactor};
use crate::{ReactorGone, ReactorHandle};

#[test]
fn thr_01_a_call_wakes_a_loop_that_goes_to_sleep() {
    model(|| {
        let (mut reactor, notes) = (reactor(), Notes::default());
        let (remote, ran) = (reactor.remote(), notes.clone());
        let caller = spawn(move || {
            for n in 0..2 {
                let ran = ran.clone();
                remote.call_from_thread(move |_| ran.add(n)).unwrap();
            }
        });
        reactor.turn_until(&notes, |notes| notes.len() == 2);
        caller.join().unwrap();
        assert_eq!(notes.all(), [0, 1]);
    });
}

#[test]
fn thr_01_calls_of_two_threads_run_once_each_in_the_order_of_their_thread() {
    model(|| {
        let (mut reactor, notes) = (reactor(), Notes::default());
        let callers = [[0, 1], [10, 11]].map(|calls| {
            let (remote, ran) = (reactor.remote(), notes.clone());
            spawn(move || {
                for n in calls {
                    let ran = ran.clone();
                    remote.call_from_thread(move |_| ran.add(n)).unwrap();
                }
            })
        });
        reactor.turn_until(&notes, |notes| notes.len() == 4);
        join(callers);
        reactor.turn();
        assert_eq!(notes.sorted(), [0, 1, 10, 11]);
        for thread in [[0, 1], [10, 11]] {
            let order: Vec<_> = notes.all().into_iter().filter(|n| thread.contains(n)).collect();
            assert_eq!(order, thread);
        }
    });
}

#[test]
fn thr_02_a_call_that_is_queued_by_a_call_is_not_slept_over() {
    model(|| {
        let (mut reactor, notes) = (reactor(), Notes::default());
        let (remote, again, ran) = (reactor.remote(), reactor.remote(), notes.clone());
        let caller = spawn(move || {
            let call = move |_: &ReactorHandle| again.call_from_thread(move |_| ran.add(0)).unwrap();
            remote.call_from_thread(call).unwrap();
        });
        reactor.turn_until(&notes, |notes| notes.len() == 1);
        caller.join().unwrap();
    });
}

#[test]
fn thr_01_a_call_that_races_the_end_of_the_reactor_is_dropped_once_and_later_ones_are_refused() {
    model(|| {
        let (mut reactor, notes, drops) = (reactor(), Notes::default(), Drops::default());
        let (remote, ran) = (reactor.remote(), notes.clone());
        let guards = [drops.guard(), drops.guard()];
        let caller = spawn(move || {
            guards.map(|guard| {
                let ran = ran.clone();
                remote.call_from_thread(move |_| {
                    let _guard = guard;
                    ran.add(0);
                })
            })
        });
        reactor.turn();
        let remote = reactor.remote();
        drop(reactor);
        let (ran, dropped) = (notes.len(), drops.count());
        let [first, second] = caller.join().unwrap();
        assert_eq!(drops.count(), 2, "of each call there is one end");
        assert_eq!(notes.len(), ran, "nothing is run once the reactor is gone");
        let taken = usize::from(first.is_ok()) + usize::from(second.is_ok());
        assert!(ran <= taken && taken <= dropped, "what was taken has ended with the reactor");
        assert!(first.is_ok() || second.is_err(), "no call is taken after one was refused");
        assert_eq!(remote.call_from_thread(|_| {}), Err(ReactorGone));
        assert!(!remote.is_alive() && !remote.has_calls());
    });
}

#[test]
fn thr_01_a_stop_from_a_thread_ends_a_loop_that_sleeps() {
    model(|| {
        let mut reactor = reactor();
        let remote = reactor.remote();
        let stopper = spawn(move || remote.stop());
        reactor.run().unwrap();
        stopper.join().unwrap().unwrap();
    });
}
