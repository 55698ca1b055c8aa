//! Deferreds among the futures of others: awaited on executors that know nothing of this crate.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use futures::executor::LocalPool;
use futures::future::{Either, LocalBoxFuture, join_all, select};
use futures::stream::{self, FuturesUnordered, StreamExt};
use futures::task::LocalSpawnExt;
use futures::{FutureExt, join, pin_mut};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::support::{Errors, Notes};
use twistor_deferred::{Deferred, Failure, Promise, deferred, fail, succeed};

/// Starts a task on the executor of the test.
type Spawn = Rc<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// Runs `test` on the pool of `futures` and on the local set of `tokio`, until nothing moves; it must be through then.
#[track_caller]
fn on_both<F: Future<Output = ()> + 'static>(test: impl Fn(Spawn) -> F) {
    let ended = Rc::new(Cell::new(0));
    let body = |spawn| {
        let (test, ended) = (test(spawn), Rc::clone(&ended));
        async move {
            test.await;
            ended.set(ended.get() + 1);
        }
    };

    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let spawn: Spawn = Rc::new(move |task| spawner.spawn_local(task).unwrap());
    pool.spawner().spawn_local(body(spawn)).unwrap();
    pool.run_until_stalled();
    assert_eq!(ended.get(), 1, "stalled on the pool");

    let runtime = Builder::new_current_thread().build().unwrap();
    let set = LocalSet::new();
    let main = body(Rc::new(|task| drop(spawn_local(task))));
    set.block_on(&runtime, async move {
        let main = spawn_local(main);
        for _ in 0..100 {
            if main.is_finished() {
                return main.await.unwrap();
            }
            yield_now().await;
        }
    });
    assert_eq!(ended.get(), 2, "stalled on the local set");
}

fn many(count: usize) -> (Vec<Promise<usize>>, Vec<Deferred<usize>>) {
    (0..count).map(|_| deferred()).unzip()
}

#[test]
fn def_30_a_deferred_is_awaited_anywhere_and_fired_by_another_task() {
    on_both(|spawn| async move {
        let (promise, answer) = deferred();
        spawn(async move { promise.callback(20) }.boxed_local());
        assert!(!answer.has_result());
        assert_eq!(answer.map(|n| n + 1).await.unwrap(), 21);
    });
}

#[test]
fn def_30_a_deferred_is_fired_by_a_callback_of_a_chain_that_another_task_fires() {
    on_both(|spawn| async move {
        let (first_promise, first) = deferred();
        let (second_promise, second) = deferred();
        first.map(move |n: u8| second_promise.callback(n + 1));
        spawn(async move { first_promise.callback(1) }.boxed_local());
        assert_eq!(second.await.unwrap(), 2);
    });
}

#[test]
fn def_30_a_suspended_chain_is_awaited() {
    on_both(|spawn| async move {
        let (promise, inner) = deferred();
        let answer = succeed(1).add_callback(move |n| inner.map(move |m: u8| n + m));
        spawn(async move { promise.callback(2) }.boxed_local());
        assert_eq!(answer.await.unwrap(), 3);
    });
}

