//! Jobs on threads: their results come before the loop ends, and a job is run or taken back.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Drops, Notes, model, reactor};

#[test]
fn thr_06_the_loop_does_not_end_before_it_has_heard_the_result_of_a_job() {
    model(|| {
        let mut reactor = reactor();
        let answer = Rc::new(RefCell::new(None));
        let kept = Rc::clone(&answer);
        reactor.defer_to_thread(|| Ok(42)).add_both(move |result| {
            kept.replace(Some(result.ok()));
        });
        reactor.notify(|reactor| reactor.stop().unwrap());
        reactor.run().unwrap();
        assert_eq!(answer.take(), Some(Some(42)));
    });
}

#[test]
fn thr_09_a_job_is_run_or_taken_back_and_what_it_owns_is_dropped_once() {
    model(|| {
        let (mut reactor, notes, drops) = (reactor(), Notes::default(), Drops::default());
        let (ran, guard) = (notes.clone(), drops.guard());
        let taken_back = Rc::new(RefCell::new(None));
        let told = Rc::clone(&taken_back);
        reactor.notify(move |reactor| {
            let job = reactor.call_in_thread(move || {
                let _guard = guard;
                ran.add(0);
            });
            told.replace(Some(job.cancel()));
            reactor.stop().unwrap();
        });
        reactor.run().unwrap();
        assert_eq!(drops.count(), 1);
        assert_eq!(taken_back.take(), Some(notes.len() == 0));
    });
}
