use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;

use twistor_reactor::{LendError, ReactorHandle};

use crate::protocol::short_type_name;
use crate::{Address, CloseReason, ConnectError, Connector, Protocol, Transport};

/// Makes a protocol for each connection, and holds what they share.
///
/// A port or a connector owns its factory; [`Shared`] puts one on several. Protocols reach common state through what the factory gives
/// them, an `Rc` for example. Every call comes from the loop, never from inside a call of yours.
#[expect(unused_variables, reason = "the parameters are named for those who override the methods")]
pub trait Factory: 'static {
    /// What it makes.
    type Protocol: Protocol;

    /// A protocol for the connection with `peer`; `None` refuses it, and the connection is closed at once.
    ///
    /// A panic is logged, and refuses the connection too (for a client: [`ConnectError::Panicked`]).
    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol>;

    /// The first port or connector is about to use the factory. Called again after a [`stop_factory`](Self::stop_factory), if it is
    /// used again.
    fn start_factory(&mut self) {}

    /// The last port or connector has let go of the factory. Connections that a port accepted may still be alive.
    fn stop_factory(&mut self) {}

    /// The process is out of descriptors (or memory for them), and clients wait to be accepted. Called once a shortage and listener,
    /// then at each retry. The default sheds them.
    fn descriptors_exhausted(&mut self, error: &io::Error) -> Shortage {
        Shortage::Shed
    }

    /// What log lines begin with. Default: the name of the protocol's type.
    fn log_prefix(&self) -> String {
        short_type_name::<Self::Protocol>().to_owned()
    }

    /// Whether start and stop are worth a log line at info level. Default true.
    fn noisy(&self) -> bool {
        true
    }
}

/// What a listener does with waiting clients when no descriptor is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Accept and close them, by means of a descriptor kept for that: they learn at once that they are not served.
    Shed,
    /// Let them wait, and try again by a timer (10 ms, doubling to 1 s): the application is about to free descriptors.
    Wait,
}

/// A factory for connections that this side makes. Each call gets the [`Connector`], to connect again with.
#[expect(unused_variables, reason = "the parameters are named for those who override the methods")]
pub trait ClientFactory: Factory {
    /// An attempt begins. Nothing was sent yet.
    fn started_connecting(&mut self, connector: &Connector) {}

    /// The connection stands, and the protocol's `connection_made` has returned. `transport.connection()` reaches the protocol.
    fn client_connection_made(&mut self, connector: &Connector, transport: &Transport) {}

    /// The attempt failed. Called once an attempt, instead of `build_protocol`. To try again, call [`Connector::connect`], now or by
    /// a timer; if nobody does before this returns, the factory is stopped, and started anew by the next attempt. Whoever waits by a timer
    /// hears nothing more when the reactor stops meanwhile: what waits for the connection is to be failed in a before-shutdown trigger.
    fn client_connection_failed(&mut self, connector: &Connector, reason: &ConnectError) {}

    /// An established connection was lost, and its protocol told, with the same reason. Connecting again works as after a failure.
    fn client_connection_lost(&mut self, connector: &Connector, reason: &CloseReason) {}
}

/// Makes a factory of a closure that makes protocols. See [`for_protocol`].
pub struct ForProtocol<F, P> {
    make: F,
    protocol: PhantomData<fn() -> P>,
}

/// A factory of a closure: called once a connection, with the peer's address. It serves ports and connectors alike.
///
/// # Examples
///
/// ```
/// # use twistor_net::{for_protocol, Factory, Protocol};
/// struct Echo;
/// impl Protocol for Echo {}
///
/// let mut factory = for_protocol(|_peer| Echo);
/// assert!(factory.build_protocol(&"127.0.0.1:80".parse::<std::net::SocketAddr>()?.into()).is_some());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn for_protocol<P: Protocol, F: FnMut(&Address) -> P + 'static>(make: F) -> ForProtocol<F, P> {
    ForProtocol { make, protocol: PhantomData }
}

impl<P: Protocol, F: FnMut(&Address) -> P + 'static> Factory for ForProtocol<F, P> {
    type Protocol = P;

    fn build_protocol(&mut self, peer: &Address) -> Option<P> {
        Some((self.make)(peer))
    }

    fn noisy(&self) -> bool {
        false
    }
}

impl<P: Protocol, F: FnMut(&Address) -> P + 'static> ClientFactory for ForProtocol<F, P> {}

impl<F, P> fmt::Debug for ForProtocol<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "for_protocol({})", short_type_name::<P>())
    }
}

