//! The real kernel over loopback sockets, pipes, threads and signals. Nothing sleeps: every wait is for an event, and bounded.

#![cfg(feature = "mio")]
#![expect(clippy::disallowed_methods, reason = "the other ends of the sockets are the standard library's")]

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use signal_hook::consts::{SIGKILL, SIGPIPE, SIGSEGV, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::low_level::raise;
use twistor_reactor::kernel::{
    Accepted, ConnectOptions, ConnectProgress, Interest, JobLoad, KeepAlive, Kernel, ListenOptions,
    MioKernel, Polled, Readiness, ReceivedData, SocketOption, SocketOptionKind, StreamListener, StreamSocket,
    Token,
};

// The harness.

const LISTENER: Token = Token::new(0, 7);
const CLIENT: Token = Token::new(1, 0);
const SERVER: Token = Token::new(2, u32::MAX);
const OTHER: Token = Token::new(u32::MAX, 3);

/// How long a test waits for what must come, in steps of `STEP`.
const STEPS: u32 = 100;
const STEP: Duration = Duration::from_millis(100);

fn kernel() -> MioKernel {
    MioKernel::new().unwrap()
}

/// Everything that is ready now.
fn ready_now(kernel: &MioKernel) -> Vec<Readiness> {
    let mut ready = Vec::new();
    kernel.wait(Some(Duration::ZERO), &mut ready).unwrap();
    ready
}

/// Waits for an event of `token` that `wanted` agrees with.
#[track_caller]
fn await_event(kernel: &MioKernel, token: Token, wanted: impl Fn(Readiness) -> bool) -> Readiness {
    let mut seen = Vec::new();
    for _ in 0..STEPS {
        let before = seen.len();
        kernel.wait(Some(STEP), &mut seen).unwrap();
        if let Some(event) = seen[before..].iter().find(|event| event.token == token && wanted(**event)) {
            return *event;
        }
    }
    panic!("no such event of {token:?}; seen: {seen:?}");
}

#[track_caller]
fn await_readable(kernel: &MioKernel, token: Token) -> Readiness {
    await_event(kernel, token, Readiness::is_readable)
}

/// A listener on a free port of `ip`.
#[track_caller]
fn listen(kernel: &MioKernel, ip: impl Into<IpAddr>) -> Box<dyn StreamListener> {
    let listener = kernel.listen_stream(SocketAddr::new(ip.into(), 0), &ListenOptions::default()).unwrap();
    listener.register(LISTENER).unwrap();
    listener
}

#[track_caller]
fn accept(kernel: &MioKernel, listener: &dyn StreamListener) -> Accepted {
    await_readable(kernel, LISTENER);
    listener.accept().unwrap()
}

#[track_caller]
fn connected(kernel: &MioKernel, address: SocketAddr) -> Box<dyn StreamSocket> {
    let client = kernel.connect_stream(address, &ConnectOptions::default()).unwrap();
    client.register(CLIENT).unwrap();
    for _ in 0..STEPS {
        await_event(kernel, CLIENT, Readiness::is_writable);
        if client.connect_progress().unwrap() == ConnectProgress::Connected {
            return client;
        }
    }
    panic!("not connected to {address}");
}

/// Both ends of a connection: one of the kernel's, registered as `CLIENT`, one of the standard library's.
#[track_caller]
fn pair(kernel: &MioKernel) -> (Box<dyn StreamSocket>, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = connected(kernel, listener.local_addr().unwrap());
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(STEP * STEPS)).unwrap();
    (client, peer)
}

/// Reads once, and gives what was read and whether that was all.
fn recv(socket: &dyn StreamSocket, at_most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut scratch = vec![0; at_most];
    let received = socket.recv(&mut scratch)?;
    match received.data {
        ReceivedData::Scratch(len) => scratch.truncate(len),
        ReceivedData::Own(bytes) => scratch = bytes.to_vec(),
    }
    Ok((scratch, received.drained))
}

