//! Many: clients of one server, reactors of one world.

mod sim_support;

use std::cell::Cell;
use std::rc::Rc;

use twistor_net::{Protocol, ReactorTcp, TcpServerOptions, Transport, for_protocol};
use twistor_reactor::Reactor;
use twistor_sim::{Sim, Trace};

use self::sim_support::ms;

const MANY: usize = 10_000;

struct Echo;
impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

struct Ping(Rc<Cell<usize>>);
impl Protocol for Ping {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write(b"ping");
    }
    fn data_received(&mut self, transport: &Transport, _: &[u8]) {
        self.0.set(self.0.get() + 1);
        transport.lose_connection();
    }
}

fn server(sim: &Sim) {
    sim.host("server").start(|reactor| {
        let options = TcpServerOptions::new().backlog(1_000);
        reactor.listen_tcp_with(("0.0.0.0", 80), for_protocol(|_| Echo), options).unwrap();
    });
}

fn many_clients() -> (usize, Trace) {
    let sim = Sim::new(1);
    sim.links().latency(ms(5)).jitter(ms(20));
    server(&sim);
    let answers = Rc::new(Cell::new(0));
    let client = sim.host("client").reactor();
    for _ in 0..MANY {
        let count = Rc::clone(&answers);
        client.connect_tcp(("10.0.0.1", 80), for_protocol(move |_| Ping(Rc::clone(&count))));
    }
    sim.run().expect_done();
    (answers.get(), sim.trace())
}

#[test]
fn ten_thousand_clients() {
    let (answers, trace) = many_clients();
    assert_eq!(answers, MANY);
    assert!(trace.count() > 10 * MANY as u64);
}

/// Each with a reactor of its own, on a host of its own.
#[test]
fn ten_thousand_reactors() {
    let sim = Sim::new(1);
    sim.keep_trace(0);
    sim.links().latency(ms(5)).jitter(ms(20));
    server(&sim);
    let answers = Rc::new(Cell::new(0));
    for number in 0..MANY {
        let count = Rc::clone(&answers);
        let host = sim.host(&format!("client {number}"));
        host.start_with(Reactor::builder().read_size(512), move |reactor| {
            let count = Rc::clone(&count);
            reactor.connect_tcp(("10.0.0.1", 80), for_protocol(move |_| Ping(Rc::clone(&count))));
        });
    }
    sim.run().expect_done();
    assert_eq!(answers.get(), MANY);
}