#[test]
fn def_30_deferreds_are_joined() {
    on_both(|spawn| async move {
        let (promises, mut answers) = many(2);
        spawn(
            async move {
                for (number, promise) in promises.into_iter().enumerate().rev() {
                    promise.callback(number);
                }
            }
            .boxed_local(),
        );
        let (second, first) = (answers.pop().unwrap(), answers.pop().unwrap());
        let (first, second) = join!(first, second);
        assert_eq!((first.unwrap(), second.unwrap()), (0, 1));
        let all = join_all([succeed(1), succeed(2)]).await;
        assert_eq!(all.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn def_30_a_set_of_deferreds_gives_them_as_they_are_fired() {
    on_both(|spawn| async move {
        let (promises, answers) = many(3);
        let mut set: FuturesUnordered<_> = answers.into_iter().collect();
        spawn(
            async move {
                let mut promises: Vec<_> = promises.into_iter().map(Some).collect();
                for number in [2, 0, 1] {
                    promises[number].take().unwrap().callback(number);
                }
            }
            .boxed_local(),
        );
        let mut came = Vec::new();
        while let Some(result) = set.next().await {
            came.push(result.unwrap());
        }
        assert_eq!(came, [2, 0, 1]);
    });
}

#[test]
fn def_30_a_stream_keeps_as_many_deferreds_in_flight_as_it_is_told() {
    on_both(|spawn| async move {
        let in_flight: Rc<RefCell<Vec<Promise<usize>>>> = Rc::default();
        let most = Rc::new(Cell::new(0));
        let (waiting, seen) = (Rc::clone(&in_flight), Rc::clone(&most));
        let requests = stream::iter(0..5).map(move |number| {
            let (promise, answer) = deferred();
            waiting.borrow_mut().push(promise);
            seen.set(seen.get().max(waiting.borrow().len()));
            answer.map(move |base: usize| base + number)
        });
        let answers = requests.buffer_unordered(2).map(Result::unwrap).collect::<Vec<_>>();
        let server = async {
            // Last come, first served.
            for _ in 0..5 {
                let promise = in_flight.borrow_mut().pop();
                promise.expect("a request in flight").callback(100);
                next_turn().await;
            }
        };
        let (answers, ()) = join!(answers, server);
        assert_eq!(answers, [101, 102, 103, 104, 100]);
        assert_eq!(most.get(), 2);
        drop(spawn);
    });
}

/// Lets the other tasks run once.
async fn next_turn() {
    let mut polled = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[test]
fn def_30_a_deferred_is_a_future_like_any_other() {
    on_both(|spawn| async move {
        let (promise, answer) = deferred();
        let boxed: Vec<Box<dyn Future<Output = Result<u8, Failure>> + Unpin>> =
            vec![Box::new(answer), Box::new(succeed(2)), Box::new(std::future::ready(Ok(3)))];
        spawn(async move { promise.callback(1) }.boxed_local());
        let mut sum = 0;
        for future in boxed {
            sum += future.await.unwrap();
        }
        assert_eq!(sum, 6);
    });
}

#[test]
fn def_30_a_deferred_that_was_awaited_for_a_while_is_still_one() {
    on_both(|spawn| async move {
        let (promise, mut answer) = deferred::<u8>();
        match select(&mut answer, succeed(())).await {
            Either::Right((Ok(()), _)) => {}
            _ => panic!("the other one is ready"),
        }
        assert!((&mut answer).now_or_never().is_none());
        let answer = answer.add_callback(|n| Ok(n * 2));
        spawn(async move { promise.callback(4) }.boxed_local());
        assert_eq!(answer.await.unwrap(), 8);
    });
}

#[test]
fn def_26_awaiting_a_failure_gives_the_original_error_and_handles_it() {
    let errors = Errors::catch();
    on_both(|spawn| async move {
        let (promise, answer) = deferred::<u8>();
        let cause = Failure::new(io::Error::from(io::ErrorKind::NotFound));
        let sent = cause.clone();
        spawn(async move { promise.errback(sent) }.boxed_local());
        let failure = answer.await.unwrap_err();
        assert!(failure.is_same(&cause));
        assert_eq!(failure.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
        assert!(fail::<u8>(cause.clone()).await.unwrap_err().is_same(&cause));
        // `?` takes it further.
        let outer = async { Ok::<u8, Failure>(fail::<u8>(cause.clone()).await? + 1) };
        assert!(outer.await.unwrap_err().is_same(&cause));
    });
    errors.expect(&[]);
}

#[test]
fn def_26_an_abandoned_promise_ends_the_wait() {
    on_both(|spawn| async move {
        let (promise, answer) = deferred::<u8>();
        spawn(async move { drop(promise) }.boxed_local());
        assert!(answer.await.unwrap_err().is_abandoned());
    });
}

#[test]
fn def_26_a_task_that_is_dropped_with_a_failure_unseen_leaves_it_unhandled() {
    let errors = Errors::catch();
    let (promise, answer) = deferred::<u8>();
    let mut pool = LocalPool::new();
    pool.spawner().spawn_local(FutureExt::map(answer, drop)).unwrap();
    pool.run_until_stalled();
    promise.errback(Failure::message("oops"));
    errors.expect(&[]);
    drop(pool);
    errors.expect(&["unhandled failure in a Deferred [failure: oops]"]);
}

/// A race that the Deferred of `promise` has lost.
async fn lose(answer: impl Future<Output = Result<u8, Failure>>) {
    pin_mut!(answer);
    match select(answer, succeed(())).await {
        Either::Right((Ok(()), _)) => {}
        _ => panic!("the other one is ready"),
    }
}

#[test]
fn def_31_a_deferred_that_loses_a_select_goes_on() {
    let errors = Errors::catch();
    on_both(|_| async {
        let notes = Notes::default();
        let heard = notes.clone();
        let (promise, answer) = deferred::<u8>();
        lose(answer.map(move |n| {
            heard.add(n);
            n
        }))
        .await;
        assert!(!promise.is_cancelled());
        promise.callback(7);
        notes.expect(&["7"]);
    });
    errors.expect(&[]);
}

#[test]
fn def_31_a_loser_that_fails_later_is_logged_once_unless_it_was_cancelled() {
    let errors = Errors::catch();
    on_both(|_| async {
        let (promise, answer) = deferred::<u8>();
        lose(answer).await;
        promise.errback(Failure::message("late"));
    });
    let late = "unhandled failure in a Deferred [failure: late]";
    errors.expect(&[late, late]);
    on_both(|_| async {
        let (promise, answer) = deferred::<u8>();
        let canceller = answer.canceller();
        lose(answer).await;
        canceller.cancel();
        assert!(promise.is_cancelled());
        promise.errback(Failure::message("late"));
    });
    errors.expect(&[]);
}

#[test]
fn cancel_on_drop_stops_what_loses_a_select() {
    let errors = Errors::catch();
    on_both(|_| async {
        let (promise, answer) = deferred::<u8>();
        lose(answer.cancel_on_drop()).await;
        assert!(promise.is_cancelled());
        promise.errback(Failure::message("late"));
    });
    errors.expect(&[]);
}

#[test]
fn cancel_on_drop_gives_the_result_of_what_wins() {
    on_both(|spawn| async move {
        let (promise, answer) = deferred::<u8>();
        let (other_promise, other) = deferred::<u8>();
        spawn(async move { promise.callback(1) }.boxed_local());
        match select(answer.cancel_on_drop(), other.cancel_on_drop()).await {
            Either::Left((result, _)) => assert_eq!(result.unwrap(), 1),
            Either::Right(_) => panic!("nobody fired that one"),
        }
        assert!(other_promise.is_cancelled());
    });
}
