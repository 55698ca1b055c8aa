//! What is left at the end of a test.

use twistor_reactor::Reactor;
use twistor_reactor::sources::SourceHost;

/// What `reactor` still has to do or to look after, a line each; empty if it is clean.
///
/// Timed calls with the time they are due at; connections, listening ports, watched descriptors, handlers of signals, attempts to
/// connect, name lookups, sockets that linger after a close (a peer that closes too ends that, or 2 s); jobs on threads that run or wait
/// for one; tasks that have not ended; and work that is queued for the next turn. What the reactor has for itself, its handlers of SIGINT and SIGTERM, is not listed.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use twistor_sim::{TestReactor, leftovers};
///
/// let test = TestReactor::new();
/// let call = test.call_later(Duration::from_secs(3), || ());
/// assert_eq!(leftovers(&test), ["timed call due at 3s, in 3s"]);
/// call.cancel()?;
/// assert!(leftovers(&test).is_empty());
/// # Ok::<(), twistor_deferred::TimerError>(())
/// ```
#[must_use]
pub fn leftovers(reactor: &Reactor) -> Vec<String> {
    let mut all = Vec::new();
    let now = reactor.now();
    let mut due = false;
    for call in reactor.delayed_calls() {
        let Some(at) = call.time() else {
            all.push("timed call that never comes".to_owned());
            continue;
        };
        due |= at <= now;
        let since_zero = at.saturating_duration_since(twistor_reactor::Moment::ZERO);
        all.push(format!("timed call due at {since_zero:?}, in {:?}", at.saturating_duration_since(now)));
    }
    all.extend(reactor.sources().into_iter().filter_map(|(_, source)| source.describe()));
    match reactor.stats().tasks {
        0 => {}
        1 => all.push("a task that has not ended".to_owned()),
        tasks => all.push(format!("{tasks} tasks that have not ended")),
    }
    if let Some(kernel) = reactor.kernel() {
        let load = kernel.jobs().map(|jobs| jobs.load()).unwrap_or_default();
        if load.running + load.queued > 0 {
            all.push(format!(
                "jobs on threads: {} running, {} waiting for a thread",
                load.running, load.queued
            ));
        }
    }
    if !due && reactor.next_deadline().is_some_and(|deadline| deadline.is_zero()) {
        all.push(
            "work queued for the next turn: notifications, writes to flush, calls from threads".to_owned(),
        );
    }
    all
}

/// Checks that `reactor` has nothing left to do or to look after, as [`leftovers()`] lists it.
///
/// Turn it first until everything that can happen has happened ([`TestReactor::settle`](crate::TestReactor::settle)).
///
/// # Panics
///
/// If something is left, with a line about each.
#[track_caller]
pub fn assert_clean(reactor: &Reactor) {
    complain(&leftovers(reactor));
}

/// Panics with the list, if there is anything on it.
#[track_caller]
pub(crate) fn complain(left: &[String]) {
    assert!(
        left.is_empty(),
        "the test left something behind; cancel it, close it, or wait for it:\n  {}",
        left.join("\n  ")
    );
}
