//! The cases of `spawn` of `twistor-reactor`, and its peers in them.
//!
//! All variants of a case do the same: they spawn futures, let them run to their ends, and take what came of each. There
//! are three kinds of tasks, and each is measured alone and a thousand at a time:
//!
//! - `ready`: the future is done when it is polled first;
//! - `yields`: it wakes itself, gives way once, and is done when it is polled again;
//! - `waits`: it waits for a one-shot result, which a second task fires. Both are spawned and awaited: one iteration is
//!   the two of them.
//!
//! One task alone pays for whatever its loop does around it: `turn` says what that is. With a thousand it is divided
//! by a thousand, so what is left is the cost of a task. A reactor over an [`IdleKernel`] makes no
//! system call, as the peers make none here; the same over the real kernel asks for events once a turn.
//!
//! Reactors, pools and runtimes are made outside of what is measured.

use std::pin::Pin;
use std::task::{Context, Poll};

use twistor_reactor::kernel::MioKernel;

use crate::idle_kernel::IdleKernel;
use crate::{Case, Variant};

mod in_futures;
mod in_tokio;
mod in_twistor;

/// How many tasks are spawned at a time in the cases of many.
const MANY: i64 = 1_000;

const POOL: &str = "LocalPool, spawn_local";
/// The first variant entered twice: what the two rows differ by is noise.
const AGAIN: &str = "the same again (A/A)";
const HANDLES: &str = "LocalPool, spawn_local_with_handle";
const IDLE: &str = "twistor";
const REAL: &str = "twistor, real kernel";
const TOKIO: &str = "tokio, LocalSet";

/// What a task does.
#[derive(Clone, Copy)]
enum Kind {
    Ready,
    Yields,
    Waits,
}

/// All cases, in the order of the table.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![
        turn(),
        tasks("ready_alone", "one task that is ready at once", Kind::Ready, 1),
        tasks("ready_thousand", "the same, a thousand at a time; per task", Kind::Ready, MANY),
        tasks("yields_alone", "one task that wakes itself and gives way once", Kind::Yields, 1),
        tasks("yields_thousand", "the same, a thousand at a time; per task", Kind::Yields, MANY),
        tasks("waits_alone", "a task that waits for what a second task fires", Kind::Waits, 1),
        tasks("waits_thousand", "the same, a thousand pairs at a time; per pair", Kind::Waits, MANY),
    ]
}

fn turn() -> Case {
    let expected = |n| n;
    Case {
        name: "turn",
        what: "once through the loop, with nothing to do",
        unit: 1,
        variants: vec![
            Variant::each(POOL, expected, in_futures::turn()),
            Variant::each(AGAIN, expected, in_futures::turn()),
            Variant::each(IDLE, expected, in_twistor::turn(IdleKernel)),
            Variant::each(REAL, expected, in_twistor::turn(real())),
        ],
    }
}

fn tasks(name: &'static str, what: &'static str, kind: Kind, count: i64) -> Case {
    // Task number `k` gives `n + k`.
    let expected = if count == 1 { |n| n } else { |n| MANY * n + MANY * (MANY - 1) / 2 };
    Case {
        name,
        what,
        unit: count,
        variants: vec![
            Variant::each(POOL, expected, in_futures::in_cells(kind, count)),
            Variant::each(AGAIN, expected, in_futures::in_cells(kind, count)),
            Variant::each(HANDLES, expected, in_futures::with_handles(kind, count)),
            Variant::each(IDLE, expected, in_twistor::tasks(IdleKernel, kind, count)),
            Variant::each(REAL, expected, in_twistor::tasks(real(), kind, count)),
            in_tokio::tasks(TOKIO, expected, kind, count),
        ],
    }
}

fn real() -> MioKernel {
    MioKernel::new().expect("a descriptor for the poller")
}

/// Wakes its task and gives way, once. It is the same for everybody; tokio's own puts off the wake until the runtime has looked
/// for events.
#[derive(Default)]
struct GiveWay {
    gave: bool,
}

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.gave {
            return Poll::Ready(());
        }
        self.gave = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_gives_the_right_results() {
        for mut case in cases() {
            for variant in &mut case.variants {
                variant.run(3);
            }
        }
    }
}
