//! Hosts, servers, the network between them, and what befalls them.

use std::time::Duration;

use bytes::Bytes;
use poetry_client::PoemAddress;
use poetry_proxy::{PoemCache, ProxyFactory};
use poetry_server::{FastPoetry, Pace, SlowPoetry};
use poetry_transform::TransformService;
use twistor::prelude::*;
use twistor::sim::{Host, Sim};

/// The ports of the servers, each on the host of its name.
pub(crate) const FAST: u16 = 10_001;
pub(crate) const SLOW: u16 = 10_002;
pub(crate) const PROXY: u16 = 10_000;
pub(crate) const TRANSFORM: u16 = 11_000;

/// Where the clients are, in turn.
pub(crate) const READERS: usize = 4;

/// What the servers serve.
#[derive(Clone)]
pub(crate) struct Poems {
    pub(crate) fast: Bytes,
    pub(crate) slow: Bytes,
}

impl Poems {
    pub(crate) const fn new() -> Self {
        Self {
            fast: Bytes::from_static(include_bytes!("../../poems/ode-to-the-west-wind.txt")),
            slow: Bytes::from_static(include_bytes!("../../poems/the-tyger.txt")),
        }
    }
}

/// The world, without its clients. What befalls it is spread over `time`.
pub(crate) fn build(sim: &Sim, poems: &Poems, chaos: f64, time: Duration) {
    sim.chaos(chaos);
    sim.links().latency(Duration::from_millis(20)).jitter(Duration::from_millis(15)).loss(0.1 * chaos);
    let servers = start_servers(sim, poems);
    let readers: Vec<Host> = (1..=READERS).map(|number| sim.host(&format!("readers-{number}"))).collect();
    // The slow server is far away, too.
    for host in &readers {
        sim.link(&servers.slow, host).latency(Duration::from_millis(90)).jitter(Duration::from_millis(40));
    }
    if chaos > 0.0 {
        plan_disasters(sim, &servers, &readers, time);
    }
}

struct Servers {
    fast: Host,
    slow: Host,
    proxy: Host,
}

/// The boots are called again when their hosts start anew.
fn start_servers(sim: &Sim, poems: &Poems) -> Servers {
    let options = TcpServerOptions::new().backlog(1_024);
    let (fast, slow) = (sim.host("fast"), sim.host("slow"));
    let (proxy, transform) = (sim.host("proxy"), sim.host("transform"));

    let (poem, at) = (poems.fast.clone(), options.clone());
    fast.start(move |reactor| listen(reactor, FAST, FastPoetry::new(poem.clone()), &at));
    let (poem, at) = (poems.slow.clone(), options.clone());
    let pace = Pace { num_bytes: 60, delay: Duration::from_millis(400) };
    slow.start(move |reactor| listen(reactor, SLOW, SlowPoetry::new(poem.clone(), pace), &at));
    let at = options.clone();
    proxy.start(move |reactor| {
        let cache = PoemCache::new(reactor, PoemAddress::new("slow", SLOW));
        listen(reactor, PROXY, ProxyFactory::new(cache), &at);
    });
    transform.start(move |reactor| listen(reactor, TRANSFORM, TransformService, &options));
    Servers { fast, slow, proxy }
}

/// A host that starts anew has its ports to itself, and its kernel no reason to refuse one.
fn listen<F: Factory>(reactor: &ReactorHandle, port: u16, factory: F, options: &TcpServerOptions) {
    reactor.listen_tcp_with(("0.0.0.0", port), factory, options.clone()).expect("a port of its own");
}

/// Cables are pulled, power fails, a process dies, each at a moment of its own.
fn plan_disasters(sim: &Sim, servers: &Servers, readers: &[Host], time: Duration) {
    let part = move |percent: u32| time / 100 * percent;
    let cable = sim.link(&servers.slow, &readers[0]);
    sim.at_random(part(5), part(15), move |sim| {
        cable.partition();
        sim.at(part(6), move |_| cable.heal());
    });
    let fast = servers.fast.clone();
    sim.at_random(part(20), part(30), move |sim| {
        fast.crash();
        sim.at(part(4), move |_| fast.restart());
    });
    let (one_way, from) = (sim.link(&servers.fast, &readers[1]), servers.fast.clone());
    sim.at_random(part(35), part(45), move |sim| {
        one_way.partition_from(&from);
        sim.at(part(5), move |_| one_way.heal());
    });
    let proxy = servers.proxy.clone();
    sim.at_random(part(48), part(58), move |sim| {
        proxy.kill();
        sim.at(part(2), move |_| proxy.restart());
    });
}
