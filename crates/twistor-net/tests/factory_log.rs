//! FACT-03: factories that are noisy, as they are unless they say otherwise, log their start and stop at info level.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;
use twistor_net::{Address, ClientFactory, CloseReason, Connector, Factory, Protocol, ReactorTcp};
use twistor_reactor::Reactor;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

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

/// What is logged at info level while a port and a connector begin and end.
fn logged(noisy: bool) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(lines.clone())
        .with_ansi(false)
        .finish();
    // One at a time: `tracing` remembers for all threads who listens to a line.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    tracing::subscriber::with_default(subscriber, || {
        let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
        let port = reactor.listen_tcp(("127.0.0.1", 0), Made { noisy }).unwrap();
        let connector = reactor.connect_tcp(("127.0.0.1", port.host().port()), Made { noisy });
        let handle = reactor.handle();
        handle.notify(move |reactor| {
            drop(reactor.call_later(std::time::Duration::from_millis(50), {
                let reactor = reactor.clone();
                move || reactor.stop().unwrap()
            }))
        });
        reactor.run().unwrap();
        assert_eq!(connector.state(), twistor_net::ConnectorState::Disconnected);
    });
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn fact_03_noisy_factories_log_start_and_stop() {
    let text = logged(true);
    assert_eq!(text.matches("starting factory").count(), 2, "{text}");
    assert_eq!(text.matches("stopped factory").count(), 2, "{text}");
    assert!(text.lines().all(|line| line.contains("INFO")), "{text}");
}

#[test]
fn fact_03_quiet_ones_do_not() {
    assert_eq!(logged(false), "");
}
