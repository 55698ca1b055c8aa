//! The traits of futures-io, on a stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::ByteStream;
use crate::Flow;
use crate::connection::Awaited;

impl AsyncRead for ByteStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let available = match self.as_mut().poll_fill_buf(cx) {
            Poll::Ready(Ok(available)) => available,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        };
        let len = available.len().min(buf.len());
        buf[..len].copy_from_slice(&available[..len]);
        self.consume(len);
        Poll::Ready(Ok(len))
    }
}

impl AsyncBufRead for ByteStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.front.is_empty() {
            this.front = this.pipe.take_arrived();
        }
        if this.front.is_empty() {
            match this.pipe.end_of_input(&this.transport) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    this.pipe.reader.set(cx.waker());
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(&this.front[this.read..]))
    }

    /// More than there is counts as all of it.
    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        let amount = amount.min(this.front.len() - this.read);
        this.read += amount;
        if this.read == this.front.len() {
            (this.front, this.read) = (Vec::new(), 0);
        }
        this.pipe.consumed(amount, &this.transport);
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write_parts(cx, std::iter::once(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_parts(cx, bufs.iter().map(|buf| &**buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(end) = self.pipe.end_of_output(&self.transport) {
            return Poll::Ready(end);
        }
        if self.transport.is_sent() {
            return Poll::Ready(Ok(()));
        }
        self.await_output(cx, Awaited::Sent)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(end) = self.pipe.end_of_output(&self.transport) {
            return Poll::Ready(end);
        }
        self.transport.lose_write_connection();
        self.await_output(cx, Awaited::Nothing) // The protocol hears of the end by itself.
    }
}

impl ByteStream {
    /// Writes as much of the parts as there is room for.
    fn write_parts<'a>(
        &self,
        cx: &mut Context<'_>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        let mut parts = parts.filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_none() {
            return Poll::Ready(Ok(0));
        }
        if !self.pipe.is_attached() || self.transport.write(&[]) == Flow::Closed {
            return Poll::Ready(Err(self.pipe.broken(&self.transport)));
        }
        let room = self.transport.room();
        if room == 0 {
            return self.await_output(cx, Awaited::Room);
        }
        let mut taken = 0;
        for part in parts {
            let len = part.len().min(room - taken);
            self.transport.write(&part[..len]);
            taken += len;
            if taken == room {
                break;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn await_output<T>(&self, cx: &mut Context<'_>, awaited: Awaited) -> Poll<T> {
        self.transport.watch_output(awaited);
        self.pipe.writer.set(cx.waker());
        Poll::Pending
    }
}
