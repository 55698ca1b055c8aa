//! One connection for one ready-made protocol, as a Deferred.

use std::cell::OnceCell;
use std::rc::Rc;

use twistor_deferred::{Deferred, Failure, Promise, deferred};
use twistor_reactor::{CloseReason, ReactorHandle};

use super::TcpClientOptions;
use super::connector::connect;
use crate::{
    Address, ClientFactory, ConnectError, Connection, Connector, Destination, Factory, Protocol, Transport,
};

#[track_caller]
pub(crate) fn connect_protocol<P: Protocol>(
    reactor: &ReactorHandle,
    destination: Destination,
    protocol: P,
    options: TcpClientOptions,
) -> Deferred<Connection<P>> {
    connect_once(reactor, destination, protocol, options, Transport::connection::<P>)
}

/// As [`connect_protocol`], with what `hand_out` makes of the connection once it stands. If nobody wants it any more by then, that is
/// dropped.
#[track_caller]
pub(crate) fn connect_once<P: Protocol, T: 'static>(
    reactor: &ReactorHandle,
    destination: Destination,
    protocol: P,
    options: TcpClientOptions,
    hand_out: impl FnOnce(&Transport) -> T + 'static,
) -> Deferred<T> {
    let (promise, connection) = deferred();
    // The canceller is to reach the connector, which is made with the promise: it gets its place first.
    let place: Rc<OnceCell<Connector>> = Rc::default();
    let weak = Rc::downgrade(&place);
    promise.on_cancel(move || {
        if let Some(connector) = weak.upgrade().as_ref().and_then(|place| place.get()) {
            connector.disconnect();
        }
    });
    let once =
        Once { protocol: Some(protocol), waiting: Some((promise, hand_out)), place: Rc::clone(&place) };
    // The connector's factory owns the place, which owns the connector, until the promise is fired.
    let _ = place.set(connect(reactor, destination, once, options));
    connection
}

/// A factory for one connection.
struct Once<P, T, H> {
    protocol: Option<P>,
    waiting: Option<(Promise<T>, H)>,
    /// Reaches the connector for the canceller. Emptied with the promise, since it closes a circle.
    place: Rc<OnceCell<Connector>>,
}

impl<P, T, H> Once<P, T, H> {
    /// Takes the promise, and opens the circle.
    fn settle(&mut self) -> Option<(Promise<T>, H)> {
        self.place = Rc::default();
        self.waiting.take()
    }

    fn fail(&mut self, failure: Failure) {
        if let Some((promise, _)) = self.settle() {
            promise.errback(failure);
        }
    }
}

impl<P: Protocol, T: 'static, H: FnOnce(&Transport) -> T + 'static> Factory for Once<P, T, H> {
    type Protocol = P;

    fn build_protocol(&mut self, _peer: &Address) -> Option<P> {
        self.protocol.take()
    }

    fn noisy(&self) -> bool {
        false
    }
}

impl<P: Protocol, T: 'static, H: FnOnce(&Transport) -> T + 'static> ClientFactory for Once<P, T, H> {
    fn client_connection_made(&mut self, _connector: &Connector, transport: &Transport) {
        if let Some((promise, hand_out)) = self.settle() {
            promise.callback(hand_out(transport));
        }
    }

    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        self.fail(Failure::new(reason.clone()));
    }

    fn client_connection_lost(&mut self, _connector: &Connector, reason: &CloseReason) {
        self.fail(Failure::new(reason.clone()));
    }
}
