//! The rules of a world, in their order, and what they make of calls, waits, lookups and connections.

use std::time::Duration;

use super::conn::Sabotage;
use super::dice::{Dice, Purpose};
use super::fault::{Does, Fault, Kind};
use super::resolver::LookupFate;
use crate::scripted::call::{Call, Who};

/// All rules, in the order in which they were installed.
#[derive(Debug)]
pub(super) struct Faults {
    seed: u64,
    next: u64,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    id: u64,
    fault: Fault,
    dice: Dice,
    used: u64,
}

/// What a rule makes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Short(usize),
    WouldBlock(Duration),
    Errno(i32),
}

/// What the rules make of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum ConnectFate {
    Refuse,
    Swallow,
    Sabotage(Sabotage),
}

/// What the rules make of a wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WaitFate {
    /// A random number that chooses the source.
    pub(super) spurious: Option<u64>,
    pub(super) wake: Option<Duration>,
}

impl Faults {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, next: 0, rules: Vec::new() }
    }

    pub(super) fn add(&mut self, fault: Fault) -> u64 {
        let id = self.next;
        self.next += 1;
        self.rules.push(Rule { id, fault, dice: Dice::new(self.seed, Purpose::Fault(id)), used: 0 });
        id
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.rules.retain(|rule| rule.id != id);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn all(&self) -> Vec<Fault> {
        self.rules.iter().map(|rule| rule.fault.clone()).collect()
    }

    pub(super) fn used(&self, id: u64) -> u64 {
        self.rules.iter().find(|rule| rule.id == id).map_or(0, |rule| rule.used)
    }

    pub(super) fn verdict(&mut self, call: Call, host: usize, who: &Who) -> Option<Verdict> {
        for rule in &mut self.rules {
            let Kind::Call(about, does) = rule.fault.kind else { continue };
            if about != call || !rule.fault.is_about(host, who) {
                continue;
            }
            if rule.strikes() {
                return Some(rule.judge(does));
            }
        }
        None
    }

    pub(super) fn on_wait(&mut self, host: usize) -> WaitFate {
        let mut fate = WaitFate::default();
        for rule in &mut self.rules {
            if !rule.fault.is_about(host, &Who::default()) {
                continue;
            }
            let kind = rule.fault.kind;
            match kind {
                Kind::Spurious if fate.spurious.is_none() && rule.strikes() => {
                    fate.spurious = Some(rule.dice.next());
                }
                Kind::EarlyWake(most) if fate.wake.is_none() && rule.strikes() => {
                    fate.wake = Some(rule.dice.time(most));
                }
                _ => {}
            }
        }
        fate
    }

    pub(super) fn on_lookup(&mut self, host: usize) -> LookupFate {
        let mut fate = LookupFate::default();
        for rule in &mut self.rules {
            if !rule.fault.is_about(host, &Who::default()) {
                continue;
            }
            let kind = rule.fault.kind;
            match kind {
                Kind::SlowLookup(most) if fate.delay.is_zero() && rule.strikes() => {
                    fate.delay = rule.dice.time(most)
                }
                Kind::FailedLookup if !fate.fails && rule.strikes() => fate.fails = true,
                _ => {}
            }
        }
        fate
    }

    pub(super) fn on_connect(&mut self, client: usize, server: usize, port: u16) -> Option<ConnectFate> {
        let who = Who { local: Some(port), listens: true, ..Who::default() };
        for rule in &mut self.rules {
            let fate = match rule.fault.kind {
                Kind::Refuse => ConnectFate::Refuse,
                Kind::Swallow => ConnectFate::Swallow,
                Kind::Cut { from, bytes, reset } => {
                    ConnectFate::Sabotage(Sabotage::At { from, left: bytes, reset })
                }
                _ => continue,
            };
            let from = rule.fault.client.is_none_or(|host| host == client);
            if from && rule.fault.is_about(server, &who) && rule.strikes() {
                return Some(fate);
            }
        }
        None
    }
}

impl Fault {
    fn is_about(&self, host: usize, who: &Who) -> bool {
        self.host.is_none_or(|only| only == host) && who.is(self.target)
    }
}

impl Rule {
    /// Whether it is used this time, and once less then.
    fn strikes(&mut self) -> bool {
        if self.fault.left == Some(0) || !self.dice.chance(self.fault.chance) {
            return false;
        }
        self.fault.left = self.fault.left.map(|left| left - 1);
        self.used += 1;
        true
    }

    fn judge(&mut self, does: Does) -> Verdict {
        /// The longest of a random length is two to this.
        const LARGEST: u64 = 12;
        match does {
            Does::Short => {
                let size = 1 << self.dice.below(LARGEST + 1);
                Verdict::Short(1 + self.dice.below(size) as usize)
            }
            Does::ShortTo(most) => Verdict::Short(most),
            Does::WouldBlock(most) => Verdict::WouldBlock(self.dice.time(most)),
            Does::Errno(code) => Verdict::Errno(code),
        }
    }
}
