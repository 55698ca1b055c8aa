//! StringTransport: the real connection over a kernel of memory, so that what it does is what production does (TEST-01 to TEST-03).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::contain;
use twistor_net::{
    Address, ClientFactory, CloseReason, Connector, Factory, Flow, Producer, ProducerKind, Protocol,
    Transport, for_protocol,
};
use twistor_sim::conformance::harness::{Ending, Event, Side};
use twistor_sim::{Accumulating, LogCatcher, ScriptedKernel, StringTransport, StringTransportBuilder};

/// A transport whose protocol does nothing by itself.
fn quiet() -> (StringTransport<Accumulating>, twistor_sim::Accumulated) {
    let (protocol, seen) = Accumulating::new();
    (StringTransport::new(protocol), seen)
}

struct Idle(Rc<Cell<usize>>);

impl Producer for Idle {
    fn resume_producing(&mut self, _consumer: &Transport) {}

    fn stop_producing(&mut self, _consumer: &Transport) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn test_01_what_is_written_is_the_value_until_it_is_cleared() {
    let (mut transport, seen) = quiet();
    assert!(seen.is_made(), "connection_made was called before new returned");
    assert_eq!(transport.value(), b"");
    assert_eq!(transport.transport().write(b"one"), Flow::Ready);
    transport.transport().write_sequence([b" ".as_slice(), b"two"]);
    assert_eq!(transport.value(), b"one two");
    transport.transport().write(b"!");
    assert_eq!(transport.value(), b"one two!");
    transport.clear();
    assert_eq!(transport.value(), b"");
    transport.transport().write(b"three");
    assert_eq!(transport.take(), b"three");
    assert_eq!(transport.value(), b"");
}

#[test]
fn test_01_the_addresses_are_fixed_unless_given() {
    let (transport, _) = quiet();
    assert_eq!(transport.transport().host().to_string(), "10.0.0.1:12345");
    assert_eq!(transport.transport().peer().to_string(), "192.168.1.1:54321");

    let client = StringTransport::connected_to(for_protocol(|_| Accumulating::new().0));
    assert_eq!(client.transport().host().to_string(), "10.0.0.1:12345");
    assert_eq!(client.transport().peer().to_string(), "192.168.1.1:54321");

    let given = || {
        let builder = StringTransportBuilder::new().host("[2001:db8::1]:80".parse().unwrap());
        builder.peer("[2001:db8::2]:4000".parse().unwrap())
    };
    let server = given().protocol(Accumulating::new().0);
    let client = given().connected_to(for_protocol(|_| Accumulating::new().0));
    for transport in [server.transport(), client.transport()] {
        assert_eq!(transport.host().to_string(), "[2001:db8::1]:80");
        assert_eq!(transport.peer().to_string(), "[2001:db8::2]:4000");
    }
}

#[test]
fn test_01_closing_is_disconnecting_until_all_was_taken_and_aborting_ends_at_once() {
    let (mut transport, seen) = quiet();
    transport.stop_reading();
    transport.transport().write(&[1; 200_000]);
    transport.transport().lose_connection();
    assert_eq!(transport.value().len(), 65_536);
    assert!(transport.is_disconnecting() && !transport.is_disconnected());
    assert!(transport.close_reason().is_none() && seen.reason().is_none());
    let mut taken = 0;
    for _ in 0..8 {
        taken += transport.take().len();
    }
    assert_eq!(taken, 200_000);
    assert!(!transport.is_disconnecting() && transport.is_disconnected());
    assert!(seen.reason().unwrap().is_clean());

    let (mut transport, seen) = quiet();
    transport.transport().write(b"lost");
    transport.transport().abort_connection();
    assert_eq!(transport.value(), b"");
    assert!(transport.is_disconnected() && transport.peer().was_reset());
    assert!(matches!(transport.close_reason(), Some(CloseReason::Aborted)));
    assert!(matches!(seen.reason(), Some(CloseReason::Aborted)));
}

#[test]
fn r08_test_02_the_table_of_calls_by_state_holds_here_too() {
    // Closing: later writes are dropped, and a second close is nothing.
    let (mut transport, _) = quiet();
    let front = transport.transport();
    front.write(b"said");
    front.lose_connection();
    assert_eq!(front.write(b" too late"), Flow::Closed);
    front.lose_connection();
    front.lose_write_connection();
    assert_eq!(transport.value(), b"said");
    // Lost: everything is harmless, the addresses are known, and a producer is told to stop.
    assert!(transport.is_disconnected());
    assert_eq!(front.write(b"gone"), Flow::Closed);
    front.abort_connection();
    front.pause_producing();
    front.resume_producing();
    assert_eq!(front.peer().to_string(), "192.168.1.1:54321");
    let stopped = Rc::new(Cell::new(0));
    front.register_producer(Idle(Rc::clone(&stopped)), ProducerKind::Push).unwrap();
    assert_eq!(transport.value(), b"said");
    assert_eq!(stopped.get(), 1);
    assert!(transport.close_reason().unwrap().is_clean());

    // Write-closed: reads go on, writes are dropped, and the peer sees the end.
    let (mut transport, seen) = quiet();
    transport.transport().write(b"all");
    transport.transport().lose_write_connection();
    assert_eq!(transport.value(), b"all");
    assert!(transport.peer().is_finished() && !transport.is_disconnected());
    assert_eq!(transport.transport().write(b"more"), Flow::Closed);
    transport.deliver(b"answer");
    assert_eq!(seen.data(), b"answer");
    transport.finish();
    assert!(transport.close_reason().unwrap().is_clean());
}

#[test]
fn test_02_a_second_producer_is_given_back() {
    let (transport, _) = quiet();
    let stopped = Rc::new(Cell::new(0));
    let front = transport.transport();
    front.register_producer(Idle(Rc::clone(&stopped)), ProducerKind::Push).unwrap();
    assert!(front.register_producer(Idle(Rc::clone(&stopped)), ProducerKind::Push).is_err());
    front.unregister_producer();
    front.unregister_producer();
    assert_eq!(stopped.get(), 0);
}

#[test]
fn test_03_the_loss_is_told_once_and_after_the_call_that_led_to_it() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let (inside, lost) = (Rc::clone(&order), Rc::clone(&order));
    let side = Side::new()
        .on_data(move |transport, _| {
            transport.write(b"bye");
            transport.lose_connection();
            inside.borrow_mut().push("data_received returns");
        })
        .on_lost(move |_, _| lost.borrow_mut().push("connection_lost"));
    let (end, recorder) = side.recorder("protocol");
    let mut transport = StringTransport::new(recorder);
    transport.deliver(b"hello");
    assert_eq!(*order.borrow(), ["data_received returns", "connection_lost"]);
    assert_eq!(transport.value(), b"bye");
    transport.reset();
    end.expect(&[Event::Made, Event::Data(5), Event::Lost(Ending::Done)]);
    assert_eq!(end.misorder(), None);
}

