use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use tracing::{debug, error, warn};
use twistor_deferred::{begin_ending, drop_contained};

use crate::builder::ReactorBuilder;
use crate::error::RunError;
use crate::inner::{Notice, Stage};
use crate::kernel::{Kernel, Readiness, Token};
use crate::sources::{Source, SourceHost, SourceKind};
use crate::stats::count;
use crate::triggers::{Phase, SHUTDOWN, STARTUP};
use crate::{CloseReason, ReactorHandle};

/// The loop: one thread, one callback at a time.
///
/// The reactor owns everything that was made with it, and is not `Clone`; hand out its [`handle`](Self::handle), to which it derefs.
/// Dropping it tears everything down in a fixed order: listeners, connections and watched descriptors (each told
/// [`CloseReason::ReactorGone`]), tasks, timers, queues.
///
/// # A turn
///
/// [`run`](Self::run) repeats a turn of these phases; what a phase adds to itself waits for the next turn.
///
/// 1. read the clock; calls from other threads, those queued so far
/// 2. tasks that were woken
/// 3. timers that are due
/// 4. shutdown, if it was asked for (and the rest of a startup that had to wait)
/// 5. notifications, until none is left or the budget is spent; first polls of tasks are among them
/// 6. flush of everything that was gathered
/// 7. wait for events: not at all if anything is still queued, else until the next timer; then read the clock again
/// 8. dispatch of what is ready, and of what still had something to do last turn
///
/// # Panics of callbacks
///
/// A panic of user code ends the connection it happened on, never the loop. This needs `panic = "unwind"`, Rust's default.
pub struct Reactor {
    handle: ReactorHandle,
    kernel: Rc<dyn Kernel>,
    /// Events of the last wait; kept for its capacity.
    ready: Vec<Readiness>,
    /// Empty: the room of the last lists of those who were to come again and to be flushed, for the next ones to grow in.
    room: Room,
}

#[derive(Default)]
struct Room {
    again: Cell<Vec<Token>>,
    flushes: Cell<Vec<Rc<dyn Source>>>,
}

impl Reactor {
    /// A reactor over the real kernel, with the limits of [`Limits::default`](crate::Limits).
    ///
    /// # Errors
    ///
    /// If the system has no descriptor left for the poller.
    #[cfg(feature = "mio")]
    pub fn new() -> std::io::Result<Self> {
        Self::builder().build()
    }

    pub(crate) fn of(handle: ReactorHandle, kernel: Rc<dyn Kernel>) -> Self {
        Self { handle, kernel, ready: Vec::new(), room: Room::default() }
    }

    /// A reactor that is to be set up first.
    #[must_use]
    pub fn builder() -> ReactorBuilder {
        ReactorBuilder::new()
    }

    /// A handle, for those who make timers and connections.
    #[must_use]
    pub fn handle(&self) -> ReactorHandle {
        self.handle.clone()
    }

    /// Fires startup, then turns until the reactor is stopped or crashed. The reactor cannot be run inside itself: that does not
    /// compile.
    ///
    /// # Errors
    ///
    /// [`RunError::NotRestartable`] at once if the reactor was stopped before (a crashed one can be run again), [`RunError::Wait`] if
    /// waiting for events fails.
    pub fn run(&mut self) -> Result<(), RunError> {
        self.start()?;
        while !self.is_finished() {
            if let Err(error) = self.turn(None) {
                self.handle.crash();
                self.end_crash();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Fires startup and returns, for a loop of your own that calls [`iterate`](Self::iterate) until
    /// [`is_finished`](Self::is_finished). [`run`](Self::run) does this by itself.
    ///
    /// If a before-startup trigger returned a Deferred, the rest of startup follows in the first turn after that has fired.
    ///
    /// # Errors
    ///
    /// [`RunError::NotRestartable`] if the reactor was stopped before. Starting one that is started does nothing.
    pub fn start(&mut self) -> Result<(), RunError> {
        let started = self.begin_startup();
        self.handle.inner.timers.thaw();
        started
    }

    fn begin_startup(&self) -> Result<(), RunError> {
        let inner = &self.handle.inner;
        self.end_crash(); // One that nobody turned after.
        match inner.stage.get() {
            Stage::Fresh => {}
            Stage::Stopped | Stage::Gone => return Err(RunError::NotRestartable),
            _ => return Ok(()),
        }
        self.read_clock();
        inner.stage.set(Stage::Starting);
        debug!("reactor starts");
        let waits = inner.triggers.fire_phase(&self.handle, Phase::Before, STARTUP);
        inner.triggers.wait_for(waits, STARTUP);
        self.advance_startup();
        self.end_crash();
        Ok(())
    }

    /// Whether the loop has nothing more to do: not started, stopped, or crashed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.handle.inner.stage.get().goes_on()
    }

    /// One turn by hand: at most `timeout` is slept, not at all for zero, and until something happens for `None`.
    ///
    /// Does not fire startup ([`start`](Self::start) does); shutdown goes on turn by turn if it was asked for.
    ///
    /// # Errors
    ///
    /// [`RunError::Wait`] if waiting for events fails.
    pub fn iterate(&mut self, timeout: Option<Duration>) -> Result<(), RunError> {
        self.turn(timeout)
    }

    /// How long a loop above may sleep before it calls [`iterate`](Self::iterate), events aside: zero if there is work now, `None` if no
    /// timer is pending.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.handle.inner.has_work() {
            return Some(Duration::ZERO);
        }
        self.handle.inner.until_next_deadline()
    }

