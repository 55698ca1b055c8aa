//! One download, as a Deferred.

use std::mem;
use std::time::Duration;

use poetry_client::PoemAddress;
use twistor::prelude::*;

/// Downloads the poem at `address`. `on_data` is called with the number of bytes of each piece that comes.
///
/// `limit` is how long connecting may take, and how long nothing may come.
pub(crate) fn fetch(
    reactor: &ReactorHandle,
    address: &PoemAddress,
    limit: Option<Duration>,
    on_data: impl FnMut(usize) + 'static,
) -> Deferred<Vec<u8>> {
    let (promise, poem) = deferred();
    let mut options = TcpClientOptions::new();
    if limit.is_some() {
        options = options.timeout(limit);
    }
    let download = Download { poem: Vec::new(), limit, on_data: Box::new(on_data), promise: Some(promise) };
    let factory = DownloadFactory { download: Some(download) };
    reactor.connect_tcp_with((address.host(), address.port()), factory, options);
    poem
}

struct DownloadFactory {
    /// The protocol, until there is a connection for it.
    download: Option<Download>,
}

impl Factory for DownloadFactory {
    type Protocol = Download;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Download> {
        self.download.take()
    }
}

impl ClientFactory for DownloadFactory {
    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        if let Some(promise) = self.download.take().and_then(|download| download.promise) {
            promise.errback(reason.clone());
        }
    }
}

struct Download {
    poem: Vec<u8>,
    limit: Option<Duration>,
    on_data: Box<dyn FnMut(usize)>,
    /// Fired at the end of the connection, which comes once.
    promise: Option<Promise<Vec<u8>>>,
}

impl Protocol for Download {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_timeout(self.limit);
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        self.poem.extend_from_slice(data);
        (self.on_data)(data.len());
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        let Some(promise) = self.promise.take() else { return };
        if reason.is_clean() {
            promise.callback(mem::take(&mut self.poem));
        } else {
            promise.errback(reason.clone());
        }
    }
}