/// Reads `len` bytes, waiting for events of `token`.
#[track_caller]
fn read_all(kernel: &MioKernel, socket: &dyn StreamSocket, token: Token, len: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < len {
        match recv(socket, len - data.len()) {
            Ok((bytes, _)) if bytes.is_empty() => panic!("the end after {} bytes of {len}", data.len()),
            Ok((bytes, _)) => data.extend(bytes),
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                await_readable(kernel, token);
            }
            Err(why) => panic!("{why} after {} bytes of {len}", data.len()),
        }
    }
    data
}

/// The reading and the writing end.
fn pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    (reader.into(), writer.into())
}

/// Runs the test called `name` in a process of its own, begun by `sh -c` with `setup` before it. The test must begin with
/// `if !is_child() { return }`.
#[track_caller]
fn run_child(name: &str, setup: &str) -> std::process::ExitStatus {
    Command::new("sh")
        .args(["-c", &format!("{setup}exec \"$0\" --exact {name} --nocapture --test-threads=1")])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .status()
        .unwrap()
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

const CHILD: &str = "TWISTOR_KERNEL_TEST_CHILD";

// Streams.

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

// Listeners.

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
    assert!(run_child("child_sheds_without_descriptors", "ulimit -n 40; ").success());
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

// Adopted sockets.

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

// The loop's own.

#[test]
fn a_waker_ends_a_wait_from_another_thread() {
    let kernel = kernel();
    let waker = kernel.waker();
    for _ in 0..100 {
        let waker = waker.clone();
        let thread = thread::spawn(move || waker.wake());
        let mut ready = Vec::new();
        kernel.wait(None, &mut ready).unwrap();
        assert_eq!(ready, []);
        thread.join().unwrap();
    }
}

#[test]
fn wakes_before_a_wait_collapse_into_one() {
    let kernel = kernel();
    let waker = kernel.waker();
    for _ in 0..3 {
        waker.wake_by_ref();
        waker.wake_by_ref();
        kernel.wait(None, &mut Vec::new()).unwrap();
        let before = kernel.now();
        kernel.wait(Some(Duration::from_millis(3)), &mut Vec::new()).unwrap();
        assert!(kernel.now().saturating_duration_since(before) >= Duration::from_millis(3));
    }
    drop(kernel);
    waker.wake(); // Harmless.
}

#[test]
fn a_wait_is_never_short_and_takes_any_timeout() {
    let kernel = kernel();
    for timeout in [1, 900_000, 1_000_001, 4_000_000].map(Duration::from_nanos) {
        let before = kernel.now();
        kernel.wait(Some(timeout), &mut Vec::new()).unwrap();
        assert!(kernel.now().saturating_duration_since(before) >= timeout);
    }
    kernel.waker().wake();
    kernel.wait(Some(Duration::MAX), &mut Vec::new()).unwrap();
}

#[test]
fn seeds_differ_unless_they_are_given() {
    assert_ne!(kernel().seed(), kernel().seed());
    assert_eq!(MioKernel::with_seed(7).unwrap().seed(), 7);
    assert!(kernel().wall_time() > std::time::UNIX_EPOCH);
}

#[test]
fn the_kernels_descriptor_is_readable_while_it_has_something_to_report() {
    let kernel = kernel();
    let is_readable = || {
        let fd = kernel.poll_fd().unwrap();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)).unwrap() == 1
    };
    assert!(!is_readable());
    kernel.waker().wake();
    assert!(is_readable());
    ready_now(&kernel);
    assert!(!is_readable());
    let listener = listen(&kernel, Ipv4Addr::LOCALHOST);
    let _client = TcpStream::connect(listener.local().unwrap()).unwrap();
    assert!(is_readable());
}

#[test]
fn very_many_events_come_in_more_than_one_wait() {
    assert!(run_child("child_reports_very_many_events", "ulimit -n 4000; ").success());
}

