use std::io::{ErrorKind, IoSlice};

use super::{Segment, StreamEnd};
use crate::edges::Edges;

/// Two ends, and what is on its way between them.
struct Pair {
    ends: [StreamEnd; 2],
    wires: [Vec<Segment>; 2],
}

impl Pair {
    fn new(receive: usize, send: usize) -> Self {
        let mut ends = [StreamEnd::connecting(receive, send), StreamEnd::connecting(receive, send)];
        for end in &mut ends {
            end.open(receive);
            assert_eq!(end.take_edges(), Edges::WRITABLE);
        }
        Self { ends, wires: [Vec::new(), Vec::new()] }
    }

    /// What each end has to say goes onto its wire.
    fn poll(&mut self) {
        for (end, wire) in self.ends.iter_mut().zip(&mut self.wires) {
            wire.extend(std::iter::from_fn(|| end.poll_segment()));
        }
    }

    /// One segment of the wire from `from` arrives. Says whether there was one.
    fn deliver(&mut self, from: usize) -> bool {
        if self.wires[from].is_empty() {
            return false;
        }
        let segment = self.wires[from].remove(0);
        self.ends[1 - from].handle(segment);
        true
    }

    fn settle(&mut self) {
        loop {
            self.poll();
            let moved = [self.deliver(0), self.deliver(1)];
            if moved == [false, false] {
                return;
            }
        }
    }
}

fn send(end: &mut StreamEnd, bytes: &[u8]) -> std::io::Result<usize> {
    end.send(&[IoSlice::new(bytes)], usize::MAX)
}

#[test]
fn crossing_fins_close_both_ends_in_order() {
    let mut pair = Pair::new(8, 8);
    pair.ends[0].close(false);
    pair.ends[1].close(false);
    pair.settle();
    assert!(pair.ends.iter().all(StreamEnd::is_over));
    assert!(pair.ends.iter().all(|end| !end.was_reset_by_peer()));
}

#[test]
fn a_reset_that_crosses_a_fin_wins() {
    let mut pair = Pair::new(8, 8);
    pair.ends[0].shutdown_write().unwrap();
    pair.ends[1].close(true);
    pair.settle();
    assert_eq!(pair.ends[0].take_error().unwrap().kind(), ErrorKind::ConnectionReset);
    assert!(pair.ends.iter().all(StreamEnd::is_over));
}

#[test]
fn a_reset_after_an_orderly_end_is_not_noticed() {
    let mut pair = Pair::new(8, 8);
    send(&mut pair.ends[0], b"unread").unwrap();
    for end in &mut pair.ends {
        end.shutdown_write().unwrap();
    }
    pair.settle();
    pair.ends[1].close(false);
    pair.settle();
    assert!(pair.ends[0].take_error().is_none());
    assert!(!pair.ends[0].was_reset_by_peer());
}

#[test]
fn no_more_is_on_its_way_than_was_granted() {
    let mut pair = Pair::new(5, 100);
    send(&mut pair.ends[0], &[1; 50]).unwrap();
    pair.poll();
    assert_eq!(pair.wires[0], [Segment::Data(vec![1; 5])]);
    pair.ends[1].set_receive_capacity(3);
    pair.settle();
    let mut all = Vec::new();
    pair.ends[1].recv_all(&mut all);
    assert_eq!(all.len(), 5);
    pair.settle();
    assert_eq!(pair.ends[1].unread().len(), 3);
}

#[test]
fn refused_is_an_error_once() {
    let mut end = StreamEnd::connecting(8, 8);
    end.refuse(crate::errno::ECONNREFUSED);
    assert_eq!(end.level(), Edges::FAILED);
    assert_eq!(end.take_error().unwrap().kind(), ErrorKind::ConnectionRefused);
    assert!(end.take_error().is_none());
    assert!(end.is_over());
}

/// Whatever is sent arrives, once and in order, and every wait of either side is ended by an edge, however segments are delayed.
#[test]
fn random_traffic_arrives_whole_and_no_edge_is_lost() {
    for seed in 1..200_u64 {
        let mut random = seed;
        let mut next = move |below: usize| {
            // A linear congruential generator: any will do here, as long as it repeats.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap() % below
        };
        let mut pair = Pair::new(1 + next(20), 1 + next(20));
        let input: Vec<u8> = (0..500).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let (mut sent, mut received) = (0, Vec::<u8>::new());
        let (mut may_send, mut may_read) = (true, true);
        for step in 0.. {
            assert!(step < 1_000_000, "seed {seed} hangs");
            match next(4) {
                0 if may_send && sent < input.len() => {
                    let until = input.len().min(sent + 1 + next(30));
                    match send(&mut pair.ends[0], &input[sent..until]) {
                        Ok(len) => sent += len,
                        Err(_) => may_send = false,
                    }
                }
                1 if may_read => {
                    let mut scratch = vec![0; 1 + next(10)];
                    match pair.ends[1].recv(&mut scratch, usize::MAX) {
                        Ok((len, drained)) => {
                            received.extend(&scratch[..len]);
                            may_read = !drained;
                        }
                        Err(_) => may_read = false,
                    }
                }
                2 => drop(pair.deliver(0)),
                _ => drop(pair.deliver(1)),
            }
            pair.poll();
            may_send |= (pair.ends[0].take_edges() & Edges::WRITABLE) == Edges::WRITABLE;
            may_read |= (pair.ends[1].take_edges() & Edges::READABLE) == Edges::READABLE;
            if received.len() == input.len() {
                break;
            }
        }
        assert_eq!(received, input);
    }
}
