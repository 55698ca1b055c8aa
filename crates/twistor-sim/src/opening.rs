//! How a test gets at the transport of the protocol it tests: a stand-in is connected first, and hands over.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connection, Connector, Factory, Protocol, Shortage,
    Transport,
};

/// A place for the first connection that is opened. A cheap clone.
pub(crate) struct Place<P> {
    connection: Rc<RefCell<Option<Connection<P>>>>,
}

/// Takes the connection, and switches to the protocol in the same call, which hears `connection_made` as if nothing had been before it.
pub(crate) struct Opening<P> {
    protocol: Option<P>,
    place: Place<P>,
    /// Something to be done with the transport before the protocol has it.
    prepare: Option<Prepare>,
}

type Prepare = Box<dyn FnOnce(&Transport)>;

/// A factory whose protocols are opened.
pub(crate) struct OpeningFactory<F: Factory> {
    factory: F,
    place: Place<F::Protocol>,
}

impl<P: Protocol> Place<P> {
    pub(crate) fn new() -> Self {
        Self { connection: Rc::default() }
    }

    pub(crate) fn connection(&self) -> Option<Connection<P>> {
        self.connection.borrow().clone()
    }
}

impl<P> Clone for Place<P> {
    fn clone(&self) -> Self {
        Self { connection: Rc::clone(&self.connection) }
    }
}

impl<P: Protocol> Opening<P> {
    pub(crate) const fn new(protocol: P, place: Place<P>) -> Self {
        Self { protocol: Some(protocol), place, prepare: None }
    }

    pub(crate) fn prepare(self, prepare: impl FnOnce(&Transport) + 'static) -> Self {
        Self { prepare: Some(Box::new(prepare)), ..self }
    }
}

impl<P: Protocol> Protocol for Opening<P> {
    fn connection_made(&mut self, transport: &Transport) {
        if let Some(prepare) = self.prepare.take() {
            prepare(transport);
        }
        let Some(protocol) = self.protocol.take() else { return };
        let connection = transport.switch_protocol(protocol, &[]);
        self.place.connection.borrow_mut().get_or_insert(connection);
    }

    fn log_prefix(&self) -> String {
        self.protocol.as_ref().map_or_else(String::new, Protocol::log_prefix)
    }
}

impl<F: Factory> OpeningFactory<F> {
    pub(crate) const fn new(factory: F, place: Place<F::Protocol>) -> Self {
        Self { factory, place }
    }
}

impl<F: Factory> Factory for OpeningFactory<F> {
    type Protocol = Opening<F::Protocol>;

    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol> {
        let protocol = self.factory.build_protocol(peer)?;
        Some(Opening::new(protocol, self.place.clone()))
    }

    fn start_factory(&mut self) {
        self.factory.start_factory();
    }

    fn stop_factory(&mut self) {
        self.factory.stop_factory();
    }

    fn descriptors_exhausted(&mut self, error: &std::io::Error) -> Shortage {
        self.factory.descriptors_exhausted(error)
    }

    fn log_prefix(&self) -> String {
        self.factory.log_prefix()
    }

    fn noisy(&self) -> bool {
        self.factory.noisy()
    }
}

impl<F: ClientFactory> ClientFactory for OpeningFactory<F> {
    fn started_connecting(&mut self, connector: &Connector) {
        self.factory.started_connecting(connector);
    }

    fn client_connection_made(&mut self, connector: &Connector, transport: &Transport) {
        self.factory.client_connection_made(connector, transport);
    }

    fn client_connection_failed(&mut self, connector: &Connector, reason: &ConnectError) {
        self.factory.client_connection_failed(connector, reason);
    }

    fn client_connection_lost(&mut self, connector: &Connector, reason: &CloseReason) {
        self.factory.client_connection_lost(connector, reason);
    }
}

/// One protocol, for the one connection it is for.
pub(crate) struct Ready<P>(pub(crate) Option<P>);

impl<P: Protocol> Factory for Ready<P> {
    type Protocol = P;

    fn build_protocol(&mut self, _peer: &Address) -> Option<P> {
        self.0.take()
    }

    fn noisy(&self) -> bool {
        false
    }
}

impl<P: Protocol> ClientFactory for Ready<P> {}

impl<P> fmt::Debug for Place<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.connection.borrow()).finish()
    }
}
