use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tracing::info;
use twistor_deferred::drop_contained;
use twistor_reactor::kernel::{ConnectOptions, Token};
use twistor_reactor::sources::{Source, SourceHost};
use twistor_reactor::{CloseReason, ReactorHandle};

use super::TcpClientOptions;
use super::attempt::{Attempting, Connected, Dial, Lookup};
use super::stage::{Attempt, Stage};
use crate::connection::{Conn, Owner, Transport};
use crate::context::{Holder, Holders, NetContext};
use crate::error::{CannotConnect, ConnectError, NotConnecting};
use crate::{Address, ClientFactory, Destination};

/// Connects to one destination, again and again if it is asked to, with one factory.
///
/// A cheap clone. Dropping it neither stops the attempt nor closes the connection. A factory need not keep one to reconnect: every call
/// hands it the connector; one that keeps it all the same is freed with the reactor, not before.
#[derive(Clone)]
pub struct Connector {
    core: Rc<dyn Object>,
}

/// Where a [`Connector`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorState {
    /// Neither connecting nor connected: [`Connector::connect`] may be called.
    Disconnected,
    /// An attempt is under way.
    Connecting,
    /// The connection stands.
    Connected,
}

/// A connector without the type of its factory.
trait Object {
    fn connect(self: Rc<Self>) -> Result<(), CannotConnect>;
    fn stop_connecting(self: Rc<Self>) -> Result<(), NotConnecting>;
    fn disconnect(self: Rc<Self>);
    fn destination(&self) -> &Address;
    fn reactor(&self) -> &ReactorHandle;
    fn state(&self) -> ConnectorState;
}

impl Connector {
    /// Connects: an attempt of its own, with a deadline of its own. From inside `client_connection_failed` or `client_connection_lost`
    /// this is how to reconnect, and the factory goes on without a stop and a start.
    ///
    /// # Errors
    ///
    /// [`CannotConnect::AlreadyConnecting`] if it is connecting or connected, [`CannotConnect::ReactorGone`] if the reactor was dropped
    /// or is stopping: nothing is told to the factory then.
    pub fn connect(&self) -> Result<(), CannotConnect> {
        Rc::clone(&self.core).connect()
    }

    /// Ends the attempt: `client_connection_failed` gets [`ConnectError::Stopped`], after the present call has returned.
    ///
    /// # Errors
    ///
    /// [`NotConnecting`] in any other state.
    pub fn stop_connecting(&self) -> Result<(), NotConnecting> {
        Rc::clone(&self.core).stop_connecting()
    }

    /// Whatever it takes to be disconnected: stops an attempt, closes a connection in order. If disconnected: nothing.
    pub fn disconnect(&self) {
        Rc::clone(&self.core).disconnect();
    }

    /// Where it connects to, as it was asked to: a name stays a name.
    #[must_use]
    pub fn destination(&self) -> &Address {
        self.core.destination()
    }

    /// The reactor it connects with.
    #[must_use]
    pub fn reactor(&self) -> &ReactorHandle {
        self.core.reactor()
    }

    /// Where it is.
    #[must_use]
    pub fn state(&self) -> ConnectorState {
        self.core.state()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({} {:?})", self.destination(), self.state())
    }
}

/// Makes a connector and begins its first attempt.
pub(crate) fn connect<F: ClientFactory>(
    reactor: &ReactorHandle,
    destination: Destination,
    factory: F,
    options: TcpClientOptions,
) -> Connector {
    let core = Rc::new_cyclic(|this: &Weak<Core<F>>| Core {
        reactor: reactor.clone(),
        context: reactor.extension::<NetContext>(),
        destination,
        options,
        factory: RefCell::new(Some(factory)),
        started: Cell::new(false),
        stage: RefCell::new(Stage::Disconnected),
        attempts: Cell::new(0),
        unwanted: Cell::new(false),
        this: this.clone(),
    });
    let weak: Weak<dyn Holder> = core.this.clone();
    reactor.extension::<Holders>().add(weak);
    if Rc::clone(&core).connect().is_err() {
        // The reactor is gone or stopping. The factory hears of it as of any other failure, if anything is told any more.
        let core = Rc::clone(&core);
        reactor.notify(move |_| core.tell_failed(&ConnectError::ReactorGone));
    }
    Connector { core }
}

