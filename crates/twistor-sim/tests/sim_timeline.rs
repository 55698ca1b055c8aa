//! Pictures of runs: what is in them, that they repeat, and that nothing breaks them.

mod sim_support;

use std::net::IpAddr;
use std::time::Duration;

use twistor_net::{CloseReason, Protocol, ReactorTcp, Transport, for_protocol};
use twistor_sim::{Fault, Host, Sim};

use self::sim_support::ms;

/// Says so many bytes, and closes.
struct Says(usize);
impl Protocol for Says {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(&vec![b'x'; self.0]);
        transport.lose_connection();
    }
}

struct Listens;
impl Protocol for Listens {
    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {}
    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {}
}

/// A server on port 80, a client, and so many connections, one each 10 ms.
fn conversation(connections: u64) -> (Sim, Host, Host) {
    let sim = Sim::new(11);
    let (server, client) = (sim.host("server"), sim.host("client"));
    sim.links().latency(ms(5));
    server.start(|reactor| {
        reactor.listen_tcp(("0.0.0.0", 80), for_protocol(|_| Says(3_000))).unwrap();
    });
    for number in 0..connections {
        let client = client.clone();
        sim.at(ms(10 * number), move |_| {
            client.reactor().connect_tcp(("10.0.0.1", 80), for_protocol(|_| Listens));
        });
    }
    (sim, server, client)
}

/// The numbers that the legend has after `label`.
#[track_caller]
fn legend(svg: &str, label: &str) -> u64 {
    let words = format!(">{label} ");
    let (_, rest) = svg.split_once(&words).unwrap_or_else(|| panic!("the legend has no {label}"));
    rest.split('<').next().unwrap().parse().unwrap()
}

#[test]
fn a_few_connections_are_drawn_message_by_message() {
    let (sim, ..) = conversation(3);
    sim.run().expect_done();
    let svg = sim.timeline_svg();
    assert!(svg.contains("Every message is drawn"));
    assert_eq!((legend(&svg, "SYN"), legend(&svg, "connected"), legend(&svg, "FIN")), (3, 3, 6));
    for number in 0..3 {
        assert!(svg.contains(&format!(">SYN #{number}</text>")), "{number}");
    }
    // 3,000 bytes are three segments that travel together.
    assert_eq!(svg.matches(">3.0 kB in 3</text>").count(), 3);
    assert!(svg.contains("connection 0: client → server (10.0.0.1:80)"));
}

#[test]
fn more_of_them_are_lanes_and_many_are_sums() {
    let (sim, ..) = conversation(200);
    sim.run().expect_done();
    let svg = sim.timeline_svg();
    assert!(svg.contains("A lane is a connection"));
    assert_eq!(svg.matches("<title>connection ").count(), 200);

    let (sim, ..) = conversation(3_000);
    sim.keep_trace(usize::MAX);
    sim.run().expect_done();
    let svg = sim.timeline_svg();
    assert!(svg.contains("Connections are summed") && svg.len() < 500_000, "{} bytes", svg.len());
    assert_eq!(legend(&svg, "SYN"), 3_000);
}

#[test]
fn what_goes_wrong_has_a_shape_and_a_number() {
    let (sim, server, client) = conversation(6);
    sim.fault(Fault::refuse().times(1));
    sim.fault(Fault::reset_after(1_000).of_server().times(1));
    let link = sim.link(&server, &client);
    let machine = server;
    sim.at(ms(33), move |sim| {
        link.partition();
        sim.at(ms(2_000), move |_| link.heal());
    });
    sim.at(ms(5_000), move |sim| {
        machine.crash();
        sim.at(ms(1_000), move |_| machine.restart());
    });
    sim.run().expect_done();
    let svg = sim.timeline_svg();
    for label in ["refused", "cut by a fault", "loses power", "starts again"] {
        assert_eq!(legend(&svg, label), 1, "{label}");
    }
    assert_eq!(legend(&svg, "cut"), 2, "each direction");
    assert!(legend(&svg, "RST") > 0 && legend(&svg, "handshake dropped") > 0);
    assert!(svg.contains("cut server ↔ client</text>") || svg.contains("cut client ↔ server</text>"));
    assert!(svg.contains("class=\"off\"") && svg.contains("class=\"brk\""));
}

