//! Corners of re-entrancy, each by itself and over the real kernel. The search for more of them, in random programs, needs a kernel that
//! repeats itself: it is among the tests of `twistor-sim`.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use common::{Heard, INJECTED, Pair, Probe, drive, drive_for, ms, pair, quiet};
use twistor_net::{
    Address, Bytes, ClientFactory, CloseReason, ConnectError, Connector, Factory, PortState, Producer,
    ProducerKind, Protocol, ReactorTcp, Transport, for_protocol,
};
use twistor_reactor::Reactor;

struct Silent;

impl Protocol for Silent {}

/// A factory that does something in its calls, and writes down which they were.
struct Busy<F: FnMut(&str) + 'static> {
    act: F,
    connector: Rc<RefCell<Option<Connector>>>,
    log: Rc<RefCell<Vec<String>>>,
    rude: bool,
}

impl<F: FnMut(&str) + 'static> Busy<F> {
    fn new(act: F) -> Self {
        Self { act, connector: Rc::default(), log: Rc::default(), rude: false }
    }

    fn hear(&mut self, what: &str, more: &str) {
        self.log.borrow_mut().push(format!("{what}{more}"));
        (self.act)(what);
    }
}

impl<F: FnMut(&str) + 'static> Factory for Busy<F> {
    type Protocol = Silent;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Silent> {
        self.hear("build", "");
        Some(Silent)
    }
    fn start_factory(&mut self) {
        self.hear("start", "");
    }
    fn stop_factory(&mut self) {
        self.hear("stop", "");
    }
}

impl<F: FnMut(&str) + 'static> ClientFactory for Busy<F> {
    fn started_connecting(&mut self, connector: &Connector) {
        *self.connector.borrow_mut() = Some(connector.clone());
    }
    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        self.connector.take();
        self.hear("failed", &format!(" {reason:?}"));
    }
    fn client_connection_lost(&mut self, _connector: &Connector, reason: &CloseReason) {
        self.connector.take();
        self.hear("lost", &format!(" {reason:?}"));
    }
}

impl<F: FnMut(&str) + 'static> Drop for Busy<F> {
    fn drop(&mut self) {
        self.log.borrow_mut().push("drop".to_owned());
        assert!(!self.rude, "{INJECTED} by the destructor of a factory");
    }
}

fn reactor() -> Reactor {
    quiet();
    Reactor::builder().handle_signals(false).build().expect("a poller")
}

#[test]
fn tcp_09_a_disconnect_from_build_protocol_is_not_forgotten() {
    let mut reactor = reactor();
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Silent)).expect("a free port");
    let place = Rc::new(RefCell::new(None::<Connector>));
    let found = Rc::clone(&place);
    let mut factory = Busy::new(move |what| {
        if what == "build" {
            let connector = found.borrow().clone().expect("it has started");
            connector.disconnect();
        }
    });
    factory.connector = Rc::clone(&place);
    let log = Rc::clone(&factory.log);
    reactor.connect_tcp(("127.0.0.1", port.host().port()), factory);
    drive(&mut reactor, "the end", || log.borrow().iter().any(|what| what == "drop"));
    assert_eq!(*log.borrow(), ["start", "build", "lost Done", "stop", "drop"]);
}

#[test]
fn r05_a_factory_that_goes_with_its_last_connection_may_panic_in_its_destructor() {
    for server_closes in [false, true] {
        let mut reactor = reactor();
        let server = for_protocol(move |_| {
            Probe::new(move |heard, transport| {
                if *heard == Heard::Made && server_closes {
                    transport.lose_connection();
                }
            })
            .0
        });
        let port = reactor.listen_tcp(("127.0.0.1", 0), server).expect("a free port");
        let mut factory = Busy::new(|_| ());
        factory.rude = true;
        let log = Rc::clone(&factory.log);
        let connector = reactor.connect_tcp(("127.0.0.1", port.host().port()), factory);
        if !server_closes {
            drive(&mut reactor, "the connection", || log.borrow().len() == 2);
            connector.disconnect();
        }
        drop(connector); // Detached: the connection alone keeps the factory.
        drive(&mut reactor, "the end", || log.borrow().iter().any(|what| what == "drop"));
        assert_eq!(*log.borrow(), ["start", "build", "lost Done", "stop", "drop"]);
        drive_for(&mut reactor, ms(2));
    }
}

