use std::cell::RefCell;
use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::io::AsyncWrite;
use twistor_net::{CloseReason, Filter, FilterIo, ReactorTcp, for_stream};
use twistor_sim::{Call, TestReactor};

use crate::support::{Bench, address, error_of, pattern, write_with};

/// The default high-water mark, and the one byte that passes it.
const MOST: usize = 65_537;

#[test]
fn what_is_written_leaves_together_at_the_end_of_the_turn() {
    let mut bench = Bench::new();
    assert!(matches!(bench.write(b"hello "), Poll::Ready(Ok(6))));
    assert!(matches!(bench.write(b"world"), Poll::Ready(Ok(5))));
    assert_eq!(bench.peer.peek(), b"");
    bench.settle();
    assert_eq!(bench.peer.received(), b"hello world");
    assert_eq!(bench.test.kernel().count(Call::Send), 1);
}

#[test]
fn parts_are_written_together() {
    let mut bench = Bench::new();
    let parts = [IoSlice::new(b""), IoSlice::new(b"one "), IoSlice::new(b"two ")];
    let waker = Waker::noop();
    let written = Pin::new(&mut bench.stream).poll_write_vectored(&mut Context::from_waker(waker), &parts);
    assert!(matches!(written, Poll::Ready(Ok(8))), "{written:?}");
    let (half, rest) = (pattern(50_000), pattern(50_000));
    let parts = [IoSlice::new(&half), IoSlice::new(&rest)];
    let written = Pin::new(&mut bench.stream).poll_write_vectored(&mut Context::from_waker(waker), &parts);
    assert!(matches!(written, Poll::Ready(Ok(len)) if len == MOST - 8), "{written:?}");
    bench.settle();
    let expected = [&b"one two "[..], &half, &rest].concat();
    assert_eq!(bench.peer.received(), expected[..MOST].to_vec());
}

#[test]
fn a_write_takes_just_over_the_mark_and_the_next_waits() {
    let mut bench = Bench::new();
    let data = pattern(200_000);
    assert!(matches!(bench.write(&data), Poll::Ready(Ok(MOST))));
    assert!(bench.write(&data).is_pending());
    assert_eq!(bench.stream.transport().pending(), MOST);
    bench.settle();
    assert_eq!(bench.woken(), (0, 1));
    assert!(matches!(bench.write(&data[MOST..]), Poll::Ready(Ok(MOST))));
    bench.settle();
    assert_eq!(bench.peer.received(), data[..MOST * 2].to_vec());
    assert_eq!(bench.woken(), (0, 0), "nobody waited");
}

#[test]
fn a_peer_that_does_not_read_makes_the_writer_wait_with_bounded_memory() {
    let mut bench = Bench::new();
    bench.peer.stop_reading();
    let data = pattern(1_000_000);
    let mut taken = 0;
    // What the sockets' buffers hold leaves; then the writer waits.
    for _ in 0..20 {
        taken += bench.fill(&data[taken..]);
        bench.settle();
        assert!(bench.stream.transport().pending() <= MOST);
    }
    assert!(bench.stream.transport().pending() > 0);
    bench.woken();
    bench.settle();
    assert_eq!(bench.woken(), (0, 0));
    assert!(bench.write(&data[taken..]).is_pending());

    bench.peer.start_reading();
    let mut received = Vec::new();
    while taken < data.len() {
        bench.settle();
        assert_eq!(bench.woken(), (0, 1));
        loop {
            match bench.write(&data[taken..]) {
                Poll::Ready(Ok(0)) | Poll::Pending => break,
                Poll::Ready(Ok(len)) => taken += len,
                Poll::Ready(Err(error)) => panic!("{error}"),
            }
        }
        received.extend(bench.peer.received());
    }
    bench.settle();
    received.extend(bench.peer.received());
    assert_eq!(received, data);
}

#[test]
fn marks_of_ones_own_are_kept() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(100, 100));
    bench.stream.transport().set_write_buffer_limits(1_000, 500);
    bench.peer.stop_reading();
    assert!(matches!(bench.write(&pattern(5_000)), Poll::Ready(Ok(1_001))));
    bench.settle();
    assert_eq!(bench.stream.transport().pending(), 801);
    assert!(bench.write(b"x").is_pending());
    for left in [701, 601, 501] {
        assert_eq!(bench.peer.received().len(), 100);
        bench.settle();
        assert_eq!((bench.stream.transport().pending(), bench.woken()), (left, (0, 0)));
    }
    assert_eq!(bench.peer.received().len(), 100);
    bench.settle();
    assert_eq!((bench.stream.transport().pending(), bench.woken()), (401, (0, 1)));
    assert!(matches!(bench.write(&pattern(5_000)), Poll::Ready(Ok(600))));
}

#[test]
fn a_pause_that_is_over_before_it_was_told_wakes_the_writer_all_the_same() {
    let mut test = TestReactor::new();
    let count = std::sync::Arc::<crate::support::Count>::default();
    let waker = Waker::from(std::sync::Arc::clone(&count));
    let kept = Rc::new(RefCell::new(None));
    let place = Rc::clone(&kept);
    // Written in a callback: the flush follows at its end, before the notification of the pause.
    let factory = for_stream(move |mut stream, _| {
        assert!(matches!(write_with(&mut stream, &waker, &pattern(100_000)), Poll::Ready(Ok(MOST))));
        assert!(write_with(&mut stream, &waker, &pattern(100_000)).is_pending());
        *place.borrow_mut() = Some(stream);
    });
    let port = test.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let peer = test.kernel().dial(address(&port));
    test.settle();
    assert_eq!(peer.received().len(), MOST);
    assert_eq!(count.take(), 1);
    let mut stream = kept.borrow_mut().take().unwrap();
    assert!(matches!(write_with(&mut stream, Waker::noop(), b"more"), Poll::Ready(Ok(4))));
}