#[test]
fn what_the_trace_did_not_keep_is_said() {
    let (sim, server, client) = conversation(40);
    sim.link(&server, &client).partition_from(&server);
    server.kill();
    sim.keep_trace(30);
    let (link, machine) = (sim.link(&server, &client), server);
    sim.at(ms(300), move |_| {
        link.heal();
        machine.restart();
    });
    sim.run().expect_done();
    let svg = sim.timeline_svg();
    let missing = sim.trace().count() - 30;
    assert!(svg.contains(&format!("The trace kept its latest 30 events: the {missing} before ")));
    assert!(svg.contains(&format!("{missing} earlier events were not kept")));
    let (whole, ..) = conversation(1);
    whole.run().expect_done();
    assert!(!whole.timeline_svg().contains("not kept"));
}

#[test]
fn the_same_run_gives_the_same_picture() {
    let picture = || {
        let (sim, ..) = conversation(50);
        sim.chaos(0.3);
        sim.run().expect_done();
        sim.timeline_svg()
    };
    assert_eq!(picture(), picture());
}

#[test]
fn names_cannot_break_the_picture() {
    let sim = Sim::new(1);
    let host = sim.host("</text><script>alert('&')</script>\u{7}");
    host.crash();
    let other = sim.host(&"long".repeat(1_000));
    sim.link(&host, &other).partition();
    let svg = sim.timeline_svg();
    assert!(!svg.contains("<script") && !svg.contains('\u{7}'));
    assert!(svg.contains("&lt;script&gt;alert(&#39;&amp;&#39;)"));
}

#[test]
fn nothing_at_all_is_a_picture_too() {
    let sim = Sim::new(1);
    assert!(sim.timeline_svg().ends_with("</svg>\n"));
    sim.run_for(Duration::MAX).expect_done();
    assert!(sim.timeline_svg().contains("0 hosts"));
    let alone = sim.host_with("alone", Vec::<IpAddr>::new());
    alone.reactor().connect_tcp(("10.9.9.9", 1), for_protocol(|_| Listens));
    assert!(sim.timeline_svg().contains(">alone</text>"));
}

#[test]
fn what_is_too_much_is_left_out_and_said() {
    let (sim, server, client) = conversation(1);
    sim.run().expect_done();
    assert!(!sim.timeline_svg().contains("some 600 are drawn"));
    let link = sim.link(&server, &client);
    for _ in 0..1_000 {
        link.partition();
        link.heal();
        server.restart();
    }
    let svg = sim.timeline_svg();
    assert!(
        svg.contains("some 600 are drawn; the legend counts all") && svg.len() < 600_000,
        "{}",
        svg.len()
    );
    assert_eq!((legend(&svg, "cut"), legend(&svg, "starts again")), (2_000, 1_000));
}

#[test]
fn a_hundred_hosts_share_columns() {
    let sim = Sim::new(1);
    for number in 0..100 {
        let _host = sim.host(&format!("reader-{number}"));
    }
    let svg = sim.timeline_svg();
    assert!(svg.contains(">reader (100)</text>") && svg.contains("share a column"));
}

/// A connection of a host to itself, one to nobody, and one that is never answered.
#[test]
fn odd_connections_are_drawn() {
    let sim = Sim::new(2);
    let host = sim.host("host");
    host.start(|reactor| {
        reactor.listen_tcp(("127.0.0.1", 80), for_protocol(|_| Says(10))).unwrap();
        for to in ["127.0.0.1", "10.1.1.1"] {
            reactor.connect_tcp((to, 80), for_protocol(|_| Listens));
        }
    });
    sim.run().expect_done();
    let svg = sim.timeline_svg();
    assert!(
        svg.contains("connection 0: host → host") && svg.contains("connection 1: host → nowhere"),
        "{svg}"
    );
    assert!(svg.contains(">10 B</text>"));
}

#[test]
fn the_file_is_the_picture() {
    let (sim, ..) = conversation(2);
    sim.run().expect_done();
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("timeline-{}.svg", std::process::id()));
    sim.timeline(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), sim.timeline_svg());
    std::fs::remove_file(&path).unwrap();
    assert!(sim.timeline(path.join("not/there")).is_err());
}
