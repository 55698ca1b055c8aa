//! Tasks and promises across threads (DEF-30, THR-01): wakers from anywhere, futures of other makers, results that are made elsewhere.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use common::{
    Log, Notes, OnDrop, Rude, TestSource, ms, reactor, real_reactor, run_bounded, started, turn_until, turns,
};
use futures::channel::{mpsc, oneshot};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, SinkExt, StreamExt};
use twistor_deferred::{Abandoned, Deferred, Failure, deferred};
use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::{IntoRemote, Reactor, ReactorGone, ReactorHandle, RemotePromise};

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().spawn(f).unwrap()
}

/// A task that never ends, its waker, and how often it was polled.
fn watched(reactor: &mut Reactor) -> (Waker, Rc<Cell<usize>>) {
    let (waker, polls) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
    let (kept, counts) = (Rc::clone(&waker), Rc::clone(&polls));
    reactor.spawn(poll_fn(move |cx| -> Poll<()> {
        counts.set(counts.get() + 1);
        kept.replace(Some(cx.waker().clone()));
        Poll::Pending
    }));
    turns(reactor, 1);
    let waker = waker.take().unwrap();
    (waker, polls)
}

// Wakers.

#[test]
fn def_30_wakes_from_another_thread_collapse_into_one_poll_and_wake_the_kernel_once() {
    let (mut reactor, world) = started();
    let (waker, polls) = watched(&mut reactor);
    let (other, other_polls) = watched(&mut reactor);
    let wakes = world.wakes();
    spawn(move || {
        for _ in 0..1_000 {
            waker.wake_by_ref();
            other.wake_by_ref();
        }
        waker.wake();
    })
    .join()
    .unwrap();
    assert_eq!(world.wakes(), wakes + 1);
    turns(&mut reactor, 2);
    assert_eq!((polls.get(), other_polls.get()), (2, 2));
}

#[test]
fn def_30_a_wake_during_the_sleep_ends_it_and_one_while_the_loop_is_awake_leaves_the_kernel_alone() {
    let (mut reactor, world) = started();
    let (waker, polls) = watched(&mut reactor);
    let wakes = world.wakes();
    let asleep = waker.clone();
    world.while_asleep(move || spawn(move || asleep.wake()).join().unwrap());
    reactor.iterate(None).unwrap(); // Would fail if nothing came.
    assert_eq!((polls.get(), world.wakes()), (1, wakes + 1));
    reactor.iterate(Some(ms(1))).unwrap();
    assert_eq!(polls.get(), 2);
    // In a timer, in a notification, and after the sleep.
    for _ in 0..2 {
        let (in_timer, in_notification) = (waker.clone(), waker.clone());
        reactor.call_later(Duration::ZERO, move || spawn(move || in_timer.wake()).join().unwrap());
        reactor.notify(move |_| in_notification.wake());
        world.waits();
        reactor.iterate(None).unwrap();
        assert_eq!(world.waits(), [Some(Duration::ZERO)]);
        turns(&mut reactor, 1);
    }
    assert_eq!((polls.get(), world.wakes()), (4, wakes + 1));
    let (mut source, in_dispatch) = (TestSource::new("source", &Notes::default()), waker);
    source.on_ready = Box::new(move |_| in_dispatch.wake_by_ref());
    let token = reactor.register(Rc::new(source)).unwrap();
    for poll in 5..7 {
        world.report(Readiness::new(token).readable());
        reactor.iterate(None).unwrap();
        turns(&mut reactor, 1);
        assert_eq!((polls.get(), world.wakes()), (poll, wakes + 1));
    }
}

#[test]
fn def_30_a_thread_wakes_a_loop_that_sleeps_in_the_real_kernel() {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    let (promise, go) = oneshot::channel::<u8>();
    let handle = reactor.handle();
    let thread = spawn(move || promise.send(7).unwrap());
    let task = reactor.spawn(async move {
        let n = go.await?;
        handle.stop()?;
        Ok(n)
    });
    run_bounded(&mut reactor); // Without a timer: it sleeps until it is woken.
    thread.join().unwrap();
    assert_eq!(task.try_take().unwrap().unwrap(), 7);
}

#[test]
fn def_30_another_loop_that_drives_the_reactor_sees_a_wake() {
    let mut reactor = real_reactor();
    let (waker, polls) = watched(&mut reactor);
    assert_eq!(reactor.next_deadline(), None);
    spawn(move || waker.wake()).join().unwrap();
    let fd = reactor.as_fd().unwrap();
    let mut polled = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
    let ready = rustix::event::poll(&mut polled, Some(&rustix::event::Timespec::default())).unwrap();
    assert_eq!(ready, 1, "its descriptor is readable");
    turns(&mut reactor, 1);
    assert_eq!(polls.get(), 2);
}

