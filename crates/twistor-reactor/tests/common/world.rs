//! A kernel of memory: time passes when it is waited for or when the test says so, jobs run in line, signals come by hand.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, SystemTime};

use twistor_reactor::kernel::{
    ConnectOptions, Job, JobLoad, Jobs, Kernel, ListenOptions, Readiness, Signals, StreamListener,
    StreamSocket, Token,
};
use twistor_reactor::{Moment, Reactor, ReactorBuilder};

/// The kernel, and the test's hand on it.
#[derive(Clone, Default)]
pub(crate) struct World(Rc<State>);

#[derive(Default)]
struct State {
    now: Cell<Duration>,
    flag: Arc<Flag>,
    ready: RefCell<Vec<Readiness>>,
    /// The timeouts of the waits so far.
    waits: RefCell<Vec<Option<Duration>>>,
    /// What happens while the loop sleeps, one a wait.
    happenings: RefCell<VecDeque<Box<dyn FnOnce()>>>,
    broken: Switch,
    jobs: RefCell<VecDeque<Job>>,
    held: Switch,
    in_line: Switch,
    no_threads: Switch,
    closed: Switch,
    most_threads: Cell<usize>,
    signals: RefCell<BTreeMap<Token, (i32, usize)>>,
}

/// Something that is on or off.
#[derive(Clone, Default)]
pub(crate) struct Switch(Rc<Cell<bool>>);

impl Switch {
    pub(crate) fn on(&self) {
        self.0.set(true);
    }

    pub(crate) fn off(&self) {
        self.0.set(false);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.get()
    }
}

#[derive(Default)]
struct Flag {
    woken: AtomicBool,
    wakes: AtomicUsize,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

/// More waits than any test needs: what would go on for ever ends here.
const MOST_WAITS: usize = 5_000;

/// A reactor over a world.
pub(crate) fn reactor() -> (Reactor, World) {
    reactor_with(Reactor::builder())
}

pub(crate) fn reactor_with(builder: ReactorBuilder) -> (Reactor, World) {
    let world = World::default();
    (builder.build_with(world.clone()), world)
}

/// A reactor that was started.
pub(crate) fn started() -> (Reactor, World) {
    let (mut reactor, world) = reactor();
    reactor.start().unwrap();
    (reactor, world)
}

impl World {
    /// Time passes, as if a callback took long.
    pub(crate) fn pass(&self, time: Duration) {
        self.0.now.set(self.0.now.get().saturating_add(time));
    }

    /// What no clock of a kernel may do.
    pub(crate) fn set_back(&self, time: Duration) {
        self.0.now.set(self.0.now.get() - time);
    }

    /// The next wait reports this.
    pub(crate) fn report(&self, readiness: Readiness) {
        self.0.ready.borrow_mut().push(readiness);
    }

    /// Has `f` called in the coming wait, or in the first one after it for which nothing else is meant to happen.
    pub(crate) fn while_asleep(&self, f: impl FnOnce() + 'static) {
        self.0.happenings.borrow_mut().push_back(Box::new(f));
    }

    /// The timeouts of the waits since it was asked last.
    pub(crate) fn waits(&self) -> Vec<Option<Duration>> {
        self.0.waits.take()
    }

    /// Waiting fails while this is on.
    pub(crate) fn broken(&self) -> &Switch {
        &self.0.broken
    }

    /// Jobs do not run by themselves while this is on.
    pub(crate) fn holds_jobs(&self) -> &Switch {
        &self.0.held
    }

    /// Jobs run inside `submit` while this is on.
    pub(crate) fn runs_jobs_in_line(&self) -> &Switch {
        &self.0.in_line
    }

    /// Asking for threads fails while this is on.
    pub(crate) fn has_no_threads(&self) -> &Switch {
        &self.0.no_threads
    }

    pub(crate) fn drop_jobs(&self) {
        let jobs = self.0.jobs.take();
        drop(jobs);
    }

    pub(crate) fn run_jobs(&self) {
        loop {
            let job = self.0.jobs.borrow_mut().pop_front();
            let Some(job) = job else { return };
            job();
        }
    }

