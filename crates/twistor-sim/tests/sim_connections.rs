//! Connections between hosts: handshakes that fail, backlogs, ports, windows, closes, and faults that end them.

mod sim_support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{ReactorTcp, TcpClientOptions, TcpServerOptions, for_protocol};
use twistor_reactor::kernel::ListenOptions;
use twistor_sim::{Fault, Happening, Sim, errno};

use self::sim_support::{Diary, Two, ms, secs};

#[test]
fn an_address_that_nobody_has_is_found_out_after_three_seconds() {
    let two = Two::new(ms(10));
    two.client_side().connects(&two.client, ("10.9.9.9", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client failed no route"), secs(3));
}

#[test]
fn a_refusing_fault_refuses_although_somebody_listens() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    let guard = two.sim.fault(Fault::refuse().on(&two.server).target(80)).guard();
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client failed refused"), ms(20));
    assert_eq!(guard.used(), 1);
    drop(guard);
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert!(two.diary.has("client made"));
}

#[test]
fn a_black_hole_does_not_answer_until_the_system_gives_up() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    let hole = two.sim.fault(Fault::black_hole().target(80));
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client failed timed out"), secs(127));
    assert_eq!(hole.used(), 7, "the first segment and six repetitions");
}

#[test]
fn a_black_hole_that_swallows_twice_costs_three_seconds() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    two.sim.fault(Fault::black_hole().target(80).times(2));
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.at("client made"), secs(3) + ms(20));
}

#[test]
fn faults_of_connections_choose_port_and_client() {
    let two = Two::new(ms(10));
    let other = two.sim.host("other");
    two.server_side().listens(&two.server, 80);
    two.server_side().listens(&two.server, 81);
    two.sim.fault(Fault::refuse().target(80).by(&other));
    two.client_side().connects(&other, ("10.0.0.1", 80));
    two.client_side().connects(&other, ("10.0.0.1", 81));
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("client failed refused").len(), 1);
    assert_eq!(two.diary.times("client made").len(), 2);
}

#[test]
fn a_reset_comes_exactly_after_so_many_bytes() {
    let two = Two::new(ms(10));
    two.sim.fault(Fault::reset_after(5_000).on(&two.server));
    two.connect(two.server_side(), two.client_side().says(vec![1; 20_000]));
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("server"), 5_000);
    assert_eq!(two.diary.at("server lost ConnectionReset"), ms(30));
    assert_eq!(two.diary.at("client lost ConnectionReset"), ms(40));
}

#[test]
fn an_end_comes_exactly_after_so_many_bytes_of_the_server() {
    let two = Two::new(ms(10));
    two.sim.fault(Fault::end_after(1_500).of_server());
    two.connect(two.server_side().says(vec![1; 20_000]), two.client_side());
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("client"), 1_500);
    assert!(two.diary.has("client lost done"), "the cut looks like an orderly close");
    assert!(two.diary.has("server lost ConnectionReset"), "{:?}", two.diary.texts());
}

#[test]
fn a_full_backlog_drops_and_the_client_repeats() {
    let two = Two::new(ms(10));
    let sim = &two.sim;
    // Nobody accepts: the listener is made on the kernel, below the reactor.
    let kernel = two.server.reactor().kernel().unwrap();
    let mut options = ListenOptions::default();
    options.backlog = 2;
    let listener = kernel.listen_stream("0.0.0.0:80".parse().unwrap(), &options).unwrap();
    for wave in 0..2 {
        for _ in 0..2 {
            two.client_side().connects(&two.client, ("10.0.0.1", 80));
        }
        sim.run_for(ms(500)).expect_done();
        assert_eq!(two.diary.times("client made"), [ms(20); 2], "two fit, in wave {wave}");
    }
    let accepted = [listener.accept().unwrap(), listener.accept().unwrap()];
    assert!(listener.accept().is_err());
    sim.run_for(ms(2_000)).expect_done();
    assert_eq!(two.diary.times("client made"), [ms(20), ms(20), ms(1_520), ms(1_520)], "a second later");
    let dropped = Happening::Dropped("the backlog is full");
    assert_eq!(sim.trace().events().iter().filter(|event| event.what == dropped).count(), 2);
    drop(accepted);
}

