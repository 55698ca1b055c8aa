//! The conformance suite over two `StringTransport`s, each the other's peer: every case that needs one connection and no network.

use twistor_sim::conformance::harness::Strings;
use twistor_sim::{conformance, transport_conformance};

transport_conformance!(strings, Strings::new);

/// What is left out is about making connections and ending them with their reactor, but for three cases that need a second connection.
#[test]
fn a_string_transport_leaves_out_what_is_about_a_network() {
    let left_out = conformance::left_out(Strings::new);
    assert!(left_out.iter().all(|(_, why)| why.contains("one connection")), "{left_out:?}");
    let about_connecting = |name: &str| {
        let rule = name.split('_').nth(1).and_then(|number| number.parse().ok());
        matches!((name.split('_').next(), rule), (Some("tcp"), Some(1..=21)) | (Some("fact" | "err"), _))
    };
    let others: Vec<&str> =
        left_out.iter().map(|(name, _)| *name).filter(|name| !about_connecting(name)).collect();
    assert_eq!(
        others,
        [
            "r24_one_port_for_both_families",
            "r24_ports_that_share_a_number",
            "r29_dropping_handles_detaches",
            "table_28a_a_panic_in_connection_made_fails_the_deferred",
            "tcp_36_a_relay_of_two_transports_is_bounded",
            "r25_a_dropped_reactor_loses_its_connections",
            "r25_a_dropped_reactor_fails_its_attempts",
            "prod_09_a_relay_stops_with_its_consumer",
            "table_28a_client_connection_failed",
            "r05_other_connections_go_on",
        ]
    );
}
