use std::io::ErrorKind;
use std::time::Duration;

use twistor_reactor::kernel::{ConnectOptions, ConnectProgress, Kernel, ListenOptions, SocketOption};
use twistor_sim::{Answer, Call, ScriptedKernel, Target, errno};

use crate::util::*;

#[test]
fn a_scripted_would_block_is_followed_by_a_fresh_event() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"data");
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    kernel.script(Call::Recv, Answer::WouldBlock);
    assert_eq!(failure(recv(&*socket, 64)), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    assert_eq!(recv(&*socket, 64).unwrap().0, b"data");

    kernel.script(Call::Send, Answer::Errno(errno::EAGAIN));
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), [writable(SOCKET)]);
    assert_eq!(send(&*socket, b"x").unwrap(), 1);

    let listener = kernel.listen_stream(address("127.0.0.1:81"), &ListenOptions::default()).unwrap();
    listener.register(LISTENER).unwrap();
    let _peer = kernel.dial(address("127.0.0.1:81"));
    assert_eq!(events(&kernel), [readable(LISTENER)]);
    kernel.script(Call::Accept, Answer::WouldBlock);
    assert_eq!(failure(listener.accept()), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), [readable(LISTENER)]);
}

#[test]
fn a_scripted_would_block_of_what_is_not_ready_waits_for_the_real_edge() {
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(4, 4);
    let (socket, peer) = accepted(&kernel);
    kernel.script(Call::Recv, Answer::WouldBlock);
    assert_eq!(failure(recv(&*socket, 64)), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), []);
    peer.stop_reading();
    assert_eq!(send(&*socket, &[0; 9]).unwrap(), 8);
    kernel.script(Call::Send, Answer::WouldBlock);
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), []);
    peer.start_reading();
    assert_eq!(events(&kernel), [writable(SOCKET)]);
}

#[test]
fn enobufs_and_eintr_promise_no_event() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"x");
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    kernel.script(Call::Send, Answer::Errno(errno::ENOBUFS)).then(Answer::Errno(errno::EINTR));
    kernel.script(Call::Recv, Answer::Errno(errno::EINTR));
    assert_eq!(send(&*socket, b"x").unwrap_err().raw_os_error(), Some(errno::ENOBUFS));
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::Interrupted);
    assert_eq!(failure(recv(&*socket, 64)), ErrorKind::Interrupted);
    assert_eq!(events(&kernel), []);
    assert_eq!(send(&*socket, b"x").unwrap(), 1);
    assert_eq!(recv(&*socket, 64).unwrap().0, b"x");
}

#[test]
fn a_short_read_is_drained_only_if_nothing_is_left() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"abcdef");
    kernel.script(Call::Recv, Answer::Short(3)).times(2);
    assert_eq!(recv(&*socket, 64).unwrap(), (b"abc".to_vec(), false));
    assert_eq!(recv(&*socket, 64).unwrap(), (b"def".to_vec(), true));
}

#[test]
fn a_short_send_takes_the_front_of_the_parts() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    kernel.script(Call::Send, Answer::Short(4)).then(Answer::Short(0));
    let parts = [b"abc".as_slice(), b"def"].map(std::io::IoSlice::new);
    assert_eq!(socket.send(&parts).unwrap(), 4);
    assert_eq!(socket.send(&parts).unwrap(), 1);
    assert_eq!(peer.received(), b"abcda");
}

#[test]
fn answers_are_given_in_order_and_then_the_truth() {
    let kernel = ScriptedKernel::new();
    let (socket, _peer) = accepted(&kernel);
    let script = kernel
        .script(Call::Send, Answer::Pass)
        .times(2)
        .then(Answer::Errno(errno::ENOBUFS))
        .times(2)
        .then(Answer::Short(1));
    let outcomes: Vec<Option<usize>> = (0..6).map(|_| send(&*socket, b"abc").ok()).collect();
    assert_eq!(outcomes, [Some(3), Some(3), None, None, Some(1), Some(3)]);
    assert_eq!(script.used(), 5);
    assert!(kernel.script_left().is_empty());
}

