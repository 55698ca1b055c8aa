//! Accepting: in batches, and going on whatever happens.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tracing::{debug, error, warn};
use twistor_reactor::kernel::Accepted;
use twistor_reactor::sources::SourceHost;

use super::port::{Core, PortState};
use crate::connection::{Conn, Owner};
use crate::{Address, Factory, Shortage};

/// How much the batch grows when it was filled.
const BATCH_STEP: usize = 20;
/// Clients that are shed in one go when descriptors are short.
const SHED_AT_ONCE: usize = 100;
/// The first pause after a shortage of descriptors, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What an accept that failed means for the batch.
enum Trouble {
    /// Nobody waits.
    Done,
    /// This client is gone, or not for us: the next one.
    Skip,
    /// No descriptor, or no memory for one.
    Shortage,
    /// Something else: logged, and the batch ends.
    Other,
}

/// Sorts the errors of accept(2).
fn trouble(error: &io::Error) -> Trouble {
    // Numbers that the standard library has no kind for: errno(3), the same on Linux, the BSDs and macOS unless said otherwise.
    const EPERM: i32 = 1;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let no_buffers = if cfg!(any(target_os = "linux", target_os = "android")) { 105 } else { 55 };
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::WouldBlock, _) => Trouble::Done,
        (io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted, _) | (_, Some(EPERM)) => {
            Trouble::Skip
        }
        (io::ErrorKind::OutOfMemory, _) => Trouble::Shortage,
        (_, Some(number)) if number == EMFILE || number == ENFILE || number == no_buffers => {
            Trouble::Shortage
        }
        _ => Trouble::Other,
    }
}

impl<F: Factory> Core<F> {
    /// Accepts up to a batch of connections. A full one is followed by another next turn: no event will come for those who wait.
    pub(super) fn accept_batch(self: &Rc<Self>) {
        self.ensure_started();
        let batch = self.batch.get();
        let mut accepted = 0;
        for _ in 0..batch {
            if self.state.get() != PortState::Listening {
                return;
            }
            match self.accept_one() {
                Ok(connection) => {
                    accepted += 1;
                    self.back_off.set(None);
                    self.serve(connection);
                }
                Err(error) => match trouble(&error) {
                    Trouble::Done => {
                        self.batch.set(accepted.max(1));
                        self.back_off.set(None);
                        return;
                    }
                    Trouble::Skip => debug!("accepting a connection failed: {error}"),
                    Trouble::Shortage => return self.run_short(&error),
                    Trouble::Other => {
                        error!("accepting connections on {} failed: {error}", self.address());
                        return self.pause();
                    }
                },
            }
        }
        self.batch.set(batch + BATCH_STEP);
        self.accept_again();
    }

    fn accept_one(&self) -> io::Result<Accepted> {
        match &*self.listener.borrow() {
            Some(listener) => listener.accept(),
            None => Err(io::Error::from(io::ErrorKind::WouldBlock)),
        }
    }

    fn accept_again(&self) {
        if let Some(token) = self.token.get() {
            if !self.again.replace(true) {
                self.reactor.again(token);
            }
        }
    }

    /// One connection: its protocol, or its end. Whatever happens here is its own affair; the batch goes on.
    fn serve(self: &Rc<Self>, accepted: Accepted) {
        let Accepted { socket, peer } = accepted;
        let built = self.tell("build_protocol", |factory| factory.build_protocol(&Address::Tcp(peer)));
        let Some(Ok(Some(protocol))) = built else {
            debug!(%peer, "connection refused by the factory");
            return drop(socket);
        };
        self.connections.set(self.connections.get() + 1);
        let owner = Rc::clone(self) as Rc<dyn Owner>;
        let context = Rc::clone(&self.context);
        let conn = Conn::new(&self.reactor, context, socket, peer, Box::new(protocol), Some(owner));
        if !self.address().ip().is_unspecified() {
            conn.set_host(Rc::clone(&self.local.borrow()));
        }
        let registered = conn.register();
        conn.make_span(|| format!("{},{}", self.context.next_serial(), peer.ip()));
        conn.announce(registered);
    }

    /// No descriptor is left: those who wait are shed, or wait, as the factory wishes.
    fn run_short(self: &Rc<Self>, error: &io::Error) {
        let decision = self.tell("descriptors_exhausted", |factory| factory.descriptors_exhausted(error));
        if let Some(Ok(Shortage::Wait)) = decision {
            warn!("accepting on {} waits: {error}", self.address());
            return self.pause();
        }
        let shed = match &*self.listener.borrow() {
            Some(listener) => listener.shed(SHED_AT_ONCE),
            None => return,
        };
        match shed {
            Ok(closed) if closed >= SHED_AT_ONCE => {
                warn!("closed {closed} waiting clients of {}: {error}", self.address());
                self.accept_again();
            }
            // Nobody waits any more: whoever comes next makes an event.
            Ok(0) => debug!("accepting on {} met {error}, with nobody waiting", self.address()),
            Ok(closed) => {
                warn!("closed {closed} waiting clients of {}: {error}", self.address());
                self.pause();
            }
            Err(why) => {
                warn!(
                    "accepting on {} waits: {error} (and no client could be closed: {why})",
                    self.address()
                );
                self.pause();
            }
        }
    }

    /// Tries again after a while, longer each time: no event comes when descriptors are freed.
    fn pause(self: &Rc<Self>) {
        let pause = self.back_off.get().map_or(BACK_OFF.0, |last| (last * 2).min(BACK_OFF.1));
        self.back_off.set(Some(pause));
        let (weak, token) = (self.this.clone(), self.token.get());
        let retry = self.reactor.call_later(pause, move || {
            if let Some(core) = weak.upgrade() {
                if core.token.get() == token && core.back_off.get() == Some(pause) {
                    core.accept_batch();
                }
            }
        });
        // One timer, however many clients come meanwhile and find the shortage unchanged.
        if let Some(former) = self.retry.replace(Some(retry)) {
            let _ = former.cancel(); // It may be what brought us here.
        }
    }
}
