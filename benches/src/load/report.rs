//! [`Report`]: what came of a workload, and the tally that it is made of.

use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Amount, clock};

/// What came of the counted part of a workload.
#[derive(Clone)]
pub struct Report {
    /// How many messages there were; see [`Workload::unit`](super::Workload::unit).
    pub messages: u64,
    /// Bytes that the clients received. All of them were right.
    pub bytes: u64,
    /// From the first message sent to the last one received.
    pub elapsed: Duration,
    /// Nanoseconds from a message's being sent until all of it had come back, to two digits. A connection of a churn counts from its
    /// beginning to the server's FIN. Streams and idle connections have none.
    pub latency: Histogram<u64>,
    /// The load generator's own processor time meanwhile.
    pub own_cpu: Duration,
    /// Bytes that the connections that never read could send. Zero where there are none.
    pub flooded: u64,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the counts of the histogram, which are thousands.
        f.debug_struct("Report")
            .field("messages", &self.messages)
            .field("bytes", &self.bytes)
            .field("elapsed", &self.elapsed)
            .field("median", &self.latency_at(0.5))
            .field("own_cpu", &self.own_cpu)
            .field("flooded", &self.flooded)
            .finish_non_exhaustive()
    }
}

impl Report {
    /// Messages a second; zero if no time passed.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.messages as f64 / seconds } else { 0.0 }
    }

    /// What `part` of the messages took at most, from 0 to 1; `None` if there are no times.
    #[must_use]
    pub fn latency_at(&self, part: f64) -> Option<Duration> {
        (!self.latency.is_empty()).then(|| Duration::from_nanos(self.latency.value_at_quantile(part)))
    }

    /// The load generator's own processor time a message, in nanoseconds; zero without messages.
    #[must_use]
    pub fn own_ns(&self) -> f64 {
        if self.messages == 0 { 0.0 } else { self.own_cpu.as_nanos() as f64 / self.messages as f64 }
    }

    /// The part of the time in which the load generator's processor was busy, from 0 to 1.
    #[must_use]
    pub fn own_share(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.own_cpu.as_secs_f64() / seconds } else { 0.0 }
    }
}

/// In nanoseconds.
const HOUR: u64 = 3_600_000_000_000;

/// What is being counted.
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    latency: Histogram<u64>,
    start: Instant,
    own_start: Duration,
}

impl Tally {
    pub(super) fn start() -> Self {
        // Two digits are 1 %, in a table that fits the cache. What takes more than an hour is counted as an hour.
        let latency = Histogram::new_with_bounds(1, HOUR, 2).expect("bounds that are allowed");
        Self { messages: 0, bytes: 0, latency, start: clock::now(), own_start: clock::own_cpu() }
    }

    /// Counts one message that took this long.
    pub(super) fn message(&mut self, took: Duration) {
        self.messages += 1;
        self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn finish(self) -> Report {
        Report {
            messages: self.messages,
            bytes: self.bytes,
            elapsed: self.start.elapsed(),
            latency: self.latency,
            own_cpu: clock::own_cpu().saturating_sub(self.own_start),
            flooded: 0,
        }
    }
}

/// What of an [`Amount`] may still begin.
pub(super) enum Quota {
    Left(u64),
    Until(Instant),
}

impl Quota {
    pub(super) fn of(amount: Amount) -> Self {
        match amount {
            Amount::Count(count) => Self::Left(count),
            Amount::Time(time) => Self::Until(clock::now() + time),
        }
    }

    /// Whether one more may begin at `now`; it is taken then.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        match self {
            Self::Left(0) => false,
            Self::Left(left) => {
                *left -= 1;
                true
            }
            Self::Until(end) => now < *end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_of_a_count_is_used_up_and_one_of_time_runs_out() {
        let now = clock::now();
        let mut count = Quota::of(Amount::Count(2));
        assert_eq!([(); 3].map(|()| count.take(now)), [true, true, false]);
        let mut time = Quota::Until(now + Duration::from_secs(1));
        assert!(time.take(now) && !time.take(now + Duration::from_secs(1)));
        assert!(!Quota::of(Amount::Count(0)).take(now));
    }

    #[test]
    fn a_report_has_its_times_to_one_part_in_a_hundred() {
        let mut tally = Tally::start();
        (1..=1_000).for_each(|micros| tally.message(Duration::from_micros(micros)));
        tally.message(Duration::from_secs(100));
        let report = tally.finish();
        assert_eq!(report.messages, 1_001);
        for (part, micros) in [(0.5, 501.0), (0.99, 991.0), (1.0, 100_000_000.0)] {
            let got = report.latency_at(part).unwrap().as_secs_f64() * 1e6;
            assert!((got / micros - 1.0).abs() < 0.01, "{part}: {got} of {micros}");
        }
        let empty = Tally::start().finish();
        assert_eq!((empty.latency_at(0.5), empty.own_ns()), (None, 0.0));
    }
}
