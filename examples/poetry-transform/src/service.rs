//! The server.

use twistor::prelude::*;

use crate::{Frame, FrameReader, Transform};

/// Changes the poems that clients send. Its protocols share nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransformService;

impl Factory for TransformService {
    type Protocol = TransformProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<TransformProtocol> {
        Some(TransformProtocol::default())
    }
}

/// Answers one request after the other, in order. A frame that is none is answered with an error and the end of the connection.
#[derive(Debug, Default)]
pub struct TransformProtocol {
    frames: FrameReader,
}

/// A client that says nothing for so long is let go.
const IDLE: std::time::Duration = std::time::Duration::from_secs(60);

impl Protocol for TransformProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_timeout(Some(IDLE));
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.frames.push(data);
        loop {
            match self.frames.next_frame() {
                Ok(Some(request)) => drop(transport.write(&answer(request).encode())),
                Ok(None) => return,
                Err(error) => {
                    transport.write(&Frame::new("error", error.to_string()).encode());
                    return transport.lose_connection();
                }
            }
        }
    }
}

fn answer(request: Frame) -> Frame {
    let changed =
        request.word.parse().map_err(|error| format!("{error}")).and_then(|transform: Transform| {
            transform.apply(request.payload).map_err(|error| error.to_string())
        });
    match changed {
        Ok(poem) => Frame::new("ok", poem),
        Err(why) => Frame::new("error", why),
    }
}
