//! Carries out what the table of states says.

use std::io;
use std::rc::Rc;

use twistor_deferred::drop_contained;
use twistor_reactor::CloseReason;
use twistor_reactor::kernel::StreamSocket;
use twistor_reactor::sources::SourceHost;

use super::{Conn, NOTE_END, ReadEdge, Reading, Transport};
use crate::closing::{Input, State, step};

impl Conn {
    /// The one place where the state changes.
    pub(super) fn apply(self: &Rc<Self>, input: Input) {
        let (state, effects) = step(self.state.get(), input, self.reading.get() == Reading::Ended);
        self.state.set(state);
        if effects.stop_reading {
            drop(self.take_held());
        }
        if effects.drop_output {
            self.drop_output();
        }
        if effects.flush {
            self.plan_flush();
        }
        if effects.send_fin {
            self.send_fin();
        }
        if effects.reset {
            let _ = self.with_socket(|socket| socket.reset_on_close());
        }
        if effects.tell_read {
            self.call_protocol("read_connection_lost", |p, transport| p.read_connection_lost(transport));
        }
        if effects.tell_write {
            self.stop_producer(); // Whoever is left ran, and nothing it writes is sent any more.
            self.call_protocol("write_connection_lost", |p, transport| p.write_connection_lost(transport));
        }
        if effects.queue_end {
            self.queue_note(NOTE_END);
        }
        if effects.tell_lost {
            self.tell_lost();
        }
        if effects.close {
            self.close(state);
        }
    }

    /// The socket reported an error: the connection is lost, unless its end is decided already.
    pub(super) fn fail_socket(self: &Rc<Self>, error: io::Error) {
        if !self.state.get().is_over() {
            self.note_reason(CloseReason::from(error));
        }
        self.apply(Input::SocketFailed);
    }

    /// Notes why the connection ends, unless that is known. A reason may hold a value of the user's: it is not dropped in the cell.
    pub(super) fn note_reason(&self, reason: CloseReason) {
        if self.reason.is_some() {
            return drop_contained(reason);
        }
        self.reason.put(Box::new(reason));
    }

    /// Notes why the connection ends, whatever was noted before.
    pub(super) fn replace_reason(&self, reason: CloseReason) {
        drop_contained(self.reason.replace(reason));
    }

    fn send_fin(self: &Rc<Self>) {
        match self.with_socket(|socket| socket.shutdown_write()) {
            Ok(()) => {}
            // The peer has reset the connection meanwhile, which `shutdown(2)` calls "not connected". The socket knows better.
            Err(error) => {
                let error = self.socket_error().unwrap_or(error);
                if !self.state.get().is_over() {
                    return self.fail_socket(error);
                }
                self.note_reason(CloseReason::from(error));
                if self.state.get() == State::Lingering {
                    self.state.set(State::Lost);
                }
            }
        }
    }

    pub(super) fn with_socket<R>(&self, f: impl FnOnce(&dyn StreamSocket) -> io::Result<R>) -> io::Result<R> {
        match &*self.socket.borrow() {
            Some(socket) => f(&**socket),
            None => Err(io::Error::new(io::ErrorKind::NotConnected, "the connection is lost")),
        }
    }

    /// Tells producer, protocol and owner, in this order, and each whatever happened to the others.
    fn tell_lost(self: &Rc<Self>) {
        self.stop_clocks();
        let reason = self.close_reason();
        let _ = self.host(); // Known afterwards too.
        tracing::debug!(peer = %self.peer, %reason, "connection lost");
        self.stop_producer();
        self.tell_protocol_lost();
        let owner = self.owner.take();
        if let Some(owner) = owner {
            owner.connection_lost(&reason);
        }
        let extras = self.extras.take();
        self.plain.set(true);
        drop_contained(extras);
    }

    /// Tells the protocol, and drops it. If it is lent to somebody, that is done when it comes back.
    pub(super) fn tell_protocol_lost(self: &Rc<Self>) {
        let reason = self.close_reason();
        let transport = Transport::new(Rc::clone(self));
        let protocol = match self.slot.try_borrow_mut() {
            Ok(mut slot) => {
                if let Some(protocol) = slot.as_mut() {
                    let call = || protocol.connection_lost(&transport, &reason);
                    let _ = self.guard("connection_lost", call);
                }
                slot.take()
            }
            Err(_) => return self.unheard.set(true),
        };
        drop_contained(protocol);
    }

    /// Why the connection ended, or would.
    pub(super) fn close_reason(&self) -> CloseReason {
        self.reason.with(|reason| reason.clone()).unwrap_or(CloseReason::Done)
    }

    /// Whether a panic is what ends the connection.
    pub(crate) fn has_panicked(&self) -> bool {
        self.reason.is_some_and(|reason| matches!(reason, CloseReason::Panicked(_)))
    }

    /// Lets go of the socket and of the place in the reactor's table.
    fn close(self: &Rc<Self>, state: State) {
        let socket = self.socket.borrow_mut().take();
        let Some(token) = self.token.take() else { return drop(socket) };
        match (socket, state) {
            // The state is asked anew: the FIN may have failed.
            (Some(socket), State::Lingering) if self.state.get() == State::Lingering => {
                let unread = self.read_edge.get() != ReadEdge::Idle;
                self.context.lingerers.add(&self.reactor, token, socket, unread);
            }
            (socket, _) => {
                drop(self.reactor.deregister(token));
                drop(socket);
            }
        }
        self.state.set(State::Lost);
    }
}
