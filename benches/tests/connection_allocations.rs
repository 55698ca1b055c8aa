//! What a message allocates once a connection is under way, over a kernel of memory and over real sockets: nothing, but for two lists of the
//! loop's, and for a broadcast to more connections than there are spare outboxes.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use allocation_counter::measure;
use twistor::prelude::*;
use twistor_bench::memory_kernel::{MemoryKernel, Sent, Wire};
use twistor_reactor::kernel::MioKernel;

/// Messages before anything is counted, and messages that are counted.
const ROUNDS: i64 = 100;

/// A reactor over a kernel of memory, with so many connections of `protocol`.
struct Served {
    reactor: Reactor,
    wires: Vec<Rc<Wire>>,
}

impl Served {
    fn new<P: Protocol>(connections: usize, mut protocol: impl FnMut() -> P + 'static) -> Self {
        let kernel = MemoryKernel::default();
        let mut reactor = Reactor::builder().handle_signals(false).build_with(kernel.clone());
        reactor.start().unwrap();
        reactor.listen_tcp(("127.0.0.1", 0), for_protocol(move |_| protocol())).unwrap();
        let wires: Vec<_> = (0..connections).map(|_| kernel.connect()).collect();
        let mut served = Self { reactor, wires };
        for _ in 0..connections {
            served.turn();
        }
        assert!(served.wires.iter().all(|wire| wire.is_held()));
        served
    }

    fn turn(&mut self) {
        self.reactor.iterate(Some(Duration::ZERO)).unwrap();
    }

    /// A message of so many bytes to the first connection, and the turns that it takes: two if it fills the read buffer.
    fn message(&mut self, bytes: usize, number: i64) {
        self.wires[0].write(bytes, number);
        self.turn();
        self.turn();
    }

    /// How often [`ROUNDS`] messages allocate, after as many that are not counted; each is answered by `answer` to the first connection.
    #[track_caller]
    fn allocations(&mut self, bytes: usize, answer: Sent) -> u64 {
        let mut run = || {
            for number in 0..ROUNDS {
                self.message(bytes, number);
                let expected = Sent { numbers: answer.numbers * number, ..answer };
                assert_eq!(self.wires[0].take_sent(), expected);
            }
        };
        run();
        measure(run).count_total
    }
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

/// So many messages of 64 bytes may be under way: each is answered by itself.
struct EchoEach;

impl Protocol for EchoEach {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        for message in data.chunks_exact(64) {
            transport.write(message);
        }
    }
}

/// Answers by many lines, each written in two parts.
struct Lines(usize);

impl Protocol for Lines {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        for _ in 0..self.0 {
            transport.write(data);
            transport.write(b"\r\n");
        }
    }
}

/// Answers with a vector of its own.
struct Copies;

impl Protocol for Copies {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let copy = std::hint::black_box(data.to_vec());
        transport.write(&copy);
    }
}

const fn sent(numbers: i64, bytes: usize) -> Sent {
    Sent { numbers, sends: 1, bytes }
}

#[test]
fn an_echo_allocates_nothing() {
    for bytes in [64, 65_535, 65_536] {
        assert_eq!(Served::new(1, || Echo).allocations(bytes, sent(1, bytes)), 0, "{bytes} bytes");
    }
}

#[test]
fn a_protocol_that_allocates_is_seen() {
    assert_eq!(Served::new(1, || Copies).allocations(64, sent(1, 64)), ROUNDS as u64);
}

#[test]
fn sixteen_messages_at_a_time_allocate_nothing() {
    assert_eq!(Served::new(1, || EchoEach).allocations(16 * 64, sent(1, 16 * 64)), 0);
}

#[test]
fn many_small_writes_allocate_nothing() {
    assert_eq!(Served::new(1, || Lines(1_000)).allocations(8, sent(1, 10_000)), 0);
}

