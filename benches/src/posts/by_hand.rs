//! What is written where there is no library: std's channel of closures, and mio's waker for a loop that sleeps in its poller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};

use mio::{Events, Poll, Token, Waker};

use super::{Tally, Target};

type Call = Box<dyn FnOnce() + Send>;

pub(super) struct Loop {
    /// `None` to end the loop.
    calls: Option<Sender<Call>>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

/// The waker, and whether it was rung since the loop last answered: once is enough.
struct Bell {
    waker: Waker,
    rung: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.waker.wake().expect("a waker works");
        }
    }
}

impl Loop {
    pub(super) fn new() -> Self {
        let poll = Poll::new().expect("a descriptor for the poller");
        let waker = Waker::new(poll.registry(), Token(0)).expect("a descriptor for the waker");
        let bell = Arc::new(Bell { waker, rung: AtomicBool::new(false) });
        let (calls, to_call) = channel();
        let answers = Arc::clone(&bell);
        let thread = Builder::new().spawn(move || run(poll, &answers, &to_call)).expect("a thread");
        Self { calls: Some(calls), bell, thread: Some(thread) }
    }
}

fn run(mut poll: Poll, bell: &Bell, calls: &Receiver<Call>) {
    let mut events = Events::with_capacity(16);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => panic!("{error}"),
            _ => bell.rung.swap(false, Ordering::AcqRel),
        };
        loop {
            match calls.try_recv() {
                Ok(call) => call(),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
    }
}

impl Target for Loop {
    fn post(&self, tally: &Arc<Tally>, n: i64) {
        let tally = Arc::clone(tally);
        let calls = self.calls.as_ref().expect("the loop is not being dropped");
        calls.send(Box::new(move || tally.add(n))).expect("the loop is there");
        self.bell.ring();
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(self.calls.take());
        self.bell.ring();
        self.thread.take().into_iter().for_each(|thread| thread.join().expect("the loop ends in order"));
    }
}
