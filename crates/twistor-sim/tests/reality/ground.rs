//! Where a scenario plays, and what its ends were told there.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{
    CloseReason, ConnectError, Connector, ListeningPort, ReactorTcp, TcpClientOptions, TcpServerOptions,
};
use twistor_reactor::kernel::Kernel;
use twistor_reactor::{Reactor, ReactorHandle};
use twistor_sim::conformance::harness::{End, Event, Runner, Side};
use twistor_sim::{Host, Sim};

/// A network for one scenario, with the ends that live on it.
pub(crate) struct Ground {
    name: String,
    stage: Stage,
    ends: Vec<(String, End)>,
    ports: Vec<ListeningPort>,
    connectors: Vec<Connector>,
}

enum Stage {
    /// One reactor for both sides, over its loopback, turned by hand.
    One(Box<Runner>),
    /// A host for each side, turned by the world.
    Two { sim: Sim, server: Host, client: Host },
}

/// How long nothing has to happen in a world for its end: longer than any way there and back.
const QUIET: Duration = Duration::from_millis(500);

impl Ground {
    /// TCP over the loopback of this machine.
    pub(crate) fn real() -> Self {
        Self::one("loopback TCP", &|| Reactor::builder().handle_signals(false).build().unwrap())
    }

    /// One host of a world, over its loopback.
    pub(crate) fn solo() -> Self {
        Self::one("one host", &|| Sim::solo(1))
    }

    /// Two hosts of a world.
    pub(crate) fn two(latency: Duration) -> Self {
        let sim = Sim::new(1);
        sim.limit_time(Duration::from_secs(120));
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client).latency(latency);
        Self::on(&format!("two hosts, {latency:?}"), Stage::Two { sim, server, client })
    }

    fn one(name: &str, make: &dyn Fn() -> Reactor) -> Self {
        Self::on(name, Stage::One(Box::new(Runner::new(&make))))
    }

    fn on(name: &str, stage: Stage) -> Self {
        Self { name: name.to_owned(), stage, ends: Vec::new(), ports: Vec::new(), connectors: Vec::new() }
    }

    pub(crate) fn is_real(&self) -> bool {
        self.name == "loopback TCP"
    }

    /// The reactor of the side that listens.
    pub(crate) fn server(&self) -> ReactorHandle {
        match &self.stage {
            Stage::One(runner) => runner.reactor().clone(),
            Stage::Two { server, .. } => server.reactor(),
        }
    }

    /// The reactor of the side that connects.
    pub(crate) fn client(&self) -> ReactorHandle {
        match &self.stage {
            Stage::One(runner) => runner.reactor().clone(),
            Stage::Two { client, .. } => client.reactor(),
        }
    }

    pub(crate) fn server_kernel(&self) -> Rc<dyn Kernel> {
        self.server().kernel().expect("the reactor is there")
    }

    pub(crate) fn client_kernel(&self) -> Rc<dyn Kernel> {
        self.client().kernel().expect("the reactor is there")
    }

    /// The port that was made as the so-manieth.
    pub(crate) fn port(&self, place: usize) -> ListeningPort {
        self.ports[place].clone()
    }

    /// Nothing gets through any more.
    pub(crate) fn cut(&self) {
        match &self.stage {
            Stage::One(_) => panic!("a loopback cannot be cut"),
            Stage::Two { sim, server, client } => sim.link(server, client).partition(),
        }
    }

    /// Where the server's side can be connected to.
    pub(crate) fn address(&self) -> IpAddr {
        match &self.stage {
            Stage::One(_) => [127, 0, 0, 1].into(),
            Stage::Two { server, .. } => server.address(),
        }
    }

    pub(crate) fn listen(&mut self, side: Side) -> (ListeningPort, End) {
        let address = SocketAddr::new(self.address(), 0);
        let (end, factory) = match &mut self.stage {
            Stage::One(runner) => runner.end("server", side),
            Stage::Two { .. } => side.recording("server"),
        };
        let port = self.server().listen_tcp_with(address, factory, TcpServerOptions::new()).unwrap();
        self.ends.push(("server".to_owned(), end.clone()));
        self.ports.push(port.clone());
        (port, end)
    }

    pub(crate) fn connect(&mut self, port: u16, side: Side) -> (Connector, End) {
        self.connect_with(port, side, TcpClientOptions::new())
    }

    pub(crate) fn connect_with(
        &mut self,
        port: u16,
        side: Side,
        options: TcpClientOptions,
    ) -> (Connector, End) {
        let address = SocketAddr::new(self.address(), port);
        let (end, factory) = match &mut self.stage {
            Stage::One(runner) => runner.end("client", side),
            Stage::Two { .. } => side.recording("client"),
        };
        let connector = self.client().connect_tcp_with(address, factory, options);
        self.ends.push((format!("client {}", self.connectors.len() + 1), end.clone()));
        self.connectors.push(connector.clone());
        (connector, end)
    }

    /// A server and a client of it, before anything has happened.
    pub(crate) fn begin(&mut self, server: Side, client: Side) -> (End, End) {
        let (port, server) = self.listen(server);
        let (_, client) = self.connect(port.host().port(), client);
        (server, client)
    }

    /// A server and a client of it, once both are connected.
    pub(crate) fn open(&mut self, server: Side, client: Side) -> (End, End) {
        let (server, client) = self.begin(server, client);
        let both = [server.clone(), client.clone()];
        self.until("both connected", || both.iter().all(|end| end.saw(&Event::Made)));
        (server, client)
    }

    /// Lets things happen until `done`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, done: impl FnMut() -> bool) {
        match &mut self.stage {
            Stage::One(runner) => runner.until(what, done),
            Stage::Two { sim, .. } => {
                let outcome = sim.run_until(done);
                assert!(outcome.is_done(), "in vain for {what}: {}", outcome.stalled().expect("not done"));
            }
        }
    }

    /// Lets things happen until all of these have lost their connections.
    #[track_caller]
    pub(crate) fn until_over(&mut self, ends: &[&End]) {
        self.until("the end of all", || ends.iter().all(|end| end.is_over()));
    }

    /// Lets things happen until `end` was told `event`.
    #[track_caller]
    pub(crate) fn until_saw(&mut self, end: &End, event: &Event) {
        self.until("an event", || end.saw(event));
    }

    /// Lets things happen until nothing does any more.
    pub(crate) fn settle(&mut self) {
        match &mut self.stage {
            Stage::One(runner) => runner.settle(),
            Stage::Two { sim, .. } => sim.run_for(QUIET).expect_done(),
        }
    }

    /// What all ends were told when the scenario is over.
    #[track_caller]
    pub(crate) fn play(mut self, scenario: &dyn Fn(&mut Self)) -> Log {
        scenario(&mut self);
        self.settle();
        for (name, end) in &self.ends {
            assert_eq!(end.misorder(), None, "{name} on {}", self.name);
        }
        let mut ends: Vec<_> = self.ends.iter().map(|(name, end)| (name.clone(), lines_of(end))).collect();
        let ports = self.ports.iter().map(|port| format!("{:?}, {} left", port.state(), port.connections()));
        ends.push(("ports".to_owned(), ports.collect()));
        let connectors = self.connectors.iter().map(|connector| format!("{:?}", connector.state()));
        ends.push(("connectors".to_owned(), connectors.collect()));
        Log { ground: self.name.clone(), ends }
    }
}

