//! One end of a stream connection as a machine without I/O: buffers, a window, and what close means.
//!
//! It knows no kernel, no address and no clock. Input goes in by [`handle`](StreamEnd::handle), output comes out of
//! [`poll_segment`](StreamEnd::poll_segment), whoever owns both ends carries segments between them, at once or after a while, but in
//! order and without loss. The rules are those of Linux, as observed over its loopback:
//!
//! - What lies in the receive buffer stays readable after a reset; then the error comes once, then the end.
//! - After the peer's FIN a reset shows as `EPIPE` on sending, and reading goes on to say that this is the end.
//! - Closing with unread input resets the connection; so does data that arrives at an end that was closed.
//! - Both directions closed are a hang-up at once, although what was sent before may still be on its way.
//! - A reset that arrives after both directions ended in order is not noticed.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use twistor_reactor::kernel::ConnectProgress;

use crate::edges::Edges;
use crate::errno;

/// What travels from one end to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Bytes, never more than the receiver granted.
    Data(Vec<u8>),
    /// The receiver has room for so many bytes more.
    Credit(usize),
    /// No more bytes will come.
    Fin,
    /// The connection is gone.
    Reset,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct StreamEnd {
    state: State,
    /// Arrived, not read yet.
    inbox: VecDeque<u8>,
    /// Taken from the user, not sent yet: the peer's window is closed.
    outbox: VecDeque<u8>,
    /// How much `inbox` is to hold; shrinking it below what was granted takes effect as that is used up.
    receive_capacity: usize,
    /// How much `outbox` is to hold.
    send_capacity: usize,
    /// How many bytes the peer may still send before it hears of more room.
    granted: usize,
    /// How many bytes the peer still takes.
    credit: usize,
    /// A FIN is asked for by the state; this says whether it left.
    fin_sent: bool,
    reset_owed: bool,
    reset_by_peer: bool,
    /// A send met no room: the next room is an edge.
    wants_room: bool,
    edges: Edges,
}

/// Where a connection is in its life.
///
/// ```text
///                 shutdown_write            Fin
/// Connecting -> Open ----------> WriteClosed ----> Closed
///                 |      Fin                shutdown_write ^
///                 +-------------> ReadClosed --------------+
/// any of them: close -> Orphan, or Dead with unread input; Reset -> Dead
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The handshake is going on.
    Connecting,
    /// Both directions work.
    Open,
    /// Our FIN is queued or sent; input still comes.
    WriteClosed,
    /// The peer's FIN came; output still goes.
    ReadClosed,
    /// Both: what is in the outbox still goes, then our FIN.
    Closed,
    /// Nobody holds this end any more: the outbox and the FIN still go, whatever comes is answered with a reset.
    Orphan { ended: bool },
    /// Gone: refused, reset by either end. The error waits to be fetched once; `ended` says that the peer's FIN came before.
    Dead { error: Option<i32>, ended: bool },
}

impl StreamEnd {
    /// An end whose handshake is going on.
    pub(crate) fn connecting(receive_capacity: usize, send_capacity: usize) -> Self {
        Self {
            state: State::Connecting,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            receive_capacity,
            send_capacity,
            granted: receive_capacity,
            credit: 0,
            fin_sent: false,
            reset_owed: false,
            reset_by_peer: false,
            wants_room: false,
            edges: Edges::NONE,
        }
    }

    /// How many bytes the peer may send at first.
    pub(crate) const fn first_window(&self) -> usize {
        self.granted
    }

    /// The handshake succeeded, and the peer takes `window` bytes for a start.
    pub(crate) fn open(&mut self, window: usize) {
        if self.state == State::Connecting {
            self.state = State::Open;
            self.credit = window;
            self.edges |= Edges::WRITABLE;
        }
    }

    /// The handshake failed with `error`.
    pub(crate) fn refuse(&mut self, error: i32) {
        if self.state == State::Connecting {
            self.die(Some(error), false);
            self.edges |= Edges::FAILED;
        }
    }

