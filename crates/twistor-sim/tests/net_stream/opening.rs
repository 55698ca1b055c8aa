use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::io::AsyncReadExt;
use twistor_net::{
    ByteStream, CloseReason, ConnectError, Protocol, ReactorTcp, Shared, TcpClientOptions, Transport,
    for_protocol, for_stream,
};
use twistor_sim::TestReactor;

use crate::support::{
    Bench, Streams, address, block_on, error_of, pattern, poll_once, read_with, write_with,
};

const FAR: ([u8; 4], u16) = ([198, 51, 100, 7], 443);

#[test]
fn a_stream_connects() {
    let mut test = TestReactor::new();
    let server = test.kernel().expect_connect(FAR.into());
    let connecting = ByteStream::connect(&test, ("198.51.100.7", 443));
    let mut stream = block_on(&mut test, connecting).unwrap();
    let peer = server.accept().expect("it has connected");
    assert_eq!(stream.transport().peer().socket_addr(), Some(FAR.into()));
    peer.send(b"welcome");
    test.settle();
    let read = read_with(&mut stream, Waker::noop(), 100);
    assert!(matches!(read, Poll::Ready(Ok(data)) if data == b"welcome"));
    assert!(format!("{stream:?}").starts_with("ByteStream("), "{stream:?}");
}

#[test]
fn a_connect_that_fails_is_the_connect_error() {
    let mut test = TestReactor::new();
    let connecting = ByteStream::connect(&test, ("198.51.100.7", 443));
    let failure = block_on(&mut test, connecting).unwrap_err();
    assert!(matches!(failure.downcast_ref(), Some(ConnectError::Refused(_))), "{failure}");
}

#[test]
fn a_connect_keeps_its_deadline() {
    let mut test = TestReactor::new();
    test.kernel().black_hole(FAR.into());
    let options = TcpClientOptions::new().timeout(Some(Duration::from_secs(3)));
    let connecting = ByteStream::connect_with(&test, ("198.51.100.7", 443), options);
    test.pass(Duration::from_secs(3));
    let failure = connecting.try_take().expect("the deadline has passed").unwrap_err();
    assert!(matches!(failure.downcast_ref(), Some(ConnectError::TimedOut(_))), "{failure}");
}

#[test]
fn cancelling_stops_connecting() {
    let mut test = TestReactor::new();
    let before = test.stats().sources;
    test.kernel().black_hole(FAR.into());
    let connecting = ByteStream::connect(&test, ("198.51.100.7", 443));
    test.settle();
    assert_eq!(test.kernel().open_sockets(), 1);
    connecting.cancel();
    test.settle();
    assert_eq!((test.kernel().open_sockets(), test.stats().sources), (0, before));
    assert!(connecting.try_take().expect("it has failed").unwrap_err().is_cancelled());
}

#[test]
fn a_stream_nobody_waits_for_is_closed_as_soon_as_it_stands() {
    let mut test = TestReactor::new();
    let server = test.kernel().expect_connect(FAR.into());
    drop(ByteStream::connect(&test, ("198.51.100.7", 443)));
    test.settle();
    let peer = server.accept().expect("dropping a Deferred cancels nothing");
    assert!(peer.is_finished() && !peer.was_reset());
}

#[test]
fn the_closure_is_given_the_peer_and_serves_connectors_too() {
    let mut test = TestReactor::new();
    let server = test.kernel().expect_connect(FAR.into());
    let streams = Streams::default();
    let kept = Rc::clone(&streams);
    test.connect_tcp(
        ("198.51.100.7", 443),
        for_stream(move |stream, peer| {
            assert_eq!(peer.socket_addr(), Some(FAR.into()));
            kept.borrow_mut().push(stream);
        }),
    );
    test.settle();
    assert!(server.accept().is_some());
    assert_eq!(streams.borrow().len(), 1);
}

#[test]
fn a_closure_that_drops_the_stream_closes_the_connection() {
    let mut test = TestReactor::new();
    let port = test.listen_tcp(("127.0.0.1", 0), for_stream(|stream, _| drop(stream))).unwrap();
    let peer = test.kernel().dial(address(&port));
    test.settle();
    assert!(peer.is_finished() && !peer.was_reset());
    assert_eq!(test.stats().connections, 0);
}

