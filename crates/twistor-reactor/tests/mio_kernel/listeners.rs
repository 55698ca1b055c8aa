//! Listeners, and what they do when no descriptor is left.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use twistor_reactor::kernel::{Kernel, ListenOptions, SocketOption, SocketOptionKind};

use crate::support::{LISTENER, accept, await_readable, connected, is_child, kernel, listen, run_child};

#[test]
fn accepted_sockets_do_not_delay() {
    let kernel = kernel();
    let listener = listen(&kernel, Ipv4Addr::LOCALHOST);
    let _client = TcpStream::connect(listener.local().unwrap()).unwrap();
    let accepted = accept(&kernel, &*listener);
    assert_eq!(accepted.socket.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(true));
}

#[test]
fn a_port_is_taken_once_unless_it_is_shared() {
    let kernel = kernel();
    let mut options = ListenOptions::default();
    let first = kernel.listen_stream((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap();
    let address = first.local().unwrap();
    let error = kernel.listen_stream(address, &options).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    options.reuse_port = true;
    let first = kernel.listen_stream((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap();
    let _second = kernel.listen_stream(first.local().unwrap(), &options).unwrap();
}

#[test]
fn an_ipv6_listener_takes_ipv4_only_if_told() {
    let kernel = kernel();
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // No IPv6 on this machine.
    }
    for dual_stack in [false, true] {
        let mut options = ListenOptions::default();
        options.dual_stack = dual_stack;
        let listener = kernel.listen_stream((Ipv6Addr::UNSPECIFIED, 0).into(), &options).unwrap();
        listener.register(LISTENER).unwrap();
        let port = listener.local().unwrap().port();
        assert_eq!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok(), dual_stack);
        if dual_stack {
            let accepted = accept(&kernel, &*listener);
            assert_eq!(accepted.peer.ip().to_canonical(), Ipv4Addr::LOCALHOST);
            let option = SocketOption::TypeOfService(0x08);
            accepted.socket.set_option(option).unwrap();
            assert_eq!(accepted.socket.option(SocketOptionKind::TypeOfService).unwrap(), option);
        }
    }
    let listener = listen(&kernel, Ipv6Addr::LOCALHOST);
    let client = connected(&kernel, listener.local().unwrap());
    let option = SocketOption::TypeOfService(0x08);
    client.set_option(option).unwrap();
    assert_eq!(client.option(SocketOptionKind::TypeOfService).unwrap(), option);
}

#[test]
fn tcp_19_without_descriptors_waiting_clients_are_turned_away() {
    assert!(run_child("listeners::child_sheds_without_descriptors", "ulimit -n 40; ").success());
}

#[test]
fn child_sheds_without_descriptors() {
    if !is_child() {
        return;
    }
    let kernel = kernel();
    let listener = listen(&kernel, Ipv4Addr::LOCALHOST);
    let address = listener.local().unwrap();
    for _ in 0..3 {
        let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
        let hoard: Vec<OwnedFd> =
            std::iter::from_fn(|| clients[0].as_fd().try_clone_to_owned().ok()).collect();
        await_readable(&kernel, LISTENER);
        let error = listener.accept().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
        assert_eq!(listener.shed(2).unwrap(), 2);
        assert!(listener.accept().is_err(), "the spare descriptor was taken back");
        assert_eq!(listener.shed(100).unwrap(), 3);
        assert_eq!(listener.shed(100).unwrap(), 0);
        drop(hoard);
        for mut client in clients {
            assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
        }
    }
}