#[test]
fn child_reports_very_many_events() {
    if !is_child() {
        return;
    }
    let kernel = kernel();
    let count = 3_000;
    let sources: Vec<_> = (0..count).map(|_| eventfd(1, EventfdFlags::CLOEXEC).unwrap()).collect();
    let rearm_or_watch = |again: bool| {
        for (index, fd) in (0..).zip(&sources) {
            let (token, descriptors) = (Token::new(index, 0), kernel.descriptors().unwrap());
            match again {
                true => descriptors.rearm(fd.as_fd(), token, Interest::READ).unwrap(),
                false => drop(descriptors.watch(fd.as_fd(), token, Interest::READ).unwrap()),
            }
        }
    };
    let waits = |counts: &mut Vec<usize>| {
        let mut ready = Vec::new();
        while ready.len() < count {
            let before = ready.len();
            kernel.wait(Some(STEP), &mut ready).unwrap();
            counts.push(ready.len() - before);
        }
        ready.sort_by_key(|event| event.token);
        ready.dedup();
        assert_eq!(ready.len(), count);
    };
    let mut counts = Vec::new();
    rearm_or_watch(false);
    waits(&mut counts);
    rearm_or_watch(true);
    waits(&mut counts);
    rearm_or_watch(true);
    waits(&mut counts);
    assert_eq!(counts, [1_024, 1_976, 2_048, 952, 3_000], "the room doubles when it was filled");
}

// Descriptors.

#[test]
fn fds_01_rearming_makes_readiness_level_triggered() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let (mut reader, mut writer) = pipe();
    assert_eq!(descriptors.watch(reader.as_fd(), OTHER, Interest::READ).unwrap(), Polled::Events);
    assert_eq!(ready_now(&kernel), []);
    writer.write_all(b"ab").unwrap();
    for _ in 0..3 {
        assert!(await_readable(&kernel, OTHER).has_data());
        assert_eq!(ready_now(&kernel), []);
        descriptors.rearm(reader.as_fd(), OTHER, Interest::READ).unwrap();
    }
    reader.read_exact(&mut [0; 2]).unwrap();
    descriptors.rearm(reader.as_fd(), OTHER, Interest::READ).unwrap();
    assert_eq!(ready_now(&kernel), []);
    drop(writer);
    let event = await_readable(&kernel, OTHER);
    assert!(event.is_hang_up() && !event.has_data(), "{event:?}");
    descriptors.unwatch(reader.as_raw_fd()).unwrap();
    assert!(descriptors.unwatch(reader.as_raw_fd()).is_err());
}

#[test]
fn fds_02_directions_are_independent() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let (fd, both) = (ours.as_fd(), Interest::READ | Interest::WRITE);
    descriptors.watch(fd, OTHER, Interest::WRITE).unwrap();
    let event = await_event(&kernel, OTHER, Readiness::is_writable);
    assert!(!event.is_readable());
    descriptors.rearm(fd, CLIENT, Interest::READ).unwrap();
    let event = await_readable(&kernel, CLIENT);
    assert!(!event.is_writable());
    descriptors.rearm(fd, CLIENT, both).unwrap();
    let event = await_readable(&kernel, CLIENT);
    assert!(event.is_writable());
    let error = descriptors.watch(fd, OTHER, both).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    for result in [
        descriptors.watch(theirs.as_fd(), OTHER, Interest::NONE).map(drop),
        descriptors.rearm(fd, OTHER, Interest::NONE),
    ] {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn the_reader_of_a_pipe_going_away_is_reported_to_the_writer() {
    let kernel = kernel();
    let (reader, writer) = pipe();
    kernel.descriptors().unwrap().watch(writer.as_fd(), OTHER, Interest::WRITE).unwrap();
    assert!(!await_event(&kernel, OTHER, Readiness::is_writable).is_hang_up());
    drop(reader);
    await_event(&kernel, OTHER, Readiness::is_hang_up);
}

#[test]
fn fds_10_a_regular_file_is_never_polled() {
    let kernel = kernel();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let descriptors = kernel.descriptors().unwrap();
    assert_eq!(descriptors.watch(file.as_fd(), OTHER, Interest::READ).unwrap(), Polled::Never);
    assert!(descriptors.unwatch(file.as_raw_fd()).is_err(), "it is not registered");
}

#[test]
fn eventfds_and_terminals_are_polled() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let counter = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    descriptors.watch(counter.as_fd(), OTHER, Interest::READ).unwrap();
    rustix::io::write(&counter, &1_u64.to_ne_bytes()).unwrap();
    await_readable(&kernel, OTHER);
    // The controlling end of a new terminal.
    if let Ok(terminal) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx") {
        assert_eq!(descriptors.watch(terminal.as_fd(), CLIENT, Interest::WRITE).unwrap(), Polled::Events);
        await_event(&kernel, CLIENT, Readiness::is_writable);
    }
}