#[test]
fn fact_01_a_port_that_accepts_no_more_stops_its_factory_when_it_goes() {
    let mut reactor = reactor();
    let factory = Busy::new(|_| ());
    let log = Rc::clone(&factory.log);
    let port = reactor.listen_tcp(("127.0.0.1", 0), factory).expect("a free port");
    drive_for(&mut reactor, ms(2));
    port.stop_accepting();
    assert_eq!(port.state(), PortState::Draining);
    drop(port);
    assert_eq!(*log.borrow(), ["start"], "not inside the call that let go of it");
    drive_for(&mut reactor, ms(2));
    assert_eq!(*log.borrow(), ["start", "stop", "drop"]);

    let factory = Busy::new(|_| ());
    let log = Rc::clone(&factory.log);
    let port = reactor.listen_tcp(("127.0.0.1", 0), factory).expect("a free port");
    drive_for(&mut reactor, ms(2));
    port.stop_accepting();
    drop(reactor);
    assert_eq!(*log.borrow(), ["start", "stop", "drop"]);
    assert_eq!(port.connections(), 0);
}

#[test]
fn tcp_22_an_adopted_connection_hears_of_its_beginning_before_its_end() {
    let donor = pair(Probe::new(|_, _| {}), Probe::new(|_, _| {}));
    // A descriptor of a connected socket, whoever made it.
    let made = std::os::unix::net::UnixStream::pair().expect("descriptors");
    let reactor = reactor();
    let (probe, _) = Probe::new(|_, _| {});
    assert!(reactor.adopt_stream_connection(&made.0, probe).is_err(), "not TCP");
    drop(donor);

    #[expect(clippy::disallowed_methods, reason = "the socket of somebody else")]
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    #[expect(clippy::disallowed_methods, reason = "the socket of somebody else")]
    let socket = std::net::TcpStream::connect(address).expect("it listens");
    let (probe, side) = Probe::new(|_, _| {});
    reactor.adopt_stream_connection(&socket, probe).expect("connected");
    drop(reactor);
    assert_eq!(side.heard(), [Heard::Made, Heard::Lost("ReactorGone".to_owned())]);
}

#[test]
fn a_port_is_not_started_again_before_its_drain_is_over() {
    /// Does not close when it is asked to.
    struct Stubborn;
    impl Protocol for Stubborn {
        fn close_requested(&mut self, _transport: &Transport) {}
    }
    let mut reactor = reactor();
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Stubborn)).expect("a free port");
    let drained = Rc::new(RefCell::new(None));
    let place = Rc::clone(&drained);
    reactor.connect_tcp(("127.0.0.1", port.host().port()), for_protocol(|_| Stubborn));
    drive(&mut reactor, "a connection", || port.connections() == 1);
    port.drain(ms(20)).add_both(move |result| {
        *place.borrow_mut() = Some(result.expect("no factory panicked"));
    });
    let error = port.start_listening().expect_err("the deadline is for those that are there").error;
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    drive(&mut reactor, "the deadline", || drained.borrow().is_some());
    assert_eq!(drained.borrow().map(|drained| (drained.closed, drained.aborted)), Some((0, 1)));
    port.start_listening().expect("the port is free again");
    assert_eq!(port.state(), PortState::Listening);
}

/// Shared bytes whose owner does something when they are dropped. It has to be `Send`, so it finds its transport by the thread.
struct Owned(Vec<u8>, &'static str);

thread_local! {
    static TRANSPORT: RefCell<Option<Transport>> = const { RefCell::new(None) };
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let transport = TRANSPORT.with(|transport| transport.borrow().clone());
        match (self.1, transport) {
            ("panics", _) => panic!("{INJECTED} by the owner of bytes"),
            (text, Some(transport)) => {
                transport.write(text.as_bytes());
                assert!(format!("{transport:?}").starts_with("Transport"));
            }
            _ => {}
        }
    }
}

