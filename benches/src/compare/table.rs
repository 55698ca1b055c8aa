//! [`table()`]: an outcome in Markdown.

use std::fmt::{self, Write};

use super::aims::{Verdict, aims};
use super::outcome::{Metric, Outcome, RowOutcome, Server};
use super::rows::{Figure, Scale};
use super::{Kind, Row};

/// The load generator's processor is busy for so much of the time: what it cannot do, no server can show.
const BUSY: f64 = 0.95;

/// The outcome as a text in Markdown: the machine, the aims, a table for each row, and what failed.
///
/// # Errors
///
/// None of its own: what writing to a string gives.
pub fn table(outcome: &Outcome) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for line in &outcome.machine {
        writeln!(text, "- {line}")?;
    }
    match outcome.scale {
        Scale::Full(time) => writeln!(text, "- {} rounds of {time:?} each", outcome.rounds)?,
        Scale::Smoke => writeln!(text, "- a smoke run: the figures mean nothing")?,
    }
    writeln!(text)?;
    aims_of(outcome, &mut text)?;
    for row in &outcome.rows {
        writeln!(text, "### `{}`: {}\n", row.row.name(), row.row.what())?;
        match row.row.figure() {
            Figure::Cpu => costs(row, outcome, &mut text)?,
            Figure::Memory => memory(row, outcome.seed, &mut text)?,
            Figure::Bounded => bounded(row, &mut text)?,
        }
        writeln!(text)?;
    }
    let failures = outcome.failures();
    if !failures.is_empty() {
        writeln!(text, "### Failures\n")?;
        failures.iter().try_for_each(|failure| writeln!(text, "- {failure}"))?;
    }
    Ok(text)
}

fn aims_of(outcome: &Outcome, text: &mut String) -> fmt::Result {
    let aims = aims(outcome);
    if aims.is_empty() {
        return Ok(());
    }
    writeln!(text, "| row | aim | twistor | allowed | noise | |\n|---|---|---|---:|---:|---|")?;
    for aim in &aims {
        let verdict = match &aim.verdict {
            Verdict::Met => "met".to_owned(),
            Verdict::Missed => "**missed**".to_owned(),
            Verdict::Unknown(reason) => format!("unknown: {reason}"),
        };
        let cells = [aim.row.name(), &aim.what, &aim.figure, &aim.allowed, &aim.noise, &verdict];
        writeln!(text, "| {} |", cells.join(" | "))?;
    }
    writeln!(text)
}

fn costs(row: &RowOutcome, outcome: &Outcome, text: &mut String) -> fmt::Result {
    let unit = unit(row.row, outcome.scale);
    let counted = |metric| row.servers.iter().any(|it| !it.series(metric).is_empty());
    let (calls, instructions) = (counted(Metric::SystemCalls), counted(Metric::Instructions));
    let timed = counted(Metric::P50);
    let mut names = vec![
        format!("ns of processor a {unit}"),
        "of bare epoll's".to_owned(),
        "95 % interval".to_owned(),
        "in user mode".to_owned(),
        format!("{} a second", plural(unit)),
    ];
    if timed {
        names.push("p50, p99, p99.9 (µs)".to_owned());
    }
    if calls {
        names.push("system calls".to_owned());
    }
    if instructions {
        names.push("instructions".to_owned());
    }
    names.push("load's own ns".to_owned());
    writeln!(text, "| server | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()))?;
    let mut limited = false;
    for server in &row.servers {
        let of = |metric| server.median(metric).map_or_else(|| "-".to_owned(), number);
        let ratio = row.of(Kind::Limit).and_then(|limit| server.ratio(limit, Metric::Cpu, outcome.seed));
        let star = if server.median(Metric::LoadBusy).is_some_and(|busy| busy > BUSY) { " \\*" } else { "" };
        limited |= !star.is_empty();
        let mut cells = vec![
            of(Metric::Cpu),
            ratio.map_or_else(|| "-".to_owned(), |it| format!("{:.3}", it.median)),
            ratio.map_or_else(|| "-".to_owned(), |it| format!("{:.3} to {:.3}", it.low, it.high)),
            server
                .median(Metric::UserPart)
                .map_or_else(|| "-".to_owned(), |it| format!("{:.0} %", it * 100.0)),
            format!("{}{star}", of(Metric::Rate)),
        ];
        if timed {
            cells.push([Metric::P50, Metric::P99, Metric::P999].map(of).join(", "));
        }
        if calls {
            cells.push(count(server, Metric::SystemCalls));
        }
        if instructions {
            cells.push(of(Metric::Instructions));
        }
        cells.push(of(Metric::LoadCpu));
        writeln!(text, "| {} | {} |", server.label, cells.join(" | "))?;
    }
    if limited {
        writeln!(
            text,
            "\n\\* The load generator was busy all the time: the server may have had more to give."
        )?;
    }
    Ok(())
}

fn memory(row: &RowOutcome, seed: u64, text: &mut String) -> fmt::Result {
    writeln!(text, "| server | bytes, fresh | 95 % interval | bytes, after a message | 95 % interval |")?;
    writeln!(text, "|---|---:|---:|---:|---:|")?;
    for server in &row.servers {
        write!(text, "| {} |", server.label)?;
        for metric in [Metric::Fresh, Metric::Used] {
            match server.interval(metric, seed) {
                Some(it) => {
                    write!(text, " {} | {} to {} |", number(it.median), number(it.low), number(it.high))?;
                }
                None => write!(text, " - | - |")?,
            }
        }
        writeln!(text)?;
    }
    Ok(())
}

fn bounded(row: &RowOutcome, text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "| server | bounded | memory grew by (MiB) | taken from slow readers (MiB) | echoes a second |"
    )?;
    writeln!(text, "|---|---|---:|---:|---:|")?;
    for server in &row.servers {
        let mib = |metric| {
            server.median(metric).map_or_else(|| "-".to_owned(), |it| number(it / f64::from(1 << 20)))
        };
        let verdict = if server.failure.is_some() { "**no**" } else { "yes" };
        let rate = server.median(Metric::Rate).map_or_else(|| "-".to_owned(), number);
        let (grown, flooded) = (mib(Metric::Growth), mib(Metric::Flooded));
        writeln!(text, "| {} | {verdict} | {grown} | {flooded} | {rate} |", server.label)?;
    }
    Ok(())
}

