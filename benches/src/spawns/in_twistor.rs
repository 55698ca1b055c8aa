//! The cases, with `spawn` of a reactor. A task's result is that of its Deferred.

use std::time::Duration;

use twistor_deferred::{Deferred, deferred};
use twistor_reactor::kernel::Kernel;
use twistor_reactor::{Reactor, ReactorHandle};

use super::{GiveWay, Kind};

pub(super) fn turn(kernel: impl Kernel) -> impl FnMut(i64) -> i64 {
    let mut reactor = started(kernel);
    move |n| {
        go_around(&mut reactor);
        n
    }
}

pub(super) fn tasks(kernel: impl Kernel, kind: Kind, count: i64) -> impl FnMut(i64) -> i64 {
    let mut reactor = started(kernel);
    let mut answers = Vec::new();
    move |n| {
        for number in n..n + count {
            answers.push(spawn(&reactor, kind, number));
        }
        go_around(&mut reactor);
        if !matches!(kind, Kind::Ready) {
            go_around(&mut reactor); // What was woken in a turn is polled in the next one.
        }
        answers.drain(..).map(value).sum()
    }
}

fn spawn(reactor: &ReactorHandle, kind: Kind, n: i64) -> Deferred<i64> {
    match kind {
        Kind::Ready => reactor.spawn(async move { Ok(n) }),
        Kind::Yields => reactor.spawn(async move {
            GiveWay::default().await;
            Ok(n)
        }),
        Kind::Waits => {
            let (promise, answer) = deferred();
            let waits = reactor.spawn(async move {
                let n = answer.await?;
                Ok(n)
            });
            reactor.spawn(async move { promise.callback(n) });
            waits
        }
    }
}

fn started(kernel: impl Kernel) -> Reactor {
    let mut reactor = Reactor::builder().handle_signals(false).build_with(kernel);
    reactor.start().expect("a fresh reactor");
    reactor
}

fn go_around(reactor: &mut Reactor) {
    reactor.iterate(Some(Duration::ZERO)).expect("the kernel works");
}

fn value(answer: Deferred<i64>) -> i64 {
    answer.try_take().expect("the task has ended").expect("a value")
}
