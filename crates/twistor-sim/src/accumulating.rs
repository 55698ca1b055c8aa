//! [`Accumulating`]: a protocol that keeps what it is sent.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use twistor_net::{CloseReason, Protocol, Transport};

/// A protocol that keeps everything it receives, and why its connection ended. It writes nothing.
///
/// When the peer ends its direction it closes, as protocols do by default.
///
/// # Examples
///
/// ```
/// use twistor_sim::{Accumulating, StringTransport};
///
/// let (protocol, seen) = Accumulating::new();
/// let mut transport = StringTransport::new(protocol);
/// transport.deliver(b"one, ");
/// transport.deliver(b"two");
/// transport.finish();
/// assert_eq!(seen.data(), b"one, two");
/// assert!(seen.reason().is_some_and(|reason| reason.is_clean()));
/// ```
#[derive(Debug)]
pub struct Accumulating {
    seen: Accumulated,
}

/// What an [`Accumulating`] protocol has seen. A cheap clone, and still there when the protocol is gone.
#[derive(Clone, Default)]
pub struct Accumulated {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    made: Cell<bool>,
    data: RefCell<Vec<u8>>,
    pieces: RefCell<Vec<usize>>,
    reason: RefCell<Option<CloseReason>>,
}

impl Accumulating {
    /// A protocol, and what is left in the test's hand.
    #[must_use]
    pub fn new() -> (Self, Accumulated) {
        let seen = Accumulated::default();
        (Self { seen: seen.clone() }, seen)
    }
}

impl Accumulated {
    /// Everything received so far.
    #[must_use]
    pub fn data(&self) -> Vec<u8> {
        self.state.data.borrow().clone()
    }

    /// The size of each piece it came in.
    #[must_use]
    pub fn pieces(&self) -> Vec<usize> {
        self.state.pieces.borrow().clone()
    }

    /// Whether the connection was made.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.state.made.get()
    }

    /// Why the connection ended; `None` until it did.
    #[must_use]
    pub fn reason(&self) -> Option<CloseReason> {
        self.state.reason.borrow().clone()
    }
}

impl Protocol for Accumulating {
    fn connection_made(&mut self, _transport: &Transport) {
        self.seen.state.made.set(true);
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.seen.state.data.borrow_mut().extend_from_slice(data);
        self.seen.state.pieces.borrow_mut().push(data.len());
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        *self.seen.state.reason.borrow_mut() = Some(reason.clone());
    }
}

impl fmt::Debug for Accumulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulated")
            .field("is_made", &self.is_made())
            .field("bytes", &self.state.data.borrow().len())
            .field("reason", &self.reason())
            .finish()
    }
}