#[test]
fn fds_13_a_descriptor_that_left_the_poller_is_an_error_of_rearm() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let (reader, _writer) = pipe();
    descriptors.watch(reader.as_fd(), OTHER, Interest::READ).unwrap();
    descriptors.unwatch(reader.as_raw_fd()).unwrap();
    let error = descriptors.rearm(reader.as_fd(), OTHER, Interest::READ).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

// Lookups.

#[test]
fn dns_02_localhost_is_found_and_fetched_once() {
    let kernel = kernel();
    let resolver = kernel.resolver().unwrap();
    assert!(resolver.answer(OTHER).is_none());
    resolver.look_up("localhost", OTHER).unwrap();
    assert!(await_readable(&kernel, OTHER).has_data());
    let addresses = resolver.answer(OTHER).unwrap().unwrap();
    assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    assert!(resolver.answer(OTHER).is_none());
}

#[test]
fn a_failed_lookup_is_an_answer() {
    let kernel = kernel();
    let resolver = kernel.resolver().unwrap();
    resolver.look_up("no\0name", OTHER).unwrap();
    await_readable(&kernel, OTHER);
    assert!(resolver.answer(OTHER).unwrap().is_err());
}

#[test]
fn a_cancelled_lookup_is_not_heard_of_again() {
    let kernel = kernel();
    let resolver = kernel.resolver().unwrap();
    for round in 0..100 {
        resolver.look_up("127.0.0.1", CLIENT).unwrap();
        if round % 2 == 0 {
            thread::yield_now(); // The answer may be there or not.
        }
        resolver.cancel(CLIENT);
        resolver.cancel(SERVER); // Unknown.
        resolver.look_up("127.0.0.2", OTHER).unwrap();
        let event = await_event(&kernel, OTHER, Readiness::has_data);
        assert_eq!(event, Readiness::new(OTHER).readable());
        assert!(resolver.answer(CLIENT).is_none());
        assert_eq!(resolver.answer(OTHER).unwrap().unwrap(), [Ipv4Addr::new(127, 0, 0, 2)]);
    }
    // A token that is used again gets its own answer alone.
    resolver.look_up("127.0.0.3", OTHER).unwrap();
    resolver.cancel(OTHER);
    resolver.look_up("127.0.0.4", OTHER).unwrap();
    await_readable(&kernel, OTHER);
    assert_eq!(resolver.answer(OTHER).unwrap().unwrap(), [Ipv4Addr::new(127, 0, 0, 4)]);
    assert_eq!(ready_now(&kernel), []);
}

// Jobs.

#[test]
fn jobs_run_on_threads_until_the_kernel_is_gone() {
    let kernel = kernel();
    let jobs = kernel.jobs().unwrap();
    assert_eq!(jobs.load(), JobLoad::default());
    let (sender, receiver) = channel();
    for _ in 0..30 {
        let sender = sender.clone();
        jobs.submit(Box::new(move || sender.send(thread::current().id()).unwrap()));
    }
    let ids: Vec<_> = receiver.iter().take(30).collect();
    assert!(ids.iter().all(|id| *id != thread::current().id()));
    assert!((1..=10).contains(&jobs.load().threads));
    drop(sender);
    drop(kernel);
    assert!(receiver.recv().is_err(), "every job is gone");
}

