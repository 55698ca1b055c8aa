use std::io::ErrorKind;
use std::time::Duration;

use twistor_reactor::kernel::{ConnectOptions, ConnectProgress, Kernel};
use twistor_sim::ScriptedKernel;

use crate::util::*;

#[test]
fn a_connect_to_a_port_nobody_listens_on_is_refused_by_an_event() {
    let kernel = ScriptedKernel::new();
    let socket = connect(&kernel, address("127.0.0.1:9"));
    socket.register(SOCKET).unwrap();
    assert_eq!(events(&kernel), [failed(SOCKET)]);
    assert_eq!(failure(socket.connect_progress()), ErrorKind::ConnectionRefused);
    assert_eq!(failure(socket.connect_progress()), ErrorKind::NotConnected);
}

#[test]
fn a_black_hole_never_answers() {
    let kernel = ScriptedKernel::new();
    let hole = address("198.51.100.1:443");
    kernel.black_hole(hole);
    let socket = connect(&kernel, hole);
    socket.register(SOCKET).unwrap();
    let mut ready = Vec::new();
    kernel.wait(Some(Duration::from_secs(3600)), &mut ready).unwrap();
    assert!(ready.is_empty());
    assert_eq!(socket.connect_progress().unwrap(), ConnectProgress::InProgress);
    assert_eq!(failure(socket.peer()), ErrorKind::NotConnected);
    assert_eq!(failure(send(&*socket, b"x")), ErrorKind::WouldBlock);
    assert_eq!(failure(recv(&*socket, 1)), ErrorKind::WouldBlock);
    drop(socket);
    assert_eq!((kernel.open_sockets(), kernel.lingering()), (0, 0));
}

#[test]
fn lifting_a_black_hole_answers_who_waited() {
    let kernel = ScriptedKernel::new();
    kernel.black_hole(address("198.51.100.1:0"));
    let socket = connect(&kernel, address("198.51.100.1:443"));
    socket.register(SOCKET).unwrap();
    kernel.at(Duration::from_secs(2), |kernel| kernel.lift_black_hole("198.51.100.1:0".parse().unwrap()));
    assert_eq!(next_events(&kernel), [failed(SOCKET)]);
    assert_eq!(kernel.now().as_nanos(), 2_000_000_000);
}

#[test]
fn answering_at_a_black_hole_lets_who_waited_connect() {
    let kernel = ScriptedKernel::new();
    let hole = address("198.51.100.1:443");
    kernel.black_hole(hole);
    let socket = connect(&kernel, hole);
    socket.register(SOCKET).unwrap();
    let remote = kernel.expect_connect(hole);
    assert_eq!(remote.waiting(), 1);
    assert_eq!(events(&kernel), [writable(SOCKET)]);
}

#[test]
fn a_connect_takes_the_time_it_is_said_to_take() {
    let kernel = ScriptedKernel::new();
    kernel.set_connect_time(Duration::from_millis(80));
    let remote = kernel.expect_connect(address("198.51.100.1:443"));
    let socket = connect(&kernel, address("198.51.100.1:443"));
    socket.register(SOCKET).unwrap();
    assert_eq!(events(&kernel), []);
    assert_eq!(socket.connect_progress().unwrap(), ConnectProgress::InProgress);
    assert_eq!(remote.waiting(), 0);
    assert_eq!(next_events(&kernel), [writable(SOCKET)]);
    assert_eq!(kernel.now().as_nanos(), 80_000_000);
    assert_eq!(remote.waiting(), 1);
}

#[test]
fn the_far_end_of_a_connect_can_be_played_by_hand() {
    let kernel = ScriptedKernel::new();
    let remote = kernel.expect_connect(address("198.51.100.1:443"));
    assert!(remote.accept().is_none());
    assert_eq!(remote.address(), address("198.51.100.1:443"));
    let socket = connect(&kernel, address("198.51.100.1:443"));
    let peer = remote.accept().unwrap();
    assert_eq!(peer.address(), address("198.51.100.1:443"));
    assert_eq!(peer.remote(), address("192.0.2.1:20000"));
    peer.send(b"banner");
    assert_eq!(recv(&*socket, 64).unwrap().0, b"banner");
    send(&*socket, b"hello").unwrap();
    assert_eq!(peer.received(), b"hello");
}

#[test]
fn a_hand_that_is_dropped_answers_no_more() {
    let kernel = ScriptedKernel::new();
    let remote = kernel.expect_connect(address("198.51.100.1:443"));
    let waiting = connect(&kernel, address("198.51.100.1:443"));
    drop(remote);
    assert_eq!(failure(waiting.connect_progress()), ErrorKind::ConnectionReset);
    let later = connect(&kernel, address("198.51.100.1:443"));
    assert_eq!(failure(later.connect_progress()), ErrorKind::ConnectionRefused);
}

#[test]
fn the_bind_address_is_where_the_connect_comes_from() {
    let kernel = ScriptedKernel::new();
    let listener = listen(&kernel);
    let mut options = ConnectOptions::default();
    options.bind_address = Some(address("127.0.0.9:4000"));
    let socket = kernel.connect_stream(server(), &options).unwrap();
    assert_eq!(socket.local().unwrap(), address("127.0.0.9:4000"));
    assert_eq!(listener.accept().unwrap().peer, address("127.0.0.9:4000"));
    assert_eq!(failure(kernel.connect_stream(server(), &options)), ErrorKind::AddrInUse);

    options.bind_address = Some(address("0.0.0.0:0"));
    let any = kernel.connect_stream(server(), &options).unwrap();
    assert_eq!(any.local().unwrap(), address("127.0.0.1:20000"));
    options.bind_address = Some(address("[::1]:0"));
    assert_eq!(failure(kernel.connect_stream(server(), &options)), ErrorKind::InvalidInput);
    drop(socket);
    options.bind_address = Some(address("127.0.0.9:4000"));
    assert!(kernel.connect_stream(server(), &options).is_ok());
}

#[test]
fn ports_of_connects_are_counted_up_from_20000() {
    let kernel = ScriptedKernel::new();
    let _listener = listen(&kernel);
    let ports: Vec<u16> = (0..3).map(|_| connect(&kernel, server()).local().unwrap().port()).collect();
    assert_eq!(ports, [20_000, 20_001, 20_002]);
}

#[test]
fn many_connections_are_cheap() {
    let kernel = ScriptedKernel::new();
    let listener = listen(&kernel);
    let pairs: Vec<_> = (0..10_000).map(|_| (kernel.dial(server()), listener.accept().unwrap())).collect();
    assert_eq!(kernel.open_sockets(), 10_000);
    drop(pairs);
    assert_eq!((kernel.open_sockets(), kernel.lingering()), (0, 0));
}

#[test]
fn an_unspecified_destination_is_this_machine() {
    let kernel = ScriptedKernel::new();
    let _listener = listen(&kernel);
    let socket = connect(&kernel, address("0.0.0.0:80"));
    assert_eq!(socket.peer().unwrap(), server());
}
