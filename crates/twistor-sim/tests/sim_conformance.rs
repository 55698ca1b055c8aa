//! The conformance suite over the simulated network, in a world with one host.

use std::time::Duration;

use twistor_reactor::Reactor;
use twistor_sim::{Chaos, Fault, Sim, conformance, transport_conformance};

transport_conformance!(sim, || Sim::solo(1));

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