#[test]
fn a_target_limits_all_rules_of_a_sentence() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    let port = peer.address().port();
    kernel.script(Call::Send, Answer::Short(1)).then(Answer::Short(2)).on(Target::Peer(1));
    kernel.script(Call::Send, Answer::Short(5)).on(SOCKET);
    kernel.script(Call::Send, Answer::Short(4)).on(Target::Peer(port));
    kernel.script(Call::Send, Answer::Short(3)).on(80);
    let sent: Vec<usize> = (0..4).map(|_| send(&*socket, b"abcdef").unwrap()).collect();
    assert_eq!(sent, [5, 4, 3, 6]);
    assert_eq!(kernel.script_left().len(), 2);
}

#[test]
fn a_listener_is_told_apart_from_what_it_accepted() {
    let kernel = ScriptedKernel::new();
    kernel.script(Call::Register, Answer::Errno(errno::ENOMEM)).on(Target::Listener(80));
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let _peer = kernel.dial(server());
    listener.accept().unwrap().socket.register(SOCKET).unwrap();
    assert_eq!(failure(listener.register(LISTENER)), ErrorKind::OutOfMemory);
}

#[test]
fn a_guard_takes_its_rules_back() {
    let kernel = ScriptedKernel::new();
    let (socket, _peer) = accepted(&kernel);
    let guard = kernel.script(Call::Send, Answer::Short(1)).always().guard();
    assert_eq!(send(&*socket, b"abc").unwrap() + send(&*socket, b"abc").unwrap(), 2);
    assert_eq!(guard.used(), 2);
    drop(guard);
    assert_eq!(send(&*socket, b"abc").unwrap(), 3);
    kernel.script(Call::Send, Answer::Short(1)).remove();
    assert_eq!(send(&*socket, b"abc").unwrap(), 3);
}

#[test]
fn every_call_can_be_made_to_fail() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    for call in [Call::ShutdownWrite, Call::ResetOnClose, Call::SetOption] {
        kernel.script(call, Answer::Errno(errno::ENOTCONN));
    }
    assert_eq!(failure(socket.shutdown_write()), ErrorKind::NotConnected);
    assert_eq!(failure(socket.reset_on_close()), ErrorKind::NotConnected);
    assert_eq!(failure(socket.set_option(SocketOption::NoDelay(true))), ErrorKind::NotConnected);
    // None of them did anything.
    drop(socket);
    assert!(!peer.was_reset());

    kernel.script(Call::Listen, Answer::Errno(errno::EADDRNOTAVAIL)).on(81);
    let other = address("127.0.0.1:81");
    assert_eq!(failure(kernel.listen_stream(other, &ListenOptions::default())), ErrorKind::AddrNotAvailable);
    kernel.script(Call::Connect, Answer::Errno(errno::ENETUNREACH)).on(Target::Peer(81));
    let connect = |to| kernel.connect_stream(to, &ConnectOptions::default());
    assert_eq!(failure(connect(other)), ErrorKind::NetworkUnreachable);
    kernel.script(Call::Wait, Answer::Errno(errno::EBADF));
    assert_eq!(kernel.wait(None, &mut Vec::new()).unwrap_err().raw_os_error(), Some(errno::EBADF));
    assert!(kernel.script_left().is_empty());
}

#[test]
fn a_connect_can_be_kept_in_progress_and_fail_late() {
    let kernel = ScriptedKernel::new();
    let _listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let socket = connect(&kernel, server());
    socket.register(SOCKET).unwrap();
    kernel.script(Call::ConnectProgress, Answer::WouldBlock).then(Answer::Errno(errno::ETIMEDOUT));
    assert_eq!(events(&kernel), [writable(SOCKET)]);
    assert_eq!(socket.connect_progress().unwrap(), ConnectProgress::InProgress);
    assert_eq!(events(&kernel), [writable(SOCKET)]);
    assert_eq!(failure(socket.connect_progress()), ErrorKind::TimedOut);
}

#[test]
fn a_spurious_answer_wakes_for_nothing() {
    let kernel = ScriptedKernel::new();
    let (socket, _peer) = accepted(&kernel);
    kernel.script(Call::Recv, Answer::Spurious);
    assert_eq!(failure(recv(&*socket, 9)), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), [readable(SOCKET).writable()]);
    assert_eq!(failure(recv(&*socket, 9)), ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), []);
}

#[test]
fn a_wait_can_return_early_with_nothing() {
    let kernel = ScriptedKernel::new();
    kernel.script(Call::Wait, Answer::Spurious);
    let mut ready = Vec::new();
    kernel.wait(Some(Duration::from_secs(1)), &mut ready).unwrap();
    assert_eq!((ready.len(), kernel.now().as_nanos()), (0, 0));
}
