//! Filters under the script, and what they, posts, producers and closes owe each other; each of these went wrong once.

mod net_support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use net_support::{Bench, MILLISECOND, SECOND, address};
use twistor_net::{
    Address, Connection, FileSender, Filter, FilterIo, Flow, PortState, Producer, ProducerKind, Protocol,
    ReactorTcp, TcpServerOptions, Transport, for_protocol,
};
use twistor_sim::conformance::harness::{Event, Side};
use twistor_sim::{Answer, Call};

/// A producer with nothing to write: counts how often it is asked, and told to stop.
#[derive(Clone, Default)]
struct Idle {
    asked: Rc<Cell<usize>>,
    stopped: Rc<Cell<usize>>,
}

impl Producer for Idle {
    fn resume_producing(&mut self, _consumer: &Transport) {
        self.asked.set(self.asked.get() + 1);
    }

    fn stop_producing(&mut self, _consumer: &Transport) {
        self.stopped.set(self.stopped.get() + 1);
    }
}

/// Sends whole blocks, and says how much of the next it holds back.
struct Blocks(Vec<u8>);

impl Blocks {
    const SIZE: usize = 60_000;

    const fn new() -> Self {
        Self(Vec::new())
    }
}

impl Filter for Blocks {
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.0.extend_from_slice(data);
        let whole = self.0.len() / Self::SIZE * Self::SIZE;
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

fn seconds(bench: &mut Bench, count: usize) {
    for _ in 0..count {
        bench.turn_for(SECOND);
    }
}

#[test]
fn a_file_goes_whole_through_a_filter_that_sends_blocks() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1 << 20, 1 << 20));
    let served = bench.serve(Side::new());
    let transport = served.end.transport();
    transport.push_filter(Blocks::new(), &[]);
    bench.turn();
    drop(FileSender::new(std::io::Cursor::new(vec![7; 100_000])).begin(&transport));
    transport.lose_connection();
    seconds(&mut bench, 60);
    assert_eq!(served.peer.received().len(), 100_000);
    assert_eq!(format!("{:?}", served.end.ending()), "Some(Done)");
}

#[test]
fn a_writer_is_resumed_when_all_that_waits_is_part_of_a_block() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1 << 20, 1 << 20));
    let served = bench.serve(Side::new());
    let transport = served.end.transport();
    transport.push_filter(Blocks::new(), &[]);
    bench.turn();
    assert_eq!(transport.write(&[1; 100_000]), Flow::Full);
    seconds(&mut bench, 10);
    assert_eq!((transport.pending(), transport.write(b"")), (40_000, Flow::Ready));
}

#[test]
fn a_pull_producer_behind_a_filter_that_holds_back_does_not_keep_a_closing_loop_busy() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    let transport = served.end.transport();
    transport.push_filter(Blocks::new(), &[]);
    bench.turn();
    let idle = Idle::default();
    transport.register_producer(idle.clone(), ProducerKind::Pull).unwrap();
    transport.write(&[1; 100]);
    transport.lose_connection();
    for _ in 0..20 {
        bench.turn_for(MILLISECOND);
    }
    assert!(idle.asked.get() <= 2, "asked {} times", idle.asked.get());
}

#[test]
fn a_writer_is_resumed_when_a_filter_lets_go_of_what_it_held_without_sending() {
    /// What was written counts until the peer has acknowledged it.
    struct Window(usize);
    impl Filter for Window {
        fn written(&mut self, _io: &mut FilterIo, data: &[u8]) {
            self.0 += data.len();
        }
        fn received(&mut self, _io: &mut FilterIo, _data: &[u8]) {
            self.0 = 0;
        }
        fn pending(&self) -> usize {
            self.0
        }
    }
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    let transport = served.end.transport();
    transport.push_filter(Window(0), &[]);
    bench.turn();
    transport.write(&[1; 70_000]);
    bench.turn();
    assert_eq!(transport.write(b""), Flow::Full);
    served.peer.send(b"ack");
    seconds(&mut bench, 10);
    assert_eq!((transport.pending(), transport.write(b"")), (0, Flow::Ready));
}

#[test]
fn nothing_written_goes_through_a_filter_that_has_said_its_last() {
    struct Bye(Rc<RefCell<Vec<&'static str>>>);
    impl Filter for Bye {
        fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
            self.0.borrow_mut().push("written");
            io.send(data);
        }
        fn closing(&mut self, io: &mut FilterIo) {
            self.0.borrow_mut().push("closing");
            io.send(b"bye");
        }
    }
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    let transport = served.end.transport();
    let log: Rc<RefCell<Vec<_>>> = Rc::default();
    transport.push_filter(Bye(Rc::clone(&log)), &[]);
    bench.turn();
    transport.register_producer(Idle::default(), ProducerKind::Push).unwrap();
    let blocked = bench.kernel.script(Call::Send, Answer::WouldBlock).always().guard();
    transport.write(b"one");
    transport.lose_connection();
    bench.turn();
    assert_eq!(transport.write(b"two"), Flow::Closed);
    drop(blocked);
    seconds(&mut bench, 10);
    assert_eq!(served.peer.received(), b"onebye");
    assert_eq!(*log.borrow(), ["written", "closing"]);
}

#[test]
fn what_comes_up_in_answer_at_the_end_of_input_is_delivered() {
    struct Answering(bool);
    impl Filter for Answering {
        fn received(&mut self, _io: &mut FilterIo, _data: &[u8]) {}
        fn read_closed(&mut self, io: &mut FilterIo) {
            io.deliver(b"tail");
        }
        fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
            if !std::mem::replace(&mut self.0, true) {
                io.deliver(b"answer");
            }
            io.send(data);
        }
    }
    let mut bench = Bench::new();
    let asks = Side::new().on_data(|transport, data| {
        if data == b"tail" {
            transport.write(b"question");
        }
    });
    let served = bench.serve(asks);
    served.end.transport().push_filter(Answering(false), &[]);
    bench.turn();
    served.peer.finish();
    seconds(&mut bench, 5);
    assert_eq!(served.end.received(), b"tailanswer");
}

