//! The conformance suite of filters, over good ones and bad ones.

use std::time::Duration;

use twistor_deferred::{Failure, contain};
use twistor_net::{Filter, FilterIo};
use twistor_sim::conformance::{self, FilterSample};

struct Identity;

impl Filter for Identity {}

/// Takes the first line for itself, and answers it.
#[derive(Default)]
struct Header {
    line: Vec<u8>,
    done: bool,
}

impl Filter for Header {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        if self.done {
            return io.deliver(data);
        }
        self.line.extend_from_slice(data);
        if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            self.done = true;
            if !self.line.starts_with(b"hello") {
                return io.fail(Failure::message("no greeting").into());
            }
            io.send(b"welcome\n");
            io.deliver(&self.line[end + 1..]);
        }
    }
}

/// Sends whole blocks of four, and the rest at the close.
#[derive(Default)]
struct Blocks(Vec<u8>);

impl Filter for Blocks {
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.0.extend_from_slice(data);
        let whole = self.0.len() / 4 * 4;
        let out: Vec<u8> = self.0.drain(..whole).collect();
        io.send(&out);
    }

    fn closing(&mut self, io: &mut FilterIo) {
        io.send(&std::mem::take(&mut self.0));
    }

    fn pending(&self) -> usize {
        self.0.len()
    }
}

/// Sends a byte a second.
#[derive(Default)]
struct Slow {
    held: Vec<u8>,
    closing: bool,
}

impl Filter for Slow {
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        if self.held.is_empty() {
            io.wake_after(Duration::from_secs(1));
        }
        self.held.extend_from_slice(data);
    }

    fn timer(&mut self, io: &mut FilterIo) {
        if !self.held.is_empty() {
            io.send(&[self.held.remove(0)]);
            io.wake_after(Duration::from_secs(1));
        }
    }

    fn closing(&mut self, io: &mut FilterIo) {
        self.closing = true;
        if !self.held.is_empty() {
            io.wake_after(Duration::from_secs(1));
        }
    }

    fn is_closing(&self) -> bool {
        self.closing && !self.held.is_empty()
    }

    fn pending(&self) -> usize {
        self.held.len()
    }
}

#[test]
fn good_filters_pass() {
    let sample = FilterSample::new(b"hello\nthere\n").writes(b"general greetings");
    conformance::filter(|| Identity, &sample);
    conformance::filter(Header::default, &sample);
    conformance::filter(Header::default, &FilterSample::new(b"goodbye\nand more"));
    conformance::filter(Blocks::default, &sample);
    conformance::filter(Slow::default, &sample);
    conformance::filter(|| Identity, &FilterSample::new(&[3; 3_000]));
}

/// The cases that a filter fails.
#[track_caller]
fn failures<F: Filter>(make: impl Fn() -> F) -> String {
    let sample = FilterSample::new(b"hello\nthere\n").writes(b"general greetings");
    contain(|| conformance::filter(make, &sample)).expect_err("it is a bad one")
}

#[test]
fn a_filter_that_takes_a_piece_for_a_message_fails() {
    struct Pieces;
    impl Filter for Pieces {
        fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
            io.deliver(&data[..data.len().min(6)]);
        }
        fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
            io.send(data);
            io.send(b".");
        }
    }
    let why = failures(|| Pieces);
    assert!(why.contains("what_is_received_may_be_cut_anywhere: "), "{why}");
    assert!(why.contains("what_is_written_may_be_cut_anywhere: "), "{why}");
    assert!(why.starts_with("2 of 5 cases failed"), "{why}");
}

#[test]
fn a_filter_that_forgets_what_it_held_fails() {
    /// Delivers the last piece, a second later.
    #[derive(Default)]
    struct Forgetful(Vec<u8>);
    impl Filter for Forgetful {
        fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
            self.0 = data.to_vec();
            io.wake_after(Duration::from_secs(1));
        }
        fn timer(&mut self, io: &mut FilterIo) {
            io.deliver(&self.0);
        }
    }
    let why = failures(Forgetful::default);
    assert!(why.contains("what_is_received_may_be_cut_anywhere: "), "{why}");
    assert!(why.starts_with("1 of 5 cases failed"), "{why}");
}

#[test]
fn a_filter_that_does_not_let_a_connection_end_fails() {
    struct Stubborn;
    impl Filter for Stubborn {
        fn is_closing(&self) -> bool {
            true
        }
    }
    let why = failures(|| Stubborn);
    assert!(why.contains("a_close_in_order_comes_to_its_end: "), "{why}");
    assert!(why.contains("the_end_of_the_input_comes_to_an_end: "), "{why}");
}

#[test]
fn a_filter_that_holds_back_what_nobody_wrote_fails() {
    struct Debtor;
    impl Filter for Debtor {
        fn pending(&self) -> usize {
            1
        }
    }
    let why = failures(|| Debtor);
    assert!(why.contains("nothing_is_pending_at_first: "), "{why}");
}
