//! Listeners with more clients than they take: a full backlog, and no descriptors left.

use std::io;
use std::net::Ipv4Addr;

use twistor_reactor::kernel::{
    ConnectOptions, ConnectProgress, ListenOptions, StreamListener, StreamSocket, Token,
};

use super::MakeKernel;
use super::bench::{Bench, LISTENER, kind, offered, recv};

/// Clients that have begun to connect.
fn clients(bench: &Bench, listener: &dyn StreamListener, count: u32) -> Vec<Box<dyn StreamSocket>> {
    let address = listener.local().unwrap();
    let begin = |number| {
        let client = bench.kernel().connect_stream(address, &ConnectOptions::default()).unwrap();
        client.register(Token::new(100 + number, 0)).unwrap();
        client
    };
    (0..count).map(begin).collect()
}

/// How many of them have been told that they are connected.
fn connected(clients: &[Box<dyn StreamSocket>]) -> usize {
    let progress = clients.iter().map(|client| client.connect_progress().expect("nobody is refused"));
    progress.filter(|progress| *progress == ConnectProgress::Connected).count()
}

pub(in super::super) fn who_finds_a_full_backlog_waits_for_room(make: MakeKernel<'_>) {
    const CLIENTS: u32 = 6;
    let bench = Bench::new(make);
    let mut options = ListenOptions::default();
    options.backlog = 2;
    let listener = bench.kernel().listen_stream((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap();
    listener.register(LISTENER).unwrap();
    let clients = clients(&bench, &*listener, CLIENTS);
    bench.until("the first ones", |_| (connected(&clients) >= 2).then_some(()));
    // One after the other is let in, and none is lost.
    let mut accepted = Vec::new();
    bench.until("all of them", |_| {
        match listener.accept() {
            Ok(one) => accepted.push(one),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        (accepted.len() == clients.len() && connected(&clients) == clients.len()).then_some(())
    });
    assert_eq!(kind(listener.accept()), io::ErrorKind::WouldBlock);
}

/// Waits until so many wait to be accepted, as far as clients can tell.
fn all_connected(bench: &Bench, clients: &[Box<dyn StreamSocket>]) {
    bench.until("the connections", |_| (connected(clients) == clients.len()).then_some(()));
}

/// Whether the connection of `client` is over: an end or a reset.
fn is_over(client: &dyn StreamSocket) -> Option<()> {
    match recv(client, 1) {
        Ok((data, _)) => data.is_empty().then_some(()),
        Err(error) => (error.kind() != io::ErrorKind::WouldBlock).then_some(()),
    }
}

pub(in super::super) fn tcp_19_who_waits_can_be_shed(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let clients = clients(&bench, &*listener, 5);
    all_connected(&bench, &clients);
    let shed = |most| listener.shed(most).unwrap();
    // The system may announce the last of them a little later at the listener than at the client.
    bench.until("two to shed", |_| (shed(1) == 1).then_some(()));
    let mut gone = 1;
    bench.until("the others", |_| {
        gone += shed(2);
        (gone >= 3).then_some(())
    });
    assert!(gone <= 4, "no more than asked for: {gone}");
    bench.until("the rest", |_| {
        gone += shed(100);
        (gone == 5).then_some(())
    });
    assert_eq!(shed(100), 0);
    for client in &clients {
        bench.until("the end of one that was shed", |_| is_over(&**client));
    }
    // And the next one is served.
    let client = bench.connect(listener.local().unwrap(), Token::new(7, 7)).unwrap();
    assert_eq!(bench.accept(&*listener).peer, client.local().unwrap());
}

pub(in super::super) fn tcp_19_without_descriptors_accepting_is_an_error_and_shedding_is_not(
    make: MakeKernel<'_>,
) {
    let bench = Bench::new(make);
    let listener = bench.listen();
    let clients = clients(&bench, &*listener, 3);
    all_connected(&bench, &clients);
    let Some(starved) = offered("a shortage of descriptors", bench.world().starve()) else { return };
    for _ in 0..2 {
        let error = listener.accept().expect_err("there is no descriptor for it");
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "somebody waits");
    }
    assert_eq!(listener.shed(2).unwrap(), 2);
    assert!(listener.accept().is_err(), "the spare descriptor was taken back");
    drop(starved);
    // Who was neither accepted nor shed is served, without another event.
    assert!(listener.accept().is_ok());
    assert_eq!(kind(listener.accept()), io::ErrorKind::WouldBlock);
}
