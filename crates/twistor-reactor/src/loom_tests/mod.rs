//! What other threads do to a reactor, in every order there is: the real loop over a kernel that loom schedules.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p twistor-reactor --lib --release loom_tests`. `LOOM_MAX_PREEMPTIONS` says how often a
//! thread is interrupted where it need not be, 3 unless told otherwise. A wake-up that is lost shows as a deadlock.
//! What a callback of the reactor's finds wrong is written down and asserted outside, since its panic would be contained.

mod calls;
mod jobs;
mod promises;
mod tasks;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Wake, Waker};
use std::time::{Duration, SystemTime};

use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};
use twistor_deferred::Moment;

use crate::Reactor;
use crate::kernel::{
    ConnectOptions, Job, JobLoad, Jobs, Kernel, ListenOptions, Readiness, StreamListener, StreamSocket,
};

/// Runs `f` once for every order of what its threads do.
fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(f);
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A reactor, and the kernel below it.
struct Loop {
    /// `None` once it was dropped.
    reactor: Option<Reactor>,
    kernel: LoomKernel,
}

fn reactor() -> Loop {
    let kernel = LoomKernel::default();
    Loop { reactor: Some(Reactor::builder().handle_signals(false).build_with(kernel.clone())), kernel }
}

impl Loop {
    /// Turns, asleep where there is nothing to do, until what is in `seen` is enough.
    fn turn_until<S: Clone + 'static>(&mut self, seen: &S, is_enough: impl Fn(&S) -> bool + 'static) {
        let seen = seen.clone();
        let done = Rc::new(move || is_enough(&seen));
        self.kernel.0.enough.replace(Some(Rc::clone(&done) as Rc<dyn Fn() -> bool>));
        while !done() {
            self.iterate(None).unwrap();
        }
        self.kernel.0.enough.take();
    }

    /// Turns once, without sleep.
    fn turn(&mut self) {
        self.iterate(Some(Duration::ZERO)).unwrap();
    }
}

impl Deref for Loop {
    type Target = Reactor;

    fn deref(&self) -> &Reactor {
        self.reactor.as_ref().unwrap()
    }
}

impl DerefMut for Loop {
    fn deref_mut(&mut self) -> &mut Reactor {
        self.reactor.as_mut().unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // Loom has no order left to schedule the end of a reactor in when it has found a deadlock.
        if std::thread::panicking() {
            std::mem::forget(self.reactor.take());
        }
    }
}

/// A kernel that sleeps until it is woken, and runs each job on a thread of its own. Its clock stands still.
#[derive(Clone, Default)]
struct LoomKernel(Rc<State>);

#[derive(Default)]
struct State {
    bell: Arc<Bell>,
    threads: Threads,
    /// When it says so the test has seen what it waits for, and the loop need not sleep any more.
    enough: RefCell<Option<Rc<dyn Fn() -> bool>>>,
}

#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    heard: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.heard.notify_one();
    }
}

impl Kernel for LoomKernel {
    fn now(&self) -> Moment {
        Moment::ZERO
    }

    fn wall_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn wait(&self, timeout: Option<Duration>, _ready: &mut Vec<Readiness>) -> io::Result<()> {
        if self.0.enough.borrow().as_ref().is_some_and(|enough| enough()) {
            return Ok(());
        }
        let bell = &self.0.bell;
        let mut rung = bell.rung.lock().unwrap();
        while !*rung && timeout != Some(Duration::ZERO) {
            rung = bell.heard.wait(rung).unwrap();
        }
        *rung = false;
        Ok(())
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0.bell))
    }

    fn seed(&self) -> u64 {
        0
    }

    fn listen_stream(
        &self,
        _address: SocketAddr,
        _options: &ListenOptions,
    ) -> io::Result<Box<dyn StreamListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn connect_stream(
        &self,
        _address: SocketAddr,
        _options: &ConnectOptions,
    ) -> io::Result<Box<dyn StreamSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn jobs(&self) -> io::Result<&dyn Jobs> {
        Ok(&self.0.threads)
    }
}

#[derive(Default)]
struct Threads(RefCell<Vec<JoinHandle<()>>>);

impl Jobs for Threads {
    fn submit(&self, job: Job) {
        self.0.borrow_mut().push(spawn(job));
    }

    fn resize(&self, _least: usize, _most: usize) {}

    fn load(&self) -> JobLoad {
        JobLoad::default()
    }

    fn close(&self, _abandon: bool) {}
}

/// What was seen, for assertions alone: no model knows of it, so it puts nothing into an order.
#[derive(Clone, Default)]
struct Notes(Arc<StdMutex<Vec<usize>>>);

impl Notes {
    fn add(&self, note: usize) {
        self.0.lock().unwrap().push(note);
    }

    fn all(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }

    fn sorted(&self) -> Vec<usize> {
        let mut notes = self.all();
        notes.sort_unstable();
        notes
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Counts how often it is dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Guard(Drops);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}
