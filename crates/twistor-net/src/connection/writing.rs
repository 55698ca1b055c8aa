//! From `write` to the socket.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use twistor_deferred::drop_contained;
use twistor_reactor::sources::{Source, SourceHost};
use twistor_reactor::{CloseReason, DelayedCall};

#[cfg(feature = "futures-io")]
use super::Awaited;
use super::extras::Extras;
use super::flow::Pressure;
use super::{Conn, FlushPlan, Outbox, WriteEdge};
use crate::Flow;
use crate::closing::Input;

/// How long to wait after `ENOBUFS` (the system is short of memory for packets), for which no event is promised.
const NO_BUFFERS_RETRY: Duration = Duration::from_millis(10);

impl Conn {
    /// Queues bytes with `push`, if writes are still taken.
    pub(super) fn write(self: &Rc<Self>, len: usize, push: impl FnOnce(&mut Outbox)) -> Flow {
        // Most connections have no extras: those are asked once, and not by each of the questions below.
        let plain = self.extras.borrow().is_none();
        let taken = self.state.get().takes_writes(!plain && self.has_producer());
        if !taken || (!plain && self.filters_have_closed()) {
            return Flow::Closed;
        }
        if len > 0 {
            self.reactor.count_gathered(len);
            if plain {
                self.with_outbox(push);
            } else {
                self.note_activity();
                if self.is_filtered() {
                    self.with_extras(|extras| push(&mut extras.plain));
                } else {
                    self.with_outbox(push);
                }
            }
            self.plan_flush();
        }
        self.check_marks()
    }

    /// Lends the outbox, made (or taken from the pool) if there is none.
    #[inline]
    pub(super) fn with_outbox(&self, f: impl FnOnce(&mut Outbox)) {
        let mut outbox = self.outbox.borrow_mut();
        f(outbox.get_or_insert_with(|| self.context.take_outbox()));
    }

    /// As `write`, for a shared piece. It is dropped here, if it is not kept: with nothing borrowed, since that may be code of the user's.
    pub(super) fn write_bytes(self: &Rc<Self>, data: Bytes) -> Flow {
        let len = data.len();
        let mut data = Some(data);
        let flow = self.write(len, |outbox| match data.take_if(|data| Outbox::is_worth_sharing(data)) {
            Some(piece) => outbox.push_bytes(piece),
            None => outbox.push(data.as_deref().unwrap_or_default()),
        });
        drop_contained(data);
        flow
    }

    /// Bytes that wait, gathered and queued.
    #[inline]
    pub(super) fn pending(&self) -> usize {
        let queued = self.outbox.borrow().as_ref().map_or(0, |outbox| outbox.len());
        queued + self.extras.borrow().as_ref().map_or(0, |extras| extras.plain.len() + extras.retained)
    }

    /// Bytes that the filters hold back.
    #[inline]
    pub(super) fn retained(&self) -> usize {
        self.extras.borrow().as_ref().map_or(0, |extras| extras.retained)
    }

    /// Has what was gathered flushed: when the present callback of this connection returns, or in the flush phase.
    pub(super) fn plan_flush(self: &Rc<Self>) {
        if self.flush.get() == FlushPlan::None {
            self.flush.set(FlushPlan::Queued);
            self.reactor.flush_later(Rc::clone(self) as Rc<dyn Source>);
        }
    }

    /// One send of what waits. Never called from inside a call of the user's.
    pub(super) fn flush_output(self: &Rc<Self>) {
        if self.state.get().is_over() || !self.made.get() {
            return; // What was written before `connection_made` leaves when that has been called.
        }
        let before = self.pending() - self.retained();
        if self.is_filtered() {
            self.filter_written();
        }
        if self.write_edge.get() == WriteEdge::Open && self.outbox.borrow().is_some() {
            self.send_once();
        }
        if self.state.get().is_over() {
            return; // The send failed.
        }
        self.drained(before);
    }

    /// Sends as much as the socket takes, for the last time.
    pub(super) fn flush_all(self: &Rc<Self>) {
        /// More sends than any socket's buffer takes.
        const MOST: usize = 256;
        for _ in 0..MOST {
            self.flush_output();
            let more = self.write_edge.get() == WriteEdge::Open && self.outbox.borrow().is_some();
            if !more || self.state.get().is_over() {
                return;
            }
        }
    }

