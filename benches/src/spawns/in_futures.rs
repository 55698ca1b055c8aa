//! The cases, with the `LocalPool` of the crate `futures`, in two ways: a bare task that leaves its result in a cell, and a
//! task with a handle to its result, which also tells of a panic and stops the task when it is dropped.

use std::cell::Cell;
use std::rc::Rc;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::RemoteHandle;
use futures::task::LocalSpawnExt;

use super::{GiveWay, Kind};

/// Sending, to a receiver that is there.
const SENT: &str = "the receiver is there";
/// Spawning.
const POOL: &str = "the pool is there";

pub(super) fn turn() -> impl FnMut(i64) -> i64 {
    let mut pool = LocalPool::new();
    move |n| {
        pool.run_until_stalled();
        n
    }
}

/// Every task adds its result to one cell.
pub(super) fn in_cells(kind: Kind, count: i64) -> impl FnMut(i64) -> i64 {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let sum = Rc::new(Cell::new(0));
    move |n| {
        for number in n..n + count {
            spawn(&spawner, kind, number, &sum);
        }
        pool.run_until_stalled();
        sum.take()
    }
}

fn spawn(spawner: &LocalSpawner, kind: Kind, n: i64, sum: &Rc<Cell<i64>>) {
    let sum = Rc::clone(sum);
    let add = move |n| sum.set(sum.get() + n);
    match kind {
        Kind::Ready => spawner.spawn_local(async move { add(n) }).expect(POOL),
        Kind::Yields => spawner
            .spawn_local(async move {
                GiveWay::default().await;
                add(n);
            })
            .expect(POOL),
        Kind::Waits => {
            let (promise, answer) = oneshot::channel();
            spawner.spawn_local(async move { add(answer.await.expect("fired")) }).expect(POOL);
            spawner.spawn_local(async move { promise.send(n).expect(SENT) }).expect(POOL);
        }
    }
}

/// Every task has a handle, from which its result is taken when the pool has nothing left to do.
pub(super) fn with_handles(kind: Kind, count: i64) -> impl FnMut(i64) -> i64 {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let mut handles = Vec::new();
    move |n| {
        for number in n..n + count {
            handles.push(spawn_with_handle(&spawner, kind, number));
        }
        pool.run_until_stalled();
        handles.drain(..).map(|handle| handle.now_or_never().expect("the task has ended")).sum()
    }
}

fn spawn_with_handle(spawner: &LocalSpawner, kind: Kind, n: i64) -> RemoteHandle<i64> {
    match kind {
        Kind::Ready => spawner.spawn_local_with_handle(async move { n }).expect(POOL),
        Kind::Yields => spawner
            .spawn_local_with_handle(async move {
                GiveWay::default().await;
                n
            })
            .expect(POOL),
        Kind::Waits => {
            let (promise, answer) = oneshot::channel();
            let waits =
                spawner.spawn_local_with_handle(async move { answer.await.expect("fired") }).expect(POOL);
            let fires = spawner.spawn_local_with_handle(async move { promise.send(n).expect(SENT) });
            fires.expect(POOL).forget();
            waits
        }
    }
}
