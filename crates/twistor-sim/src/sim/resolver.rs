use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use twistor_reactor::kernel::{Resolver, Token};

use super::kernel::SimKernel;
use super::node::{ARRIVED, Lookup};
use super::timeline::Event;
use super::world::{World, error};
use crate::errno;
use crate::scripted::call::{Call, Outcome, Who};

/// The table of host names.
#[derive(Debug)]
pub(super) struct Names {
    table: BTreeMap<String, Says>,
    next: u64,
}

/// What a lookup of a name gives.
#[derive(Clone, Debug)]
pub(super) enum Says {
    Addresses(Vec<IpAddr>),
    Fails(io::ErrorKind),
    Nothing,
}

impl Default for Names {
    fn default() -> Self {
        let localhost = Says::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
        Self { table: BTreeMap::from([("localhost".to_owned(), localhost)]), next: 0 }
    }
}

impl Names {
    pub(super) fn set(&mut self, name: &str, says: Says) {
        self.table.insert(name.to_ascii_lowercase(), says);
    }

    pub(super) fn is_known(&self, name: &str) -> bool {
        self.table.contains_key(&name.to_ascii_lowercase())
    }

    /// What the table says; `None` is never.
    fn find(&self, name: &str) -> Option<io::Result<Vec<IpAddr>>> {
        if let Ok(address) = name.parse() {
            return Some(Ok(vec![address]));
        }
        match self.table.get(&name.to_ascii_lowercase()) {
            Some(Says::Addresses(addresses)) => Some(Ok(addresses.clone())),
            Some(Says::Fails(kind)) => Some(Err(io::Error::new(*kind, format!("lookup of `{name}` failed")))),
            Some(Says::Nothing) => None,
            None => {
                let text = format!("no host of the name `{name}` in this world");
                Some(Err(io::Error::new(io::ErrorKind::NotFound, text)))
            }
        }
    }
}

impl World {
    fn look_up(&mut self, id: u32, name: &str, token: Token) -> io::Result<()> {
        if self.nodes[id as usize].lookups.contains_key(&token) {
            return Err(error(errno::EEXIST));
        }
        let number = self.names.next;
        self.names.next += 1;
        let lookup = Lookup { id: number, name: name.to_owned(), since: self.now, answer: None };
        self.nodes[id as usize].lookups.insert(token, lookup);
        let host = self.nodes[id as usize].host;
        let fate = self.faults.on_lookup(host);
        let answer = if fate.fails {
            let text = format!("lookup of `{name}` failed");
            Some(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
        } else {
            self.names.find(name)
        };
        if let Some(answer) = answer {
            let delay = self.settings.lookup_time.saturating_add(fate.delay);
            self.plan(delay, Event::Lookup(id, number, answer));
        }
        Ok(())
    }

    /// The answer of a lookup is there, if anybody still waits.
    pub(super) fn answered(&mut self, id: u32, number: u64, answer: io::Result<Vec<IpAddr>>) {
        let lookups = &mut self.nodes[id as usize].lookups;
        let Some((token, lookup)) = lookups.iter_mut().find(|(_, lookup)| lookup.id == number) else {
            return;
        };
        lookup.answer = Some(answer);
        let token = *token;
        self.report(id, token, None, ARRIVED);
    }
}

/// What the faults make of a lookup.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LookupFate {
    pub(super) delay: Duration,
    pub(super) fails: bool,
}

impl Resolver for SimKernel {
    fn look_up(&self, host: &str, token: Token) -> io::Result<()> {
        self.in_world(|world, id| {
            world.call(
                id,
                Call::LookUp,
                Who::token(token),
                |()| Outcome::Done,
                |world, _| world.look_up(id, host, token),
            )
        })
    }

    fn answer(&self, token: Token) -> Option<io::Result<Vec<IpAddr>>> {
        self.in_world(|world, id| {
            let node = &mut world.nodes[id as usize];
            let answer = node.lookups.get_mut(&token)?.answer.take()?;
            node.lookups.remove(&token);
            node.ready.forget(token);
            Some(answer)
        })
    }

    fn cancel(&self, token: Token) {
        // The answer, if it is still on its way, finds nobody.
        self.in_world(|world, id| {
            let node = &mut world.nodes[id as usize];
            if node.lookups.remove(&token).is_some() {
                node.ready.forget(token);
            }
        });
    }
}
