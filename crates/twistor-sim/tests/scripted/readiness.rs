use twistor_reactor::kernel::{Kernel, ListenOptions, Readiness, Token};
use twistor_sim::ScriptedKernel;

use crate::util::*;

#[test]
fn each_arrival_is_an_edge_and_nothing_else_is() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"one");
    peer.send(b"two");
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    // Unread data is not reported again.
    assert_eq!(events(&kernel), []);
    peer.send(b"three");
    assert_eq!(events(&kernel), [readable(SOCKET)]);
    assert_eq!(recv(&*socket, 64).unwrap().0, b"onetwothree");
    assert_eq!(events(&kernel), []);
}

#[test]
fn data_that_was_read_before_the_wait_is_not_reported() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    peer.send(b"one");
    assert_eq!(recv(&*socket, 64).unwrap().0, b"one");
    assert_eq!(events(&kernel), []);
}

#[test]
fn registering_reports_what_is_there_already() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let peer = kernel.dial(server());
    peer.send(b"early");
    peer.finish();
    let socket = listener.accept().unwrap().socket;
    assert_eq!(events(&kernel), []);
    socket.register(SOCKET).unwrap();
    assert_eq!(events(&kernel), [ended(SOCKET).writable()]);
    assert_eq!(socket.register(SOCKET).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn events_come_in_the_order_in_which_sources_became_ready() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let peers: Vec<_> = (0..3).map(|_| kernel.dial(server())).collect();
    let sockets: Vec<_> = (0..3)
        .map(|index| {
            let socket = listener.accept().unwrap().socket;
            socket.register(Token::new(9 - index, 0)).unwrap();
            socket
        })
        .collect();
    assert_eq!(events(&kernel), [9, 8, 7].map(|index| writable(Token::new(index, 0))));
    for index in [2, 0, 1, 2] {
        peers[index].send(b"x");
    }
    assert_eq!(events(&kernel), [7, 9, 8].map(|index| readable(Token::new(index, 0))));
    drop(sockets);
}

#[test]
fn a_limit_on_events_leaves_the_others_for_the_next_wait() {
    let kernel = ScriptedKernel::new();
    let listener = kernel.listen_stream(server(), &ListenOptions::default()).unwrap();
    let _peers: Vec<_> = (0..3).map(|_| kernel.dial(server())).collect();
    let _sockets: Vec<_> = (0..3)
        .map(|index| {
            let socket = listener.accept().unwrap().socket;
            socket.register(Token::new(index, 0)).unwrap();
            socket
        })
        .collect();
    kernel.set_events_per_wait(2);
    assert_eq!(events(&kernel).len(), 2);
    assert_eq!(events(&kernel), [writable(Token::new(2, 0))]);
}

#[test]
fn spurious_events_are_reported_by_token_and_by_port() {
    let kernel = ScriptedKernel::new();
    let (socket, _peer) = accepted(&kernel);
    let nobody = Token::new(99, 4);
    kernel.spurious(nobody);
    kernel.spurious(80);
    assert_eq!(events(&kernel), [readable(nobody).writable(), readable(SOCKET).writable()]);
    assert_eq!(failure(recv(&*socket, 1)), std::io::ErrorKind::WouldBlock);
    assert_eq!(events(&kernel), []);
    let urgent = Readiness::new(SOCKET).priority();
    kernel.report(urgent);
    assert_eq!(events(&kernel), [urgent]);
}

#[test]
fn events_are_appended() {
    let kernel = ScriptedKernel::new();
    kernel.spurious(SOCKET);
    let mut ready = vec![readable(LISTENER)];
    kernel.wait(None, &mut ready).unwrap();
    assert_eq!(ready.len(), 2);
}
