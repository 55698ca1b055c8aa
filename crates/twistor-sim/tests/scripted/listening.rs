use std::io::ErrorKind;

use twistor_reactor::kernel::{ConnectProgress, Kernel, ListenOptions};
use twistor_sim::{Answer, Call, ScriptedKernel, errno};

use crate::util::*;

fn backlog(count: i32) -> ListenOptions {
    let mut options = ListenOptions::default();
    options.backlog = count;
    options
}

#[test]
fn port_zero_picks_10000_and_upwards() {
    let kernel = ScriptedKernel::new();
    let any = address("127.0.0.1:0");
    let listeners: Vec<_> =
        (0..3).map(|_| kernel.listen_stream(any, &ListenOptions::default()).unwrap()).collect();
    let ports: Vec<u16> = listeners.iter().map(|listener| listener.local().unwrap().port()).collect();
    assert_eq!(ports, [10_000, 10_001, 10_002]);
}

#[test]
fn an_address_is_listened_on_once() {
    let kernel = ScriptedKernel::new();
    let options = ListenOptions::default();
    let listener = listen(&kernel);
    for rival in ["127.0.0.1:80", "0.0.0.0:80"] {
        assert_eq!(failure(kernel.listen_stream(address(rival), &options)), ErrorKind::AddrInUse);
    }
    for other in ["127.0.0.2:80", "127.0.0.1:81", "[::]:80"] {
        assert!(kernel.listen_stream(address(other), &options).is_ok());
    }
    drop(listener);
    assert!(kernel.listen_stream(server(), &options).is_ok());
}

#[test]
fn a_port_can_be_shared_by_those_who_all_say_so() {
    let kernel = ScriptedKernel::new();
    let mut options = ListenOptions::default();
    options.reuse_port = true;
    let first = kernel.listen_stream(server(), &options).unwrap();
    let second = kernel.listen_stream(server(), &options).unwrap();
    assert_eq!(failure(kernel.listen_stream(server(), &ListenOptions::default())), ErrorKind::AddrInUse);
    let _clients: Vec<_> = (0..4).map(|_| kernel.dial(server())).collect();
    for listener in [first, second] {
        assert!(listener.accept().is_ok() && listener.accept().is_ok());
        assert_eq!(failure(listener.accept()), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_dual_stack_listener_sees_mapped_addresses() {
    let kernel = ScriptedKernel::new();
    let mut options = ListenOptions::default();
    options.dual_stack = true;
    let listener = kernel.listen_stream(address("[::]:80"), &options).unwrap();
    assert_eq!(
        failure(kernel.listen_stream(address("0.0.0.0:80"), &ListenOptions::default())),
        ErrorKind::AddrInUse
    );
    let _four = kernel.dial(server());
    let _six = kernel.dial(address("[::1]:80"));
    assert_eq!(listener.accept().unwrap().peer, address("[::ffff:127.0.0.1]:20000"));
    assert_eq!(listener.accept().unwrap().peer, address("[::1]:20001"));
    // Without the option only its own family gets in.
    let plain = ScriptedKernel::new();
    let _listener = plain.listen_stream(address("[::]:80"), &ListenOptions::default()).unwrap();
    assert!(!plain.is_listening(server()) && plain.is_listening(address("[::1]:80")));
}

#[test]
fn each_arrival_is_an_event_and_registering_late_misses_none() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let _early = kernel.dial(server());
    assert_eq!(events(&kernel), []);
    listener.register(LISTENER).unwrap();
    assert_eq!(events(&kernel), [readable(LISTENER)]);
    assert_eq!(events(&kernel), []);
    let _late = kernel.dial(server());
    assert_eq!(events(&kernel), [readable(LISTENER)]);
    assert!(listener.accept().is_ok() && listener.accept().is_ok());
    assert_eq!(failure(listener.accept()), ErrorKind::WouldBlock);
}

#[test]
fn a_full_backlog_keeps_connects_waiting_in_order() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &backlog(2)).unwrap();
    let _queued = [kernel.dial(server()), kernel.dial(server())];
    let socket = connect(&kernel, server());
    socket.register(SOCKET).unwrap();
    let last = kernel.dial(server());
    last.send(b"early bird");
    assert_eq!(events(&kernel), []);
    assert_eq!(socket.connect_progress().unwrap(), ConnectProgress::InProgress);

    let _first = listener.accept().unwrap();
    assert_eq!(events(&kernel), [writable(SOCKET)]);
    assert_eq!(socket.connect_progress().unwrap(), ConnectProgress::Connected);
    assert!(!last.is_connected());
    let _second = listener.accept().unwrap();
    assert!(last.is_connected());
    let _third = listener.accept().unwrap();
    assert_eq!(recv(&*listener.accept().unwrap().socket, 64).unwrap().0, b"early bird");
}

#[test]
fn closing_a_listener_resets_its_queue_and_refuses_who_waited() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &backlog(1)).unwrap();
    let accepted_peer = kernel.dial(server());
    let accepted = listener.accept().unwrap();
    let queued = kernel.dial(server());
    let socket = connect(&kernel, server());
    socket.register(SOCKET).unwrap();
    drop(listener);
    assert!(queued.was_reset());
    assert_eq!(events(&kernel), [failed(SOCKET)]);
    assert_eq!(failure(socket.connect_progress()), ErrorKind::ConnectionRefused);
    // What was accepted is untouched.
    send(&*accepted.socket, b"hello").unwrap();
    assert_eq!(accepted_peer.received(), b"hello");
    assert_eq!(kernel.open_listeners(), 0);
}

#[test]
fn a_connect_that_gave_up_leaves_the_queue() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &backlog(1)).unwrap();
    let _queued = kernel.dial(server());
    drop(connect(&kernel, server()));
    let patient = kernel.dial(server());
    let _first = listener.accept().unwrap();
    assert!(patient.is_connected());
}

#[test]
fn a_connection_reset_in_the_queue_is_still_accepted() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let peer = kernel.dial(server());
    peer.reset();
    let accepted = listener.accept().unwrap();
    assert_eq!(accepted.peer, peer.address());
    assert_eq!(failure(recv(&*accepted.socket, 9)), ErrorKind::ConnectionReset);
}

#[test]
fn emfile_leaves_the_queue_alone_and_no_event_follows() {
    let kernel = ScriptedKernel::new();
    let listener = listen(&kernel);
    let peers = [kernel.dial(server()), kernel.dial(server()), kernel.dial(server())];
    assert_eq!(events(&kernel), [readable(LISTENER)]);
    kernel.script(Call::Accept, Answer::Errno(errno::EMFILE));
    assert_eq!(listener.accept().unwrap_err().raw_os_error(), Some(errno::EMFILE));
    assert_eq!(events(&kernel), []);
    assert_eq!(listener.shed(2).unwrap(), 2);
    assert!(peers[0].is_finished() && peers[1].is_finished() && !peers[2].is_finished());
    assert_eq!(listener.shed(2).unwrap(), 1);
    assert_eq!(listener.shed(2).unwrap(), 0);
    kernel.script(Call::Shed, Answer::Errno(errno::EMFILE));
    assert!(listener.shed(1).is_err());
}
