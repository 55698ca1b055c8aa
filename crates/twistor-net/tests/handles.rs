//! Reaching a protocol from outside: lending, posting, calling, and from another thread.

#![cfg(feature = "mio")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::{Deferred, Failure};
use twistor_net::{
    Address, CloseReason, Connection, LendError, ListeningPort, Protocol, ReactorTcp, TcpClientOptions,
    Transport, for_protocol,
};
use twistor_reactor::{Reactor, ReactorHandle};

/// Longer than any of these takes; a test that hangs fails by it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Remembers what it heard, in a plain field.
#[derive(Default)]
struct Notes {
    heard: Vec<String>,
}

impl Protocol for Notes {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.heard.push(String::from_utf8_lossy(data).into_owned());
    }
}

struct Silent;
impl Protocol for Silent {}

/// A reactor with a port whose protocols greet, and a connection of `Notes` to it; `then` gets it as soon as it stands.
fn with_connection(then: impl FnOnce(&ReactorHandle, Connection<Notes>) + 'static) {
    struct Greeter;
    impl Protocol for Greeter {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(b"hello");
        }
    }
    let mut reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Greeter)).unwrap();
    let handle = reactor.handle();
    reactor
        .connect_protocol(("127.0.0.1", port.host().port()), Notes::default())
        .add_callback(move |connection| then(&handle, connection));
    run(&mut reactor);
}

/// Runs until the test stops the reactor. A failed assertion inside a callback is contained there: it shows as patience running out.
fn run(reactor: &mut Reactor) {
    let late = Rc::new(Cell::new(false));
    let (flag, handle) = (Rc::clone(&late), reactor.handle());
    reactor.call_later(PATIENCE, move || {
        flag.set(true);
        let _ = handle.stop();
    });
    reactor.run().unwrap();
    assert!(!late.get(), "the test did not come to its end: see the panics above");
}

fn stop(reactor: &ReactorHandle) {
    reactor.stop().unwrap();
}

#[test]
fn lending_is_at_once_and_says_why_not() {
    with_connection(|reactor, connection| {
        assert_eq!(connection.try_with(|notes, _| notes.heard.len()), Ok(0));
        let again = connection.clone();
        let inner = connection.try_with(move |_, _| again.try_with(|_, _| ()));
        assert_eq!(inner, Ok(Err(LendError::Busy)), "lent already, further up");
        let next = connection.transport().switch_protocol(Silent, b"");
        connection.transport().reactor().clone().notify(move |reactor| {
            assert_eq!(connection.try_with(|_, _| ()), Err(LendError::Switched));
            assert_eq!(next.try_with(|_, _| ()), Ok(()));
            next.transport().abort_connection();
            reactor.clone().notify(move |reactor| {
                assert_eq!(next.try_with(|_, _| ()), Err(LendError::Gone));
                stop(reactor);
            });
        });
        let _ = reactor;
    });
}

#[test]
fn of_two_switches_in_one_call_the_second_holds_and_the_first_handle_says_so() {
    with_connection(|reactor, connection| {
        let transport = connection.transport();
        let first = transport.switch_protocol(Notes::default(), b"");
        let second = transport.switch_protocol(Notes::default(), b"");
        reactor.notify(move |reactor| {
            assert_eq!(first.try_with(|_, _| ()), Err(LendError::Switched));
            assert_eq!(second.try_with(|_, _| ()), Ok(()));
            stop(reactor);
        });
    });
}

#[test]
fn a_post_comes_after_the_present_call_in_order_and_before_the_next_data() {
    with_connection(|_, connection| {
        let done = Rc::new(Cell::new(false));
        for name in ["first", "second"] {
            let done = Rc::clone(&done);
            connection.post(move |notes, transport| {
                assert!(done.get(), "not inside the call that posted it");
                notes.heard.push(name.to_owned());
                if name == "second" {
                    // The greeting is on its way or here: it comes after both.
                    let connection = transport.connection::<Notes>();
                    let reactor = transport.reactor().clone();
                    wait_for(reactor, connection, 3);
                }
            });
        }
        done.set(true);
    });

    fn wait_for(reactor: ReactorHandle, connection: Connection<Notes>, count: usize) {
        let heard = connection.try_with(|notes, _| notes.heard.clone()).unwrap_or_default();
        if heard.len() < count {
            let handle = reactor.clone();
            reactor.call_later(Duration::from_millis(1), move || wait_for(handle, connection, count));
            return;
        }
        assert_eq!(heard, ["first", "second", "hello"]);
        stop(&reactor);
    }
}

