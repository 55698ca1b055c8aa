use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use crate::support::{Bench, error_of, pattern};

#[test]
fn closing_sends_everything_then_the_fin_and_reading_goes_on() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1_000, 1_000));
    bench.peer.stop_reading();
    assert!(bench.write(&pattern(5_000)).is_ready());
    assert!(bench.close().is_pending());
    bench.settle();
    assert!(bench.close().is_pending(), "the peer takes nothing");
    assert!(!bench.peer.is_finished());
    bench.peer.start_reading();
    bench.settle();
    assert_eq!(bench.woken(), (0, 1));
    assert!(matches!(bench.close(), Poll::Ready(Ok(()))));
    assert!(matches!(bench.close(), Poll::Ready(Ok(()))), "twice is once");
    assert!(matches!(bench.flush(), Poll::Ready(Ok(()))));
    assert!(bench.peer.is_finished());
    assert_eq!(bench.peer.received(), pattern(5_000));
    assert_eq!(error_of(bench.write(b"x")).0, ErrorKind::BrokenPipe);

    bench.arrive(b"the answer");
    assert_eq!(bench.get(100), b"the answer");
    assert!(bench.read(1).is_pending());
    bench.peer.finish();
    bench.settle();
    assert_eq!(bench.get(100), b"");
    assert!(bench.stream.close_reason().is_some_and(|reason| reason.is_clean()));
    assert!(matches!(bench.close(), Poll::Ready(Ok(()))));
}

#[test]
fn writing_goes_on_after_the_peers_fin() {
    let mut bench = Bench::new();
    bench.peer.send(b"question");
    bench.peer.finish();
    bench.settle();
    assert_eq!(bench.get(100), b"question");
    assert_eq!(bench.get(100), b"");
    for _ in 0..3 {
        assert!(matches!(bench.write(b"answer "), Poll::Ready(Ok(7))));
        bench.settle();
    }
    assert!(!bench.peer.is_finished());
    assert!(bench.close().is_pending());
    bench.settle();
    assert!(matches!(bench.close(), Poll::Ready(Ok(()))));
    assert_eq!(bench.peer.received(), b"answer answer answer ");
    assert!(bench.peer.is_finished() && !bench.peer.was_reset());
    assert!(bench.stream.close_reason().is_some_and(|reason| reason.is_clean()));
    assert_eq!(bench.test.kernel().open_sockets(), 0);
}

#[test]
fn a_close_that_a_reset_cuts_short_fails() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1_000, 1_000));
    bench.peer.stop_reading();
    assert!(bench.write(&pattern(5_000)).is_ready());
    assert!(bench.close().is_pending());
    bench.settle();
    bench.peer.reset();
    bench.settle();
    assert_eq!(bench.woken().1, 1);
    assert_eq!(error_of(bench.close()).0, ErrorKind::BrokenPipe);
}

#[test]
fn a_close_that_is_done_stays_done_after_a_reset() {
    let mut bench = Bench::new();
    assert!(bench.close().is_pending());
    bench.settle();
    bench.peer.reset();
    bench.settle();
    assert!(matches!(bench.close(), Poll::Ready(Ok(()))));
    assert_eq!(error_of(bench.read(1)).0, ErrorKind::ConnectionReset);
}

#[test]
fn a_dropped_stream_sends_what_was_written_and_closes() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1_000, 1_000));
    bench.peer.stop_reading();
    assert!(bench.write(&pattern(5_000)).is_ready());
    let Bench { mut test, peer, stream, .. } = bench;
    drop(stream);
    test.settle();
    assert!(!peer.is_finished(), "the peer takes its time");
    peer.start_reading();
    test.settle();
    assert_eq!(peer.received(), pattern(5_000));
    assert!(peer.is_finished() && !peer.was_reset());
    assert_eq!(test.stats().connections, 0);
    peer.finish();
    test.settle();
    assert_eq!(test.kernel().open_sockets(), 0);
}

#[test]
fn a_dropped_stream_with_input_unread_does_not_reset_the_peer() {
    let mut bench = Bench::new();
    bench.arrive(&pattern(500_000));
    assert!(bench.peer.unsent() > 0);
    assert!(bench.write(b"the tail").is_ready());
    let Bench { mut test, peer, stream, .. } = bench;
    drop(stream);
    test.settle();
    assert_eq!(peer.received(), b"the tail");
    assert!(peer.is_finished() && !peer.was_reset());
    assert_eq!(peer.unsent(), 0, "what still came was read and thrown away");
    test.pass(Duration::from_secs(2));
    assert_eq!(test.kernel().open_sockets(), 0, "for the time of lingering");
}

#[test]
fn a_stream_dropped_after_an_abort_is_a_reset() {
    let Bench { mut test, peer, stream, .. } = Bench::new();
    stream.transport().abort_connection();
    drop(stream);
    test.settle();
    assert!(peer.was_reset());
}

#[test]
fn a_stream_dropped_after_its_close_lets_go_of_the_peer() {
    let mut bench = Bench::new();
    assert!(bench.close().is_pending());
    bench.settle();
    let Bench { mut test, peer, stream, .. } = bench;
    drop(stream);
    test.settle();
    assert_eq!(test.stats().connections, 0);
    assert!(!peer.was_reset());
}

#[test]
fn a_drain_ends_the_input_with_an_error_and_lets_the_answer_finish() {
    let mut bench = Bench::new();
    bench.arrive(b"request");
    let drained = bench.port.drain(Duration::from_secs(10));
    bench.settle();
    bench.arrive(b"one more");
    assert_eq!(bench.get(100), b"request");
    let (kind, reason) = error_of(bench.read(100));
    assert_eq!(kind, ErrorKind::ConnectionAborted);
    assert!(reason.is_none() && bench.stream.close_reason().is_none(), "the connection stands");
    assert!(matches!(bench.write(b"answer"), Poll::Ready(Ok(6))));
    let Bench { mut test, peer, stream, .. } = bench;
    drop(stream);
    test.settle();
    assert_eq!(peer.received(), b"answer");
    assert!(peer.is_finished() && !peer.was_reset());
    let report = drained.try_take().expect("the drain has ended").unwrap();
    assert_eq!((report.closed, report.aborted), (1, 0));
}

#[test]
fn a_drain_wakes_the_reader_and_cuts_off_who_stays() {
    let mut bench = Bench::new();
    assert!(bench.read(1).is_pending());
    let drained = bench.port.drain(Duration::from_secs(10));
    bench.settle();
    assert_eq!(bench.woken(), (1, 0));
    bench.test.pass(Duration::from_secs(10));
    assert_eq!(drained.try_take().expect("the drain has ended").unwrap().aborted, 1);
    assert_eq!(error_of(bench.write(b"x")).0, ErrorKind::BrokenPipe);
    assert!(bench.peer.was_reset());
}

#[test]
fn a_drain_is_no_matter_to_input_that_has_ended() {
    let mut bench = Bench::new();
    bench.peer.finish();
    bench.settle();
    let _drained = bench.port.drain(Duration::from_secs(10));
    bench.settle();
    assert_eq!(bench.get(1), b"");
}