    /// The descriptor that is readable when the reactor has events to dispatch, for a loop above this one; `None` for kernels without.
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.kernel.poll_fd()
    }

    fn turn(&mut self, longest: Option<Duration>) -> Result<(), RunError> {
        let inner = Rc::clone(&self.handle.inner);
        count(&inner.counters.turns, 1);
        inner.tasks.attend(true);
        // Everything has been disconnected: what fails now fails by that.
        let _ending = matches!(self.handle.inner.stage.get(), Stage::Jobs).then(begin_ending);
        let turned = self.run_phases(longest);
        inner.tasks.attend(false);
        inner.timers.thaw();
        turned
    }

    fn run_phases(&mut self, longest: Option<Duration>) -> Result<(), RunError> {
        self.read_clock();
        self.run_thread_calls();
        self.run_woken_tasks();
        self.run_timers();
        self.advance_startup();
        self.advance_shutdown();
        self.run_notifications();
        self.flush_gathered();
        self.wait(longest)?;
        self.dispatch();
        self.end_crash();
        Ok(())
    }

    /// From here on it is one time for everybody, read when the first asks for it: a turn in which nobody does reads no clock.
    fn read_clock(&self) {
        self.handle.inner.timers.freeze_at_reading();
    }

    /// Phase 1. Only the calls that are queued now: one that is queued by a call waits for the next turn.
    fn run_thread_calls(&self) {
        self.handle.inner.threads.start(&self.handle);
        if !self.handle.inner.remote.has_calls() {
            return;
        }
        for call in self.handle.inner.remote.take_calls() {
            count(&self.handle.inner.counters.thread_calls, 1);
            let _ = self.handle.guard("a call from another thread", || call(&self.handle));
        }
    }

    /// Phase 2. The tasks that are woken by now: one that is woken meanwhile waits for the next turn.
    fn run_woken_tasks(&self) {
        self.handle.inner.tasks.poll_woken(&self.handle);
    }

    /// Phase 3. The timers that are due by now: what they schedule waits for the next turn.
    fn run_timers(&self) {
        let inner = &self.handle.inner;
        if inner.timers.is_empty() {
            return;
        }
        let pass = inner.timers.begin_pass();
        while let Some(call) = inner.timers.pop_due(&pass) {
            count(&inner.counters.timers_fired, 1);
            let _ = self.handle.guard("a timed call", || call.run());
        }
    }

    /// Startup, from where its before-triggers were called to its end, as soon as their Deferreds have fired.
    #[inline]
    fn advance_startup(&self) {
        if matches!(self.handle.inner.stage.get(), Stage::Starting | Stage::StartingToStop) {
            self.end_startup();
        }
    }

    fn end_startup(&self) {
        let inner = &self.handle.inner;
        let next = match inner.stage.get() {
            Stage::Starting => Stage::Running,
            Stage::StartingToStop => Stage::StopRequested,
            _ => return,
        };
        if inner.triggers.waits() > 0 {
            return;
        }
        inner.stage.set(next);
        self.handle.install_signals();
        inner.triggers.fire_phase(&self.handle, Phase::During, STARTUP);
        inner.triggers.fire_phase(&self.handle, Phase::After, STARTUP);
    }

    /// Phase 4. Shutdown is a walk through its stages, each as soon as what it waits for is there.
    fn advance_shutdown(&self) {
        let inner = &self.handle.inner;
        if inner.stage.get() == Stage::StopRequested {
            self.begin_shutdown();
        }
        if inner.stage.get() == Stage::Before && self.shutdown_may_go_on(inner.triggers.waits()) {
            self.disconnect_everything();
        }
        if inner.stage.get() == Stage::Jobs {
            // In this order: a job queues its result before it counts as ended, and the result is to be heard.
            let waits = inner.threads.outstanding() + usize::from(inner.remote.has_calls());
            if self.shutdown_may_go_on(waits) {
                self.finish_shutdown();
            }
        }
    }

    fn begin_shutdown(&self) {
        let inner = &self.handle.inner;
        debug!("reactor stops");
        inner.stage.set(Stage::Before);
        let waits = inner.triggers.fire_phase(&self.handle, Phase::Before, SHUTDOWN);
        inner.triggers.wait_for(waits, SHUTDOWN);
        self.limit_shutdown();
    }

    fn disconnect_everything(&self) {
        let inner = &self.handle.inner;
        let _ending = begin_ending();
        let waits = inner.triggers.waits();
        if waits > 0 {
            let limit = inner.limits.shutdown_timeout;
            warn!(
                "{waits} Deferreds of before-shutdown triggers did not fire within the shutdown_timeout of {limit:?}"
            );
        }
        inner.stage.set(Stage::During);
        self.shut_down_sources(SourceKind::Watch);
        self.run_notifications();
        inner.triggers.fire_phase(&self.handle, Phase::During, SHUTDOWN);
        inner.threads.close();
        if let Ok(jobs) = self.kernel.jobs() {
            jobs.close(false);
        }
        if inner.stage.get() == Stage::During {
            inner.stage.set(Stage::Jobs);
            self.limit_shutdown();
        }
    }

    fn finish_shutdown(&self) {
        let inner = &self.handle.inner;
        if inner.threads.outstanding() > 0 {
            warn!("{} jobs on threads did not end in time and are left behind", inner.threads.outstanding());
            if let Ok(jobs) = self.kernel.jobs() {
                jobs.close(true);
            }
        }
        inner.triggers.fire_phase(&self.handle, Phase::After, SHUTDOWN);
        self.handle.restore_signals();
        if inner.stage.get() == Stage::Jobs {
            inner.stage.set(Stage::Stopped);
        }
        debug!("reactor stopped");
    }

    /// Gives the present stage of shutdown its deadline. No timer, since the application could cancel that.
    fn limit_shutdown(&self) {
        let inner = &self.handle.inner;
        inner.shutdown_deadline.set(inner.timers.now().checked_add(inner.limits.shutdown_timeout));
    }

    fn shutdown_may_go_on(&self, waits: usize) -> bool {
        let inner = &self.handle.inner;
        waits == 0 || inner.shutdown_deadline.get().is_some_and(|deadline| inner.timers.now() >= deadline)
    }

    /// Tells the sources, up to `last` in the order of their kinds, that the reactor ends.
    fn shut_down_sources(&self, last: SourceKind) {
        let mut sources = self.handle.inner.sources.all();
        sources.sort_by_key(|(_, source)| source.kind());
        for (token, source) in sources {
            if source.kind() <= last && self.handle.is_registered(token) {
                source.shut_down(&self.handle, &CloseReason::ReactorGone);
            }
        }
    }

    /// Phase 5. What a notification queues runs here too, as far as the budget goes.
    fn run_notifications(&self) {
        let inner = &self.handle.inner;
        if inner.notices.borrow().is_empty() {
            return;
        }
        for _ in 0..inner.limits.notifications_per_turn {
            let Some(notice) = inner.next_notice() else { return };
            count(&inner.counters.notifications, 1);
            match notice {
                Notice::Call(f) => {
                    let _ = self.handle.guard("a notification", || f(&self.handle));
                }
                Notice::Source(source, note) => source.notified(&self.handle, note),
                Notice::Poll(task) => inner.tasks.poll(task, &self.handle),
            }
        }
    }

    /// Phase 6. Filters may gather for others while they are flushed: a few rounds, so that nothing gathered survives a sleep.
    fn flush_gathered(&self) {
        /// The rounds after which what is gathered still waits for the next turn (which then does not sleep).
        const ROUNDS: usize = 4;
        for _ in 0..ROUNDS {
            if self.handle.inner.flushes.borrow().is_empty() {
                return;
            }
            let mut flushes = self.room.flushes.take();
            std::mem::swap(&mut flushes, &mut *self.handle.inner.flushes.borrow_mut());
            for source in flushes.drain(..) {
                source.flush(&self.handle);
            }
            self.room.flushes.set(flushes);
        }
    }

    /// Phase 7. Whoever wakes a task from here on wakes the loop.
    fn wait(&mut self, longest: Option<Duration>) -> Result<(), RunError> {
        let inner = &self.handle.inner;
        inner.tasks.attend(false);
        let ends = matches!(inner.stage.get(), Stage::Stopped | Stage::Crashing | Stage::Ending);
        let timeout = if ends || inner.has_work() {
            Some(Duration::ZERO)
        } else {
            self.read_clock(); // The callbacks above took their time.
            match (inner.until_next_deadline(), longest) {
                (Some(deadline), Some(longest)) => Some(deadline.min(longest)),
                (deadline, longest) => deadline.or(longest),
            }
        };
        self.ready.clear();
        inner.timers.thaw(); // In a simulated world others run meanwhile, and may use this reactor.
        self.kernel.wait(timeout, &mut self.ready).map_err(RunError::Wait)?;
        inner.tasks.attend(true);
        self.read_clock();
        count(&inner.counters.events, self.ready.len() as u64);
        Ok(())
    }

    /// Phase 8. A callback may remove any source: what is gone, or another by now, is passed over.
    fn dispatch(&self) {
        let inner = &self.handle.inner;
        // Those of before this dispatch: who asks during it comes in the next.
        let asked = !inner.again.borrow().is_empty();
        let mut again = Vec::new();
        if asked {
            again = self.room.again.take();
            std::mem::swap(&mut again, &mut *inner.again.borrow_mut());
        }
        for &readiness in &self.ready {
            match inner.sources.find(readiness.token) {
                Some(source) => source.ready(&self.handle, readiness),
                None => count(&inner.counters.stale_events, 1),
            }
        }
        if !asked {
            return;
        }
        for token in again.drain(..) {
            if let Some(source) = inner.sources.find(token) {
                source.again(&self.handle);
            }
        }
        self.room.again.set(again);
    }

    /// The end of a crashed run: everything stays as it is, and the reactor can be run again if it was not asked to stop.
    #[inline]
    fn end_crash(&self) {
        if matches!(self.handle.inner.stage.get(), Stage::Crashing | Stage::Ending) {
            self.end_run();
        }
    }

    fn end_run(&self) {
        let ended = match self.handle.inner.stage.get() {
            Stage::Crashing => Stage::Fresh,
            Stage::Ending => Stage::Stopped,
            _ => return,
        };
        debug!("reactor crashed");
        self.handle.restore_signals();
        self.handle.inner.stage.set(ended);
    }
}