#[test]
fn test_03_the_reason_is_known_when_the_loss_is_told_and_not_before() {
    let at_the_loss = Rc::new(Cell::new(false));
    let told = Rc::clone(&at_the_loss);
    let side = Side::new().on_lost(move |transport, reason| {
        let known = transport.close_reason();
        told.set(known.is_some_and(|known| Ending::from(&known) == Ending::from(reason)));
    });
    let mut transport = StringTransport::new(side.recorder("protocol").1);
    assert!(transport.close_reason().is_none());
    transport.transport().abort_connection();
    assert!(transport.close_reason().is_none(), "the protocol was not told yet");
    assert!(transport.is_disconnecting() && !transport.is_disconnected());
    transport.deliver(b"");
    assert!(at_the_loss.get() && transport.is_disconnected());
    assert!(matches!(transport.close_reason(), Some(CloseReason::Aborted)));
}

#[test]
fn test_09_what_is_delivered_is_received_in_the_pieces_it_was_cut_into() {
    let (mut transport, seen) = quiet();
    transport.deliver(b"");
    transport.deliver(b"whole");
    transport.deliver_in_pieces(b"seven b", 3);
    transport.deliver_in_pieces(b"xy", 0);
    assert_eq!(seen.data(), b"wholeseven bxy");
    assert_eq!(seen.pieces(), [5, 3, 3, 1, 1, 1]);
    transport.deliver(&[0; 100_000]);
    assert_eq!(seen.pieces()[6..], [65_536, 34_464]);
}