/// What an end was told, then why, in the words that the user is given.
fn lines_of(end: &End) -> Vec<String> {
    let mut lines: Vec<String> = end.events().iter().map(|event| format!("{event:?}")).collect();
    let reason = |told: Option<CloseReason>| told.map(|reason| reason.to_string());
    lines.extend(reason(end.reason()).map(|text| format!("protocol: {text}")));
    lines.extend(reason(end.factory_reason()).map(|text| format!("factory: {text}")));
    lines.extend(end.connect_error().map(|error| format!("connector: {}", text_of(&error))));
    lines.push(format!("{} protocols dropped", end.drops()));
    lines
}

/// A failed attempt without its address, which is another one everywhere.
fn text_of(error: &ConnectError) -> String {
    let text = error.to_string();
    text.split(' ').filter(|word| !word.contains(':') || word.ends_with(':')).collect::<Vec<_>>().join(" ")
}

/// What every end of a scenario was told on one ground.
#[derive(Debug)]
pub(crate) struct Log {
    ground: String,
    ends: Vec<(String, Vec<String>)>,
}

impl Log {
    /// What the end of this name was told.
    #[track_caller]
    pub(crate) fn of(&self, name: &str) -> Vec<&str> {
        let found = self.ends.iter().find(|(other, _)| other == name);
        let (_, lines) = found.unwrap_or_else(|| panic!("no `{name}` in {self:?}"));
        lines.iter().map(String::as_str).collect()
    }

    /// Checks that an end was told something of this kind.
    #[track_caller]
    pub(crate) fn expect(&self, name: &str, line: &str) {
        let lines = self.of(name);
        assert!(lines.contains(&line), "no `{line}` at {name} over {}: {lines:#?}", self.ground);
    }

    /// Both logs side by side if they differ; each line that differs is marked.
    pub(crate) fn differences(&self, other: &Self) -> Option<String> {
        if self.ends == other.ends {
            return None;
        }
        let mut text = format!("{:<60}   {}\n", self.ground, other.ground);
        for (place, (name, lines)) in self.ends.iter().enumerate() {
            let others = other.ends.get(place).map_or(&[][..], |(_, lines)| lines);
            let _ = writeln!(text, "-- {name}");
            for at in 0..lines.len().max(others.len()) {
                let [left, right] = [lines, others].map(|lines| lines.get(at).map_or("", String::as_str));
                let mark = if left == right { ' ' } else { '!' };
                let _ = writeln!(text, "{left:<60} {mark} {right}");
            }
        }
        Some(text)
    }
}