struct Core<F> {
    reactor: ReactorHandle,
    context: Rc<NetContext>,
    destination: Destination,
    options: TcpClientOptions,
    /// `None` once the reactor is gone. Borrowed while the factory is called.
    factory: RefCell<Option<F>>,
    /// Whether the factory was started and not stopped.
    started: Cell<bool>,
    stage: RefCell<Stage>,
    attempts: Cell<u64>,
    /// Disconnected while its protocol was built: it is closed as soon as there is one.
    unwanted: Cell<bool>,
    this: Weak<Self>,
}

impl<F: ClientFactory> Core<F> {
    fn connector(&self) -> Option<Connector> {
        self.this.upgrade().map(|core| Connector { core })
    }

    /// Calls the factory, unless it is gone with the reactor; contains its panic.
    fn tell<R>(&self, what: &str, f: impl FnOnce(&mut F, &Connector) -> R) -> Option<Result<R, String>> {
        let source = self.stage.borrow().token();
        self.tell_of(source, what, f)
    }

    /// As [`tell`](Self::tell), of something that has to do with the source of that token.
    fn tell_of<R>(
        &self,
        source: Option<Token>,
        what: &str,
        f: impl FnOnce(&mut F, &Connector) -> R,
    ) -> Option<Result<R, String>> {
        let connector = self.connector()?;
        let mut slot = self.factory.try_borrow_mut().ok()?;
        let factory = slot.as_mut()?;
        Some(self.reactor.guard_for(source, what, || f(factory, &connector)))
    }

    /// The attempt `number`, if it is the present one.
    fn with_attempt<R>(&self, number: u64, f: impl FnOnce(&mut Attempt) -> R) -> Option<R> {
        match &mut *self.stage.borrow_mut() {
            Stage::Connecting(attempt) if attempt.number == number => Some(f(attempt)),
            _ => None,
        }
    }

    /// The first thing after `connect`: tells the factory, then looks the name up or tries the address.
    fn begin(self: &Rc<Self>, number: u64) {
        if !self.started.replace(true) {
            self.log_if_noisy("starting");
            self.tell("start_factory", |factory, _| factory.start_factory());
        }
        self.tell("started_connecting", |factory, connector| factory.started_connecting(connector));
        if self.with_attempt(number, |_| ()).is_none() {
            return; // Stopped meanwhile; who did so queued the failure.
        }
        match self.destination.address().clone() {
            Address::Tcp(address) => self.try_all(number, [address].into(), None),
            Address::Host(name, _) => self.look_up(number, &name),
        }
    }

    fn look_up(self: &Rc<Self>, number: u64, name: &str) {
        let owner = Rc::clone(self) as Rc<dyn Attempting>;
        let lookup = Rc::new(Lookup { owner, attempt: number });
        let (Some(kernel), Some(token)) = (self.reactor.kernel(), self.reactor.register(lookup)) else {
            return self.fail(number, ConnectError::ReactorGone);
        };
        self.with_attempt(number, |attempt| attempt.token = Some(token));
        if let Err(error) = kernel.resolver().and_then(|resolver| resolver.look_up(name, token)) {
            self.fail(number, self.lookup_error(error));
        }
    }

    fn lookup_error(&self, error: io::Error) -> ConnectError {
        ConnectError::Lookup { host: self.destination.address().host(), error: Arc::new(error) }
    }

