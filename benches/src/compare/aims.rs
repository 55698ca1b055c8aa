//! [`aims()`]: what is wanted of Twistor, and whether it is met.

use super::outcome::{Metric, Outcome, RowOutcome, Server};
use super::rows::{Figure, Row, Scale};
use super::statistics::Interval;
use super::table::number;
use super::{Kind, measure};

/// The server's processor time a message, as a multiple of bare epoll's.
const CPU: f64 = 1.03;

/// System calls a message, as a multiple of bare epoll's.
const SYSTEM_CALLS: f64 = 1.02;

/// The peer that is no framework: a poller and nothing around it.
const POLLER: &str = "mio";

/// Resident bytes an idle connection.
const IDLE: f64 = 256.0;

/// Whether an aim is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The interval reaches into the aim, widened by what two equal servers differ by.
    Met,
    /// It does not.
    Missed,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// Something that is wanted of Twistor in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Aim {
    /// Where.
    pub row: Row,
    /// What is wanted.
    pub what: String,
    /// What was measured.
    pub figure: String,
    /// What is allowed, widened by the noise.
    pub allowed: String,
    /// What two equal servers differ by.
    pub noise: String,
    /// Whether it is met.
    pub verdict: Verdict,
}

/// All aims, in the order of the rows. None of a smoke run, which measures nothing.
#[must_use]
pub fn aims(outcome: &Outcome) -> Vec<Aim> {
    if outcome.scale == Scale::Smoke {
        return Vec::new();
    }
    let mut found = Vec::new();
    for row in &outcome.rows {
        let judge = Judge { row, seed: outcome.seed };
        match row.row.figure() {
            Figure::Cpu => {
                if row.row.reactors() == 1 {
                    let what = format!("processor time at most {CPU} of bare epoll's");
                    found.push(judge.beside_the_limit(what, Metric::Cpu, CPU));
                }
                found.push(judge.behind_nobody());
                if row.servers.iter().any(|it| !it.series(Metric::SystemCalls).is_empty()) {
                    let what = format!("system calls at most {SYSTEM_CALLS} of bare epoll's");
                    found.push(judge.beside_the_limit(what, Metric::SystemCalls, SYSTEM_CALLS));
                }
                if row.row == Row::Echo64
                    && row.servers.iter().any(|it| !it.series(Metric::Instructions).is_empty())
                {
                    found.push(judge.fewest_instructions());
                }
            }
            Figure::Memory => {
                found.push(judge.memory("fresh", Metric::Fresh));
                found.push(judge.memory("after a message", Metric::Used));
            }
            Figure::Bounded => found.push(judge.bounded()),
        }
    }
    found
}

/// A row whose aims are judged.
struct Judge<'a> {
    row: &'a RowOutcome,
    seed: u64,
}

