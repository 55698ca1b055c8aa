//! From readiness to `data_received`.

use std::io;
use std::rc::Rc;

use twistor_reactor::kernel::{Readiness, Received, ReceivedData};
use twistor_reactor::sources::SourceHost;

use super::{Conn, ReadEdge, Reading, WriteEdge};
use crate::closing::Input;

impl Conn {
    /// Remembers what an event said. Acting on it is `pump`'s.
    #[inline]
    pub(super) fn note_readiness(self: &Rc<Self>, readiness: Readiness) {
        if readiness.is_writable() {
            self.write_edge.set(WriteEdge::Open);
        }
        if readiness.is_readable() {
            let edge = if readiness.is_final() { ReadEdge::Final } else { ReadEdge::Ready };
            self.read_edge.set(self.read_edge.get().max(edge));
        }
        // Who does not read would not hear of a reset: it is asked for (R4).
        if readiness.is_error() && !self.wants_to_read() {
            self.fetch_error();
        }
    }

    /// One read and one send, as far as both are wanted and possible; the rest waits for the next turn, so that nobody starves.
    #[inline(always)]
    pub(super) fn pump(self: &Rc<Self>) {
        if !self.plain.get() && self.wants_to_read() && self.posts.get() == 0 {
            self.release_held();
        }
        if self.read_edge.get() != ReadEdge::Idle && self.wants_to_read() {
            if self.posts.get() == 0 && !self.has_held() {
                self.read_once();
            }
            self.read_again_later();
        }
        if !self.plain.get() && self.has_producer() {
            self.tell_producer();
        }
        if self.outbox.is_some() || self.state.get().waits_for_flush() {
            self.flush_output();
        }
    }

    #[inline]
    fn wants_to_read(&self) -> bool {
        self.reading.get() == Reading::Flowing && self.state.get().reads()
    }

    /// What an edge left unread, or a pause undelivered, is asked for again: no further event will come for it.
    #[inline]
    pub(super) fn read_again_later(self: &Rc<Self>) {
        if self.wants_to_read() && (self.read_edge.get() != ReadEdge::Idle || self.has_held()) {
            self.come_again();
        }
    }

    /// Has `again` called in the next dispatch, once.
    pub(super) fn come_again(&self) {
        if let Some(token) = self.token.get() {
            if !self.again.replace(true) {
                self.reactor.again(token);
            }
        }
    }

    /// One `recv` into the reactor's buffer, and one `data_received`.
    #[inline(always)]
    fn read_once(self: &Rc<Self>) {
        self.reactor.with_scratch(|scratch| {
            let received = match &*self.socket.borrow() {
                Some(socket) => socket.recv(scratch),
                None => return,
            };
            match received {
                Ok(Received { data: ReceivedData::Scratch(len), drained }) if len > 0 => {
                    self.note_drained(drained);
                    self.received(&scratch[..len]);
                }
                Ok(received) => self.received_own(received),
                Err(error) => self.recv_failed(error),
            }
        });
    }

    /// A short read says that nothing is left, unless the event said that there is more to come than data.
    #[inline]
    fn note_drained(&self, drained: bool) {
        if drained && self.read_edge.get() != ReadEdge::Final {
            self.read_edge.set(ReadEdge::Idle);
        }
    }

    /// The end, or a buffer of the kernel's.
    #[cold]
    fn received_own(self: &Rc<Self>, received: Received) {
        match received {
            Received { data: ReceivedData::Own(data), drained } if !data.is_empty() => {
                self.note_drained(drained);
                self.received(&data);
            }
            _ => self.read_end(),
        }
    }

    #[cold]
    fn recv_failed(self: &Rc<Self>, error: io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.read_edge.set(ReadEdge::Idle),
            io::ErrorKind::Interrupted => {}
            _ => self.fail_socket(error),
        }
    }

    /// Bytes came from the socket.
    #[inline(always)]
    fn received(self: &Rc<Self>, data: &[u8]) {
        self.reactor.count_received(data.len());
        if self.plain.get() {
            return self.deliver(data);
        }
        self.note_activity();
        if self.is_filtered() {
            self.filter_received(data);
        } else {
            self.deliver(data);
        }
    }

    /// Bytes for the protocol.
    #[inline(always)]
    pub(super) fn deliver(self: &Rc<Self>, data: &[u8]) {
        self.call_protocol_here("data_received", |protocol, transport| {
            protocol.data_received(transport, data)
        });
    }

    /// The peer's FIN.
    fn read_end(self: &Rc<Self>) {
        self.read_edge.set(ReadEdge::Idle);
        self.reading.set(Reading::Ended);
        if self.is_filtered() {
            self.filter_read_end();
            if self.state.get().reads() {
                self.release_held(); // What came up in answer to a write of that call: nobody comes again for it.
            }
        }
        self.apply(Input::PeerFin);
    }

    /// The event said that an error waits.
    fn fetch_error(self: &Rc<Self>) {
        if self.state.get().is_over() {
            return;
        }
        if let Some(error) = self.socket_error() {
            self.fail_socket(error);
        }
    }

    /// The error that waits at the socket, once.
    pub(super) fn socket_error(&self) -> Option<io::Error> {
        match self.socket.borrow().as_ref()?.take_error() {
            Ok(error) => error,
            Err(error) => Some(error),
        }
    }

    /// Reads no more until `resume_reading`.
    pub(super) fn pause_reading(&self) {
        if self.reading.get() == Reading::Flowing {
            self.reading.set(Reading::Paused);
        }
    }

    pub(super) fn resume_reading(self: &Rc<Self>) {
        if self.reading.get() == Reading::Paused {
            self.reading.set(Reading::Flowing);
            self.read_again_later();
        }
    }
}
