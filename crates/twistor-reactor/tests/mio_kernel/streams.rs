//! Streams: bytes, edges, ends and errors, addresses, options.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use twistor_reactor::kernel::{
    Accepted, ConnectOptions, ConnectProgress, KeepAlive, Kernel, ListenOptions, Readiness, SocketOption,
    SocketOptionKind,
};

use crate::support::{
    CLIENT, SERVER, STEPS, accept, await_event, await_readable, kernel, listen, pair, read_all, ready_now,
    recv,
};

#[test]
fn connect_accept_echo_and_half_close() {
    let kernel = kernel();
    let listener = listen(&kernel, Ipv4Addr::LOCALHOST);
    let client = kernel.connect_stream(listener.local().unwrap(), &ConnectOptions::default()).unwrap();
    client.register(CLIENT).unwrap();
    let Accepted { socket: server, peer } = accept(&kernel, &*listener);
    server.register(SERVER).unwrap();
    assert_eq!(peer, client.local().unwrap());
    assert_eq!(client.connect_progress().unwrap(), ConnectProgress::Connected);
    assert_eq!(client.peer().unwrap(), listener.local().unwrap());
    assert_eq!(server.peer().unwrap(), client.local().unwrap());
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);

    let parts = [IoSlice::new(b"hello, "), IoSlice::new(b""), IoSlice::new(b"world")];
    assert_eq!(client.send(&parts).unwrap(), 12);
    client.shutdown_write().unwrap();
    assert_eq!(read_all(&kernel, &*server, SERVER, 12), b"hello, world");
    // The end is not an error, and the other direction lives on.
    for _ in 0..STEPS {
        match recv(&*server, 100) {
            Ok((data, drained)) => {
                assert!(data.is_empty() && !drained);
                break;
            }
            Err(why) => {
                assert_eq!(why.kind(), io::ErrorKind::WouldBlock);
                assert!(await_readable(&kernel, SERVER).is_final());
            }
        }
    }
    assert_eq!(server.send(&[IoSlice::new(b"echo")]).unwrap(), 4);
    assert_eq!(read_all(&kernel, &*client, CLIENT, 4), b"echo");
    drop(server);
    await_event(&kernel, CLIENT, Readiness::is_final);
    assert!(recv(&*client, 1).unwrap().0.is_empty());
}

