use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use futures::io::{AsyncBufReadExt, AsyncReadExt};
use twistor_net::{CloseReason, NetLimits, ReactorTcp};
use twistor_sim::errno;
use twistor_sim::{Answer, Call};

use crate::support::{Bench, block_on, error_of, pattern};

/// What a read brings at most.
const READ_SIZE: usize = 65_536;

#[test]
fn what_arrived_is_read_in_order_in_pieces_of_the_readers() {
    let mut bench = Bench::new();
    assert!(bench.read(10).is_pending());
    bench.arrive(b"hello ");
    bench.arrive(b"world");
    assert_eq!(bench.stream.unread(), 11);
    assert_eq!(bench.get(3), b"hel");
    assert_eq!(bench.get(100), b"lo world", "what is there, and no waiting for more");
    assert_eq!(bench.stream.unread(), 0);
    assert!(bench.read(10).is_pending());
}

#[test]
fn what_arrives_while_some_is_unread_comes_after_it() {
    let mut bench = Bench::new();
    bench.arrive(b"abc");
    assert_eq!(bench.get(1), b"a");
    bench.arrive(b"def");
    assert_eq!(bench.get(10), b"bc");
    assert_eq!(bench.get(10), b"def");
}

#[test]
fn a_byte_at_a_time_is_the_same_bytes() {
    let mut bench = Bench::new();
    let sent = pattern(1_000);
    for byte in sent.chunks(1) {
        bench.arrive(byte);
    }
    let read: Vec<u8> = (0..1_000).flat_map(|_| bench.get(1)).collect();
    assert_eq!(read, sent);
}

#[test]
fn the_peers_fin_is_the_end_after_the_last_byte() {
    let mut bench = Bench::new();
    bench.peer.send(b"the last");
    bench.peer.finish();
    bench.settle();
    assert_eq!(bench.get(4), b"the ");
    assert_eq!(bench.get(10), b"last");
    assert_eq!((bench.get(10), bench.get(10)), (vec![], vec![]), "the end, as often as it is asked for");
    assert!(bench.stream.close_reason().is_none(), "the other direction is open");
}

#[test]
fn a_reset_is_an_error_after_the_bytes_before_it() {
    let mut bench = Bench::new();
    bench.arrive(b"before");
    bench.peer.reset();
    bench.settle();
    assert_eq!(bench.get(3), b"bef");
    assert_eq!(bench.get(30), b"ore");
    for _ in 0..2 {
        let (kind, reason) = error_of(bench.read(10));
        assert_eq!(kind, ErrorKind::ConnectionReset);
        assert!(matches!(reason, Some(CloseReason::Lost(_))), "{reason:?}");
    }
    assert_eq!(
        bench.stream.close_reason().and_then(|reason| reason.io_kind()),
        Some(ErrorKind::ConnectionReset)
    );
}

#[test]
fn a_reset_after_the_fin_does_not_take_the_end_back() {
    let mut bench = Bench::new();
    bench.peer.send(b"all");
    bench.peer.finish();
    bench.settle();
    bench.peer.reset();
    bench.settle();
    assert_eq!(bench.get(10), b"all");
    assert_eq!(bench.get(10), b"");
    assert_eq!(error_of(bench.write(b"x")).0, ErrorKind::BrokenPipe);
}

#[test]
fn a_reset_is_heard_while_the_transport_is_paused() {
    let mut bench = Bench::new();
    bench.stream.set_read_buffer_limit(1);
    bench.arrive(b"abc");
    bench.peer.reset();
    bench.settle();
    assert!(bench.stream.close_reason().is_some());
    assert_eq!(bench.get(10), b"abc");
    assert_eq!(error_of(bench.read(10)).0, ErrorKind::ConnectionReset);
}

#[test]
fn kinds_of_errors_are_those_of_the_system() {
    let mut bench = Bench::new();
    bench.test.kernel().script(Call::Recv, Answer::Errno(errno::ETIMEDOUT));
    bench.arrive(b"x");
    assert_eq!(error_of(bench.read(10)).0, ErrorKind::TimedOut);
}

#[test]
fn the_idle_time_out_is_timed_out() {
    let mut bench = Bench::new();
    bench.stream.transport().set_timeout(Some(Duration::from_secs(5)));
    assert!(bench.read(10).is_pending());
    bench.test.pass(Duration::from_secs(5));
    assert_eq!(bench.woken().0, 1);
    let (kind, reason) = error_of(bench.read(10));
    assert_eq!(kind, ErrorKind::TimedOut);
    assert!(reason.is_some_and(|reason| reason.is_timeout()));
}

#[test]
fn an_end_that_is_ours_is_an_error_not_the_end_of_input() {
    let mut bench = Bench::new();
    bench.arrive(b"some of it");
    bench.stream.transport().lose_connection();
    bench.settle();
    assert_eq!(bench.get(100), b"some of it");
    let (kind, reason) = error_of(bench.read(10));
    assert_eq!(kind, ErrorKind::ConnectionAborted);
    assert!(reason.is_some_and(|reason| reason.is_clean()));
}

