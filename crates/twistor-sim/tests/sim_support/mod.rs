//! Ends of connections that write down what they are told, with the moment.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connector, Destination, Factory, Protocol, ReactorTcp,
    TcpClientOptions, TcpServerOptions, Transport,
};
use twistor_reactor::ReactorHandle;
use twistor_sim::{Host, Sim};

/// What was told, in order.
#[derive(Clone, Default)]
pub(crate) struct Diary(Rc<RefCell<Vec<(Duration, String)>>>);

impl Diary {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn note(&self, reactor: &ReactorHandle, text: String) {
        self.0.borrow_mut().push((Duration::from_nanos(reactor.now().as_nanos()), text));
    }

    /// The texts.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.borrow().iter().map(|(_, text)| text.clone()).collect()
    }

    /// Whether `text` was told.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.0.borrow().iter().any(|(_, other)| other == text)
    }

    /// When `text` was told first.
    #[track_caller]
    pub(crate) fn at(&self, text: &str) -> Duration {
        let found = self.0.borrow().iter().find(|(_, other)| other == text).map(|(at, _)| *at);
        found.unwrap_or_else(|| panic!("no `{text}` in {:?}", self.texts()))
    }

    /// When anything was told that begins with `text`.
    pub(crate) fn times(&self, text: &str) -> Vec<Duration> {
        self.0.borrow().iter().filter(|(_, other)| other.starts_with(text)).map(|(at, _)| *at).collect()
    }

    /// How many bytes `name` got.
    pub(crate) fn bytes(&self, name: &str) -> usize {
        let prefix = format!("{name} got ");
        let all = self.0.borrow();
        all.iter().filter_map(|(_, text)| text.strip_prefix(&prefix)?.parse::<usize>().ok()).sum()
    }

    /// Which bytes: how often each.
    pub(crate) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

type Made = Rc<dyn Fn(&Transport)>;
type Got = Rc<dyn Fn(&Transport, &[u8])>;

/// A side of connections.
#[derive(Clone)]
pub(crate) struct Side {
    name: &'static str,
    diary: Diary,
    made: Made,
    got: Got,
    half: bool,
}

impl Side {
    pub(crate) fn new(name: &'static str, diary: &Diary) -> Self {
        Self { name, diary: diary.clone(), made: Rc::new(|_| ()), got: Rc::new(|_, _| ()), half: false }
    }

    pub(crate) fn made(mut self, made: impl Fn(&Transport) + 'static) -> Self {
        self.made = Rc::new(made);
        self
    }

    pub(crate) fn got(mut self, got: impl Fn(&Transport, &[u8]) + 'static) -> Self {
        self.got = Rc::new(got);
        self
    }

    /// Sends back what it gets.
    pub(crate) fn echo(self) -> Self {
        self.got(|transport, data| {
            transport.write(data);
        })
    }

    /// Sends `bytes` when connected.
    pub(crate) fn says(self, bytes: Vec<u8>) -> Self {
        self.made(move |transport| {
            transport.write(&bytes);
        })
    }

    /// Does not close when the peer's direction ends.
    pub(crate) fn stays(mut self) -> Self {
        self.half = true;
        self
    }

    /// Listens on every address of `host`, and again after each restart.
    pub(crate) fn listens(self, host: &Host, port: u16) {
        self.listens_with(host, port, TcpServerOptions::new());
    }

    pub(crate) fn listens_with(self, host: &Host, port: u16, options: TcpServerOptions) {
        host.start(move |reactor| {
            reactor.listen_tcp_with(("0.0.0.0", port), self.clone(), options.clone()).unwrap();
        });
    }

    /// Connects from `host`, without a time limit of the library's; once.
    pub(crate) fn connects(self, host: &Host, to: impl Into<Destination>) -> Connector {
        host.reactor().connect_tcp_with(to, self, TcpClientOptions::new().timeout(None))
    }
}

pub(crate) struct End(Side);

impl Protocol for End {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.note(transport.reactor(), "made");
        (self.0.made)(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.note(transport.reactor(), &format!("got {}", data.len()));
        (self.0.got)(transport, data);
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        self.0.note(transport.reactor(), "read end");
        if !self.0.half {
            transport.lose_connection();
        }
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {
        let how = match reason {
            CloseReason::Done => "done".to_owned(),
            CloseReason::Lost(error) => format!("{:?}", error.kind()),
            CloseReason::Aborted => "aborted".to_owned(),
            CloseReason::ReactorGone => "reactor gone".to_owned(),
            other => other.to_string(),
        };
        self.0.note(transport.reactor(), &format!("lost {how}"));
    }
}

impl Side {
    fn note(&self, reactor: &ReactorHandle, what: &str) {
        self.diary.note(reactor, format!("{} {what}", self.name));
    }
}

impl Factory for Side {
    type Protocol = End;

    fn build_protocol(&mut self, _peer: &Address) -> Option<End> {
        Some(End(self.clone()))
    }

    fn noisy(&self) -> bool {
        false
    }
}

impl ClientFactory for Side {
    fn client_connection_failed(&mut self, connector: &Connector, reason: &ConnectError) {
        let how = match reason {
            ConnectError::Refused(_) => "refused",
            ConnectError::NoRoute(_) => "no route",
            ConnectError::TcpTimedOut(_) => "timed out",
            ConnectError::Lookup { .. } => "lookup",
            ConnectError::Bind { .. } => "bind",
            _ => "otherwise",
        };
        self.note(connector.reactor(), &format!("failed {how}"));
    }
}

/// A server and a client with `latency` between them, and their world.
pub(crate) struct Two {
    pub(crate) sim: Sim,
    pub(crate) server: Host,
    pub(crate) client: Host,
    pub(crate) diary: Diary,
}

impl Two {
    pub(crate) fn new(latency: Duration) -> Self {
        let sim = Sim::new(1);
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client).latency(latency);
        Self { sim, server, client, diary: Diary::new() }
    }

    pub(crate) fn server_side(&self) -> Side {
        Side::new("server", &self.diary)
    }

    pub(crate) fn client_side(&self) -> Side {
        Side::new("client", &self.diary)
    }

    /// Both connected, with these sides, the server on port 80.
    #[track_caller]
    pub(crate) fn connect(&self, server: Side, client: Side) {
        server.listens(&self.server, 80);
        client.connects(&self.client, ("server", 80));
        let diary = self.diary.clone();
        self.sim.run_until(|| diary.has("server made") && diary.has("client made")).expect_done();
    }
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