#[test]
fn a_call_has_an_answer_or_is_abandoned_with_the_connection() {
    with_connection(|reactor, connection| {
        let reactor = reactor.clone();
        let after = connection.clone();
        connection.call(|notes, _| notes.heard.capacity()).add_callback(move |_| {
            after.transport().abort_connection();
            // The loss comes first: it was asked for before.
            let never: Deferred<()> = after.call(|_, _| panic!("called after the loss"));
            never.add_both(move |result: Result<(), Failure>| {
                assert!(result.is_err_and(|failure| failure.is_abandoned()));
                stop(&reactor);
            });
        });
    });
}

#[test]
fn a_panic_in_a_post_ends_the_connection_and_one_in_try_with_is_the_callers() {
    struct Watched(Rc<RefCell<Option<CloseReason>>>);
    impl Protocol for Watched {
        fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {
            *self.0.borrow_mut() = Some(reason.clone());
            stop(transport.reactor());
        }
    }
    let mut reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Silent)).unwrap();
    let reason = Rc::new(RefCell::new(None));
    let to = ("127.0.0.1", port.host().port());
    reactor.connect_protocol(to, Watched(Rc::clone(&reason))).add_callback(|connection| {
        let lent = std::panic::AssertUnwindSafe(|| connection.try_with(|_, _| panic!("lent")));
        assert!(std::panic::catch_unwind(lent).is_err());
        assert_eq!(connection.try_with(|_, _| ()), Ok(()), "left as it was, and not busy");
        connection.post(|_, _| panic!("posted"));
    });
    run(&mut reactor);
    assert!(matches!(&*reason.borrow(), Some(CloseReason::Panicked(text)) if text.contains("posted")));
}

#[test]
fn another_thread_reaches_the_protocol_on_the_reactors_thread() {
    with_connection(|reactor, connection| {
        let (remote, home) = (connection.remote(), std::thread::current().id());
        reactor.call_in_thread(move || {
            assert_ne!(std::thread::current().id(), home);
            let posted = remote.post(move |notes, transport| {
                assert_eq!(std::thread::current().id(), home);
                notes.heard.push("from afar".to_owned());
                stop(transport.reactor());
            });
            posted.unwrap();
        });
    });
}

#[test]
fn a_remote_handle_is_harmless_after_the_loss_and_after_the_reactor() {
    let mut reactor = Reactor::new().unwrap();
    let port: ListeningPort = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Silent)).unwrap();
    let kept = Rc::new(RefCell::new(None));
    let (slot, handle) = (Rc::clone(&kept), reactor.handle());
    reactor.connect_protocol(("127.0.0.1", port.host().port()), Silent).add_callback(move |connection| {
        let remote = connection.remote();
        *slot.borrow_mut() = Some(remote.clone());
        connection.transport().abort_connection();
        handle.clone().notify(move |_| {
            remote.post(|_, _| panic!("called after the loss")).unwrap();
            handle.clone().call_later(Duration::from_millis(5), move || stop(&handle));
        });
    });
    run(&mut reactor);
    drop(reactor);
    let remote = kept.borrow_mut().take().unwrap();
    assert!(remote.post(|_, _| panic!("called without a reactor")).is_err());
}

#[test]
fn a_client_connects_from_the_address_it_is_bound_to() {
    let mut reactor = Reactor::new().unwrap();
    let seen = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&seen);
    let factory = for_protocol(move |peer: &Address| {
        *slot.borrow_mut() = Some(peer.clone());
        Silent
    });
    let port = reactor.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let options = TcpClientOptions::new().bind_address(([127, 0, 0, 2], 0).into());
    let to = ("127.0.0.1", port.host().port());
    let handle = reactor.handle();
    reactor.connect_protocol_with(to, Silent, options).add_callback(move |connection| {
        assert_eq!(connection.transport().host().host(), "127.0.0.2");
        handle.clone().call_later(Duration::from_millis(20), move || stop(&handle));
    });
    run(&mut reactor);
    assert_eq!(seen.borrow().as_ref().map(Address::host), Some("127.0.0.2".to_owned()));
}
