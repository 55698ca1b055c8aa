//! The client: a question over the network, as a function that returns a Deferred.

use thiserror::Error;
use twistor::prelude::*;

use crate::{Frame, FrameReader};

/// Why the service did not change a poem, in its own words, or that it said something that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ServiceError {
    /// It refused.
    #[error("the service says: {0}")]
    Refused(String),
    /// Its answer is none.
    #[error("the service does not speak our language")]
    Nonsense,
}

/// Has the service at `service` change `poem` by the transform called `name`.
///
/// Fails with a [`ServiceError`], with the [`ConnectError`], or with the [`CloseReason`] of a connection that ended before the answer. Cancelling it gives up
/// the connection.
#[must_use]
pub fn transform(
    reactor: &ReactorHandle,
    service: impl Into<Destination>,
    name: &str,
    poem: Vec<u8>,
) -> Deferred<Vec<u8>> {
    let (promise, changed) = deferred();
    let request = Frame::new(name, poem).encode();
    let client = Client { request, frames: FrameReader::new(), promise: Some(promise) };
    reactor.connect_tcp(service, ClientOnce { client: Some(client) });
    changed
}

/// Makes one protocol, for the one connection there is.
struct ClientOnce {
    client: Option<Client>,
}

impl Factory for ClientOnce {
    type Protocol = Client;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Client> {
        self.client.take()
    }
}

impl ClientFactory for ClientOnce {
    fn started_connecting(&mut self, connector: &Connector) {
        if let Some(promise) = self.client.as_ref().and_then(|client| client.promise.as_ref()) {
            let connector = connector.clone();
            promise.on_cancel(move || connector.disconnect());
        }
    }

    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        if let Some(promise) = self.client.take().and_then(|client| client.promise) {
            promise.errback(reason.clone());
        }
    }
}

struct Client {
    request: Vec<u8>,
    frames: FrameReader,
    /// Fired by the answer, or by the end of the connection if that comes first.
    promise: Option<Promise<Vec<u8>>>,
}

impl Protocol for Client {
    fn connection_made(&mut self, transport: &Transport) {
        transport.write_bytes(std::mem::take(&mut self.request));
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.frames.push(data);
        let result = match self.frames.next_frame() {
            Ok(None) => return,
            Ok(Some(Frame { word, payload })) if word == "ok" => Ok(payload),
            Ok(Some(Frame { word, payload })) if word == "error" => {
                Err(ServiceError::Refused(String::from_utf8_lossy(&payload).into_owned()))
            }
            Ok(Some(_)) | Err(_) => Err(ServiceError::Nonsense),
        };
        transport.lose_connection();
        if let Some(promise) = self.promise.take() {
            promise.fire(result.map_err(Failure::from));
        }
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        if let Some(promise) = self.promise.take() {
            promise.errback(reason.clone());
        }
    }
}
