//! Clients that connect to a server, send and receive with back-pressure, end in some way, and connect again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connector, Factory, ListeningPort, Protocol,
    ReactorTcp, TcpClientOptions, Transport,
};
use twistor_reactor::ReactorHandle;
use twistor_reactor::sources::SourceHost;
use twistor_sim::{Chaos, Host, Trial};

use super::Dice;
use super::talker::{Ending, Life, Manner, Part, Talker};

/// What the network may do to a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing a user could notice: whoever is not cut off by the other end gets everything.
    Harmless,
    /// Connections are refused and reset, but what looks whole is whole.
    Resets,
    /// Somebody in between may end a stream in order before it is whole.
    Forged,
    /// As `Resets`, and once, at random, the server's machine loses power or its process is killed, and begins again at random.
    Crashes,
}

impl Weather {
    /// Whether a connection may be left whose other end is gone: who sends nothing is told by nobody.
    const fn leaves_ends(self) -> bool {
        matches!(self, Self::Forged | Self::Crashes)
    }
}

/// Both ends of the connection from a client's port, by client and server.
type Lives = Rc<RefCell<BTreeMap<u16, [Option<Rc<Life>>; 2]>>>;

/// What two ends do: the same at both, by the port of the client.
fn parts(seed: u64, port: u16) -> [Part; 2] {
    let mut dice = Dice::new(seed, u64::from(port) << 20);
    let story = dice.below(9);
    let mut part = |ending| {
        let manner = [Manner::Plain, Manner::Push, Manner::Pull, Manner::Timed][dice.below(4) as usize];
        let bits = if matches!(manner, Manner::Timed | Manner::Push) { 17 } else { 18 };
        let amount = dice.size(bits);
        let marks = dice.once_in(2).then(|| {
            let high = dice.size(16) as usize;
            (high, dice.below(high as u64 + 1) as usize)
        });
        let nap = if dice.once_in(2) { dice.below(8) } else { 0 };
        let early = if dice.once_in(2) { Ending::Abort } else { Ending::Close };
        // What is enough for it is little enough to come, mostly.
        let enough = (story >= 6 && dice.once_in(2)).then(|| (dice.size(14) + 1, early));
        Part { amount, manner, ending, enough, marks, nap }
    };
    match story {
        0..=2 => [part(Ending::HalfClose), part(Ending::HalfClose)],
        3 => [part(Ending::Close), part(Ending::Stay)],
        4 => [part(Ending::Stay), part(Ending::Close)],
        5 => [part(Ending::Abort), part(Ending::HalfClose)],
        6 => [part(Ending::Close), part(Ending::Close)],
        7 => [part(Ending::HalfClose), part(Ending::Close)],
        // The server closes when it has all of the client's, which no end of the input announces.
        _ => {
            let (client, server) = (part(Ending::Stay), part(Ending::Stay));
            let amount = client.amount.max(1);
            let server = Part { manner: Manner::Plain, enough: Some((amount, Ending::Close)), ..server };
            [Part { amount, enough: None, ..client }, server]
        }
    }
}

#[derive(Clone)]
struct Ends {
    seed: u64,
    server: bool,
    lives: Lives,
    /// How often it connects again.
    again: Rc<Cell<u32>>,
    delay: Duration,
}

/// A talker that is made when the port is known: at the client only `connection_made` tells.
struct Late {
    ends: Ends,
    talker: Option<Talker>,
}

impl Late {
    fn talker(&mut self) -> &mut Talker {
        self.talker.as_mut().expect("connection_made comes first")
    }
}

fn port(address: &Address) -> u16 {
    match address {
        Address::Tcp(address) => SocketAddr::port(address),
        other => panic!("not an address of TCP: {other}"),
    }
}