    pub(crate) fn queued_jobs(&self) -> usize {
        self.0.jobs.borrow().len()
    }

    pub(crate) fn jobs_are_closed(&self) -> bool {
        self.0.closed.is_on()
    }

    pub(crate) fn most_threads(&self) -> usize {
        self.0.most_threads.get()
    }

    /// The signal comes; whether somebody watches it, so that it does not act by default.
    pub(crate) fn raise(&self, signal: i32) -> bool {
        let mut caught = false;
        for (&token, (watched, arrivals)) in self.0.signals.borrow_mut().iter_mut() {
            if *watched == signal {
                *arrivals += 1;
                caught = true;
                self.report(Readiness::new(token).readable());
            }
        }
        caught
    }

    pub(crate) fn watched_signals(&self) -> Vec<i32> {
        self.0.signals.borrow().values().map(|(signal, _)| *signal).collect()
    }

    /// How often the waker was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.0.flag.wakes.load(Ordering::SeqCst)
    }

    /// How many handles there are, the reactor's included.
    pub(crate) fn holders(&self) -> usize {
        Rc::strong_count(&self.0)
    }
}

impl Kernel for World {
    fn now(&self) -> Moment {
        Moment::from_nanos(u64::try_from(self.0.now.get().as_nanos()).unwrap_or(u64::MAX))
    }

    fn wall_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.0.waits.borrow_mut().push(timeout);
        if self.0.broken.is_on() {
            return Err(io::Error::other("broken"));
        }
        if self.0.waits.borrow().len() > MOST_WAITS {
            return Err(io::Error::other("the loop does not come to an end"));
        }
        let happening = self.0.happenings.borrow_mut().pop_front();
        if let Some(happening) = happening {
            happening();
        }
        if !self.0.held.is_on() {
            self.run_jobs();
        }
        let woken = self.0.flag.woken.swap(false, Ordering::SeqCst);
        let events = self.0.ready.take();
        if !events.is_empty() || woken {
            ready.extend(events);
            return Ok(());
        }
        match timeout {
            Some(timeout) => self.pass(timeout),
            None => return Err(io::Error::other("nothing could ever happen")),
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0.flag))
    }

    fn seed(&self) -> u64 {
        7
    }

    fn listen_stream(&self, _: SocketAddr, _: &ListenOptions) -> io::Result<Box<dyn StreamListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn connect_stream(&self, _: SocketAddr, _: &ConnectOptions) -> io::Result<Box<dyn StreamSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn jobs(&self) -> io::Result<&dyn Jobs> {
        if self.0.no_threads.is_on() { Err(io::ErrorKind::Unsupported.into()) } else { Ok(self) }
    }

    fn signals(&self) -> io::Result<&dyn Signals> {
        Ok(self)
    }
}

impl Jobs for World {
    fn submit(&self, job: Job) {
        if self.0.closed.is_on() {
            drop(job);
        } else if self.0.in_line.is_on() {
            job();
        } else {
            self.0.jobs.borrow_mut().push_back(job);
        }
    }

    fn resize(&self, _least: usize, most: usize) {
        self.0.most_threads.set(most);
    }

    fn load(&self) -> JobLoad {
        JobLoad { threads: 0, running: 0, queued: self.queued_jobs() }
    }

    fn close(&self, abandon: bool) {
        self.0.closed.on();
        if abandon {
            self.drop_jobs();
        }
    }
}

impl Signals for World {
    fn watch(&self, signal: i32, token: Token) -> io::Result<()> {
        if signal == 9 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.0.signals.borrow_mut().insert(token, (signal, 0));
        Ok(())
    }

    fn arrivals(&self, token: Token) -> usize {
        let mut signals = self.0.signals.borrow_mut();
        signals.get_mut(&token).map_or(0, |(_, arrivals)| std::mem::take(arrivals))
    }

    fn unwatch(&self, token: Token) {
        self.0.signals.borrow_mut().remove(&token);
    }
}
