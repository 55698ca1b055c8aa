//! Dropping promises without recursion.
//!
//! A dropped promise fails its chain, which drops the callbacks it passes by, and one of those may own the next
//! promise, and so on. Were each chain run inside the destructor that began it, a long row of them would overflow
//! the stack. So a promise dropped while the chain of another dropped promise runs has its chain put in a queue, and
//! the outermost of them works it off, in order, before its own drop returns.
//!
//! The queue belongs to the thread. It is empty whenever no promise is being dropped, so it carries nothing from one
//! piece of work to the next.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::links::Chain;

type Queue = VecDeque<Rc<dyn Chain>>;

thread_local! {
    /// The chains to be run when the present one is done, or `None` if none is being run.
    static QUEUE: Cell<Option<Queue>> = const { Cell::new(None) };
}

/// Runs `chain`, whose root has its value: now, or right after the abandoned chain that is running now.
pub(super) fn drive_in_turn(chain: Rc<dyn Chain>) {
    // While the thread is being torn down there is no queue any more: recursion it is, then.
    let running = QUEUE.try_with(|queue| {
        let waiting = queue.take();
        let running = waiting.is_some();
        let mut waiting = waiting.unwrap_or_default();
        if running {
            waiting.push_back(Rc::clone(&chain));
        }
        queue.set(Some(waiting));
        running
    });
    match running {
        Ok(true) => {}
        Ok(false) => {
            super::dropping_plainly(|| {
                let mut next = Some(chain);
                while let Some(chain) = next {
                    chain.drive();
                    next = pop();
                }
            });
        }
        Err(_) => chain.drive(),
    }
}

/// The next chain of the queue; the queue is gone when there is none.
fn pop() -> Option<Rc<dyn Chain>> {
    QUEUE
        .try_with(|queue| {
            let mut waiting = queue.take()?;
            let next = waiting.pop_front()?;
            queue.set(Some(waiting));
            Some(next)
        })
        .ok()
        .flatten()
}
