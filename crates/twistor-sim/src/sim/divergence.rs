use std::fmt;

use super::trace::{Happening, Trace, TraceEvent};

/// Where two runs that should have been the same ceased to be, and what led up to it.
///
/// What differs first is often the work of the library for the user's code: a byte more is sent, a wait ends later. So it also has
/// the callback that ran last [before](Self::culprit), whose decision that may have been, and the first callback that
/// [differs](Self::callbacks), which is where the user's code sees it.
///
/// What makes two runs of one seed differ is what the seed does not decide: the order of a `HashMap`, the real clock, an address in
/// memory, a thread of one's own, the environment.
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
    callbacks: [Option<TraceEvent>; 2],
    culprit: Option<TraceEvent>,
    /// Whether it was earlier than the events that were kept.
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
        let begin = first_kept(left).max(first_kept(right));
        let (left, right) = (kept_from(left, begin), kept_from(right, begin));
        let same = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        let events = [left.get(same).cloned(), right.get(same).cloned()];
        Some(Self {
            number: begin + same as u64,
            before: left[same.saturating_sub(CONTEXT)..same].to_vec(),
            callbacks: first_callbacks([&left[same..], &right[same..]]),
            culprit: last_callback(&left[..same], &events),
            earlier: begin > 0 && (same == 0 || events == [None, None]),
            events,
        })
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

    /// The first call of the user's code that differs, of either trace, whatever else differs before: another callback, one of another
    /// connection, reactor or host, or one at another moment. `None` where that trace has no further callback, in both if the callbacks
    /// are the same.
    #[must_use]
    pub const fn callbacks(&self) -> &[Option<TraceEvent>; 2] {
        &self.callbacks
    }

    /// The callback that ran last before the first event that differs, on the reactor of that event (of the earlier one of both);
    /// anywhere, if that was on no reactor. The same in both. Output is gathered and flushed at the end of the turn, so that an earlier callback of the turn
    /// may have caused it as well.
    #[must_use]
    pub const fn culprit(&self) -> Option<&TraceEvent> {
        self.culprit.as_ref()
    }
}

/// The number of the first event that was kept.
fn first_kept(trace: &Trace) -> u64 {
    trace.events().first().map_or_else(|| trace.count(), |event| event.number)
}

/// What was kept, from number `begin` on.
fn kept_from(trace: &Trace, begin: u64) -> &[TraceEvent] {
    let skip = usize::try_from(begin - first_kept(trace)).unwrap_or(usize::MAX);
    trace.events().get(skip..).unwrap_or_default()
}

fn is_callback(event: &&TraceEvent) -> bool {
    matches!(event.what, Happening::Callback(_))
}

/// The first callbacks that differ in anything but their number in the trace.
fn first_callbacks(traces: [&[TraceEvent]; 2]) -> [Option<TraceEvent>; 2] {
    let [mut left, mut right] = traces.map(|events| events.iter().filter(is_callback));
    loop {
        match (left.next(), right.next()) {
            (Some(left), Some(right)) if *left == (TraceEvent { number: left.number, ..right.clone() }) => {}
            (None, None) => return [None, None],
            (left, right) => return [left.cloned(), right.cloned()],
        }
    }
}

/// The last callback before `events`, on the reactor that the earlier one of them is on: the other one may have to do with nothing
/// but what comes next in its run.
fn last_callback(before: &[TraceEvent], events: &[Option<TraceEvent>; 2]) -> Option<TraceEvent> {
    let reactor = events.iter().flatten().min_by_key(|event| event.at)?.reactor;
    let fits = |event: &&TraceEvent| reactor.is_none() || event.reactor == reactor;
    before.iter().rev().filter(is_callback).find(fits).cloned()
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
        write_both(f, &self.events)?;
        if let Some(culprit) = &self.culprit {
            writeln!(f, "the callback that ran last before, there:\n  {culprit}")?;
        }
        if self.callbacks == [None, None] {
            return writeln!(f, "the callbacks are the same");
        }
        writeln!(f, "the first callback that differs:")?;
        write_both(f, &self.callbacks)
    }
}

fn write_both(f: &mut fmt::Formatter<'_>, events: &[Option<TraceEvent>; 2]) -> fmt::Result {
    for (mark, event) in ['<', '>'].into_iter().zip(events) {
        match event {
            Some(event) => writeln!(f, "{mark} {event}")?,
            None => writeln!(f, "{mark} nothing more")?,
        }
    }
    Ok(())
}