#[test]
fn a_short_read_says_that_the_socket_is_drained() {
    let kernel = kernel();
    let (client, mut peer) = pair(&kernel);
    peer.write_all(b"12345").unwrap();
    await_event(&kernel, CLIENT, Readiness::has_data);
    assert_eq!(recv(&*client, 3).unwrap(), (b"123".to_vec(), false));
    assert_eq!(recv(&*client, 3).unwrap(), (b"45".to_vec(), true));
    assert_eq!(recv(&*client, 3).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn readiness_is_an_edge() {
    let kernel = kernel();
    let (client, mut peer) = pair(&kernel);
    peer.write_all(b"a").unwrap();
    await_event(&kernel, CLIENT, Readiness::has_data);
    // The byte is unread, and nothing is said about it again.
    assert_eq!(ready_now(&kernel), []);
    peer.write_all(b"b").unwrap();
    await_event(&kernel, CLIENT, Readiness::has_data);
    assert_eq!(recv(&*client, 9).unwrap(), (b"ab".to_vec(), true));
    peer.write_all(b"c").unwrap();
    await_event(&kernel, CLIENT, Readiness::has_data);
}

#[test]
fn a_full_socket_becomes_writable_again() {
    let kernel = kernel();
    let (client, mut peer) = pair(&kernel);
    let chunk = [7; 65_536];
    let mut sent = 0;
    let why = loop {
        match client.send(&[IoSlice::new(&chunk), IoSlice::new(&chunk)]) {
            Ok(len) => sent += len,
            Err(why) => break why,
        }
    };
    assert_eq!(why.kind(), io::ErrorKind::WouldBlock);
    peer.read_exact(&mut vec![0; sent]).unwrap();
    await_event(&kernel, CLIENT, Readiness::is_writable);
    assert!(client.send(&[IoSlice::new(&chunk)]).unwrap() > 0);
}

#[test]
fn more_parts_than_the_system_takes_are_sent_in_part() {
    let kernel = kernel();
    let (client, mut peer) = pair(&kernel);
    let parts = [IoSlice::new(b"x"); 3_000];
    assert_eq!(client.send(&parts).unwrap(), 1_024);
    peer.read_exact(&mut [0; 1_024]).unwrap();
}

#[test]
fn tcp_31_reset_on_close_sends_a_reset() {
    let kernel = kernel();
    let (client, mut peer) = pair(&kernel);
    client.reset_on_close().unwrap();
    drop(client);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_by_the_peer_is_an_error_of_recv() {
    let kernel = kernel();
    let (client, peer) = pair(&kernel);
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert!(await_event(&kernel, CLIENT, Readiness::is_hang_up).is_final());
    assert_eq!(recv(&*client, 1).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn the_error_of_a_socket_is_fetched_without_reading_and_once() {
    let kernel = kernel();
    let (client, peer) = pair(&kernel);
    assert!(client.take_error().unwrap().is_none());
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert!(await_event(&kernel, CLIENT, Readiness::is_hang_up).is_error());
    assert_eq!(client.take_error().unwrap().unwrap().kind(), io::ErrorKind::ConnectionReset);
    assert!(client.take_error().unwrap().is_none());
}

#[test]
fn a_refused_connect_is_reported() {
    let kernel = kernel();
    // Bound and not listening: the port stays taken and refuses.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let why = kernel.connect_stream(address, &ConnectOptions::default()).and_then(|client| {
        client.register(CLIENT)?;
        await_event(&kernel, CLIENT, Readiness::is_writable);
        client.connect_progress()
    });
    assert_eq!(why.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_connected_to_itself_is_refused() {
    let kernel = kernel();
    // No other test takes ports of this address.
    let taken = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 77), 0)).unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let mut options = ConnectOptions::default();
    options.bind_address = Some(address);
    let client = kernel.connect_stream(address, &options).unwrap();
    client.register(CLIENT).unwrap();
    await_event(&kernel, CLIENT, Readiness::is_writable);
    assert_eq!(client.connect_progress().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_connect_under_way_is_in_progress() {
    let kernel = kernel();
    // A full queue of connections lets no handshake finish.
    let mut options = ListenOptions::default();
    options.backlog = 1;
    let listener = kernel.listen_stream((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap();
    let address = listener.local().unwrap();
    let clients: Vec<_> = (0..8)
        .map(|_| kernel.connect_stream(address, &ConnectOptions::default()).unwrap())
        .map(|client| client.connect_progress().unwrap())
        .collect();
    assert_eq!(clients.last(), Some(&ConnectProgress::InProgress));
}

#[test]
fn a_connect_leaves_from_the_address_it_is_bound_to() {
    let kernel = kernel();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut options = ConnectOptions::default();
    options.bind_address = Some((Ipv4Addr::new(127, 0, 0, 1), 0).into());
    let client = kernel.connect_stream(listener.local_addr().unwrap(), &options).unwrap();
    let (_peer, from) = listener.accept().unwrap();
    assert_eq!((from.ip(), from), (options.bind_address.unwrap().ip(), client.local().unwrap()));

    options.bind_address = Some((Ipv4Addr::new(192, 0, 2, 1), 0).into());
    let error = kernel.connect_stream(listener.local_addr().unwrap(), &options).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
}

#[cfg(target_os = "linux")]
#[test]
fn urgent_data_is_announced() {
    let kernel = kernel();
    let (_client, peer) = pair(&kernel);
    socket2::SockRef::from(&peer).send_out_of_band(b"!").unwrap();
    let event = await_event(&kernel, CLIENT, Readiness::is_readable);
    assert!(event.is_final() && !event.is_hang_up(), "{event:?}");
}

#[test]
fn options_read_back_as_they_were_set() {
    let kernel = kernel();
    let (client, _peer) = pair(&kernel);
    assert_eq!(client.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(true));
    assert_eq!(client.option(SocketOptionKind::KeepAlive).unwrap(), SocketOption::KeepAlive(None));
    let times = KeepAlive {
        idle: Some(Duration::from_secs(30)),
        interval: Some(Duration::from_secs(5)),
        probes: Some(4),
    };
    for (kind, option) in [
        (SocketOptionKind::NoDelay, SocketOption::NoDelay(false)),
        (SocketOptionKind::KeepAlive, SocketOption::KeepAlive(Some(times))),
        (SocketOptionKind::KeepAlive, SocketOption::KeepAlive(None)),
        (SocketOptionKind::TypeOfService, SocketOption::TypeOfService(0x10)),
        #[cfg(target_os = "linux")]
        (SocketOptionKind::UserTimeout, SocketOption::UserTimeout(Some(Duration::from_millis(1_500)))),
        #[cfg(target_os = "linux")]
        (SocketOptionKind::UserTimeout, SocketOption::UserTimeout(None)),
    ] {
        client.set_option(option).unwrap();
        assert_eq!(client.option(kind).unwrap(), option);
    }
    client.set_option(SocketOption::KeepAlive(Some(KeepAlive::default()))).unwrap();
    assert!(matches!(client.option(SocketOptionKind::KeepAlive), Ok(SocketOption::KeepAlive(Some(_)))));
    // Less than the system can count is the least that it can.
    let short = KeepAlive { idle: Some(Duration::from_millis(1)), ..KeepAlive::default() };
    client.set_option(SocketOption::KeepAlive(Some(short))).unwrap();

    for kind in [SocketOptionKind::ReceiveBuffer, SocketOptionKind::SendBuffer] {
        let (option, asked) = match kind {
            SocketOptionKind::ReceiveBuffer => (SocketOption::ReceiveBuffer(20_000), 20_000),
            _ => (SocketOption::SendBuffer(30_000), 30_000),
        };
        client.set_option(option).unwrap();
        match client.option(kind).unwrap() {
            SocketOption::ReceiveBuffer(bytes) | SocketOption::SendBuffer(bytes) => assert!(bytes >= asked),
            other => panic!("asked for {kind:?}, got {other:?}"),
        }
    }
    let error = client.set_option(SocketOption::TypeOfService(256)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