#[test]
fn a_paused_protocol_receives_when_it_resumes() {
    let (mut transport, seen) = quiet();
    transport.transport().pause_producing();
    transport.deliver(b"later");
    assert_eq!(seen.data(), b"");
    transport.transport().resume_producing();
    transport.deliver(b"");
    assert_eq!(seen.data(), b"later");
}

#[test]
fn a_peer_that_does_not_read_pauses_the_writer_until_it_reads() {
    let (end, recorder) = Side::new().recorder("writer");
    let mut transport = StringTransport::new(recorder);
    transport.stop_reading();
    // 128 KiB are on their way, and more than 64 KiB wait here.
    assert_eq!(transport.transport().write(&[7; 250_000]), Flow::Full);
    assert_eq!(transport.value().len(), 65_536);
    assert!(end.saw(&Event::Paused) && !end.saw(&Event::Resumed));
    assert_eq!(transport.transport().pending(), 250_000 - 131_072);
    transport.start_reading();
    assert!(end.saw(&Event::Resumed));
    assert_eq!(transport.value().len(), 250_000);
}

#[test]
fn the_peer_ends_its_direction_or_resets() {
    let (end, recorder) = Side::new().stay().recorder("stayer");
    let mut transport = StringTransport::new(recorder);
    transport.finish();
    end.expect(&[Event::Made, Event::ReadLost]);
    transport.transport().write(b"still here");
    assert_eq!(transport.value(), b"still here");
    transport.reset();
    end.expect(&[Event::Made, Event::ReadLost, Event::Lost(Ending::Lost)]);
    assert!(!transport.close_reason().unwrap().is_clean());
    transport.deliver(b""); // Harmless.
}

#[test]
fn time_passes_when_it_is_told_to() {
    let (mut transport, seen) = quiet();
    transport.transport().set_timeout(Some(Duration::from_secs(30)));
    transport.advance(Duration::from_secs(29));
    transport.deliver(b"awake");
    transport.advance(Duration::from_secs(29));
    assert!(!transport.is_disconnected());
    transport.advance(Duration::from_secs(1));
    assert!(matches!(seen.reason(), Some(CloseReason::TimedOut(_))));
    assert_eq!(transport.reactor().now().as_nanos(), 59_000_000_000);
}

#[test]
fn a_close_that_the_peer_does_not_take_meets_its_deadline() {
    let (mut transport, seen) = quiet();
    transport.stop_reading();
    transport.transport().write(&[1; 200_000]);
    transport.transport().lose_connection();
    transport.advance(Duration::from_secs(31));
    assert!(matches!(seen.reason(), Some(CloseReason::CloseTimedOut(_))));
}

/// Counts what it is asked, and builds an echo.
#[derive(Clone, Default)]
struct Counting {
    calls: Rc<RefCell<Vec<String>>>,
}

impl Counting {
    fn note(&self, what: impl Into<String>) {
        self.calls.borrow_mut().push(what.into());
    }
}

struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

impl Factory for Counting {
    type Protocol = Echo;

    fn build_protocol(&mut self, peer: &Address) -> Option<Echo> {
        self.note(format!("build for {peer}"));
        Some(Echo)
    }

    fn start_factory(&mut self) {
        self.note("start");
    }

    fn stop_factory(&mut self) {
        self.note("stop");
    }
}

impl ClientFactory for Counting {
    fn started_connecting(&mut self, _connector: &Connector) {
        self.note("connecting");
    }

    fn client_connection_made(&mut self, _connector: &Connector, transport: &Transport) {
        let reached = transport.connection::<Echo>().try_with(|_, _| ()).is_ok();
        self.note(format!("made, protocol reached: {reached}"));
    }

