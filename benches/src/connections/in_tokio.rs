//! The cases, with tokio, over streams of memory. The runtime has one thread, neither I/O nor time, and is entered once.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};

use super::{MESSAGE, message};
use crate::Variant;
use crate::memory_kernel::Sent;

/// What takes all that is written to it, at once, and counts it as a wire does.
#[derive(Default)]
struct Sink(Rc<Cell<Sent>>);

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Sent { numbers, sends, bytes } = self.0.get();
        let (numbers, bytes) = (numbers + super::number(data), bytes + data.len());
        self.0.set(Sent { numbers, sends: sends + 1, bytes });
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime without I/O")
}

/// The writing alone: no event comes before it, and nothing ever has to wait.
pub(super) fn gather(name: &'static str, expected: fn(i64) -> i64, writes: usize) -> Variant {
    let (runtime, sink) = (runtime(), Sink::default());
    let sent = Rc::clone(&sink.0);
    let mut writer = BufWriter::new(sink);
    Variant::new(name, move |iterations| {
        runtime.block_on(async {
            for n in 0..iterations {
                let n = black_box(n);
                let message = message(n);
                for _ in 0..writes {
                    writer.write_all(black_box(&message)).await.expect("a sink takes all");
                }
                writer.flush().await.expect("a sink takes all");
                let sent = sent.take();
                assert_eq!((sent.sends, sent.bytes), (1, writes * MESSAGE));
                assert_eq!(sent.numbers, expected(n), "{name}");
            }
        });
    })
}

/// A task for each connection, which owns its end of a duplex stream and reads until the other end is dropped.
pub(super) fn closing(name: &'static str, expected: fn(i64) -> i64, count: i64) -> Variant {
    let (runtime, set) = (runtime(), LocalSet::new());
    let told = Rc::new(Cell::new(0));
    let mut connections = Vec::new();
    Variant::new(name, move |iterations| {
        runtime.block_on(set.run_until(async {
            for n in 0..iterations {
                for _ in 0..count {
                    let (peer, mut stream) = duplex(MESSAGE);
                    let told = Rc::clone(&told);
                    let task = spawn_local(async move {
                        told.set(told.get() + 1);
                        let mut scratch = [0; MESSAGE];
                        while stream.read(&mut scratch).await.expect("a stream of memory") > 0 {}
                        told.set(told.get() + 1);
                    });
                    connections.push((peer, task));
                }
                tokio::task::yield_now().await; // All have begun to read.
                for (peer, task) in connections.drain(..) {
                    drop(peer);
                    task.await.expect("no panic");
                }
                assert_eq!(told.take(), expected(n), "{name}");
            }
        }));
    })
}
