//! Byte streams over loopback TCP: megabytes both ways, and the ends that the system makes of connections.

#![cfg(all(feature = "futures-io", feature = "mio"))]

use std::cell::Cell;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::join;
use futures::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use futures::stream::StreamExt;
use twistor_net::{ByteStream, CloseReason, ConnectError, ListeningPort, ReactorTcp, for_stream};
use twistor_reactor::{Reactor, Remote};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the sleep of the loop.
struct WakeLoop(Remote);

impl Wake for WakeLoop {
    fn wake(self: Arc<Self>) {
        let _ = self.0.call_from_thread(|_| ());
    }
}

/// Turns until `task` is done.
#[track_caller]
fn drive<F: Future>(reactor: &mut Reactor, task: F) -> F::Output {
    let waker = Waker::from(Arc::new(WakeLoop(reactor.remote())));
    let mut task = pin!(task);
    let late = Rc::new(Cell::new(false));
    let flag = Rc::clone(&late);
    let alarm = reactor.call_later(PATIENCE, move || flag.set(true));
    reactor.start().expect("a new reactor starts");
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            let _ = alarm.cancel();
            return output;
        }
        assert!(!late.get(), "the task does not come to its end");
        reactor.iterate(None).expect("the loop turns");
    }
}

/// A port, and what it accepts.
fn listen(reactor: &Reactor) -> (ListeningPort, SocketAddr, mpsc::UnboundedReceiver<ByteStream>) {
    let (sender, accepted) = mpsc::unbounded();
    let factory = for_stream(move |stream, _| sender.unbounded_send(stream).expect("the test waits"));
    let port = reactor.listen_tcp(("127.0.0.1", 0), factory).expect("loopback is there");
    let address = port.host().socket_addr().expect("a port has an address");
    (port, address, accepted)
}

/// Adds up what is written to it, in order.
#[derive(Debug, PartialEq, Eq)]
struct Checksum {
    sum: u64,
    len: usize,
}

impl Checksum {
    const fn new() -> Self {
        Self { sum: 0xcbf2_9ce4_8422_2325, len: 0 }
    }

    fn of(data: &[u8]) -> Self {
        let mut checksum = Self::new();
        checksum.add(data);
        checksum
    }

    fn add(&mut self, data: &[u8]) {
        for byte in data {
            self.sum = (self.sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.len += data.len();
    }
}

impl AsyncWrite for Checksum {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.add(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// `len` bytes without a period that buffers could hide in.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut data = Vec::with_capacity(len);
    for _ in 0..len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        data.push(state.to_be_bytes()[0]);
    }
    data
}

/// Sends `data` and closes, while it adds up what comes.
async fn exchange(stream: ByteStream, data: Vec<u8>) -> Checksum {
    let (reader, mut writer) = stream.split();
    let mut checksum = Checksum::new();
    let sending = async {
        copy(&data[..], &mut writer).await.expect("the peer reads");
        writer.close().await.expect("the peer reads to the end");
    };
    let (received, ()) = join(copy(reader, &mut checksum), sending).await;
    received.expect("the peer closes in order");
    checksum
}

#[test]
fn megabytes_go_both_ways_at_once() {
    let mut reactor = Reactor::new().expect("a reactor");
    let (_port, address, mut accepted) = listen(&reactor);
    let (there, back) = (noise(1, 8 << 20), noise(2, 5 << 20));
    let expected = (Checksum::of(&back), Checksum::of(&there));
    let connecting = ByteStream::connect(&reactor, address);
    let client = async { exchange(connecting.await.expect("somebody listens"), there).await };
    let server = async { exchange(accepted.next().await.expect("somebody comes"), back).await };
    assert_eq!(drive(&mut reactor, join(client, server)), expected);
}

#[test]
fn an_echo_is_a_copy_of_one_half_to_the_other() {
    let mut reactor = Reactor::new().expect("a reactor");
    let (_port, address, mut accepted) = listen(&reactor);
    let data = noise(3, 6 << 20);
    let expected = Checksum::of(&data);
    let connecting = ByteStream::connect(&reactor, address);
    let client = async { exchange(connecting.await.expect("somebody listens"), data).await };
    let server = async {
        let (reader, mut writer) = accepted.next().await.expect("somebody comes").split();
        let copied = copy(reader, &mut writer).await.expect("the client reads");
        writer.close().await.expect("the client reads to the end");
        copied
    };
    let (received, copied) = drive(&mut reactor, join(client, server));
    assert_eq!((received, copied), (expected, 6 << 20));
}

#[test]
fn a_dropped_stream_is_the_end_of_input_and_an_aborted_one_a_reset() {
    let mut reactor = Reactor::new().expect("a reactor");
    let (_port, address, mut accepted) = listen(&reactor);
    let handle = reactor.handle();
    let task = async {
        for abort in [false, true] {
            let mut client = ByteStream::connect(&handle, address).await.expect("somebody listens");
            let mut server = accepted.next().await.expect("somebody comes");
            server.write_all(b"farewell").await.unwrap();
            server.flush().await.unwrap();
            if abort {
                server.transport().abort_connection();
            }
            drop(server);
            let mut read = Vec::new();
            let outcome = client.read_to_end(&mut read).await;
            match outcome {
                Ok(_) => assert!(!abort && read == b"farewell"),
                Err(error) => {
                    assert!(abort);
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<CloseReason>());
                    assert_eq!(reason.and_then(CloseReason::io_kind), Some(ErrorKind::ConnectionReset));
                    let late = client.write_all(b"too late").await.unwrap_err();
                    assert_eq!(late.kind(), ErrorKind::BrokenPipe);
                }
            }
        }
    };
    drive(&mut reactor, task);
}

#[test]
fn nobody_listens() {
    let mut reactor = Reactor::new().expect("a reactor");
    let (port, address, _accepted) = listen(&reactor);
    let handle = reactor.handle();
    let task = async {
        port.stop_listening().await.expect("the port stops");
        ByteStream::connect(&handle, address).await.expect_err("nobody listens")
    };
    let failure = drive(&mut reactor, task);
    assert!(matches!(failure.downcast_ref(), Some(ConnectError::Refused(_))), "{failure}");
}