#[test]
fn def_30_many_threads_and_tasks_lose_no_wake_up() {
    const THREADS: usize = 4;
    const MESSAGES: usize = 2_000;
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    let sum = Arc::new(AtomicUsize::new(0));
    let tasks: FuturesUnordered<_> = (0..THREADS)
        .map(|_| {
            let (mut sender, mut receiver) = mpsc::channel::<usize>(1);
            let sent = Arc::clone(&sum);
            // A bounded channel between a thread and a task: each waits for the other all the time.
            let thread = spawn(move || {
                for n in 0..MESSAGES {
                    futures_block_on(sender.send(n)).unwrap();
                    sent.fetch_add(n, Ordering::Relaxed);
                }
            });
            reactor.spawn(async move {
                let mut sum = 0;
                while let Some(n) = receiver.next().await {
                    sum += n;
                }
                thread.join().unwrap();
                Ok(sum)
            })
        })
        .collect();
    let handle = reactor.handle();
    let total = reactor.spawn(async move {
        let all: Vec<Result<usize, Failure>> = tasks.collect().await;
        handle.stop()?;
        Ok(all.into_iter().map(Result::unwrap).sum::<usize>())
    });
    run_bounded(&mut reactor);
    assert_eq!(total.try_take().unwrap().unwrap(), sum.load(Ordering::Relaxed));
    assert_eq!(reactor.stats().tasks, 0);
}

/// Waits on a thread that has no reactor.
fn futures_block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

// Futures of other makers.

#[test]
fn def_30_channels_joins_selects_and_unordered_sets_run_on_a_reactor() {
    let mut reactor = real_reactor();
    let handle = reactor.handle();
    let (one, first) = oneshot::channel::<&str>();
    let (two, second) = oneshot::channel::<&str>();
    let (sender, lines) = mpsc::unbounded::<String>();
    let task = reactor.spawn(async move {
        let (first, second) = futures::join!(first, second);
        let mut words = vec![first?.to_owned(), second?.to_owned()];
        let mut lines = lines.fuse();
        let mut limit = handle.sleep(Duration::from_secs(60)).fuse();
        loop {
            futures::select! {
                line = lines.next() => match line {
                    Some(line) => words.push(line),
                    None => break,
                },
                _ = limit => return Err(Failure::message("too long")),
            }
        }
        let mut sleeps: FuturesUnordered<_> =
            [3, 1, 2].into_iter().map(|n| handle.sleep(ms(n)).map(move |()| n.to_string())).collect();
        while let Some(slept) = sleeps.next().await {
            words.push(slept?);
        }
        Ok(words.join(" "))
    });
    let threads = [
        spawn(move || two.send("two").unwrap()),
        spawn(move || one.send("one").unwrap()),
        spawn(move || {
            for line in ["three", "four"] {
                sender.unbounded_send(line.to_owned()).unwrap();
            }
        }),
    ];
    turn_until(&mut reactor, || task.has_result());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(task.try_take().unwrap().unwrap(), "one two three four 1 2 3");
}

#[test]
fn def_30_an_executor_elsewhere_may_wait_for_a_deferred_of_ours() {
    // The other way round: a Deferred is polled by somebody who is no task, here with a waker of no consequence.
    let (mut reactor, _world) = started();
    let mut task = reactor.spawn(async { Ok(7) });
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(task.poll_unpin(&mut cx).is_pending());
    turns(&mut reactor, 1);
    assert!(matches!(task.poll_unpin(&mut cx), Poll::Ready(Ok(7))));
}

// Promises that go to other threads.

fn is_send_and_sync<T: Send + Sync>(_: &T) {}

#[test]
fn thr_01_a_remote_promise_is_fired_on_the_reactors_thread_in_the_order_of_the_calls() {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    let notes = Notes::default();
    let home = thread::current().id();
    let remote = reactor.remote();
    reactor.extension::<RefCell<Notes>>().replace(notes.clone());
    let mut promises = Vec::new();
    for name in ["value", "failure", "dropped"] {
        let (promise, answer) = deferred::<&str>();
        let seen = notes.clone();
        answer.add_both(move |result| {
            assert_eq!(thread::current().id(), home);
            seen.add(format_args!("{name}: {}", result.map_or_else(|f| f.to_string(), str::to_owned)));
        });
        promises.push(promise.into_remote(&reactor));
    }
    is_send_and_sync(&promises);
    let thread = spawn(move || {
        let call = |reactor: &ReactorHandle| reactor.extension::<RefCell<Notes>>().borrow().add("call");
        let dropped = promises.pop().unwrap();
        promises.pop().unwrap().errback(std::fmt::Error).unwrap();
        remote.call_from_thread(call).unwrap();
        promises.pop().unwrap().callback("7").unwrap();
        drop(dropped);
        remote.stop().unwrap();
    });
    run_bounded(&mut reactor);
    thread.join().unwrap();
    notes.expect(&[
        "failure: an error occurred when formatting an argument",
        "call",
        "value: 7",
        "dropped: the promise was dropped before it was fired",
    ]);
}