    fn client_connection_lost(&mut self, _connector: &Connector, reason: &CloseReason) {
        self.note(format!("lost: {reason}"));
    }
}

#[test]
fn a_client_factory_hears_what_it_hears_in_production() {
    let factory = Counting::default();
    let mut transport = StringTransport::connected_to(factory.clone());
    transport.deliver(b"to and fro");
    assert_eq!(transport.take(), b"to and fro");
    transport.finish();
    assert!(transport.is_disconnected());
    let expected = [
        "start",
        "connecting",
        "build for 192.168.1.1:54321",
        "made, protocol reached: true",
        "lost: connection was closed cleanly",
        "stop",
    ];
    assert_eq!(*factory.calls.borrow(), expected);
}

#[test]
fn a_server_factory_builds_for_the_peer() {
    let factory = Counting::default();
    let mut transport = StringTransport::accepted_by(factory.clone());
    transport.deliver(b"x");
    assert_eq!(transport.value(), b"x");
    assert_eq!(factory.calls.borrow()[..2], ["start", "build for 192.168.1.1:54321"]);
}

#[test]
fn a_protocol_can_reach_itself_and_be_reached() {
    struct Counter(usize);
    impl Protocol for Counter {
        fn connection_made(&mut self, transport: &Transport) {
            transport.connection::<Self>().post(|counter, transport| {
                counter.0 += 1;
                transport.write(b"posted");
            });
        }
    }
    let mut transport = StringTransport::new(Counter(1));
    assert_eq!(transport.protocol(|counter| counter.0), 2);
    assert_eq!(transport.value(), b"posted");
    transport.connection().post(|_, transport| transport.lose_connection());
    transport.deliver(b"");
    let why = contain(|| transport.protocol(|counter| counter.0)).unwrap_err();
    assert!(why.contains("the connection is over"), "{why}");
}

#[test]
fn a_protocol_that_ends_in_connection_made_is_still_told_about() {
    for abort in [false, true] {
        let (end, recorder) = Side::new()
            .on_made(move |transport| {
                transport.write(b"go away");
                if abort { transport.abort_connection() } else { transport.lose_connection() }
            })
            .recorder("rude");
        let mut transport = StringTransport::new(recorder);
        assert!(transport.is_disconnected());
        assert_eq!(transport.value(), if abort { b"".as_slice() } else { b"go away" });
        end.expect(&[Event::Made, Event::Lost(if abort { Ending::Aborted } else { Ending::Done })]);
    }
}

#[test]
fn a_panic_ends_the_connection_and_is_logged() {
    let log = LogCatcher::new();
    let (end, recorder) = Side::new().on_data(|_, _| panic!("no such verb")).recorder("fragile");
    let mut transport = StringTransport::new(recorder);
    transport.deliver(b"frobnicate");
    assert!(matches!(transport.close_reason(), Some(CloseReason::Panicked(_))));
    assert_eq!(end.ending(), Some(Ending::Panicked));
    log.expect(&["no such verb"]);
}

#[test]
fn misuse_says_what_to_do() {
    struct Picky;
    impl Factory for Picky {
        type Protocol = Echo;
        fn build_protocol(&mut self, _peer: &Address) -> Option<Echo> {
            None
        }
    }
    let why = contain(|| StringTransport::accepted_by(Picky)).unwrap_err();
    assert!(why.contains("call its build_protocol"), "{why}");
    let why = contain(|| {
        let (mut transport, _) = quiet();
        transport.finish();
        transport.deliver(b"more");
    });
    assert!(why.unwrap_err().contains("after Peer::finish"), "finish is final");
}

#[test]
fn the_kernel_below_can_be_set_up() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(10, 10);
    let (protocol, _) = Accumulating::new();
    let mut transport = StringTransportBuilder::new().kernel(kernel).protocol(protocol);
    transport.stop_reading();
    transport.transport().write(b"0123456789abcdefghijklmnop");
    assert_eq!(transport.value(), b"0123456789");
    assert_eq!(transport.transport().pending(), 6);
}
