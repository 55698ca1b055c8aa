//! What a reactor and its handles share. Every cell is its own, and none is borrowed while user code runs.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::Timers;

use crate::kernel::{Kernel, Token};
use crate::remote::Remote;
use crate::signals::SignalTable;
use crate::sources::{Note, Source, Sources};
use crate::stats::Counters;
use crate::tasks::{TaskId, Tasks};
use crate::threads::ThreadTable;
use crate::triggers::Triggers;
use crate::waiting::WaitingPromises;
use crate::watch::WatchObject;
use crate::{Limits, Observer, ReactorHandle, Rng};

pub(crate) struct Inner {
    /// `None` once the reactor is gone.
    pub(crate) kernel: RefCell<Option<Rc<dyn Kernel>>>,
    pub(crate) stage: Cell<Stage>,
    pub(crate) timers: Timers,
    pub(crate) sources: Sources,
    pub(crate) notices: RefCell<VecDeque<Notice>>,
    /// Sources that gathered something since the last flush. A source is in it at most once (it knows by itself).
    pub(crate) flushes: RefCell<Vec<Rc<dyn Source>>>,
    /// Sources that still had something to do, for the dispatch of the next turn.
    pub(crate) again: RefCell<Vec<Token>>,
    pub(crate) remote: Remote,
    pub(crate) triggers: Triggers,
    pub(crate) threads: ThreadTable,
    /// Promises of results that are made elsewhere.
    pub(crate) waiting: WaitingPromises,
    pub(crate) tasks: Tasks,
    pub(crate) signals: SignalTable,
    /// Descriptors of the user's that are registered, so that there is one registration each.
    pub(crate) descriptors: RefCell<BTreeMap<RawFd, Rc<dyn WatchObject>>>,
    /// The one read buffer, lent to the source that is being dispatched.
    pub(crate) scratch: Cell<Option<Box<[u8]>>>,
    /// What crates above keep once a reactor.
    pub(crate) extensions: RefCell<BTreeMap<TypeId, Rc<dyn Any>>>,
    pub(crate) counters: Counters,
    pub(crate) limits: Limits,
    pub(crate) shutdown_deadline: Cell<Option<twistor_deferred::Moment>>,
    pub(crate) handle_signals: bool,
    pub(crate) observer: Option<Rc<dyn Observer>>,
    pub(crate) rng: Rng,
}

/// Where a reactor is in its life.
///
/// ```text
/// Fresh -> Starting -> Running -> StopRequested -> Before -> Jobs -> Stopped -> Gone
///   ^         |           |             |             |        |        ^
///   '-- Crashing <--------'             '-------------+--------+-- Ending
///                                     (any stage -> Gone when the reactor is dropped)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Never run, or crashed: can be run.
    Fresh,
    /// Before-startup triggers are being called, or their Deferreds are waited for.
    Starting,
    /// As `Starting`, and `stop` was called.
    StartingToStop,
    Running,
    /// `stop` was called: shutdown begins in the next shutdown phase.
    StopRequested,
    /// Before-shutdown triggers were called; their Deferreds are waited for.
    Before,
    /// Everything is disconnected, during-shutdown triggers are being called.
    During,
    /// Thread jobs are waited for.
    Jobs,
    Stopped,
    /// `crash` was called: this turn is the last.
    Crashing,
    /// As `Crashing`, on a reactor that was asked to stop before: it cannot be run again.
    Ending,
    /// The reactor is being dropped: everybody is told, nothing new is registered.
    Leaving,
    /// The reactor was dropped.
    Gone,
}

impl Stage {
    /// Whether the loop has another turn to make. After a crash outside of any turn, that is the last one.
    pub(crate) const fn goes_on(self) -> bool {
        !matches!(self, Self::Fresh | Self::Stopped | Self::Leaving | Self::Gone)
    }

    /// Where a crash leads, from a reactor that is under way.
    pub(crate) const fn crashed(self) -> Self {
        match self {
            Self::Starting | Self::Running => Self::Crashing,
            Self::StartingToStop | Self::StopRequested | Self::Before | Self::During | Self::Jobs => {
                Self::Ending
            }
            ended => ended,
        }
    }

    /// Whether new listeners, connections and descriptors are taken: not once those that there were have been disconnected.
    pub(crate) const fn takes_sources(self) -> bool {
        !matches!(self, Self::During | Self::Jobs | Self::Stopped | Self::Ending | Self::Leaving | Self::Gone)
    }

    /// Whether tasks are polled: not once the reactor has come to its end.
    pub(crate) const fn polls_tasks(self) -> bool {
        !matches!(self, Self::Stopped | Self::Leaving | Self::Gone)
    }

    /// What `is_running` answers: not before startup, not during or after shutdown (CORE-06).
    pub(crate) const fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::StopRequested | Self::Before)
    }
}

/// One queued call: of a closure, of a source that knows what its note means, or of a task for the first time.
pub(crate) enum Notice {
    Call(Box<dyn FnOnce(&ReactorHandle)>),
    Source(Rc<dyn Source>, Note),
    Poll(TaskId),
}

impl Inner {
    pub(crate) fn kernel(&self) -> Option<Rc<dyn Kernel>> {
        self.kernel.borrow().clone()
    }

    #[cold]
    pub(crate) fn make_scratch(&self) -> Box<[u8]> {
        vec![0; self.limits.read_size].into_boxed_slice()
    }

    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.stage.get() == Stage::Gone
    }

    pub(crate) fn queue(&self, notice: Notice) {
        self.notices.borrow_mut().push_back(notice);
        self.tell_of_work();
    }

    /// Something was queued that the loop must not sleep over.
    #[inline]
    pub(crate) fn tell_of_work(&self) {
        if let Some(observer) = &self.observer {
            observer.work_queued();
        }
    }

    #[inline]
    pub(crate) fn next_notice(&self) -> Option<Notice> {
        self.notices.borrow_mut().pop_front()
    }

    /// Whether anything waits that the loop must not sleep over.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        !self.notices.borrow().is_empty()
            || !self.flushes.borrow().is_empty()
            || !self.again.borrow().is_empty()
            || self.remote.has_calls()
            || self.threads.has_early()
            || (self.tasks.has_woken() && self.stage.get().polls_tasks())
            || match self.stage.get() {
                Stage::Starting | Stage::StartingToStop | Stage::Before => self.triggers.waits() == 0,
                Stage::StopRequested | Stage::Crashing | Stage::Ending => true,
                Stage::Jobs => self.threads.outstanding() == 0,
                _ => false,
            }
    }

    /// How long until the earliest timer is due or the present stage of shutdown is out of time, by the latest reading.
    #[inline]
    pub(crate) fn until_next_deadline(&self) -> Option<Duration> {
        let limit = match self.stage.get() {
            Stage::Before | Stage::Jobs => self.shutdown_deadline.get(),
            _ => None,
        };
        let next = self.timers.next_deadline().into_iter().chain(limit).min()?;
        Some(next.saturating_duration_since(self.timers.now()))
    }
}
