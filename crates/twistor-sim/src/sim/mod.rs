//! A world of hosts on a virtual network, in one thread and in virtual time, that repeats byte for byte.
//!
//! What a file here may know: `dice`, `waker`, `paths` and `timeline` know nothing of sockets; `conn` is what the network is
//! made of, and `network`, `handshake`, `delivery` and `power` what it does; `world` ties them together behind the one cell;
//! `kernel`, `socket`, `resolver`, `jobs` and `signals` are what reactors see of it; `fleet` owns the reactors, and `run`
//! chooses whose turn it is. No user code runs while the cell is borrowed. `picture` draws a trace, and knows nothing else.

mod chaos;
mod conn;
mod delivery;
mod dice;
mod divergence;
mod fault;
mod fleet;
mod handshake;
mod host;
mod jobs;
mod kernel;
mod link;
mod network;
mod node;
mod paths;
mod picture;
mod power;
mod report;
mod resolver;
mod rules;
mod run;
mod settings;
mod signals;
mod socket;
mod timeline;
mod timeline_svg;
mod trace;
mod trail;
mod waker;
mod world;

pub use self::chaos::Chaos;
pub use self::divergence::Divergence;
pub use self::fault::{Fault, FaultGuard, InstalledFault};
pub use self::host::Host;
pub use self::kernel::SimKernel;
pub use self::link::Link;
pub use self::report::Report;
pub use self::run::{RunOutcome, StallCause, Stalled};
pub use self::trace::{Happening, SocketId, Trace, TraceEvent};

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use twistor_reactor::{Moment, Reactor};

use self::conn::Machine;
use self::fleet::Fleet;
use self::kernel::Core;
use self::paths::later;
use self::resolver::Says;
use self::run::Limits;
use self::timeline::Event;
use self::world::number;

/// A world: hosts, each with reactors of its own, on a virtual network, under one virtual clock.
///
/// ```text
///        Sim::new(seed)                one clock, one seed, one trace
///   +--------------------------------------------------------------------+
///   |  Host "server" 10.0.0.1       Link             Host "client" 10.0.0.2
///   |  +-----------------+   latency, jitter,       +-----------------+  |
///   |  | Reactor         |   bandwidth, loss        | Reactor         |  |
///   |  |   your protocols|<========================>|   your protocols|  |
///   |  | SimKernel       |   partition, heal        | SimKernel       |  |
///   |  +-----------------+                          +-----------------+  |
///   |    crash, kill, restart     Fault, Chaos        names, signals     |
///   +--------------------------------------------------------------------+
/// ```
///
/// Everything over the kernel traits runs on it unchanged. [`run`](Self::run) lets the world go on: the reactor that has
/// something to do is turned, one after the other; when none has, the clock jumps to the next thing that is planned. Nothing
/// sleeps. A run that could never end ends all the same, with a [`Stalled`] that says who waits for what.
///
/// **The same seed and the same program give the same run**, event by event: [`trace_hash`](Self::trace_hash) says so in one
/// number.
///
/// It is a handle: clones are the same world. The world ends, and with it all of its reactors, with the last handle, those
/// in [`Host`]s and [`Link`]s included: a boot closure, a protocol or an action that never comes, if it keeps one, keeps the
/// world for ever.
///
/// # Examples
///
/// An echo server, a client, 5 ms between them, and a cable that is pulled for a second:
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use std::time::Duration;
/// use twistor_net::{for_protocol, Protocol, ReactorTcp, Transport};
/// use twistor_sim::Sim;
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
///
/// struct Ping(Rc<RefCell<Vec<Duration>>>);
/// impl Protocol for Ping {
///     fn connection_made(&mut self, transport: &Transport) {
///         transport.write(b"ping");
///     }
///     fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
///         let now = transport.reactor().now().as_nanos();
///         self.0.borrow_mut().push(Duration::from_nanos(now));
///         if now < 100_000_000 {
///             transport.write(b"ping");
///         } else {
///             transport.lose_connection();
///         }
///     }
/// }
///
/// let sim = Sim::new(42);
/// let (server, client) = (sim.host("server"), sim.host("client"));
/// sim.link(&server, &client).latency(Duration::from_millis(5));
/// server.start(|reactor| {
///     reactor.listen_tcp(("0.0.0.0", 7), for_protocol(|_| Echo)).unwrap();
/// });
/// let echoes = Rc::new(RefCell::new(Vec::new()));
/// let seen = Rc::clone(&echoes);
/// client.start(move |reactor| {
///     let seen = Rc::clone(&seen);
///     reactor.connect_tcp(("server", 7), for_protocol(move |_| Ping(Rc::clone(&seen))));
/// });
///
/// // After 33 ms nothing gets through, for a second.
/// let link = sim.link(&server, &client);
/// sim.at(Duration::from_millis(33), move |sim| {
///     link.partition();
///     sim.at(Duration::from_secs(1), move |_| link.heal());
/// });
/// assert!(sim.run().is_done());
/// // The handshake takes a round trip of 10 ms, and each echo another one.
/// let millis: Vec<u128> = echoes.borrow().iter().map(Duration::as_millis).collect();
/// assert_eq!(millis, [20, 30, 1_043]);
/// ```
#[derive(Clone)]
pub struct Sim {
    shared: Rc<Shared>,
}

