//! Sockets that somebody else made.

use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use twistor_reactor::kernel::{Kernel, SocketOption, SocketOptionKind};

use crate::support::{LISTENER, SERVER, accept, kernel, read_all, ready_now};

#[test]
fn tcp_22_an_adopted_listener_leaves_other_holders_accepting() {
    let kernel = kernel();
    let theirs = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = theirs.local_addr().unwrap();
    let ours = kernel.adopt_listener(theirs.try_clone().unwrap().into()).unwrap();
    ours.register(LISTENER).unwrap();
    assert_eq!(ours.local().unwrap(), address);
    let _first = TcpStream::connect(address).unwrap();
    let accepted = accept(&kernel, &*ours);
    assert_eq!(accepted.socket.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(true));
    drop(ours);
    let second = TcpStream::connect(address).unwrap();
    // The socket lives on in the other descriptor, and is out of the poller all the same.
    assert_eq!(ready_now(&kernel), []);
    assert_eq!(theirs.accept().unwrap().1, second.local_addr().unwrap());
}

#[test]
fn tcp_22_an_adopted_stream_works_like_any_other() {
    let kernel = kernel();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    let ours = kernel.adopt_stream(theirs.try_clone().unwrap().into()).unwrap();
    ours.register(SERVER).unwrap();
    peer.write_all(b"data").unwrap();
    assert_eq!(read_all(&kernel, &*ours, SERVER, 4), b"data");
    drop(ours);
    peer.write_all(b"more").unwrap();
    assert_eq!(ready_now(&kernel), []);
    drop(theirs);
}

#[test]
fn tcp_22_sockets_of_other_kinds_are_not_adopted() {
    let kernel = kernel();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (left, right) = std::os::unix::net::UnixStream::pair().unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let path = std::env::temp_dir().join(format!("twistor-kernel-{}.socket", std::process::id()));
    let unix = UnixListener::bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    for fd in [OwnedFd::from(datagrams.try_clone().unwrap()), unix.into(), client.into()] {
        let error = kernel.adopt_listener(fd).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    }
    for fd in [OwnedFd::from(datagrams), left.into(), right.into()] {
        let error = kernel.adopt_stream(fd).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    }
    let error = kernel.adopt_stream(listener.into()).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    assert!(kernel.adopt_stream(File::open("/dev/null").unwrap().into()).is_err());
}
