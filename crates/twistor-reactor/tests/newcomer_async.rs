//! What somebody who is new here writes in `async` blocks, as it is written first: no annotation, no turbofish, nothing imported but what a
//! prelude has. Each compiles, and does what it says.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use common::{Notes, World, ms, reactor, real_reactor, turn_until};
use futures::FutureExt;
use twistor_deferred::{Deferred, Failure, OrFail, TimedOut, deferred, fail, succeed};
use twistor_reactor::{IntoRemote, Reactor, ReactorHandle, TaskHandle};

/// A started reactor over a kernel of memory, and a handle of it.
struct Bench {
    reactor: Reactor,
    handle: ReactorHandle,
    _world: World,
}

impl Bench {
    fn new() -> Self {
        let (mut reactor, world) = reactor();
        reactor.start().unwrap();
        Self { handle: reactor.handle(), reactor, _world: world }
    }

    /// Turns, with time passing, until there is a result.
    #[track_caller]
    fn result<T>(&mut self, mut answer: Deferred<T>) -> Result<T, Failure> {
        for _ in 0..1_000 {
            answer = match answer.try_take() {
                Ok(result) => return result,
                Err(answer) => answer,
            };
            self.reactor.iterate(Some(Duration::from_secs(1))).unwrap();
        }
        panic!("no result: {answer:?}");
    }

    #[track_caller]
    fn value<T>(&mut self, answer: Deferred<T>) -> T {
        self.result(answer).unwrap()
    }

    #[track_caller]
    fn failure<T: std::fmt::Debug>(&mut self, answer: Deferred<T>) -> Failure {
        self.result(answer).unwrap_err()
    }
}

/// Something that takes a while.
fn fetch(reactor: &ReactorHandle, text: &'static str) -> Deferred<String> {
    reactor.sleep(ms(10)).map(move |()| text.to_owned())
}

#[test]
fn newcomer_01_awaits_one_deferred() {
    let mut bench = Bench::new();
    let d = succeed(1);
    let answer = bench.handle.spawn(async move {
        let x = d.await?;
        Ok(x + 1)
    });
    assert_eq!(bench.value(answer), 2);
}

#[test]
fn newcomer_02_has_nothing_to_say() {
    let mut bench = Bench::new();
    let said = Rc::new(Cell::new(false));
    let saying = said.clone();
    let answer = bench.handle.spawn(async move { saying.set(true) });
    bench.value(answer);
    assert!(said.get());
    bench.handle.spawn(async {});
}

#[test]
fn newcomer_03_uses_foreign_errors() {
    let mut bench = Bench::new();
    let port = |text: &'static str| {
        bench.handle.spawn(async move {
            let port: u16 = text.parse()?;
            if port < 1024 {
                return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
            }
            Ok(port)
        })
    };
    let (good, bad, low) = (port("8080"), port("http"), port("80"));
    assert_eq!(bench.value(good), 8080);
    assert!(bench.failure(bad).check::<std::num::ParseIntError>());
    assert!(bench.failure(low).check::<io::Error>());
}

#[test]
fn newcomer_04_sleeps() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let before = reactor.now();
        reactor.sleep(Duration::from_secs(2)).await?;
        Ok(reactor.now().saturating_duration_since(before))
    });
    assert_eq!(bench.value(answer), Duration::from_secs(2));
}

#[test]
fn newcomer_05_loops_for_ever() {
    let bench = &mut Bench::new();
    let notes = Notes::default();
    let (reactor, seen) = (bench.handle.clone(), notes.clone());
    bench.handle.spawn(async move {
        loop {
            let _ = reactor.sleep(ms(100)).await;
            seen.add("tick");
        }
    });
    while bench.handle.now().as_nanos() < 300_000_000 {
        bench.reactor.iterate(Some(ms(100))).unwrap();
    }
    notes.expect(&["tick", "tick"]);
}