#[test]
fn a_closure_that_panics_ends_its_connection_alone() {
    let mut test = TestReactor::new();
    let streams = Streams::default();
    let kept = Rc::clone(&streams);
    let factory = for_stream(move |stream, _| {
        kept.borrow_mut().push(stream);
        assert_ne!(kept.borrow().len(), 2, "injected");
    });
    let port = test.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let peers: Vec<_> = (0..3).map(|_| test.kernel().dial(address(&port))).collect();
    test.settle();
    let ended: Vec<bool> = peers.iter().map(|peer| peer.is_finished()).collect();
    assert_eq!(ended, [false, true, false]);
    let mut streams = streams.borrow_mut();
    let (kind, reason) = error_of(read_with(&mut streams[1], Waker::noop(), 1));
    assert_eq!(kind, ErrorKind::ConnectionAborted);
    assert!(matches!(reason, Some(CloseReason::Panicked(_))), "{reason:?}");
    assert!(write_with(&mut streams[2], Waker::noop(), b"x").is_ready());
}

#[test]
fn a_closure_is_not_called_inside_itself() {
    let (mut outer, inner) = (TestReactor::new(), TestReactor::new());
    let (streams, place) = (Streams::default(), Rc::new(RefCell::new(None)));
    let (kept, driven) = (Rc::clone(&streams), Rc::<RefCell<Option<TestReactor>>>::clone(&place));
    let factory = Shared::new(for_stream(move |stream, _| {
        kept.borrow_mut().push(stream);
        if let Some(inner) = driven.borrow_mut().as_mut() {
            inner.settle();
        }
    }));
    let port = inner.listen_tcp(("127.0.0.1", 0), factory.clone()).unwrap();
    let unseen = inner.kernel().dial(address(&port));
    *place.borrow_mut() = Some(inner);
    let port = outer.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let seen = outer.kernel().dial(address(&port));
    outer.settle();
    assert_eq!(streams.borrow().len(), 1);
    assert!(!seen.is_finished());
    assert!(unseen.is_finished() && !unseen.was_reset(), "its stream was dropped");
}

// -- From callbacks to async code. --

/// Waits for a line, pauses its transport if it is told to, and hands the rest on.
struct Handshake {
    received: Vec<u8>,
    pauses: bool,
    then: Box<dyn FnMut(ByteStream)>,
    dropped: Rc<RefCell<Vec<&'static str>>>,
}

impl Protocol for Handshake {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.received.extend_from_slice(data);
        if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
            transport.write(b"ok\n");
            if self.pauses {
                transport.pause_producing();
            }
            (self.then)(transport.switch_to_stream(&self.received[end + 1..]));
        }
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        self.dropped.borrow_mut().push("lost");
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push("dropped");
    }
}

/// A server of handshakes, and a client of it.
struct Switching {
    test: TestReactor,
    peer: twistor_sim::Peer,
    streams: Streams,
    dropped: Rc<RefCell<Vec<&'static str>>>,
}

fn switching(pauses: bool, at_once: fn(&mut ByteStream)) -> Switching {
    let mut test = TestReactor::new();
    let (streams, dropped) = (Streams::default(), Rc::<RefCell<Vec<_>>>::default());
    let (kept, log) = (Rc::clone(&streams), Rc::clone(&dropped));
    let factory = for_protocol(move |_| {
        let kept = Rc::clone(&kept);
        let then = Box::new(move |mut stream| {
            at_once(&mut stream);
            kept.borrow_mut().push(stream);
        });
        Handshake { received: Vec::new(), pauses, then, dropped: Rc::clone(&log) }
    });
    let port = test.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    let peer = test.kernel().dial(address(&port));
    test.settle();
    Switching { test, peer, streams, dropped }
}

#[test]
fn a_switch_gives_what_was_unread_first() {
    let mut it = switching(false, |stream| {
        let read = read_with(stream, Waker::noop(), 2);
        assert!(matches!(read, Poll::Ready(Ok(data)) if data == b"re"), "at once, if somebody asks");
        assert!(write_with(stream, Waker::noop(), b"written inside").is_ready());
    });
    it.peer.send(b"hello\nrest");
    it.test.settle();
    assert_eq!(it.dropped.take(), ["dropped"], "without connection_lost");
    it.peer.send(b" and more");
    it.peer.finish();
    let mut stream = it.streams.borrow_mut().pop().expect("the line came");
    let mut text = String::new();
    block_on(&mut it.test, stream.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "st and more");
    assert_eq!(it.peer.received(), b"ok\nwritten inside");
}

