//! One stream, its peer in the test's hand, and tasks that are polled by hand.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::io::{AsyncRead, AsyncWrite};
use twistor_net::{ByteStream, CloseReason, ListeningPort, ReactorTcp, for_stream};
use twistor_sim::{Peer, ScriptedKernel, TestReactor};

/// The streams that a server was given.
pub(crate) type Streams = Rc<RefCell<Vec<ByteStream>>>;

/// An accepted connection.
pub(crate) struct Bench {
    pub(crate) test: TestReactor,
    pub(crate) peer: Peer,
    pub(crate) stream: ByteStream,
    pub(crate) port: ListeningPort,
    /// For the reader and the writer.
    pub(crate) counts: [Arc<Count>; 2],
}

/// How often a task was woken.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    /// How often since the last question.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

pub(crate) fn address(port: &ListeningPort) -> SocketAddr {
    port.host().socket_addr().expect("a port has an address")
}

/// A port whose streams are kept.
pub(crate) fn listen(test: &TestReactor) -> (ListeningPort, Streams) {
    let streams = Streams::default();
    let kept = Rc::clone(&streams);
    let factory = for_stream(move |stream, _| kept.borrow_mut().push(stream));
    (test.listen_tcp(("127.0.0.1", 0), factory).expect("the address is free"), streams)
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With a kernel that is set up first.
    pub(crate) fn with(prepare: impl FnOnce(&ScriptedKernel)) -> Self {
        let mut test = TestReactor::new();
        prepare(test.kernel());
        let (port, streams) = listen(&test);
        let peer = test.kernel().dial(address(&port));
        test.settle();
        let stream = streams.borrow_mut().pop().expect("the closure was given a stream");
        Self { test, peer, stream, port, counts: Default::default() }
    }

    /// Lets everything happen that can. A moment passes: what a peer sends in answer to a read is an event of the next wait.
    pub(crate) fn settle(&mut self) {
        self.test.pass(Duration::from_micros(1));
    }

    /// Bytes from the peer.
    pub(crate) fn arrive(&mut self, data: &[u8]) {
        self.peer.send(data);
        self.settle();
    }

    /// One read of at most `most` bytes.
    pub(crate) fn read(&mut self, most: usize) -> Poll<io::Result<Vec<u8>>> {
        read_with(&mut self.stream, &Waker::from(Arc::clone(&self.counts[0])), most)
    }

    /// As [`read`](Self::read), which must not fail or wait.
    #[track_caller]
    pub(crate) fn get(&mut self, most: usize) -> Vec<u8> {
        match self.read(most) {
            Poll::Ready(Ok(data)) => data,
            other => panic!("there was something to read, or the end: {other:?}"),
        }
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Poll<io::Result<usize>> {
        write_with(&mut self.stream, &Waker::from(Arc::clone(&self.counts[1])), data)
    }

    pub(crate) fn flush(&mut self) -> Poll<io::Result<()>> {
        let waker = Waker::from(Arc::clone(&self.counts[1]));
        Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(&waker))
    }

    pub(crate) fn close(&mut self) -> Poll<io::Result<()>> {
        let waker = Waker::from(Arc::clone(&self.counts[1]));
        Pin::new(&mut self.stream).poll_close(&mut Context::from_waker(&waker))
    }

    /// How often the reader and the writer were woken since the last question.
    pub(crate) fn woken(&self) -> (usize, usize) {
        (self.counts[0].take(), self.counts[1].take())
    }

    /// Writes until it has to wait; how many bytes that were.
    #[track_caller]
    pub(crate) fn fill(&mut self, data: &[u8]) -> usize {
        let mut taken = 0;
        while taken < data.len() {
            match self.write(&data[taken..]) {
                Poll::Ready(Ok(len)) => taken += len,
                Poll::Pending => return taken,
                Poll::Ready(Err(error)) => panic!("writing failed: {error}"),
            }
        }
        panic!("{taken} bytes were taken without a pause");
    }
}

pub(crate) fn read_with(stream: &mut ByteStream, waker: &Waker, most: usize) -> Poll<io::Result<Vec<u8>>> {
    let mut buffer = vec![0; most];
    let answer = Pin::new(stream).poll_read(&mut Context::from_waker(waker), &mut buffer);
    answer.map_ok(|len| buffer[..len].to_vec())
}

pub(crate) fn write_with(stream: &mut ByteStream, waker: &Waker, data: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_write(&mut Context::from_waker(waker), data)
}

/// Polls `future` once.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `future` between turns until it is done.
#[track_caller]
pub(crate) fn block_on<F: Future>(test: &mut TestReactor, future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        test.settle();
    }
    panic!("the future never comes to its end");
}

/// The error, with its kind and the reason inside.
#[track_caller]
pub(crate) fn error_of<T: std::fmt::Debug>(
    answer: Poll<io::Result<T>>,
) -> (io::ErrorKind, Option<CloseReason>) {
    match answer {
        Poll::Ready(Err(error)) => {
            (error.kind(), error.get_ref().and_then(|inner| inner.downcast_ref().cloned()))
        }
        other => panic!("an error was expected: {other:?}"),
    }
}

/// `len` bytes that are all different enough to be told apart.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("less than 256")).collect()
}
