use std::fmt;

use super::trace::{Trace, TraceEvent};

/// Where two runs that should have been the same ceased to be, and what led up to it.
///
/// # Examples
///
/// ```
/// use twistor_sim::{Divergence, Sim};
///
/// let (one, same, other) = (Sim::new(1), Sim::new(1), Sim::new(1));
/// let crashing = other.host("a");
/// let _hosts = (one.host("a"), same.host("a"));
/// crashing.crash();
/// assert!(Divergence::between(&one.trace(), &same.trace()).is_none());
/// let divergence = Divergence::between(&one.trace(), &other.trace()).unwrap();
/// assert_eq!(divergence.number(), 0);
/// assert!(divergence.to_string().contains("loses power"));
/// ```
#[derive(Clone, Debug)]
pub struct Divergence {
    number: u64,
    before: Vec<TraceEvent>,
    events: [Option<TraceEvent>; 2],
    /// The traces differ in what neither kept.
    earlier: bool,
}

/// How many events that led up to it are shown.
const CONTEXT: usize = 20;

impl Divergence {
    /// Compares two traces; `None` if they are the same.
    #[must_use]
    pub fn between(left: &Trace, right: &Trace) -> Option<Self> {
        if left.hash() == right.hash() && left.count() == right.count() {
            return None;
        }
        let first_kept =
            |trace: &Trace| trace.events().first().map_or_else(|| trace.count(), |event| event.number);
        let begin = first_kept(left).max(first_kept(right));
        let from = |trace: &Trace| {
            let skip = usize::try_from(begin - first_kept(trace)).unwrap_or(usize::MAX);
            trace.events().iter().skip(skip).cloned().collect::<Vec<_>>()
        };
        let (left, right) = (from(left), from(right));
        let same = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
        let before = left[same.saturating_sub(CONTEXT)..same].to_vec();
        let events = [left.get(same).cloned(), right.get(same).cloned()];
        let earlier = begin > 0 && (same == 0 || events == [None, None]);
        Some(Self { number: begin + same as u64, before, events, earlier })
    }

    /// The number of the first event that differs, as far as events were kept.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The events that led up to it, at most 20, oldest first: the same in both.
    #[must_use]
    pub fn before(&self) -> &[TraceEvent] {
        &self.before
    }

    /// The first event that differs, of either trace; `None` where that one was at its end.
    #[must_use]
    pub const fn events(&self) -> &[Option<TraceEvent>; 2] {
        &self.events
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.earlier {
            writeln!(f, "the runs differ before the events that were kept: keep more of the trace")?;
        }
        writeln!(f, "the runs differ at event {}", self.number)?;
        for event in &self.before {
            writeln!(f, "  {event}")?;
        }
        for (mark, event) in ['<', '>'].into_iter().zip(&self.events) {
            match event {
                Some(event) => writeln!(f, "{mark} {event}")?,
                None => writeln!(f, "{mark} nothing more")?,
            }
        }
        Ok(())
    }
}
