//! What client and server say to each other: a word, a length, a newline, and so many bytes.

use thiserror::Error;

/// The longest word, in bytes.
pub const MAX_WORD: usize = 32;

/// The longest payload, in bytes, unless a reader is made with another limit.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

/// The digits of the longest length that is looked at.
const MAX_DIGITS: usize = 10;

/// One message: a request (the name of a transform, and a poem) or an answer (`ok` and a poem, `error` and a text).
///
/// # Examples
///
/// ```
/// use poetry_transform::Frame;
/// assert_eq!(Frame::new("shout", "hey").encode(), b"shout 3\nhey");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is: letters, digits and hyphens, at least one and at most [`MAX_WORD`].
    pub word: String,
    /// The bytes that belong to it.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of `word` and `payload`.
    #[must_use]
    pub fn new(word: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self { word: word.to_owned(), payload: payload.into() }
    }

    /// The frame as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{} {}\n", self.word, self.payload.len()).into_bytes();
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// Bytes that are no frame. What follows them cannot be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The line is not a word, a space and a number.
    #[error("a frame begins with a word, a space, a number and a newline")]
    Malformed,
    /// The payload would be longer than the limit.
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// What the frame said.
        length: u64,
        /// What the reader takes.
        limit: usize,
    },
}

/// Finds frames in bytes that come in any pieces.
///
/// # Examples
///
/// ```
/// use poetry_transform::{Frame, FrameReader};
///
/// let mut reader = FrameReader::new();
/// reader.push(b"ok 5\nhe");
/// assert_eq!(reader.next_frame(), Ok(None));
/// reader.push(b"llook 0\n");
/// assert_eq!(reader.next_frame(), Ok(Some(Frame::new("ok", "hello"))));
/// assert_eq!(reader.next_frame().unwrap().unwrap().payload, b"");
/// ```
#[derive(Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    limit: usize,
    /// Set when the bytes were no frame: nothing after that is looked at.
    broken: Option<FrameError>,
}

impl FrameReader {
    /// A reader of frames with at most [`MAX_PAYLOAD`] bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(MAX_PAYLOAD)
    }

    /// A reader of frames with at most `limit` bytes of payload.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, broken: None }
    }

    /// Adds bytes that came. After an error they are thrown away.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    ///
    /// If what came is no frame; every later call says the same.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.take_frame().inspect_err(|&error| {
            self.broken = Some(error);
            self.bytes = Vec::new();
        })
    }

    fn take_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        const MAX_LINE: usize = MAX_WORD + 1 + MAX_DIGITS;
        let seen = &self.bytes[..self.bytes.len().min(MAX_LINE + 1)];
        let Some(newline) = seen.iter().position(|&byte| byte == b'\n') else {
            return if seen.len() > MAX_LINE { Err(FrameError::Malformed) } else { Ok(None) };
        };
        let (word, length) = parse_line(&self.bytes[..newline]).ok_or(FrameError::Malformed)?;
        let payload = match usize::try_from(length) {
            Ok(payload) if payload <= self.limit => payload,
            _ => return Err(FrameError::TooLong { length, limit: self.limit }),
        };
        let (start, end) = (newline + 1, newline + 1 + payload);
        if self.bytes.len() < end {
            return Ok(None);
        }
        let frame = Frame { word, payload: self.bytes[start..end].to_vec() };
        self.bytes.drain(..end);
        Ok(Some(frame))
    }
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::new()
    }
}

fn parse_line(line: &[u8]) -> Option<(String, u64)> {
    let (word, length) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let fits = |text: &str, most: usize| (1..=most).contains(&text.len());
    let is_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    if !(fits(word, MAX_WORD) && is_word && fits(length, MAX_DIGITS) && is_number) {
        return None;
    }
    Some((word.to_owned(), length.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(pieces: &[&[u8]]) -> Result<Vec<Frame>, FrameError> {
        let mut reader = FrameReader::with_limit(10);
        let mut frames = Vec::new();
        for piece in pieces {
            reader.push(piece);
            while let Some(frame) = reader.next_frame()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    /// Whole, split at every offset, and byte by byte: always the same.
    #[track_caller]
    fn check(bytes: &[u8], expected: &Result<Vec<Frame>, FrameError>) {
        assert_eq!(&read_all(&[bytes]), expected);
        for at in 0..=bytes.len() {
            assert_eq!(&read_all(&[&bytes[..at], &bytes[at..]]), expected, "split at {at}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(&read_all(&single), expected, "byte by byte");
    }

    #[test]
    fn frames_come_whole_however_the_bytes_come() {
        let frames = [Frame::new("shout", "a\nb 2\nc"), Frame::new("ok", ""), Frame::new("x-1", [0xff; 10])];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        check(&bytes, &Ok(frames.to_vec()));
        check(&bytes[..bytes.len() - 1], &Ok(frames[..2].to_vec()));
        check(b"", &Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_frame_is_an_error_at_once_and_for_good() {
        let long = [b'a'; MAX_WORD + 1];
        let word = [&long[..], b" 1\nx"].concat();
        for bytes in [
            &b"\n"[..],
            b"ok\n",
            b"ok \n",
            b" 1\n",
            b"ok  1\n",
            b"ok 1 \n",
            b"ok -1\n",
            b"ok +1\n",
            b"\xff 1\n",
            &word,
        ] {
            check(bytes, &Err(FrameError::Malformed));
        }
        check(&[b'a'; 200], &Err(FrameError::Malformed));
        check(b"ok 11\n", &Err(FrameError::TooLong { length: 11, limit: 10 }));
        check(b"ok 9999999999\n", &Err(FrameError::TooLong { length: 9_999_999_999, limit: 10 }));
        let mut reader = FrameReader::new();
        reader.push(b"?");
        reader.push(b"?\nok 0\n");
        assert_eq!(
            (reader.next_frame(), reader.next_frame()),
            (Err(FrameError::Malformed), Err(FrameError::Malformed))
        );
    }

    #[test]
    fn noise_never_panics() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let length = random.usize(..60);
            let alphabet = b"ok 0123456789\n-\xff";
            let bytes: Vec<u8> = (0..length).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            let whole = read_all(&[&bytes]);
            let at = random.usize(..=length);
            assert_eq!(read_all(&[&bytes[..at], &bytes[at..]]), whole);
        }
    }
}