fn count(server: &Server, metric: Metric) -> String {
    server.median(metric).map_or_else(|| "-".to_owned(), |it| format!("{it:.3}"))
}

fn unit(row: Row, scale: Scale) -> &'static str {
    row.workload(scale).unit()
}

fn plural(unit: &str) -> String {
    match unit {
        "delivery" => "deliveries".to_owned(),
        "MiB" => "MiB".to_owned(),
        _ => format!("{unit}s"),
    }
}

/// A number with three digits that count, and commas in large ones.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size < 10.0 {
        return format!("{value:.2}");
    }
    if size < 99.95 {
        return format!("{value:.1}");
    }
    let digits = format!("{size:.0}");
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compare::outcome::tests::{made, outcome_of};

    #[test]
    fn numbers_are_short() {
        let pairs = [
            (0.5, "0.50"),
            (9.994, "9.99"),
            (12.34, "12.3"),
            (99.96, "100"),
            (1_234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-2_000.0, "-2,000"),
        ];
        for (value, text) in pairs {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_table_is_as_it_is() {
        let mut row = made(Row::Echo64, Metric::Cpu, &[1_000.0, 1_010.0, 1_020.0, 2_000.0]);
        for (server, (rate, busy)) in
            row.servers.iter_mut().zip([(1e5, 0.5), (1e5, 0.96), (9e4, 0.9), (5e4, 0.1)])
        {
            server.enter(0, Metric::Rate, rate);
            server.enter(0, Metric::LoadBusy, busy);
            server.enter(0, Metric::UserPart, 0.25);
            server.enter(0, Metric::SystemCalls, 2.015_6);
        }
        row.servers[3].failure = Some("strace: it ended".to_owned());
        let text = table(&outcome_of(vec![row], Scale::Full(Duration::from_secs(1)))).unwrap();
        let expected = "\
- processor: slow
- 5 rounds of 1s each

| row | aim | twistor | allowed | noise | |
|---|---|---|---:|---:|---|
| echo-64 | processor time at most 1.03 of bare epoll's | 1.020 (1.020 to 1.020) | 1.040 | 1.0 % | met |
| echo-64 | behind no peer in processor time | 0.510 (0.510 to 0.510) of peer 3 | 1.010 | 1.0 % | met |
| echo-64 | system calls at most 1.02 of bare epoll's | 1.000 (1.000 to 1.000) | 1.020 | 0.0 % | met |

### `echo-64`: 64 connections, 64 bytes, one message at a time each

| server | ns of processor a message | of bare epoll's | 95 % interval | in user mode | messages a second | system calls | load's own ns |
|---|---:|---:|---:|---:|---:|---:|---:|
| bare epoll | 1,000 | 1.000 | 1.000 to 1.000 | 25 % | 100,000 | 2.016 | - |
| the same again | 1,010 | 1.010 | 1.010 to 1.010 | 25 % | 100,000 \\* | 2.016 | - |
| twistor | 1,020 | 1.020 | 1.020 to 1.020 | 25 % | 90,000 | 2.016 | - |
| peer 3 | 2,000 | 2.000 | 2.000 to 2.000 | 25 % | 50,000 | 2.016 | - |

\\* The load generator was busy all the time: the server may have had more to give.

### Failures

- echo-64, peer 3: strace: it ended
";
        assert_eq!(text, expected);
    }

    #[test]
    fn rows_of_memory_have_their_own_columns() {
        let idle = made(Row::Idle, Metric::Fresh, &[16.0, 16.0, 200.0]);
        let mut slow = made(Row::SlowReaders, Metric::Growth, &[1e6, 1e6, f64::from(3 << 20)]);
        slow.servers[1].failure = Some("memory grew".to_owned());
        let text = table(&outcome_of(vec![idle, slow], Scale::Smoke)).unwrap();
        assert!(text.contains("\n| twistor | 200 | 200 to 200 | - | - |\n"), "{text}");
        assert!(text.contains("\n| twistor | yes | 3.00 | - | - |\n"), "{text}");
        assert!(text.contains("\n| the same again | **no** |"), "{text}");
        assert!(text.contains("a smoke run") && !text.contains("| aim |"), "{text}");
    }
}
