use std::net::SocketAddr;
use std::time::Duration;

/// How to connect. See [`Default`] for what happens if nothing is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpClientOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) bind_address: Option<SocketAddr>,
}

impl Default for TcpClientOptions {
    fn default() -> Self {
        Self { timeout: Some(Duration::from_secs(30)), bind_address: None }
    }
}

impl TcpClientOptions {
    /// A deadline of 30 s, and any local address.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long an attempt may take, name lookup included; `None` leaves it to the system. Default 30 s.
    #[must_use]
    pub const fn timeout(mut self, limit: Option<Duration>) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets the local address to connect from; port 0 is any. Addresses of the other family are passed over then. Default: any.
    #[must_use]
    pub const fn bind_address(mut self, address: SocketAddr) -> Self {
        self.bind_address = Some(address);
        self
    }
}
