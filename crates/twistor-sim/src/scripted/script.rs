//! The script: answers that calls get instead of the real one, in order.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use super::ScriptedKernel;
use super::call::{Call, Target, Who};
use crate::errno;

/// What a call answers instead of the truth.
///
/// A call that is answered so does nothing else: after an `Errno(ECONNRESET)` of a `Recv` the connection still stands as far as
/// its peer is concerned. For a real reset there is [`Peer::reset`](super::Peer::reset).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The truth: counts a call without changing it, so that a script can say "the third one fails".
    Pass,
    /// Nothing to do now. If the source is in fact ready, the next wait reports it again, so that a correct caller is not
    /// starved. A `ConnectProgress` answers that the handshake is still going on, a `Wait` returns at once with nothing.
    WouldBlock,
    /// The error of this number ([`errno`]). No event is promised; `EAGAIN` is [`WouldBlock`](Self::WouldBlock).
    Errno(i32),
    /// At most so many bytes (`Recv`, `Send`; zero counts as one) or connections (`Shed`). Nothing to other calls.
    Short(usize),
    /// As `WouldBlock`, and the next wait reports the source even if it is not ready: the caller is woken for nothing.
    Spurious,
}

impl Answer {
    /// What a wait answers, if not the truth.
    pub(super) fn as_wait(self) -> Option<io::Result<()>> {
        match self {
            Self::Pass | Self::Short(_) => None,
            Self::WouldBlock | Self::Spurious | Self::Errno(errno::EAGAIN) => Some(Ok(())),
            Self::Errno(code) => Some(Err(io::Error::from_raw_os_error(code))),
        }
    }
}

/// Rules of a script that were just installed, for saying more precisely what they are about.
///
/// Everything works at once; dropping this changes nothing. See [`ScriptedKernel::script`] for examples.
#[derive(Debug)]
pub struct Script {
    kernel: ScriptedKernel,
    /// The rules of this sentence; never empty. What is said is about the last one, or about all where it says so.
    rules: Vec<u64>,
}

impl Script {
    pub(super) fn new(kernel: ScriptedKernel, rule: u64) -> Self {
        Self { kernel, rules: vec![rule] }
    }

    /// Limits every rule of this sentence to calls on `target`.
    pub fn on(self, target: impl Into<Target>) -> Self {
        let target = target.into();
        self.kernel.world().script.edit(&self.rules, |rule| rule.target = target);
        self
    }

    /// The last answer is given `times` times instead of once; zero never gives it.
    pub fn times(self, times: usize) -> Self {
        self.kernel.world().script.edit(&self.rules[self.rules.len() - 1..], |rule| rule.left = Some(times));
        self
    }

    /// The last answer is given for ever.
    pub fn always(self) -> Self {
        self.kernel.world().script.edit(&self.rules[self.rules.len() - 1..], |rule| rule.left = None);
        self
    }

    /// After that, the same calls on the same target answer `answer`, once.
    pub fn then(mut self, answer: Answer) -> Self {
        let rule = self.kernel.world().script.follow(self.rules[0], answer);
        self.rules.push(rule);
        self
    }

    /// How many calls this sentence has answered so far.
    #[must_use]
    pub fn used(&self) -> usize {
        self.kernel.world().script.used(&self.rules)
    }

    /// Takes the rules back.
    pub fn remove(self) {
        self.kernel.world().script.remove(&self.rules);
    }

    /// Ties the rules to a guard, whose drop takes them back.
    #[must_use = "the rules are taken back when the guard is dropped"]
    pub fn guard(self) -> ScriptGuard {
        ScriptGuard { script: self }
    }
}

/// Takes its rules back when dropped. Made by [`Script::guard`].
#[derive(Debug)]
pub struct ScriptGuard {
    script: Script,
}

impl ScriptGuard {
    /// How many calls the rules have answered so far.
    #[must_use]
    pub fn used(&self) -> usize {
        self.script.used()
    }
}

impl Drop for ScriptGuard {
    fn drop(&mut self) {
        self.script.kernel.world().script.remove(&self.script.rules);
    }
}

/// All rules, in the order in which they were made: the first that fits a call answers it.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// How often each rule was used, spent ones included, and what it was about.
    used: BTreeMap<u64, (usize, Call, Target)>,
    next: u64,
}

#[derive(Debug)]
struct Rule {
    id: u64,
    call: Call,
    target: Target,
    answer: Answer,
    /// `None` is for ever.
    left: Option<usize>,
}

impl Rules {
    pub(super) fn add(&mut self, call: Call, target: Target, answer: Answer) -> u64 {
        let id = self.next;
        self.next += 1;
        self.rules.push(Rule { id, call, target, answer, left: Some(1) });
        self.used.insert(id, (0, call, target));
        id
    }

    /// The answer to this call, if a rule has one.
    pub(super) fn answer(&mut self, call: Call, who: &Who) -> Option<Answer> {
        let index = self
            .rules
            .iter()
            .position(|rule| rule.call == call && rule.left != Some(0) && who.is(rule.target))?;
        let rule = &mut self.rules[index];
        let (id, answer) = (rule.id, rule.answer);
        rule.left = rule.left.map(|left| left - 1);
        if rule.left == Some(0) {
            self.rules.remove(index);
        }
        if let Some((used, ..)) = self.used.get_mut(&id) {
            *used += 1;
        }
        Some(answer)
    }

    /// What was not used up yet, in words.
    pub(super) fn left(&self) -> Vec<String> {
        self.rules.iter().filter(|rule| rule.left.is_some()).map(ToString::to_string).collect()
    }

    fn edit(&mut self, ids: &[u64], change: impl Fn(&mut Rule)) {
        for rule in self.rules.iter_mut().filter(|rule| ids.contains(&rule.id)) {
            change(rule);
            if let Some((_, _, target)) = self.used.get_mut(&rule.id) {
                *target = rule.target;
            }
        }
    }

    /// A rule for the same calls as the one of this id, which may be spent.
    fn follow(&mut self, id: u64, answer: Answer) -> u64 {
        let (_, call, target) = self.used[&id];
        self.add(call, target, answer)
    }

    fn used(&self, ids: &[u64]) -> usize {
        ids.iter().filter_map(|id| self.used.get(id)).map(|(used, ..)| used).sum()
    }

    fn remove(&mut self, ids: &[u64]) {
        self.rules.retain(|rule| !ids.contains(&rule.id));
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} on {:?}: {:?}, {} left", self.call, self.target, self.answer, self.left.unwrap_or(0))
    }
}
