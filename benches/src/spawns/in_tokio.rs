//! The cases, with tokio's `LocalSet` on a runtime of one thread, which is entered once for all iterations. Results come
//! from the handles.

use std::hint::black_box;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::{GiveWay, Kind};
use crate::Variant;

pub(super) fn tasks(name: &'static str, expected: fn(i64) -> i64, kind: Kind, count: i64) -> Variant {
    // Neither I/O nor time is switched on, so there is nothing that the loop would have to look at besides tasks.
    let runtime = Builder::new_current_thread().build().expect("a runtime without I/O");
    let (set, mut handles) = (LocalSet::new(), Vec::new());
    Variant::new(name, move |iterations| {
        runtime.block_on(set.run_until(async {
            for n in 0..iterations {
                let n = black_box(n);
                for number in n..n + count {
                    handles.push(spawn(kind, number));
                }
                let mut sum = 0;
                for handle in handles.drain(..) {
                    sum += handle.await.expect("no panic");
                }
                assert_eq!(sum, expected(n), "{name}");
            }
        }));
    })
}

fn spawn(kind: Kind, n: i64) -> JoinHandle<i64> {
    match kind {
        Kind::Ready => spawn_local(async move { n }),
        Kind::Yields => spawn_local(async move {
            GiveWay::default().await;
            n
        }),
        Kind::Waits => {
            let (promise, answer) = oneshot::channel();
            let waits = spawn_local(async move { answer.await.expect("fired") });
            spawn_local(async move { promise.send(n).expect("the receiver is there") });
            waits
        }
    }
}