#[test]
fn who_finds_the_backlog_full_for_ever_gives_up() {
    let two = Two::new(ms(10));
    let kernel = two.server.reactor().kernel().unwrap();
    let mut options = ListenOptions::default();
    options.backlog = 1;
    let _listener = kernel.listen_stream("0.0.0.0:80".parse().unwrap(), &options).unwrap();
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run_for(ms(500)).expect_done();
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("client made"), [ms(20)]);
    assert_eq!(two.diary.at("client failed timed out"), ms(500) + secs(127));
}

#[test]
fn who_finds_the_backlog_full_at_the_end_of_the_handshake_waits_for_room() {
    let two = Two::new(ms(10));
    let kernel = two.server.reactor().kernel().unwrap();
    let mut options = ListenOptions::default();
    options.backlog = 1;
    let listener = kernel.listen_stream("0.0.0.0:80".parse().unwrap(), &options).unwrap();
    for _ in 0..2 {
        two.client_side().says(b"hello".to_vec()).connects(&two.client, ("10.0.0.1", 80));
    }
    two.sim.run_for(ms(500)).expect_done();
    assert_eq!(two.diary.times("client made"), [ms(20); 2], "both clients are done");
    let first = listener.accept().unwrap();
    assert!(listener.accept().is_err(), "the server is not");
    two.sim.run_for(ms(1_000)).expect_done();
    let second = listener.accept().unwrap();
    let mut scratch = [0; 10];
    assert_eq!(second.socket.recv(&mut scratch).unwrap().len(), 5, "what was sent behind it came too");
    assert_ne!(first.peer, second.peer);
}

#[test]
fn closing_a_listener_resets_who_was_not_accepted() {
    let two = Two::new(ms(10));
    let kernel = two.server.reactor().kernel().unwrap();
    let listener = kernel.listen_stream("0.0.0.0:80".parse().unwrap(), &ListenOptions::default()).unwrap();
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    drop(listener);
    two.sim.run().expect_done();
    assert!(two.diary.has("client lost ConnectionReset"));
    assert_eq!(two.server.descriptors(), 0);
}

#[test]
fn a_handshake_whose_client_vanished_frees_its_place_after_a_minute() {
    let two = Two::new(ms(10));
    let kernel = two.server.reactor().kernel().unwrap();
    let mut options = ListenOptions::default();
    options.backlog = 1;
    let listener = kernel.listen_stream("0.0.0.0:80".parse().unwrap(), &options).unwrap();
    let victim = two.sim.host("victim");
    two.client_side().connects(&victim, ("10.0.0.1", 80));
    two.sim.run_for(ms(1)).expect_done();
    victim.crash();
    two.sim.run_for(secs(60)).expect_done();
    assert!(two.sim.report().to_string().contains("half open"), "{}", two.sim.report());
    two.sim.run_for(secs(10)).expect_done();
    assert!(!two.sim.report().to_string().contains("half open"), "{}", two.sim.report());
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run_for(secs(1)).expect_done();
    assert!(listener.accept().is_ok());
}

#[test]
fn a_client_that_closes_during_the_handshake_leaves_nothing() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    let connector = two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run_for(ms(5)).expect_done();
    connector.disconnect();
    two.sim.run().expect_done();
    assert_eq!(two.client.descriptors(), 0);
    assert_eq!(two.server.descriptors(), 1, "the listener");
    let report = two.sim.report().to_string();
    assert!(!report.contains("connection"), "{report}");
    assert!(!two.diary.has("server made"));
}

#[test]
fn tiny_windows_only_take_longer() {
    let two = Two::new(ms(10));
    two.sim.set_buffers(100, 100);
    two.connect(two.server_side(), two.client_side().says(vec![1; 1_000]));
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("server"), 1_000);
    // A window of 100 bytes every round trip: 30, 50, .. 210 ms.
    assert_eq!(two.diary.times("server got 100").len(), 10);
    assert_eq!(two.diary.times("server got").last(), Some(&ms(210)));
}

