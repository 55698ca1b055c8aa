//! Connections driven by readiness edges, for loops that are little more than `epoll_wait`.
//!
//! Where the loop tells edges, every socket is registered once, for both directions, and no system call changes that later. Everything is
//! done that can be: reading goes on until a read is short, which says that nothing is left (`epoll(7)`, "Questions and answers") but the end,
//! and that is told with the event; writing goes on until the system takes less than it is given. Where the loop tells levels,
//! [`Hub::wants`] says which to ask for.

use std::io::{self, Read, Write};

use slab::Slab;

use super::{MOST_UNSENT, Mode, READ_SIZE, drain, pieces};

/// All connections of a loop.
#[derive(Debug)]
pub struct Hub<S> {
    mode: Mode,
    clients: Slab<Client<S>>,
    /// Where every read goes.
    scratch: Vec<u8>,
    /// What a stream repeats.
    pieces: Vec<u8>,
    /// Clients that were dropped by what another one sent.
    dropped: Vec<usize>,
}

#[derive(Debug)]
struct Client<S> {
    socket: S,
    /// What was read or is due, and not sent. Without an allocation while there is nothing.
    unsent: Vec<u8>,
    /// How much of `unsent` is sent, or where in the pieces a stream is.
    sent: usize,
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, an end or an error included.
    pub readable: bool,
    /// There is room, or an error.
    pub writable: bool,
    /// The other end has closed its half, or everything: behind what is there to be read comes the end.
    pub ended: bool,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It waits for an edge.
    Wait,
    /// It is over: to be [taken out](Hub::remove).
    Over,
}

impl<S: Read + Write> Hub<S> {
    /// Without connections.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let pieces = if mode == Mode::Stream { pieces() } else { Vec::new() };
        Self { mode, clients: Slab::new(), scratch: vec![0; READ_SIZE], pieces, dropped: Vec::new() }
    }

    /// The key that the next connection will have.
    #[must_use]
    pub fn next_key(&self) -> usize {
        self.clients.vacant_key()
    }

    /// Adds a connection, which must not block. It is [ready](Self::ready) when the first edge comes.
    pub fn insert(&mut self, socket: S) -> usize {
        self.clients.insert(Client { socket, unsent: Vec::new(), sent: 0 })
    }

    /// Takes a connection out.
    pub fn remove(&mut self, key: usize) -> Option<S> {
        self.clients.try_remove(key).map(|client| client.socket)
    }

    /// The connections that are over because of what another one sent, since the last call.
    pub fn take_dropped(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.dropped)
    }

    /// Whether a connection waits to be readable, and whether to be writable.
    #[must_use]
    pub fn wants(&self, key: usize) -> (bool, bool) {
        let unsent = self.clients.get(key).is_some_and(|client| !client.unsent.is_empty());
        match self.mode {
            Mode::Echo => (!unsent, unsent),
            Mode::Stream => (true, true),
            Mode::Broadcast => (true, unsent),
        }
    }

    /// An event has come: does whatever can be done. A connection that is gone is over.
    pub fn ready(&mut self, key: usize, event: Ready) -> Next {
        let done = match self.mode {
            Mode::Echo => self.echo(key, event),
            Mode::Stream => self.stream(key, event),
            Mode::Broadcast => self.broadcast(key, event),
        };
        // A connection that is reset is over, as one is that was closed.
        done.unwrap_or(Next::Over)
    }

    fn echo(&mut self, key: usize, event: Ready) -> io::Result<Next> {
        let Some(client) = self.clients.get_mut(key) else { return Ok(Next::Over) };
        let held_back = !client.unsent.is_empty();
        if held_back && (!event.writable || !client.flush()?) {
            return Ok(Next::Wait);
        }
        if !event.readable && !held_back {
            return Ok(Next::Wait);
        }
        // What came while it was held back is not told again: it is read until nothing is there.
        let to_the_end = event.ended || held_back;
        loop {
            let count = match read(&mut client.socket, &mut self.scratch)? {
                Some(0) => return Ok(Next::Over),
                Some(count) => count,
                None => return Ok(Next::Wait),
            };
            let sent = write(&mut client.socket, &self.scratch[..count])?;
            if sent < count {
                client.unsent.extend_from_slice(&self.scratch[sent..count]);
                return Ok(Next::Wait);
            }
            if count < self.scratch.len() && !to_the_end {
                return Ok(Next::Wait);
            }
        }
    }

    fn stream(&mut self, key: usize, event: Ready) -> io::Result<Next> {
        let Some(client) = self.clients.get_mut(key) else { return Ok(Next::Over) };
        if event.ended || (event.readable && !drain(&mut client.socket, &mut self.scratch)?) {
            return Ok(Next::Over);
        }
        if !event.writable {
            return Ok(Next::Wait);
        }
        loop {
            let rest = &self.pieces[client.sent..];
            let sent = write(&mut client.socket, rest)?;
            if sent < rest.len() {
                client.sent += sent;
                return Ok(Next::Wait);
            }
            client.sent = 0;
        }
    }

    fn broadcast(&mut self, key: usize, event: Ready) -> io::Result<Next> {
        let Some(client) = self.clients.get_mut(key) else { return Ok(Next::Over) };
        if event.writable && !client.unsent.is_empty() {
            client.flush()?;
        }
        if !event.readable {
            return Ok(Next::Wait);
        }
        loop {
            let Some(client) = self.clients.get_mut(key) else { return Ok(Next::Over) };
            let count = match read(&mut client.socket, &mut self.scratch)? {
                Some(0) => return Ok(Next::Over),
                Some(count) => count,
                None => return Ok(Next::Wait),
            };
            for (other, client) in self.clients.iter_mut().filter(|(other, _)| *other != key) {
                if client.send(&self.scratch[..count]).is_err() {
                    self.dropped.push(other);
                }
            }
            if count < self.scratch.len() && !event.ended {
                return Ok(Next::Wait);
            }
        }
    }
}

impl<S: Write> Client<S> {
    /// Sends what waits; says whether nothing does any more.
    fn flush(&mut self) -> io::Result<bool> {
        self.sent += write(&mut self.socket, &self.unsent[self.sent..])?;
        let all = self.sent == self.unsent.len();
        if all {
            self.unsent = Vec::new();
            self.sent = 0;
        }
        Ok(all)
    }

    /// Sends `data` after what waits.
    fn send(&mut self, data: &[u8]) -> io::Result<()> {
        let sent = if self.unsent.is_empty() { write(&mut self.socket, data)? } else { 0 };
        self.unsent.drain(..self.sent);
        self.sent = 0;
        if self.unsent.len() + data.len() - sent > MOST_UNSENT {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.unsent.extend_from_slice(&data[sent..]);
        Ok(())
    }
}

/// How much was read; `None` if nothing is there.
fn read(socket: &mut impl Read, scratch: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket.read(scratch) {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// How much the system took, which may be nothing.
fn write(socket: &mut impl Write, data: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(data) {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
