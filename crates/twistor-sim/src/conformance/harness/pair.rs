use std::ops::{Deref, DerefMut};

use twistor_net::{Connector, ListeningPort, SocketOption, Transport};
use twistor_reactor::Reactor;

use super::end::End;
use super::event::Event;
use super::runner::Runner;
use super::side::Side;

/// A connection with both of its ends on one reactor. Derefs to its [`Runner`].
#[derive(Debug)]
pub struct Pair {
    runner: Runner,
    /// The end that was accepted.
    pub server: End,
    /// The end that connected.
    pub client: End,
    /// The port it was accepted on.
    pub port: ListeningPort,
    /// What it was connected by.
    pub connector: Connector,
}

impl Pair {
    /// Listens and connects, and has turned nothing yet.
    ///
    /// # Panics
    ///
    /// If the loopback cannot be listened on.
    #[must_use]
    #[track_caller]
    pub fn begin(make: &dyn Fn() -> Reactor, server: Side, client: Side) -> Self {
        let mut runner = Runner::new(make);
        let (port, server) = runner.listen(server);
        let (connector, client) = runner.connect(("127.0.0.1", port.host().port()), client);
        Self { runner, server, client, port, connector }
    }

    /// A connection whose ends have both heard of it.
    ///
    /// # Panics
    ///
    /// If it does not come to be.
    #[must_use]
    #[track_caller]
    pub fn open(make: &dyn Fn() -> Reactor, server: Side, client: Side) -> Self {
        let mut pair = Self::begin(make, server, client);
        let (server, client) = (pair.server.clone(), pair.client.clone());
        pair.until("both ends connected", || server.saw(&Event::Made) && client.saw(&Event::Made));
        pair
    }

    /// One more client of the same port.
    #[track_caller]
    pub fn another(&mut self, side: Side) -> End {
        let to = ("127.0.0.1", self.port.host().port());
        self.runner.connect(to, side).1
    }

    /// Turns until both ends have lost the connection.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn until_over(&mut self) {
        let (server, client) = (self.server.clone(), self.client.clone());
        self.until("both ends told of the loss", || server.is_over() && client.is_over());
    }

    /// Turns until `end` has lost its connection.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn until_lost(&mut self, end: &End) {
        self.until("an end told of the loss", || end.is_over());
    }

    /// Turns until the client has received `len` bytes.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn until_client_received(&mut self, len: usize) {
        let client = self.client.clone();
        self.until("bytes at the client", || client.received_len() >= len);
    }

    /// Turns until the server has received `len` bytes.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn until_server_received(&mut self, len: usize) {
        let server = self.server.clone();
        self.until("bytes at the server", || server.received_len() >= len);
    }

    /// Turns until the server was told `event`.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn until_server_saw(&mut self, event: &Event) {
        let server = self.server.clone();
        self.until("something told to the server", || server.saw(event));
    }

    /// Turns until the client was told `event`.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    #[track_caller]
    pub fn until_client_saw(&mut self, event: &Event) {
        let client = self.client.clone();
        self.until("something told to the client", || client.saw(event));
    }
}

/// Writes more than the system takes while the other end does not read: 8 MiB. Says how much was written.
pub fn fill(transport: &Transport) -> usize {
    const PIECE: usize = 1 << 16;
    const PIECES: usize = 128;
    // Kernels without such an option have small buffers anyway.
    let _ = transport.set_option(SocketOption::SendBuffer(PIECE));
    for number in 0..PIECES {
        transport.write(&vec![u8::try_from(number).unwrap_or(0); PIECE]);
    }
    PIECE * PIECES
}

impl Deref for Pair {
    type Target = Runner;

    fn deref(&self) -> &Runner {
        &self.runner
    }
}

impl DerefMut for Pair {
    fn deref_mut(&mut self) -> &mut Runner {
        &mut self.runner
    }
}
