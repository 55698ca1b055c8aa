use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use arbitrary::Unstructured;
use twistor_deferred::{DelayedCall, Moment, Timers};

use crate::number;

/// A call that has not been made: when it is due, in which order it was made or moved, and which one it is.
type Entry = (u64, usize, usize);

/// Timers do what a sorted list does, whatever is made, moved, cancelled and passed over.
///
/// # Panics
///
/// If they do not.
pub fn timers(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let (timers, mut plain, mut order) = (Timers::new(), Vec::<Entry>::new(), 0);
    let ran = Rc::new(RefCell::new(Vec::new()));
    let mut handles: Vec<DelayedCall> = Vec::new();
    while !bytes.is_empty() {
        let (act, which, nanos) =
            (number(&mut bytes, 8), number(&mut bytes, 200), number(&mut bytes, 256) as u64);
        let (delay, now) = (Duration::from_nanos(nanos), timers.now().as_nanos());
        order += 1;
        let place = plain.iter().position(|entry| entry.2 == which);
        let mut move_to = |at: &dyn Fn(u64) -> u64| {
            if let Some(place) = place {
                plain[place] = (at(plain[place].0).max(now), order, which);
            }
        };
        let done = match (act, handles.get(which)) {
            (0..=2, _) => {
                let (id, ran) = (handles.len(), Rc::clone(&ran));
                handles.push(timers.schedule_after(delay, move || ran.borrow_mut().push(id)));
                plain.push((now + nanos, order, id));
                place.is_some()
            }
            (3, _) => {
                timers.set_now(Moment::from_nanos(now + nanos / 16));
                let pass = timers.begin_pass();
                while let Some(due) = timers.pop_due(&pass) {
                    due.run();
                }
                plain.sort_unstable();
                let due = plain.partition_point(|entry| entry.0 <= now + nanos / 16);
                assert_eq!(ran.take(), plain.drain(..due).map(|entry| entry.2).collect::<Vec<_>>());
                place.is_some()
            }
            (_, None) => false,
            (4, Some(call)) => {
                place.map(|place| plain.swap_remove(place));
                call.cancel().is_ok()
            }
            (5, Some(call)) => {
                move_to(&|_| now + nanos);
                call.reset(delay).is_ok()
            }
            (6, Some(call)) => {
                move_to(&|at| at + nanos);
                call.delay(delay).is_ok()
            }
            (_, Some(call)) => {
                move_to(&|at| at.saturating_sub(nanos));
                call.bring_forward(delay).is_ok()
            }
        };
        assert_eq!(done, place.is_some(), "what is pending can be moved and cancelled, and nothing else can");
        check(&timers, &mut plain);
    }
}

fn check(timers: &Timers, plain: &mut [Entry]) {
    plain.sort_unstable();
    assert_eq!(timers.len(), plain.len());
    let times: Vec<_> = plain.iter().map(|entry| Some(Moment::from_nanos(entry.0))).collect();
    assert_eq!(timers.next_deadline(), times.first().copied().flatten());
    assert_eq!(timers.pending().iter().map(DelayedCall::time).collect::<Vec<_>>(), times);
}
