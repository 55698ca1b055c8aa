//! `get_poetry`, as `poetry-4-deferred` has it, and one thing more: the download can be cancelled.

use std::mem;

use twistor::prelude::*;

use crate::PoemAddress;

/// Downloads the poem at `address`.
///
/// Fails with the [`ConnectError`] or with the [`CloseReason`] of a connection that did not end in order. Cancelling the Deferred gives up the
/// connection, or the attempt to make one.
#[must_use]
pub fn get_poetry(reactor: &ReactorHandle, address: &PoemAddress) -> Deferred<Vec<u8>> {
    let (promise, poem) = deferred();
    reactor.connect_tcp((address.host(), address.port()), PoetryFactory { promise: Some(promise) });
    poem
}

struct PoetryFactory {
    /// With the protocol, once there is one.
    promise: Option<Promise<Vec<u8>>>,
}

impl Factory for PoetryFactory {
    type Protocol = PoetryProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<PoetryProtocol> {
        Some(PoetryProtocol { poem: Vec::new(), promise: self.promise.take() })
    }
}

impl ClientFactory for PoetryFactory {
    fn started_connecting(&mut self, connector: &Connector) {
        if let Some(promise) = &self.promise {
            let connector = connector.clone();
            promise.on_cancel(move || connector.disconnect());
        }
    }

    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        if let Some(promise) = self.promise.take() {
            promise.errback(reason.clone());
        }
    }
}

struct PoetryProtocol {
    poem: Vec<u8>,
    promise: Option<Promise<Vec<u8>>>,
}

impl Protocol for PoetryProtocol {
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.poem.extend_from_slice(data);
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        match self.promise.take() {
            Some(promise) if reason.is_clean() => promise.callback(mem::take(&mut self.poem)),
            Some(promise) => promise.errback(reason.clone()),
            None => {}
        }
    }
}
