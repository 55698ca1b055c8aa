//! `Remote::call_from_thread`, to a reactor over the real kernel.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{Builder, JoinHandle};

use twistor_reactor::{Reactor, Remote};

use super::{Tally, Target};

pub(super) struct Loop {
    remote: Remote,
    thread: Option<JoinHandle<()>>,
}

impl Loop {
    pub(super) fn new() -> Self {
        let (tell, told) = channel();
        let run = move || {
            let mut reactor =
                Reactor::builder().handle_signals(false).build().expect("descriptors for a poller");
            tell.send(reactor.remote()).expect("somebody waits for it");
            reactor.run().expect("the kernel works");
        };
        let thread = Builder::new().spawn(run).expect("a thread");
        Self { remote: told.recv().expect("the reactor is made"), thread: Some(thread) }
    }
}

impl Target for Loop {
    fn post(&self, tally: &Arc<Tally>, n: i64) {
        let tally = Arc::clone(tally);
        self.remote.call_from_thread(move |_| tally.add(n)).expect("the reactor is there");
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.remote.stop().expect("the reactor is there");
        self.thread.take().into_iter().for_each(|thread| thread.join().expect("the reactor ends in order"));
    }
}
