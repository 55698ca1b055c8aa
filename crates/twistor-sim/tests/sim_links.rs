//! The ways between hosts: time, bandwidth, loss, partitions. All arithmetic is exact.

mod sim_support;

use std::time::Duration;

use twistor_sim::{Happening, Sim, Trace};

use self::sim_support::{Side, Two, ms, secs};

fn count(trace: &Trace, fits: impl Fn(&Happening) -> bool) -> usize {
    trace.events().iter().filter(|event| fits(&event.what)).count()
}

#[test]
fn a_handshake_takes_one_round_trip_for_the_client_and_one_and_a_half_for_the_server() {
    let two = Two::new(ms(10));
    two.connect(two.server_side(), two.client_side());
    assert_eq!(two.diary.at("client made"), ms(20));
    assert_eq!(two.diary.at("server made"), ms(30));
}

#[test]
fn bytes_take_one_latency_and_an_echo_two() {
    let two = Two::new(ms(10));
    two.connect(two.server_side().echo(), two.client_side().says(b"hello".to_vec()));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("server got 5"), ms(30));
    assert_eq!(two.diary.at("client got 5"), ms(40));
}

#[test]
fn a_close_takes_one_latency_each_way() {
    let two = Two::new(ms(10));
    two.connect(two.server_side(), two.client_side().made(|transport| transport.lose_connection()));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("server read end"), ms(30));
    assert_eq!(two.diary.at("server lost done"), ms(30));
    assert_eq!(two.client.descriptors(), 0);
}

#[test]
fn a_refusal_takes_one_round_trip() {
    let two = Two::new(ms(10));
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client failed refused"), ms(20));
}

#[test]
fn a_loopback_takes_no_time() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    two.client_side().connects(&two.server, ("127.0.0.1", 80));
    two.client_side().connects(&two.server, ("server", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("client made"), [Duration::ZERO; 2]);
}

