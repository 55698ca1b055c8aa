//! Promises that are fired from threads: one end each, whatever happens at the same time.

use loom::thread::spawn;
use twistor_deferred::{Failure, deferred};

use super::{Drops, Guard, model, reactor};
use crate::{IntoRemote, ReactorGone};

#[test]
fn thr_01_a_remote_promise_that_races_the_end_of_the_reactor_has_one_end() {
    model(|| {
        let (reactor, drops) = (reactor(), Drops::default());
        let (promise, result) = deferred::<Guard>();
        let (remote, guard) = (promise.into_remote(&reactor), drops.guard());
        let thread = spawn(move || remote.callback(guard));
        drop(reactor);
        assert!(result.try_take().unwrap().is_err_and(|failure| failure.check::<ReactorGone>()));
        let _ = thread.join().unwrap();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn thr_01_a_remote_promise_that_races_a_cancel_has_one_end() {
    model(|| {
        let (mut reactor, drops) = (reactor(), Drops::default());
        let (promise, result) = deferred::<Guard>();
        let (remote, guard) = (promise.into_remote(&reactor), drops.guard());
        let thread = spawn(move || {
            let cancelled = remote.is_cancelled();
            remote.callback(guard).unwrap();
            cancelled
        });
        result.cancel();
        let result = result.map_failure(|failure: Failure| failure);
        reactor.turn_until(&drops, |drops| drops.count() == 1);
        thread.join().unwrap();
        assert!(result.try_take().unwrap().is_err_and(|failure| failure.is_cancelled()));
    });
}
