//! Filters: the way of the bytes through them.

use std::io::Write;

use twistor_net::{Filter, FilterIo, Flow};

use crate::common::{Heard, Probe, drive, ms};
use crate::support::{Notes, Plain, Served, dial, new_reactor, receive, serve, served, served_with, settle};

/// The filter was put in place after the flush, and what had been written above it stayed there.
#[test]
fn what_is_written_right_after_a_filter_was_pushed_reaches_the_peer() {
    let Served { mut reactor, side, mut peer } = served();
    let lent = side.connection().try_with(|_, transport| {
        transport.push_filter(Plain, b"");
        transport.write(b"hello");
    });
    assert_eq!(lent, Ok(()));
    assert_eq!(receive(&mut reactor, &mut peer, 5), b"hello");
}

/// Delivers what it receives when a time has passed.
struct Late {
    held: Vec<u8>,
    notes: Notes,
}

impl Filter for Late {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.held.extend_from_slice(data);
        self.notes.add("received");
        io.wake_after(ms(5));
    }
    fn timer(&mut self, io: &mut FilterIo) {
        io.deliver(&std::mem::take(&mut self.held));
        self.notes.add("delivered");
    }
}

/// A paused connection whose filter has delivered a "late" meanwhile.
fn paused_with_held_bytes() -> Served {
    let Served { mut reactor, side, mut peer } = served();
    let notes = Notes::default();
    side.transport().push_filter(Late { held: Vec::new(), notes: notes.clone() }, b"");
    peer.write_all(b"late").unwrap();
    drive(&mut reactor, "the data", || notes.count("received") == 1);
    side.transport().pause_producing();
    drive(&mut reactor, "the timer", || notes.count("delivered") == 1);
    assert_eq!(side.text(), "", "it is paused");
    Served { reactor, side, peer }
}

/// What a filter delivered during a pause was once delivered all the same, or not at all.
#[test]
fn bytes_that_a_filter_delivers_during_a_pause_come_when_it_is_over() {
    let Served { mut reactor, side, peer: _peer } = paused_with_held_bytes();
    side.transport().resume_producing();
    drive(&mut reactor, "the data", || side.text() == "late");
}

/// A post queued in the dispatch that was to deliver them held them back, and nothing came for them afterwards.
#[test]
fn bytes_held_during_a_pause_survive_a_post_in_the_turn_of_the_resume() {
    let Served { mut reactor, side, peer: _peer } = paused_with_held_bytes();
    let held = side.clone();
    let (probe, poster) = Probe::new(move |heard, _| {
        if matches!(heard, Heard::Data(_)) {
            held.connection().post(|_, _| ());
        }
    });
    let mut poster_peer = dial(&serve(&reactor, probe));
    drive(&mut reactor, "the connection", || poster.has(&Heard::Made));
    poster_peer.write_all(b"post").unwrap();
    side.transport().resume_producing();
    drive(&mut reactor, "the data", || side.text() == "late" && poster.text() == "post");
}

/// Delivers a word at the first piece that is written.
struct Answers {
    answered: bool,
}

impl Filter for Answers {
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.send(data);
        if !std::mem::replace(&mut self.answered, true) {
            io.deliver(b"answer");
        }
    }
}

/// An answer of the filter was delivered inside the flush, and what the protocol wrote at that overtook the rest of the flush.
#[test]
fn what_a_protocol_writes_in_answer_to_its_filter_does_not_overtake_what_it_wrote_before() {
    let probe = Probe::new(|heard, transport| match heard {
        Heard::Made => transport.push_filter(Answers { answered: false }, b""),
        Heard::Data(data) if data == b"go" => {
            transport.write_bytes(vec![b'1'; 1_024]);
            transport.write_bytes(vec![b'2'; 1_024]);
        }
        Heard::Data(_) => drop(transport.write(b"3")),
        _ => {}
    });
    let Served { mut reactor, mut peer, .. } = served_with(new_reactor(), probe);
    peer.write_all(b"go").unwrap();
    let mut got = receive(&mut reactor, &mut peer, 2_049);
    got.dedup();
    assert_eq!(got, b"123");
}

/// What a filter held back was out of sight: a writer behind a throttle was never told to pause.
#[test]
fn bytes_that_a_filter_holds_back_count_for_back_pressure() {
    /// Holds everything back.
    struct Dam(usize);
    impl Filter for Dam {
        fn written(&mut self, _: &mut FilterIo, data: &[u8]) {
            self.0 += data.len();
        }
        fn pending(&self) -> usize {
            self.0
        }
    }
    let Served { mut reactor, side, peer: _peer } = served();
    side.transport().push_filter(Dam(0), b"");
    side.transport().write(&[0; 60_000]);
    settle(&mut reactor);
    assert_eq!((side.transport().pending(), side.heard().len()), (60_000, 1));
    side.transport().write(&[0; 60_000]);
    settle(&mut reactor);
    assert_eq!(side.transport().write(b"x"), Flow::Full);
    drive(&mut reactor, "the pause", || side.has(&Heard::Pause));
}
