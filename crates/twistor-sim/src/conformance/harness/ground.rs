use std::fmt;
use std::time::Duration;

use twistor_net::{Connector, ListeningPort, ReactorTcp};
use twistor_reactor::{Reactor, ReactorHandle, RunError};

use super::recorder::Recording;

/// What a case stands on: something that connects two ends, and turns them.
///
/// A [`Reactor`] is one, and a reactor over a kernel of your own is all that most users need. [`Strings`](super::Strings) is another: two
/// [`StringTransport`](crate::StringTransport)s. Implement it for what else you have that gives protocols a [`Transport`](twistor_net::Transport):
/// several reactors with a wire between them, say.
///
/// # Examples
///
/// A network of two hosts, with a millisecond between them. Every case runs over it that needs one connection and no more:
///
/// ```
/// use std::time::Duration;
/// use twistor_net::ReactorTcp;
/// use twistor_reactor::{ReactorHandle, RunError};
/// use twistor_sim::conformance::harness::{Connected, Ground, Needs, Recording};
/// use twistor_sim::{Host, Sim, conformance};
///
/// struct TwoHosts {
///     sim: Sim,
///     server: Host,
///     client: Host,
/// }
///
/// impl TwoHosts {
///     fn new() -> Self {
///         let sim = Sim::new(1);
///         let (server, client) = (sim.host("server"), sim.host("client"));
///         sim.link(&server, &client).latency(Duration::from_millis(1));
///         Self { sim, server, client }
///     }
/// }
///
/// impl Ground for TwoHosts {
///     fn reactor(&self) -> ReactorHandle {
///         self.server.reactor()
///     }
///     fn start(&mut self) {} // The world starts its reactors.
///     fn turn(&mut self, longest: Duration) -> Result<(), RunError> {
///         self.sim.run_for(longest.min(Duration::from_millis(1))).expect_done();
///         Ok(())
///     }
///     fn connect(&mut self, server: Recording, client: Recording) -> Connected {
///         let port = self.server.reactor().listen_tcp(("0.0.0.0", 0), server).unwrap();
///         let connector = self.client.reactor().connect_tcp(("server", port.host().port()), client);
///         Connected { port: Some(port), connector: Some(connector) }
///     }
///     fn stop(&mut self) {
///         self.server.reactor().stop().unwrap();
///         self.client.reactor().stop().unwrap();
///     }
///     fn is_stopped(&self) -> bool {
///         !self.server.reactor().is_running() && !self.client.reactor().is_running()
///     }
///     fn lacks(&self, needs: Needs) -> Option<&'static str> {
///         (needs == Needs::Network).then_some("each end has a reactor of its own")
///     }
/// }
///
/// conformance::case("half_01_the_default_flushes_and_closes", TwoHosts::new);
/// assert!(conformance::left_out(TwoHosts::new).iter().all(|(name, _)| !name.starts_with("half_")));
/// ```
pub trait Ground: 'static {
    /// The reactor of the end that is accepted, whose clock is the case's. After [`start`](Self::start).
    fn reactor(&self) -> ReactorHandle;

    /// Called once, before everything else.
    fn start(&mut self);

    /// One turn of everything, which sleeps `longest` at most. Nobody's callbacks are called but in here.
    ///
    /// # Errors
    ///
    /// If it cannot go on. The case fails.
    fn turn(&mut self, longest: Duration) -> Result<(), RunError>;

    /// Begins to connect `client` to `server`. Asked once, or as often as it [has](Self::lacks) a network; calls nothing.
    fn connect(&mut self, server: Recording, client: Recording) -> Connected;

    /// Asks every reactor to stop.
    fn stop(&mut self);

    /// Whether every reactor has stopped.
    fn is_stopped(&self) -> bool;

    /// Why it cannot give a case what it needs, which is then left out. `None`: it can.
    fn lacks(&self, needs: Needs) -> Option<&'static str> {
        let _ = needs;
        None
    }

    /// A number that grows whenever something happens: by it a case finds out that nothing does any more.
    fn activity(&self) -> u64 {
        let stats = self.reactor().stats();
        stats.events + stats.notifications + stats.bytes_received
    }
}

/// What is left in the case's hands of two ends that were [connected](Ground::connect).
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a ground makes it, and these are the two things there are")]
pub struct Connected {
    /// Where the server's end is accepted. A ground with a network has it.
    pub port: Option<ListeningPort>,
    /// What the client's end connects with. A ground with a network has it.
    pub connector: Option<Connector>,
}

/// What a case needs of its [`Ground`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// One connection, with both ends in the case's hands.
    Connection,
    /// The reactor's own network: ports and connectors of the case's own, that reach each other over `127.0.0.1`, and `localhost` as a name.
    Network,
}

/// Makes the ground of a case: a function without arguments.
pub trait MakeGround {
    /// A new one.
    fn make(&self) -> Box<dyn Ground>;
}

impl<F: Fn() -> G, G: Ground> MakeGround for F {
    fn make(&self) -> Box<dyn Ground> {
        Box::new(self())
    }
}

/// One reactor, with both ends on it.
impl Ground for Reactor {
    fn reactor(&self) -> ReactorHandle {
        self.handle()
    }

    fn start(&mut self) {
        Self::start(self).expect("a new reactor can be started");
    }

    fn turn(&mut self, longest: Duration) -> Result<(), RunError> {
        self.iterate(Some(longest))
    }

    fn connect(&mut self, server: Recording, client: Recording) -> Connected {
        let port = self.listen_tcp(("127.0.0.1", 0), server).expect("the loopback can be listened on");
        let connector = self.connect_tcp(("127.0.0.1", port.host().port()), client);
        Connected { port: Some(port), connector: Some(connector) }
    }

    fn stop(&mut self) {
        self.handle().stop().expect("the reactor runs");
    }

    fn is_stopped(&self) -> bool {
        self.is_finished()
    }
}

impl fmt::Debug for dyn Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ground").field(&self.reactor()).finish()
    }
}
