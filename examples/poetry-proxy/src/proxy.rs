//! The server's side of the proxy.

use std::fmt;

use twistor::prelude::*;

use crate::PoemCache;

/// Serves the poem of a [`PoemCache`].
#[derive(Debug)]
pub struct ProxyFactory {
    cache: PoemCache,
}

impl ProxyFactory {
    /// A factory that serves what `cache` has, or gets.
    #[must_use]
    pub const fn new(cache: PoemCache) -> Self {
        Self { cache }
    }
}

impl Factory for ProxyFactory {
    type Protocol = ProxyProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<ProxyProtocol> {
        Some(ProxyProtocol { cache: self.cache.clone(), waits: None })
    }
}

/// Sends the poem as soon as it is there, and closes. A client whose poem cannot be had is disconnected with a reset, so that what it has does not pass
/// for a poem of nothing.
pub struct ProxyProtocol {
    cache: PoemCache,
    /// To stop waiting when the client is gone.
    waits: Option<Canceller>,
}

impl Protocol for ProxyProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        let (send, give_up) = (transport.clone(), transport.clone());
        let poem = self.cache.poem();
        self.waits = Some(poem.canceller());
        // It does not matter whether the callback runs now or in a minute: a transport is there to be written to in either case, and harmless
        // if the client is gone by then.
        poem.add_callbacks(
            move |poem| {
                send.write_bytes(poem);
                send.lose_connection();
            },
            move |failure| {
                if !failure.is_cancelled() {
                    give_up.abort_connection();
                }
            },
        );
    }

    /// A client that has nothing to say may close its half: it gets the poem all the same.
    fn read_connection_lost(&mut self, _transport: &Transport) {}

    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        if let Some(waits) = self.waits.take() {
            waits.cancel();
        }
    }
}

impl fmt::Debug for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyProtocol").field("cache", &self.cache).finish_non_exhaustive()
    }
}
