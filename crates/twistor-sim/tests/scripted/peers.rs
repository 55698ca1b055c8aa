use std::time::Duration;

use twistor_reactor::kernel::{Kernel, ListenOptions};
use twistor_sim::ScriptedKernel;

use crate::util::*;

#[test]
fn what_was_received_is_taken_once_and_peeked_at_often() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    send(&*socket, b"hello").unwrap();
    assert_eq!(peer.peek(), b"hello");
    assert_eq!(peer.peek(), b"hello");
    assert_eq!(peer.received(), b"hello");
    assert_eq!(peer.received(), b"");
}

#[test]
fn a_peer_that_stopped_reading_can_read_once() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 4);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    send(&*socket, b"01234567").unwrap();
    assert_eq!(peer.peek(), b"0123");
    assert_eq!(peer.received(), b"0123");
    assert_eq!(peer.received(), b"4567");
}

#[test]
fn a_peer_with_unread_input_resets_on_close() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    send(&*socket, b"unread").unwrap();
    peer.close();
    assert_eq!(events(&kernel), [failed(SOCKET)]);
}

#[test]
fn the_last_clone_closes() {
    let kernel = ScriptedKernel::new();
    let (_socket, peer) = accepted(&kernel);
    let clone = peer.clone();
    drop(peer);
    assert_eq!(events(&kernel), []);
    drop(clone);
    assert_eq!(events(&kernel), [ended(SOCKET)]);
}

#[test]
fn a_peer_may_come_from_anywhere() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(address("0.0.0.0:80"), &ListenOptions::default()).unwrap();
    let _peer = kernel.dial_from(address("203.0.113.5:1234"), address("192.0.2.1:80"));
    let accepted = listener.accept().unwrap();
    assert_eq!(accepted.peer, address("203.0.113.5:1234"));
    assert_eq!(accepted.socket.local().unwrap(), address("192.0.2.1:80"));
}

#[test]
fn a_peer_can_be_told_what_to_do_later() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    let later = peer.clone();
    kernel.at(Duration::from_secs(1), move |_| later.send(b"one"));
    let later = peer.clone();
    kernel.at(Duration::from_secs(2), move |_| later.reset());
    assert_eq!(next_events(&kernel), [readable(SOCKET)]);
    assert_eq!(recv(&*socket, 64).unwrap(), (b"one".to_vec(), true));
    assert_eq!(next_events(&kernel), [failed(SOCKET)]);
    assert_eq!(kernel.now().as_nanos(), 2_000_000_000);
    assert!(!peer.was_reset());
}

#[test]
#[should_panic(expected = "after Peer::finish")]
fn sending_after_finish_is_a_mistake_in_the_test() {
    let kernel = ScriptedKernel::new();
    let (_socket, peer) = accepted(&kernel);
    peer.finish();
    peer.send(b"x");
}

#[test]
#[should_panic(expected = "nobody listens")]
fn dialling_nobody_is_a_mistake_in_the_test() {
    let kernel = ScriptedKernel::new();
    let _peer = kernel.dial(server());
}

#[test]
fn sending_to_a_connection_that_was_reset_is_harmless() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    socket.reset_on_close().unwrap();
    drop(socket);
    peer.send(b"lost");
    peer.finish();
    peer.close();
    assert!(peer.was_reset() && !peer.is_connected());
}