impl Judge<'_> {
    fn beside_the_limit(&self, what: String, metric: Metric, wanted: f64) -> Aim {
        let spread = self.row.spread(metric, self.seed);
        let ours = self.row.of(Kind::Ours);
        let measured =
            ours.zip(self.row.of(Kind::Limit)).and_then(|(it, limit)| it.ratio(limit, metric, self.seed));
        let (Some(spread), Some(measured)) = (spread, measured) else { return self.unknown(what) };
        let allowed = wanted * (1.0 + spread);
        let noise = percent(spread);
        self.aim(what, ratio_text(&measured), format!("{allowed:.3}"), noise, met(measured.low <= allowed))
    }

    fn behind_nobody(&self) -> Aim {
        let what = "behind no peer in processor time".to_owned();
        let (Some(spread), Some(ours)) = (self.row.spread(Metric::Cpu, self.seed), self.row.of(Kind::Ours))
        else {
            return self.unknown(what);
        };
        let allowed = 1.0 + spread;
        let ratio = |peer: &Server| Some((ours.ratio(peer, Metric::Cpu, self.seed)?, peer.label.clone()));
        let peers = self.row.servers.iter().filter(|it| it.kind == Kind::Peer);
        let mut ratios: Vec<(Interval, String)> = peers.filter_map(ratio).collect();
        // The one that is most ahead comes first.
        ratios.sort_by(|(one, _), (other, _)| other.median.total_cmp(&one.median));
        let Some((closest, name)) = ratios.first() else { return self.unknown(what) };
        let behind: Vec<String> = ratios
            .iter()
            .filter(|(ratio, _)| ratio.low > allowed)
            .map(|(ratio, name)| format!("{} of {name}", ratio_text(ratio)))
            .collect();
        let figure =
            if behind.is_empty() { format!("{} of {name}", ratio_text(closest)) } else { behind.join(", ") };
        self.aim(what, figure, format!("{allowed:.3}"), percent(spread), met(behind.is_empty()))
    }

    fn fewest_instructions(&self) -> Aim {
        let what = "fewer instructions in user mode than any framework".to_owned();
        let ours = self.row.of(Kind::Ours).and_then(|it| it.median(Metric::Instructions));
        let frameworks = self.row.servers.iter().filter(|it| it.kind == Kind::Peer && it.label != POLLER);
        let mut theirs: Vec<(f64, &str)> =
            frameworks.filter_map(|it| Some((it.median(Metric::Instructions)?, &*it.label))).collect();
        theirs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let (Some(ours), Some((least, _))) = (ours, theirs.first()) else { return self.unknown(what) };
        let nearest: Vec<String> =
            theirs.iter().take(3).map(|(count, name)| format!("{} of {name}", number(*count))).collect();
        let figure = format!("{} beside {}", number(ours), nearest.join(", "));
        self.aim(what, figure, number(*least), "-".to_owned(), met(ours < *least))
    }

    fn memory(&self, when: &str, metric: Metric) -> Aim {
        let what = format!("at most {IDLE} resident bytes an idle connection, {when}");
        let measured = self.row.of(Kind::Ours).and_then(|it| it.interval(metric, self.seed));
        let (Some(reach), Some(measured)) = (self.row.reach(metric, self.seed), measured) else {
            return self.unknown(what);
        };
        let allowed = IDLE + reach;
        let figure =
            format!("{} ({} to {})", number(measured.median), number(measured.low), number(measured.high));
        let noise = format!("{} bytes", number(reach));
        self.aim(what, figure, number(allowed), noise, met(measured.low <= allowed))
    }

    fn bounded(&self) -> Aim {
        let bound = measure::BOUND >> 20;
        let what = format!("slow readers cost at most {bound} MiB, and others are served");
        let Some(ours) = self.row.of(Kind::Ours) else { return self.unknown(what) };
        let (allowed, none) = (format!("{bound} MiB"), "-".to_owned());
        match (&ours.failure, ours.median(Metric::Growth)) {
            (Some(failure), _) => self.aim(what, failure.clone(), allowed, none, Verdict::Missed),
            (None, Some(growth)) => {
                let figure = format!("{} MiB", number(growth / f64::from(1 << 20)));
                self.aim(what, figure, allowed, none, Verdict::Met)
            }
            (None, None) => self.unknown(what),
        }
    }

    fn aim(&self, what: String, figure: String, allowed: String, noise: String, verdict: Verdict) -> Aim {
        Aim { row: self.row.row, what, figure, allowed, noise, verdict }
    }

    fn unknown(&self, what: String) -> Aim {
        let failure = self.row.of(Kind::Ours).and_then(|it| it.failure.clone());
        let reason = failure.unwrap_or_else(|| "not measured".to_owned());
        let none = || "-".to_owned();
        self.aim(what, none(), none(), none(), Verdict::Unknown(reason))
    }
}

fn met(it: bool) -> Verdict {
    if it { Verdict::Met } else { Verdict::Missed }
}

fn percent(spread: f64) -> String {
    format!("{:.1} %", spread * 100.0)
}