#[test]
fn thr_01_a_remote_promise_never_fires_inside_the_call() {
    let (mut reactor, _world) = started();
    let (promise, answer) = deferred();
    promise.into_remote(&reactor).fire(Ok(7)).unwrap();
    assert!(!answer.has_result());
    turns(&mut reactor, 1);
    assert_eq!(answer.try_take().unwrap().unwrap(), 7);
    let (promise, answer) = deferred::<u8>();
    drop(promise.into_remote(&reactor));
    assert!(!answer.has_result());
    turns(&mut reactor, 1);
    assert!(answer.try_take().unwrap().unwrap_err().check::<Abandoned>());
}

#[test]
fn thr_01_a_remote_promise_knows_of_a_cancel_and_the_canceller_is_still_called() {
    let (mut reactor, _world) = started();
    let notes = Notes::default();
    let (promise, answer) = deferred::<Arc<()>>();
    promise.on_cancel(notes.note("stop the work"));
    let remote = promise.into_remote(&reactor);
    let (told, tell) = channel();
    let (ask, asked) = channel::<RemotePromise<Arc<()>>>();
    let thread = spawn(move || {
        let remote = asked.recv().unwrap();
        told.send(remote.is_cancelled()).unwrap();
        let value = Arc::new(());
        remote.callback(Arc::clone(&value)).unwrap();
        value
    });
    assert!(!remote.is_cancelled());
    assert!(format!("{remote:?}").contains("(unfired)"));
    answer.cancel();
    notes.expect(&["stop the work"]);
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
    assert!(format!("{remote:?}").contains("(cancelled)"));
    ask.send(remote).unwrap();
    assert!(tell.recv().unwrap());
    let value = thread.join().unwrap();
    turns(&mut reactor, 1);
    assert_eq!(Arc::strong_count(&value), 1, "nobody wants it");
}

#[test]
fn thr_01_a_canceller_that_panics_or_answers_keeps_its_say() {
    let log = Log::catch();
    let (reactor, _world) = reactor();
    let (promise, answer) = deferred::<u8>();
    promise.on_cancel(|| panic!("canceller"));
    let remote = promise.into_remote(&reactor);
    answer.cancel();
    assert!(remote.is_cancelled());
    assert!(answer.try_take().unwrap().unwrap_err().is_cancelled());
    log.expect(&["canceller"]);
    // Cancelled before it went away.
    let (promise, answer) = deferred::<u8>();
    answer.cancel();
    assert!(promise.into_remote(&reactor).is_cancelled());
    // Its canceller is dropped with the rest.
    let (promise, answer) = deferred::<u8>();
    let rude = Rude("dropped");
    promise.on_cancel(move || drop(rude));
    let remote = promise.into_remote(&reactor);
    drop(reactor);
    log.expect(&["dropped"]);
    assert!(answer.try_take().unwrap().unwrap_err().check::<ReactorGone>());
    assert!(!remote.is_cancelled());
}

#[test]
fn thr_01_a_remote_promise_outlives_its_reactor() {
    let (reactor, _world) = reactor();
    let handle = reactor.handle();
    let drops = Rc::new(Cell::new(0));
    let mut remotes = Vec::new();
    let answers: Vec<Deferred<Arc<()>>> = (0..3)
        .map(|_| {
            let (promise, answer) = deferred();
            remotes.push(promise.into_remote(&reactor));
            let counts = Rc::clone(&drops);
            let on_drop = OnDrop(move || counts.set(counts.get() + 1));
            answer.inspect_failure(move |_| drop(on_drop))
        })
        .collect();
    let queued = Arc::new(());
    remotes.pop().unwrap().callback(Arc::clone(&queued)).unwrap(); // Never gets there.
    drop(reactor);
    assert_eq!((drops.get(), Arc::strong_count(&queued)), (3, 1));
    for answer in answers {
        assert!(answer.try_take().unwrap().unwrap_err().check::<ReactorGone>());
    }
    let value = Arc::new(());
    assert_eq!(remotes.pop().unwrap().callback(Arc::clone(&value)), Err(ReactorGone));
    assert_eq!(Arc::strong_count(&value), 1);
    drop(remotes);
    // One that comes too late.
    let (promise, answer) = deferred::<u8>();
    let remote = promise.into_remote(&handle);
    assert!(answer.try_take().unwrap().unwrap_err().check::<ReactorGone>());
    assert_eq!(remote.errback(std::fmt::Error), Err(ReactorGone));
}