#[test]
fn shared_bytes_may_write_or_panic_when_they_are_dropped() {
    for size in [10, 5_000] {
        let Pair { mut reactor, server, client, .. } = pair(Probe::new(|_, _| {}), Probe::new(|_, _| {}));
        TRANSPORT.with(|transport| *transport.borrow_mut() = Some(server.transport()));
        server.transport().write_bytes(Bytes::from_owner(Owned(vec![b'a'; size], "first ")));
        server.transport().write_bytes(Bytes::from_owner(Owned(vec![b'b'; size], "panics")));
        server.transport().write_bytes(Bytes::from_owner(Owned(vec![b'c'; size], "second ")));
        drive(&mut reactor, "all of it", || client.bytes().len() == 3 * size + "first second ".len());
        for letter in "abc".chars() {
            assert!(client.text().contains(&letter.to_string().repeat(size)), "{letter} arrived whole");
        }
        // Thrown away together: one panic after the other.
        for _ in 0..3 {
            server.transport().write_bytes(Bytes::from_owner(Owned(vec![b'x'; 5_000], "panics")));
        }
        server.transport().abort_connection();
        drive(&mut reactor, "the end", || server.is_lost() && client.is_lost());
        TRANSPORT.take();
    }
}

#[test]
fn r12_a_loan_during_the_loss_does_not_tell_of_it_in_place() {
    /// Borrows the protocol when it is told to stop, and notes whether the loss was told inside.
    struct Nosy(Rc<RefCell<Vec<String>>>);
    impl Producer for Nosy {
        fn resume_producing(&mut self, _consumer: &Transport) {}
        fn stop_producing(&mut self, consumer: &Transport) {
            self.0.borrow_mut().push("stop begins".to_owned());
            let log = Rc::clone(&self.0);
            let lent =
                consumer.connection::<Probe>().try_with(move |_, _| log.borrow_mut().push("lent".to_owned()));
            self.0.borrow_mut().push(format!("stop ends {lent:?}"));
        }
    }
    let log = Rc::new(RefCell::new(Vec::new()));
    let lost = Rc::clone(&log);
    let server = Probe::new(move |heard, _| {
        if let Heard::Lost(_) = heard {
            lost.borrow_mut().push("lost".to_owned());
        }
    });
    let Pair { mut reactor, server, .. } = pair(server, Probe::new(|_, _| {}));
    let registered = server.transport().register_producer(Nosy(Rc::clone(&log)), ProducerKind::Push);
    assert!(registered.is_ok());
    server.transport().abort_connection();
    drive(&mut reactor, "the end", || server.is_lost());
    assert_eq!(*log.borrow(), ["stop begins", "lent", "stop ends Ok(())", "lost"]);
}

#[test]
fn r29_handles_that_are_dropped_inside_every_call_end_nothing() {
    let kept = Rc::new(Cell::new(0));
    let count = Rc::clone(&kept);
    let server = Probe::new(move |_, transport| {
        drop(transport.clone());
        drop(transport.connection::<Probe>());
        count.set(count.get() + 1);
    });
    let Pair { mut reactor, server, client, port } = pair(server, Probe::new(|_, _| {}));
    drop(port);
    drop(server.connection());
    client.transport().write(b"still there");
    drive(&mut reactor, "the data", || server.text() == "still there");
    assert_eq!(kept.get(), 2);
}

#[test]
fn prod_05_a_resume_that_a_write_has_overtaken_is_not_told() {
    let Pair { mut reactor, server, client, .. } = pair(Probe::new(|_, _| {}), Probe::new(|_, _| {}));
    server.transport().set_write_buffer_limits(10_000, 0);
    client.transport().pause_producing();
    // More than the system's buffers take.
    let mut written = 16 << 20;
    server.transport().write(&vec![7; written]);
    drive(&mut reactor, "the pause", || server.has(&Heard::Pause));
    client.transport().resume_producing();
    // The turn that sends the last of it queues the resume; before that is told, there is more.
    drive(&mut reactor, "the last of it", || server.transport().pending() == 0);
    assert!(!server.has(&Heard::Resume));
    server.transport().write(&[7; 20_000]);
    written += 20_000;
    drive(&mut reactor, "the resume", || server.has(&Heard::Resume));
    drive(&mut reactor, "all of it", || client.bytes().len() == written);
    assert_eq!(server.heard(), [Heard::Made, Heard::Pause, Heard::Resume]);
}
