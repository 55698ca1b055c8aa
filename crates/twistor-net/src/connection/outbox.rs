//! What waits to be sent on one connection. It exists only while something does: an idle connection holds none.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use twistor_deferred::drop_contained;

/// Small writes are copied together up to this size, then a new piece is begun; the size of the socket's usual buffer.
const GATHER: usize = 65_536;
/// Shared pieces below this size are copied into the gathered bytes: cheaper than a piece of their own in `writev`.
const COPY_BELOW: usize = 1_024;
/// Pieces of one send; more wait for the next (`IOV_MAX` is 1,024 on Linux, and gains end long before).
const PARTS: usize = 64;

/// Pieces in the order of the calls that wrote them: `pieces` first, then `tail`.
///
/// A shared piece may own something of the user's (`Bytes::from_owner`), so that dropping it is the user's code: it is never dropped with
/// the outbox in a borrowed cell.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    /// Gathered bytes that end the queue; `0..sent` are gone.
    tail: Vec<u8>,
    sent: usize,
    /// Bytes in `pieces`.
    queued: usize,
}

impl Outbox {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queued + self.tail.len() - self.sent
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `data` to the end.
    #[inline]
    pub(crate) fn push(&mut self, data: &[u8]) {
        if !self.tail.is_empty() && self.tail.len() + data.len() > GATHER {
            self.close_tail();
        }
        self.tail.extend_from_slice(data);
    }

    /// Whether a shared piece is worth more than a copy of it.
    pub(crate) const fn is_worth_sharing(data: &Bytes) -> bool {
        data.len() >= COPY_BELOW
    }

    /// Puts `data` at the end without copying it.
    pub(crate) fn push_bytes(&mut self, data: Bytes) {
        self.close_tail();
        self.queued += data.len();
        self.pieces.push_back(data);
    }

    /// Makes the gathered bytes a piece of their own.
    fn close_tail(&mut self) {
        let mut piece = Bytes::from(std::mem::take(&mut self.tail));
        piece.advance(std::mem::take(&mut self.sent));
        if !piece.is_empty() {
            self.queued += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Calls `f` with the pieces at the front.
    #[inline]
    pub(crate) fn with_parts<R>(&self, f: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        let tail = &self.tail[self.sent..];
        if self.pieces.is_empty() {
            return f(&[IoSlice::new(tail)]);
        }
        self.with_pieces(tail, f)
    }

    fn with_pieces<R>(&self, tail: &[u8], f: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        let mut parts = [IoSlice::new(&[]); PARTS];
        let mut count = 0;
        let rest = std::iter::once(tail).filter(|tail| !tail.is_empty());
        for (slot, piece) in parts.iter_mut().zip(self.pieces.iter().map(|piece| &piece[..]).chain(rest)) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        f(&parts[..count])
    }

    /// Forgets the first `sent` bytes, which left.
    #[inline]
    pub(crate) fn advance(&mut self, sent: usize) {
        debug_assert!(sent <= self.len(), "no more was sent than there was");
        if self.pieces.is_empty() {
            self.advance_tail(sent);
        } else {
            self.advance_pieces(sent);
        }
    }

    fn advance_pieces(&mut self, mut sent: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if sent < piece.len() {
                piece.advance(sent);
                self.queued -= sent;
                return;
            }
            sent -= piece.len();
            self.queued -= piece.len();
            drop_contained(self.pieces.pop_front());
        }
        self.advance_tail(sent);
    }

    #[inline]
    fn advance_tail(&mut self, sent: usize) {
        self.sent += sent;
        if self.sent == self.tail.len() {
            self.tail.clear();
            self.sent = 0;
        }
    }

    /// Puts what `other` holds behind what is here.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.close_tail();
        other.close_tail();
        self.queued += other.queued;
        self.pieces.append(&mut other.pieces);
    }

    /// Takes everything out, in order.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.close_tail();
        self.queued = 0;
        self.pieces.drain(..).collect()
    }

    /// How many bytes it has room for without an allocation, about.
    pub(crate) fn room(&self) -> usize {
        self.tail.capacity() + self.pieces.capacity() * size_of::<Bytes>()
    }

    /// Whether it is worth keeping for the next connection that writes.
    #[inline]
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_empty() && self.tail.capacity() <= GATHER * 2 && self.pieces.capacity() <= PARTS * 2
    }
}

impl Drop for Outbox {
    /// One piece after another, each contained: two that panic would end the process.
    fn drop(&mut self) {
        for piece in self.pieces.drain(..) {
            drop_contained(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(outbox: &Outbox) -> Vec<u8> {
        outbox.with_parts(|parts| parts.iter().flat_map(|part| part.iter().copied()).collect())
    }

    #[test]
    fn pieces_leave_in_the_order_they_came() {
        for step in [1, 2, 3, 700, 100_000] {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for (at, size) in [10, 2_000, 0, 70_000, 5, 65_536, 1, 3_000].into_iter().enumerate() {
                let data = vec![at as u8; size];
                expected.extend_from_slice(&data);
                if at % 2 == 0 || size < COPY_BELOW {
                    outbox.push(&data)
                } else {
                    outbox.push_bytes(data.into())
                }
            }
            assert_eq!(outbox.len(), expected.len());
            let mut got = Vec::new();
            while !outbox.is_empty() {
                let sent = step.min(outbox.len());
                let bytes = |parts: &[IoSlice<'_>]| -> Vec<u8> {
                    parts.iter().flat_map(|part| part.iter().copied()).take(sent).collect()
                };
                let front = outbox.with_parts(bytes);
                assert_eq!(front.len(), sent);
                got.extend_from_slice(&front);
                outbox.advance(sent);
                if step < 700 && got.len() > 20_000 {
                    outbox.advance(contents(&outbox).len());
                    break;
                }
            }
            assert!(expected.starts_with(&got));
            assert!(step < 700 || got == expected);
        }
    }

    #[test]
    fn shared_bytes_are_not_copied() {
        let mut outbox = Outbox::default();
        let shared = Bytes::from(vec![7; 5_000]);
        outbox.push(b"before");
        outbox.push_bytes(shared.clone());
        let same = outbox.with_parts(|parts| parts.iter().any(|part| part.as_ptr() == shared.as_ptr()));
        assert!(same);
        assert_eq!(outbox.take().concat(), [&b"before"[..], &shared].concat());
        assert!(outbox.is_empty() && outbox.is_reusable());
    }
}
