//! Timers against a plain list.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use twistor_deferred::{DelayedCall, Moment, Timers};

#[derive(Clone, Debug)]
enum Step {
    Schedule(u64),
    Cancel(usize),
    Reset(usize, u64),
    Delay(usize, u64),
    Forward(usize, u64),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (which, nanos) = (0..200_usize, 0..20_u64);
    prop_oneof![
        6 => nanos.clone().prop_map(Step::Schedule),
        3 => which.clone().prop_map(Step::Cancel),
        2 => (which.clone(), nanos.clone()).prop_map(|(which, nanos)| Step::Reset(which, nanos)),
        2 => (which.clone(), nanos.clone()).prop_map(|(which, nanos)| Step::Delay(which, nanos)),
        2 => (which, nanos).prop_map(|(which, nanos)| Step::Forward(which, nanos)),
        1 => (0..4_u64).prop_map(Step::Advance),
    ]
}

/// One call of the list: when it is due, in which order it was made or moved, and which one it is.
type Entry = (u64, usize, usize);

#[derive(Default)]
struct Plain {
    now: u64,
    next_order: usize,
    entries: Vec<Entry>,
}

impl Plain {
    fn add(&mut self, at: u64, id: usize) {
        self.entries.push((at.max(self.now), self.next_order, id));
        self.next_order += 1;
    }

    fn take(&mut self, id: usize) -> Option<u64> {
        let place = self.entries.iter().position(|entry| entry.2 == id)?;
        Some(self.entries.remove(place).0)
    }

    fn move_to(&mut self, id: usize, at: impl FnOnce(u64) -> u64) -> bool {
        let Some(old) = self.take(id) else { return false };
        self.add(at(old), id);
        true
    }

    fn advance(&mut self, nanos: u64) -> Vec<usize> {
        self.now += nanos;
        self.entries.sort_unstable();
        let due = self.entries.partition_point(|entry| entry.0 <= self.now);
        self.entries.drain(..due).map(|entry| entry.2).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn time_03_06_07_timers_do_what_a_sorted_list_does(steps in prop::collection::vec(step(), 1..400)) {
        let (timers, mut plain) = (Timers::new(), Plain::default());
        let ran = Rc::new(RefCell::new(Vec::new()));
        let mut handles: Vec<DelayedCall> = Vec::new();
        for step in steps {
            match step {
                Step::Schedule(nanos) => {
                    let (id, ran) = (handles.len(), Rc::clone(&ran));
                    handles.push(timers.schedule_after(Duration::from_nanos(nanos), move || ran.borrow_mut().push(id)));
                    plain.add(plain.now + nanos, id);
                }
                Step::Cancel(id) => {
                    let cancelled = handles.get(id).is_some_and(|call| call.cancel().is_ok());
                    prop_assert_eq!(cancelled, plain.take(id).is_some());
                }
                Step::Reset(id, nanos) => {
                    let moved = handles.get(id).is_some_and(|call| call.reset(Duration::from_nanos(nanos)).is_ok());
                    let now = plain.now;
                    prop_assert_eq!(moved, plain.move_to(id, |_| now + nanos));
                }
                Step::Delay(id, nanos) => {
                    let moved = handles.get(id).is_some_and(|call| call.delay(Duration::from_nanos(nanos)).is_ok());
                    prop_assert_eq!(moved, plain.move_to(id, |at| at + nanos));
                }
                Step::Forward(id, nanos) => {
                    let call = handles.get(id);
                    let moved = call.is_some_and(|call| call.bring_forward(Duration::from_nanos(nanos)).is_ok());
                    prop_assert_eq!(moved, plain.move_to(id, |at| at.saturating_sub(nanos)));
                }
                Step::Advance(nanos) => {
                    timers.set_now(Moment::from_nanos(timers.now().as_nanos() + nanos));
                    let pass = timers.begin_pass();
                    while let Some(due) = timers.pop_due(&pass) {
                        due.run();
                    }
                    prop_assert_eq!(ran.take(), plain.advance(nanos));
                }
            }
            prop_assert_eq!(timers.len(), plain.entries.len());
            let next = plain.entries.iter().min().map(|entry| Moment::from_nanos(entry.0));
            prop_assert_eq!(timers.next_deadline(), next);
            plain.entries.sort_unstable();
            let times: Vec<_> = plain.entries.iter().map(|entry| Some(Moment::from_nanos(entry.0))).collect();
            prop_assert_eq!(timers.pending().iter().map(DelayedCall::time).collect::<Vec<_>>(), times);
        }
    }
}
