//! Connecting over a network that answers late, wrongly or never: TCP-02, TCP-07, TCP-08, TCP-09, ERR-05, and design section 3.

mod net_support;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use net_support::{Bench, MILLISECOND, SECOND};
use twistor_net::{ConnectError, ConnectorState, ReactorTcp, TcpClientOptions};
use twistor_sim::conformance::harness::{Ending, Event, Refusal, Side};
use twistor_sim::{Answer, Call, errno};

const FAR: &str = "192.0.2.7:80";

fn far() -> SocketAddr {
    FAR.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn tcp_08_an_attempt_has_30_s() {
    let mut bench = Bench::with(|kernel| kernel.black_hole(far()));
    let (connector, client) = bench.connect(far(), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    client.expect_all(&[
        Event::Started,
        Event::Connecting,
        Event::ConnectionFailed(Refusal::TimedOut),
        Event::Stopped,
    ]);
    assert_eq!(bench.last_close(), SECOND * 30);
    assert!(matches!(client.connect_error(), Some(ConnectError::TimedOut(limit)) if limit == SECOND * 30));
    assert_eq!(connector.state(), ConnectorState::Disconnected);
    assert_eq!(bench.kernel.open_sockets(), 0, "the socket is closed");
}

#[test]
fn tcp_08_without_a_deadline_it_waits_for_ever() {
    let mut bench = Bench::with(|kernel| kernel.black_hole(far()));
    let (connector, client) = bench.connect_with(far(), Side::new(), TcpClientOptions::new().timeout(None));
    bench.pass(SECOND * 600);
    client.expect_all(&[Event::Started, Event::Connecting]);
    connector.stop_connecting().unwrap();
    bench.settle();
    assert_eq!(client.events()[2..], [Event::ConnectionFailed(Refusal::Stopped), Event::Stopped]);
    assert_eq!(bench.kernel.open_sockets(), 0);
}

#[test]
fn tcp_08_an_answer_after_the_deadline_is_ignored() {
    let mut bench = Bench::with(|kernel| kernel.set_connect_time(SECOND * 2));
    let door = bench.kernel.expect_connect(far());
    let options = TcpClientOptions::new().timeout(Some(SECOND));
    let (_, client) = bench.connect_with(far(), Side::new(), options);
    bench.pass(SECOND * 5);
    assert!(client.saw(&Event::ConnectionFailed(Refusal::TimedOut)), "{client:?}");
    assert!(!client.saw(&Event::Built));
    assert_eq!(door.waiting(), 0);
}

#[test]
fn tcp_08_the_deadline_counts_from_connect_and_covers_lookup_and_every_address() {
    let mut bench = Bench::with(|kernel| {
        kernel.host_after("slow.test", SECOND * 20, [ip("192.0.2.7")]);
        kernel.black_hole(far());
    });
    let (_, client) = bench.connect(("slow.test", 80), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    assert!(client.saw(&Event::ConnectionFailed(Refusal::TimedOut)));
    assert_eq!(bench.last_close(), SECOND * 30);
}

#[test]
fn tcp_08_a_lookup_that_never_ends_is_forgotten_at_the_deadline() {
    let mut bench = Bench::with(|kernel| kernel.host_silent("silent.test"));
    let (_, client) = bench.connect(("silent.test", 80), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    assert!(client.saw(&Event::ConnectionFailed(Refusal::TimedOut)));
    assert_eq!(bench.left(), (0, 0), "the lookup is cancelled");
}

#[test]
fn tcp_08_a_late_answer_of_a_lookup_is_ignored() {
    let mut bench = Bench::with(|kernel| kernel.host_after("slow.test", SECOND * 5, [ip("192.0.2.7")]));
    let door = bench.kernel.expect_connect(far());
    let options = TcpClientOptions::new().timeout(Some(SECOND));
    let (_, client) = bench.connect_with(("slow.test", 80), Side::new(), options);
    bench.pass(SECOND * 10);
    assert_eq!(client.events().len(), 4, "{client:?}");
    assert_eq!((door.waiting(), bench.kernel.count(Call::Connect)), (0, 0));
}

#[test]
fn tcp_09_stop_connecting_cancels_the_lookup() {
    let mut bench = Bench::with(|kernel| kernel.host_after("slow.test", SECOND, [ip("192.0.2.7")]));
    let (connector, client) = bench.connect(("slow.test", 80), Side::new());
    bench.turn();
    connector.stop_connecting().unwrap();
    bench.pass(SECOND * 3);
    assert!(client.saw(&Event::ConnectionFailed(Refusal::Stopped)));
    assert_eq!((bench.left(), bench.kernel.count(Call::Connect)), ((0, 0), 0));
}

#[test]
fn tcp_07_a_lookup_that_fails() {
    let mut bench =
        Bench::with(|kernel| kernel.host_fails("gone.test", MILLISECOND * 20, std::io::ErrorKind::NotFound));
    let (_, client) = bench.connect(("gone.test", 80), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    match client.connect_error() {
        Some(ConnectError::Lookup { host, error }) => {
            assert_eq!((host.as_str(), error.kind()), ("gone.test", std::io::ErrorKind::NotFound));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tcp_07_a_lookup_that_cannot_be_started() {
    let mut bench = Bench::with(|kernel| kernel.host("there.test", [ip("192.0.2.7")]));
    bench.kernel.script(Call::LookUp, Answer::Errno(errno::EAGAIN));
    let (_, client) = bench.connect(("there.test", 80), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    assert!(client.saw(&Event::ConnectionFailed(Refusal::Lookup)));
    assert_eq!(bench.left(), (0, 0));
}

#[test]
fn tcp_07_a_name_without_addresses() {
    let mut bench = Bench::with(|kernel| kernel.host("empty.test", Vec::<IpAddr>::new()));
    let (_, client) = bench.connect(("empty.test", 80), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    assert!(client.saw(&Event::ConnectionFailed(Refusal::Lookup)), "{client:?}");
}

#[test]
fn tcp_02_the_addresses_of_a_name_are_tried_until_one_answers() {
    let addresses = [ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.7")];
    let mut bench = Bench::with(|kernel| kernel.host("many.test", addresses));
    let _door = bench.kernel.expect_connect(far());
    let (_, client) = bench.connect(("many.test", 80), Side::new());
    let seen = client.clone();
    bench.until("the connection", || seen.saw(&Event::Made));
    assert_eq!(bench.kernel.count(Call::Connect), 3);
    assert_eq!(client.transport().peer().socket_addr(), Some(far()));
    assert!(!client.events().iter().any(|event| matches!(event, Event::ConnectionFailed(_))));
}

#[test]
fn tcp_02_the_last_address_that_fails_is_the_reason() {
    let mut bench = Bench::with(|kernel| kernel.host("many.test", [ip("192.0.2.1"), ip("192.0.2.2")]));
    let (_, client) = bench.connect(("many.test", 80), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    let to = match client.connect_error() {
        Some(ConnectError::Refused(to)) => to,
        other => panic!("{other:?}"),
    };
    assert_eq!(to, "192.0.2.2:80".parse().unwrap());
    assert_eq!(client.events().len(), 4, "one failure an attempt: {client:?}");
}

#[test]
fn tcp_02_addresses_of_another_family_than_the_bound_one_are_passed_over() {
    let mut bench = Bench::with(|kernel| kernel.host("two.test", [ip("2001:db8::9"), ip("192.0.2.7")]));
    let _door = bench.kernel.expect_connect(far());
    let options = TcpClientOptions::new().bind_address("0.0.0.0:0".parse().unwrap());
    let (_, client) = bench.connect_with(("two.test", 80), Side::new(), options);
    bench.until("the connection", || client.saw(&Event::Made));
    assert_eq!(bench.kernel.count(Call::Connect), 1);
}

#[test]
fn err_05_the_errors_of_connect_by_their_number() {
    let numbers = [
        (errno::ECONNREFUSED, Refusal::Refused),
        (errno::ENETUNREACH, Refusal::NoRoute),
        (errno::EHOSTUNREACH, Refusal::NoRoute),
        (errno::ETIMEDOUT, Refusal::TcpTimedOut),
        (errno::ECONNRESET, Refusal::Io),
    ];
    for (code, refusal) in numbers {
        let mut bench = Bench::new();
        let _door = bench.kernel.expect_connect(far());
        bench.kernel.script(Call::ConnectProgress, Answer::Errno(code));
        let (_, client) = bench.connect(far(), Side::new());
        let seen = client.clone();
        bench.until("the end", || seen.saw(&Event::Stopped));
        assert_eq!(client.events()[2], Event::ConnectionFailed(refusal), "errno {code}");
        let error = client.connect_error().unwrap();
        if refusal == Refusal::Io {
            assert_eq!(error.io_error().and_then(std::io::Error::raw_os_error), Some(code), "it is kept");
        }
        assert_eq!(error.is_timeout(), refusal == Refusal::TcpTimedOut);
        assert!(error.to_string().contains(FAR), "{error}");
    }
}

#[test]
fn err_05_the_errors_of_making_a_socket() {
    for (code, refusal) in [
        (errno::EMFILE, Refusal::Bind),
        (errno::EADDRNOTAVAIL, Refusal::Bind),
        (errno::ECONNREFUSED, Refusal::Refused),
        (errno::ENETUNREACH, Refusal::NoRoute),
    ] {
        let mut bench = Bench::new();
        bench.kernel.script(Call::Connect, Answer::Errno(code));
        let (_, client) = bench.connect(far(), Side::new());
        client.expect_all(&[]);
        let seen = client.clone();
        bench.until("the end", || seen.saw(&Event::Stopped));
        assert_eq!(client.events()[2], Event::ConnectionFailed(refusal), "errno {code}");
    }
}

#[test]
fn a_socket_that_cannot_be_registered_fails_the_attempt() {
    let mut bench = Bench::new();
    let _door = bench.kernel.expect_connect(far());
    bench.kernel.script(Call::Register, Answer::Errno(errno::ENOMEM));
    let (_, client) = bench.connect(far(), Side::new());
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    assert!(matches!(client.events()[2], Event::ConnectionFailed(_)), "{client:?}");
    assert_eq!((bench.kernel.open_sockets(), bench.left()), (0, (0, 0)));
}

#[test]
fn an_event_before_the_handshake_is_done_is_no_answer() {
    let mut bench = Bench::with(|kernel| kernel.set_connect_time(MILLISECOND * 100));
    let door = bench.kernel.expect_connect(far());
    let (_, client) = bench.connect(far(), Side::new());
    bench.turn_for(Duration::ZERO);
    bench.kernel.spurious(twistor_sim::Target::Peer(80));
    bench.turn_for(Duration::ZERO);
    assert!(!client.saw(&Event::Built), "{client:?}");
    bench.until("the connection", || client.saw(&Event::Made));
    assert_eq!(door.waiting(), 1);
}

#[test]
fn tcp_10_each_attempt_has_a_deadline_of_its_own() {
    let mut bench = Bench::with(|kernel| kernel.black_hole(far()));
    let again = std::cell::Cell::new(true);
    let side = Side::new().on_failed(move |connector, _| {
        if again.replace(false) {
            connector.connect().unwrap();
        }
    });
    let options = TcpClientOptions::new().timeout(Some(SECOND * 3));
    let (_, client) = bench.connect_with(far(), side, options);
    let seen = client.clone();
    bench.until("the end", || seen.saw(&Event::Stopped));
    assert_eq!(bench.last_close(), SECOND * 6);
    assert_eq!(client.count(&Event::Started), 1);
}

#[test]
fn data_that_comes_with_the_connection_is_not_lost() {
    let mut bench = Bench::with(|kernel| kernel.set_connect_time(MILLISECOND));
    let door = bench.kernel.expect_connect(far());
    let (_, client) = bench.connect(far(), Side::new());
    // In the turn in which the handshake is done, before the reactor hears of that.
    bench.turn_for(Duration::ZERO);
    bench.kernel.advance(MILLISECOND);
    let peer = door.accept().expect("the handshake is done");
    peer.send(b"220 welcome");
    peer.finish();
    let seen = client.clone();
    bench.until("the end", || seen.is_over());
    assert_eq!(client.received(), b"220 welcome");
    assert_eq!(client.ending(), Some(Ending::Done));
}

#[test]
fn fact_04_the_deadline_of_a_one_shot_client() {
    let mut bench = Bench::with(|kernel| kernel.black_hole(far()));
    let (client, protocol) = bench.protocol("client", Side::new());
    let connected = bench.reactor().connect_protocol(far(), protocol);
    bench.until("the failure", || connected.has_result());
    let failure = connected.try_take().expect("it has a result").expect_err("nobody answered");
    assert!(matches!(failure.downcast_ref(), Some(ConnectError::TimedOut(_))), "{failure}");
    assert_eq!(client.drops(), 1);
}
