//! What users lend and what is lent to them: protocols inside `try_with`, switches, and bytes with an owner.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use twistor_net::{Bytes, CloseReason, Protocol, ReactorTcp, Transport, for_protocol};

use crate::common::{Heard, INJECTED, Probe, drive};
use crate::support::{
    MORE_THAN_SOCKETS_TAKE, Notes, Served, Stays, dial, new_reactor, receive, served, settle,
};

/// Nobody came by to finish a switch that was asked for outside the calls of the loop.
#[test]
fn a_switch_inside_try_with_takes_place() {
    let Served { mut reactor, side, mut peer } = served();
    let (next, next_side) = Probe::new(|_, _| ());
    let lent = side.connection().try_with(|_, transport| drop(transport.switch_protocol(next, b"")));
    assert_eq!(lent, Ok(()));
    peer.write_all(b"hello").unwrap();
    drive(&mut reactor, "the data", || next_side.text() == "hello");
    assert_eq!(side.heard(), [Heard::Made]);
    assert_eq!(next_side.heard(), [Heard::Made, Heard::Data(b"hello".to_vec())]);
}

/// A switch that is not carried out once made the handles of the protocol that stays stale.
#[test]
fn a_switch_after_an_abort_leaves_handles_of_the_protocol_good() {
    let Served { mut reactor, side, peer: _peer } = served();
    let connection = side.connection();
    side.transport().abort_connection();
    side.transport().switch_protocol(Stays, b"");
    assert_eq!(connection.try_with(|_, _| ()), Ok(()));
    drive(&mut reactor, "the loss", || side.is_lost());
}

/// The next protocol heard of a resumption without the pause before it, which its predecessor had heard.
#[test]
fn a_protocol_that_is_switched_in_under_pressure_is_paused_before_it_is_resumed() {
    let Served { mut reactor, side, mut peer } = served();
    side.transport().write(&vec![0; MORE_THAN_SOCKETS_TAKE]);
    drive(&mut reactor, "the pause", || side.has(&Heard::Pause));
    let (next, next_side) = Probe::new(|_, _| ());
    side.transport().switch_protocol(next, b"");
    drive(&mut reactor, "the second pause", || next_side.has(&Heard::Pause));
    receive(&mut reactor, &mut peer, MORE_THAN_SOCKETS_TAKE);
    drive(&mut reactor, "the resumption", || next_side.has(&Heard::Resume));
    assert_eq!(next_side.heard(), [Heard::Made, Heard::Pause, Heard::Resume]);
}

/// A protocol that keeps a transport of its own, and so itself.
struct KeepsItself {
    transport: Rc<RefCell<Option<Transport>>>,
    own: Option<Transport>,
    notes: Notes,
}

impl Protocol for KeepsItself {
    fn connection_made(&mut self, transport: &Transport) {
        *self.transport.borrow_mut() = Some(transport.clone());
        self.own = Some(transport.clone());
    }
    fn connection_lost(&mut self, _: &Transport, reason: &CloseReason) {
        self.notes.add(format!("{reason:?}"));
    }
}

impl Drop for KeepsItself {
    fn drop(&mut self) {
        self.notes.add("dropped");
    }
}

/// The loss could not be told while the protocol was lent, and was not told afterwards; with its own transport it kept itself alive.
#[test]
fn a_protocol_that_is_lent_while_its_reactor_is_dropped_hears_of_the_loss_and_is_freed() {
    let (mut reactor, notes, place) = (new_reactor(), Notes::default(), Rc::default());
    let (transport, log) = (Rc::clone(&place), notes.clone());
    let make = move |_: &_| KeepsItself { transport: Rc::clone(&transport), own: None, notes: log.clone() };
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(make)).unwrap();
    let _peer = dial(&port);
    drive(&mut reactor, "the connection", || place.borrow().is_some());
    let connection = place.take().unwrap().connection::<KeepsItself>();
    assert_eq!(connection.try_with(move |_, _| drop(reactor)), Ok(()));
    drop((connection, port));
    assert_eq!(notes.all(), ["ReactorGone", "dropped"]);
}

thread_local! {
    /// What [`WritesWhenDropped`] writes to: an owner of bytes has to be `Send`, and a transport is not.
    static TRANSPORT: RefCell<Option<Transport>> = const { RefCell::new(None) };
}

/// The owner of some bytes, whose destructor uses the transport that they were written to.
struct WritesWhenDropped(Vec<u8>);

impl AsRef<[u8]> for WritesWhenDropped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for WritesWhenDropped {
    fn drop(&mut self) {
        if let Some(transport) = TRANSPORT.take() {
            transport.write(b"after");
        }
    }
}

/// Writes `len` bytes whose destructor writes more, and checks that the peer gets all of it.
#[track_caller]
fn check_bytes_that_write_when_dropped(len: usize) {
    let Served { mut reactor, side, mut peer } = served();
    TRANSPORT.set(Some(side.transport()));
    side.transport().write_bytes(Bytes::from_owner(WritesWhenDropped(vec![b'.'; len])));
    let got = receive(&mut reactor, &mut peer, len + 5);
    assert_eq!((&got[..len], &got[len..]), (&vec![b'.'; len][..], &b"after"[..]));
    assert!(!side.is_lost());
}

/// Few bytes are copied, and their owner was dropped while the queue was borrowed.
#[test]
fn the_destructor_of_bytes_that_are_copied_may_use_the_transport() {
    check_bytes_that_write_when_dropped(10);
}

/// Many bytes are shared until they are sent, and their owner was dropped while the queue was borrowed.
#[test]
fn the_destructor_of_bytes_that_are_shared_may_use_the_transport() {
    check_bytes_that_write_when_dropped(5_000);
}

/// The destructor of bytes that had been sent unwound through the loop.
#[test]
fn a_panic_in_the_destructor_of_sent_bytes_is_contained() {
    struct Rude(Vec<u8>);
    impl AsRef<[u8]> for Rude {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Rude {
        fn drop(&mut self) {
            panic!("{INJECTED}: bytes");
        }
    }
    let Served { mut reactor, side, mut peer } = served();
    side.transport().write_bytes(Bytes::from_owner(Rude(vec![b'.'; 5_000])));
    side.transport().write(b"after");
    assert!(receive(&mut reactor, &mut peer, 5_005).ends_with(b".after"));
    settle(&mut reactor);
    assert!(!side.is_lost());
}
