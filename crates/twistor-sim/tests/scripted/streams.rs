use std::io::{ErrorKind, IoSlice};

use twistor_reactor::kernel::{ConnectProgress, KeepAlive, SocketOption, SocketOptionKind};
use twistor_sim::ScriptedKernel;

use crate::util::*;

#[test]
fn bytes_arrive_in_order_between_two_sockets_of_the_kernel() {
    let kernel = ScriptedKernel::new();
    let listener = listen(&kernel);
    let client = connect(&kernel, server());
    client.register(SOCKET).unwrap();
    assert_eq!(events(&kernel), [readable(LISTENER), writable(SOCKET)]);
    assert_eq!(client.connect_progress().unwrap(), ConnectProgress::Connected);
    let accepted = listener.accept().unwrap();
    assert_eq!(accepted.peer, client.local().unwrap());
    assert_eq!(accepted.socket.peer().unwrap(), client.local().unwrap());
    assert_eq!(accepted.socket.local().unwrap(), client.peer().unwrap());

    let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
    assert_eq!(accepted.socket.send(&parts).unwrap(), 7);
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    assert_eq!(recv(&*client, 5).unwrap(), (b"one t".to_vec(), false));
    assert_eq!(recv(&*client, 5).unwrap(), (b"wo".to_vec(), true));
    assert_eq!(failure(recv(&*client, 5)), ErrorKind::WouldBlock);
}

#[test]
fn a_read_that_fills_the_scratch_never_counts_as_drained() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"four");
    assert_eq!(recv(&*socket, 4).unwrap(), (b"four".to_vec(), false));
}

#[test]
fn an_empty_scratch_is_an_error_and_not_an_end() {
    let kernel = ScriptedKernel::new();
    let (socket, _peer) = accepted(&kernel);
    assert_eq!(failure(socket.recv(&mut [])), ErrorKind::InvalidInput);
}

#[test]
fn a_send_takes_what_both_buffers_hold_and_then_would_block() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(10, 4);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    assert_eq!(send(&*socket, &[1; 100]).unwrap(), 14);
    assert_eq!(failure(send(&*socket, &[2; 100])), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), []);

    assert_eq!(peer.received(), [1; 10]);
    assert_eq!(events(&kernel), [writable(SOCKET)]);
    // Four moved on from the send buffer, so that six fit there and four in it.
    assert_eq!(send(&*socket, &[2; 100]).unwrap(), 10);
    assert_eq!(events(&kernel), []);
}

#[test]
fn a_peer_that_reads_never_blocks_the_sender() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    for _ in 0..100 {
        assert_eq!(send(&*socket, &[9; 100_000]).unwrap(), 100_000);
    }
    assert_eq!(peer.received().len(), 10_000_000);
}

#[test]
fn a_short_send_alone_promises_no_event() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 4);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    assert_eq!(send(&*socket, &[0; 9]).unwrap(), 8);
    let _ = peer.received();
    assert_eq!(events(&kernel), []);
}

#[test]
fn the_window_of_a_socket_closes_when_it_does_not_read() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(8, 8);
    let (socket, peer) = accepted(&kernel);
    peer.send(&[5; 20]);
    assert_eq!(peer.unsent(), 12);
    assert_eq!(recv(&*socket, 100).unwrap().0.len(), 8);
    assert_eq!(recv(&*socket, 100).unwrap().0.len(), 8);
    assert_eq!(recv(&*socket, 100).unwrap(), (vec![5; 4], true));
    assert_eq!(peer.unsent(), 0);
}

#[test]
fn options_are_remembered_and_buffers_take_effect() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    assert_eq!(socket.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(true));
    let keep_alive = SocketOption::KeepAlive(Some(KeepAlive::default()));
    for option in [SocketOption::NoDelay(false), keep_alive, SocketOption::TypeOfService(16)] {
        socket.set_option(option).unwrap();
    }
    assert_eq!(socket.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(false));
    assert_eq!(socket.option(SocketOptionKind::KeepAlive).unwrap(), keep_alive);
    assert_eq!(failure(socket.set_option(SocketOption::TypeOfService(256))), ErrorKind::InvalidInput);

    peer.stop_reading();
    socket.set_option(SocketOption::SendBuffer(10)).unwrap();
    assert_eq!(socket.option(SocketOptionKind::SendBuffer).unwrap(), SocketOption::SendBuffer(10));
    assert_eq!(send(&*socket, &[0; 100_000]).unwrap(), 64 * 1024 + 10);
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::WouldBlock);
    // More room is an edge, wherever it comes from.
    socket.set_option(SocketOption::SendBuffer(20)).unwrap();
    assert_eq!(events(&kernel), [writable(SOCKET)]);
    assert_eq!(send(&*socket, &[0; 100]).unwrap(), 10);
}

#[test]
fn a_larger_receive_buffer_opens_the_window() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 4);
    let (socket, peer) = accepted(&kernel);
    peer.send(&[0; 10]);
    assert_eq!(peer.unsent(), 6);
    socket.set_option(SocketOption::ReceiveBuffer(10)).unwrap();
    assert_eq!(peer.unsent(), 0);
}