#[test]
fn a_failure_of_an_io_error_keeps_its_kind() {
    let mut bench = Bench::new();
    let error = std::io::Error::new(ErrorKind::InvalidData, "no such record");
    bench.stream.transport().fail(twistor_deferred::Failure::new(error));
    bench.settle();
    assert_eq!(error_of(bench.read(10)).0, ErrorKind::InvalidData);
}

#[test]
fn nobody_reading_closes_the_window_and_bounds_the_memory() {
    let mut bench = Bench::new();
    let sent = pattern(1_000_000);
    bench.arrive(&sent);
    let held = bench.stream.unread();
    assert!((65_536..65_536 + READ_SIZE).contains(&held), "{held}");
    assert!(bench.peer.unsent() > 700_000, "the peer waits with the rest");
    bench.settle();
    assert_eq!(bench.stream.unread(), held, "nothing more is read");

    let mut read = Vec::new();
    while read.len() < sent.len() {
        read.extend(bench.get(10_000));
        bench.settle();
        assert!(bench.stream.unread() < 65_536 + READ_SIZE);
    }
    assert_eq!(read, sent);
}

#[test]
fn the_transport_reads_again_when_half_of_the_limit_is_left() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1_000, 1_000));
    bench.stream.set_read_buffer_limit(3_000);
    assert_eq!(bench.stream.read_buffer_limit(), 3_000);
    bench.arrive(&pattern(10_000));
    assert_eq!(bench.stream.unread(), 3_000);
    bench.get(1_499);
    bench.settle();
    assert_eq!(bench.stream.unread(), 1_501);
    bench.get(1);
    bench.settle();
    assert_eq!(
        bench.stream.unread(),
        3_000 - 1 + 1_000 - 499,
        "one of 1,500, then reads of 1,000 up to the limit"
    );
}

#[test]
fn a_limit_of_nothing_is_one_byte_and_a_new_limit_counts_at_once() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(10, 10));
    bench.stream.set_read_buffer_limit(0);
    assert_eq!(bench.stream.read_buffer_limit(), 1);
    bench.arrive(&pattern(100));
    assert_eq!(bench.stream.unread(), 10);
    bench.stream.set_read_buffer_limit(40);
    bench.settle();
    assert_eq!(bench.stream.unread(), 40);
    let read: Vec<u8> = std::iter::repeat_with(|| {
        bench.settle();
        bench.get(7)
    })
    .take(20)
    .flatten()
    .take(100)
    .collect();
    assert!(pattern(100).starts_with(&read) && read.len() >= 90, "{}", read.len());
}

#[test]
fn reading_nothing_is_ready_in_every_state() {
    let mut bench = Bench::new();
    assert_eq!(bench.get(0), b"");
    bench.arrive(b"x");
    assert_eq!(bench.get(0), b"");
    assert_eq!(bench.stream.unread(), 1);
    bench.peer.reset();
    bench.settle();
    assert_eq!(bench.get(0), b"");
}

#[test]
fn lines_are_read_without_another_buffer() {
    let mut bench = Bench::new();
    bench.peer.send(b"one\ntwo\nrest");
    bench.peer.finish();
    let Bench { test, stream, .. } = &mut bench;
    let lines = block_on(test, async {
        let (mut one, mut two, mut rest) = (String::new(), String::new(), String::new());
        stream.read_line(&mut one).await.unwrap();
        stream.read_line(&mut two).await.unwrap();
        stream.read_to_string(&mut rest).await.unwrap();
        [one, two, rest]
    });
    assert_eq!(lines, ["one\n", "two\n", "rest"]);
}

#[test]
fn the_end_of_the_reactor_is_an_error() {
    let mut bench = Bench::new();
    bench.arrive(b"before");
    let Bench { test, mut stream, counts, peer, .. } = bench;
    drop(test);
    let waker = std::task::Waker::from(std::sync::Arc::clone(&counts[0]));
    let mut read = || crate::support::read_with(&mut stream, &waker, 10);
    assert!(matches!(read(), Poll::Ready(Ok(data)) if data == b"before"));
    let (kind, reason) = error_of(read());
    assert_eq!(kind, ErrorKind::ConnectionAborted);
    assert!(matches!(reason, Some(CloseReason::ReactorGone)));
    stream.set_read_buffer_limit(1);
    drop(stream);
    drop(peer);
}

#[test]
fn a_close_that_times_out_is_timed_out() {
    let mut bench = Bench::new();
    let mut limits = NetLimits::default();
    limits.close_timeout = Some(Duration::from_secs(1));
    bench.test.set_net_limits(limits);
    bench.peer.stop_reading();
    bench.fill(&pattern(1_000_000));
    bench.settle();
    bench.fill(&pattern(1_000_000));
    bench.settle();
    bench.stream.transport().lose_connection();
    assert!(bench.read(1).is_pending(), "the close is under way");
    bench.test.pass(Duration::from_secs(2));
    assert_eq!(error_of(bench.read(1)).0, ErrorKind::TimedOut);
    assert_eq!(error_of(bench.flush()).0, ErrorKind::BrokenPipe);
}
