use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;

use twistor_reactor::Moment;
use twistor_reactor::kernel::Job;

use super::ScriptedKernel;

/// Something that happens later.
pub(super) enum Event {
    /// What a test wants done.
    Action(Box<dyn FnOnce(&ScriptedKernel)>),
    /// The first segment of this socket's handshake arrives.
    Arrival(u64),
    /// The lookup of this number gets its answer.
    Lookup(u64, io::Result<Vec<IpAddr>>),
    /// A job has had its time.
    Job(Job),
}

/// What is to happen, by time, and at one time in the order in which it was planned.
#[derive(Default)]
pub(super) struct Timeline {
    next: u64,
    events: BTreeMap<(Moment, u64), Event>,
}

impl Timeline {
    pub(super) fn plan(&mut self, at: Moment, event: Event) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    /// When the next event is due.
    pub(super) fn next_at(&self) -> Option<Moment> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    /// A mark that is older than everything planned from now on.
    pub(super) const fn mark(&self) -> u64 {
        self.next
    }

    /// Takes the next event that is due at `now` and was planned before `mark`.
    pub(super) fn take_due(&mut self, now: Moment, mark: u64) -> Option<Event> {
        let key = self.events.range(..=(now, u64::MAX)).map(|(key, _)| *key).find(|(_, seq)| *seq < mark)?;
        self.events.remove(&key)
    }

    /// Forgets the answer of lookup `id`.
    pub(super) fn cancel_lookup(&mut self, id: u64) {
        self.events.retain(|_, event| !matches!(event, Event::Lookup(lookup, _) if *lookup == id));
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.events.keys()).finish()
    }
}
