//! The clients: what each of them does, and what is expected of its poem.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poetry_client::{PoemAddress, get_poetry};
use poetry_transform::{Transform, transform};
use twistor::prelude::*;
use twistor::sim::Sim;

use crate::tally::{Kind, Tally};
use crate::world::{FAST, PROXY, Poems, READERS, SLOW, TRANSFORM};

/// What all clients share.
struct Errand {
    poems: Poems,
    changed: Bytes,
    tally: Tally,
    /// How long a client waits for its poem.
    patience: Duration,
}

/// Has `clients` clients begin at random moments within `spread`, by turns on the hosts of the readers and by turns of each kind.
pub(crate) fn send_out(
    sim: &Sim,
    poems: &Poems,
    tally: &Tally,
    clients: usize,
    spread: Duration,
    patience: Duration,
) {
    let changed = Transform::Cummings.apply(poems.fast.to_vec()).expect("our poems are text");
    let errand =
        Rc::new(Errand { poems: poems.clone(), changed: changed.into(), tally: tally.clone(), patience });
    let hosts: Vec<_> = sim.hosts().into_iter().filter(|host| host.name().starts_with("readers")).collect();
    for number in 0..clients {
        let (host, errand) = (hosts[number % READERS].clone(), Rc::clone(&errand));
        // There are four hosts and five kinds, so that every kind comes to be on every host.
        let kind = Kind::ALL[number % Kind::ALL.len()];
        sim.at_random(Duration::ZERO, spread, move |_| {
            errand.begin(&host.reactor(), kind);
        });
    }
}

impl Errand {
    fn begin(&self, reactor: &ReactorHandle, kind: Kind) {
        let from = |host: &str, port: u16| get_poetry(reactor, &PoemAddress::new(host, port));
        let (poem, original) = match kind {
            Kind::Fast => (from("fast", FAST), &self.poems.fast),
            Kind::Slow => (from("slow", SLOW), &self.poems.slow),
            Kind::Proxy => (from("proxy", PROXY), &self.poems.slow),
            Kind::Changed => {
                let handle = reactor.clone();
                let changed = from("fast", FAST)
                    .add_callback(move |poem| transform(&handle, ("transform", TRANSFORM), "cummings", poem));
                (changed, &self.changed)
            }
            Kind::Hasty => (cancelled_after(from("slow", SLOW), reactor, HASTE), &self.poems.slow),
        };
        let (tally, original) = (self.tally.clone(), original.clone());
        poem.add_timeout(self.patience, reactor)
            .add_both(move |result| tally.ended_with(kind, result, &original));
    }
}

/// How long the hasty wait: about as long as the poem takes if nothing goes wrong.
const HASTE: Duration = Duration::from_secs(6);

/// Has `poem` cancelled if it takes too long, as `poetry-8-cancel` does it.
fn cancelled_after(
    poem: Deferred<Vec<u8>>,
    reactor: &ReactorHandle,
    patience: Duration,
) -> Deferred<Vec<u8>> {
    let canceller = poem.canceller();
    reactor.call_later(patience, move || canceller.cancel()); // Does nothing to a poem that has come.
    poem
}