impl Deref for Reactor {
    type Target = ReactorHandle;

    fn deref(&self) -> &ReactorHandle {
        &self.handle
    }
}

impl Drop for Reactor {
    /// Also inside the future of a cancelled task of another reactor: this one's tasks are not cancelled, they are gone.
    fn drop(&mut self) {
        twistor_deferred::dropping_plainly(|| self.tear_down());
    }
}

impl Reactor {
    fn tear_down(&mut self) {
        /// How many rounds of notifications the end of a reactor grants; a program whose every notification makes another one ends all
        /// the same.
        const ROUNDS: usize = 64;
        let inner = &self.handle.inner;
        let _ending = begin_ending();
        inner.stage.set(Stage::Leaving);
        self.shut_down_sources(SourceKind::Internal);
        for _ in 0..ROUNDS {
            self.run_notifications();
            if inner.notices.borrow().is_empty() {
                break;
            }
        }
        self.handle.restore_signals();
        inner.stage.set(Stage::Gone);
        inner.threads.close();
        let kernel = inner.kernel.borrow_mut().take();
        if let Ok(jobs) = self.kernel.jobs() {
            jobs.close(true);
        }
        // From here on nothing can be added: what is left is moved out, then dropped.
        let sources = inner.sources.take_all();
        inner.counters.connections.set(0);
        drop_all(sources);
        inner.tasks.close();
        inner.timers.close();
        inner.timers.thaw();
        let _last = inner.timers.now(); // The time stands still from here on.
        inner.timers.set_clock(None);
        let descriptors = std::mem::take(&mut *inner.descriptors.borrow_mut());
        drop_all(descriptors.into_values());
        drop_all(inner.remote.close());
        inner.triggers.clear();
        inner.waiting.close();
        let flushes = std::mem::take(&mut *inner.flushes.borrow_mut());
        drop_all(flushes);
        let notices = std::mem::take(&mut *inner.notices.borrow_mut());
        if !notices.is_empty() {
            error!("{} notifications were still queued when the reactor was dropped", notices.len());
        }
        drop_all(notices);
        let extensions = std::mem::take(&mut *inner.extensions.borrow_mut());
        drop_all(extensions.into_values());
        drop(kernel);
    }
}

fn drop_all<T>(values: impl IntoIterator<Item = T>) {
    for value in values {
        drop_contained(value);
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reactor").field(&self.handle).finish()
    }
}
