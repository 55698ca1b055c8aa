//! The whole poem at once, by a protocol of three lines.

use bytes::Bytes;
use twistor::prelude::*;

/// Makes a [`FastPoem`] for each client.
#[derive(Debug)]
pub struct FastPoetry {
    poem: Bytes,
}

impl FastPoetry {
    /// A factory that serves `poem`.
    #[must_use]
    pub const fn new(poem: Bytes) -> Self {
        Self { poem }
    }
}

impl Factory for FastPoetry {
    type Protocol = FastPoem;

    fn build_protocol(&mut self, _peer: &Address) -> Option<FastPoem> {
        Some(FastPoem { poem: self.poem.clone() })
    }
}

/// Writes the poem, and closes when the last byte was sent.
///
/// The poem is written by reference ([`Transport::write_bytes`]): however large it is and however many clients are slow to read it, it exists
/// once, and nothing has to be held back for anybody. That is the whole back-pressure of this server. What must not be is a time limit
/// on the close, which by default is 30 s: 50 MB take longer on a slow line.
#[derive(Debug)]
pub struct FastPoem {
    poem: Bytes,
}

impl Protocol for FastPoem {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_close_timeout(None);
        transport.write_bytes(self.poem.clone());
        transport.lose_connection();
    }
}