/// One factory for several ports and connectors: started with the first, stopped with the last. A cheap clone.
///
/// # Examples
///
/// ```
/// # use twistor_net::{Address, Factory, Protocol, Shared};
/// # struct Counted; impl Protocol for Counted {}
/// #[derive(Default)]
/// struct Counter { built: usize }
///
/// impl Factory for Counter {
///     type Protocol = Counted;
///     fn build_protocol(&mut self, _peer: &Address) -> Option<Counted> {
///         self.built += 1;
///         Some(Counted)
///     }
/// }
///
/// let counter = Shared::new(Counter::default());
/// // reactor.listen_tcp(("127.0.0.1", 0), counter.clone())?; and once more ...
/// assert_eq!(counter.try_with(|counter| counter.built)?, 0);
/// # Ok::<(), twistor_reactor::LendError>(())
/// ```
pub struct Shared<F> {
    cell: Rc<SharedCell<F>>,
}

struct SharedCell<F> {
    factory: RefCell<F>,
    /// Ports and connectors that use it.
    users: Cell<usize>,
}

impl<F: 'static> Shared<F> {
    /// Makes `factory` shareable.
    pub fn new(factory: F) -> Self {
        Self { cell: Rc::new(SharedCell { factory: RefCell::new(factory), users: Cell::new(0) }) }
    }

    /// Lends the factory, at once.
    ///
    /// # Errors
    ///
    /// [`LendError::Busy`] from inside a call of the factory; `f` is dropped uncalled.
    pub fn try_with<R>(&self, f: impl FnOnce(&mut F) -> R) -> Result<R, LendError> {
        let mut factory = self.cell.factory.try_borrow_mut().map_err(|_| LendError::Busy)?;
        Ok(f(&mut factory))
    }

    /// Calls `f` with the factory after the present call has returned, in order with other notifications.
    pub fn post(&self, reactor: &ReactorHandle, f: impl FnOnce(&mut F) + 'static) {
        let shared = self.clone();
        reactor.notify(move |_| {
            let _ = shared.try_with(f);
        });
    }

    /// How many ports and connectors use the factory.
    #[must_use]
    pub fn users(&self) -> usize {
        self.cell.users.get()
    }
}

impl<F> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self { cell: Rc::clone(&self.cell) }
    }
}

impl<F> fmt::Debug for Shared<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} users)", self.cell.users.get())
    }
}

impl<F> Shared<F> {
    /// Lends the factory to the library, which calls from the loop alone. It is busy only if a reactor is dropped from inside a
    /// `try_with`: then that call is left out, and said so.
    fn lend<R>(&self, what: &str, f: impl FnOnce(&mut F) -> R) -> Option<R> {
        match self.cell.factory.try_borrow_mut() {
            Ok(mut factory) => Some(f(&mut factory)),
            Err(_) => {
                tracing::error!(
                    "{what} of a shared factory was left out: the factory is being used by try_with"
                );
                None
            }
        }
    }
}

impl<F: Factory> Factory for Shared<F> {
    type Protocol = F::Protocol;

    fn build_protocol(&mut self, peer: &Address) -> Option<F::Protocol> {
        self.lend("build_protocol", |factory| factory.build_protocol(peer)).flatten()
    }

    fn start_factory(&mut self) {
        self.cell.users.set(self.cell.users.get() + 1);
        if self.cell.users.get() == 1 {
            self.lend("start_factory", |factory| factory.start_factory());
        }
    }

    fn stop_factory(&mut self) {
        let users = self.cell.users.get();
        self.cell.users.set(users.saturating_sub(1));
        if users == 1 {
            self.lend("stop_factory", |factory| factory.stop_factory());
        }
    }

    fn descriptors_exhausted(&mut self, error: &io::Error) -> Shortage {
        self.lend("descriptors_exhausted", |factory| factory.descriptors_exhausted(error))
            .unwrap_or(Shortage::Shed)
    }

    fn log_prefix(&self) -> String {
        self.cell.factory.try_borrow().map_or_else(|_| "-".to_owned(), |factory| factory.log_prefix())
    }

    fn noisy(&self) -> bool {
        // Only the first start and the last stop are worth a line.
        self.cell.users.get() == 0 && self.cell.factory.try_borrow().is_ok_and(|factory| factory.noisy())
    }
}

impl<F: ClientFactory> ClientFactory for Shared<F> {
    fn started_connecting(&mut self, connector: &Connector) {
        self.lend("started_connecting", |factory| factory.started_connecting(connector));
    }

    fn client_connection_made(&mut self, connector: &Connector, transport: &Transport) {
        self.lend("client_connection_made", |factory| factory.client_connection_made(connector, transport));
    }

    fn client_connection_failed(&mut self, connector: &Connector, reason: &ConnectError) {
        self.lend("client_connection_failed", |factory| factory.client_connection_failed(connector, reason));
    }

    fn client_connection_lost(&mut self, connector: &Connector, reason: &CloseReason) {
        self.lend("client_connection_lost", |factory| factory.client_connection_lost(connector, reason));
    }
}