    /// Takes what the other end sent.
    pub(crate) fn handle(&mut self, segment: Segment) {
        match segment {
            Segment::Data(bytes) => self.take_data(&bytes),
            Segment::Credit(more) => {
                self.credit = self.credit.saturating_add(more);
                self.announce_room();
            }
            Segment::Fin => self.take_fin(),
            Segment::Reset => self.take_reset(),
        }
    }

    /// Nothing that this end sends arrives any more, and it gives up with `error`. The other end is not told.
    pub(crate) fn give_up(&mut self, error: i32) {
        let ended = self.is_ended();
        if !matches!(self.state, State::Dead { .. }) {
            self.die(Some(error), ended);
            self.edges |= Edges::FAILED;
        }
    }

    /// What this end has to say next; to be asked until it says nothing, after whatever was done to it.
    pub(crate) fn poll_segment(&mut self) -> Option<Segment> {
        if std::mem::take(&mut self.reset_owed) {
            return Some(Segment::Reset);
        }
        if self.expects_data() {
            let room = self.receive_capacity.saturating_sub(self.inbox.len()).saturating_sub(self.granted);
            if room > 0 {
                self.granted += room;
                return Some(Segment::Credit(room));
            }
        }
        if self.credit > 0 && !self.outbox.is_empty() {
            let len = self.credit.min(self.outbox.len());
            self.credit -= len;
            return Some(Segment::Data(self.outbox.drain(..len).collect()));
        }
        if self.outbox.is_empty() && self.owes_fin() {
            self.fin_sent = true;
            return Some(Segment::Fin);
        }
        None
    }

    /// Reads into `scratch`, at most `limit` bytes. Says how many came, zero being the end, and whether a short read of all of
    /// `scratch` would have shown that nothing is left.
    pub(crate) fn recv(&mut self, scratch: &mut [u8], limit: usize) -> io::Result<(usize, bool)> {
        if scratch.is_empty() {
            return Err(error(errno::EINVAL));
        }
        if !self.inbox.is_empty() {
            let wanted = scratch.len().min(limit).min(self.inbox.len());
            let (front, back) = self.inbox.as_slices();
            let first = wanted.min(front.len());
            scratch[..first].copy_from_slice(&front[..first]);
            scratch[first..wanted].copy_from_slice(&back[..wanted - first]);
            self.inbox.drain(..wanted);
            return Ok((wanted, self.inbox.is_empty() && wanted < scratch.len()));
        }
        match &mut self.state {
            State::Connecting | State::Open | State::WriteClosed => Err(error(errno::EAGAIN)),
            State::ReadClosed | State::Closed | State::Orphan { .. } => Ok((0, false)),
            State::Dead { error: waiting, ended } => match waiting.take_if(|_| !*ended) {
                Some(code) => Err(error(code)),
                None => Ok((0, false)),
            },
        }
    }

    /// Everything that arrived and was not read.
    pub(crate) fn recv_all(&mut self, into: &mut Vec<u8>) {
        into.extend(self.inbox.drain(..));
    }

