use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{
    ClientFactory, Connector, Destination, ListeningPort, ReactorTcp, Shared, TcpClientOptions,
    TcpServerOptions,
};
use twistor_reactor::{Moment, ReactorHandle};

use super::end::End;
use super::ground::{Connected, Ground, MakeGround};
use super::recorder::{Recorder, Recording};
use super::side::Side;
use super::watch::Watch;

/// A [`Ground`], turned by hand and within limits, and the ends that live on it.
pub struct Runner {
    /// `None` after [`drop_reactor`](Self::drop_reactor).
    ground: Option<Box<dyn Ground>>,
    handle: ReactorHandle,
    watch: Rc<Watch>,
    ends: Vec<End>,
    limit: Duration,
}

/// The longest sleep of one turn.
const STEP: Duration = Duration::from_millis(50);
/// How long nothing has to happen for a case to be sure that nothing does: a few round trips over a loopback.
const QUIET: Duration = Duration::from_millis(15);
/// How long a case waits for one thing, on the reactor's clock.
const LIMIT: Duration = Duration::from_secs(20);
/// How many turns a case waits for one thing: a loop that spins without sleeping is found by it where time is virtual.
const TURNS: usize = 20_000;

impl Runner {
    /// Makes a ground, which is a reactor as a rule, and starts it.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_reactor::Reactor;
    /// use twistor_sim::ScriptedKernel;
    /// use twistor_sim::conformance::harness::{Event, Runner, Side};
    ///
    /// let mut runner = Runner::new(&|| Reactor::builder().build_with(ScriptedKernel::new()));
    /// let (port, server) = runner.listen(Side::echo());
    /// let (_, client) = runner.connect(("127.0.0.1", port.host().port()), Side::new());
    /// runner.until("the connection", || client.saw(&Event::Made));
    /// client.transport().write(b"hello");
    /// runner.until("the echo", || client.received() == b"hello");
    /// assert!(server.saw(&Event::Data(5)));
    /// ```
    #[must_use]
    pub fn new(make: &dyn MakeGround) -> Self {
        let mut ground = make.make();
        ground.start();
        let handle = ground.reactor();
        Self { ground: Some(ground), handle, watch: Rc::default(), ends: Vec::new(), limit: LIMIT }
    }

    /// Sets how long [`until`](Self::until) waits, on the reactor's clock. Default 20 s.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The handle of the reactor; of the server's, if each end has its own.
    #[must_use]
    pub const fn reactor(&self) -> &ReactorHandle {
        &self.handle
    }

    /// An end for a side, whose factory the case puts to use itself.
    pub fn end(&mut self, name: &'static str, side: Side) -> (End, Recording) {
        let end = End::new(name, Rc::clone(&self.watch));
        self.ends.push(end.clone());
        let recording = Recording::new(end.clone(), side.into_hooks());
        (end, recording)
    }

    /// An end for a side, as a protocol without a factory.
    pub fn protocol(&mut self, name: &'static str, side: Side) -> (End, Recorder) {
        let end = End::new(name, Rc::clone(&self.watch));
        self.ends.push(end.clone());
        let recorder = Recorder::new(end.clone(), side.into_hooks());
        (end, recorder)
    }

    /// An end whose factory serves several ports and connectors.
    pub fn shared(&mut self, name: &'static str, side: Side) -> (End, Shared<Recording>) {
        let (end, recording) = self.end(name, side);
        (end, Shared::new(recording))
    }

    /// Begins to connect two ends.
    pub(super) fn join(&mut self, server: Side, client: Side) -> (Connected, End, End) {
        let (server, accepting) = self.end("server", server);
        let (client, connecting) = self.end("client", client);
        let ground = self.ground.as_mut().expect("the reactor is still there");
        (ground.connect(accepting, connecting), server, client)
    }

    /// Listens on a free port of the loopback.
    ///
    /// # Panics
    ///
    /// If that is not possible.
    #[track_caller]
    pub fn listen(&mut self, side: Side) -> (ListeningPort, End) {
        self.listen_with(side, TcpServerOptions::new())
    }

    /// As [`listen`](Self::listen), with options.
    ///
    /// # Panics
    ///
    /// If that is not possible.
    #[track_caller]
    pub fn listen_with(&mut self, side: Side, options: TcpServerOptions) -> (ListeningPort, End) {
        let (end, recording) = self.end("server", side);
        let port = self.handle.listen_tcp_with(("127.0.0.1", 0), recording, options);
        (port.expect("the loopback can be listened on"), end)
    }

