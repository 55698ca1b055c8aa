//! What stands in the reactor's table while a connector connects: first a lookup, then a socket.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use twistor_reactor::kernel::{ConnectProgress, Readiness, StreamSocket, Token};
use twistor_reactor::sources::{Source, SourceHost, SourceKind};
use twistor_reactor::{CloseReason, ReactorHandle};

/// What a connector hears of its attempt. Attempts are numbered: news of a former one are ignored.
pub(super) trait Attempting {
    fn resolved(self: Rc<Self>, attempt: u64, answer: io::Result<Vec<IpAddr>>);
    fn connected(self: Rc<Self>, attempt: u64, connected: Connected);
    fn socket_failed(self: Rc<Self>, attempt: u64, to: SocketAddr, error: io::Error);
    fn reactor_ends(self: Rc<Self>, attempt: u64);
}

/// A socket that has reached the other end, still under the token of its attempt.
pub(super) struct Connected {
    pub(super) token: Token,
    pub(super) socket: Box<dyn StreamSocket>,
    pub(super) to: SocketAddr,
    /// The event that told of it, and those before: they may have told of data too.
    pub(super) readiness: Readiness,
}

/// A name lookup under way.
pub(super) struct Lookup {
    pub(super) owner: Rc<dyn Attempting>,
    pub(super) attempt: u64,
}

/// A socket that connects.
pub(super) struct Dial {
    pub(super) owner: Rc<dyn Attempting>,
    pub(super) attempt: u64,
    pub(super) to: SocketAddr,
    pub(super) socket: RefCell<Option<Box<dyn StreamSocket>>>,
    /// What was told while it was still in progress: it is not told again.
    pub(super) seen: Cell<Option<Readiness>>,
}

impl Dial {
    /// `readiness`, and what was told before of reading.
    fn with_seen(&self, readiness: Readiness) -> Readiness {
        match self.seen.get() {
            Some(seen) if seen.is_final() => readiness.readable().read_closed(),
            Some(seen) if seen.is_readable() => readiness.readable(),
            _ => readiness,
        }
    }
}

impl Source for Lookup {
    fn ready(self: Rc<Self>, reactor: &ReactorHandle, readiness: Readiness) {
        let Some(kernel) = reactor.kernel() else { return };
        let answer = match kernel.resolver() {
            Ok(resolver) => resolver.answer(readiness.token),
            Err(error) => Some(Err(error)),
        };
        if let Some(answer) = answer {
            reactor.deregister(readiness.token);
            Rc::clone(&self.owner).resolved(self.attempt, answer);
        }
    }

    fn shut_down(self: Rc<Self>, _reactor: &ReactorHandle, _reason: &CloseReason) {
        Rc::clone(&self.owner).reactor_ends(self.attempt);
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Connection
    }

    fn describe(&self) -> Option<String> {
        Some("name lookup of a connector".to_owned())
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

impl Source for Dial {
    fn ready(self: Rc<Self>, reactor: &ReactorHandle, readiness: Readiness) {
        let progress = match &*self.socket.borrow() {
            Some(socket) => socket.connect_progress(),
            None => return,
        };
        match progress {
            Ok(ConnectProgress::InProgress) => self.seen.set(Some(self.with_seen(readiness))),
            Ok(ConnectProgress::Connected) => {
                let Some(socket) = self.socket.borrow_mut().take() else { return };
                let readiness = self.with_seen(readiness);
                let connected = Connected { token: readiness.token, socket, to: self.to, readiness };
                Rc::clone(&self.owner).connected(self.attempt, connected);
            }
            Err(error) => {
                drop(self.socket.borrow_mut().take());
                reactor.deregister(readiness.token);
                Rc::clone(&self.owner).socket_failed(self.attempt, self.to, error);
            }
        }
    }

    fn shut_down(self: Rc<Self>, _reactor: &ReactorHandle, _reason: &CloseReason) {
        Rc::clone(&self.owner).reactor_ends(self.attempt);
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Connection
    }

    fn describe(&self) -> Option<String> {
        Some(format!("attempt to connect to {}", self.to))
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}