    /// Takes from the front of `parts` what there is room for, at most `limit` bytes.
    pub(crate) fn send(&mut self, parts: &[IoSlice<'_>], limit: usize) -> io::Result<usize> {
        match &mut self.state {
            State::Connecting => {
                self.wants_room = true;
                return Err(error(errno::EAGAIN));
            }
            State::Open | State::ReadClosed => {}
            State::WriteClosed | State::Closed | State::Orphan { .. } => return Err(error(errno::EPIPE)),
            State::Dead { error: waiting, .. } => return Err(error(waiting.take().unwrap_or(errno::EPIPE))),
        }
        let asked = parts.iter().map(|part| part.len()).sum::<usize>();
        let room = self.room();
        if asked > 0 && room == 0 {
            self.wants_room = true;
            return Err(error(errno::EAGAIN));
        }
        // Who sends again has no use for the edge that an earlier wait would bring.
        self.wants_room = false;
        let taken = asked.min(room).min(limit);
        let mut left = taken;
        for part in parts {
            let len = left.min(part.len());
            self.outbox.extend(&part[..len]);
            left -= len;
        }
        Ok(taken)
    }

    /// Sends before the handshake is done, for ends that have no one to wait.
    pub(crate) fn queue_early(&mut self, bytes: &[u8]) {
        self.outbox.extend(bytes);
    }

    /// Queues a FIN behind what was sent before. A second time changes nothing.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self.state {
            State::Open => self.state = State::WriteClosed,
            State::ReadClosed => {
                self.state = State::Closed;
                self.edges |= Edges::HANG_UP;
            }
            State::WriteClosed => {}
            State::Closed if !self.is_complete() => {}
            State::Connecting | State::Closed | State::Orphan { .. } | State::Dead { .. } => {
                return Err(error(errno::ENOTCONN));
            }
        }
        Ok(())
    }

    /// Nobody holds this end any more. With `abort`, or with input that nobody read, the connection is reset and what was not sent
    /// is thrown away; otherwise the rest is sent, then a FIN.
    pub(crate) fn close(&mut self, abort: bool) {
        let ended = match self.state {
            State::Orphan { .. } | State::Dead { .. } => return self.inbox.clear(),
            State::Connecting => return self.die(None, false),
            State::Open | State::WriteClosed => false,
            State::ReadClosed | State::Closed => true,
        };
        if (abort || !self.inbox.is_empty()) && !self.is_complete() {
            self.reset_owed = true;
            self.inbox.clear();
            self.die(None, ended);
        } else {
            self.inbox.clear();
            self.state = State::Orphan { ended };
        }
    }

    /// The error that waits, once.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        match &mut self.state {
            State::Dead { error: waiting, .. } => waiting.take().map(error),
            _ => None,
        }
    }

    /// How far the handshake is, or why it failed; the error is told once.
    pub(crate) fn connect_progress(&mut self) -> io::Result<ConnectProgress> {
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        match self.state {
            State::Connecting => Ok(ConnectProgress::InProgress),
            State::Dead { .. } => Err(error(errno::ENOTCONN)),
            _ => Ok(ConnectProgress::Connected),
        }
    }

    /// Takes the edges since the last call.
    pub(crate) fn take_edges(&mut self) -> Edges {
        std::mem::take(&mut self.edges)
    }

    /// What is possible at this moment, whatever was reported before.
    pub(crate) fn level(&self) -> Edges {
        let data = if self.inbox.is_empty() { Edges::NONE } else { Edges::READABLE };
        let room = if self.room() == 0 { Edges::NONE } else { Edges::WRITABLE };
        match self.state {
            State::Connecting | State::Orphan { .. } => Edges::NONE,
            State::Open => data | room,
            State::WriteClosed => data | Edges::WRITABLE,
            State::ReadClosed => Edges::END | room,
            State::Closed => Edges::HANG_UP,
            State::Dead { error: Some(_), .. } => Edges::FAILED,
            State::Dead { error: None, .. } => Edges::HANG_UP,
        }
    }

    /// Sets the size of the receive buffer; bytes that the peer may send already keep their room.
    pub(crate) fn set_receive_capacity(&mut self, capacity: usize) {
        self.receive_capacity = capacity;
        if self.state == State::Connecting {
            self.granted = capacity;
        }
    }

    /// Sets the size of the send buffer; what it holds stays.
    pub(crate) fn set_send_capacity(&mut self, capacity: usize) {
        self.send_capacity = capacity;
        self.announce_room();
    }

    pub(crate) const fn receive_capacity(&self) -> usize {
        self.receive_capacity
    }

    pub(crate) const fn send_capacity(&self) -> usize {
        self.send_capacity
    }

    /// How many bytes were taken from the user and not sent yet.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// How many bytes arrived and were not read yet.
    pub(crate) fn unread(&self) -> &VecDeque<u8> {
        &self.inbox
    }

    /// A send that was told to wait although there was room: the next room counts as an edge.
    pub(crate) fn want_room(&mut self) {
        self.wants_room = true;
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.state == State::Connecting
    }

    /// Whether the other end can be named: the handshake is done, and the connection not over.
    pub(crate) fn has_peer(&self) -> bool {
        !matches!(self.state, State::Connecting | State::Dead { .. }) && !self.is_complete()
    }

    /// Whether the connection is gone by a refusal or a reset.
    pub(crate) const fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead { .. })
    }

    /// Whether our FIN was asked for.
    pub(crate) const fn is_write_closed(&self) -> bool {
        matches!(self.state, State::WriteClosed | State::Closed | State::Orphan { .. })
    }

    /// Whether the peer's FIN came.
    pub(crate) const fn is_ended(&self) -> bool {
        matches!(
            self.state,
            State::ReadClosed
                | State::Closed
                | State::Orphan { ended: true }
                | State::Dead { ended: true, .. }
        )
    }

    pub(crate) const fn was_reset_by_peer(&self) -> bool {
        self.reset_by_peer
    }

    /// Whether nothing more will ever leave this end or matter to it.
    pub(crate) fn is_over(&self) -> bool {
        match self.state {
            State::Dead { .. } => !self.reset_owed,
            _ => self.is_complete(),
        }
    }

    /// Whether nobody holds it and everything it had to say left: all that it still does is answer.
    pub(crate) const fn only_answers(&self) -> bool {
        self.fin_sent && matches!(self.state, State::Orphan { .. })
    }

    /// The state in a word, for messages.
    pub(crate) const fn describe(&self) -> &'static str {
        match self.state {
            State::Connecting => "connecting",
            State::Open => "open",
            State::WriteClosed => "write side closed",
            State::ReadClosed => "read side closed",
            State::Closed => "both sides closed",
            State::Orphan { .. } => "dropped",
            State::Dead { .. } => "lost",
        }
    }

    fn take_data(&mut self, bytes: &[u8]) {
        match self.state {
            State::Open | State::WriteClosed => {
                self.granted = self.granted.saturating_sub(bytes.len());
                self.inbox.extend(bytes);
                self.edges |= Edges::READABLE;
            }
            // Nobody will read this, and the sender is to know.
            State::Orphan { ended } => {
                self.reset_owed = true;
                self.die(None, ended);
            }
            // Data behind a FIN does not exist; to a dead end it is lost.
            State::Connecting | State::ReadClosed | State::Closed | State::Dead { .. } => {}
        }
    }

    fn take_fin(&mut self) {
        match self.state {
            State::Open => self.state = State::ReadClosed,
            State::WriteClosed => self.state = State::Closed,
            State::Orphan { .. } => self.state = State::Orphan { ended: true },
            State::Connecting | State::ReadClosed | State::Closed | State::Dead { .. } => return,
        }
        self.edges |= if self.state == State::Closed { Edges::HANG_UP } else { Edges::END };
    }

    fn take_reset(&mut self) {
        if self.is_complete() {
            return;
        }
        let (error, ended) = match self.state {
            State::Dead { .. } => return,
            State::Connecting => (Some(errno::ECONNREFUSED), false),
            State::ReadClosed => (Some(errno::EPIPE), true),
            State::Closed => (Some(errno::ECONNRESET), true),
            State::Open | State::WriteClosed => (Some(errno::ECONNRESET), false),
            State::Orphan { ended } => (None, ended),
        };
        self.reset_by_peer = true;
        self.die(error, ended);
        self.edges |= Edges::FAILED;
    }

    /// The inbox stays: it can be read to its end.
    fn die(&mut self, error: Option<i32>, ended: bool) {
        self.state = State::Dead { error, ended };
        self.outbox.clear();
    }

    fn announce_room(&mut self) {
        let writes = matches!(self.state, State::Open | State::ReadClosed);
        if writes && self.wants_room && self.room() > 0 {
            self.wants_room = false;
            self.edges |= Edges::WRITABLE;
        }
    }

    /// How much a send would take. The same before and after the outbox is polled: what leaves it uses up credit.
    fn room(&self) -> usize {
        self.credit.saturating_add(self.send_capacity).saturating_sub(self.outbox.len())
    }

    const fn expects_data(&self) -> bool {
        matches!(self.state, State::Open | State::WriteClosed)
    }

    const fn owes_fin(&self) -> bool {
        !self.fin_sent && self.is_write_closed()
    }

    /// Whether both directions ended in order: our FIN left, the peer's came.
    fn is_complete(&self) -> bool {
        self.fin_sent && matches!(self.state, State::Closed | State::Orphan { ended: true })
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

#[cfg(test)]
mod tests;