/// A protocol that leaves its connection somewhere, and notes what it hears.
struct Noting {
    heard: Rc<RefCell<Vec<String>>>,
    place: Rc<RefCell<Option<Connection<Self>>>>,
}

impl Protocol for Noting {
    fn connection_made(&mut self, transport: &Transport) {
        self.heard.borrow_mut().push("made".to_owned());
        *self.place.borrow_mut() = Some(transport.connection());
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.heard.borrow_mut().push(String::from_utf8_lossy(data).into_owned());
    }
}

#[test]
fn a_post_comes_before_the_data_that_a_filters_timer_releases() {
    struct Late(Vec<u8>);
    impl Filter for Late {
        fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
            self.0.extend_from_slice(data);
            io.wake_after(MILLISECOND * 10);
        }
        fn timer(&mut self, io: &mut FilterIo) {
            io.deliver(&std::mem::take(&mut self.0));
        }
    }
    let mut bench = Bench::new();
    let (heard, place) = (Rc::default(), Rc::default());
    let (notes, spot) = (Rc::clone(&heard), Rc::clone(&place));
    let factory =
        for_protocol(move |_: &Address| Noting { heard: Rc::clone(&notes), place: Rc::clone(&spot) });
    let port = bench.reactor().listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let peer = bench.kernel.dial(address(&port));
    bench.turn();
    bench.turn();
    let connection: Connection<Noting> = place.borrow().clone().unwrap();
    connection.transport().push_filter(Late(Vec::new()), &[]);
    bench.turn();
    // Made before the filter's timer and due with it.
    bench.reactor().call_later(MILLISECOND * 10, move || {
        connection.post(|noting, _| noting.heard.borrow_mut().push("post".to_owned()));
    });
    peer.send(b"data");
    for _ in 0..20 {
        bench.turn_for(MILLISECOND * 5);
    }
    assert_eq!(*heard.borrow(), ["made", "post", "data"]);
}

#[test]
fn a_switch_and_a_filter_in_one_loan_take_place_in_order() {
    struct Upper;
    impl Filter for Upper {
        fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
            io.deliver(&data.to_ascii_uppercase());
        }
        fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
            io.send(&data.to_ascii_uppercase());
        }
    }
    struct Second(Rc<RefCell<Vec<String>>>);
    impl Protocol for Second {
        fn connection_made(&mut self, transport: &Transport) {
            self.0.borrow_mut().push("switched".to_owned());
            transport.write(b"hi");
        }
        fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
            self.0.borrow_mut().push(String::from_utf8_lossy(data).into_owned());
        }
    }
    let mut bench = Bench::new();
    let (heard, place) = (Rc::default(), Rc::default());
    let (notes, spot) = (Rc::clone(&heard), Rc::clone(&place));
    let factory =
        for_protocol(move |_: &Address| Noting { heard: Rc::clone(&notes), place: Rc::clone(&spot) });
    let port = bench.reactor().listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let peer = bench.kernel.dial(address(&port));
    bench.turn();
    bench.turn();
    let connection: Connection<Noting> = place.borrow().clone().unwrap();
    peer.send(b"later");
    let second = Second(Rc::clone(&heard));
    let lent = connection.try_with(|_, transport| {
        transport.write(b"plain");
        transport.switch_protocol(second, b"first");
        transport.push_filter(Upper, b"next");
    });
    lent.unwrap();
    seconds(&mut bench, 5);
    assert_eq!(peer.received(), b"plainHI");
    assert_eq!(heard.borrow().concat(), "madeswitchedfirstNEXTLATER");
}

#[test]
fn a_running_push_producer_is_told_to_stop_when_the_write_side_is_shut() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    let idle = Idle::default();
    served.end.transport().register_producer(idle.clone(), ProducerKind::Push).unwrap();
    served.end.transport().lose_write_connection();
    seconds(&mut bench, 10);
    assert_eq!(served.end.transport().write(b"x"), Flow::Closed);
    assert_eq!(idle.stopped.get(), 1);
}

#[test]
fn a_port_that_was_stopped_in_the_middle_of_a_crowd_accepts_when_it_listens_again() {
    let mut bench = Bench::new();
    let options = TcpServerOptions::new().backlog(1_000).accepts_per_turn(3);
    let (port, end) = bench.listen_with(Side::new(), options);
    let crowd: Vec<_> = (0..3).map(|_| bench.kernel.dial(address(&port))).collect();
    bench.turn();
    assert_eq!(end.count(&Event::Made), 3);
    drop(port.stop_listening());
    bench.turn();
    port.start_listening().unwrap();
    let late = bench.kernel.dial(address(&port));
    seconds(&mut bench, 10);
    assert_eq!(end.count(&Event::Made), 4);
    drop((crowd, late));
}

#[test]
fn a_port_that_was_drained_accepts_when_it_listens_again() {
    let mut bench = Bench::new();
    let options = TcpServerOptions::new().backlog(1_000).accepts_per_turn(1);
    let (port, end) = bench.listen_with(Side::new(), options);
    let first = bench.kernel.dial(address(&port));
    bench.turn();
    drop(port.drain(SECOND));
    seconds(&mut bench, 5);
    assert_eq!(port.state(), PortState::Stopped);
    port.start_listening().unwrap();
    let second = bench.kernel.dial(address(&port));
    seconds(&mut bench, 10);
    assert_eq!(end.count(&Event::Made), 2);
    drop((first, second));
}
