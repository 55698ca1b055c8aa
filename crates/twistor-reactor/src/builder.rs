use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::Timers;

use crate::inner::{Inner, Stage};
use crate::kernel::Kernel;
use crate::signals::SignalTable;
use crate::sources::Sources;
use crate::stats::Counters;
use crate::tasks::Tasks;
use crate::threads::ThreadTable;
use crate::triggers::Triggers;
use crate::waiting::WaitingPromises;
use crate::{Limits, Observer, Reactor, ReactorHandle, Remote, Rng};

/// How a [`Reactor`] is to be: its limits and its kernel.
#[derive(Clone, Debug)]
pub struct ReactorBuilder {
    limits: Limits,
    handle_signals: bool,
    observer: Option<Rc<dyn Observer>>,
}

impl ReactorBuilder {
    pub(crate) fn new() -> Self {
        Self { limits: Limits::default(), handle_signals: true, observer: None }
    }

    /// Sets how long stopping waits for before-shutdown Deferreds, and again for jobs on threads. Default 10 s.
    #[must_use]
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.limits.shutdown_timeout = timeout;
        self
    }

    /// Sets the size of the read buffer in bytes, and so of the largest piece that `data_received` is handed. Default 65,536; at least 1.
    #[must_use]
    pub const fn read_size(mut self, bytes: usize) -> Self {
        self.limits.read_size = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Sets how many notifications a turn delivers before I/O gets its share. Default 4,096; at least 1.
    #[must_use]
    pub const fn notifications_per_turn(mut self, most: usize) -> Self {
        self.limits.notifications_per_turn = if most == 0 { 1 } else { most };
        self
    }

    /// Sets how many threads run jobs at most. Default 10; at least 1.
    #[must_use]
    pub const fn threads(mut self, most: usize) -> Self {
        self.limits.threads = if most == 0 { 1 } else { most };
        self
    }

    /// Whether SIGINT and SIGTERM stop the reactor while it runs: the first in order, as [`ReactorHandle::stop`] does, a second one at once, as
    /// [`ReactorHandle::crash`] does. Default true.
    #[must_use]
    pub const fn handle_signals(mut self, yes: bool) -> Self {
        self.handle_signals = yes;
        self
    }

    /// Tells `observer` of every call of the user's code, and of work that is queued. Default nobody.
    #[must_use]
    pub fn observer(mut self, observer: Rc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// A reactor over the real kernel.
    ///
    /// # Errors
    ///
    /// If the system has no descriptor left for the poller.
    #[cfg(feature = "mio")]
    pub fn build(self) -> std::io::Result<Reactor> {
        Ok(self.build_with(crate::kernel::MioKernel::new()?))
    }

    /// A reactor over a kernel of your choice: `twistor_sim::ScriptedKernel`, for a test in virtual time, or one of your own.
    #[must_use]
    pub fn build_with(self, kernel: impl Kernel) -> Reactor {
        let kernel: Rc<dyn Kernel> = Rc::new(kernel);
        let timers = Timers::new();
        let clock = Rc::clone(&kernel);
        timers.set_clock(Some(Rc::new(move || clock.now())));
        if let Ok(jobs) = kernel.jobs() {
            jobs.resize(0, self.limits.threads);
        }
        let remote = Remote::new(&*kernel);
        let inner = Inner {
            tasks: Tasks::new(&remote),
            remote,
            kernel: RefCell::new(Some(Rc::clone(&kernel))),
            stage: Cell::new(Stage::Fresh),
            timers,
            sources: Sources::default(),
            notices: RefCell::new(VecDeque::new()),
            flushes: RefCell::new(Vec::new()),
            again: RefCell::new(Vec::new()),
            triggers: Triggers::default(),
            threads: ThreadTable::new(),
            waiting: WaitingPromises::default(),
            signals: SignalTable::default(),
            descriptors: RefCell::new(BTreeMap::new()),
            scratch: Cell::new(None),
            extensions: RefCell::new(BTreeMap::new()),
            counters: Counters::default(),
            limits: self.limits,
            shutdown_deadline: Cell::new(None),
            handle_signals: self.handle_signals,
            observer: self.observer,
            rng: Rng::seeded(kernel.seed()),
        };
        Reactor::of(ReactorHandle { inner: Rc::new(inner) }, kernel)
    }
}
