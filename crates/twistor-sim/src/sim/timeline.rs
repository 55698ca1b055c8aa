use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;

use twistor_reactor::Moment;
use twistor_reactor::kernel::Job;

use super::Sim;
use super::conn::Side;
use crate::edges::Edges;

/// Something of the world's that happens later.
pub(super) enum Event {
    /// What a test wants done.
    Action(Box<dyn FnOnce(&Sim)>),
    /// A job of this reactor has had its time.
    Job(u32, Job),
    /// The first segment of this connection is at the server's machine.
    Syn(u64),
    /// The first segment of this connection was not answered, for the so-manieth time.
    SynUnanswered(u64, u32),
    /// The answer "nobody listens" is back at the client.
    Refusal(u64),
    /// The network says that there is no such machine.
    NoRoute(u64),
    /// The server of this connection has waited long enough for the end of the handshake.
    HalfOpenExpired(u64),
    /// What this end sent is at the other one.
    Arrival(u64, Side),
    /// What this end sent could not be delivered for too long.
    GiveUp(u64, Side),
    /// The lookup of this number on this reactor gets its answer.
    Lookup(u32, u64, io::Result<Vec<IpAddr>>),
    /// A fault hid that this source is ready.
    Owed(u64, Edges),
    /// A fault wakes this reactor for nothing.
    Wake(u32),
}

/// The place of an event, for taking it back.
pub(super) type Key = (Moment, u64);

/// What is to happen, by time, and at one time in the order in which it was planned.
#[derive(Default)]
pub(super) struct Timeline {
    next: u64,
    events: BTreeMap<Key, Event>,
}

impl Timeline {
    pub(super) fn plan(&mut self, at: Moment, event: Event) -> Key {
        let key = (at, self.next);
        self.next += 1;
        self.events.insert(key, event);
        key
    }

    /// Takes an event back, if it has not happened.
    pub(super) fn cancel(&mut self, key: Option<Key>) -> Option<Event> {
        self.events.remove(&key?)
    }

    /// When the next event is due.
    pub(super) fn next_at(&self) -> Option<Moment> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next event that is due at `now`.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Event> {
        let entry = self.events.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Takes everything, for dropping it where that does no harm.
    pub(super) fn take_all(&mut self) -> BTreeMap<Key, Event> {
        std::mem::take(&mut self.events)
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
