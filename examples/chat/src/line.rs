//! From pieces of a stream to lines of text.

/// The most bytes a line may have, its end not counted.
pub(crate) const MAX_LINE: usize = 1024;

/// Collects pieces until they make a line. Streams have no lines: one may come in many pieces, and many in one.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line begins; what is before it is done with.
    start: usize,
    /// Up to where no end of line was found: nothing is searched twice.
    searched: usize,
}

/// A line has more than [`MAX_LINE`] bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineBuffer {
    /// More has come.
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(data);
    }

    /// The next whole line, without its end (`\n` or `\r\n`), as text that is safe to show: what is no UTF-8 is replaced, and control
    /// characters, which could play tricks on a terminal, are left out. `None` if there is no whole line yet.
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, LineTooLong> {
        let found = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n');
        let end = found.map_or(self.bytes.len(), |at| self.searched + at);
        let line = &self.bytes[self.start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_LINE {
            return Err(LineTooLong);
        }
        if found.is_none() {
            self.searched = end;
            return Ok(None);
        }
        let text = String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect();
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Result<String, LineTooLong>> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.push(piece);
            loop {
                match buffer.next_line() {
                    Ok(Some(line)) => lines.push(Ok(line)),
                    Ok(None) => break,
                    Err(error) => {
                        lines.push(Err(error));
                        return lines;
                    }
                }
            }
        }
        lines
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let stream = b"one\r\ntwo\n\r\n\xffthree\x1b[2J\nrest";
        let whole = lines(&[stream]);
        let expect = ["one", "two", "", "\u{fffd}three[2J"];
        assert_eq!(whole, expect.map(|line| Ok(line.to_owned())));
        for at in 0..=stream.len() {
            assert_eq!(lines(&[&stream[..at], &stream[at..]]), whole, "cut at {at}");
        }
        let bytes: Vec<_> = stream.chunks(1).collect();
        assert_eq!(lines(&bytes), whole);
    }

    #[test]
    fn a_line_of_just_the_limit_passes() {
        let line = "x".repeat(MAX_LINE);
        for end in ["\n", "\r\n"] {
            assert_eq!(lines(&[line.as_bytes(), end.as_bytes()]), [Ok(line.clone())]);
        }
        assert_eq!(lines(&[line.as_bytes(), b"y"]), [Err(LineTooLong)]);
        assert_eq!(lines(&[format!("ok\n{line}y\n").as_bytes()]), [Ok("ok".to_owned()), Err(LineTooLong)]);
    }
}