#[test]
fn flushing_waits_until_the_system_has_it_all() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1_000, 1_000));
    assert!(matches!(bench.flush(), Poll::Ready(Ok(()))), "there is nothing to send");
    bench.peer.stop_reading();
    assert!(matches!(bench.write(&pattern(5_000)), Poll::Ready(Ok(5_000))));
    assert!(bench.flush().is_pending());
    bench.settle();
    assert_eq!(bench.woken(), (0, 0), "3,000 bytes are still here");
    assert!(bench.flush().is_pending());
    while bench.stream.transport().pending() > 0 {
        assert_eq!(bench.woken(), (0, 0));
        assert!(!bench.peer.received().is_empty());
        bench.settle();
    }
    assert_eq!(bench.woken(), (0, 1));
    assert!(matches!(bench.flush(), Poll::Ready(Ok(()))));
}

#[test]
fn flushing_fails_if_something_was_lost() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1_000, 1_000));
    bench.peer.stop_reading();
    assert!(bench.write(&pattern(5_000)).is_ready());
    assert!(bench.flush().is_pending());
    bench.settle();
    bench.peer.reset();
    bench.settle();
    assert_eq!(bench.woken(), (0, 1));
    let (kind, reason) = error_of(bench.flush());
    assert_eq!(kind, ErrorKind::BrokenPipe);
    assert_eq!(reason.and_then(|reason| reason.io_kind()), Some(ErrorKind::ConnectionReset));
}

#[test]
fn what_an_abort_threw_away_was_not_flushed() {
    let mut bench = Bench::new();
    assert!(bench.write(b"lost").is_ready());
    bench.stream.transport().abort_connection();
    assert_eq!(error_of(bench.flush()).0, ErrorKind::BrokenPipe, "in the same turn already");
    bench.settle();
    let (kind, reason) = error_of(bench.flush());
    assert!(matches!((kind, reason), (ErrorKind::BrokenPipe, Some(CloseReason::Aborted))));
    assert_eq!(error_of(bench.read(1)).0, ErrorKind::ConnectionAborted);
}

#[test]
fn the_hard_limit_ends_the_connection() {
    let mut bench = Bench::new();
    bench.stream.transport().set_max_write_buffer(Some(10));
    assert!(bench.write(&pattern(11)).is_ready());
    let (kind, reason) = error_of(bench.flush());
    assert!(matches!((kind, reason), (ErrorKind::BrokenPipe, Some(CloseReason::WriteBufferFull(10)))));
}

#[test]
fn writing_nothing_is_ready_in_every_state() {
    let mut bench = Bench::new();
    assert!(matches!(bench.write(b""), Poll::Ready(Ok(0))));
    bench.fill(&pattern(100_000));
    assert!(matches!(bench.write(b""), Poll::Ready(Ok(0))));
    bench.peer.reset();
    bench.settle();
    assert!(matches!(bench.write(b""), Poll::Ready(Ok(0))));
}

#[test]
fn a_write_after_the_loss_is_a_broken_pipe() {
    let mut bench = Bench::new();
    bench.fill(&pattern(100_000));
    bench.peer.reset();
    bench.settle();
    assert_eq!(bench.woken().1, 1, "who waited hears of it");
    for _ in 0..2 {
        let (kind, reason) = error_of(bench.write(b"x"));
        assert_eq!(kind, ErrorKind::BrokenPipe);
        assert!(matches!(reason, Some(CloseReason::Lost(_))), "{reason:?}");
    }
}

/// Sends blocks of four bytes, and the rest with the close.
#[derive(Default)]
struct Blocks(Vec<u8>);

impl Filter for Blocks {
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.0.extend_from_slice(data);
        let rest = self.0.split_off(self.0.len() / 4 * 4);
        io.send(&self.0);
        self.0 = rest;
    }

    fn closing(&mut self, io: &mut FilterIo) {
        io.send(&self.0);
        self.0.clear();
    }

    fn pending(&self) -> usize {
        self.0.len()
    }
}

#[test]
fn what_a_filter_holds_back_is_waited_for_by_the_close_alone() {
    let mut bench = Bench::new();
    bench.stream.transport().push_filter(Blocks::default(), b"");
    bench.settle();
    assert!(bench.write(b"1234567").is_ready());
    assert!(bench.flush().is_pending());
    bench.settle();
    assert_eq!(bench.woken(), (0, 1));
    assert!(matches!(bench.flush(), Poll::Ready(Ok(()))));
    assert_eq!(bench.peer.received(), b"1234");
    assert!(bench.close().is_pending());
    bench.settle();
    assert!(matches!(bench.close(), Poll::Ready(Ok(()))));
    assert_eq!(bench.peer.received(), b"567");
    assert!(bench.peer.is_finished());
}