    /// Tries one address after another until one takes its time; `last` is why the one before failed.
    fn try_all(self: &Rc<Self>, number: u64, rest: VecDeque<SocketAddr>, last: Option<ConnectError>) {
        let mut rest = rest;
        let mut last = last;
        while let Some(to) = rest.pop_front() {
            match self.dial(number, to) {
                Ok(token) => {
                    self.with_attempt(number, |attempt| {
                        attempt.token = Some(token);
                        attempt.rest = rest;
                    });
                    return;
                }
                Err(error) => last = Some(error),
            }
        }
        let nobody = || self.lookup_error(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        self.fail(number, last.unwrap_or_else(nobody));
    }

    fn dial(self: &Rc<Self>, number: u64, to: SocketAddr) -> Result<Token, ConnectError> {
        let kernel = self.reactor.kernel().ok_or(ConnectError::ReactorGone)?;
        let mut options = ConnectOptions::default();
        options.bind_address = self.options.bind_address;
        let socket =
            kernel.connect_stream(to, &options).map_err(|error| ConnectError::from_start(to, error))?;
        let owner = Rc::clone(self) as Rc<dyn Attempting>;
        let dial = Rc::new(Dial {
            owner,
            attempt: number,
            to,
            socket: RefCell::new(Some(socket)),
            seen: Cell::new(None),
        });
        let source = Rc::clone(&dial) as Rc<dyn Source>;
        let token = self.reactor.register(source).ok_or(ConnectError::ReactorGone)?;
        let registered = match &*dial.socket.borrow() {
            Some(socket) => socket.register(token),
            None => Ok(()),
        };
        registered.map(|()| token).map_err(|error| {
            self.reactor.deregister(token);
            ConnectError::from_socket(to, error)
        })
    }

    /// Ends the attempt: its deadline, its lookup and its socket.
    fn end_attempt(&self, number: u64, next: Stage) -> bool {
        let attempt = {
            let mut stage = self.stage.borrow_mut();
            match &*stage {
                Stage::Connecting(attempt) if attempt.number == number => {}
                _ => return false,
            }
            match std::mem::replace(&mut *stage, next) {
                Stage::Connecting(attempt) => attempt,
                Stage::Disconnected | Stage::Connected(_) => return false,
            }
        };
        if let Some(deadline) = attempt.deadline {
            let _ = deadline.cancel(); // It may be what ends the attempt.
        }
        true
    }

    fn drop_source(&self, token: Option<Token>) {
        let Some(token) = token else { return };
        if let Some(kernel) = self.reactor.kernel() {
            if let Ok(resolver) = kernel.resolver() {
                resolver.cancel(token);
            }
        }
        drop(self.reactor.deregister(token));
    }

    /// The attempt failed: told once, from the loop.
    fn fail(self: &Rc<Self>, number: u64, error: ConnectError) {
        let token = self.with_attempt(number, |attempt| attempt.token.take()).flatten();
        if self.end_attempt(number, Stage::Disconnected) {
            self.drop_source(token);
            self.tell_failed(&error);
        }
    }

    fn tell_failed(self: &Rc<Self>, error: &ConnectError) {
        info!("connecting to {} failed: {error}", self.destination.address());
        self.tell("client_connection_failed", |factory, connector| {
            factory.client_connection_failed(connector, error);
        });
        self.stop_if_idle();
    }

    /// Stops the factory, unless it was asked to connect again.
    fn stop_if_idle(&self) {
        if !matches!(*self.stage.borrow(), Stage::Disconnected) || !self.started.replace(false) {
            return;
        }
        self.tell("stop_factory", |factory, _| factory.stop_factory());
        self.log_if_noisy("stopped");
    }

    fn log_if_noisy(&self, what: &str) {
        let prefix = self.tell("log_prefix", |factory, _| factory.noisy().then(|| factory.log_prefix()));
        if let Some(Ok(Some(prefix))) = prefix {
            info!("{what} factory {prefix} for {}", self.destination.address());
        }
    }
}

impl<F: ClientFactory> Attempting for Core<F> {
    fn resolved(self: Rc<Self>, number: u64, answer: io::Result<Vec<IpAddr>>) {
        self.with_attempt(number, |attempt| attempt.token = None);
        let port = self.destination.address().port();
        let family = self.options.bind_address;
        match answer {
            Ok(ips) => {
                let fits = |to: &SocketAddr| family.is_none_or(|from| from.is_ipv4() == to.is_ipv4());
                let rest = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).filter(fits).collect();
                if self.with_attempt(number, |_| ()).is_some() {
                    self.try_all(number, rest, None);
                }
            }
            Err(error) => self.fail(number, self.lookup_error(error)),
        }
    }

    fn connected(self: Rc<Self>, number: u64, connected: Connected) {
        let Connected { token, socket, to, readiness } = connected;
        if !self.end_attempt(number, Stage::Connected(Weak::new())) {
            drop(self.reactor.deregister(token));
            return;
        }
        self.unwanted.set(false);
        let peer = socket.peer().unwrap_or(to);
        let build = |factory: &mut F, _: &Connector| factory.build_protocol(&Address::Tcp(peer));
        let built = self.tell_of(Some(token), "build_protocol", build);
        let protocol = match built {
            Some(Ok(Some(protocol))) => protocol,
            Some(Err(text)) => {
                drop(self.reactor.deregister(token));
                drop(socket);
                self.stage.replace(Stage::Disconnected);
                return self.tell_failed(&ConnectError::Panicked(text.into()));
            }
            Some(Ok(None)) | None => {
                drop(self.reactor.deregister(token));
                drop(socket);
                return Owner::connection_lost(self, &CloseReason::Done);
            }
        };
        let owner = Rc::clone(&self) as Rc<dyn Owner>;
        let context = Rc::clone(&self.context);
        let conn = Conn::new(&self.reactor, context, socket, peer, Box::new(protocol), Some(owner));
        self.stage.replace(Stage::Connected(Rc::downgrade(&conn)));
        conn.take_place(token);
        conn.make_span(|| "client".to_owned());
        if self.unwanted.take() {
            Transport::new(Rc::clone(&conn)).lose_connection();
        }
        conn.announce(Ok(()));
        if matches!(*self.stage.borrow(), Stage::Connected(_)) && !conn.has_panicked() {
            let transport = Transport::new(Rc::clone(&conn));
            self.tell("client_connection_made", |factory, connector| {
                factory.client_connection_made(connector, &transport);
            });
        }
        conn.ready(&self.reactor, readiness);
    }

