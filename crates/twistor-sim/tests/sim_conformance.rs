//! The conformance suite over the simulated network, in a world with one host.

use std::time::Duration;

use twistor_net::ReactorTcp;
use twistor_reactor::{Reactor, ReactorHandle, RunError};
use twistor_sim::conformance::harness::{Connected, Ground, Needs, Recording};
use twistor_sim::{Chaos, Fault, Host, Sim, conformance, transport_conformance};

transport_conformance!(sim, || Sim::solo(1));
transport_conformance!(two_hosts, TwoHosts::new);

/// Two hosts of a world, with a network between them, which the world turns.
struct TwoHosts {
    sim: Sim,
    server: Host,
    client: Host,
}

impl TwoHosts {
    fn new() -> Self {
        let sim = Sim::new(4);
        let (server, client) = (sim.host("server"), sim.host("client"));
        sim.link(&server, &client).latency(Duration::from_millis(2)).jitter(Duration::from_millis(1));
        Self { sim, server, client }
    }

    fn reactors(&self) -> [ReactorHandle; 2] {
        [self.server.reactor(), self.client.reactor()]
    }
}

impl Ground for TwoHosts {
    fn reactor(&self) -> ReactorHandle {
        self.server.reactor()
    }

    fn start(&mut self) {
        self.server.start(|_| ());
        self.client.start(|_| ());
    }

    fn turn(&mut self, longest: Duration) -> Result<(), RunError> {
        self.sim.run_for(longest.min(Duration::from_millis(1))).expect_done();
        Ok(())
    }

    fn connect(&mut self, server: Recording, client: Recording) -> Connected {
        let port = self.server.reactor().listen_tcp(("0.0.0.0", 0), server).unwrap();
        let connector = self.client.reactor().connect_tcp(("server", port.host().port()), client);
        Connected { port: Some(port), connector: Some(connector) }
    }

    fn stop(&mut self) {
        for reactor in self.reactors() {
            reactor.stop().unwrap();
        }
    }

    fn is_stopped(&self) -> bool {
        self.reactors().iter().all(|reactor| !reactor.is_running())
    }

    fn lacks(&self, needs: Needs) -> Option<&'static str> {
        (needs == Needs::Network).then_some("each end has a reactor of its own")
    }
}

/// All cases in one, over small buffers, so that everything happens in little pieces.
#[test]
fn test_13_small_buffers_change_nothing() {
    conformance::transport(|| {
        let sim = Sim::new(2);
        sim.set_buffers(20_000, 30_000);
        sim.host("solo").build(Reactor::builder())
    });
}

/// A loopback that takes its time, within what the cases take for quiet.
#[test]
fn test_13_latency_changes_nothing() {
    conformance::transport(|| {
        let sim = Sim::new(3);
        let host = sim.host("solo");
        sim.link(&host, &host).latency(Duration::from_millis(1)).jitter(Duration::from_micros(500));
        host.build(Reactor::builder())
    });
}

/// Short reads, interruptions, false readiness, shortages: what users of transports must not see.
#[test]
fn test_13_harmless_chaos_changes_nothing() {
    for seed in 0..3 {
        conformance::transport(|| {
            let sim = Sim::new(seed);
            sim.install(&Chaos::harmless(0.2));
            sim.host("solo").build(Reactor::builder())
        });
    }
}

/// The suite is not deaf: over a network that breaks connections it says so.
#[test]
fn test_13_harmful_faults_are_found() {
    let why = twistor_deferred::contain(|| {
        conformance::transport(|| {
            let sim = Sim::new(1);
            sim.fault(Fault::reset_after(0));
            sim.host("solo").build(Reactor::builder())
        });
    })
    .expect_err("no data arrives");
    assert!(why.contains("tcp_27_a_second_lose_connection_is_nothing: "), "{why}");
    assert!(!why.contains("tcp_14_listening_binds_at_once"), "what sends nothing is well");
}
