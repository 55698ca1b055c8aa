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
use super::extras::{Extras, HIGH_WATER};
use super::flow::Pressure;
use super::{Conn, FlushPlan, Outbox, WriteEdge};
use crate::Flow;
use crate::closing::Input;

/// How long to wait after `ENOBUFS` (the system is short of memory for packets), for which no event is promised.
const NO_BUFFERS_RETRY: Duration = Duration::from_millis(10);

impl Conn {
    /// Queues bytes with `push`, if writes are still taken.
    #[inline]
    pub(super) fn write(self: &Rc<Self>, len: usize, push: impl FnOnce(&mut Outbox)) -> Flow {
        if !self.plain.get() {
            return self.write_with_extras(len, push);
        }
        if !self.state.get().takes_writes(false) {
            return Flow::Closed;
        }
        if len > 0 {
            self.reactor.count_gathered(len);
            let pending = self.with_outbox(push);
            self.plan_flush();
            if pending <= HIGH_WATER && self.pressure.get() == Pressure::Flowing {
                return Flow::Ready;
            }
        }
        self.check_marks()
    }

    #[inline(never)]
    fn write_with_extras(self: &Rc<Self>, len: usize, push: impl FnOnce(&mut Outbox)) -> Flow {
        if !self.state.get().takes_writes(self.has_producer()) || self.filters_have_closed() {
            return Flow::Closed;
        }
        if len > 0 {
            self.reactor.count_gathered(len);
            self.note_activity();
            if self.is_filtered() {
                self.with_extras(|extras| push(&mut extras.plain));
            } else {
                self.with_outbox(push);
            }
            self.plan_flush();
        }
        self.check_marks()
    }

    /// Lends the outbox, taken from the pool if there is none. Gives what is in it then.
    #[inline]
    pub(super) fn with_outbox(&self, f: impl FnOnce(&mut Outbox)) -> usize {
        let mut outbox = self.outbox.take().unwrap_or_else(|| self.context.take_outbox());
        f(&mut outbox);
        let len = outbox.len();
        self.outbox.put(outbox);
        len
    }

    /// As `write`, for a shared piece. It is dropped here, if it is not kept: with nothing borrowed, since that may be code of the user's.
    pub(super) fn write_bytes(self: &Rc<Self>, data: Bytes) -> Flow {
        if !Outbox::is_worth_sharing(&data) {
            let flow = self.write(data.len(), |outbox| outbox.push(&data));
            drop_contained(data);
            return flow;
        }
        let len = data.len();
        let mut data = Some(data);
        let flow =
            self.write(len, |outbox| data.take().into_iter().for_each(|piece| outbox.push_bytes(piece)));
        drop_contained(data);
        flow
    }

    /// Bytes that wait, gathered and queued.
    #[inline]
    pub(super) fn pending(&self) -> usize {
        let queued = self.outbox.with(|outbox| outbox.len()).unwrap_or(0);
        if self.plain.get() {
            return queued;
        }
        queued + self.extras.with(|extras| extras.plain.len() + extras.retained).unwrap_or(0)
    }

    /// Bytes that the filters hold back.
    #[inline]
    pub(super) fn retained(&self) -> usize {
        self.extras.with(|extras| extras.retained).unwrap_or(0)
    }

    /// Has what was gathered flushed: when the present callback of this connection returns, or in the flush phase.
    #[inline]
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
        let before = self.before_flush();
        if self.write_edge.get() == WriteEdge::Open {
            self.send_once();
        }
        if self.is_at_rest() || self.state.get().is_over() {
            return; // Over, if the send failed.
        }
        self.drained(before);
    }

    /// Has the filters see what was written. Gives how many bytes wait for that and for the socket; on a connection without extras, where
    /// nobody asks, zero.
    #[inline]
    fn before_flush(self: &Rc<Self>) -> usize {
        if self.plain.get() {
            return 0;
        }
        self.flush_filters()
    }

    #[inline(never)]
    fn flush_filters(self: &Rc<Self>) -> usize {
        let before = self.pending() - self.retained();
        if self.is_filtered() {
            self.filter_written();
        }
        before
    }

    /// Sends as much as the socket takes, for the last time.
    pub(super) fn flush_all(self: &Rc<Self>) {
        /// More sends than any socket's buffer takes.
        const MOST: usize = 256;
        for _ in 0..MOST {
            self.flush_output();
            let more = self.write_edge.get() == WriteEdge::Open && self.outbox.is_some();
            if !more || self.state.get().is_over() {
                return;
            }
        }
    }

    fn send_once(self: &Rc<Self>) {
        let Some(outbox) = self.outbox.take() else { return };
        let sent = match &*self.socket.borrow() {
            Some(socket) => outbox.with_parts(|parts| socket.send(parts)),
            None => return self.outbox.put(outbox),
        };
        let error = match sent {
            Ok(sent) => {
                self.note_progress();
                return self.sent(outbox, sent);
            }
            Err(error) => error,
        };
        self.outbox.put(outbox);
        self.send_failed(error);
    }

    #[cold]
    fn send_failed(self: &Rc<Self>, error: io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.write_edge.set(WriteEdge::Blocked),
            io::ErrorKind::Interrupted => self.come_again(),
            _ if is_no_buffers(&error) => self.retry_send(),
            _ => self.fail_socket(error),
        }
    }

    /// Takes what was sent off the queue, and gives an empty one back to the pool.
    #[inline]
    fn sent(&self, mut outbox: Box<Outbox>, sent: usize) {
        outbox.advance(sent);
        if let Some(meanwhile) = self.outbox.take() {
            outbox.append(*meanwhile); // Written by the destructor of a piece.
        }
        if outbox.is_empty() {
            return self.context.give_outbox(outbox);
        }
        self.outbox.put(outbox);
        self.come_again(); // A short send: until `WouldBlock` says so, no event is promised.
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
    #[inline(never)]
    fn drained(self: &Rc<Self>, before: usize) {
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
        self.outbox.is_none()
            && self.plain.get()
            && self.pressure.get() == Pressure::Flowing
            && !self.state.get().waits_for_flush()
    }

    /// Throws away what waits.
    pub(super) fn drop_output(&self) {
        let outbox = self.outbox.take();
        drop(outbox);
        let plain = self.extras.with(|extras| std::mem::take(&mut extras.plain));
        drop(plain);
    }

    /// The hard limit on what may wait, if one is set and was passed.
    #[inline]
    pub(super) fn overflow(&self, pending: usize) -> Option<CloseReason> {
        let limit = self.extras.with(|extras| extras.limits.max_write_buffer).flatten()?;
        (pending > limit).then_some(CloseReason::WriteBufferFull(limit))
    }
}

/// `ENOBUFS` has no kind of its own in the standard library: 105 on Linux, 55 on the BSDs and macOS (errno(3)).
fn is_no_buffers(error: &io::Error) -> bool {
    let number = if cfg!(any(target_os = "linux", target_os = "android")) { 105 } else { 55 };
    error.raw_os_error() == Some(number)
}
