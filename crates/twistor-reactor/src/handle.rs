use std::any::{Any, TypeId};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tracing::error;
use twistor_deferred::{DelayedCall, Moment, contain};

use crate::error::NotRunning;
use crate::inner::{Inner, Notice, Stage};
use crate::kernel::{Kernel, Token};
use crate::sources::{Note, Source, SourceKind};
use crate::stats::{Stats, count};
use crate::{Limits, Remote};

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
        Ok(())
    }

    /// Ends the loop after the present turn (between turns: after the coming one), without shutdown: nothing is closed, no trigger is
    /// fired, and the reactor can be run again unless it was asked to stop before. Does nothing if it does not run.
    pub fn crash(&self) {
        self.inner.stage.set(self.inner.stage.get().crashed());
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
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> DelayedCall {
        self.inner.timers.schedule_after(delay, f)
    }

    /// The calls that are pending, in the order in which they will be made.
    #[must_use]
    pub fn delayed_calls(&self) -> Vec<DelayedCall> {
        self.inner.timers.pending()
    }
}

/// For transports written over the reactor: sources, notifications, flushes. Users of transports need none of it.
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

    /// Puts a source into the table, for the kernel to report under the token; `None` if the reactor is gone, or has stopped as far as
    /// disconnecting everything, and the source is dropped.
    pub fn register(&self, source: Rc<dyn Source>) -> Option<Token> {
        if !self.inner.stage.get().takes_sources() {
            return None;
        }
        if source.kind() == SourceKind::Connection {
            self.inner.counters.connections.set(self.inner.counters.connections.get() + 1);
        }
        Some(self.inner.sources.insert(source))
    }

    /// Puts `source` in the place of the one that has `token`; events go to it from now on, whatever was registered with the kernel.
    ///
    /// # Errors
    ///
    /// Gives `source` back if nobody has the token any more. The former one is handed out, to be dropped where it does no harm.
    pub fn replace(&self, token: Token, source: Rc<dyn Source>) -> Result<Rc<dyn Source>, Rc<dyn Source>> {
        let became = source.kind();
        let former = self.inner.sources.replace(token, source)?;
        let connections = &self.inner.counters.connections;
        match (former.kind() == SourceKind::Connection, became == SourceKind::Connection) {
            (true, false) => connections.set(connections.get() - 1),
            (false, true) => connections.set(connections.get() + 1),
            _ => {}
        }
        Ok(former)
    }

    /// Takes a source out of the table: events for the token are dropped from now on. `None` if nobody has it.
    pub fn deregister(&self, token: Token) -> Option<Rc<dyn Source>> {
        let source = self.inner.sources.remove(token)?;
        if source.kind() == SourceKind::Connection {
            self.inner.counters.connections.set(self.inner.counters.connections.get() - 1);
        }
        Some(source)
    }

    /// The source that has `token`.
    #[must_use]
    pub fn source(&self, token: Token) -> Option<Rc<dyn Source>> {
        self.inner.sources.find(token)
    }

    /// Every source, with its token, in the order of the table.
    #[must_use]
    pub fn sources(&self) -> Vec<(Token, Rc<dyn Source>)> {
        self.inner.sources.all()
    }

    /// Whether somebody has `token`.
    #[must_use]
    pub fn is_registered(&self, token: Token) -> bool {
        self.inner.sources.find(token).is_some()
    }

    /// Has [`Source::again`] called in the dispatch of the coming turn.
    pub fn again(&self, token: Token) {
        if !self.inner.is_gone() {
            self.inner.again.borrow_mut().push(token);
        }
    }

    /// Has [`Source::flush`] called before the loop sleeps. A source asks once until it was flushed.
    pub fn flush_later(&self, source: Rc<dyn Source>) {
        if !self.inner.is_gone() {
            self.inner.flushes.borrow_mut().push(source);
        }
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

    /// As [`notify`](Self::notify), without an allocation: has [`Source::notified`] called with `note`.
    pub fn notify_source(&self, source: Rc<dyn Source>, note: Note) {
        if !self.inner.is_gone() {
            self.inner.queue(Notice::Source(source, note));
        }
    }

    /// Calls `f`, code of the user's, and contains its panic, which is logged as that of `what`.
    ///
    /// # Errors
    ///
    /// The text of the panic.
    pub fn guard<R>(&self, what: impl fmt::Display, f: impl FnOnce() -> R) -> Result<R, String> {
        contain(f).inspect_err(|text| {
            // A subscriber is code of the application's too.
            let _ = contain(|| error!("{what} panicked: {text}"));
        })
    }

    /// Lends the reactor's one read buffer, of [`Limits::read_size`] bytes. Lent twice at once, the second is a new one.
    pub fn with_scratch<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let size = self.inner.limits.read_size;
        let mut scratch = self.inner.scratch.take().unwrap_or_else(|| vec![0; size].into_boxed_slice());
        let result = f(&mut scratch);
        self.inner.scratch.set(Some(scratch));
        result
    }

    /// What a crate above keeps once a reactor, made on first use.
    #[must_use]
    pub fn extension<T: Default + 'static>(&self) -> Rc<T> {
        let found = self.inner.extensions.borrow().get(&TypeId::of::<T>()).cloned();
        if let Some(extension) = found.and_then(|any| any.downcast::<T>().ok()) {
            return extension;
        }
        let made = Rc::new(T::default());
        if !self.inner.is_gone() {
            let any: Rc<dyn Any> = Rc::<T>::clone(&made);
            self.inner.extensions.borrow_mut().insert(TypeId::of::<T>(), any);
        }
        made
    }

    /// Counts bytes that a transport gathered to be sent.
    pub fn count_gathered(&self, bytes: usize) {
        count(&self.inner.counters.bytes_gathered, bytes as u64);
    }

    /// Counts bytes that a transport received.
    pub fn count_received(&self, bytes: usize) {
        count(&self.inner.counters.bytes_received, bytes as u64);
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
