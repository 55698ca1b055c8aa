//! The cases of connections over a kernel that costs next to nothing: what is left is the library's own work, in user mode.
//!
//! - `echo_alone`: a message of 64 bytes, from its readiness to `data_received`, and the echo sent. One event a turn, so the turn is in it.
//! - `echo_many`: the same on 64 connections in one turn.
//! - `gather_1`, `gather_10`, `gather_100`: so many writes of 64 bytes in the callback of an event become one send.
//! - `closing_alone`: a connection is accepted, announced, lost by its peer's end, and dropped.
//! - `closing_many`: the same, a hundred at a time.
//!
//! The hand-written loop has the same kernel and sockets below it, a table of connections, and nothing else: no state, no limits, no
//! back-pressure, no panics contained. Tokio cannot run over this kernel, so it has streams of memory of its own.

use crate::{Case, Variant};

mod by_hand;
mod in_tokio;
mod in_twistor;

/// Bytes of a message, and of a small write.
const MESSAGE: usize = 64;
/// Connections that are ready in one turn.
const READY: i64 = 64;
/// Connections that come and go in one turn.
const COMING: i64 = 100;

const HAND: &str = "hand-written";
/// The first variant entered twice: what the two rows differ by is noise.
const AGAIN: &str = "the same again (A/A)";
const TWISTOR: &str = "twistor";
const TOKIO: &str = "tokio, BufWriter over memory";
const TOKIO_TASK: &str = "tokio, a task with a duplex stream";

/// All cases, in the order of the table.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![
        echo("echo_alone", "one event a turn: 64 bytes come and are sent back", 1),
        echo("echo_many", "64 events a turn; per event", READY),
        gather("gather_1", "one event, one write of 64 bytes, one send", 1),
        gather("gather_10", "one event, ten writes of 64 bytes, one send", 10),
        gather("gather_100", "one event, a hundred writes of 64 bytes, one send", 100),
        closing("closing_alone", "a connection is made, announced, lost and dropped", 1),
        closing("closing_many", "the same, a hundred at a time; per connection", COMING),
    ]
}

fn echo(name: &'static str, what: &'static str, count: i64) -> Case {
    // Connection number `k` is sent `n + k`, and sends it back.
    let expected = if count == 1 { |n| n } else { |n| READY * n + READY * (READY - 1) / 2 };
    let variants = vec![
        Variant::each(HAND, expected, by_hand::echo(count)),
        Variant::each(AGAIN, expected, by_hand::echo(count)),
        Variant::each(TWISTOR, expected, in_twistor::echo(count)),
    ];
    Case { name, what, unit: count, variants }
}

fn gather(name: &'static str, what: &'static str, writes: usize) -> Case {
    let expected = |n| n;
    let variants = vec![
        Variant::each(HAND, expected, by_hand::gather(writes)),
        Variant::each(AGAIN, expected, by_hand::gather(writes)),
        Variant::each(TWISTOR, expected, in_twistor::gather(writes)),
        in_tokio::gather(TOKIO, expected, writes),
    ];
    Case { name, what, unit: 1, variants }
}

fn closing(name: &'static str, what: &'static str, count: i64) -> Case {
    // So many were made plus so many were lost.
    let expected = if count == 1 { |_| 2 } else { |_| 2 * COMING };
    let variants = vec![
        Variant::each(HAND, expected, by_hand::closing(count)),
        Variant::each(AGAIN, expected, by_hand::closing(count)),
        Variant::each(TWISTOR, expected, in_twistor::closing(count)),
        in_tokio::closing(TOKIO_TASK, expected, count),
    ];
    Case { name, what, unit: count, variants }
}

/// What is written in answer to an event: `number` at the front.
fn message(number: i64) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    message[..8].copy_from_slice(&number.to_le_bytes());
    message
}

/// The number at the front of what came.
fn number(data: &[u8]) -> i64 {
    data.first_chunk().map_or(0, |front| i64::from_le_bytes(*front))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_gives_the_right_results() {
        for mut case in cases() {
            for variant in &mut case.variants {
                variant.run(3);
            }
        }
    }
}
