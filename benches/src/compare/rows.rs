//! [`Row`]: the rows of the comparison, and how large they are.

use std::time::Duration;

use clap::ValueEnum;

use crate::load::{Amount, Plan, Workload};

/// How large the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// As many connections as a row says, and this long for each server in each round.
    Full(Duration),
    /// Few connections and few messages: whether it runs, not what it costs.
    Smoke,
}

/// What the main figure of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The server's processor time a message.
    Cpu,
    /// Resident bytes an idle connection.
    Memory,
    /// Whether memory stays bounded.
    Bounded,
}

/// The rows of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Row {
    /// 64 connections, 64 bytes, one message at a time each
    #[value(name = "echo-64")]
    Echo64,
    /// 1,000 connections, 64 bytes, one message at a time each
    #[value(name = "echo-1000")]
    Echo1000,
    /// 64 connections, 64 bytes, 16 messages at a time each
    #[value(name = "echo-depth-16")]
    EchoDepth16,
    /// 64 connections, 64 KiB, one message at a time each
    #[value(name = "echo-64k")]
    Echo64K,
    /// 5,000 connections, 64 bytes, one message at a time each
    #[value(name = "echo-5000")]
    Echo5000,
    /// connect, echo 64 bytes, close: 64 connections at a time
    Churn,
    /// 4 connections that read what the server never ceases to send
    Stream,
    /// one client's 64 bytes for 1,000 others
    FanOut,
    /// 10,000 connections that do nothing
    Idle,
    /// 100 connections that send 16 MiB and never read, beside 64 that echo
    SlowReaders,
    /// two threads of the server, 256 connections, 64 bytes, 16 messages at a time each
    TwoReactors,
}

impl Row {
    /// All of them, in the order of the table.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// The name, as in the arguments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo64 => "echo-64",
            Self::Echo1000 => "echo-1000",
            Self::EchoDepth16 => "echo-depth-16",
            Self::Echo64K => "echo-64k",
            Self::Echo5000 => "echo-5000",
            Self::Churn => "churn",
            Self::Stream => "stream",
            Self::FanOut => "fan-out",
            Self::Idle => "idle",
            Self::SlowReaders => "slow-readers",
            Self::TwoReactors => "two-reactors",
        }
    }

    /// What happens in it, in a line.
    #[must_use]
    pub fn what(self) -> String {
        self.to_possible_value().and_then(|it| it.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// What its main figure is.
    #[must_use]
    pub fn figure(self) -> Figure {
        match self {
            Self::Idle => Figure::Memory,
            Self::SlowReaders => Figure::Bounded,
            _ => Figure::Cpu,
        }
    }

    /// How many threads with a reactor each the server has.
    #[must_use]
    pub fn reactors(self) -> usize {
        if self == Self::TwoReactors { 2 } else { 1 }
    }

    /// Whether system calls and instructions are counted in it.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::Echo64 | Self::EchoDepth16 | Self::Echo64K | Self::Churn)
    }

    /// What the clients do. A smoke run has a twentieth of the connections.
    #[must_use]
    pub fn workload(self, scale: Scale) -> Workload {
        let some = |count: usize| if scale == Scale::Smoke { count.div_ceil(20) } else { count };
        let flood = if scale == Scale::Smoke { 8 << 20 } else { 16 << 20 };
        let echo = |connections, size, depth| Workload::Echo { connections: some(connections), size, depth };
        match self {
            Self::Echo64 => echo(64, 64, 1),
            Self::Echo1000 => echo(1_000, 64, 1),
            Self::EchoDepth16 => echo(64, 64, 16),
            Self::Echo64K => echo(64, 65_536, 1),
            Self::Echo5000 => echo(5_000, 64, 1),
            Self::Churn => Workload::Churn { parallel: some(64), size: 64 },
            Self::Stream => Workload::Stream { connections: some(4) },
            Self::FanOut => Workload::FanOut { receivers: some(1_000), size: 64 },
            Self::Idle => Workload::Idle { connections: some(10_000), size: 64 },
            Self::SlowReaders => {
                Workload::SlowReaders { slow: some(100), flood, connections: some(64), size: 64 }
            }
            Self::TwoReactors => echo(256, 64, 16),
        }
    }

    /// How much of it one server does in one round, with a warm-up of a fifth.
    #[must_use]
    pub fn plan(self, scale: Scale, stall: Duration) -> Plan {
        let (warm_up, measured) = match scale {
            Scale::Full(time) => (Amount::Time(time / 5), Amount::Time(time)),
            Scale::Smoke => (Amount::Count(self.few() / 5), Amount::Count(self.few())),
        };
        Plan { workload: self.workload(scale), warm_up, measured, stall }
    }

    /// The same with `count` messages and no warm-up, for counting system calls and instructions.
    #[must_use]
    pub fn counting_plan(self, scale: Scale, stall: Duration, count: u64) -> Plan {
        let (warm_up, measured) = (Amount::Count(0), Amount::Count(count));
        Plan { workload: self.workload(scale), warm_up, measured, stall }
    }

    /// How many messages tell what one of them takes in system calls.
    #[must_use]
    pub fn few(self) -> u64 {
        match self {
            Self::Stream | Self::FanOut => 20,
            Self::Churn | Self::Echo64K => 500,
            _ => 2_000,
        }
    }

    /// How many messages tell what one of them takes in instructions. What the start takes differs from run to run, by some hundred thousand
    /// for 64 connections: over so few messages that would be as much as a message takes.
    #[must_use]
    pub fn many(self) -> u64 {
        match self {
            Self::Stream | Self::FanOut => 100,
            Self::Churn | Self::Echo64K => 3_000,
            Self::EchoDepth16 => 300_000,
            _ => 30_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_arguments() {
        for row in Row::all() {
            assert_eq!(Row::from_str(row.name(), false), Ok(*row));
            assert!(!row.what().is_empty());
        }
    }

    #[test]
    fn a_smoke_run_is_small_and_a_full_one_is_what_it_says() {
        for row in Row::all() {
            assert!(row.workload(Scale::Smoke).connections() <= 500, "{row:?}");
            let full = row.workload(Scale::Full(Duration::from_secs(1)));
            assert!(full.connections() >= row.workload(Scale::Smoke).connections());
        }
        let full = Scale::Full(Duration::from_secs(1));
        assert_eq!(Row::Echo5000.workload(full).connections(), 5_000);
        assert_eq!(Row::FanOut.workload(full).connections(), 1_001);
        let plan = Row::Churn.plan(full, Duration::from_secs(10));
        assert_eq!(plan.warm_up, Amount::Time(Duration::from_millis(200)));
    }
}