#[test]
fn newcomer_06_loops_until_something_happens() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let mut tries = 0;
        loop {
            tries += 1;
            reactor.sleep(ms(1)).await?;
            if tries == 3 {
                break Ok(tries);
            }
        }
    });
    assert_eq!(bench.value(answer), 3);
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        for _ in 0..3 {
            reactor.sleep(ms(1)).await?;
        }
        Ok(())
    });
    bench.value(answer);
}

#[test]
fn newcomer_07_spawns_in_a_task_and_waits_for_it() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let other = reactor.clone();
        let inner = reactor.spawn(async move {
            other.sleep(ms(1)).await?;
            Ok(20)
        });
        Ok(inner.await? + 1)
    });
    assert_eq!(bench.value(answer), 21);
}

#[test]
fn newcomer_08_awaits_one_after_another() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let (a, b) = (fetch(&reactor, "a"), fetch(&reactor, "b"));
        Ok(a.await? + &b.await?)
    });
    assert_eq!(bench.value(answer), "ab");
}

#[test]
fn newcomer_09_joins() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let (a, b) = futures::join!(fetch(&reactor, "a"), fetch(&reactor, "b"));
        let (c, d) = futures::try_join!(fetch(&reactor, "c"), fetch(&reactor, "d"))?;
        Ok([a?, b?, c, d].concat())
    });
    assert_eq!(bench.value(answer), "abcd");
}

#[test]
fn newcomer_10_selects() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let mut slow = reactor.sleep(Duration::from_secs(10)).fuse();
        let mut fast = fetch(&reactor, "fast").fuse();
        futures::select! {
            slept = slow => slept.map(|()| "slow".to_owned()),
            text = fast => text,
        }
    });
    assert_eq!(bench.value(answer), "fast");
}

#[test]
fn newcomer_11_borrows_locals_across_an_await() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let mut lines = Vec::new();
        let text = fetch(&reactor, "one two").await?;
        for word in text.split(' ') {
            reactor.sleep(ms(1)).await?;
            lines.push(word);
        }
        Ok(lines.join("\n"))
    });
    assert_eq!(bench.value(answer), "one\ntwo");
}

#[test]
fn newcomer_12_passes_references_to_async_functions() {
    async fn count(reactor: &ReactorHandle, words: &mut Vec<String>) -> Result<usize, Failure> {
        words.push(fetch(reactor, "word").await?);
        Ok(words.len())
    }
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let mut words = Vec::new();
        count(&reactor, &mut words).await?;
        count(&reactor, &mut words).await
    });
    assert_eq!(bench.value(answer), 2);
}

#[test]
fn newcomer_13_spawns_an_async_function() {
    async fn shout(text: Deferred<String>) -> Result<String, Failure> {
        Ok(text.await?.to_uppercase())
    }
    let mut bench = Bench::new();
    let answer = bench.handle.spawn(shout(fetch(&bench.handle, "loud")));
    assert_eq!(bench.value(answer), "LOUD");
}

#[test]
fn newcomer_14_adds_callbacks_to_a_task() {
    let mut bench = Bench::new();
    let answer = bench
        .handle
        .spawn(async { Ok("7".parse::<i32>()?) })
        .add_callback(|n| Ok(n * 2))
        .map(|n| n.to_string())
        .add_errback(|_| Ok("none".to_owned()));
    assert_eq!(bench.value(answer), "14");
}

#[test]
#[expect(clippy::async_yields_async, reason = "the task is over, and its Deferred waits for the other")]
fn newcomer_15_returns_a_deferred() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move { fetch(&reactor, "later") });
    assert_eq!(bench.value(answer), "later");
    let answer = bench.handle.spawn(fetch(&bench.handle, "itself"));
    assert_eq!(bench.value(answer), "itself");
}

#[test]
fn newcomer_16_handles_a_failure() {
    let mut bench = Bench::new();
    let answer = bench.handle.spawn(async {
        match fail::<u8>(io::Error::other("no")).await {
            Ok(n) => Ok(n),
            Err(failure) if failure.check::<io::Error>() => Ok(0),
            Err(failure) => Err(failure),
        }
    });
    assert_eq!(bench.value(answer), 0);
}

