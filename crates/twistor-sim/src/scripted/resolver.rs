use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use twistor_reactor::kernel::{Resolver, Token};

use super::ScriptedKernel;
use super::call::{Call, Outcome, Who};
use super::timeline::Event;
use crate::edges::Edges;
use crate::errno;

/// The table of host names, and who asked.
#[derive(Debug)]
pub(super) struct Lookups {
    hosts: BTreeMap<String, Host>,
    asked: BTreeMap<Token, Lookup>,
    next: u64,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) delay: Duration,
    pub(super) says: HostSays,
}

#[derive(Debug)]
pub(super) enum HostSays {
    Addresses(Vec<IpAddr>),
    Fails(io::ErrorKind),
    Nothing,
}

#[derive(Debug)]
struct Lookup {
    id: u64,
    host: String,
    answer: Option<io::Result<Vec<IpAddr>>>,
}

impl Default for Lookups {
    fn default() -> Self {
        let localhost =
            Host { delay: Duration::ZERO, says: HostSays::Addresses(vec![Ipv4Addr::LOCALHOST.into()]) };
        Self { hosts: BTreeMap::from([("localhost".to_owned(), localhost)]), asked: BTreeMap::new(), next: 0 }
    }
}

impl Lookups {
    pub(super) fn set(&mut self, name: &str, host: Host) {
        self.hosts.insert(name.to_ascii_lowercase(), host);
    }

    /// The answer of lookup `id` is there. Gives the token it is announced under, if anybody still waits.
    pub(super) fn arrived(&mut self, id: u64, answer: io::Result<Vec<IpAddr>>) -> Option<Token> {
        let (token, lookup) = self.asked.iter_mut().find(|(_, lookup)| lookup.id == id)?;
        lookup.answer = Some(answer);
        Some(*token)
    }

    pub(super) fn describe(&self) -> impl Iterator<Item = String> + '_ {
        self.asked.iter().map(|(token, lookup)| {
            let state = if lookup.answer.is_some() { "answered" } else { "not answered" };
            format!("{token:?} lookup of `{}`, {state}", lookup.host)
        })
    }

    /// What the table says about `name`, and after how long; `None` is never.
    fn find(&self, name: &str) -> Option<(Duration, io::Result<Vec<IpAddr>>)> {
        if let Ok(address) = name.parse() {
            return Some((Duration::ZERO, Ok(vec![address])));
        }
        let Some(host) = self.hosts.get(&name.to_ascii_lowercase()) else {
            let text = format!("no host of the name `{name}`: it was not given to ScriptedKernel::host");
            return Some((Duration::ZERO, Err(io::Error::new(io::ErrorKind::NotFound, text))));
        };
        match &host.says {
            HostSays::Addresses(addresses) => Some((host.delay, Ok(addresses.clone()))),
            HostSays::Fails(kind) => {
                Some((host.delay, Err(io::Error::new(*kind, format!("lookup of `{name}` failed")))))
            }
            HostSays::Nothing => None,
        }
    }
}

impl Resolver for ScriptedKernel {
    fn look_up(&self, host: &str, token: Token) -> io::Result<()> {
        let mut world = self.world();
        world.call(
            Call::LookUp,
            Who::token(token),
            |()| Outcome::Done,
            |world, _| {
                if world.lookups.asked.contains_key(&token) {
                    return Err(io::Error::from_raw_os_error(errno::EEXIST));
                }
                let id = world.lookups.next;
                world.lookups.next += 1;
                world.lookups.asked.insert(token, Lookup { id, host: host.to_owned(), answer: None });
                if let Some((delay, answer)) = world.lookups.find(host) {
                    if let Some(at) = world.now.checked_add(delay) {
                        world.timeline.plan(at, Event::Lookup(id, answer));
                    }
                }
                Ok(())
            },
        )
    }

    fn answer(&self, token: Token) -> Option<io::Result<Vec<IpAddr>>> {
        let mut world = self.world();
        let answer = world.lookups.asked.get_mut(&token)?.answer.take()?;
        world.lookups.asked.remove(&token);
        world.ready.forget(token);
        Some(answer)
    }

    fn cancel(&self, token: Token) {
        let mut world = self.world();
        if let Some(lookup) = world.lookups.asked.remove(&token) {
            world.timeline.cancel_lookup(lookup.id);
            world.ready.forget(token);
        }
    }
}

/// What a lookup's answer shows as.
pub(super) const ANSWERED: Edges = Edges::READABLE;
