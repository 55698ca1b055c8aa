//! Two streams that talk to each other: what is read is what was written, however it is cut.

use std::cell::Cell;
use std::rc::Rc;

use futures::executor::LocalPool;
use futures::future::join;
use futures::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use futures::task::LocalSpawnExt;
use proptest::collection::vec;
use proptest::prelude::*;
use twistor_net::ByteStream;
use twistor_sim::{Answer, Call, TestReactor};

use crate::support::{address, block_on, listen};

/// What one end does: sizes of its writes (a flush after each that is even) and of its reads (taken in turn).
#[derive(Clone, Debug)]
struct End {
    writes: Vec<usize>,
    reads: Vec<usize>,
    limit: usize,
    marks: (usize, usize),
}

fn end() -> impl Strategy<Value = End> {
    let sizes = |most: usize| prop_oneof![0..10_usize, 0..1_000_usize, 0..most];
    (
        vec(sizes(200_000), 0..12),
        vec(sizes(100_000), 1..8),
        sizes(100_000),
        (0..100_000_usize, 0..100_000_usize),
    )
        .prop_map(|(writes, reads, limit, marks)| End { writes, reads, limit, marks })
}

/// The bytes of the end `name`.
fn bytes(name: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap_or_default() ^ name).collect()
}

async fn write_all(
    mut half: WriteHalf<ByteStream>,
    data: Vec<u8>,
    writes: Vec<usize>,
) -> WriteHalf<ByteStream> {
    let mut at = 0;
    for len in writes {
        half.write_all(&data[at..at + len]).await.expect("the peer reads");
        at += len;
        if len % 2 == 0 {
            half.flush().await.expect("the peer reads");
        }
    }
    half.close().await.expect("the peer reads to the end");
    half
}

async fn read_all(mut half: ReadHalf<ByteStream>, reads: Vec<usize>) -> (ReadHalf<ByteStream>, Vec<u8>) {
    let mut read = Vec::new();
    let mut buffer = vec![0; 100_000];
    for most in reads.iter().cycle().map(|most| (*most).max(1)) {
        match half.read(&mut buffer[..most]).await.expect("the peer ends in order") {
            0 => break,
            len => read.extend_from_slice(&buffer[..len]),
        }
    }
    (half, read)
}

fn talk(ends: [End; 2], buffers: (usize, usize), shorts: Vec<usize>) {
    let mut test = TestReactor::new();
    test.kernel().set_buffers(buffers.0, buffers.1);
    let (port, streams) = listen(&test);
    let connecting = ByteStream::connect(&test, address(&port));
    let client = block_on(&mut test, connecting).expect("somebody listens");
    test.settle();
    let server = streams.borrow_mut().pop().expect("it was accepted");
    for (at, short) in shorts.into_iter().enumerate() {
        let call = if at % 2 == 0 { Call::Send } else { Call::Recv };
        test.kernel().script(call, Answer::Short(short.max(1)));
    }

    let mut tasks = LocalPool::new();
    let done = Rc::new(Cell::new(0));
    let sent = [0, 1].map(|name| bytes(0x40 * (name + 1), ends[usize::from(name)].writes.iter().sum()));
    let expected = [sent[1].clone(), sent[0].clone()];
    for (((mut stream, end), sent), expected) in
        [client, server].into_iter().zip(ends).zip(sent).zip(expected)
    {
        stream.set_read_buffer_limit(end.limit);
        stream.transport().set_write_buffer_limits(end.marks.0, end.marks.1);
        let (reader, writer) = stream.split();
        let done = Rc::clone(&done);
        let both = async move {
            let written = write_all(writer, sent, end.writes);
            let ((reader, read), writer) = join(read_all(reader, end.reads), written).await;
            assert!(read == expected, "{} bytes of {}", read.len(), expected.len());
            let stream = reader.reunite(writer).expect("they belong together");
            assert_eq!(stream.unread(), 0);
            done.set(done.get() + 1);
        };
        tasks.spawner().spawn_local(both).expect("the pool lives");
    }
    for _ in 0..100_000 {
        tasks.run_until_stalled();
        if done.get() == 2 {
            break;
        }
        test.settle();
    }
    assert_eq!(done.get(), 2, "the streams wait for each other");
    drop(tasks);
    test.settle();
    assert_eq!((test.stats().connections, test.kernel().open_sockets()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_was_written(
        ends in (end(), end()),
        buffers in (1..100_000_usize, 1..100_000_usize),
        shorts in vec(0..5_000_usize, 0..10),
    ) {
        // Buffers of a few bytes make as many turns as there are bytes.
        let most: usize = [&ends.0, &ends.1].iter().flat_map(|end| &end.writes).sum();
        let least = 1 + most / 2_000;
        talk([ends.0, ends.1], (buffers.0.max(least), buffers.1.max(least)), shorts);
    }
}

#[test]
fn a_byte_at_a_time_both_ways() {
    let end = || End { writes: vec![1; 300], reads: vec![1], limit: 1, marks: (0, 0) };
    talk([end(), end()], (1, 1), Vec::new());
}
