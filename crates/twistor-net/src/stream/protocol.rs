use std::fmt;
use std::rc::Rc;

use super::ByteStream;
use super::pipe::{Input, Pipe};
use crate::{Address, CloseReason, Protocol, Transport};

/// Who is given the stream of a connection that was accepted.
pub(super) type Opener = Box<dyn FnOnce(ByteStream, &Address)>;

/// The protocol below a [`ByteStream`]: keeps what comes until it is read, and wakes who waits. Made by [`for_stream`](crate::for_stream);
/// there is nothing to call.
pub struct StreamProtocol {
    pipe: Rc<Pipe>,
    /// To be called when the connection stands.
    opener: Option<Opener>,
}

impl StreamProtocol {
    pub(super) const fn new(pipe: Rc<Pipe>, opener: Option<Opener>) -> Self {
        Self { pipe, opener }
    }

    /// What the writer waited for has come.
    pub(crate) fn output_came(&self) {
        self.pipe.writer.wake();
    }
}

impl Protocol for StreamProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        self.pipe.attached(transport);
        if let Some(opener) = self.opener.take() {
            opener(ByteStream::new(transport.clone(), Rc::clone(&self.pipe)), &transport.peer());
        }
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.pipe.received(transport, data);
    }

    /// The other direction goes on until the stream is closed or dropped.
    fn read_connection_lost(&mut self, _transport: &Transport) {
        self.pipe.input_is(Input::Ended);
    }

    fn write_connection_lost(&mut self, _transport: &Transport) {
        self.pipe.output_shut();
    }

    fn close_requested(&mut self, transport: &Transport) {
        self.pipe.refuse_input(transport);
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        self.pipe.lost(reason);
    }

    fn log_prefix(&self) -> String {
        "ByteStream".to_owned()
    }
}

impl Drop for StreamProtocol {
    fn drop(&mut self) {
        self.pipe.orphaned();
    }
}

impl fmt::Debug for StreamProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamProtocol({} bytes to read)", self.pipe.unread())
    }
}