    fn send_once(self: &Rc<Self>) {
        let sent = {
            let (socket, outbox) = (self.socket.borrow(), self.outbox.borrow());
            let (Some(socket), Some(outbox)) = (&*socket, &*outbox) else { return };
            outbox.with_parts(|parts| socket.send(parts))
        };
        match sent {
            Ok(sent) => {
                self.note_progress();
                if self.sent(sent) {
                    self.come_again(); // A short send: until `WouldBlock` says so, no event is promised.
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.write_edge.set(WriteEdge::Blocked)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.come_again(),
            Err(error) if is_no_buffers(&error) => self.retry_send(),
            Err(error) => self.fail_socket(error),
        }
    }

    /// Takes what was sent off the queue, and gives an empty one back to the pool. Says whether something is left.
    #[inline]
    fn sent(&self, sent: usize) -> bool {
        let Some(mut outbox) = self.outbox.take() else { return false };
        outbox.advance(sent);
        let mut slot = self.outbox.borrow_mut();
        if let Some(meanwhile) = slot.take() {
            outbox.append(*meanwhile); // Written by the destructor of a piece.
        }
        if outbox.is_empty() {
            self.context.give_outbox(outbox);
            return false;
        }
        *slot = Some(outbox);
        true
    }

    fn retry_send(self: &Rc<Self>) {
        self.write_edge.set(WriteEdge::Blocked);
        let waits = |extras: &mut Extras| extras.send_retry.as_ref().is_some_and(DelayedCall::active);
        if self.with_extras(waits) {
            return; // An event came meanwhile, and found the shortage unchanged.
        }
        let conn = Rc::downgrade(self);
        let retry = self.reactor.call_later(NO_BUFFERS_RETRY, move || {
            if let Some(conn) = conn.upgrade() {
                conn.write_edge.set(WriteEdge::Open);
                conn.in_span(|| conn.flush_output());
            }
        });
        self.with_extras(|extras| extras.send_retry = Some(retry));
    }

    /// After a flush: resumes who waits for room, and goes on with a close that waited for the last byte.
    /// `before` is what waited when the flush began.
    fn drained(self: &Rc<Self>, before: usize) {
        if self.is_at_rest() {
            return;
        }
        let pending = self.pending();
        self.check_resume(before, pending);
        #[cfg(feature = "futures-io")]
        self.check_awaited();
        if pending > 0 {
            if self.state.get().waits_for_flush() {
                self.limit_close();
            }
            return;
        }
        if !self.state.get().waits_for_flush() {
            return;
        }
        if self.producer_holds_close() || self.filters_hold_close() {
            self.limit_close();
            return;
        }
        self.apply(Input::Flushed);
    }

    /// Whether all is sent and nobody waits to hear of it: so it is after most flushes.
    #[inline]
    fn is_at_rest(&self) -> bool {
        #[cfg(feature = "futures-io")]
        if self.awaited.get() != Awaited::Nothing {
            return false;
        }
        self.outbox.borrow().is_none()
            && self.extras.borrow().is_none()
            && self.pressure.get() == Pressure::Flowing
            && !self.state.get().waits_for_flush()
    }

    /// Throws away what waits.
    pub(super) fn drop_output(&self) {
        let outbox = self.outbox.take();
        drop(outbox);
        let plain = self.extras.borrow_mut().as_mut().map(|extras| std::mem::take(&mut extras.plain));
        drop(plain);
    }

    /// The hard limit on what may wait, if one is set and was passed.
    #[inline]
    pub(super) fn overflow(&self, pending: usize) -> Option<CloseReason> {
        let extras = self.extras.borrow();
        let limit = extras.as_ref()?.limits.max_write_buffer?;
        (pending > limit).then_some(CloseReason::WriteBufferFull(limit))
    }
}

/// `ENOBUFS` has no kind of its own in the standard library: 105 on Linux, 55 on the BSDs and macOS (errno(3)).
fn is_no_buffers(error: &io::Error) -> bool {
    let number = if cfg!(any(target_os = "linux", target_os = "android")) { 105 } else { 55 };
    error.raw_os_error() == Some(number)
}
