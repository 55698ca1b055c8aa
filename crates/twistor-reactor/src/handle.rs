use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use twistor_deferred::{DelayedCall, Moment};

use crate::error::NotRunning;
use crate::inner::{Inner, Notice, Stage};
use crate::kernel::Kernel;
use crate::stats::Stats;
use crate::{Limits, Remote, Rng};

/// What everybody but the owner of the [`Reactor`](crate::Reactor) holds: a cheap clone, for this thread alone.
///
/// A handle that outlives its reactor is harmless: what it is asked then does nothing or returns an error, and closures it is given are
/// dropped uncalled.
#[derive(Clone)]
pub struct ReactorHandle {
    pub(crate) inner: Rc<Inner>,
}

/// The life of the reactor.
impl ReactorHandle {
    /// Asks the reactor to stop in order, and returns at once: the present callback runs to its end.
    ///
    /// In the shutdown phase of the coming turn (timers and thread calls that are due still run before it) shutdown is fired:
    /// before-triggers are called and their Deferreds waited for; listeners, connections and watched descriptors are disconnected;
    /// during-triggers are called; jobs on threads are waited for; after-triggers are called; then [`run`](crate::Reactor::run) returns.
    ///
    /// # Errors
    ///
    /// [`NotRunning`] if the reactor does not run, or was asked to stop before.
    pub fn stop(&self) -> Result<(), NotRunning> {
        match self.inner.stage.get() {
            Stage::Starting => self.inner.stage.set(Stage::StartingToStop),
            Stage::Running => self.inner.stage.set(Stage::StopRequested),
            _ => return Err(NotRunning),
        }
        self.inner.tell_of_work();
        Ok(())
    }

    /// Ends the loop after the present turn (between turns: after the coming one), without shutdown: nothing is closed, no trigger is
    /// fired, and the reactor can be run again unless it was asked to stop before. Does nothing if it does not run.
    pub fn crash(&self) {
        self.inner.stage.set(self.inner.stage.get().crashed());
        self.inner.tell_of_work();
    }

    /// Whether the reactor runs: true from during startup until during shutdown.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.inner.stage.get().is_running()
    }

    /// Another handle: a clone, under the name that [`Reactor`](crate::Reactor) has for it.
    #[must_use]
    pub fn handle(&self) -> Self {
        self.clone()
    }

    /// The way into this reactor for other threads.
    #[must_use]
    pub fn remote(&self) -> Remote {
        self.inner.remote.clone()
    }

    /// What the reactor did so far, and what it holds now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.counters;
        Stats {
            turns: counters.turns.get(),
            events: counters.events.get(),
            stale_events: counters.stale_events.get(),
            timers_fired: counters.timers_fired.get(),
            timers_pending: self.inner.timers.len(),
            thread_calls: counters.thread_calls.get(),
            notifications: counters.notifications.get(),
            tasks: self.inner.tasks.len(),
            polls: counters.polls.get(),
            sources: self.inner.sources.len(),
            connections: counters.connections.get(),
            bytes_gathered: counters.bytes_gathered.get(),
            bytes_received: counters.bytes_received.get(),
        }
    }

    /// The reactor's limits, as it was built.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}

/// Time.
impl ReactorHandle {
    /// The latest reading of the reactor's clock: that of the beginning of this turn's callbacks. After the reactor is gone, its last one.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.inner.timers.now()
    }

    /// Calls `f` once, on the reactor's thread, when `delay` has passed since [`now`](Self::now).
    ///
    /// Never early; late by as much as the loop is busy, and by the kernel's granularity (1 ms). Zero means the next turn, never this
    /// one. A delay too long to represent (584 years) never passes. Calls due together run in the order they were made. `f` may
    /// cancel or make calls, its own included. A panic of `f` is logged. Dropping the [`DelayedCall`] leaves the call in place.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use std::time::Duration;
    /// use twistor_reactor::Reactor;
    ///
    /// let mut reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// reactor.call_later(Duration::from_millis(5), move || handle.stop().unwrap());
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.inner.timers.schedule_after(delay, f)
    }

    /// The calls that are pending, in the order in which they will be made.
    #[must_use]
    pub fn delayed_calls(&self) -> Vec<DelayedCall> {
        self.inner.timers.pending()
    }
}

/// Chance.
impl ReactorHandle {
    /// The reactor's generator of random numbers. Its seed is the kernel's: the system's choice and another one for every reactor over
    /// the real kernel; over a simulated one it follows from the seed of the world, and the draws of two runs agree.
    ///
    /// All handles have the same one, and it lives on after the reactor. Not for secrets; see [`Rng`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use std::time::Duration;
    /// use twistor_reactor::Reactor;
    ///
    /// let mut reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// // Somewhere between 5 and 10 ms from now.
    /// let delay = reactor.rng().duration(Duration::from_millis(5), Duration::from_millis(10));
    /// reactor.call_later(delay, move || handle.stop().unwrap());
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn rng(&self) -> Rng {
        self.inner.rng.clone()
    }
}

/// The kernel below, and the queue of what happens after the present call.
impl ReactorHandle {
    /// The kernel; `None` once the reactor is gone.
    #[must_use]
    pub fn kernel(&self) -> Option<Rc<dyn Kernel>> {
        self.inner.kernel()
    }

    /// Whether the reactor was dropped.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.inner.is_gone()
    }

    /// Whether new listeners, connections and descriptors are taken: not once a reactor that stops has disconnected those there were, nor
    /// after it is gone.
    #[must_use]
    pub fn takes_sources(&self) -> bool {
        self.inner.stage.get().takes_sources()
    }

    /// Queues `f`, to be called after the user's present call has returned, in order with all other notifications, before the loop
    /// sleeps. If the reactor is gone `f` is dropped. A panic of `f` is logged.
    pub fn notify(&self, f: impl FnOnce(&Self) + 'static) {
        if self.inner.is_gone() {
            twistor_deferred::drop_contained(f);
        } else {
            self.inner.queue(Notice::Call(Box::new(f)));
        }
    }

    pub(crate) fn downgrade(&self) -> Weak<Inner> {
        Rc::downgrade(&self.inner)
    }
}

impl fmt::Debug for ReactorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReactorHandle")
            .field("stage", &self.inner.stage.get())
            .field("sources", &self.inner.sources.len())
            .field("timers", &self.inner.timers.len())
            .finish_non_exhaustive()
    }
}
