//! What the writer of a byte stream waits for, and the word that it came.
//!
//! `pause_writing` and `resume_writing` do not do for a task that waits: a pause that is over before it was told is never told, nor is
//! its end, and neither speaks of the last byte.

use std::rc::Rc;

use super::{Conn, NOTE_AWAITED, Transport};
use crate::CloseReason;
use crate::stream::StreamProtocol;

/// What is to be told to the stream's protocol, once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Awaited {
    #[default]
    Nothing,
    /// That there is room below the high mark again.
    Room,
    /// That everything written was taken by the system.
    Sent,
}

impl Conn {
    /// How many bytes may be written: one more than fit below the high mark, so that whoever takes all of it is over the mark and paused.
    /// Zero while the writer is to hold on.
    fn room(&self) -> usize {
        if self.pressure.get().is_full() {
            return 0;
        }
        self.marks().0.saturating_add(1).saturating_sub(self.pending())
    }

    /// Whether everything written has left, but for what the filters hold back: they may wait for more to be written.
    fn is_sent(&self) -> bool {
        self.pending() == self.retained()
    }

    /// After a flush: queues the word that what was waited for has come. A notification, since a task that writes as soon as it is woken
    /// would have the flush call itself.
    pub(super) fn check_awaited(self: &Rc<Self>) {
        let came = match self.awaited.get() {
            Awaited::Nothing => false,
            Awaited::Room => self.room() > 0,
            Awaited::Sent => self.is_sent(),
        };
        if came {
            self.awaited.set(Awaited::Nothing);
            self.queue_note(NOTE_AWAITED);
        }
    }

    pub(super) fn tell_awaited(self: &Rc<Self>) {
        if self.state.get().is_lost() {
            return; // The stream has heard of that.
        }
        self.call_protocol("waking the writer of a stream", |protocol, _| {
            if let Some(stream) = protocol.as_any_mut().downcast_mut::<StreamProtocol>() {
                stream.output_came();
            }
        });
    }
}

/// What a stream asks of its connection.
impl Transport {
    pub(crate) fn room(&self) -> usize {
        self.conn.room()
    }

    pub(crate) fn is_sent(&self) -> bool {
        self.conn.is_sent()
    }

    /// Has the protocol told of `awaited`, which has not come yet, with the flush that brings it.
    pub(crate) fn watch_output(&self, awaited: Awaited) {
        self.conn.awaited.set(awaited);
    }

    /// Why the connection ends, if its end is decided.
    pub(crate) fn end(&self) -> Option<CloseReason> {
        self.conn.state.get().is_over().then(|| self.conn.close_reason())
    }
}
