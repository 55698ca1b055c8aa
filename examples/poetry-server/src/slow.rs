//! A poem a few bytes at a time, by timers: a thousand slow clients are a thousand timers, and no thread.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use twistor::prelude::*;

/// How fast a slow poem goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes at a time; zero is taken as one.
    pub num_bytes: usize,
    /// The time between two pieces.
    pub delay: Duration,
}

/// Makes a [`SlowPoem`] for each client.
pub struct SlowPoetry {
    poem: Bytes,
    pace: Pace,
    on_client: Box<dyn FnMut(&Address)>,
}

impl SlowPoetry {
    /// A factory that serves `poem` at `pace`.
    #[must_use]
    pub fn new(poem: Bytes, pace: Pace) -> Self {
        Self { poem, pace, on_client: Box::new(|_peer| ()) }
    }

    /// Has `f` called with the address of each client that connects.
    #[must_use]
    pub fn on_client(mut self, f: impl FnMut(&Address) + 'static) -> Self {
        self.on_client = Box::new(f);
        self
    }

    /// Has a line printed for each client that connects.
    #[must_use]
    pub fn announced(self) -> Self {
        self.on_client(|peer| crate::args::say(format_args!("Sending the poem to {peer}.")))
    }
}

impl Factory for SlowPoetry {
    type Protocol = SlowPoem;

    fn build_protocol(&mut self, peer: &Address) -> Option<SlowPoem> {
        (self.on_client)(peer);
        Some(SlowPoem { rest: self.poem.clone(), pace: self.pace, next: None })
    }
}

/// Sends a piece, then sets a timer for the next one.
///
/// The timer reaches the protocol through its [`Connection`], a handle that is harmless when the client is long gone.
#[derive(Debug)]
pub struct SlowPoem {
    /// What was not sent yet: a view of the one poem that all clients share.
    rest: Bytes,
    pace: Pace,
    next: Option<DelayedCall>,
}

impl SlowPoem {
    fn send_piece(&mut self, transport: &Transport) {
        let piece = self.rest.split_to(self.pace.num_bytes.max(1).min(self.rest.len()));
        transport.write_bytes(piece);
        if self.rest.is_empty() {
            transport.lose_connection();
        } else {
            self.go_on(transport);
        }
    }

    fn go_on(&mut self, transport: &Transport) {
        let me = transport.connection::<Self>();
        let next = move || me.post(Self::send_piece);
        self.next = Some(transport.reactor().call_later(self.pace.delay, next));
    }

    fn hold(&mut self) {
        if let Some(next) = self.next.take() {
            let _ = next.cancel(); // It may have been called already.
        }
    }
}

impl Protocol for SlowPoem {
    fn connection_made(&mut self, transport: &Transport) {
        self.send_piece(transport);
    }

    /// A client that has nothing to say may close its half: it gets the rest of the poem all the same.
    fn read_connection_lost(&mut self, _transport: &Transport) {}

    /// The client reads even more slowly than the poem comes.
    fn pause_writing(&mut self, _transport: &Transport) {
        self.hold();
    }

    fn resume_writing(&mut self, transport: &Transport) {
        self.hold();
        self.go_on(transport);
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        self.hold();
    }
}

impl fmt::Debug for SlowPoetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlowPoetry({} bytes, {:?})", self.poem.len(), self.pace)
    }
}
