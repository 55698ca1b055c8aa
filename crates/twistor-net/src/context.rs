//! What the crate keeps once a reactor.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use twistor_deferred::{contain, drop_contained};

use crate::connection::{Lingerers, Outbox};

/// The limits of all connections of a reactor. Set with [`ReactorTcp::set_net_limits`](crate::ReactorTcp::set_net_limits).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetLimits {
    /// How long the peer of a connection that closes in order may take nothing of what is still to be sent; then the connection is aborted
    /// with [`CloseTimedOut`](crate::CloseReason::CloseTimedOut). Every byte it takes starts the time anew, so that a slow reader of
    /// something long gets it whole. `None` waits for ever. Default 30 s.
    pub close_timeout: Option<Duration>,
    /// How long a socket is kept after its connection, for the peer's FIN. Zero turns lingering off. Default 2 s.
    pub linger_time: Duration,
    /// How many bytes are drained from such a socket at most. Default 1 MiB.
    pub linger_bytes: usize,
    /// How many sockets linger at a time; one more ends the oldest. Default 1,024.
    pub linger_sockets: usize,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            close_timeout: Some(Duration::from_secs(30)),
            linger_time: Duration::from_secs(2),
            linger_bytes: 1 << 20,
            linger_sockets: 1_024,
        }
    }
}

/// Empty outboxes that are kept for the next writers, so that a message in steady state allocates nothing. One is enough for who answers, since an
/// outbox is in use only from a write to the flush; who tells a message to many uses one for each of them.
const SPARE_OUTBOXES: usize = 4_096;
/// How many of them may have room for more than [`SMALL`] bytes: some two megabytes in all.
const LARGE_OUTBOXES: usize = 16;
/// What has room for so many bytes at most is kept in numbers: four megabytes in all.
const SMALL: usize = 1_024;

/// Something with a factory that has to be let go of when the reactor ends.
pub(crate) trait Holder {
    fn release(&self);
}

#[derive(Default)]
pub(crate) struct NetContext {
    pub(crate) limits: RefCell<NetLimits>,
    pub(crate) lingerers: Rc<Lingerers>,
    /// The empty outbox that came back last: one after another, most connections use the same.
    outbox: Cell<Option<Box<Outbox>>>,
    #[expect(clippy::vec_box, reason = "the boxes themselves go to connections and come back")]
    more_outboxes: RefCell<Vec<Box<Outbox>>>,
    /// The number of the last connection accepted, for log lines.
    serial: Cell<u64>,
}

impl NetContext {
    #[inline]
    pub(crate) fn take_outbox(&self) -> Box<Outbox> {
        self.outbox.take().unwrap_or_else(|| self.take_another_outbox())
    }

    fn take_another_outbox(&self) -> Box<Outbox> {
        self.more_outboxes.borrow_mut().pop().unwrap_or_default()
    }

    #[inline]
    pub(crate) fn give_outbox(&self, outbox: Box<Outbox>) {
        if !outbox.is_reusable() {
            return drop(outbox);
        }
        if let Some(former) = self.outbox.replace(Some(outbox)) {
            self.keep_another_outbox(former);
        }
    }

    fn keep_another_outbox(&self, outbox: Box<Outbox>) {
        let mut more = self.more_outboxes.borrow_mut();
        let most = if outbox.room() <= SMALL { SPARE_OUTBOXES } else { LARGE_OUTBOXES };
        if more.len() < most {
            more.push(outbox);
        }
    }

    pub(crate) fn set_limits(&self, limits: NetLimits) {
        self.lingerers.set_limits(limits.clone());
        *self.limits.borrow_mut() = limits;
    }

    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }
}

/// Whoever owns a factory. Kept by the reactor alone, so that it is dropped with it.
#[derive(Default)]
pub(crate) struct Holders {
    holders: RefCell<Vec<Weak<dyn Holder>>>,
    /// Factories whose holder went while the reactor was being dropped.
    orphans: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl Holders {
    /// Remembers somebody who owns a factory.
    pub(crate) fn add(&self, holder: Weak<dyn Holder>) {
        let mut holders = self.holders.borrow_mut();
        if holders.len() == holders.capacity() {
            holders.retain(|holder| holder.strong_count() > 0);
        }
        holders.push(holder);
    }

    /// Has `f` called when the factories go.
    pub(crate) fn release_at_the_end(&self, f: impl FnOnce() + 'static) {
        self.orphans.borrow_mut().push(Box::new(f));
    }
}

impl Drop for Holders {
    /// The reactor is gone: factories go with it, whoever still holds a handle of their port or connector.
    fn drop(&mut self) {
        // All are held first: the destructor of one factory may let go of the handles of another.
        let holders: Vec<_> = self.holders.take().iter().filter_map(Weak::upgrade).collect();
        for holder in holders {
            drop_contained(contain(|| holder.release())); // One factory's trouble is not another's.
            drop_contained(holder);
        }
        for release in self.orphans.take() {
            drop_contained(contain(release));
        }
    }
}
