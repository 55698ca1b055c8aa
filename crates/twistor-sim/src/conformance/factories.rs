//! Factories: FACT-01, FACT-02, and handles of connections (design section 5).

use std::cell::RefCell;
use std::rc::Rc;

use twistor_net::{Protocol, ReactorTcp, TcpClientOptions, Transport, for_protocol};
use twistor_reactor::LendError;

use super::Make;
use super::harness::{Event, Pair, Recorder, Runner, Side};

pub(super) fn fact_01_one_factory_on_two_ports_starts_and_stops_once(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (server, factory) = runner.shared("server", Side::new());
    let first = runner.reactor().listen_tcp(("127.0.0.1", 0), factory.clone()).unwrap();
    let second = runner.reactor().listen_tcp(("127.0.0.1", 0), factory.clone()).unwrap();
    runner.turn();
    server.expect_all(&[Event::Started]);
    assert_eq!(factory.users(), 2);
    let stopped = first.stop_listening();
    runner.until("the first stopped", || stopped.has_result());
    server.expect_all(&[Event::Started]);
    let stopped = second.stop_listening();
    runner.until("the second stopped", || stopped.has_result());
    server.expect_all(&[Event::Started, Event::Stopped]);
    assert_eq!(factory.users(), 0);
}

pub(super) fn fact_01_a_port_and_a_connector_share_one(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (end, factory) = runner.shared("both", Side::new());
    let port = runner.reactor().listen_tcp(("127.0.0.1", 0), factory.clone()).unwrap();
    let to = port.host().socket_addr().unwrap();
    runner.connect_factory(to, factory, TcpClientOptions::new());
    runner.until("both ends", || end.count(&Event::Made) == 2);
    assert_eq!(end.count(&Event::Started), 1);
    end.transport().lose_connection();
    runner.settle();
    assert_eq!(end.count(&Event::Stopped), 0, "the port still uses it: {end:?}");
    let stopped = port.stop_listening();
    runner.until("the port stopped", || stopped.has_result());
    assert_eq!(end.count(&Event::Stopped), 1);
}

pub(super) fn fact_01_a_shared_factory_can_be_reached(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (end, factory) = runner.shared("server", Side::new());
    let noted = end.clone();
    factory.post(runner.reactor(), move |_| noted.note("posted"));
    assert!(factory.try_with(|_| ()).is_ok());
    end.expect_all(&[]);
    runner.turn();
    assert!(end.noted("posted"));
}

pub(super) fn fact_02_a_closure_is_a_factory(make: Make<'_>) {
    struct Echo(Rc<RefCell<Vec<u8>>>);
    impl Protocol for Echo {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            self.0.borrow_mut().extend_from_slice(data);
            transport.write(data);
        }
    }
    let mut runner = Runner::new(make);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let state = Rc::clone(&heard);
    let port = runner
        .reactor()
        .listen_tcp(("127.0.0.1", 0), for_protocol(move |_peer| Echo(Rc::clone(&state))))
        .unwrap();
    let hello = Side::new().on_made(|transport| {
        transport.write(b"hello");
    });
    let (_, client) = runner.connect(port.host().socket_addr().unwrap(), hello);
    runner.until("the echo", || client.received() == b"hello");
    assert_eq!(*heard.borrow(), b"hello");
}

pub(super) fn a_protocol_is_reached_from_outside(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let connection = pair.server.transport().connection::<Recorder>();
    let wrong = pair.server.transport().connection::<Box<dyn Protocol>>();
    assert_eq!(wrong.try_with(|_, _| ()), Err(LendError::Switched));
    assert!(connection.try_with(|_, transport| transport.write(b"lent")).is_ok());
    let noted = pair.server.clone();
    connection.post(move |_, transport| {
        noted.note("posted");
        transport.write(b" posted");
    });
    assert!(!pair.server.noted("posted"), "always queued");
    let answer = connection.call(|_, transport| transport.peer());
    pair.until_client_received(11);
    assert_eq!(answer.try_take().unwrap().unwrap(), pair.client.transport().host());
    pair.server.transport().lose_connection();
    pair.until_over();
    assert_eq!(connection.try_with(|_, _| ()), Err(LendError::Gone));
    let noted = pair.server.clone();
    connection.post(move |_, _| noted.note("after the loss"));
    let abandoned = connection.call(|_, _| ());
    pair.settle();
    assert!(!pair.server.noted("after the loss"));
    assert!(abandoned.try_take().unwrap().unwrap_err().is_abandoned());
}

pub(super) fn a_protocol_is_busy_while_it_is_called(make: Make<'_>) {
    let noted: Rc<RefCell<Option<Result<(), LendError>>>> = Rc::default();
    let kept = Rc::clone(&noted);
    let server = Side::new().on_data(move |transport, _| {
        *kept.borrow_mut() = Some(transport.connection::<Recorder>().try_with(|_, _| ()));
    });
    let mut pair = Pair::open(make, server, Side::new());
    pair.client.transport().write(b"?");
    pair.until_server_received(1);
    assert_eq!(*noted.borrow(), Some(Err(LendError::Busy)));
}

pub(super) fn a_post_comes_before_the_next_data(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.client.transport().write(b"?");
    pair.turn();
    let seen = pair.server.clone();
    pair.server.transport().connection::<Recorder>().post(move |_, _| seen.note("posted"));
    pair.client.transport().write(b"!");
    pair.until_server_received(2);
    let events = pair.server.events();
    let posted = events.iter().position(|event| *event == Event::Note("posted".to_owned()));
    let last = events.iter().rposition(|event| matches!(event, Event::Data(_)));
    assert!(posted < last, "{events:?}");
}

pub(super) fn a_switch_of_protocols_tells_the_next(make: Make<'_>) {
    let next: Rc<RefCell<Option<Recorder>>> = Rc::default();
    let place = Rc::clone(&next);
    let server = Side::new().on_data(move |transport, data| {
        if let Some(next) = place.borrow_mut().take() {
            transport.switch_protocol(next, &data[1..]);
        }
    });
    let mut pair = Pair::open(make, server, Side::new());
    let (second, recorder) = pair.protocol("second", Side::echo());
    *next.borrow_mut() = Some(recorder);
    pair.client.transport().write(b"?rest");
    pair.until_client_received(4);
    assert_eq!(second.received(), b"rest");
    pair.server.expect(&[Event::Made, Event::Data(5)]);
    assert_eq!(pair.server.drops(), 1, "without connection_lost");
    pair.client.transport().lose_connection();
    let seen = second.clone();
    pair.until("the loss told to the next", || seen.is_over());
    assert_eq!(second.protocol_events()[..2], [Event::Made, Event::Data(4)]);
}
