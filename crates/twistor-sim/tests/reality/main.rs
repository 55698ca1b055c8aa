//! The simulated network against reality: the same program over loopback TCP and over the network of a world, one scenario after
//! another. Protocols, factories and connectors must be told the same in the same order, with the same reasons.
//!
//! Each scenario plays over TCP, on one host of a world, and on two hosts with and without latency. What is compared is the log of
//! each end: which of two ends hears first is the network's to decide. The error texts are compared as well: those of the simulated
//! network are the system's own.

mod closing;
mod flowing;
mod ground;
mod opening;

use std::time::Duration;

use twistor_deferred::contain;
use twistor_sim::conformance::harness::Side;

use self::ground::{Ground, Log};

/// Plays the scenario on every ground and compares. Gives the log of reality.
#[track_caller]
pub(crate) fn compare(scenario: impl Fn(&mut Ground)) -> Log {
    let real = Ground::real().play(&scenario);
    let others = [Ground::solo(), Ground::two(Duration::ZERO), Ground::two(Duration::from_millis(20))];
    for ground in others {
        if let Some(text) = real.differences(&ground.play(&scenario)) {
            panic!("the simulated network is not like reality:\n{text}");
        }
    }
    real
}

/// The comparison is not deaf: it sees a scenario that does something else on one ground, and shows both logs.
#[test]
fn a_difference_shows_side_by_side() {
    let why = contain(|| {
        compare(|ground| {
            let (server, client) = ground.open(Side::new(), Side::new());
            if ground.is_real() {
                server.transport().lose_connection();
            } else {
                server.transport().abort_connection();
            }
            ground.until_over(&[&server, &client]);
        });
    })
    .expect_err("one closes in order, the other does not");
    let has = |left: &str, mark: char, right: &str| {
        let line = format!("{left:<60} {mark} {right}");
        assert!(why.contains(&line), "no `{line}` in\n{why}");
    };
    has("Made", ' ', "Made");
    has("Lost(Done)", '!', "Lost(Aborted)");
    has("ReadLost", '!', "Lost(Lost)");
    assert!(why.contains("loopback TCP"), "{why}");
}
