use std::ops::{Deref, DerefMut};

use twistor_net::{Connector, ListeningPort, SocketOption, Transport};

use super::end::End;
use super::event::Event;
use super::ground::{Connected, MakeGround};
use super::runner::Runner;
use super::side::Side;

/// One connection, and both of its ends. Derefs to its [`Runner`].
#[derive(Debug)]
pub struct Pair {
    runner: Runner,
    /// The end that was accepted.
    pub server: End,
    /// The end that connected.
    pub client: End,
    connected: Connected,
}

impl Pair {
    /// Begins to connect two ends, and has turned nothing yet.
    ///
    /// # Panics
    ///
    /// If that is not possible.
    #[must_use]
    #[track_caller]
    pub fn begin(make: &dyn MakeGround, server: Side, client: Side) -> Self {
        let mut runner = Runner::new(make);
        let (connected, server, client) = runner.join(server, client);
        Self { runner, server, client, connected }
    }

    /// What the ground left in the case's hands.
    #[must_use]
    pub const fn connected(&self) -> &Connected {
        &self.connected
    }

    /// The port that the server's end is accepted on.
    ///
    /// # Panics
    ///
    /// If its [ground](super::Ground) has no network.
    #[must_use]
    #[track_caller]
    pub fn port(&self) -> ListeningPort {
        self.connected.port.clone().expect("a case that needs a port is left out where there is no network")
    }

    /// What the client's end was connected by.
    ///
    /// # Panics
    ///
    /// As [`port`](Self::port).
    #[must_use]
    #[track_caller]
    pub fn connector(&self) -> Connector {
        self.connected.connector.clone().expect("a case that needs a connector is left out without a network")
    }

    /// A connection whose ends have both heard of it.
    ///
    /// # Panics
    ///
    /// If it does not come to be.
    #[must_use]
    #[track_caller]
    pub fn open(make: &dyn MakeGround, server: Side, client: Side) -> Self {
        let mut pair = Self::begin(make, server, client);
        let (server, client) = (pair.server.clone(), pair.client.clone());
        pair.until("both ends connected", || server.saw(&Event::Made) && client.saw(&Event::Made));
        pair
    }

    /// One more client of the same port.
    ///
    /// # Panics
    ///
    /// As [`port`](Self::port).
    #[track_caller]
    pub fn another(&mut self, side: Side) -> End {
        let to = ("127.0.0.1", self.port().host().port());
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