#[test]
fn ways_that_nobody_described_are_as_the_default_says() {
    let two = Two::new(ms(10));
    let other = two.sim.host("other");
    two.sim.links().latency(ms(50));
    two.server_side().listens(&two.server, 80);
    two.client_side().connects(&other, ("server", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client made"), ms(100));
}

#[test]
fn ipv6_works_by_itself() {
    let two = Two::new(ms(10));
    let side = two.server_side();
    two.server.start(move |reactor| {
        use twistor_net::ReactorTcp;
        reactor.listen_tcp(("::", 80), side.clone()).unwrap();
    });
    two.client_side().connects(&two.client, ("fd00::1", 80));
    two.sim.run().expect_done();
    assert!(two.diary.has("server made"));
}

#[test]
fn jitter_stays_within_its_bounds_and_differs() {
    let two = Two::new(ms(10));
    two.sim.link(&two.server, &two.client).jitter(ms(5));
    for _ in 0..50 {
        two.client_side().connects(&two.client, ("10.0.0.1", 80));
    }
    two.sim.run().expect_done();
    let times = two.diary.times("client failed refused");
    assert_eq!(times.len(), 50);
    assert!(times.iter().all(|time| (ms(20)..=ms(30)).contains(time)), "{times:?}");
    assert!(times.iter().min() < times.iter().max());
}

#[test]
fn jitter_keeps_the_order_of_a_connection() {
    let two = Two::new(ms(10));
    two.sim.link(&two.server, &two.client).jitter(ms(50));
    let sent: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    let received = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let into = std::rc::Rc::clone(&received);
    let server = two.server_side().got(move |_, data| into.borrow_mut().extend_from_slice(data));
    two.connect(server, two.client_side().says(sent.clone()));
    two.sim.run().expect_done();
    assert_eq!(*received.borrow(), sent);
}

#[test]
fn bandwidth_makes_bytes_take_their_time() {
    let two = Two::new(ms(10));
    two.sim.link(&two.server, &two.client).bandwidth(100_000);
    two.connect(two.server_side(), two.client_side().says(vec![0; 10_000]));
    two.sim.run().expect_done();
    // Sent at 20 ms, 100 ms for the bytes, 10 ms for the way.
    assert_eq!(two.diary.times("server got").last(), Some(&ms(130)));
    assert_eq!(two.diary.bytes("server"), 10_000);
}

#[test]
fn connections_share_the_bandwidth_of_their_direction() {
    let two = Two::new(ms(10));
    two.sim.link(&two.server, &two.client).bandwidth(100_000);
    two.server_side().says(vec![0; 10_000]).listens(&two.server, 80);
    two.client_side().says(vec![0; 10_000]).connects(&two.client, ("server", 80));
    two.client_side().says(vec![0; 10_000]).connects(&two.client, ("server", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("server got").last(), Some(&ms(20 + 200 + 10)), "one after the other");
    assert_eq!(two.diary.times("client got").last(), Some(&ms(30 + 200 + 10)), "the other direction is free");
}

#[test]
fn test_08_pieces_are_as_large_as_the_way_takes() {
    let two = Two::new(ms(10));
    two.sim.link(&two.server, &two.client).segment_size(1_000).bandwidth(1_000_000);
    two.connect(two.server_side(), two.client_side().says(vec![0; 2_500]));
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("server got 1000"), [ms(31), ms(32)]);
    assert_eq!(two.diary.times("server got 500"), [Duration::from_micros(32_500)]);
}

#[test]
fn a_lost_segment_arrives_later_by_a_repetition() {
    let two = Two::new(ms(10));
    two.connect(two.server_side(), two.client_side());
    let begin = two.sim.now();
    two.sim.link(&two.server, &two.client).loss(0.5);
    let client = two.client.clone();
    let side = two.client_side().says(vec![7; 30_000]);
    side.connects(&client, ("server", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("server"), 30_000, "all of it, in order");
    let lost = count(&two.sim.trace(), |what| matches!(what, Happening::Lost { .. }));
    assert!(lost > 3, "{lost}");
    assert!(two.sim.now().saturating_duration_since(begin) > ms(400));
}

#[test]
fn losses_double_the_wait_until_the_sender_gives_up() {
    let two = Two::new(ms(10));
    let link = two.sim.link(&two.server, &two.client);
    two.sim.set_patience(secs(10));
    let client = two.client_side().made(move |transport| {
        link.loss(1.0);
        transport.write(b"lost");
    });
    two.connect_client_only(client);
    assert_eq!(two.diary.at("client lost TimedOut"), ms(20) + secs(10));
    let trace = two.sim.trace();
    // 0.2 + 0.4 + 0.8 + 1.6 + 3.2 are 6.2 s; the sixth repetition would come at 12.6 s.
    assert_eq!(count(&trace, |what| *what == Happening::Lost { times: 6 }), 1, "{trace}");
}

impl Two {
    /// Runs to the end, with a server that listens.
    fn connect_client_only(&self, client: Side) {
        self.server_side().listens(&self.server, 80);
        client.connects(&self.client, ("server", 80));
        self.sim.run().expect_done();
    }
}

#[test]
fn a_partition_holds_what_is_sent_and_a_heal_delivers_it() {
    let two = Two::new(ms(10));
    let client = two.client_side().got(|transport, _| {
        transport.lose_connection();
    });
    two.connect(two.server_side().echo(), client.says(b"hello".to_vec()));
    // At 30 ms the bytes have just arrived; the echo is sent at this moment.
    let link = two.sim.link(&two.server, &two.client);
    link.partition();
    two.sim.at(secs(1), move |_| link.heal());
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client got 5"), ms(30) + secs(1) + ms(10));
    assert!(two.diary.has("server lost done"));
    let trace = two.sim.trace();
    assert!(count(&trace, |what| *what == Happening::Held) >= 1);
    assert!(count(&trace, |what| *what == Happening::Released) >= 1);
}

#[test]
fn a_partition_may_be_one_way() {
    let two = Two::new(ms(10));
    two.connect(two.server_side().echo(), two.client_side().says(b"hello".to_vec()));
    two.sim.link(&two.server, &two.client).partition_from(&two.server);
    two.sim.run_for(secs(5)).expect_done();
    assert!(two.diary.has("server got 5"), "that way is open");
    assert_eq!(two.diary.bytes("client"), 0);
    two.sim.link(&two.server, &two.client).heal();
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("client"), 5);
}

#[test]
fn what_is_sent_behind_something_held_does_not_overtake_it() {
    let two = Two::new(ms(10));
    let sent: Vec<u8> = (0..50).collect();
    let received = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let into = std::rc::Rc::clone(&received);
    let server = two.server_side().got(move |_, data| into.borrow_mut().extend_from_slice(data));
    let client = two.client_side().made(|transport| {
        for number in 0..50_u8 {
            let transport = transport.clone();
            let reactor = transport.reactor().clone();
            reactor.call_later(ms(u64::from(number)), move || {
                transport.write(&[number]);
            });
        }
    });
    two.connect(server, client);
    let link = two.sim.link(&two.server, &two.client);
    link.partition();
    two.sim.at(ms(15), move |_| link.heal());
    two.sim.run().expect_done();
    assert_eq!(*received.borrow(), sent);
}

#[test]
fn an_idle_connection_over_a_partition_hears_nothing() {
    let two = Two::new(ms(10));
    two.connect(two.server_side(), two.client_side());
    let at = Duration::from_nanos(two.sim.now().as_nanos());
    two.sim.link(&two.server, &two.client).partition();
    two.sim.run().expect_done();
    assert!(!two.diary.texts().iter().any(|text| text.contains("lost")), "nobody waits for anything");
    assert_eq!(Duration::from_nanos(two.sim.now().as_nanos()), at, "and nothing happens");
}

#[test]
fn a_sender_gives_up_after_its_patience() {
    let two = Two::new(ms(10));
    let link = two.sim.link(&two.server, &two.client);
    let client = two.client_side().made(move |transport| {
        link.partition();
        transport.write(b"into the void");
    });
    two.connect_client_only(client);
    assert_eq!(two.diary.at("client lost TimedOut"), ms(20) + Duration::from_millis(924_600));
    assert!(!two.diary.has("server lost TimedOut"));
}

#[test]
fn who_waits_for_room_over_a_cut_way_gives_up_too() {
    // What is written fills the window of 100 bytes, or waits behind it, before the cut or after.
    for (before, after) in [(300, 0), (100, 10)] {
        let two = Two::new(ms(10));
        two.sim.set_patience(secs(60));
        two.sim.set_buffers(100, 1_000);
        let client = two.client_side().says(vec![1; before]).made(move |transport| {
            transport.write(&vec![1; before]);
            let again = transport.clone();
            transport.reactor().call_later(secs(1), move || {
                again.write(&vec![1; after]);
            });
        });
        two.connect(two.server_side().made(|transport| transport.pause_producing()), client);
        let link = two.sim.link(&two.server, &two.client);
        two.sim.at(ms(500), move |_| link.partition());
        two.sim.run().expect_done();
        let since = if after == 0 { ms(530) } else { ms(20) + secs(1) };
        assert_eq!(two.diary.at("client lost TimedOut"), since + secs(60));
    }
}

#[test]
fn the_patience_of_a_socket_goes_before_that_of_the_world() {
    let two = Two::new(ms(10));
    let link = two.sim.link(&two.server, &two.client);
    let client = two.client_side().made(move |transport| {
        let option = twistor_net::SocketOption::UserTimeout(Some(secs(3)));
        transport.set_option(option).unwrap();
        link.partition();
        transport.write(b"into the void");
    });
    two.connect_client_only(client);
    assert_eq!(two.diary.at("client lost TimedOut"), ms(20) + secs(3));
}

#[test]
fn a_connect_through_a_partition_times_out_or_succeeds_with_the_next_repetition() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    let link = two.sim.link(&two.server, &two.client);
    link.partition();
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client failed timed out"), secs(127));

    two.diary.clear();
    let begin = Duration::from_nanos(two.sim.now().as_nanos());
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.at(secs(5), move |_| link.heal());
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client made"), begin + secs(7) + ms(20), "after 1 s, 3 s and 7 s");
}

#[test]
fn a_link_needs_hosts_to_be_cut() {
    let sim = Sim::new(1);
    let text = twistor_deferred::contain(|| {
        sim.links().partition();
    });
    assert!(text.is_err_and(|text| text.contains("between two hosts")));
    let (a, b, c) = (sim.host("a"), sim.host("b"), sim.host("c"));
    let text = twistor_deferred::contain(|| {
        sim.link(&a, &b).partition_from(&c);
    });
    assert!(text.is_err_and(|text| text.contains("not at an end")));
}
