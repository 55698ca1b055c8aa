//! [`Outcome`]: everything that was measured, from which the table, the aims and the plot are made.

use std::collections::BTreeMap;

use super::statistics::{Interval, differences, median, ratios};
use super::{Kind, Row, Scale};

/// Something that is measured of one server in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// The server's processor time a message, in nanoseconds.
    Cpu,
    /// The part of it that was spent in user mode, by sampling.
    UserPart,
    /// The part of the time in which the server was on a processor. With several threads it may be above 1.
    Busy,
    /// Messages a second.
    Rate,
    /// What half of the messages took at most, in microseconds.
    P50,
    /// What 99 % took at most.
    P99,
    /// What 99.9 % took at most.
    P999,
    /// The load generator's processor time a message, in nanoseconds.
    LoadCpu,
    /// The part of the time in which the load generator was on a processor.
    LoadBusy,
    /// Resident bytes an idle connection that has never been used.
    Fresh,
    /// Resident bytes an idle connection that has echoed a message.
    Used,
    /// By how many bytes the most that was resident grew.
    Growth,
    /// Bytes that those who never read could send.
    Flooded,
    /// System calls a message.
    SystemCalls,
    /// Instructions in user mode a message.
    Instructions,
}

impl Metric {
    /// The name in the file of samples.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_ns",
            Self::UserPart => "user_part",
            Self::Busy => "busy",
            Self::Rate => "per_second",
            Self::P50 => "p50_us",
            Self::P99 => "p99_us",
            Self::P999 => "p999_us",
            Self::LoadCpu => "load_cpu_ns",
            Self::LoadBusy => "load_busy",
            Self::Fresh => "fresh_bytes",
            Self::Used => "used_bytes",
            Self::Growth => "growth_bytes",
            Self::Flooded => "flooded_bytes",
            Self::SystemCalls => "system_calls",
            Self::Instructions => "instructions",
        }
    }
}

/// What came of one server in one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name in the arguments.
    pub id: String,
    /// Its name in the table.
    pub label: String,
    /// What it is.
    pub kind: Kind,
    /// A number a round for each metric, `None` for a round in which it failed.
    pub series: BTreeMap<Metric, Vec<Option<f64>>>,
    /// Why it took no further part, if so.
    pub failure: Option<String>,
}

impl Server {
    /// A server of which nothing is known yet.
    #[must_use]
    pub fn new(id: &str, label: &str, kind: Kind) -> Self {
        Self { id: id.to_owned(), label: label.to_owned(), kind, series: BTreeMap::new(), failure: None }
    }

    /// Enters what was measured in `round`.
    pub fn enter(&mut self, round: usize, metric: Metric, value: f64) {
        let series = self.series.entry(metric).or_default();
        series.resize(series.len().max(round + 1), None);
        series[round] = Some(value);
    }

    /// The numbers of a metric, a round each; none if it was not measured.
    #[must_use]
    pub fn series(&self, metric: Metric) -> &[Option<f64>] {
        self.series.get(&metric).map_or(&[], Vec::as_slice)
    }

    /// The median of a metric.
    #[must_use]
    pub fn median(&self, metric: Metric) -> Option<f64> {
        median(&self.values(metric))
    }

    /// The median of a metric, and its interval.
    #[must_use]
    pub fn interval(&self, metric: Metric, seed: u64) -> Option<Interval> {
        Interval::of(&self.values(metric), seed)
    }

    /// The ratio of a metric to that of `base` in the same round.
    #[must_use]
    pub fn ratio(&self, base: &Self, metric: Metric, seed: u64) -> Option<Interval> {
        Interval::of(&ratios(self.series(metric), base.series(metric)), seed)
    }

    /// The difference of a metric from that of `base` in the same round.
    #[must_use]
    pub fn difference(&self, base: &Self, metric: Metric, seed: u64) -> Option<Interval> {
        Interval::of(&differences(self.series(metric), base.series(metric)), seed)
    }

    fn values(&self, metric: Metric) -> Vec<f64> {
        self.series(metric).iter().filter_map(|it| *it).collect()
    }
}

/// What came of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowOutcome {
    /// Which row.
    pub row: Row,
    /// All who took part, in the order of the roster.
    pub servers: Vec<Server>,
}

