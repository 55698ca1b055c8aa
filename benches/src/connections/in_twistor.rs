//! The cases, with a protocol on a listening port of a reactor that is turned by hand.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use twistor::prelude::*;

use super::{MESSAGE, message, number};
use crate::memory_kernel::{MemoryKernel, Wire};

/// A reactor that has started, and the kernel below it, on which somebody listens.
struct Loop {
    reactor: Reactor,
    kernel: MemoryKernel,
}

impl Loop {
    fn new<P: Protocol>(mut protocol: impl FnMut() -> P + 'static) -> Self {
        let kernel = MemoryKernel::default();
        let mut reactor = Reactor::builder().handle_signals(false).build_with(kernel.clone());
        reactor.start().expect("a fresh reactor");
        reactor.listen_tcp(("127.0.0.1", 0), for_protocol(move |_| protocol())).expect("the kernel listens");
        Self { reactor, kernel }
    }

    fn turn(&mut self) {
        self.reactor.iterate(Some(Duration::ZERO)).expect("the kernel works");
    }

    fn connect(&mut self, count: i64) -> Vec<Rc<Wire>> {
        let wires: Vec<_> = (0..count).map(|_| self.kernel.connect()).collect();
        self.accept(&wires);
        wires
    }

    /// As many turns as it takes: a port that had nobody to accept begins with one, then takes 20 more in each turn.
    fn accept(&mut self, wires: &[Rc<Wire>]) {
        const MOST: usize = 16;
        for _ in 0..MOST {
            if wires.iter().all(|wire| wire.is_held()) {
                return;
            }
            self.turn();
        }
        panic!("some were not accepted");
    }
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

pub(super) fn echo(count: i64) -> impl FnMut(i64) -> i64 {
    let mut reactor = Loop::new(|| Echo);
    let wires = reactor.connect(count);
    move |n| {
        for (wire, number) in wires.iter().zip(n..) {
            wire.write(MESSAGE, number);
        }
        reactor.turn();
        wires.iter().map(|wire| wire.take_sent().numbers).sum()
    }
}

/// Answers each event by so many writes.
struct Answer {
    writes: usize,
}

impl Protocol for Answer {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let message = message(number(data));
        for _ in 0..self.writes {
            transport.write(black_box(&message));
        }
    }
}

pub(super) fn gather(writes: usize) -> impl FnMut(i64) -> i64 {
    let mut reactor = Loop::new(move || Answer { writes });
    let wires = reactor.connect(1);
    move |n| {
        wires[0].write(8, n);
        reactor.turn();
        let sent = wires[0].take_sent();
        assert_eq!((sent.sends, sent.bytes), (1, writes * MESSAGE));
        sent.numbers
    }
}

/// Counts what it is told.
struct Visitor(Rc<Cell<i64>>);

impl Protocol for Visitor {
    fn connection_made(&mut self, _transport: &Transport) {
        self.0.set(self.0.get() + 1);
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        self.0.set(self.0.get() + 1);
    }
}

pub(super) fn closing(count: i64) -> impl FnMut(i64) -> i64 {
    let told = Rc::new(Cell::new(0));
    let tell = Rc::clone(&told);
    let mut reactor = Loop::new(move || Visitor(Rc::clone(&tell)));
    let wires = reactor.connect(count);
    let end = move |reactor: &mut Loop, wires: &[Rc<Wire>]| {
        wires.iter().for_each(|wire| wire.end());
        reactor.turn();
        assert!(!wires.iter().any(|wire| wire.is_held()), "every connection is gone");
    };
    end(&mut reactor, &wires);
    told.take();
    move |_| {
        wires.iter().for_each(|wire| reactor.kernel.connect_again(wire));
        reactor.accept(&wires);
        end(&mut reactor, &wires);
        told.take()
    }
}
