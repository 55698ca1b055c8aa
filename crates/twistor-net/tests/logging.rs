//! Every line that is logged during a connection's callbacks carries the connection's prefix, and nobody pays for it who does not listen.

#![cfg(feature = "mio")]

mod common;

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use common::lines::logged;
use twistor_net::{CloseReason, Protocol, ReactorTcp, Transport, for_protocol};
use twistor_reactor::{Descriptor, Reactor, ReactorHandle, Watch};

fn lines_with<'a>(text: &'a str, needle: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(needle)).collect()
}

struct Talker;

impl Protocol for Talker {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        tracing::info!("talker got {}", data.len());
        transport.write(data);
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        tracing::info!("talker lost");
    }
}

struct Caller;

impl Protocol for Caller {
    fn connection_made(&mut self, transport: &Transport) {
        tracing::info!("caller made");
        transport.write(b"hello");
    }

    fn data_received(&mut self, _transport: &Transport, _data: &[u8]) {
        panic!("caller broke");
    }

    fn connection_lost(&mut self, transport: &Transport, _reason: &CloseReason) {
        transport.reactor().stop().unwrap();
    }
}

fn conversation() {
    let mut reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Talker)).unwrap();
    reactor.connect_tcp(("127.0.0.1", port.host().port()), for_protocol(|_| Caller));
    reactor.run().unwrap();
}

/// A descriptor of the user's, watched until its input ends.
fn watched() {
    struct Pipe(std::io::PipeReader, ReactorHandle);
    impl AsFd for Pipe {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
    impl Descriptor for Pipe {
        fn do_read(&mut self, _watch: &Watch<Self>) -> Result<(), CloseReason> {
            tracing::info!("pipe got {}", self.0.read(&mut [0; 16])?);
            Ok(())
        }
        fn connection_lost(&mut self, _reason: &CloseReason) {
            tracing::info!("pipe lost");
            self.1.stop().unwrap();
        }
        fn log_prefix(&self) -> String {
            "Pipe,7".to_owned()
        }
    }
    let mut reactor = Reactor::new().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"hello").unwrap();
    drop(writer);
    reactor.add_reader(Pipe(reader, reactor.handle())).unwrap();
    reactor.run().unwrap();
}

#[test]
fn log_10_every_line_of_a_callback_carries_the_prefix() {
    let text = logged(tracing::Level::DEBUG, conversation);
    for (needle, prefix) in [
        ("talker got 5", "system=Talker,1,127.0.0.1"),
        ("talker lost", "system=Talker,1,127.0.0.1"),
        ("caller made", "system=Caller,client"),
        // The library's own lines about the connection too.
        ("data_received panicked: caller broke", "system=Caller,client"),
    ] {
        let lines = lines_with(&text, needle);
        assert_eq!(lines.len(), 1, "{needle:?} once in:\n{text}");
        assert!(lines[0].contains(prefix), "{prefix:?} in {:?}", lines[0]);
    }
    assert_eq!(lines_with(&text, "connection made").len(), 2, "{text}");
    assert_eq!(lines_with(&text, "connection lost").len(), 2, "{text}");
}

#[test]
fn nothing_per_byte_is_logged_above_trace() {
    let text = logged(tracing::Level::DEBUG, conversation);
    assert!(text.lines().count() < 30, "a whole conversation in a few lines:\n{text}");
}

#[test]
fn a_panic_is_an_error_and_lifecycle_is_quiet_at_info() {
    let text = logged(tracing::Level::ERROR, conversation);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("ERROR") && text.contains("caller broke"), "{text}");
    let text = logged(tracing::Level::INFO, conversation);
    assert!(!text.contains("connection made"), "{text}");
}

#[test]
fn log_10_every_line_of_a_watched_object_carries_its_prefix() {
    let text = logged(tracing::Level::INFO, watched);
    for needle in ["pipe got 5", "pipe lost"] {
        let lines = lines_with(&text, needle);
        assert!(lines.len() == 1 && lines[0].contains("system=Pipe,7"), "{needle:?} in:\n{text}");
    }
}