impl Protocol for Late {
    fn connection_made(&mut self, transport: &Transport) {
        assert!(self.talker.is_none(), "connection_made came twice");
        let server = self.ends.server;
        let port = port(&if server { transport.peer() } else { transport.host() });
        let life = Rc::new(Life::default());
        let mut lives = self.ends.lives.borrow_mut();
        let former = lives.entry(port).or_default()[usize::from(server)].replace(Rc::clone(&life));
        drop(lives);
        assert!(former.is_none(), "a port serves once");
        let [client_part, server_part] = parts(self.ends.seed, port);
        let keys = [u64::from(port) * 2, u64::from(port) * 2 + 1];
        let (part, keys) = if server { (server_part, [keys[1], keys[0]]) } else { (client_part, keys) };
        self.talker.insert(Talker::new(life, part, keys, self.ends.seed)).connection_made(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.talker().data_received(transport, data);
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        self.talker().read_connection_lost(transport);
    }

    fn write_connection_lost(&mut self, transport: &Transport) {
        self.talker().write_connection_lost(transport);
    }

    fn pause_writing(&mut self, transport: &Transport) {
        self.talker().pause_writing(transport);
    }

    fn resume_writing(&mut self, transport: &Transport) {
        self.talker().resume_writing(transport);
    }

    fn timeout_connection(&mut self, transport: &Transport) {
        self.talker().timeout_connection(transport);
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {
        self.talker().connection_lost(transport, reason);
    }
}

impl Factory for Ends {
    type Protocol = Late;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Late> {
        Some(Late { ends: self.clone(), talker: None })
    }

    fn noisy(&self) -> bool {
        false
    }
}

impl Ends {
    fn connect_again(&self, connector: &Connector) {
        let left = self.again.get();
        if left > 0 {
            self.again.set(left - 1);
            let later = connector.clone();
            connector.reactor().call_later(self.delay, move || later.connect().expect("it is free again"));
        }
    }
}

impl ClientFactory for Ends {
    fn client_connection_failed(&mut self, connector: &Connector, _reason: &ConnectError) {
        self.connect_again(connector);
    }

    fn client_connection_lost(&mut self, connector: &Connector, _reason: &CloseReason) {
        self.connect_again(connector);
    }
}

/// The scenario. Its scale is the number of clients.
pub(crate) fn transfer(trial: &Trial, weather: Weather) -> Result<(), String> {
    let mut dice = Dice::new(trial.seed(), 0);
    trial.limit_turns(400_000);
    trial.limit_steps_at_once(100_000);
    let (server, client) = (trial.host("server"), trial.host("client"));
    let line = trial.link(&server, &client);
    line.latency(Duration::from_micros(dice.size(15))).jitter(Duration::from_micros(dice.size(12)));
    line.segment_size(64 + dice.size(12) as usize);
    trial.set_buffers(1 + dice.size(16) as usize + 64, 1 + dice.size(16) as usize + 64);
    if weather != Weather::Harmless && dice.once_in(2) {
        line.loss(0.01);
    }
    let lives = Lives::default();
    let ends = Ends {
        seed: trial.seed(),
        server: true,
        lives: Rc::clone(&lives),
        again: Rc::default(),
        delay: Duration::from_millis(dice.below(300)),
    };
    let port: Rc<RefCell<Option<ListeningPort>>> = Rc::default();
    let (into, serving) = (Rc::clone(&port), ends.clone());
    server.start(move |reactor| {
        *into.borrow_mut() = Some(reactor.listen_tcp(("0.0.0.0", 80), serving.clone()).unwrap());
    });
    if weather == Weather::Crashes {
        plan_crash(trial, &server, Duration::from_millis(dice.size(12)), dice.once_in(2));
    }
    for _ in 0..trial.scale() {
        let again = Rc::new(Cell::new(dice.below(3) as u32));
        let ends = Ends { server: false, again, ..ends.clone() };
        client.reactor().connect_tcp_with(("server", 80), ends, TcpClientOptions::new());
    }
    if let Some(stalled) = trial.run().stalled() {
        return Err(stalled.to_string());
    }
    check_ends(&lives, weather).map_err(|what| format!("{what}\n{}", trial.report()))?;
    if weather.leaves_ends() {
        return Ok(());
    }
    if let Some(port) = port.take() {
        drop(port.stop_listening());
    }
    trial.run().expect_done();
    for host in [&server, &client] {
        check_nothing_left(&host.reactor())?;
        if host.descriptors() > 0 {
            return Err(format!(
                "{} has {} descriptors left\n{}",
                host.name(),
                host.descriptors(),
                trial.report()
            ));
        }
    }
    Ok(())
}

/// Within `within` the server ends, by its power or by its process, and begins again within ten seconds of that.
fn plan_crash(trial: &Trial, server: &Host, within: Duration, power: bool) {
    let server = server.clone();
    trial.at_random(Duration::ZERO, within, move |sim| {
        if power {
            server.crash()
        } else {
            server.kill()
        }
        sim.at_random(Duration::ZERO, Duration::from_secs(10), move |_| server.restart());
    });
}

/// What must be true of both ends when nothing can happen any more.
fn check_ends(lives: &Lives, weather: Weather) -> Result<(), String> {
    for (port, pair) in lives.borrow().iter() {
        for (at, life) in pair.iter().enumerate() {
            let Some(life) = life else { continue };
            let name = ["client", "server"][at];
            let wrong = |what: &str| Err(format!("the {name} of {port}: {what}: {life:?}"));
            if life.lost.borrow().is_none() {
                if weather.leaves_ends() {
                    continue; // The other end is gone, and nobody tells who sends nothing.
                }
                return wrong("its connection never ends");
            }
            if life.producing.get() || life.producer_paused.get() {
                return wrong("its producer was left behind");
            }
            let Some(peer) = &pair[1 - at] else { continue };
            if life.received.get() > peer.written.get() {
                return wrong("it received more than was sent");
            }
            let whole = life.received.get() == peer.written.get();
            // The kernel of a process that is killed closes in order what the process had not written to its end.
            let killed = matches!(*peer.lost.borrow(), Some(CloseReason::ReactorGone));
            if weather != Weather::Forged && !killed && life.saw_fin.get() && !whole {
                return wrong("the stream ended in order, and is not whole");
            }
        }
        if let ([Some(client), Some(server)], Weather::Harmless) = (pair, weather) {
            check_harmless(client, server)
                .map_err(|what| format!("the connection of {port}: {what}: {client:?}, {server:?}"))?;
        }
    }
    Ok(())
}

/// Nobody in between did anything: what was lost, an end must have thrown away.
fn check_harmless(client: &Life, server: &Life) -> Result<(), &'static str> {
    for (one, other) in [(client, server), (server, client)] {
        let gave_up = |life: &Life| life.aborted.get() || life.closed.get();
        let lost = |life: &Life| matches!(*life.lost.borrow(), Some(CloseReason::Lost(_)));
        let both = one.saw_fin.get() && one.told_write_lost.get();
        if !(gave_up(one) || gave_up(other) || both) {
            return Err("both closed their halves, and one of them was not told of both ends");
        }
        // Whoever only reads to the end gets everything from one that only closes in order.
        if other.closed.get() && !gave_up(one) && !one.saw_fin.get() && !lost(one) {
            return Err("one closed in order, the other was not told");
        }
        if lost(one) && !gave_up(other) {
            return Err("lost, and the other end did not give up");
        }
        if other.aborted.get() && !gave_up(one) && !one.saw_fin.get() && !lost(one) {
            return Err("one aborted, the other heard of an end in order");
        }
    }
    Ok(())
}

/// The listening port is closed: nothing is to be looked after.
fn check_nothing_left(reactor: &ReactorHandle) -> Result<(), String> {
    let calls = reactor.delayed_calls().len();
    if calls > 0 {
        return Err(format!("{calls} timed calls are left over"));
    }
    let left: Vec<String> =
        reactor.sources().into_iter().filter_map(|(_, source)| source.describe()).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("left over: {}", left.join("; "))) }
}

/// The faults of a weather.
pub(crate) fn mix(weather: Weather) -> Chaos {
    match weather {
        Weather::Harmless => Chaos::harmless(0.5),
        Weather::Resets | Weather::Crashes => {
            let all = Chaos::new(0.5);
            Chaos::of(all.faults().iter().filter(|fault| !fault.to_string().contains("is ended")).cloned())
        }
        Weather::Forged => Chaos::new(0.5),
    }
}