#[test]
fn a_peer_that_does_not_read_closes_its_window_and_opens_it_again() {
    let two = Two::new(ms(10));
    two.sim.set_buffers(1_000, 1_000);
    let server = two.server_side().made(|transport| {
        transport.pause_producing();
        let again = transport.clone();
        transport.reactor().call_later(secs(5), move || again.resume_producing());
    });
    let client = two.client_side().says(vec![1; 10_000]);
    two.connect(server, client);
    two.sim.run_for(secs(4)).expect_done();
    assert_eq!(two.diary.bytes("server"), 0);
    assert!(two.sim.report().to_string().contains("1000 bytes unread"), "{}", two.sim.report());
    two.sim.run().expect_done();
    assert_eq!(two.diary.bytes("server"), 10_000);
}

#[test]
fn closing_with_unread_input_is_a_reset() {
    let two = Two::new(ms(10));
    let server = two.server_side().made(|transport| transport.pause_producing());
    two.connect(server, two.client_side().says(b"unread".to_vec()));
    two.sim.run().expect_done();
    two.server.kill();
    two.sim.run().expect_done();
    assert!(two.diary.has("client lost ConnectionReset"));
}

#[test]
fn data_to_a_closed_end_is_answered_with_a_reset() {
    let two = Two::new(ms(10));
    let server = two.server_side().made(|transport| transport.abort_connection());
    let client = two.client_side().stays().made(|transport| {
        let late = transport.clone();
        transport.reactor().call_later(ms(5), move || {
            late.write(b"too late");
        });
    });
    two.connect(server, client);
    two.sim.run().expect_done();
    assert!(two.diary.has("client lost ConnectionReset"), "{:?}", two.diary.texts());
    let unknown = two.sim.trace().events().iter().any(|event| event.what == Happening::Unknown);
    assert!(unknown, "the bytes met nobody");
}

#[test]
fn ports_clash_as_they_do_on_linux() {
    let sim = Sim::new(1);
    let host = sim.host_with("host", ["10.1.1.1".parse().unwrap(), "10.1.1.2".parse().unwrap()]);
    let kernel = host.reactor().kernel().unwrap();
    let listen = |address: &str, reuse_port: bool, dual_stack: bool| {
        let mut options = ListenOptions::default();
        (options.reuse_port, options.dual_stack) = (reuse_port, dual_stack);
        kernel.listen_stream(address.parse().unwrap(), &options).map_err(|error| error.raw_os_error())
    };
    let in_use = Some(errno::EADDRINUSE);
    let first = listen("10.1.1.1:80", false, false).unwrap();
    assert_eq!(listen("10.1.1.1:80", false, false).err(), Some(in_use));
    assert_eq!(listen("0.0.0.0:80", false, false).err(), Some(in_use));
    let second = listen("10.1.1.2:80", false, false).unwrap();
    assert_eq!(listen("[::]:80", false, true).err(), Some(in_use), "it takes IPv4 as well");
    let third = listen("[::]:80", false, false).unwrap();
    assert_eq!(listen("10.7.7.7:80", false, false).err(), Some(Some(errno::EADDRNOTAVAIL)));
    let shared = [listen("0.0.0.0:90", true, false).unwrap(), listen("0.0.0.0:90", true, false).unwrap()];
    assert_eq!(listen("0.0.0.0:90", false, false).err(), Some(in_use));
    drop((first, second, third, shared));
    assert_eq!(host.descriptors(), 0);
    assert_eq!(listen("0.0.0.0:0", false, false).unwrap().local().unwrap().port(), 10_000);
}

#[test]
fn connecting_chooses_addresses_and_ports() {
    let two = Two::new(ms(10));
    let peers = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&peers);
    two.server.start(move |reactor| {
        let seen = Rc::clone(&seen);
        let factory = for_protocol(move |peer| {
            seen.borrow_mut().push(peer.to_string());
            Quiet
        });
        reactor.listen_tcp_with(("::", 80), factory, TcpServerOptions::new().dual_stack(true)).unwrap();
    });
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.client_side().connects(&two.client, ("fd00::1", 80));
    let bound = TcpClientOptions::new().bind_address("10.0.0.2:7777".parse().unwrap());
    two.client.reactor().connect_tcp_with(("10.0.0.1", 80), two.client_side(), bound);
    let alien = TcpClientOptions::new().bind_address("10.0.0.9:7777".parse().unwrap());
    two.client.reactor().connect_tcp_with(("10.0.0.1", 80), two.client_side(), alien);
    two.sim.run().expect_done();
    let all = peers.borrow().join(" ");
    assert!(all.contains("10.0.0.2") && all.contains("20000"), "{all}");
    assert!(all.contains("fd00::2"), "{all}");
    assert!(all.contains("7777"), "{all}");
    assert_eq!(peers.borrow().len(), 3);
    assert_eq!(two.diary.times("client failed bind").len(), 1);
}

