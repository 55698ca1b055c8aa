//! What few connections need, in a box of its own, so that the others stay small.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::drop_contained;
use twistor_reactor::{DelayedCall, Moment};

use super::outbox::Outbox;
use super::stack::{Incoming, Layer};
use crate::protocol::AnyProtocol;
use crate::{Producer, ProducerKind};

/// Bytes that may wait to be sent before the writer is asked to hold on.
pub(crate) const HIGH_WATER: usize = 65_536;
/// Bytes that may still wait when the writer is asked to go on.
pub(crate) const LOW_WATER: usize = 0;

#[derive(Default)]
pub(crate) struct Extras {
    pub(super) limits: WriteLimits,
    /// Written by the protocol, not yet seen by the filters.
    pub(super) plain: Outbox,
    /// Came through the filters while it could not be delivered: reading was paused, or a switch or a flush under way.
    pub(super) held: Vec<u8>,
    pub(super) layers: Vec<Layer>,
    /// How many layers there are, those that are at work (and out of `layers`) included.
    pub(super) depth: usize,
    pub(super) incoming: Vec<Incoming>,
    /// Whether the layers were told of the close.
    pub(super) closing_told: bool,
    pub(super) producer: Option<ProducerEntry>,
    pub(super) idle: Option<Idle>,
    /// The deadline of the close, if one has to wait.
    pub(super) close: Option<Idle>,
    /// The end of a shortage of buffers in the system.
    pub(super) send_retry: Option<DelayedCall>,
    /// Bytes that the filters say they hold back on the way out.
    pub(super) retained: usize,
    pub(super) next: Option<Switch>,
    /// The last number that was handed out, to a protocol that may never come to the slot.
    pub(super) last_epoch: u32,
}

impl Extras {
    /// Whether nothing here has to do with a message that comes, or with one that is written while little waits: there is no filter, producer
    /// or clock, and no mark is below the usual ones.
    pub(super) fn are_plain(&self) -> bool {
        let limits = &self.limits;
        let nothing_waits = self.plain.is_empty() && self.held.is_empty() && self.retained == 0;
        let no_filter = self.depth == 0 && self.incoming.is_empty() && !self.closing_told;
        let no_clock = self.idle.is_none() && self.close.is_none() && self.send_retry.is_none();
        let usual = (limits.high, limits.low) == (HIGH_WATER, LOW_WATER)
            && limits.max_write_buffer.is_none_or(|most| most >= HIGH_WATER);
        nothing_waits && no_filter && no_clock && usual && self.producer.is_none() && self.next.is_none()
    }
}

impl Drop for Extras {
    /// One value of the user's after another, each contained: two that panic would end the process.
    fn drop(&mut self) {
        drop_contained(self.producer.take());
        for layer in self.layers.drain(..) {
            drop_contained(layer);
        }
        for incoming in self.incoming.drain(..) {
            drop_contained(incoming);
        }
        drop_contained(self.next.take());
    }
}

/// The marks, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct WriteLimits {
    pub(super) high: usize,
    pub(super) low: usize,
    pub(super) max_write_buffer: Option<usize>,
    /// `None` for the reactor-wide default.
    pub(super) close_timeout: Option<Option<Duration>>,
}

impl Default for WriteLimits {
    fn default() -> Self {
        Self { high: HIGH_WATER, low: LOW_WATER, max_write_buffer: None, close_timeout: None }
    }
}

/// A registered producer. It stays in its cell while it is called.
pub(super) struct ProducerEntry {
    pub(super) kind: ProducerKind,
    pub(super) object: Rc<RefCell<Box<dyn Producer>>>,
    pub(super) told: ProducerState,
}

/// What a producer was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProducerState {
    /// Push: it runs. Pull: it was asked and has not answered, or nothing was sent since.
    Running,
    /// Push: it was paused.
    Paused,
    /// Pull: it is to be asked for a piece.
    Due,
}

/// Something that ends when nothing has happened for a while. What happens is only noted; the timer finds out when it fires.
pub(super) struct Idle {
    pub(super) limit: Duration,
    pub(super) last: Moment,
    pub(super) call: DelayedCall,
}

/// A protocol that is about to take the slot.
pub(super) struct Switch {
    pub(super) protocol: Box<dyn AnyProtocol>,
    pub(super) unread: Vec<u8>,
    /// The number by which handles of the protocol know it.
    pub(super) epoch: u32,
}