    /// Connects.
    pub fn connect(&mut self, to: impl Into<Destination>, side: Side) -> (Connector, End) {
        self.connect_with(to, side, TcpClientOptions::new())
    }

    /// As [`connect`](Self::connect), with options.
    pub fn connect_with(
        &mut self,
        to: impl Into<Destination>,
        side: Side,
        options: TcpClientOptions,
    ) -> (Connector, End) {
        let (end, recording) = self.end("client", side);
        (self.connect_factory(to, recording, options), end)
    }

    /// Connects with a factory of the case's own.
    pub fn connect_factory(
        &mut self,
        to: impl Into<Destination>,
        factory: impl ClientFactory,
        options: TcpClientOptions,
    ) -> Connector {
        self.handle.connect_tcp_with(to, factory, options)
    }

    /// A port of the loopback that nobody listens on.
    #[must_use]
    #[track_caller]
    pub fn nobody(&mut self) -> u16 {
        let (port, _end) = self.listen(Side::new());
        let number = port.host().port();
        drop(port.stop_listening());
        self.turn();
        number
    }

    /// One turn, which sleeps a little at most.
    ///
    /// # Panics
    ///
    /// If the kernel cannot wait.
    #[track_caller]
    pub fn turn(&mut self) {
        self.turn_for(STEP);
    }

    /// One turn that sleeps `longest` at most.
    ///
    /// # Panics
    ///
    /// If the kernel cannot wait.
    #[track_caller]
    pub fn turn_for(&mut self, longest: Duration) {
        if let Some(ground) = &mut self.ground {
            let turned = self.watch.looping(|| ground.turn(longest));
            turned.unwrap_or_else(|error| panic!("the reactor cannot go on: {error}"));
        }
    }

    /// Turns until `done`, which is asked before each turn.
    ///
    /// # Panics
    ///
    /// If that takes too long, with everything that the ends have seen.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        let begin = self.now();
        for turns in 0.. {
            if done() {
                return;
            }
            let waited = self.now().saturating_duration_since(begin);
            if waited > self.limit || turns > TURNS {
                panic!("waited {waited:?} and {turns} turns for `{what}`, in vain{self}");
            }
            self.turn();
        }
    }

    /// Turns for `time`, on the reactor's clock.
    ///
    /// # Panics
    ///
    /// If the loop spins: more turns than any case needs.
    #[track_caller]
    pub fn pass(&mut self, time: Duration) {
        let begin = self.now();
        for turns in 0.. {
            let passed = self.now().saturating_duration_since(begin);
            if passed >= time {
                return;
            }
            assert!(turns < TURNS, "the loop does not sleep: {turns} turns in {passed:?}{self}");
            self.turn_for((time - passed).min(STEP));
        }
    }

    /// Turns until nothing happens any more.
    ///
    /// # Panics
    ///
    /// If things go on happening.
    #[track_caller]
    pub fn settle(&mut self) {
        let mut before = self.activity();
        for _ in 0..1_000 {
            self.pass(QUIET);
            let now = self.activity();
            if now == before {
                return;
            }
            before = now;
        }
        panic!("things go on happening{self}");
    }

    fn activity(&self) -> u64 {
        self.ground.as_ref().map_or(0, |ground| ground.activity())
    }

    /// The reactor's time.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.handle.now()
    }

    /// Drops the reactor, with everything on it.
    pub fn drop_reactor(&mut self) {
        let ground = self.ground.take();
        self.watch.looping(|| drop(ground));
    }

    /// Asks the reactor to stop, and turns until it has.
    ///
    /// # Panics
    ///
    /// If it does not run, or does not stop.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(ground) = &mut self.ground {
            ground.stop();
        }
        for _ in 0..TURNS {
            if self.ground.as_ref().is_none_or(|ground| ground.is_stopped()) {
                return;
            }
            self.turn();
        }
        panic!("the reactor did not stop{self}");
    }

    /// What is wrong with the order of what was told, if anything is.
    #[must_use]
    pub fn misorder(&self) -> Option<String> {
        let violations = self.watch.violations();
        if !violations.is_empty() {
            return Some(violations.join("; "));
        }
        self.ends.iter().find_map(End::misorder)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.drop_reactor();
        if std::thread::panicking() {
            return;
        }
        if let Some(wrong) = self.misorder() {
            panic!("{wrong}{self}");
        }
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for end in &self.ends {
            write!(f, "\n  {end:?}")?;
        }
        write!(f, "\n  {:?} at {:?}", self.handle.stats(), self.now())
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("ground", &self.ground)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}
