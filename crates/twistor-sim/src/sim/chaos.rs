use std::fmt;
use std::time::Duration;

use super::fault::Fault;
use crate::errno;
use crate::scripted::call::Call;

/// A mix of all faults by one number, as a list that can be looked at, cut down and installed ([`Sim::chaos`](super::Sim::chaos)).
///
/// # Examples
///
/// ```
/// use twistor_sim::{Chaos, Sim};
///
/// let sim = Sim::new(7);
/// sim.chaos(0.3);
/// // The same, without its second rule: what a search for the rule that matters does.
/// let other = Sim::new(7);
/// other.install(&Chaos::new(0.3).without(1));
/// assert_eq!(sim.faults().len(), other.faults().len() + 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chaos {
    faults: Vec<Fault>,
}

impl Chaos {
    /// Everything that can go wrong: what [`harmless`](Self::harmless) has, and what users notice: refused, unanswered and broken
    /// connections, shortages of descriptors, failing lookups. `level` is between zero, nothing, and one, hardly anything works.
    #[must_use]
    pub fn new(level: f64) -> Self {
        let level = level.clamp(0.0, 1.0);
        let harmful = [
            (0.05, Fault::errno(Call::Accept, errno::EMFILE)),
            (0.05, Fault::errno(Call::Accept, errno::ENFILE)),
            (0.05, Fault::errno(Call::Accept, errno::ENOBUFS)),
            (0.05, Fault::errno(Call::Connect, errno::EMFILE)),
            (0.05, Fault::failed_lookup()),
            (0.1, Fault::refuse()),
            (0.1, Fault::black_hole()),
            (0.05, Fault::reset_after(0)),
            (0.05, Fault::reset_after(1_000).of_server()),
            (0.05, Fault::end_after(1_000)),
            (0.05, Fault::end_after(1_000).of_server()),
        ];
        let mut chaos = Self::harmless(level);
        chaos.faults.extend(harmful.map(|(share, fault)| fault.chance(share * level)));
        chaos.faults.retain(|_| level > 0.0);
        chaos
    }

    /// What a correct library hides from its users: short reads and writes, interruptions, false readiness, shortages of
    /// memory that pass, slow lookups. Whoever uses transports sees nothing of it but time. `level` is between zero and one.
    #[must_use]
    pub fn harmless(level: f64) -> Self {
        let level = level.clamp(0.0, 1.0);
        let harmless = [
            (0.5, Fault::short(Call::Recv)),
            (0.5, Fault::short(Call::Send)),
            (0.2, Fault::would_block(Call::Recv)),
            (0.2, Fault::would_block(Call::Send)),
            (0.2, Fault::would_block(Call::Accept)),
            (0.2, Fault::would_block(Call::ConnectProgress)),
            (0.1, Fault::errno(Call::Recv, errno::EINTR)),
            (0.1, Fault::errno(Call::Send, errno::EINTR)),
            (0.1, Fault::errno(Call::Accept, errno::EINTR)),
            (0.05, Fault::errno(Call::Send, errno::ENOBUFS)),
            (0.1, Fault::errno(Call::Accept, errno::ECONNABORTED)),
            (0.3, Fault::spurious()),
            (0.3, Fault::early_wake()),
            (0.5, Fault::slow_lookup(Duration::from_secs(1))),
        ];
        let mut faults: Vec<Fault> = harmless.map(|(share, fault)| fault.chance(share * level)).into();
        faults.retain(|_| level > 0.0);
        Self { faults }
    }

    /// A mix of your own.
    #[must_use]
    pub fn of(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { faults: faults.into_iter().collect() }
    }

    /// The rules, in order.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The same without the rule at `index`; all of them if there is none.
    #[must_use]
    pub fn without(&self, index: usize) -> Self {
        let rest = self.faults.iter().enumerate().filter(|(at, _)| *at != index);
        Self { faults: rest.map(|(_, fault)| fault.clone()).collect() }
    }
}

/// One rule a line.
impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}