#[test]
fn connections_that_take_turns_allocate_nothing() {
    let mut served = Served::new(100, || Echo);
    let mut run = || {
        for number in 0..ROUNDS {
            served.wires.iter().for_each(|wire| wire.write(64, number));
            served.turn();
            assert!(served.wires.iter().all(|wire| wire.take_sent() == sent(number, 64)));
        }
    };
    run();
    assert_eq!(measure(run).count_total, 0);
}

type Room = Rc<RefCell<Vec<Transport>>>;

/// Joins the room. What it is sent, all hear: `said`.
struct Speaker {
    room: Room,
    said: Bytes,
}

impl Protocol for Speaker {
    fn connection_made(&mut self, transport: &Transport) {
        self.room.borrow_mut().push(transport.clone());
    }

    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {
        for transport in &*self.room.borrow() {
            transport.write_bytes(self.said.clone());
        }
    }
}

/// How often a broadcast of the same `Bytes` to so many connections allocates.
fn broadcast(connections: usize, bytes: usize) -> f64 {
    let (room, said) = (Room::default(), Bytes::from(vec![0; bytes]));
    let make = move || Speaker { room: Rc::clone(&room), said: said.clone() };
    let mut served = Served::new(connections, make);
    let mut run = || {
        for number in 0..ROUNDS {
            served.message(1, number);
            assert!(served.wires.iter().all(|wire| wire.take_sent() == sent(0, bytes)));
        }
    };
    run();
    measure(run).count_total as f64 / ROUNDS as f64
}

#[test]
fn a_broadcast_allocates_nothing() {
    for bytes in [64, 4_096] {
        for connections in [1, 16, 100] {
            assert_eq!(broadcast(connections, bytes), 0.0, "{bytes} bytes to {connections}");
        }
    }
}

/// Counts what was echoed.
struct CountedEcho(Rc<Cell<usize>>);

impl Protocol for CountedEcho {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
        self.0.set(self.0.get() + data.len());
    }
}

#[test]
fn an_echo_over_loopback_allocates_nothing() {
    let mut reactor = Reactor::builder().handle_signals(false).build_with(MioKernel::new().unwrap());
    reactor.start().unwrap();
    let echoed = Rc::new(Cell::new(0));
    let count = Rc::clone(&echoed);
    let factory = for_protocol(move |_| CountedEcho(Rc::clone(&count)));
    let port = reactor.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let Address::Tcp(address) = port.host() else { panic!("a TCP port") };
    #[expect(clippy::disallowed_methods, reason = "the other end is none of the library's")]
    let mut client = TcpStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    let message: Vec<u8> = (0..65_536).map(|i| (i % 251) as u8).collect();
    let mut answer = vec![0; message.len()];
    for bytes in [64, 65_536] {
        let mut run = || {
            for _ in 0..ROUNDS {
                echo_once(&mut reactor, &mut client, &message[..bytes], &mut answer[..bytes]);
            }
        };
        run();
        assert_eq!(measure(run).count_total, 0, "{bytes} bytes");
        assert_eq!(answer[..bytes], message[..bytes]);
    }
    assert_eq!(echoed.get(), 2 * ROUNDS as usize * (64 + 65_536));
}

/// Sends `message` and turns the reactor until all of it is back.
fn echo_once(reactor: &mut Reactor, client: &mut TcpStream, message: &[u8], answer: &mut [u8]) {
    /// More turns than pieces into which a system cuts a message; each of them waits for events, not for long.
    const TURNS: usize = 10_000;
    let (mut to, mut back) = (0, 0);
    for _ in 0..TURNS {
        to += taken(client.write(&message[to..]));
        back += taken(client.read(&mut answer[back..]));
        if back == message.len() {
            return;
        }
        reactor.iterate(Some(Duration::from_millis(1))).unwrap();
    }
    panic!("{back} of {} bytes came back", message.len());
}

fn taken(result: std::io::Result<usize>) -> usize {
    match result {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("{error}"),
    }
}