#[test]
fn a_switch_reads_on_where_the_protocol_had_paused() {
    let mut it = switching(true, |_| ());
    it.peer.send(b"hello\n");
    it.test.settle();
    it.peer.send(b"more");
    it.test.settle();
    assert_eq!(it.streams.borrow()[0].unread(), 4);
}

#[test]
fn more_unread_than_the_limit_pauses_the_transport() {
    let mut it = switching(false, |stream| stream.set_read_buffer_limit(10));
    it.peer.send(&[b"hello\n", &pattern(20)[..]].concat());
    it.test.settle();
    it.peer.send(b"more");
    it.test.settle();
    let mut streams = it.streams.borrow_mut();
    assert_eq!(streams[0].unread(), 20);
    assert!(read_with(&mut streams[0], Waker::noop(), 15).is_ready());
    it.test.settle();
    assert_eq!(streams[0].unread(), 5 + 4);
}

#[test]
fn a_stream_dropped_before_the_switch_is_done_closes_the_connection() {
    let mut it = switching(false, |_| ());
    it.peer.send(b"hello\n");
    let kept = Rc::clone(&it.streams);
    it.test.settle();
    kept.borrow_mut().clear();
    it.test.settle();
    assert!(it.peer.is_finished() && !it.peer.was_reset());

    let mut test = TestReactor::new();
    struct Unwanted;
    impl Protocol for Unwanted {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(b"bye");
            drop(transport.switch_to_stream(b"unread"));
        }
    }
    let port = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Unwanted)).unwrap();
    let peer = test.kernel().dial(address(&port));
    test.settle();
    assert_eq!(peer.received(), b"bye");
    assert!(peer.is_finished() && !peer.was_reset());
}

#[test]
fn a_switch_on_a_connection_that_is_ending_gives_the_unread_and_the_reason() {
    let mut it = switching(false, |_| ());
    it.peer.send(b"hello\nrest");
    it.test.settle();
    let former = it.streams.borrow_mut().pop().unwrap();
    former.transport().abort_connection();
    let mut stream = former.transport().switch_to_stream(b"rest");
    it.test.settle();
    let read = read_with(&mut stream, Waker::noop(), 10);
    assert!(matches!(read, Poll::Ready(Ok(data)) if data == b"rest"));
    let (kind, reason) = error_of(read_with(&mut stream, Waker::noop(), 10));
    assert!(matches!((kind, reason), (ErrorKind::ConnectionAborted, Some(CloseReason::Aborted))));
    assert_eq!(error_of(write_with(&mut stream, Waker::noop(), b"x")).0, ErrorKind::BrokenPipe);
}

/// Takes a connection from a stream, and echoes.
struct Next;

impl Protocol for Next {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }
}

#[test]
fn a_stream_whose_connection_was_given_away_does_not_resume_it() {
    let mut bench = Bench::new();
    bench.stream.set_read_buffer_limit(1);
    bench.arrive(b"ab");
    bench.stream.transport().switch_protocol(Next, b"");
    bench.settle();
    assert_eq!(bench.get(10), b"ab", "what had arrived is the stream's");
    bench.arrive(b"cd");
    assert_eq!(bench.peer.received(), b"", "paused as the stream left it");
    bench.stream.transport().resume_producing();
    bench.settle();
    assert_eq!(bench.peer.received(), b"cd");
}

#[test]
fn a_stream_whose_connection_was_given_away_leaves_it_alone() {
    let mut bench = Bench::new();
    assert!(bench.read(1).is_pending());
    bench.stream.transport().switch_protocol(Next, b"");
    bench.settle();
    assert_eq!(bench.woken().0, 1);
    assert_eq!(error_of(bench.read(1)).0, ErrorKind::NotConnected);
    assert_eq!(error_of(bench.write(b"x")).0, ErrorKind::NotConnected);
    assert_eq!(error_of(bench.flush()).0, ErrorKind::NotConnected);
    assert_eq!(error_of(bench.close()).0, ErrorKind::NotConnected);
    bench.stream.set_read_buffer_limit(1);
    let Bench { mut test, peer, stream, .. } = bench;
    drop(stream);
    peer.send(b"still here");
    test.settle();
    assert_eq!(peer.received(), b"still here");
    assert!(!peer.is_finished());
}

#[test]
fn a_future_that_is_polled_once_and_dropped_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let mut buffer = [0; 4];
    assert!(poll_once(bench.stream.read(&mut buffer)).is_pending());
    bench.arrive(b"data");
    assert_eq!(bench.get(10), b"data", "nothing was taken by a read that was given up");
}
