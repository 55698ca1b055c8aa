use std::fmt;
use std::io::{self, Read};

use thiserror::Error;
use twistor_deferred::{Deferred, Failure, Promise, deferred};

use crate::{Producer, ProducerKind, Transport};

/// The size of a piece, unless another is set.
const PIECE: usize = 16_384;

/// Sends everything that a reader has over a transport, a piece at a time, so that what waits in memory is one piece whatever the size
/// of the whole (Twisted's `FileSender`, `twisted/protocols/basic.py`).
///
/// It is a pull producer: the next piece is read when the one before has left, and a reader that blocks, blocks the loop. That is
/// well for files on a local disk; what comes from anywhere slower is read by a job on a thread first.
///
/// # Examples
///
/// ```
/// use twistor_net::{FileSender, Protocol, Transport};
///
/// struct OneFile;
///
/// impl Protocol for OneFile {
///     fn connection_made(&mut self, transport: &Transport) {
///         let file = std::io::Cursor::new(vec![7; 100_000]); // A `std::fs::File` just as well.
///         let sent = FileSender::new(file).begin(transport);
///         drop(sent.map(|bytes| println!("{bytes} bytes sent")).log_failure("sending a file"));
///         transport.lose_connection(); // Waits for the last piece.
///     }
/// }
/// ```
pub struct FileSender<R> {
    reader: R,
    piece: Vec<u8>,
    transform: Option<Transform>,
    sent: u64,
    promise: Option<Promise<u64>>,
}

type Transform = Box<dyn FnMut(&[u8]) -> Vec<u8>>;

impl<R: Read + 'static> FileSender<R> {
    /// Sends what `reader` has from where it stands to its end.
    pub fn new(reader: R) -> Self {
        Self { reader, piece: vec![0; PIECE], transform: None, sent: 0, promise: None }
    }

    /// Sets the size of a piece in bytes. Default 16,384; at least 1.
    #[must_use]
    pub fn piece_size(mut self, bytes: usize) -> Self {
        self.piece = vec![0; bytes.max(1)];
        self
    }

    /// Sends what `transform` makes of each piece instead.
    #[must_use]
    pub fn transform(mut self, transform: impl FnMut(&[u8]) -> Vec<u8> + 'static) -> Self {
        self.transform = Some(Box::new(transform));
        self
    }

    /// Begins: registers itself with `transport`. The Deferred fires with the number of bytes that were read and handed to the
    /// transport, when that was all.
    ///
    /// It fails with [`StoppedSending`] if the connection is lost before, or another producer is registered on it already; with the
    /// [`io::Error`] if reading fails: the transport is left as it is then, for the caller to end it. Dropping the Deferred changes
    /// nothing, cancelling it neither.
    pub fn begin(mut self, transport: &Transport) -> Deferred<u64> {
        let (promise, sent) = deferred();
        self.promise = Some(promise);
        // The one that comes back was not registered; its drop fails the Deferred.
        drop(transport.register_producer(self, ProducerKind::Pull));
        sent
    }

    fn read_piece(&mut self) -> io::Result<usize> {
        loop {
            match self.reader.read(&mut self.piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
    }

    fn end(&mut self, result: Result<u64, Failure>) {
        if let Some(promise) = self.promise.take() {
            promise.fire(result);
        }
    }
}

impl<R: Read + 'static> Producer for FileSender<R> {
    fn resume_producing(&mut self, consumer: &Transport) {
        // A piece that a transform makes nothing of would never leave, so that nobody would ask for the next.
        let end = loop {
            match self.read_piece() {
                Ok(0) => break Ok(self.sent),
                Ok(len) => {
                    self.sent += len as u64;
                    let piece = &self.piece[..len];
                    let written = self.transform.as_mut().map_or_else(|| piece.to_vec(), |make| make(piece));
                    if !written.is_empty() {
                        consumer.write_bytes(written);
                        return;
                    }
                }
                Err(error) => break Err(error.into()),
            }
        };
        consumer.unregister_producer();
        self.end(end);
    }

    fn stop_producing(&mut self, _consumer: &Transport) {
        self.end(Err(StoppedSending { sent: self.sent }.into()));
    }
}

impl<R> Drop for FileSender<R> {
    fn drop(&mut self) {
        if let Some(promise) = self.promise.take() {
            promise.errback(StoppedSending { sent: self.sent });
        }
    }
}

impl<R> fmt::Debug for FileSender<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSender").field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// A [`FileSender`] was stopped before it had sent everything: its connection was lost, or has another producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the consumer stopped after {sent} bytes")]
pub struct StoppedSending {
    /// How many bytes had been read and handed to the transport.
    pub sent: u64,
}