#[test]
fn a_dual_stack_listener_sees_ipv4_peers_as_mapped_addresses() {
    let two = Two::new(ms(10));
    let kernel = two.server.reactor().kernel().unwrap();
    let mut options = ListenOptions::default();
    options.dual_stack = true;
    let listener = kernel.listen_stream("[::]:80".parse().unwrap(), &options).unwrap();
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run().expect_done();
    let accepted = listener.accept().unwrap();
    assert_eq!(accepted.peer.to_string(), "[::ffff:10.0.0.2]:20000");
    assert_eq!(accepted.socket.local().unwrap().to_string(), "[::ffff:10.0.0.1]:80");
}

struct Quiet;
impl twistor_net::Protocol for Quiet {}

#[test]
fn listeners_that_share_a_port_take_turns() {
    let two = Two::new(ms(10));
    let diary = Diary::new();
    for name in ["one", "two"] {
        let side = sim_support::Side::new(name, &diary);
        side.listens_with(&two.server, 80, TcpServerOptions::new().reuse_port(true));
    }
    for _ in 0..10 {
        two.client_side().connects(&two.client, ("10.0.0.1", 80));
    }
    two.sim.run().expect_done();
    assert_eq!(diary.times("one made").len(), 5);
    assert_eq!(diary.times("two made").len(), 5);
}

#[test]
fn a_host_without_descriptors_cannot_open_more() {
    let two = Two::new(ms(10));
    two.client.set_descriptors(2);
    two.server_side().listens(&two.server, 80);
    for _ in 0..3 {
        two.client_side().connects(&two.client, ("10.0.0.1", 80));
    }
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("client made").len(), 2);
    assert_eq!(two.diary.times("client failed bind").len(), 1);
    assert_eq!(two.client.descriptors(), 2);
}

#[test]
fn a_server_without_descriptors_sheds_and_goes_on() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    two.server.set_descriptors(3);
    for _ in 0..5 {
        two.client_side().connects(&two.client, ("10.0.0.1", 80));
    }
    two.sim.run_for(secs(5)).expect_done();
    assert_eq!(two.diary.times("server made").len(), 2, "the listener has one");
    assert!(two.diary.times("client lost").len() == 3, "the others were closed: {:?}", two.diary.texts());
    two.server.set_descriptors(10);
    two.client_side().connects(&two.client, ("10.0.0.1", 80));
    two.sim.run_for(secs(5)).expect_done();
    assert_eq!(two.diary.times("server made").len(), 3);
}

#[test]
fn names_resolve_as_the_table_says() {
    let two = Two::new(ms(10));
    two.server_side().listens(&two.server, 80);
    two.sim.name("alias", ["10.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    two.sim.name_fails("broken", std::io::ErrorKind::TimedOut);
    two.sim.name_silent("silent");
    two.sim.set_lookup_time(ms(100));
    for name in ["SERVER", "alias", "broken", "unknown", "silent"] {
        two.client_side().connects(&two.client, (name, 80));
    }
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("client made"), [ms(120); 2]);
    assert_eq!(two.diary.times("client failed lookup"), [ms(100); 2]);
    let report = two.sim.report().to_string();
    assert!(report.contains("looks up `silent`"), "{report}");
}

#[test]
fn a_turn_sees_what_came_at_its_moment_and_no_later_one() {
    // Time stands still within a turn: two writes of one moment arrive together.
    let two = Two::new(ms(10));
    let client = two.client_side().made(|transport| {
        transport.write(b"one");
        transport.write(b"two");
    });
    two.connect(two.server_side(), client);
    two.sim.run().expect_done();
    assert_eq!(two.diary.times("server got 6"), [ms(30)]);
    assert_eq!(
        two.sim.now().as_nanos(),
        40_000_000,
        "the news of the room it makes is the last thing on the way"
    );
    assert_eq!(Duration::from_nanos(two.sim.now().as_nanos()), ms(40));
}
