//! [`StringTransportBuilder`]: what a [`StringTransport`] is made of.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use twistor_net::{ClientFactory, Factory, Protocol, ReactorTcp, TcpClientOptions};
use twistor_reactor::Reactor;

use crate::opening::{OpeningFactory, Place, Ready};
use crate::{ScriptedKernel, StringTransport, TestReactor};

/// How a [`StringTransport`] is to be: its addresses, and the kernel below it.
///
/// # Examples
///
/// ```
/// use twistor_sim::{Accumulating, ScriptedKernel, StringTransportBuilder};
///
/// let kernel = ScriptedKernel::new();
/// kernel.set_buffers(1_000, 1_000);
/// let builder = StringTransportBuilder::new().peer("198.51.100.7:4000".parse()?).kernel(kernel);
/// let transport = builder.protocol(Accumulating::new().0);
/// assert_eq!(transport.transport().peer().to_string(), "198.51.100.7:4000");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug)]
pub struct StringTransportBuilder {
    host: SocketAddr,
    peer: SocketAddr,
    kernel: ScriptedKernel,
    test: Option<TestReactor>,
}

/// The addresses of this end and of the peer, unless others are given.
pub(crate) const HOST: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 12_345));
pub(crate) const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 1), 54_321));

impl StringTransportBuilder {
    /// The addresses of [`StringTransport`], and a kernel of its own.
    #[must_use]
    pub fn new() -> Self {
        Self { host: HOST, peer: PEER, kernel: ScriptedKernel::new(), test: None }
    }

    /// Sets the address of this end.
    #[must_use]
    pub const fn host(mut self, address: SocketAddr) -> Self {
        self.host = address;
        self
    }

    /// Sets the address of the peer, of the same family.
    #[must_use]
    pub const fn peer(mut self, address: SocketAddr) -> Self {
        self.peer = address;
        self
    }

    /// Sets the kernel below: one with smaller buffers, a script of faults, another seed.
    #[must_use]
    pub fn kernel(mut self, kernel: ScriptedKernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Sets the reactor that it is on, which has its kernel already.
    pub(crate) fn on(mut self, test: TestReactor) -> Self {
        self.test = Some(test);
        self
    }

    /// Connects the peer to `protocol`, which has heard `connection_made` when this returns.
    ///
    /// # Panics
    ///
    /// If somebody listens at the host's address already, or the two addresses are of different families.
    #[track_caller]
    pub fn protocol<P: Protocol>(self, protocol: P) -> StringTransport<P> {
        self.accepted_by(Ready(Some(protocol)))
    }

    /// Connects the peer to a server's `factory`, which has built its protocol when this returns.
    ///
    /// # Panics
    ///
    /// As [`protocol`](Self::protocol), and if the factory refuses the connection.
    #[track_caller]
    pub fn accepted_by<F: Factory>(self, factory: F) -> StringTransport<F::Protocol> {
        let mut test = self.test.unwrap_or_else(|| TestReactor::with(Reactor::builder(), self.kernel));
        let place = Place::new();
        let port = match test.listen_tcp(self.host, OpeningFactory::new(factory, place.clone())) {
            Ok(port) => port,
            Err(error) => panic!("choose another host address: {error}"),
        };
        let peer = test.kernel().dial_from(self.peer, self.host);
        test.settle();
        drop(port.stop_listening());
        test.settle();
        StringTransport::begin(test, &place, peer, None)
    }

    /// Connects a client's `factory` to the peer; the factory has built its protocol when this returns.
    ///
    /// A factory that connects again later finds somebody who answers and says nothing.
    ///
    /// # Panics
    ///
    /// If the test answers at the peer's address already, the two addresses are of different families, or the factory does not let the
    /// attempt go on.
    #[track_caller]
    pub fn connected_to<F: ClientFactory>(self, factory: F) -> StringTransport<F::Protocol> {
        let mut test = self.test.unwrap_or_else(|| TestReactor::with(Reactor::builder(), self.kernel));
        let listener = test.kernel().expect_connect(self.peer);
        let place = Place::new();
        let options = TcpClientOptions::new().bind_address(self.host);
        test.connect_tcp_with(self.peer, OpeningFactory::new(factory, place.clone()), options);
        test.settle();
        let Some(peer) = listener.accept() else {
            panic!(
                "the factory did not connect from {} to {}: addresses of one family?",
                self.host, self.peer
            )
        };
        StringTransport::begin(test, &place, peer, Some(listener))
    }
}

impl Default for StringTransportBuilder {
    fn default() -> Self {
        Self::new()
    }
}
