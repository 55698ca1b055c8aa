//! The load generator against servers that are right, and against some that are wrong: each of their faults is found, and
//! the first byte that differs is named.
#![cfg(target_os = "linux")]

mod load_servers;

use std::io;
use std::time::Duration;

use load_servers::{Fault, Server};
use twistor_bench::load::{Amount, LoadError, Mark, Pattern, Plan, Report, Workload, run};

/// A plan of few messages, and of little patience.
fn plan(workload: Workload, count: u64) -> Plan {
    Plan {
        workload,
        warm_up: Amount::Count(count / 2),
        measured: Amount::Count(count),
        stall: Duration::from_millis(300),
    }
}

fn drive(server: &Server, plan: &Plan) -> Result<(Report, Vec<Mark>), LoadError> {
    let mut marks = Vec::new();
    let report = run(server.address, plan, &mut |mark| {
        marks.push(mark);
        Ok(())
    })?;
    Ok((report, marks))
}

/// One connection, messages of 10 bytes, one at a time.
const ONE: Workload = Workload::Echo { connections: 1, size: 10, depth: 1 };

/// What a server with `fault` makes of [`ONE`].
#[track_caller]
fn error_of(fault: Fault) -> LoadError {
    drive(&Server::echo(fault), &plan(ONE, 20)).expect_err("the fault is to be found")
}

/// The byte of the first connection of an echo at `offset`.
fn byte(offset: u64) -> u8 {
    Pattern::random().at(offset, 1)[0]
}

#[test]
fn every_shape_of_echo_counts_its_messages_and_bytes() {
    let shapes = [(1, 10, 1), (7, 64, 1), (3, 1, 16), (2, 65_536, 1), (2, 200_000, 3)];
    for (connections, size, depth) in shapes {
        let workload = Workload::Echo { connections, size, depth };
        let (report, marks) = drive(&Server::echo(Fault::None), &plan(workload, 50)).unwrap();
        assert_eq!((report.messages, report.bytes), (50, 50 * size as u64), "{workload:?}");
        assert_eq!(report.latency.len(), 50);
        assert_eq!(marks, [Mark::Begin, Mark::End]);
        assert!(report.elapsed > Duration::ZERO && report.own_cpu > Duration::ZERO);
    }
}

#[test]
fn an_echo_for_a_time_ends_when_it_is_over() {
    let time = Duration::from_millis(50);
    let plan = Plan { warm_up: Amount::Count(0), measured: Amount::Time(time), ..plan(ONE, 0) };
    let (report, _) = drive(&Server::echo(Fault::None), &plan).unwrap();
    assert!(report.messages > 0 && report.elapsed >= time, "{report:?}");
}

#[test]
fn a_wrong_byte_is_found() {
    // The 35th of the counted bytes, after 100 of the warm-up.
    let error = error_of(Fault::Wrong(134));
    let LoadError::Wrong(found) = &error else { panic!("{error}") };
    assert_eq!((found.connection, found.offset), (0, 134));
    assert_eq!((found.expected, found.got), (byte(134), byte(134) ^ 1));
    let text = error.to_string();
    assert!(text.contains("connection 0: the byte at 134 is 0x"), "{text}");
}

#[test]
fn a_byte_that_is_lost_is_found_where_it_was() {
    let error = error_of(Fault::Lost(57));
    let LoadError::Wrong(found) = error else { panic!("{error}") };
    assert_eq!((found.offset, found.expected, found.got), (57, byte(57), byte(58)));
}

#[test]
fn the_last_byte_lost_of_a_message_is_waited_for_in_vain() {
    let error = error_of(Fault::Lost(59));
    let LoadError::Stalled { after, waiting } = &error else { panic!("{error}") };
    assert_eq!((*after, waiting.as_str()), (Duration::from_millis(300), "1 messages have not come back"));
}

#[test]
fn swapped_bytes_are_found() {
    let error = error_of(Fault::Swapped(22));
    let LoadError::Wrong(found) = error else { panic!("{error}") };
    assert_eq!((found.offset, found.expected, found.got), (22, byte(22), byte(23)));
}

#[test]
fn a_byte_that_comes_twice_is_found() {
    let error = error_of(Fault::Doubled(41));
    let LoadError::Wrong(found) = error else { panic!("{error}") };
    assert_eq!((found.offset, found.expected, found.got), (42, byte(42), byte(41)));
    let error = error_of(Fault::Doubled(49));
    assert!(matches!(error, LoadError::Surplus { connection: 0, owed: 50, surplus: 1 }), "{error}");
}

#[test]
fn a_byte_after_the_last_one_is_found() {
    let error = error_of(Fault::Doubled(299));
    assert!(matches!(error, LoadError::Surplus { connection: 0, owed: 300, surplus: 1 }), "{error}");
}

#[test]
fn an_early_close_is_found() {
    let error = error_of(Fault::Closes(123));
    assert!(matches!(error, LoadError::Closed { connection: 0, received: 123, owed: 130 }), "{error}");
}

