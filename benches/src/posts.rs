//! The cases of a post from another thread, and the peers of `Remote::call_from_thread` in them.
//!
//! Every variant has a loop on a thread of its own, made before anything is measured, and posts a small closure to it: one that owns a
//! number and adds it to a tally. The thread that posts waits until all have run, and checks their sum. What is measured
//! is processor time, not time that passes, so that neither a sleep nor a thread that has to wait for a processor is in it:
//!
//! - `burst_poster`: of the thread that posts, ten thousand in a row;
//! - `burst_total`: of both threads;
//! - `alone_total`: of both threads, one post at a time, each waited for, so that each has to wake the loop.
//!
//! Where there are two processors each of the two threads has one to itself (on Linux).

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

#[cfg(target_os = "linux")]
use crate::compare::Cores;
use crate::{Case, Clock, Variant};

mod by_hand;
mod in_tokio;
mod in_twistor;

/// How many posts make a burst.
const BURST: i64 = 10_000;

const TOKIO: &str = "tokio, Handle::spawn";
/// The first variant entered twice: what the two rows differ by is noise.
const AGAIN: &str = "the same again (A/A)";
const TOKIO_BARE: &str = "tokio, Handle::spawn, no I/O";
const TOKIO_CHANNEL: &str = "tokio, unbounded channel to a task";
const HAND: &str = "std's channel and mio's Waker";
const TWISTOR: &str = "twistor, call_from_thread";

/// All cases, in the order of the table.
#[must_use]
pub fn cases() -> Vec<Case> {
    let places = Rc::new(Places::new());
    let burst = "what a post costs its thread, in a burst of ten thousand";
    vec![
        posts("burst_poster", burst, BURST, Clock::Thread, &places),
        posts("burst_total", "the same, of both threads", BURST, Clock::Process, &places),
        posts("alone_total", "one post that is waited for, of both threads", 1, Clock::Process, &places),
    ]
}

fn posts(name: &'static str, what: &'static str, count: i64, clock: Clock, places: &Rc<Places>) -> Case {
    let posts = Posts { count, clock, places: Rc::clone(places) };
    let variants = vec![
        posts.to(TOKIO, || in_tokio::Spawner::new(true)),
        posts.to(AGAIN, || in_tokio::Spawner::new(true)),
        posts.to(TOKIO_BARE, || in_tokio::Spawner::new(false)),
        posts.to(TOKIO_CHANNEL, in_tokio::Channel::new),
        posts.to(HAND, by_hand::Loop::new),
        posts.to(TWISTOR, in_twistor::Loop::new),
    ];
    Case { name, what, unit: count, variants }
}

/// What the variants of a case have in common.
struct Posts {
    count: i64,
    clock: Clock,
    places: Rc<Places>,
}

impl Posts {
    /// An iteration is `count` posts to what `make` makes, and the wait until all have run.
    fn to<T: Target>(&self, name: &'static str, make: impl FnOnce() -> T) -> Variant {
        let (count, places) = (self.count, Rc::clone(&self.places));
        let (target, (tally, done)) = (places.make(make), Tally::new());
        let work = move |n| {
            let _places = &places; // For as long as anybody posts.
            tally.expect(count);
            for number in n..n + count {
                target.post(&tally, number);
            }
            done.recv().expect("the tally is alive")
        };
        let expected = if count == 1 { |n| n } else { |n| BURST * n + BURST * (BURST - 1) / 2 };
        Variant::each(name, expected, work).by(self.clock)
    }
}

/// Who runs where: the loops on one processor, the thread that posts on another, from when the first loop is made until this is dropped.
/// Left to itself the system has the two on one processor or on two, by chance and for long.
struct Places {
    #[cfg(target_os = "linux")]
    cores: Cores,
}

impl Places {
    fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            cores: Cores::new(true).expect("the system tells of its processors"),
        }
    }

    /// What `make` makes, with threads that belong to the loops.
    fn make<T>(&self, make: impl FnOnce() -> T) -> T {
        #[cfg(target_os = "linux")]
        let made = self.cores.place(1, || Ok(make())).expect("processors that the thread may use");
        #[cfg(not(target_os = "linux"))]
        let made = make();
        made
    }
}

/// A loop on another thread, which ends when this is dropped.
trait Target: 'static {
    /// Has `tally.add(n)` called there.
    fn post(&self, tally: &Arc<Tally>, n: i64);
}

/// What the posts of an iteration come to. One thread adds at a time, so there is nothing to lock.
struct Tally {
    sum: AtomicI64,
    left: AtomicI64,
    done: Sender<i64>,
}

impl Tally {
    fn new() -> (Arc<Self>, Receiver<i64>) {
        let (done, is_done) = channel();
        (Arc::new(Self { sum: AtomicI64::new(0), left: AtomicI64::new(0), done }), is_done)
    }

    /// Says how many are to come. The posts themselves carry this over to the other thread.
    fn expect(&self, count: i64) {
        self.left.store(count, Ordering::Relaxed);
    }

    /// On the loop's thread. The last one tells the thread that posts.
    fn add(&self, n: i64) {
        let sum = self.sum.load(Ordering::Relaxed) + n;
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Relaxed);
        if left > 0 {
            self.sum.store(sum, Ordering::Relaxed);
        } else {
            self.sum.store(0, Ordering::Relaxed);
            self.done.send(sum).expect("the thread that posts waits");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_post_of_every_variant_runs() {
        for mut case in cases() {
            for variant in &mut case.variants {
                variant.run(3);
            }
        }
    }
}
