//! The other end by hand: what a test does in the place of a remote program.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use super::ScriptedKernel;
use super::endpoint::{Hand, Owner, Socket};

/// The other end of a connection, played by a test: it needs no reactor, and what it does is there at the next wait.
///
/// It reads everything as it arrives, so that its window never closes, unless it is told to [`stop_reading`](Self::stop_reading).
/// Clones are the same end; when the last of them is dropped it closes, as if its program had ended.
///
/// # Examples
///
/// ```
/// use twistor_reactor::kernel::{Kernel, ListenOptions};
/// use twistor_sim::ScriptedKernel;
///
/// let kernel = ScriptedKernel::new();
/// let listener = kernel.listen_stream("127.0.0.1:80".parse()?, &ListenOptions::default())?;
/// let peer = kernel.dial("127.0.0.1:80".parse()?);
/// peer.send(b"hello");
///
/// let accepted = listener.accept()?;
/// assert_eq!(accepted.peer, peer.address());
/// let mut scratch = [0; 16];
/// assert_eq!(accepted.socket.recv(&mut scratch)?.len(), 5);
/// drop(accepted);
/// assert!(peer.is_finished());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Peer {
    end: Rc<HeldEnd>,
}

/// Closes its end with the last handle.
struct HeldEnd {
    kernel: ScriptedKernel,
    id: u64,
}

impl Peer {
    pub(super) fn new(kernel: ScriptedKernel, id: u64) -> Self {
        Self { end: Rc::new(HeldEnd { kernel, id }) }
    }

    /// Sends `bytes`. What the other end has no room for follows by itself as it reads; to a connection that is gone, they are lost.
    ///
    /// # Panics
    ///
    /// After [`finish`](Self::finish) and [`close`](Self::close): that is a mistake in the test.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) {
        let closed = self.look(|socket| socket.end.is_write_closed());
        assert!(!closed, "Peer::send after Peer::finish or Peer::close");
        self.act(|end| {
            if end.is_connecting() {
                end.queue_early(bytes);
            } else {
                // A hand's outbox takes everything, and an error says that the connection is gone.
                let _ = end.send(&[std::io::IoSlice::new(bytes)], usize::MAX);
            }
        });
    }

    /// Takes what has arrived since the last call, which makes room for more.
    #[must_use]
    pub fn received(&self) -> Vec<u8> {
        let mut all = self.look(|socket| match &mut socket.owner {
            Owner::Hand(hand) => std::mem::take(&mut hand.collected),
            _ => Vec::new(),
        });
        self.act(|end| end.recv_all(&mut all));
        all
    }

    /// What has arrived and was not taken; it stays.
    #[must_use]
    pub fn peek(&self) -> Vec<u8> {
        self.look(|socket| {
            let mut all = match &socket.owner {
                Owner::Hand(hand) => hand.collected.clone(),
                _ => Vec::new(),
            };
            all.extend(socket.end.unread());
            all
        })
    }

    /// Reads no more by itself: when the receive buffer is full the other end has to wait. [`received`](Self::received) reads once.
    pub fn stop_reading(&self) {
        self.set_reading(false);
    }

    /// Reads everything as it arrives again.
    pub fn start_reading(&self) {
        self.set_reading(true);
    }

    /// Ends the outgoing direction: a FIN, after what was sent before. Twice is once; before the handshake is done, or after the
    /// connection is gone, it does nothing.
    pub fn finish(&self) {
        self.act(|end| {
            // Only a connection that is gone refuses, and then there is nothing to end.
            let _ = end.shutdown_write();
        });
    }

    /// Resets the connection: what was not delivered yet is thrown away.
    pub fn reset(&self) {
        self.act(|end| end.close(true));
    }

    /// Closes as a program does that ends: what was sent still arrives, then a FIN; data that comes later is answered by a reset. With
    /// input unread (it stopped reading), the close itself is a reset.
    pub fn close(&self) {
        self.act(|end| end.close(false));
    }

    /// Whether the handshake is done: `false` while a dial waits for room in a backlog.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.look(|socket| !socket.end.is_connecting() && !socket.end.is_dead())
    }

    /// Whether the other end sent its FIN.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.look(|socket| socket.end.is_ended())
    }

    /// Whether the other end reset the connection.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.look(|socket| socket.end.was_reset_by_peer())
    }

    /// How many bytes were sent and found no room at the other end yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.look(|socket| socket.end.unsent())
    }

    /// The address of this end.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.look(|socket| socket.local)
    }

    /// The address of the kernel's end.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.look(|socket| socket.remote)
    }

    fn set_reading(&self, reading: bool) {
        self.look(|socket| {
            if let Owner::Hand(hand) = &mut socket.owner {
                hand.reading = reading;
            }
        });
        self.act(|_| ());
    }

    fn look<R>(&self, ask: impl FnOnce(&mut Socket) -> R) -> R {
        let mut world = self.end.kernel.world();
        ask(world.net.sockets.get_mut(&self.end.id).expect("a socket lives as long as its owner"))
    }

    fn act(&self, act: impl FnOnce(&mut crate::stream::StreamEnd)) {
        let mut world = self.end.kernel.world();
        let (net, ready) = world.wires();
        net.with(self.end.id, ready, act);
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.end.id).finish_non_exhaustive()
    }
}

impl Drop for HeldEnd {
    fn drop(&mut self) {
        let mut world = self.kernel.world();
        let (net, ready) = world.wires();
        net.close(self.id, false, ready);
    }
}

/// An address that a test answers at, in the place of a remote server. Made by [`ScriptedKernel::expect_connect`].
///
/// Connects succeed at once and wait here to be accepted. Clones are the same; when the last of them is dropped, nobody answers any
/// more and who was not accepted is reset.
#[derive(Clone)]
pub struct PeerListener {
    place: Rc<HeldPlace>,
}

struct HeldPlace {
    kernel: ScriptedKernel,
    id: u64,
    address: SocketAddr,
}

impl PeerListener {
    pub(super) fn new(kernel: ScriptedKernel, id: u64, address: SocketAddr) -> Self {
        Self { place: Rc::new(HeldPlace { kernel, id, address }) }
    }

    /// The far end of the first connect that was not accepted yet.
    #[must_use]
    pub fn accept(&self) -> Option<Peer> {
        let mut world = self.place.kernel.world();
        let (net, ready) = world.wires();
        let id = net.accept(self.place.id, ready).ok()?;
        Some(Peer::new(self.place.kernel.clone(), id))
    }

    /// The address answered at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// How many connects wait to be accepted.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.place.kernel.world().net.listeners.get(&self.place.id).map_or(0, |listener| listener.queue.len())
    }
}

impl fmt::Debug for PeerListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerListener").field("id", &self.place.id).finish_non_exhaustive()
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        let mut world = self.kernel.world();
        let (net, ready) = world.wires();
        net.close_listener(self.id, ready);
    }
}

/// A hand that has just been given its end.
pub(super) const fn fresh_hand() -> Owner {
    Owner::Hand(Hand::new())
}
