//! What a stream and its protocol share.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::task::Waker;

use tracing::error;
use twistor_deferred::{contain, drop_contained};

use super::READ_BUFFER_LIMIT;
use crate::{CloseReason, Transport};

/// Bytes that arrived, how both directions stand, and who waits.
///
/// No cell is borrowed while a waker is cloned, woken or dropped: that is code of the executor's.
pub(super) struct Pipe {
    /// Received, and not taken by the stream yet. No allocation while it is empty.
    arrived: RefCell<Vec<u8>>,
    /// Bytes nobody has read, here and with the stream.
    unread: Cell<usize>,
    limit: Cell<usize>,
    intake: Cell<Intake>,
    input: Cell<Input>,
    output: Cell<Output>,
    link: RefCell<Link>,
    pub(super) reader: Waiting,
    pub(super) writer: Waiting,
}

/// Whether the transport reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intake {
    Flowing,
    /// The limit was reached.
    Paused,
}

/// What follows the bytes that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// More, perhaps.
    Open,
    /// The peer's FIN.
    Ended,
    /// An error: the application asks its connections to end, and nothing more is read.
    Unwanted,
}

/// Whether the writing direction is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Open,
    /// Everything was sent, and the FIN after it.
    Shut,
}

/// Whether the protocol of the stream is there.
#[derive(Debug)]
enum Link {
    /// It has the connection, or is about to.
    Attached,
    /// The connection is lost.
    Lost(CloseReason),
    /// It was dropped without a word: another protocol has the connection, or it never came to it.
    Replaced,
}

impl Pipe {
    pub(super) fn new(unread: &[u8]) -> Self {
        Self {
            arrived: RefCell::new(unread.to_vec()),
            unread: Cell::new(unread.len()),
            limit: Cell::new(READ_BUFFER_LIMIT),
            intake: Cell::new(Intake::Flowing),
            input: Cell::new(Input::Open),
            output: Cell::new(Output::Open),
            link: RefCell::new(Link::Attached),
            reader: Waiting::default(),
            writer: Waiting::default(),
        }
    }

    // What the protocol says.

    /// The protocol has the connection. One before it may have paused it.
    pub(super) fn attached(&self, transport: &Transport) {
        self.intake.set(Intake::Flowing);
        transport.resume_producing();
        self.regulate(transport);
    }

    pub(super) fn received(&self, transport: &Transport, data: &[u8]) {
        self.arrived.borrow_mut().extend_from_slice(data);
        self.unread.set(self.unread.get() + data.len());
        self.regulate(transport);
        self.reader.wake();
    }

    pub(super) fn input_is(&self, input: Input) {
        if self.input.get() == Input::Open {
            self.input.set(input);
            self.reader.wake();
        }
    }

    pub(super) fn output_shut(&self) {
        self.output.set(Output::Shut);
        self.writer.wake();
    }

    pub(super) fn lost(&self, reason: &CloseReason) {
        self.part(Link::Lost(reason.clone()));
    }

    /// The protocol is dropped.
    pub(super) fn orphaned(&self) {
        if self.is_attached() {
            self.part(Link::Replaced);
        }
    }

    fn part(&self, link: Link) {
        drop_contained(self.link.replace(link));
        self.reader.wake();
        self.writer.wake();
    }

    // What the stream asks.

    pub(super) fn is_attached(&self) -> bool {
        matches!(*self.link.borrow(), Link::Attached)
    }

    pub(super) fn unread(&self) -> usize {
        self.unread.get()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.get()
    }

    pub(super) fn set_limit(&self, limit: usize, transport: &Transport) {
        self.limit.set(limit.max(1));
        self.regulate(transport);
    }

    /// Takes what has arrived.
    pub(super) fn take_arrived(&self) -> Vec<u8> {
        self.arrived.take()
    }

    /// The user has read `bytes`.
    pub(super) fn consumed(&self, bytes: usize, transport: &Transport) {
        self.unread.set(self.unread.get() - bytes);
        self.regulate(transport);
    }

    /// Pauses the transport at the limit, resumes it at half of that.
    fn regulate(&self, transport: &Transport) {
        if !self.is_attached() {
            return; // The transport is another protocol's, or nobody's.
        }
        let (unread, limit) = (self.unread.get(), self.limit.get());
        match self.intake.get() {
            Intake::Flowing if unread >= limit || self.input.get() == Input::Unwanted => {
                self.intake.set(Intake::Paused);
                transport.pause_producing();
            }
            Intake::Paused if unread <= limit / 2 && self.input.get() != Input::Unwanted => {
                self.intake.set(Intake::Flowing);
                transport.resume_producing();
            }
            Intake::Flowing | Intake::Paused => {}
        }
    }

