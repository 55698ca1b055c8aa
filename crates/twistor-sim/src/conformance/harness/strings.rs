use std::fmt;
use std::time::Duration;

use twistor_reactor::{ReactorHandle, RunError};

use super::ground::{Connected, Ground, Needs};
use super::recorder::{Recorder, Recording};
use crate::string_transport_builder::{HOST, PEER};
use crate::{StringTransport, StringTransportBuilder, TestReactor};

/// Two [`StringTransport`]s, each of them the other's peer: what one wrote is taken and delivered to the other, and so are the end of its
/// stream and its reset.
///
/// # Examples
///
/// ```
/// use twistor_sim::conformance::{self, harness::Strings};
///
/// conformance::case("tcp_31_abort_sends_rst", Strings::new);
/// ```
#[derive(Debug)]
pub struct Strings {
    server: End,
    client: End,
    to_client: Way,
    to_server: Way,
}

/// One of the two: its reactor first, then the transport on it.
enum End {
    Alone(TestReactor),
    Waiting(TestReactor, Recording),
    Open(StringTransport<Recorder>),
    /// While it becomes one of the others.
    Opening,
}

/// What one end was told of the other one's ending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Open,
    Finished,
    Reset,
}

impl Strings {
    /// Two transports that are not connected yet.
    #[must_use]
    pub fn new() -> Self {
        let [server, client] = [(); 2].map(|()| End::Alone(TestReactor::new()));
        Self { server, client, to_client: Way::Open, to_server: Way::Open }
    }

    /// Opens what waits for it; whether there was something.
    fn open(&mut self) -> bool {
        let builder = StringTransportBuilder::new();
        let server = self.server.open(|test, recording| builder.on(test).accepted_by(recording));
        let builder = StringTransportBuilder::new().host(PEER).peer(HOST);
        let client = self.client.open(|test, recording| builder.on(test).connected_to(recording));
        server || client
    }

    /// Carries what each end has for the other; whether there was something.
    fn carry(&mut self) -> bool {
        let (End::Open(server), End::Open(client)) = (&mut self.server, &mut self.client) else {
            return false;
        };
        let there = self.to_client.carry(server, client);
        self.to_server.carry(client, server) || there
    }
}

impl End {
    fn reactor(&self) -> &TestReactor {
        match self {
            Self::Alone(test) | Self::Waiting(test, _) => test,
            Self::Open(transport) => transport.test_reactor(),
            Self::Opening => unreachable!("nobody looks while it is opened"),
        }
    }

    fn reactor_mut(&mut self) -> &mut TestReactor {
        match self {
            Self::Alone(test) | Self::Waiting(test, _) => test,
            Self::Open(transport) => transport.reactor(),
            Self::Opening => unreachable!("nobody looks while it is opened"),
        }
    }

    fn wait(&mut self, recording: Recording) {
        match std::mem::replace(self, Self::Opening) {
            Self::Alone(test) => *self = Self::Waiting(test, recording),
            _ => panic!("two StringTransports are connected once"),
        }
    }

    fn open(&mut self, open: impl FnOnce(TestReactor, Recording) -> StringTransport<Recorder>) -> bool {
        match std::mem::replace(self, Self::Opening) {
            Self::Waiting(test, recording) => {
                let mut transport = open(test, recording);
                // It is read by hand, when the other end has room.
                transport.stop_reading();
                *self = Self::Open(transport);
                true
            }
            other => {
                *self = other;
                false
            }
        }
    }
}

impl Way {
    fn carry(&mut self, from: &mut StringTransport<Recorder>, to: &mut StringTransport<Recorder>) -> bool {
        let mut carried = false;
        if *self == Self::Open && to.peer().unsent() == 0 {
            let data = from.take();
            carried = !data.is_empty();
            to.deliver(&data);
        }
        if *self != Self::Reset && from.peer().was_reset() {
            to.reset();
            *self = Self::Reset;
            return true;
        }
        if *self == Self::Open && from.peer().is_finished() && from.peer().peek().is_empty() {
            to.finish();
            *self = Self::Finished;
            return true;
        }
        carried
    }
}

impl Ground for Strings {
    fn reactor(&self) -> ReactorHandle {
        self.server.reactor().handle()
    }

    fn start(&mut self) {} // Both are.

    fn turn(&mut self, longest: Duration) -> Result<(), RunError> {
        let ended = self.server.reactor().is_finished() || self.client.reactor().is_finished();
        if !ended && (self.open() || self.carry()) {
            return Ok(());
        }
        let ends = [&mut self.server, &mut self.client].map(End::reactor_mut);
        let due = ends.iter().filter_map(|test| test.next_deadline()).min();
        let step = due.map_or(longest, |due| due.min(longest));
        for test in ends {
            if !test.is_finished() {
                test.iterate(Some(step))?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, server: Recording, client: Recording) -> Connected {
        self.server.wait(server);
        self.client.wait(client);
        Connected::default()
    }

    fn stop(&mut self) {
        for end in [&self.server, &self.client] {
            end.reactor().handle().stop().expect("the reactor runs");
        }
    }

    fn is_stopped(&self) -> bool {
        self.server.reactor().is_finished() && self.client.reactor().is_finished()
    }

    fn lacks(&self, needs: Needs) -> Option<&'static str> {
        (needs == Needs::Network)
            .then_some("a StringTransport is one connection, which stands when it is made")
    }

    fn activity(&self) -> u64 {
        [&self.server, &self.client].iter().map(|end| Ground::activity(&**end.reactor())).sum()
    }
}

impl Default for Strings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(transport) => transport.fmt(f),
            Self::Alone(test) | Self::Waiting(test, _) => test.fmt(f),
            Self::Opening => f.write_str("Opening"),
        }
    }
}
