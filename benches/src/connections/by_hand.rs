//! The cases, in the loop that people write: a table of connections, and a `match`.

use std::hint::black_box;
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;

use slab::Slab;
use twistor_reactor::kernel::{
    Kernel, ListenOptions, Readiness, ReceivedData, StreamListener, StreamSocket, Token,
};

use super::{MESSAGE, message, number};
use crate::memory_kernel::{MemoryKernel, Wire};

/// The token of the listener. Connections have their places in the table.
const LISTENER: Token = Token::new(u32::MAX, 0);

/// What a connection does with what comes. All is known here, so nothing is called through a pointer.
trait Behaviour {
    fn made(&mut self) {}
    fn received(&mut self, data: &[u8], send: &mut dyn FnMut(&[u8]));
    fn lost(&mut self) {}
}

struct Loop<B> {
    kernel: MemoryKernel,
    listener: Box<dyn StreamListener>,
    connections: Slab<Box<dyn StreamSocket>>,
    behaviour: B,
    ready: Vec<Readiness>,
    scratch: Box<[u8]>,
}

impl<B: Behaviour> Loop<B> {
    fn new(behaviour: B) -> Self {
        let kernel = MemoryKernel::default();
        let listener = kernel.listen_stream(([127, 0, 0, 1], 0).into(), &ListenOptions::default());
        let listener = listener.expect("the kernel listens");
        listener.register(LISTENER).expect("the kernel listens");
        let scratch = vec![0; 65_536].into();
        Self { kernel, listener, connections: Slab::new(), behaviour, ready: Vec::new(), scratch }
    }

    fn connect(&mut self, count: i64) -> Vec<Rc<Wire>> {
        let wires = (0..count).map(|_| self.kernel.connect()).collect();
        self.turn();
        wires
    }

    fn turn(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        self.kernel.wait(None, &mut ready).expect("the kernel works");
        for readiness in ready.drain(..) {
            match readiness.token {
                LISTENER => self.accept(),
                token => self.serve(token.index()),
            }
        }
        self.ready = ready;
    }

    fn accept(&mut self) {
        while let Ok(accepted) = self.listener.accept() {
            let entry = self.connections.vacant_entry();
            let place = u32::try_from(entry.key()).expect("fewer connections");
            let socket = entry.insert(accepted.socket);
            socket.register(Token::new(place, 0)).expect("the kernel takes it");
            self.behaviour.made();
        }
    }

    fn serve(&mut self, place: usize) {
        let Some(socket) = self.connections.get(place) else { return };
        loop {
            match socket.recv(&mut self.scratch) {
                Ok(received) if received.is_empty() => break,
                Ok(received) => {
                    let data = match &received.data {
                        ReceivedData::Scratch(len) => &self.scratch[..*len],
                        ReceivedData::Own(bytes) => &bytes[..],
                    };
                    let mut send = |data: &[u8]| {
                        let sent = socket.send(&[IoSlice::new(data)]);
                        assert_eq!(sent.ok(), Some(data.len()), "this socket takes all");
                    };
                    self.behaviour.received(data, &mut send);
                    if received.drained {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
        drop(self.connections.remove(place));
        self.behaviour.lost();
    }
}

struct Echo;

impl Behaviour for Echo {
    fn received(&mut self, data: &[u8], send: &mut dyn FnMut(&[u8])) {
        send(data);
    }
}

pub(super) fn echo(count: i64) -> impl FnMut(i64) -> i64 {
    let mut server = Loop::new(Echo);
    let wires = server.connect(count);
    move |n| {
        for (wire, number) in wires.iter().zip(n..) {
            wire.write(MESSAGE, number);
        }
        server.turn();
        wires.iter().map(|wire| wire.take_sent().numbers).sum()
    }
}

/// Gathers its answer in a vector, which it keeps.
struct Answer {
    writes: usize,
    gathered: Vec<u8>,
}

impl Behaviour for Answer {
    fn received(&mut self, data: &[u8], send: &mut dyn FnMut(&[u8])) {
        let message = message(number(data));
        for _ in 0..self.writes {
            self.gathered.extend_from_slice(black_box(&message));
        }
        send(&self.gathered);
        self.gathered.clear();
    }
}

pub(super) fn gather(writes: usize) -> impl FnMut(i64) -> i64 {
    let mut server = Loop::new(Answer { writes, gathered: Vec::new() });
    let wires = server.connect(1);
    move |n| {
        wires[0].write(8, n);
        server.turn();
        let sent = wires[0].take_sent();
        assert_eq!((sent.sends, sent.bytes), (1, writes * MESSAGE));
        sent.numbers
    }
}

/// Counts who came and who went.
#[derive(Default)]
struct Visitors(i64);

impl Behaviour for Visitors {
    fn made(&mut self) {
        self.0 += 1;
    }

    fn received(&mut self, _data: &[u8], _send: &mut dyn FnMut(&[u8])) {}

    fn lost(&mut self) {
        self.0 += 1;
    }
}

pub(super) fn closing(count: i64) -> impl FnMut(i64) -> i64 {
    let mut server = Loop::new(Visitors::default());
    let wires = server.connect(count);
    wires.iter().for_each(|wire| wire.end());
    server.turn();
    server.behaviour.0 = 0;
    move |_| {
        wires.iter().for_each(|wire| server.kernel.connect_again(wire));
        server.turn();
        wires.iter().for_each(|wire| wire.end());
        server.turn();
        assert!(!wires.iter().any(|wire| wire.is_held()), "every connection is gone");
        std::mem::take(&mut server.behaviour.0)
    }
}
