//! Sockets that somebody else made, where the kernel takes them.

#![expect(clippy::disallowed_methods, reason = "somebody else is the standard library")]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use twistor_reactor::kernel::Readiness;

use super::MakeKernel;
use super::bench::{Bench, LISTENER, SERVER, offered, send};

/// A listener of the system's own.
fn theirs() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the system has a loopback")
}

fn duplicate(of: io::Result<impl Into<OwnedFd>>) -> OwnedFd {
    of.expect("there are descriptors left").into()
}

pub(in super::super) fn tcp_22_an_adopted_listener_leaves_other_holders_accepting(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let theirs = theirs();
    let adopted = bench.kernel().adopt_listener(duplicate(theirs.try_clone()));
    let Some(ours) = offered("adopted listening sockets", adopted) else { return };
    let address = theirs.local_addr().unwrap();
    assert_eq!(ours.local().unwrap(), address);
    ours.register(LISTENER).unwrap();
    let client = TcpStream::connect(address).unwrap();
    bench.event(LISTENER, Readiness::is_readable);
    assert_eq!(bench.accept(&*ours).peer, client.local_addr().unwrap());
    drop(ours);
    // It is closed and not shut down: the socket lives on in the other descriptor, and is not told of any more.
    let next = TcpStream::connect(address).unwrap();
    assert_eq!(bench.ready_now(), []);
    assert_eq!(theirs.accept().unwrap().1, next.local_addr().unwrap());
}

pub(in super::super) fn tcp_22_an_adopted_stream_works_like_any_other(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = theirs();
    let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, peer) = listener.accept().unwrap();
    let Some(ours) = offered("adopted sockets", bench.kernel().adopt_stream(duplicate(theirs.try_clone())))
    else {
        return;
    };
    assert_eq!((ours.local().unwrap(), ours.peer().unwrap()), (listener.local_addr().unwrap(), peer));
    ours.register(SERVER).unwrap();
    far.write_all(b"data").unwrap();
    assert_eq!(bench.read(&*ours, SERVER, 4), b"data");
    send(&*ours, b"more");
    let mut heard = [0; 4];
    far.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"more");
    drop(ours);
    far.write_all(b"last").unwrap();
    assert_eq!(bench.ready_now(), [], "it is not told of any more");
    theirs.set_nonblocking(false).unwrap();
    (&theirs).read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"last", "and its owner still has it");
}

pub(in super::super) fn tcp_22_what_is_no_socket_is_not_adopted(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let (left, right) = UnixStream::pair().unwrap();
    assert!(bench.kernel().adopt_listener(left.into()).is_err(), "it does not listen, nor is it TCP");
    assert!(bench.kernel().adopt_stream(right.into()).is_err(), "it is not TCP");
    let (reader, writer) = io::pipe().unwrap();
    assert!(bench.kernel().adopt_listener(reader.into()).is_err(), "it is no socket");
    assert!(bench.kernel().adopt_stream(writer.into()).is_err(), "it is no socket");
}
