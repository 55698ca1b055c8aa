//! [`Pattern`]: the bytes that are sent, and checking what came.

/// The longest piece that [`Pattern::at`] gives at a time.
pub(super) const PIECE: usize = 65_536;

/// An endless row of bytes that repeats after a period. A byte and the next one always differ, so a row that has lost, doubled or
/// swapped a byte differs from the right one at that very byte.
///
/// The bytes are there in advance, with a piece more than one period, so that any 64 KiB are one slice: checking
/// is comparing slices.
#[derive(Debug)]
pub struct Pattern {
    bytes: Vec<u8>,
    period: u64,
}

impl Pattern {
    /// What clients send: random bytes of a fixed seed, with a period that is a prime, so that it is in step with no buffer.
    #[must_use]
    pub fn random() -> Self {
        let mut random = fastrand::Rng::with_seed(0x7715_7012);
        let mut bytes = vec![random.u8(..)];
        while bytes.len() < 65_521 {
            let last = bytes[bytes.len() - 1];
            bytes.push(last.wrapping_add(random.u8(1..)));
        }
        // The first byte follows the last one.
        let (first, end) = (bytes[0], bytes.len() - 1);
        while bytes[end] == first || bytes[end] == bytes[end - 1] {
            bytes[end] = bytes[end].wrapping_add(1);
        }
        Self::repeated(bytes)
    }

    /// What servers in stream mode send: pieces of 65,536 bytes in which byte i is i modulo 251.
    #[must_use]
    pub fn stream() -> Self {
        Self::repeated((0..=250).cycle().take(65_536).collect())
    }

    fn repeated(bytes: Vec<u8>) -> Self {
        let period = bytes.len();
        let bytes = bytes.into_iter().cycle();
        Self { bytes: bytes.take(period + PIECE).collect(), period: period as u64 }
    }

    /// The bytes from `offset` on: `length` of them, or 65,536 if that is less.
    #[must_use]
    pub fn at(&self, offset: u64, length: usize) -> &[u8] {
        // Less than the period, which is the length of a vector.
        let start = (offset % self.period) as usize;
        &self.bytes[start..start + length.min(PIECE)]
    }

    /// The first place where `got` differs from the bytes from `offset` on: how many bytes before it were right, the byte that ought
    /// to be there, and the one that is.
    #[must_use]
    pub fn differs(&self, mut offset: u64, got: &[u8]) -> Option<(usize, u8, u8)> {
        for (piece, part) in got.chunks(PIECE).enumerate() {
            let right = self.at(offset, part.len());
            if right != part {
                let place = right.iter().zip(part).position(|(right, got)| right != got)?;
                return Some((piece * PIECE + place, right[place], part[place]));
            }
            offset += part.len() as u64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_and_the_row_repeats() {
        for pattern in [Pattern::random(), Pattern::stream()] {
            let row: Vec<u8> = (0..pattern.period + 9).map(|offset| pattern.at(offset, 1)[0]).collect();
            assert!(row.windows(2).all(|pair| pair[0] != pair[1]));
            assert_eq!(row[..9], row[row.len() - 9..]);
            assert_eq!(pattern.at(3, 100_000).len(), PIECE);
            assert!(pattern.at(5, 0).is_empty());
        }
    }

    #[test]
    fn a_stream_is_as_the_servers_are_told() {
        let pattern = Pattern::stream();
        for offset in [0, 1, 250, 251, 65_535, 65_536, 65_537, 131_072 + 300] {
            assert_eq!(u64::from(pattern.at(offset, 1)[0]), offset % 65_536 % 251);
        }
    }

    #[test]
    fn the_first_difference_is_named_wherever_it_is() {
        let pattern = Pattern::random();
        let right: Vec<u8> =
            (0..3).flat_map(|piece| pattern.at(7 + piece * 65_536, PIECE)).copied().collect();
        assert_eq!(pattern.differs(7, &right), None);
        assert_eq!(pattern.differs(7, &[]), None);
        for place in [0, 1, 65_535, 65_536, 150_000, right.len() - 1] {
            let mut wrong = right.clone();
            wrong[place] ^= 0x40;
            assert_eq!(pattern.differs(7, &wrong), Some((place, right[place], wrong[place])));
        }
        let mut swapped = right.clone();
        swapped.swap(99, 100);
        assert_eq!(pattern.differs(7, &swapped), Some((99, right[99], right[100])));
        let mut lost = right.clone();
        lost.remove(70_000);
        assert_eq!(pattern.differs(7, &lost), Some((70_000, right[70_000], right[70_001])));
    }
}
