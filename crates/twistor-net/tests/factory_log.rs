//! FACT-03: factories that are noisy, as they are unless they say otherwise, log their start and stop at info level.

#![cfg(feature = "mio")]

mod common;

use common::lines::logged;
use common::ms;
use twistor_net::{Address, ClientFactory, CloseReason, Connector, Factory, Protocol, ReactorTcp};
use twistor_reactor::Reactor;

struct Brief;

impl Protocol for Brief {
    fn connection_made(&mut self, transport: &twistor_net::Transport) {
        transport.lose_connection();
    }
}

struct Made {
    noisy: bool,
}

impl Factory for Made {
    type Protocol = Brief;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Brief> {
        Some(Brief)
    }

    fn noisy(&self) -> bool {
        self.noisy
    }
}

impl ClientFactory for Made {
    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &CloseReason) {}
}

/// A port and a connector begin and end.
fn conversation(noisy: bool) {
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    let port = reactor.listen_tcp(("127.0.0.1", 0), Made { noisy }).unwrap();
    let connector = reactor.connect_tcp(("127.0.0.1", port.host().port()), Made { noisy });
    let handle = reactor.handle();
    handle.notify(move |reactor| {
        drop(reactor.call_later(ms(50), {
            let reactor = reactor.clone();
            move || reactor.stop().unwrap()
        }))
    });
    reactor.run().unwrap();
    assert_eq!(connector.state(), twistor_net::ConnectorState::Disconnected);
}

#[test]
fn fact_03_noisy_factories_log_start_and_stop() {
    let text = logged(tracing::Level::INFO, || conversation(true));
    assert_eq!(text.matches("starting factory").count(), 2, "{text}");
    assert_eq!(text.matches("stopped factory").count(), 2, "{text}");
    assert!(text.lines().all(|line| line.contains("INFO")), "{text}");
}

#[test]
fn fact_03_quiet_ones_do_not() {
    assert_eq!(logged(tracing::Level::INFO, || conversation(false)), "");
}
