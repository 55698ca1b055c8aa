//! Sockets that outlive their connection: the FIN is sent, the protocol told, and what the peer still sends is read and thrown away, so
//! that no reset destroys the tail of what was written (RFC 1122 4.2.2.13; contract R10).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use twistor_reactor::kernel::{Readiness, StreamSocket, Token};
use twistor_reactor::sources::{Source, SourceHost, SourceKind};
use twistor_reactor::{CloseReason, DelayedCall, Moment, ReactorHandle};

use crate::closing::{Input, State, step};
use crate::context::NetLimits;

/// The sockets of one reactor that linger, oldest first. All have the same time, so the oldest is the first to be over.
#[derive(Default)]
pub(crate) struct Lingerers {
    queue: RefCell<VecDeque<(Moment, Token)>>,
    /// How many linger still. Those that are over stay in the queue until they are the oldest.
    alive: Cell<usize>,
    /// What waits for the oldest; goes with the last that lingers.
    timer: RefCell<Option<DelayedCall>>,
    limits: RefCell<NetLimits>,
}

struct Lingerer {
    all: Rc<Lingerers>,
    token: Token,
    state: Cell<State>,
    socket: RefCell<Option<Box<dyn StreamSocket>>>,
    drained: Cell<usize>,
    most: usize,
    /// Whether the table of sources will call `again`.
    again: Cell<bool>,
}

impl Lingerers {
    pub(crate) fn set_limits(&self, limits: NetLimits) {
        *self.limits.borrow_mut() = limits;
    }

    /// Takes the socket over, under the token of its connection. `unread` says that something may be there to read already.
    pub(crate) fn add(
        self: &Rc<Self>,
        reactor: &ReactorHandle,
        token: Token,
        socket: Box<dyn StreamSocket>,
        unread: bool,
    ) {
        let limits = self.limits.borrow().clone();
        let deadline = reactor.now().checked_add(limits.linger_time);
        if limits.linger_sockets == 0 || limits.linger_time.is_zero() || reactor.is_gone() {
            drop(reactor.deregister(token));
            return drop(socket);
        }
        let lingerer = Rc::new(Lingerer {
            all: Rc::clone(self),
            token,
            state: Cell::new(State::Lingering),
            socket: RefCell::new(Some(socket)),
            drained: Cell::new(0),
            most: limits.linger_bytes,
            again: Cell::new(unread),
        });
        if reactor.replace(token, Rc::clone(&lingerer) as Rc<dyn Source>).is_err() {
            return;
        }
        self.alive.set(self.alive.get() + 1);
        self.queue.borrow_mut().push_back((deadline.unwrap_or(Moment::from_nanos(u64::MAX)), token));
        while self.alive.get() > limits.linger_sockets && !self.queue.borrow().is_empty() {
            self.end_oldest(reactor);
        }
        if unread {
            reactor.again(token);
        }
        self.watch_oldest(reactor);
    }

    fn end_oldest(&self, reactor: &ReactorHandle) {
        let oldest = self.queue.borrow_mut().pop_front();
        if let Some((_, token)) = oldest {
            if let Some(lingerer) = reactor.source(token).and_then(|s| s.as_any().downcast::<Lingerer>().ok())
            {
                lingerer.happen(reactor, Input::LingerOver);
            }
        }
    }

    /// One timer for all: it waits for the oldest that is still there.
    fn watch_oldest(self: &Rc<Self>, reactor: &ReactorHandle) {
        if self.timer.borrow().is_some() {
            return;
        }
        loop {
            let Some((deadline, token)) = self.queue.borrow().front().copied() else { return };
            if !reactor.is_registered(token) {
                self.queue.borrow_mut().pop_front();
                continue;
            }
            let delay = deadline.saturating_duration_since(reactor.now());
            let (lingerers, reactor) = (Rc::downgrade(self), reactor.clone());
            let weak = reactor.clone();
            let call = weak.call_later(delay, move || {
                if let Some(lingerers) = lingerers.upgrade() {
                    lingerers.timer_fired(&reactor);
                }
            });
            *self.timer.borrow_mut() = Some(call);
            return;
        }
    }

    fn timer_fired(self: &Rc<Self>, reactor: &ReactorHandle) {
        drop(self.timer.take());
        while self.queue.borrow().front().is_some_and(|(deadline, _)| *deadline <= reactor.now()) {
            self.end_oldest(reactor);
        }
        self.watch_oldest(reactor);
    }
}

impl Lingerer {
    fn happen(&self, reactor: &ReactorHandle, input: Input) {
        let (state, effects) = step(self.state.get(), input, false);
        self.state.set(state);
        if effects.close {
            self.all.alive.set(self.all.alive.get() - 1);
            if self.all.alive.get() == 0 {
                // A closure of the library's own, with weak handles: dropping it runs no code of the user's.
                let timer = self.all.timer.take();
                let _ = timer.map(|timer| timer.cancel());
            }
            let socket = self.socket.borrow_mut().take();
            drop(reactor.deregister(self.token));
            drop(socket);
        }
    }

    fn come_again(&self, reactor: &ReactorHandle) {
        if !self.again.replace(true) {
            reactor.again(self.token);
        }
    }

    /// Reads and throws away, one buffer a turn.
    fn drain(&self, reactor: &ReactorHandle) {
        let received = reactor.with_scratch(|scratch| match &*self.socket.borrow() {
            Some(socket) => socket.recv(scratch).map(|received| received.len()),
            None => Err(io::Error::from(io::ErrorKind::WouldBlock)),
        });
        match received {
            Ok(0) => self.happen(reactor, Input::LingerOver),
            Ok(len) => {
                self.drained.set(self.drained.get() + len);
                if self.drained.get() >= self.most {
                    self.happen(reactor, Input::LingerOver);
                } else {
                    self.come_again(reactor);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.come_again(reactor),
            Err(_) => self.happen(reactor, Input::SocketFailed),
        }
    }
}

impl Source for Lingerer {
    fn ready(self: Rc<Self>, reactor: &ReactorHandle, readiness: Readiness) {
        if !self.again.get() && (readiness.is_readable() || readiness.is_hang_up()) {
            self.drain(reactor);
        }
    }

    fn again(self: Rc<Self>, reactor: &ReactorHandle) {
        self.again.set(false);
        self.drain(reactor);
    }

    fn shut_down(self: Rc<Self>, reactor: &ReactorHandle, _reason: &CloseReason) {
        self.happen(reactor, Input::ReactorEnds);
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Internal
    }

    fn describe(&self) -> Option<String> {
        let socket = self.socket.borrow();
        let peer = socket.as_ref().and_then(|socket| socket.peer().ok());
        let peer = peer.map_or_else(|| "?".to_owned(), |peer| peer.to_string());
        Some(format!(
            "socket of a closed connection that lingers until {peer} closes too, or for its linger time"
        ))
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}
