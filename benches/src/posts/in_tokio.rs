//! Tokio, on a runtime of one thread that another thread runs: a task a post, or one task that takes closures from a channel.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::{self, Handle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::{Tally, Target};

/// A runtime on a thread of its own.
struct Runtime {
    handle: Handle,
    /// Dropped to end it.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    /// With `io` it can serve sockets, as a reactor can: it is woken by way of the poller. Without, it is woken by a condition variable.
    fn new(io: bool) -> Self {
        let mut builder = runtime::Builder::new_current_thread();
        if io {
            builder.enable_io();
        }
        let runtime = builder.build().expect("descriptors for a poller");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || runtime.block_on(async { drop(stopped.await) });
        let thread = Builder::new().spawn(run).expect("a thread");
        Self { handle, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().into_iter().for_each(|thread| thread.join().expect("the runtime ends in order"));
    }
}

/// `Handle::spawn`, of a future that is ready when it is polled first. The handle of the task is dropped.
pub(super) struct Spawner(Runtime);

impl Spawner {
    pub(super) fn new(io: bool) -> Self {
        Self(Runtime::new(io))
    }
}

impl Target for Spawner {
    fn post(&self, tally: &Arc<Tally>, n: i64) {
        let tally = Arc::clone(tally);
        drop(self.0.handle.spawn(async move { tally.add(n) }));
    }
}

type Call = Box<dyn FnOnce() + Send>;

/// A channel without a bound, and a task at its end that calls what comes.
pub(super) struct Channel {
    sender: UnboundedSender<Call>,
    _runtime: Runtime,
}

impl Channel {
    pub(super) fn new() -> Self {
        let runtime = Runtime::new(true);
        let (sender, receiver) = unbounded_channel();
        drop(runtime.handle.spawn(call_all(receiver)));
        Self { sender, _runtime: runtime }
    }
}

async fn call_all(mut receiver: UnboundedReceiver<Call>) {
    while let Some(call) = receiver.recv().await {
        call();
    }
}

impl Target for Channel {
    fn post(&self, tally: &Arc<Tally>, n: i64) {
        let tally = Arc::clone(tally);
        assert!(self.sender.send(Box::new(move || tally.add(n))).is_ok(), "the task is there");
    }
}