#[test]
fn a_close_between_messages_is_found_too() {
    // All that was owed is there, and the next message finds nobody.
    let error = error_of(Fault::Closes(200));
    let text = error.to_string();
    assert!(
        matches!(error, LoadError::Closed { received: 200, .. } | LoadError::Lost { received: 200, .. }),
        "{text}"
    );
}

#[test]
fn a_server_that_does_not_close_is_found() {
    let error = error_of(Fault::StaysOpen);
    let LoadError::Stalled { waiting, .. } = &error else { panic!("{error}") };
    assert_eq!(waiting, "1 connections are to be closed by the server");
}

#[test]
fn bytes_of_another_connection_are_wrong() {
    let workload = Workload::Echo { connections: 2, size: 10, depth: 1 };
    let error = drive(&Server::echo(Fault::Crossed), &plan(workload, 20)).unwrap_err();
    assert!(matches!(error, LoadError::Wrong(found) if found.offset == 0), "{error}");
}

#[test]
fn a_refused_connection_is_named() {
    let address = Server::refusing();
    let error = run(address, &plan(ONE, 1), &mut |_| Ok(())).unwrap_err();
    assert!(
        matches!(&error, LoadError::Connect { connection: 0, source } if source.kind() == io::ErrorKind::ConnectionRefused),
        "{error}"
    );
}

#[test]
fn an_error_of_the_watcher_ends_it() {
    let server = Server::echo(Fault::None);
    let error = run(server.address, &plan(ONE, 1), &mut |_| Err(io::Error::other("gone"))).unwrap_err();
    assert!(matches!(&error, LoadError::Watch(source) if source.to_string() == "gone"), "{error}");
}

#[test]
fn churn_makes_and_closes_connections() {
    let workload = Workload::Churn { parallel: 4, size: 64 };
    let (report, marks) = drive(&Server::echo(Fault::None), &plan(workload, 30)).unwrap();
    assert_eq!((report.messages, report.bytes, report.latency.len()), (30, 30 * 64, 30));
    assert_eq!(marks, [Mark::Begin, Mark::End]);
    let error = drive(&Server::echo(Fault::StaysOpen), &plan(workload, 30)).unwrap_err();
    assert!(matches!(error, LoadError::Stalled { .. }), "{error}");
    let error = drive(&Server::echo(Fault::Lost(9)), &plan(workload, 30)).unwrap_err();
    assert!(matches!(error, LoadError::Wrong(found) if found.offset == 9), "{error}");
}

#[test]
fn a_stream_is_checked() {
    let workload = Workload::Stream { connections: 2 };
    let (report, marks) = drive(&Server::stream(Fault::None), &plan(workload, 4)).unwrap();
    assert!(report.messages == 4 && report.bytes >= 4 << 20, "{report:?}");
    assert_eq!(marks, [Mark::Begin, Mark::End]);
    let offset = 70_000;
    let error = drive(&Server::stream(Fault::Lost(offset)), &plan(workload, 4)).unwrap_err();
    let LoadError::Wrong(found) = error else { panic!("{error}") };
    let right = (offset % 65_536 % 251) as u8;
    assert_eq!((found.offset, found.expected, found.got), (offset, right, right + 1));
    let error = drive(&Server::stream(Fault::Closes(100_000)), &plan(workload, 4)).unwrap_err();
    assert!(matches!(error, LoadError::Closed { received: 100_000, .. }), "{error}");
}

#[test]
fn a_fan_out_reaches_everybody_in_order() {
    let workload = Workload::FanOut { receivers: 5, size: 33 };
    let (report, _) = drive(&Server::broadcast(Fault::None), &plan(workload, 10)).unwrap();
    assert_eq!((report.messages, report.bytes), (50, 50 * 33));
    let error = drive(&Server::broadcast(Fault::Swapped(40)), &plan(workload, 10)).unwrap_err();
    assert!(matches!(error, LoadError::Wrong(found) if found.offset == 40), "{error}");
    let error = drive(&Server::broadcast(Fault::Crossed), &plan(workload, 10)).unwrap_err();
    assert!(
        matches!(error, LoadError::Surplus { connection: 5, owed: 0, .. }),
        "to the sender, too: {error}"
    );
}

#[test]
fn idle_connections_are_made_then_used() {
    let workload = Workload::Idle { connections: 40, size: 64 };
    let (report, marks) = drive(&Server::echo(Fault::None), &plan(workload, 0)).unwrap();
    assert_eq!((report.messages, report.bytes), (40, 40 * 64));
    assert_eq!(marks, [Mark::Begin, Mark::Fresh, Mark::Used, Mark::End]);
}

#[test]
fn slow_readers_do_not_stop_the_others() {
    let workload = Workload::SlowReaders { slow: 3, flood: 64 << 20, connections: 2, size: 64 };
    let (report, _) = drive(&Server::echo(Fault::None), &plan(workload, 100)).unwrap();
    assert_eq!((report.messages, report.bytes), (100, 6_400));
    // The tests' server reads no more while it cannot write, so the flood is held back.
    assert!(report.flooded > 0 && report.flooded < 3 * (64 << 20), "{}", report.flooded);
}