fn ratio_text(ratio: &Interval) -> String {
    format!("{:.3} ({:.3} to {:.3})", ratio.median, ratio.low, ratio.high)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compare::outcome::tests::{made, outcome_of};

    fn judged(rows: Vec<RowOutcome>) -> Vec<(String, Verdict)> {
        aims(&outcome_of(rows, Scale::Full(Duration::from_secs(1))))
            .into_iter()
            .map(|aim| (aim.what, aim.verdict))
            .collect()
    }

    /// Whether the aim of processor time is met by servers that take so much: bare epoll, the same again, Twistor, a peer.
    fn cpu(limit: f64, again: f64, ours: f64, peer: f64) -> (Verdict, Verdict) {
        let row = made(Row::Echo64, Metric::Cpu, &[limit, again, ours, peer]);
        let judged = judged(vec![row]);
        (judged[0].1.clone(), judged[1].1.clone())
    }

    #[test]
    fn processor_time_within_three_percent_is_met() {
        assert_eq!(cpu(100.0, 100.0, 102.9, 150.0), (Verdict::Met, Verdict::Met));
        assert_eq!(cpu(100.0, 100.0, 103.1, 150.0), (Verdict::Missed, Verdict::Met));
    }

    #[test]
    fn an_aim_is_widened_by_what_equal_servers_differ_by_either_way() {
        assert_eq!(cpu(100.0, 102.0, 104.9, 150.0).0, Verdict::Met);
        assert_eq!(cpu(100.0, 98.0, 104.9, 150.0).0, Verdict::Met);
        assert_eq!(cpu(100.0, 102.0, 105.2, 150.0).0, Verdict::Missed);
    }

    #[test]
    fn a_framework_with_fewer_instructions_is_named() {
        for (ours, verdict) in [(99.0, Verdict::Met), (101.0, Verdict::Missed)] {
            let row = made(Row::Echo64, Metric::Instructions, &[50.0, 50.0, ours, 100.0]);
            let found = aims(&outcome_of(vec![row], Scale::Full(Duration::from_secs(1))));
            let aim = found.iter().find(|aim| aim.what.starts_with("fewer instructions")).unwrap();
            assert_eq!((&aim.verdict, &*aim.allowed), (&verdict, "100"));
            assert!(aim.figure.ends_with("beside 100 of peer 3"), "{}", aim.figure);
        }
    }

    #[test]
    fn a_peer_that_is_ahead_is_named() {
        assert_eq!(cpu(100.0, 100.0, 101.0, 100.5).1, Verdict::Missed);
        assert_eq!(cpu(100.0, 101.0, 101.0, 100.5).1, Verdict::Met);
        let row = made(Row::Echo64, Metric::Cpu, &[100.0, 100.0, 101.0, 99.0]);
        let found = aims(&outcome_of(vec![row], Scale::Full(Duration::from_secs(1))));
        assert_eq!(found[1].figure, "1.020 (1.020 to 1.020) of peer 3");
    }

    #[test]
    fn an_interval_that_reaches_into_the_aim_is_enough() {
        let mut row = made(Row::Echo64, Metric::Cpu, &[100.0, 100.0, 120.0, 150.0]);
        // The median is far above, and yet one cannot be sure of it.
        for (round, value) in [101.0, 120.0, 101.0, 120.0, 120.0].into_iter().enumerate() {
            row.servers[2].enter(round, Metric::Cpu, value);
        }
        assert_eq!(judged(vec![row])[0].1, Verdict::Met);
    }

    #[test]
    fn memory_is_widened_by_bytes() {
        let verdicts = |again: f64, ours: f64| {
            let mut row = made(Row::Idle, Metric::Fresh, &[10.0, again, ours, 900.0]);
            for server in &mut row.servers {
                (0..5).for_each(|round| server.enter(round, Metric::Used, 256.0));
            }
            judged(vec![row]).into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(10.0, 256.0), [Verdict::Met, Verdict::Met]);
        assert_eq!(verdicts(10.0, 257.0), [Verdict::Missed, Verdict::Met]);
        assert_eq!(verdicts(6.0, 260.0), [Verdict::Met, Verdict::Met]);
        assert_eq!(verdicts(6.0, 260.5), [Verdict::Missed, Verdict::Met]);
    }

    #[test]
    fn system_calls_are_judged_where_they_were_counted() {
        let mut row = made(Row::Echo64, Metric::Cpu, &[100.0, 100.0, 100.0, 150.0]);
        assert_eq!(judged(vec![row.clone()]).len(), 2);
        for (server, count) in row.servers.iter_mut().zip([2.0, 2.0, 2.05, 3.0]) {
            server.enter(0, Metric::SystemCalls, count);
        }
        let judged = judged(vec![row]);
        assert_eq!(judged[2], ("system calls at most 1.02 of bare epoll's".to_owned(), Verdict::Missed));
    }

    #[test]
    fn slow_readers_that_cost_too_much_miss_it() {
        let row = made(Row::SlowReaders, Metric::Growth, &[1e6, 1e6, 3e6, 1e6]);
        assert_eq!(judged(vec![row.clone()])[0].1, Verdict::Met);
        let mut failed = row;
        failed.servers[2].failure = Some("memory grew".to_owned());
        assert_eq!(judged(vec![failed])[0].1, Verdict::Missed);
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let mut row = made(Row::Echo64, Metric::Cpu, &[100.0, 100.0, 100.0, 150.0]);
        row.servers[2].series.clear();
        row.servers[2].failure = Some("it ended".to_owned());
        let unknown = Verdict::Unknown("it ended".to_owned());
        assert_eq!(judged(vec![row])[0].1, unknown);
        assert!(aims(&outcome_of(vec![], Scale::Smoke)).is_empty());
    }
}