#[test]
fn newcomer_17_gives_up_after_a_while() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let (_never, never) = deferred::<u8>();
        never.add_timeout(Duration::from_secs(3), &reactor).await
    });
    assert!(bench.failure(answer).check::<TimedOut>());
    let (_never, never) = deferred::<u8>();
    let answer = bench.handle.spawn(never).add_timeout(Duration::from_secs(3), &bench.handle);
    assert!(bench.failure(answer).check::<TimedOut>());
}

#[test]
fn newcomer_18_boxes_errors_and_futures() {
    fn legacy() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
        Err("out of paper".into())
    }
    let mut bench = Bench::new();
    let answer = bench.handle.spawn(async {
        let sheets = legacy().or_fail()?;
        Ok(sheets)
    });
    assert_eq!(bench.failure(answer).to_string(), "out of paper");
    let boxed: std::pin::Pin<Box<dyn Future<Output = Result<u8, Failure>>>> = Box::pin(async { Ok(1) });
    let answer = bench.handle.spawn(boxed);
    assert_eq!(bench.value(answer), 1);
}

#[test]
fn newcomer_19_collects_many() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let answer = bench.handle.spawn(async move {
        let all = futures::future::try_join_all((0..10).map(|_| fetch(&reactor, "x"))).await?;
        Ok(all.concat())
    });
    assert_eq!(bench.value(answer), "xxxxxxxxxx");
}

#[test]
fn newcomer_20_shares_state_and_stops() {
    let mut bench = Bench::new();
    let queue = Rc::new(RefCell::new(VecDeque::from([1, 2, 3])));
    let (reactor, jobs) = (bench.handle.clone(), queue.clone());
    let answer = bench.handle.spawn(async move {
        let mut sum = 0;
        while let Some(job) = { jobs.borrow_mut().pop_front() } {
            reactor.sleep(ms(job)).await?;
            sum += job;
        }
        reactor.stop()?;
        Ok(sum)
    });
    assert_eq!(bench.value(answer), 6);
    assert!(queue.borrow().is_empty());
}

#[test]
fn newcomer_21_cleans_up_when_cancelled() {
    let mut bench = Bench::new();
    let reactor = bench.handle.clone();
    let closure = bench.handle.spawn_with(|task| async move {
        match task.catch_cancel(reactor.sleep(Duration::from_secs(60))).await {
            Err(failure) if failure.is_cancelled() => Ok("cleaned up"),
            other => other.map(|()| "slept"),
        }
    });
    let reactor = bench.handle.clone();
    let async_closure = bench.handle.spawn_with(async move |task| {
        task.catch_cancel(reactor.sleep(Duration::from_secs(60))).await?;
        Ok("slept")
    });
    async fn function(task: TaskHandle) -> Result<&'static str, Failure> {
        let (_promise, never) = deferred::<()>();
        let _ = task.catch_cancel(never).await;
        Ok("went on")
    }
    let function = bench.handle.spawn_with(function);
    bench.reactor.iterate(Some(Duration::ZERO)).unwrap();
    closure.cancel();
    async_closure.cancel();
    function.cancel();
    assert_eq!(bench.value(closure), "cleaned up");
    assert!(bench.failure(async_closure).is_cancelled());
    assert_eq!(bench.value(function), "went on");
}

#[test]
fn newcomer_22_hears_from_a_thread() {
    let mut reactor = real_reactor();
    let handle = reactor.handle();
    let answer = reactor.spawn(async move {
        let (promise, answer) = deferred();
        let remote = promise.into_remote(&handle);
        let thread = std::thread::Builder::new().spawn(move || remote.callback(6 * 7))?;
        let answer = answer.await?;
        thread.join().unwrap()?;
        let more = handle.defer_to_thread(|| Ok(1)).await?;
        Ok(answer + more)
    });
    turn_until(&mut reactor, || answer.has_result());
    assert_eq!(answer.try_take().unwrap().unwrap(), 43);
}
