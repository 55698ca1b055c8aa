//! What came of the poems.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;

use poetry_client::clock;
use twistor::prelude::*;
use twistor::sim::Sim;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Fast,
    Slow,
    Proxy,
    Changed,
    Hasty,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Fast, Self::Slow, Self::Proxy, Self::Changed, Self::Hasty];

    const fn label(self) -> &'static str {
        match self {
            Self::Fast => "fast-poetry",
            Self::Slow => "slow-poetry",
            Self::Proxy => "poetry-proxy",
            Self::Changed => "fast-poetry, then transform-server",
            Self::Hasty => "slow-poetry, cancelled after 6 s",
        }
    }
}

/// The counts. A clone is another handle of the same.
#[derive(Clone)]
pub(crate) struct Tally {
    counts: Rc<RefCell<Counts>>,
}

struct Counts {
    clients: usize,
    ended: usize,
    /// Poems that are no beginning of the original, or longer.
    wrong: usize,
    bytes: u64,
    whole: BTreeMap<Kind, usize>,
    began: BTreeMap<Kind, usize>,
    reasons: BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn new(clients: usize) -> Self {
        let counts = Counts {
            clients,
            ended: 0,
            wrong: 0,
            bytes: 0,
            whole: BTreeMap::new(),
            began: BTreeMap::new(),
            reasons: BTreeMap::new(),
        };
        Self { counts: Rc::new(RefCell::new(counts)) }
    }

    /// How many clients have their poem, or know that they will not get it.
    pub(crate) fn ended(&self) -> usize {
        self.counts.borrow().ended
    }

    /// A client is done.
    pub(crate) fn ended_with(&self, kind: Kind, result: Result<Vec<u8>, Failure>, original: &[u8]) {
        let mut counts = self.counts.borrow_mut();
        counts.ended += 1;
        *counts.began.entry(kind).or_default() += 1;
        match result {
            Ok(poem) if poem == original => {
                counts.bytes += poem.len() as u64;
                *counts.whole.entry(kind).or_default() += 1;
            }
            Ok(poem) if original.starts_with(&poem) => {
                counts.fail("cut short in order: poetry has no length, only the original tells".to_owned());
            }
            Ok(_) => counts.wrong += 1,
            Err(failure) => counts.fail(failure.to_string()),
        }
    }

    /// Whether every poem is whole or failed with a reason.
    pub(crate) fn is_accounted_for(&self) -> bool {
        let counts = self.counts.borrow();
        counts.ended == counts.clients && counts.wrong == 0
    }

    /// Prints the tables, and the hash of what happened on the last line.
    pub(crate) fn print(&self, sim: &Sim) -> io::Result<()> {
        let counts = self.counts.borrow();
        let mut out = io::stdout().lock();
        writeln!(out, "{:>7} {:>7}  poems from", "whole", "failed")?;
        for kind in Kind::ALL {
            let (whole, began) = (of(&counts.whole, kind), of(&counts.began, kind));
            writeln!(out, "{whole:>7} {:>7}  {}", began - whole, kind.label())?;
        }
        if !counts.reasons.is_empty() {
            writeln!(out, "\n{:>7}  reasons", "poems")?;
            let mut reasons: Vec<_> = counts.reasons.iter().collect();
            reasons.sort_by_key(|(reason, count)| (usize::MAX - **count, *reason));
            for (reason, count) in reasons {
                writeln!(out, "{count:>7}  {reason}")?;
            }
        }
        if counts.wrong > 0 {
            writeln!(out, "\n{:>7}  are not what was sent", counts.wrong)?;
        }
        if counts.ended < counts.clients {
            writeln!(out, "\n{:>7}  have no result", counts.clients - counts.ended)?;
        }
        let whole: usize = counts.whole.values().sum();
        let time = std::time::Duration::from_nanos(sim.now().as_nanos());
        writeln!(
            out,
            "\nseed {}: {whole} of {} poems whole, {} bytes, in {} of virtual time",
            sim.seed(),
            counts.clients,
            counts.bytes,
            clock(time)
        )?;
        writeln!(out, "trace {:016x}", sim.trace_hash())?;
        out.flush()
    }
}

impl Counts {
    fn fail(&mut self, reason: String) {
        *self.reasons.entry(reason).or_default() += 1;
    }
}

fn of(counts: &BTreeMap<Kind, usize>, kind: Kind) -> usize {
    counts.get(&kind).copied().unwrap_or_default()
}