    /// The application asks its connections to end.
    pub(super) fn refuse_input(&self, transport: &Transport) {
        self.input_is(Input::Unwanted);
        self.regulate(transport);
    }

    /// What a reader gets after the last byte: `None` while more may come, `Ok` for the end of input.
    pub(super) fn end_of_input(&self, transport: &Transport) -> Option<io::Result<()>> {
        if self.input.get() == Input::Ended {
            return Some(Ok(()));
        }
        match (self.close_reason(transport), &*self.link.borrow()) {
            (Some(reason), _) => Some(Err(io::Error::new(kind_of(&reason), reason))),
            (None, Link::Replaced) => Some(Err(replaced())),
            (None, _) if self.input.get() == Input::Unwanted => {
                let text = "the application asks its connections to end";
                Some(Err(io::Error::new(ErrorKind::ConnectionAborted, text)))
            }
            (None, _) => None,
        }
    }

    /// Whether everything written is known to have left, for good or for ill: `None` while the connection stands.
    pub(super) fn end_of_output(&self, transport: &Transport) -> Option<io::Result<()>> {
        if self.output.get() == Output::Shut {
            return Some(Ok(()));
        }
        match (self.close_reason(transport), &*self.link.borrow()) {
            (Some(reason), _) if reason.is_clean() => Some(Ok(())),
            (Some(_), _) | (None, Link::Replaced) => Some(Err(self.broken(transport))),
            (None, _) => None,
        }
    }

    /// The error of a write that cannot be made.
    pub(super) fn broken(&self, transport: &Transport) -> io::Error {
        match (self.close_reason(transport), &*self.link.borrow()) {
            (Some(reason), _) => io::Error::new(ErrorKind::BrokenPipe, reason),
            (None, Link::Replaced) => replaced(),
            (None, _) => io::Error::new(ErrorKind::BrokenPipe, "the stream is closed for writing"),
        }
    }

    /// Why the connection was lost, if it is. One that is about to end, aborted by a call of this turn's perhaps, knows why before its
    /// protocol does.
    pub(super) fn close_reason(&self, transport: &Transport) -> Option<CloseReason> {
        match &*self.link.borrow() {
            Link::Lost(reason) => Some(reason.clone()),
            Link::Attached | Link::Replaced => transport.end(),
        }
    }
}

impl Drop for Pipe {
    /// A reason may hold an error of the user's.
    fn drop(&mut self) {
        drop_contained(std::mem::replace(self.link.get_mut(), Link::Replaced));
    }
}

/// What the standard library would have said.
fn kind_of(reason: &CloseReason) -> ErrorKind {
    match reason {
        CloseReason::Lost(error) => error.kind(),
        CloseReason::TimedOut(_) | CloseReason::CloseTimedOut(_) => ErrorKind::TimedOut,
        CloseReason::Failed(failure) => {
            failure.find::<io::Error>().map_or(ErrorKind::ConnectionAborted, io::Error::kind)
        }
        _ => ErrorKind::ConnectionAborted,
    }
}

fn replaced() -> io::Error {
    io::Error::new(ErrorKind::NotConnected, "another protocol has the connection")
}

/// The task that waits for one direction. Cloning, waking and dropping its waker is foreign code.
#[derive(Default)]
pub(super) struct Waiting {
    waker: RefCell<Option<Waker>>,
}

impl Waiting {
    /// Has `waker` woken next, instead of whoever waited before.
    pub(super) fn set(&self, waker: &Waker) {
        let known = self.waker.borrow().as_ref().is_some_and(|known| known.will_wake(waker));
        if !known {
            let former = self.waker.replace(Some(waker.clone()));
            drop_contained(former);
        }
    }

    /// Wakes whoever waits, once.
    pub(super) fn wake(&self) {
        let waker = self.waker.take();
        if let Some(waker) = waker {
            if let Err(text) = contain(|| waker.wake()) {
                // A subscriber is code of the application's too.
                let _ = contain(|| error!("waking a task panicked: {text}"));
            }
        }
    }

    /// Forgets whoever waits.
    pub(super) fn clear(&self) {
        let waker = self.waker.take();
        drop_contained(waker);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.clear();
    }
}