impl RowOutcome {
    /// The first server of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Option<&Server> {
        self.servers.iter().find(|it| it.kind == kind)
    }

    /// How far a metric's ratio between the two equal servers reaches from 1; `None` if they were not measured.
    #[must_use]
    pub fn spread(&self, metric: Metric, seed: u64) -> Option<f64> {
        Some(self.of(Kind::Again)?.ratio(self.of(Kind::Limit)?, metric, seed)?.spread())
    }

    /// How far a metric's difference between the two equal servers reaches from 0.
    #[must_use]
    pub fn reach(&self, metric: Metric, seed: u64) -> Option<f64> {
        Some(self.of(Kind::Again)?.difference(self.of(Kind::Limit)?, metric, seed)?.reach())
    }
}

/// Everything that was measured, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The machine, in lines.
    pub machine: Vec<String>,
    /// How large the rows were.
    pub scale: Scale,
    /// How many rounds there were.
    pub rounds: usize,
    /// What the intervals' random numbers begin with.
    pub seed: u64,
    /// The rows, in their order.
    pub rows: Vec<RowOutcome>,
}

impl Outcome {
    /// Every failure, in words.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let failures = self.rows.iter().flat_map(|row| {
            let name = row.row.name();
            row.servers
                .iter()
                .filter_map(move |it| Some(format!("{name}, {}: {}", it.label, it.failure.as_ref()?)))
        });
        failures.collect()
    }

    /// All numbers, one a line: row, server, round, metric, value.
    #[must_use]
    pub fn samples(&self) -> String {
        let mut lines = vec!["row,server,round,metric,value".to_owned()];
        for row in &self.rows {
            for server in &row.servers {
                for (metric, series) in &server.series {
                    for (round, value) in series.iter().enumerate() {
                        let Some(value) = value else { continue };
                        let (row, id, metric) = (row.row.name(), &server.id, metric.name());
                        lines.push(format!("{row},{id},{round},{metric},{value}"));
                    }
                }
            }
        }
        lines.join("\n") + "\n"
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row in which bare epoll, the same again, Twistor, and then peers have these values of a metric in each of five rounds.
    pub(crate) fn made(row: Row, metric: Metric, values: &[f64]) -> RowOutcome {
        let kinds = [Kind::Limit, Kind::Again, Kind::Ours].into_iter().chain(std::iter::repeat(Kind::Peer));
        let servers = values.iter().zip(kinds).enumerate().map(|(place, (value, kind))| {
            let label = match kind {
                Kind::Limit => "bare epoll".to_owned(),
                Kind::Again => "the same again".to_owned(),
                Kind::Ours => "twistor".to_owned(),
                Kind::Peer => format!("peer {place}"),
            };
            let mut server = Server::new(&label.replace(' ', "-"), &label, kind);
            (0..5).for_each(|round| server.enter(round, metric, *value));
            server
        });
        RowOutcome { row, servers: servers.collect() }
    }

    pub(crate) fn outcome_of(rows: Vec<RowOutcome>, scale: Scale) -> Outcome {
        Outcome { machine: vec!["processor: slow".to_owned()], scale, rounds: 5, seed: 1, rows }
    }

    #[test]
    fn a_round_that_failed_is_a_gap() {
        let mut server = Server::new("mio", "mio", Kind::Peer);
        server.enter(2, Metric::Cpu, 5.0);
        server.enter(0, Metric::Cpu, 3.0);
        assert_eq!(server.series(Metric::Cpu), [Some(3.0), None, Some(5.0)]);
        assert_eq!(server.median(Metric::Cpu), Some(4.0));
        assert_eq!(server.series(Metric::Rate), []);
        assert_eq!(server.median(Metric::Rate), None);
    }

    #[test]
    fn samples_are_lines_and_failures_are_named() {
        let mut row = made(Row::Churn, Metric::Cpu, &[1.0, 2.5]);
        row.servers[1].failure = Some("it ended".to_owned());
        let outcome = outcome_of(vec![row], Scale::Smoke);
        let samples = outcome.samples();
        assert_eq!(samples.lines().count(), 11);
        assert_eq!(samples.lines().nth(1), Some("churn,bare-epoll,0,cpu_ns,1"));
        assert_eq!(samples.lines().last(), Some("churn,the-same-again,4,cpu_ns,2.5"));
        assert_eq!(outcome.failures(), ["churn, the same again: it ended"]);
    }

    #[test]
    fn the_spread_is_that_of_the_equal_servers() {
        let row = made(Row::Churn, Metric::Cpu, &[100.0, 97.0, 500.0]);
        assert!((row.spread(Metric::Cpu, 1).unwrap() - 0.03).abs() < 1e-12);
        assert!((row.reach(Metric::Cpu, 1).unwrap() - 3.0).abs() < 1e-12);
        assert_eq!(row.spread(Metric::Rate, 1), None);
    }
}
