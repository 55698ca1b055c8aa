use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use twistor_net::ByteStream;

use crate::support::{Bench, Count, pattern, read_with, write_with};

#[test]
fn a_task_is_woken_once_a_change_and_only_if_it_waits() {
    let mut bench = Bench::new();
    bench.arrive(b"nobody waits");
    assert_eq!(bench.woken(), (0, 0));
    bench.get(100);
    for _ in 0..3 {
        assert!(bench.read(1).is_pending());
    }
    bench.arrive(b"one");
    bench.arrive(b"two");
    assert_eq!(bench.woken(), (1, 0), "it has not come back yet");
    bench.get(100);
    assert!(bench.read(1).is_pending());
    bench.arrive(b"three");
    assert_eq!(bench.woken(), (1, 0));
}

#[test]
fn the_last_waker_counts() {
    let mut bench = Bench::new();
    let counts: Vec<Arc<Count>> = (0..3).map(|_| Arc::default()).collect();
    for count in &counts {
        assert!(read_with(&mut bench.stream, &Waker::from(Arc::clone(count)), 1).is_pending());
    }
    assert_eq!(Arc::strong_count(&counts[0]), 1, "a waker that was replaced is let go of");
    bench.arrive(b"x");
    assert_eq!(counts.iter().map(|count| count.take()).collect::<Vec<_>>(), [0, 0, 1]);

    bench.fill(&pattern(200_000));
    for count in &counts {
        assert!(write_with(&mut bench.stream, &Waker::from(Arc::clone(count)), b"x").is_pending());
    }
    bench.settle();
    assert_eq!(counts.iter().map(|count| count.take()).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn both_halves_wait_for_themselves() {
    let Bench { mut test, peer, stream, .. } = Bench::new();
    let (mut reader, mut writer) = stream.split();
    let counts: [Arc<Count>; 2] = Default::default();
    let wakers = counts.clone().map(Waker::from);
    let mut buffer = [0; 10];
    let read = |reader: &mut futures::io::ReadHalf<ByteStream>, buffer: &mut [u8]| {
        Pin::new(reader).poll_read(&mut Context::from_waker(&wakers[0]), buffer)
    };
    assert!(read(&mut reader, &mut buffer).is_pending());
    let data = pattern(200_000);
    let write = |writer: &mut futures::io::WriteHalf<ByteStream>| {
        Pin::new(writer).poll_write(&mut Context::from_waker(&wakers[1]), &data)
    };
    assert!(write(&mut writer).is_ready());
    assert!(write(&mut writer).is_pending());

    test.settle();
    assert_eq!((counts[0].take(), counts[1].take()), (0, 1), "there is room again");
    assert!(write(&mut writer).is_ready());
    assert!(write(&mut writer).is_pending());
    peer.stop_reading();
    test.settle();
    counts[1].take();
    while write(&mut writer).is_ready() {
        test.settle();
        counts[1].take();
    }
    peer.send(b"x");
    test.settle();
    assert_eq!((counts[0].take(), counts[1].take()), (1, 0), "something came");
    assert!(matches!(read(&mut reader, &mut buffer), Poll::Ready(Ok(1))));

    assert!(read(&mut reader, &mut buffer).is_pending());
    peer.reset();
    test.settle();
    assert_eq!((counts[0].take(), counts[1].take()), (1, 1), "the loss is for both");
}

#[test]
fn wakers_are_let_go_of_with_the_stream() {
    let mut bench = Bench::new();
    assert!(bench.read(1).is_pending());
    bench.fill(&pattern(200_000));
    let Bench { stream, counts, test: _test, peer: _peer, .. } = bench;
    assert_eq!((Arc::strong_count(&counts[0]), Arc::strong_count(&counts[1])), (2, 2));
    drop(stream);
    assert_eq!((Arc::strong_count(&counts[0]), Arc::strong_count(&counts[1])), (1, 1));
}

/// A task whose waker panics whenever it is touched.
struct Rude;

impl Wake for Rude {
    fn wake(self: Arc<Self>) {
        panic!("injected: woken");
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("injected: dropped");
        }
    }
}

#[test]
fn wakers_that_panic_harm_nobody() {
    let mut bench = Bench::new();
    let rude = || Waker::from(Arc::new(Rude));
    // Woken.
    assert!(wait_with(&mut bench.stream, rude()));
    bench.arrive(b"x");
    assert_eq!(bench.get(10), b"x");
    // Replaced.
    assert!(wait_with(&mut bench.stream, rude()));
    assert!(bench.read(1).is_pending());
    bench.arrive(b"y");
    assert_eq!(bench.woken(), (1, 0));
    assert_eq!(bench.get(10), b"y");
    // Dropped with the stream.
    assert!(wait_with(&mut bench.stream, rude()));
    let Bench { mut test, peer, stream, .. } = bench;
    drop(stream);
    test.settle();
    assert!(peer.is_finished());
}

/// Leaves `waker` with the stream alone, and says whether it has to wait.
fn wait_with(stream: &mut ByteStream, waker: Waker) -> bool {
    let pending = read_with(stream, &waker, 1).is_pending();
    drop(waker);
    pending
}

thread_local! {
    /// A task that is polled inside of `wake`: what no executor should do, and some do.
    static INLINE: RefCell<Option<ByteStream>> = const { RefCell::new(None) };
}

/// Echoes what there is, as soon as it is woken.
struct InlineEcho(AtomicUsize);

impl Wake for InlineEcho {
    fn wake(self: Arc<Self>) {
        let Some(mut stream) = INLINE.take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        let mut cx = Context::from_waker(&waker);
        let mut buffer = [0; 1_000];
        loop {
            match Pin::new(&mut stream).poll_read(&mut cx, &mut buffer) {
                Poll::Ready(Ok(0)) => return drop(stream), // Drops the stream inside the callback.
                Poll::Ready(Ok(len)) => {
                    let _ = Pin::new(&mut stream).poll_write(&mut cx, &buffer[..len]);
                    self.0.fetch_add(len, Ordering::Relaxed);
                }
                Poll::Ready(Err(error)) => panic!("reading failed: {error}"),
                Poll::Pending => break,
            }
        }
        INLINE.set(Some(stream));
    }
}

#[test]
fn a_waker_may_use_and_drop_the_stream_at_once() {
    let Bench { mut test, peer, stream, .. } = Bench::new();
    INLINE.set(Some(stream));
    let echo = Arc::new(InlineEcho(AtomicUsize::new(0)));
    Waker::from(Arc::clone(&echo)).wake();
    for piece in pattern(5_000).chunks(700) {
        peer.send(piece);
        test.settle();
    }
    assert_eq!(peer.received(), pattern(5_000));
    peer.finish();
    test.settle();
    assert!(INLINE.take().is_none() && peer.is_finished());
    assert_eq!(test.kernel().open_sockets(), 0);
}

thread_local! {
    static WRITER: RefCell<Option<(ByteStream, usize)>> = const { RefCell::new(None) };
}

/// Writes as soon as there is room.
struct InlineWriter;

impl Wake for InlineWriter {
    fn wake(self: Arc<Self>) {
        let Some((mut stream, mut left)) = WRITER.take() else { return };
        let waker = Waker::from(Arc::clone(&self));
        while left > 0 {
            match write_with(&mut stream, &waker, &vec![7; left.min(1_000)]) {
                Poll::Ready(Ok(len)) => left -= len,
                Poll::Ready(Err(error)) => panic!("writing failed: {error}"),
                Poll::Pending => break,
            }
        }
        WRITER.set(Some((stream, left)));
    }
}

#[test]
fn a_writer_that_is_polled_at_once_does_not_deepen_the_stack() {
    const TOTAL: usize = 3_000_000;
    let Bench { mut test, peer, stream, .. } = Bench::new();
    stream.transport().set_write_buffer_limits(100, 0);
    WRITER.set(Some((stream, TOTAL)));
    Waker::from(Arc::new(InlineWriter)).wake();
    let mut received = 0;
    for _ in 0..100_000 {
        test.iterate(Some(std::time::Duration::ZERO)).unwrap();
        received += peer.received().len();
        if received == TOTAL {
            break;
        }
    }
    assert_eq!(received, TOTAL);
    WRITER.take();
}