    fn socket_failed(self: Rc<Self>, number: u64, to: SocketAddr, error: io::Error) {
        let rest = self.with_attempt(number, |attempt| {
            attempt.token = None;
            std::mem::take(&mut attempt.rest)
        });
        if let Some(rest) = rest {
            self.try_all(number, rest, Some(ConnectError::from_socket(to, error)));
        }
    }

    fn reactor_ends(self: Rc<Self>, number: u64) {
        self.fail(number, ConnectError::ReactorGone);
    }
}

impl<F: ClientFactory> Owner for Core<F> {
    fn connection_lost(self: Rc<Self>, reason: &CloseReason) {
        let source = self.stage.replace(Stage::Disconnected).token();
        self.tell_of(source, "client_connection_lost", |factory, connector| {
            factory.client_connection_lost(connector, reason);
        });
        self.stop_if_idle();
    }
}

impl<F: ClientFactory> Object for Core<F> {
    fn connect(self: Rc<Self>) -> Result<(), CannotConnect> {
        if !matches!(*self.stage.borrow(), Stage::Disconnected) {
            return Err(CannotConnect::AlreadyConnecting);
        }
        if !self.reactor.takes_sources() {
            return Err(CannotConnect::ReactorGone);
        }
        let number = self.attempts.get() + 1;
        self.attempts.set(number);
        let deadline = self.options.timeout.map(|limit| {
            let weak = self.this.clone();
            self.reactor.call_later(limit, move || {
                if let Some(core) = weak.upgrade() {
                    // Queued, so that a deadline of zero comes after the beginning of the attempt that it ends.
                    let reactor = core.reactor.clone();
                    reactor.notify(move |_| core.fail(number, ConnectError::TimedOut(limit)));
                }
            })
        });
        let attempt = Attempt { number, deadline, token: None, rest: VecDeque::new() };
        self.stage.replace(Stage::Connecting(attempt));
        let core = Rc::clone(&self);
        self.reactor.notify(move |_| core.begin(number));
        Ok(())
    }

    fn stop_connecting(self: Rc<Self>) -> Result<(), NotConnecting> {
        let (number, token) = match &mut *self.stage.borrow_mut() {
            Stage::Connecting(attempt) => (attempt.number, attempt.token.take()),
            _ => return Err(NotConnecting),
        };
        self.end_attempt(number, Stage::Disconnected);
        let core = Rc::clone(&self);
        self.reactor.notify(move |_| {
            core.drop_source(token);
            core.tell_failed(&ConnectError::Stopped);
        });
        Ok(())
    }

    fn disconnect(self: Rc<Self>) {
        let conn = match &*self.stage.borrow() {
            Stage::Connected(conn) => Some(conn.upgrade()),
            Stage::Connecting(_) | Stage::Disconnected => None,
        };
        match conn {
            Some(Some(conn)) => Transport::new(conn).lose_connection(),
            Some(None) => self.unwanted.set(true), // Asked by `build_protocol`.
            None => {
                // Connecting or not: both is well.
                let _ = self.stop_connecting();
            }
        }
    }

    fn destination(&self) -> &Address {
        self.destination.address()
    }

    fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    fn state(&self) -> ConnectorState {
        self.stage.borrow().state()
    }
}

impl<F> Holder for Core<F> {
    fn release(&self) {
        let factory = self.factory.try_borrow_mut().ok().and_then(|mut slot| slot.take());
        drop_contained(factory);
    }
}

impl<F> Drop for Core<F> {
    /// The last of its handles may go with a connection, inside the loop.
    fn drop(&mut self) {
        drop_contained(self.factory.get_mut().take());
    }
}