// Signals.

#[test]
fn signals_reach_every_kernel_that_watches_them() {
    let (one, two) = (kernel(), kernel());
    for kernel in [&one, &two] {
        kernel.signals().unwrap().watch(SIGUSR1, OTHER).unwrap();
        kernel.signals().unwrap().watch(SIGWINCH, CLIENT).unwrap();
        assert_eq!(kernel.signals().unwrap().arrivals(OTHER), 0);
    }
    raise(SIGUSR1).unwrap();
    raise(SIGUSR1).unwrap();
    for kernel in [&one, &two] {
        await_readable(kernel, OTHER);
        assert_eq!(kernel.signals().unwrap().arrivals(OTHER), 2);
        assert_eq!(kernel.signals().unwrap().arrivals(OTHER), 0);
        assert_eq!(kernel.signals().unwrap().arrivals(CLIENT), 0);
        assert_eq!(kernel.signals().unwrap().arrivals(SERVER), 0);
    }
    one.signals().unwrap().unwatch(OTHER);
    one.signals().unwrap().unwatch(OTHER);
    raise(SIGUSR1).unwrap();
    await_readable(&two, OTHER);
    assert_eq!(ready_now(&one), []);
    // And again, although the other one never stopped.
    one.signals().unwrap().watch(SIGUSR1, SERVER).unwrap();
    raise(SIGUSR1).unwrap();
    await_readable(&one, SERVER);
    await_readable(&two, OTHER);
}

#[test]
fn signals_that_cannot_be_caught_are_refused() {
    let kernel = kernel();
    let signals = kernel.signals().unwrap();
    for signal in [SIGKILL, SIGSEGV, 0, -1, 9_999] {
        let error = signals.watch(signal, OTHER).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&signal.to_string()), "{error}");
    }
}

#[test]
fn sigpipe_is_ignored_again_after_it_was_watched() {
    let kernel = kernel();
    kernel.signals().unwrap().watch(SIGPIPE, OTHER).unwrap();
    raise(SIGPIPE).unwrap();
    await_readable(&kernel, OTHER);
    kernel.signals().unwrap().unwatch(OTHER);
    raise(SIGPIPE).unwrap(); // We are still here.
}

#[test]
fn r16_a_signal_acts_by_default_when_nobody_watches_it_any_more() {
    assert_eq!(run_child("child_dies_of_sigterm", "").signal(), Some(SIGTERM));
    assert_eq!(run_child("child_dies_of_sigusr2", "").signal(), Some(SIGUSR2));
}

#[test]
fn child_dies_of_sigterm() {
    if !is_child() {
        return;
    }
    let (one, two) = (kernel(), kernel());
    for _ in 0..3 {
        one.signals().unwrap().watch(SIGTERM, OTHER).unwrap();
        raise(SIGTERM).unwrap();
        await_readable(&one, OTHER);
        two.signals().unwrap().watch(SIGTERM, OTHER).unwrap();
        one.signals().unwrap().unwatch(OTHER);
        raise(SIGTERM).unwrap();
        await_readable(&two, OTHER);
        two.signals().unwrap().unwatch(OTHER);
    }
    raise(SIGTERM).unwrap();
    unreachable!("the signal acts by default");
}

#[test]
fn child_dies_of_sigusr2() {
    if !is_child() {
        return;
    }
    let kernel = kernel();
    kernel.signals().unwrap().watch(SIGUSR2, OTHER).unwrap();
    raise(SIGUSR2).unwrap();
    drop(kernel); // As good as unwatching.
    raise(SIGUSR2).unwrap();
    unreachable!("the signal acts by default");
}
