use std::io::ErrorKind;

use twistor_reactor::kernel::ConnectProgress;
use twistor_sim::{ScriptedKernel, errno};

use crate::util::*;

#[test]
fn a_fin_is_read_after_the_data_before_it() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"last");
    peer.finish();
    assert_eq!(events(&kernel), [ended(SOCKET)]);
    assert_eq!(recv(&*socket, 64).unwrap().0, b"last");
    assert_eq!(recv(&*socket, 64).unwrap(), (vec![], false));
    assert_eq!(recv(&*socket, 64).unwrap(), (vec![], false));
    // Half closed: the other direction goes on.
    send(&*socket, b"answer").unwrap();
    assert_eq!(peer.received(), b"answer");
    assert_eq!(socket.peer().unwrap(), peer.address());
}

#[test]
fn a_fin_waits_behind_data_that_does_not_fit() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 16);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    send(&*socket, &[1; 10]).unwrap();
    socket.shutdown_write().unwrap();
    assert!(!peer.is_finished());
    assert_eq!(peer.received().len(), 4);
    assert!(!peer.is_finished());
    peer.start_reading();
    assert_eq!(peer.received().len(), 6);
    assert!(peer.is_finished());
}

#[test]
fn after_shutdown_write_sending_is_epipe_and_reading_goes_on() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    socket.shutdown_write().unwrap();
    socket.shutdown_write().unwrap();
    assert!(peer.is_finished());
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::BrokenPipe);
    peer.send(b"still here");
    assert_eq!(recv(&*socket, 64).unwrap().0, b"still here");
}

#[test]
fn both_fins_are_a_hang_up_whichever_came_last() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    socket.shutdown_write().unwrap();
    peer.finish();
    assert_eq!(events(&kernel), [hung_up(SOCKET)]);
    assert_eq!(failure(socket.peer()), ErrorKind::NotConnected);
    assert_eq!(failure(socket.shutdown_write()), ErrorKind::NotConnected);
    assert_eq!(recv(&*socket, 9).unwrap().0, b"");

    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.finish();
    assert_eq!(events(&kernel), [ended(SOCKET)]);
    socket.shutdown_write().unwrap();
    assert_eq!(events(&kernel), [hung_up(SOCKET)]);
}

#[test]
fn a_hang_up_comes_before_the_last_data_arrived() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 16);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    send(&*socket, &[1; 10]).unwrap();
    peer.finish();
    assert_eq!(events(&kernel), [ended(SOCKET)]);
    socket.shutdown_write().unwrap();
    assert_eq!(events(&kernel), [hung_up(SOCKET)]);
    assert_eq!(socket.peer().unwrap(), peer.address());
    peer.start_reading();
    assert_eq!(peer.received().len(), 10);
    assert!(peer.is_finished());
    assert_eq!(failure(socket.peer()), ErrorKind::NotConnected);
}

#[test]
fn a_reset_is_an_error_once_and_then_the_end() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"before");
    peer.reset();
    assert_eq!(events(&kernel), [failed(SOCKET)]);
    assert_eq!(failure(socket.peer()), ErrorKind::NotConnected);
    // As on Linux, what had arrived stays readable.
    assert_eq!(recv(&*socket, 64).unwrap().0, b"before");
    assert_eq!(failure(recv(&*socket, 64)), ErrorKind::ConnectionReset);
    assert_eq!(recv(&*socket, 64).unwrap().0, b"");
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::BrokenPipe);
    assert_eq!(failure(socket.shutdown_write()), ErrorKind::NotConnected);
}

#[test]
fn the_error_of_a_reset_goes_to_whoever_asks_first() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.reset();
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::ConnectionReset);
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::BrokenPipe);

    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.reset();
    assert_eq!(socket.take_error().unwrap().unwrap().raw_os_error(), Some(errno::ECONNRESET));
    assert!(socket.take_error().unwrap().is_none());
    assert_eq!(recv(&*socket, 64).unwrap().0, b"");
}

#[test]
fn a_reset_after_a_fin_shows_on_sending_alone() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.finish();
    peer.reset();
    assert_eq!(recv(&*socket, 64).unwrap().0, b"");
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::BrokenPipe);
}

#[test]
fn a_dropped_socket_delivers_its_data_then_a_fin() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 16);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    send(&*socket, b"0123456789").unwrap();
    drop(socket);
    assert_eq!((kernel.open_sockets(), kernel.lingering(), kernel.registered()), (0, 1, 0));
    peer.start_reading();
    assert_eq!(peer.received(), b"0123456789");
    assert!(peer.is_finished() && !peer.was_reset());
    peer.close();
    assert_eq!(kernel.lingering(), 0);
}

#[test]
fn tcp_30_a_drop_with_unread_input_resets_the_connection() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(8, 100);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    peer.send(b"never read");
    send(&*socket, &[1; 50]).unwrap();
    drop(socket);
    assert!(peer.was_reset() && !peer.is_finished());
    // The tail of what was sent is lost.
    assert_eq!(peer.received().len(), 8);
    assert_eq!(kernel.lingering(), 0);
}

#[test]
fn reset_on_close_throws_undelivered_data_away() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 100);
    let (socket, peer) = accepted(&kernel);
    peer.stop_reading();
    send(&*socket, &[1; 50]).unwrap();
    socket.reset_on_close().unwrap();
    assert!(!peer.was_reset());
    drop(socket);
    assert!(peer.was_reset());
    assert_eq!(peer.received().len(), 4);
}

#[test]
fn data_that_arrives_at_a_dropped_socket_is_answered_by_a_reset() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    drop(socket);
    assert!(peer.is_finished() && !peer.was_reset());
    peer.send(b"too late");
    assert!(peer.was_reset());
    assert_eq!(kernel.lingering(), 0);
}

#[test]
fn a_socket_whose_peer_closed_learns_of_it_by_writing() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.close();
    assert_eq!(events(&kernel), [ended(SOCKET)]);
    assert_eq!(send(&*socket, b"into the void").unwrap(), 13);
    assert_eq!(events(&kernel), [failed(SOCKET)]);
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::BrokenPipe);
}

#[test]
fn dropping_a_socket_withdraws_its_queued_event() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"x");
    drop(socket);
    assert_eq!(events(&kernel), []);
}

#[test]
fn connect_progress_of_a_lost_connection_is_an_error() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    assert_eq!(socket.connect_progress().unwrap(), ConnectProgress::Connected);
    peer.reset();
    assert_eq!(failure(socket.connect_progress()), ErrorKind::ConnectionReset);
    assert_eq!(failure(socket.connect_progress()), ErrorKind::NotConnected);
}
