//! The cases, with tokio's one-shot channel and `LocalSet`, and the combinators of the crate `futures`.

use std::hint::black_box;

use futures::TryFutureExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot::{self, Receiver, error::RecvError};
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::Variant;

/// Sending, to a receiver that is there.
const SENT: &str = "the receiver is there";

fn runtime() -> Runtime {
    // Neither I/O nor time is switched on, so there is nothing that the loop would have to look at besides tasks.
    Builder::new_current_thread().build().expect("a runtime without I/O")
}

/// Each result has a task of its own: spawned, then fired, then its handle is awaited. The runtime is entered once for all
/// iterations.
pub(super) fn spawned<F>(
    name: &'static str,
    expected: fn(i64) -> i64,
    stages: impl Fn(Receiver<i64>) -> F + 'static,
) -> Variant
where
    F: Future<Output = Result<i64, RecvError>> + 'static,
{
    let (runtime, tasks) = (runtime(), LocalSet::new());
    Variant::new(name, move |iterations| {
        tasks.block_on(&runtime, async {
            for n in 0..iterations {
                let (promise, answer) = oneshot::channel();
                let task = spawn_local(stages(answer));
                promise.send(black_box(n)).expect(SENT);
                assert_eq!(task.await.expect("no panic"), Ok(expected(n)), "{name}");
            }
        });
    })
}

/// One stage, which gives the receiver of a second channel. The task runs after each of the two was fired.
pub(super) fn chain_pending(name: &'static str, expected: fn(i64) -> i64, step: i64) -> Variant {
    let (runtime, tasks) = (runtime(), LocalSet::new());
    Variant::new(name, move |iterations| {
        tasks.block_on(&runtime, async {
            for n in 0..iterations {
                let (promise, answer) = oneshot::channel::<i64>();
                let (inner_promise, inner) = oneshot::channel::<i64>();
                let task = spawn_local(answer.and_then(move |_| inner));
                promise.send(black_box(n)).expect(SENT);
                yield_now().await;
                inner_promise.send(n + step).expect(SENT);
                assert_eq!(task.await.expect("no panic"), Ok(expected(n)), "{name}");
            }
        });
    })
}
