//! What every [`Filter`] owes the stack it is in: it must not care how a stream is cut, and must let a connection end.

use std::time::Duration;

use twistor_deferred::contain;
use twistor_net::Filter;

use super::harness::Ending;
use crate::{Accumulating, StringTransport};

/// The streams that a filter is tried with.
///
/// # Examples
///
/// ```
/// use twistor_net::{Filter, FilterIo};
/// use twistor_sim::conformance::{self, FilterSample};
///
/// /// Turns letters upside down, both ways.
/// struct Shout;
/// impl Filter for Shout {
///     fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
///         io.deliver(&data.to_ascii_lowercase());
///     }
///     fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
///         io.send(&data.to_ascii_uppercase());
///     }
/// }
///
/// conformance::filter(|| Shout, &FilterSample::new(b"HELLO").writes(b"good morning"));
/// ```
#[derive(Clone, Debug)]
pub struct FilterSample {
    received: Vec<u8>,
    written: Option<Vec<u8>>,
}

impl FilterSample {
    /// `received` is what comes from the peer: something that the filter takes to its end, and better not all of one kind. At least a byte.
    #[must_use]
    pub fn new(received: &[u8]) -> Self {
        Self { received: received.to_vec(), written: None }
    }

    /// What the protocol writes, for a filter whose output does not depend on how that is cut into writes. Leave it out for one that makes a
    /// record of every write.
    #[must_use]
    pub fn writes(mut self, written: &[u8]) -> Self {
        self.written = Some(written.to_vec());
        self
    }
}

/// What both sides of a filter have seen when it was all over.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// By the protocol.
    received: Vec<u8>,
    /// By the peer.
    sent: Vec<u8>,
    ending: Option<Ending>,
}

/// More than any filter may take to say its last: the close has a deadline of 30 s.
const AN_HOUR: Duration = Duration::from_secs(3_600);
/// The most cuts in two that are tried of one stream, spread over it.
const MOST_CUTS: usize = 512;

/// Runs every case of a filter's promises, each with new filters made by `make`, under real connections in virtual time:
///
/// - what comes from the peer gives the same bytes and the same end whether it comes whole, in two pieces cut anywhere, or byte by
///   byte; so does what the protocol writes, if the sample has [`writes`](FilterSample::writes);
/// - a filter that was asked nothing holds nothing back;
/// - a close in order comes to its end, with everything written sent, and no filter needs more than the deadline of a close;
/// - the end of the peer's stream comes to an end too.
///
/// # Panics
///
/// With the list of the cases that failed and what each saw, if any did. All are run first.
pub fn filter<F: Filter>(make: impl Fn() -> F, sample: &FilterSample) {
    let mut results = vec![
        ("what_is_received_may_be_cut_anywhere", contain(|| received_may_be_cut(&make, &sample.received))),
        ("nothing_is_pending_at_first", contain(|| nothing_is_pending_at_first(&make))),
        ("a_close_in_order_comes_to_its_end", contain(|| close_comes_to_its_end(&make, sample))),
        ("the_end_of_the_input_comes_to_an_end", contain(|| input_comes_to_an_end(&make))),
    ];
    if let Some(written) = &sample.written {
        let result = contain(|| written_may_be_cut(&make, written));
        results.push(("what_is_written_may_be_cut_anywhere", result));
    }
    super::report(results);
}

fn received_may_be_cut<F: Filter>(make: &impl Fn() -> F, received: &[u8]) {
    let play = |pieces: &[&[u8]]| {
        run(make, |transport| {
            for piece in pieces {
                transport.deliver(piece);
            }
            transport.advance(AN_HOUR); // For what is held back by a timer.
            transport.finish();
        })
    };
    same_however_cut(received, play);
}

fn written_may_be_cut<F: Filter>(make: &impl Fn() -> F, written: &[u8]) {
    let play = |pieces: &[&[u8]]| {
        run(make, |transport| {
            for piece in pieces {
                transport.transport().write(piece);
                transport.deliver(b""); // Each is flushed by itself.
            }
            transport.advance(AN_HOUR);
            transport.transport().lose_connection();
        })
    };
    same_however_cut(written, play);
}

/// Compares what becomes of a stream as a whole with what becomes of its pieces.
fn same_however_cut(stream: &[u8], play: impl Fn(&[&[u8]]) -> Outcome) {
    let whole = play(&[stream]);
    let step = stream.len().div_ceil(MOST_CUTS).max(1);
    for at in (1..stream.len()).step_by(step) {
        let (front, back) = stream.split_at(at);
        let cut = play(&[front, back]);
        assert_eq!(cut, whole, "cut after byte {at} (left) it is not what the whole is (right)");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(play(&bytes), whole, "byte by byte (left) it is not what the whole is (right)");
}

fn nothing_is_pending_at_first<F: Filter>(make: &impl Fn() -> F) {
    let mut transport = StringTransport::new(Accumulating::new().0);
    transport.transport().push_filter(make(), &[]);
    transport.advance(AN_HOUR);
    assert_eq!(transport.transport().pending(), 0, "bytes wait, and nobody has written any");
}

fn close_comes_to_its_end<F: Filter>(make: &impl Fn() -> F, sample: &FilterSample) {
    let words = sample.written.as_deref().unwrap_or(b"some words");
    let outcome = run(make, |transport| {
        transport.transport().write(words);
        transport.transport().lose_connection();
    });
    assert_eq!(outcome.ending, Some(Ending::Done), "{outcome:?}");
}

fn input_comes_to_an_end<F: Filter>(make: &impl Fn() -> F) {
    let outcome = run(make, StringTransport::finish);
    assert!(outcome.ending.is_some(), "the connection is there an hour after the end of its input");
    assert_ne!(outcome.ending, Some(Ending::CloseTimedOut), "nobody kept it but the filter");
}

/// Plays one connection with the filter under it, to its end.
fn run<F: Filter>(make: &impl Fn() -> F, play: impl FnOnce(&mut StringTransport<Accumulating>)) -> Outcome {
    let (protocol, seen) = Accumulating::new();
    let mut transport = StringTransport::new(protocol);
    transport.transport().push_filter(make(), &[]);
    transport.deliver(b"");
    play(&mut transport);
    transport.advance(AN_HOUR);
    Outcome {
        received: seen.data(),
        sent: transport.take(),
        ending: seen.reason().as_ref().map(Ending::from),
    }
}
