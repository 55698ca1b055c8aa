//! Listening, connecting, accepting.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use twistor_reactor::kernel::{ConnectOptions, Readiness, Token};

use super::MakeKernel;
use super::bench::{Bench, CLIENT, LISTENER, SERVER, kind, recv, send};

pub(in super::super) fn a_listener_tells_the_port_it_got(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let one = bench.listen_at((Ipv4Addr::LOCALHOST, 0).into()).unwrap().local().unwrap();
    assert!(one.port() > 0 && one.ip() == Ipv4Addr::LOCALHOST, "{one}");
    let both = [bench.listen(), bench.listen_at((Ipv4Addr::LOCALHOST, 0).into()).unwrap()];
    assert_ne!(both[0].local().unwrap(), both[1].local().unwrap());
}

pub(in super::super) fn an_address_is_listened_on_once(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let address = listener.local().unwrap();
    assert_eq!(kind(bench.listen_at(address)), io::ErrorKind::AddrInUse);
    drop(listener);
    assert!(bench.listen_at(address).is_ok(), "a listener that was dropped has closed");
}

pub(in super::super) fn nothing_to_accept_would_block(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    assert_eq!(kind(listener.accept()), io::ErrorKind::WouldBlock);
    let client = bench.connect(listener.local().unwrap(), CLIENT).unwrap();
    drop(bench.accept(&*listener));
    assert_eq!(kind(listener.accept()), io::ErrorKind::WouldBlock);
    drop(client);
}

pub(in super::super) fn a_connection_is_announced_at_both_ends(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let client = bench
        .kernel()
        .connect_stream(listener.local().unwrap(), &ConnectOptions::default())
        .expect("somebody listens");
    client.register(CLIENT).unwrap();
    let (mut accept, mut connected) = (false, false);
    bench.until("both events", |events| {
        accept |= events.iter().any(|event| event.token == LISTENER && event.is_readable());
        connected |= events.iter().any(|event| event.token == CLIENT && event.is_writable());
        (accept && connected).then_some(())
    });
    assert!(listener.accept().is_ok());
    assert!(client.connect_progress().is_ok());
}

pub(in super::super) fn accepts_come_in_the_order_of_the_connects(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let address = listener.local().unwrap();
    let clients: Vec<_> =
        (0..5).map(|number| bench.connect(address, Token::new(10 + number, 0)).unwrap()).collect();
    for client in &clients {
        let accepted = bench.accept(&*listener);
        assert_eq!(accepted.peer, client.local().unwrap());
    }
}

pub(in super::super) fn both_ends_know_both_addresses(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let address = listener.local().unwrap();
    let client = bench.connect(address, CLIENT).unwrap();
    let accepted = bench.accept(&*listener);
    assert_eq!((client.peer().unwrap(), accepted.socket.local().unwrap()), (address, address));
    let ours = client.local().unwrap();
    assert_eq!((accepted.peer, accepted.socket.peer().unwrap()), (ours, ours));
}

pub(in super::super) fn a_connect_leaves_from_the_address_it_was_given(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let from: SocketAddr = bench.nobody();
    let mut options = ConnectOptions::default();
    options.bind_address = Some(from);
    let client = bench.kernel().connect_stream(listener.local().unwrap(), &options).unwrap();
    client.register(CLIENT).unwrap();
    assert_eq!(bench.accept(&*listener).peer, from);
    assert_eq!(client.local().unwrap(), from);
}

pub(in super::super) fn a_refused_connect_is_an_error(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let nobody = bench.nobody();
    assert_eq!(kind(bench.connect(nobody, CLIENT)), io::ErrorKind::ConnectionRefused);
}

pub(in super::super) fn a_refused_connect_is_announced(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let nobody = bench.nobody();
    // Some refusals come at once.
    let Ok(client) = bench.kernel().connect_stream(nobody, &ConnectOptions::default()) else { return };
    client.register(CLIENT).unwrap();
    bench.event(CLIENT, Readiness::is_writable);
    assert_eq!(kind(client.connect_progress()), io::ErrorKind::ConnectionRefused);
}

pub(in super::super) fn a_dropped_listener_leaves_its_connections_alone(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    let address = ends.listener.local().unwrap();
    drop(ends.listener);
    assert_eq!(kind(bench.connect(address, Token::new(9, 9))), io::ErrorKind::ConnectionRefused);
    send(&*ends.client, b"still");
    assert_eq!(bench.read(&*ends.server, SERVER, 5), b"still");
}

pub(in super::super) fn bytes_that_came_before_the_accept_are_there(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let client = bench.connect(listener.local().unwrap(), CLIENT).unwrap();
    send(&*client, b"early");
    let server = bench.accept(&*listener).socket;
    // Registered late, and told all the same.
    server.register(SERVER).unwrap();
    bench.event(SERVER, Readiness::has_data);
    assert_eq!(recv(&*server, 9).unwrap().0, b"early");
}