struct Shared {
    core: Rc<Core>,
    fleet: Fleet,
    limits: Limits,
}

impl Sim {
    /// An empty world at the moment zero. Everything random in it comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let shared = Shared { core: Core::new(seed), fleet: Fleet::default(), limits: Limits::default() };
        Self { shared: Rc::new(shared) }
    }

    /// A reactor alone in a world of its own, to be run or turned by hand: over the loopback of its host, in virtual time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use twistor_sim::Sim;
    ///
    /// let mut reactor = Sim::solo(1);
    /// let handle = reactor.handle();
    /// reactor.call_later(Duration::from_secs(3600), move || handle.stop().unwrap());
    /// reactor.run().unwrap(); // at once
    /// assert_eq!(reactor.now().as_nanos(), 3_600_000_000_000);
    /// ```
    #[must_use]
    pub fn solo(seed: u64) -> Reactor {
        Self::new(seed).host("solo").build(Reactor::builder())
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.core().world().seed
    }

    /// The time since the world began.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.core().world().now
    }

    /// A new host, with power on, whose addresses are 10.0.0.1 and fd00::1 for the first one, then counted up. Lookups of
    /// `name` give them, the IPv4 one first: a client that is refused at the one tries the other.
    ///
    /// # Panics
    ///
    /// If there is a host or a name `name` already.
    #[must_use = "a host is started by its handle"]
    #[track_caller]
    pub fn host(&self, name: &str) -> Host {
        let place = u32::try_from(self.core().world().machines.len() + 1).expect("fewer than 2^24 hosts");
        let ipv4 = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + place);
        let ipv6 =
            Ipv6Addr::from_bits(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0).to_bits() + u128::from(place));
        self.host_with(name, [IpAddr::V4(ipv4), IpAddr::V6(ipv6)])
    }

    /// As [`host`](Self::host), with addresses of your choice; none at all leaves it its loopback.
    ///
    /// # Panics
    ///
    /// If there is a host or a name `name` already, or if another host has one of the addresses.
    #[must_use = "a host is started by its handle"]
    #[track_caller]
    pub fn host_with(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Host {
        let addresses: Vec<IpAddr> = addresses.into_iter().collect();
        let mut world = self.core().world();
        assert!(!world.names.is_known(name), "the name `{name}` is taken");
        let index = world.machines.len();
        for address in &addresses {
            let former = world.by_address.insert(*address, index);
            assert!(former.is_none(), "the address {address} is taken");
        }
        world.machines.push(Machine::new(name.to_owned(), addresses.clone()));
        world.trail.add_host(name);
        world.names.set(name, Says::Addresses(addresses));
        drop(world);
        Host::new(self.clone(), index)
    }

    /// The hosts, in the order in which they were made.
    #[must_use]
    pub fn hosts(&self) -> Vec<Host> {
        let count = self.core().world().machines.len();
        (0..count).map(|index| Host::new(self.clone(), index)).collect()
    }

    /// The way between two hosts; for one and the same, its loopback.
    #[must_use]
    pub fn link(&self, a: &Host, b: &Host) -> Link {
        Link::between(self.clone(), a.index(), b.index())
    }

    /// All ways between different hosts that were not described one by one. Default: 1 ms, no jitter, no limit of bandwidth,
    /// no loss.
    #[must_use]
    pub fn links(&self) -> Link {
        Link::default_of(self.clone())
    }

    /// Runs `action` when `delay` from now has passed. Actions of one moment run in the order in which they were planned,
    /// and before any reactor's turn of that moment; they may do anything with the world but [`run`](Self::run) it.
    pub fn at(&self, delay: Duration, action: impl FnOnce(&Self) + 'static) {
        self.core().world().plan(delay, Event::Action(Box::new(action)));
    }

    /// As [`at`](Self::at), at a random moment between `from` and `to` from now, both included, as the seed will have it.
    pub fn at_random(&self, from: Duration, to: Duration, action: impl FnOnce(&Self) + 'static) {
        let mut world = self.core().world();
        let delay = from.saturating_add(world.plan_dice.time(to.saturating_sub(from)));
        world.plan(delay, Event::Action(Box::new(action)));
    }

    /// Installs a rule of faults, behind those that there are. It stays until it is used up or removed; see [`InstalledFault`].
    pub fn fault(&self, fault: Fault) -> InstalledFault {
        let id = self.core().world().faults.add(fault);
        InstalledFault::new(self.clone(), id)
    }

    /// Installs [`Chaos::new`]`(level)`: everything goes wrong now and then, at zero never, at one all the time.
    pub fn chaos(&self, level: f64) {
        self.install(&Chaos::new(level));
    }

    /// Installs the rules of a mix, in order.
    pub fn install(&self, chaos: &Chaos) {
        let mut world = self.core().world();
        for fault in chaos.faults() {
            world.faults.add(fault.clone());
        }
    }

    /// The rules that are installed, in order, with what is left of them.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.core().world().faults.all()
    }

    /// Takes all rules back: from now on nothing goes wrong but what already did.
    pub fn clear_faults(&self) {
        self.core().world().faults.clear();
    }

    /// The hash over everything that happened so far: every answer of a kernel, every callback, every event of the network,
    /// with its moment. The same for the same seed and program, in debug and release builds and on every machine.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.core().world().trail.hash()
    }

    /// What happened so far: the latest events, 100,000 unless [`keep_trace`](Self::keep_trace) said otherwise, and the hash
    /// over all.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let world = self.core().world();
        Trace::new(world.seed, world.trail.hash(), world.trail.count(), world.trail.kept())
    }

    /// Keeps the latest `limit` events of the trace; zero keeps none. The hash covers all of them anyway.
    pub fn keep_trace(&self, limit: usize) {
        self.core().world().trail.keep(limit);
    }

    /// Who waits for what at this moment.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::of(self)
    }

    fn core(&self) -> &Rc<Core> {
        &self.shared.core
    }

    /// The clock goes on to `to`, never back.
    fn set_clock(&self, to: Moment) {
        let mut world = self.core().world();
        world.now = world.now.max(to);
    }

    fn moment_in(&self, time: Duration) -> Moment {
        later(self.now(), time)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.fleet.end();
        let events = self.core.world().timeline.take_all();
        for event in events.into_values() {
            twistor_deferred::drop_contained(event);
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Sim");
        if let Some(world) = self.shared.core.try_world() {
            out.field("seed", &world.seed)
                .field("now", &world.now)
                .field("hosts", &number(world.machines.len()))
                .field("reactors", &world.nodes.len())
                .field("planned", &world.timeline.len());
        }
        out.finish_non_exhaustive()
    }
}
