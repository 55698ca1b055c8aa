//! What the suites share: a reactor with a limit on its patience, and a protocol that remembers everything it hears.

#![allow(dead_code, unreachable_pub, reason = "every suite takes what it needs")]

pub mod lines;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{CloseReason, Connection, ListeningPort, Protocol, ReactorTcp, Transport, for_protocol};
use twistor_reactor::Reactor;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Begins the text of every panic that a test makes on purpose.
pub const INJECTED: &str = "injected";

/// Keeps panics that are made on purpose off standard error.
pub fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>().copied().map(str::to_owned);
            let text = text.or_else(|| info.payload().downcast_ref::<String>().cloned());
            if !text.is_some_and(|text| text.starts_with(INJECTED)) {
                usual(info);
            }
        }));
    });
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a protocol heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Made,
    Data(Vec<u8>),
    ReadLost,
    WriteLost,
    Pause,
    Resume,
    Lost(String),
}

type Handler = Box<dyn FnMut(&Heard, &Transport)>;

/// A protocol that writes down what it hears, and then does what it was told to do at that.
pub struct Probe {
    log: Rc<RefCell<Vec<Heard>>>,
    handler: Handler,
    /// Whether it goes on after the peer's FIN.
    keeps_half: bool,
    place: Rc<RefCell<Option<Connection<Self>>>>,
}

/// The other end of a [`Probe`]: what it heard, and its connection.
#[derive(Clone)]
pub struct Side {
    log: Rc<RefCell<Vec<Heard>>>,
    connection: Rc<RefCell<Option<Connection<Probe>>>>,
}

impl Side {
    pub fn connection(&self) -> Connection<Probe> {
        self.connection.borrow().clone().expect("the connection was made")
    }

    pub fn transport(&self) -> Transport {
        self.connection().transport()
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.log.borrow().clone()
    }

    /// All data so far, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let log = self.log.borrow();
        let data =
            log.iter().filter_map(|heard| if let Heard::Data(data) = heard { Some(&data[..]) } else { None });
        data.collect::<Vec<_>>().concat()
    }

    pub fn has(&self, what: &Heard) -> bool {
        self.log.borrow().contains(what)
    }

    /// Why the connection was lost, if it was.
    pub fn lost(&self) -> Option<String> {
        self.log
            .borrow()
            .iter()
            .find_map(|heard| if let Heard::Lost(why) = heard { Some(why.clone()) } else { None })
    }

    pub fn is_lost(&self) -> bool {
        self.lost().is_some()
    }
}

impl Probe {
    pub fn new(handler: impl FnMut(&Heard, &Transport) + 'static) -> (Self, Side) {
        let log = Rc::new(RefCell::new(Vec::new()));
        let place = Rc::default();
        let side = Side { log: Rc::clone(&log), connection: Rc::clone(&place) };
        (Self { log, handler: Box::new(handler), keeps_half: false, place }, side)
    }

    /// Goes on after the peer's FIN.
    pub fn keep_half(mut self) -> Self {
        self.keeps_half = true;
        self
    }

    fn hear(&mut self, what: Heard, transport: &Transport) {
        self.log.borrow_mut().push(what.clone());
        (self.handler)(&what, transport);
    }
}

impl Protocol for Probe {
    fn connection_made(&mut self, transport: &Transport) {
        *self.place.borrow_mut() = Some(transport.connection());
        self.hear(Heard::Made, transport);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.hear(Heard::Data(data.to_vec()), transport);
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.hear(Heard::ReadLost, transport);
        if !self.keeps_half {
            transport.lose_connection();
        }
    }
    fn write_connection_lost(&mut self, transport: &Transport) {
        self.hear(Heard::WriteLost, transport);
    }
    fn pause_writing(&mut self, transport: &Transport) {
        self.hear(Heard::Pause, transport);
    }
    fn resume_writing(&mut self, transport: &Transport) {
        self.hear(Heard::Resume, transport);
    }
    fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {
        self.hear(Heard::Lost(format!("{reason:?}")), transport);
    }
}

/// Drives the reactor by hand until `done`; fails if that takes too long.
pub fn drive(reactor: &mut Reactor, what: &str, mut done: impl FnMut() -> bool) {
    reactor.start().expect("a reactor that was not stopped");
    let begin = reactor.now();
    while !done() {
        let spent = reactor.now().saturating_duration_since(begin);
        assert!(spent < PATIENCE, "{what} did not happen in {PATIENCE:?}");
        reactor.iterate(Some(ms(5))).expect("the poller works");
    }
}

/// Drives the reactor for a while.
pub fn drive_for(reactor: &mut Reactor, time: Duration) {
    let end = reactor.now().checked_add(time).expect("a short time");
    let reached = reactor.handle();
    drive(reactor, "a short time", || reached.now() >= end);
}

/// A server and a client, connected over the loopback.
pub struct Pair {
    pub reactor: Reactor,
    pub port: ListeningPort,
    pub server: Side,
    pub client: Side,
}

/// Connects two probes.
pub fn pair(server: (Probe, Side), client: (Probe, Side)) -> Pair {
    quiet();
    let mut reactor = Reactor::builder().handle_signals(false).build().expect("a poller");
    let (server_probe, server) = server;
    let (client_probe, client) = client;
    let mut probe = Some(server_probe);
    let factory = for_protocol(move |_| probe.take().expect("one client"));
    let port = reactor.listen_tcp(("127.0.0.1", 0), factory).expect("a free port");
    let made = reactor.connect_protocol(("127.0.0.1", port.host().port()), client_probe);
    drop(made); // Detached, not cancelled.
    drive(&mut reactor, "the connection", || {
        server.connection.borrow().is_some() && client.connection.borrow().is_some()
    });
    Pair { reactor, port, server, client }
}

/// The descriptors that the process has open.
pub fn open_descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("Linux shows them");
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let mut links: Vec<_> =
        links.map(|link| link.display().to_string()).filter(|link| !link.ends_with("/fd")).collect();
    links.sort();
    links
}

/// Waits until as many descriptors are open as in `before`: threads that end let go of theirs a little later.
#[track_caller]
pub fn assert_descriptors(before: &[String]) {
    for _ in 0..200_000 {
        if open_descriptors().len() == before.len() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("descriptors before: {before:#?}\nand after: {:#?}", open_descriptors());
}
