use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tracing::info;
use twistor_deferred::{Deferred, Failure, Panicked, Promise, deferred, drop_contained, succeed};
use twistor_reactor::kernel::{Readiness, StreamListener, Token};
use twistor_reactor::sources::{Source, SourceHost, SourceKind};
use twistor_reactor::{CloseReason, DelayedCall, ReactorHandle};

use super::TcpServerOptions;
use super::drain::{Drain, Drained};
use crate::connection::Owner;
use crate::context::{Holder, Holders, NetContext};
use crate::error::CannotListenError;
use crate::{Address, Factory, Interface};

/// A port that listens, and the connections it accepted.
///
/// A cheap clone. Dropping it leaves the port listening.
#[derive(Clone)]
pub struct ListeningPort {
    core: Rc<dyn Object>,
}

/// What a [`ListeningPort`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// It accepts connections.
    Listening,
    /// It accepts no more, and waits for its connections to end.
    Draining,
    /// It does not listen: [`ListeningPort::start_listening`] may be called.
    Stopped,
}

/// A port without the type of its factory.
trait Object {
    fn start_listening(self: Rc<Self>) -> Result<(), CannotListenError>;
    #[track_caller]
    fn stop_listening(self: Rc<Self>) -> Deferred<()>;
    fn stop_accepting(&self);
    #[track_caller]
    fn drain(self: Rc<Self>, deadline: Duration) -> Deferred<Drained>;
    fn host(&self) -> SocketAddr;
    fn state(&self) -> PortState;
    fn connections(&self) -> usize;
}

impl ListeningPort {
    /// The address listened on, with the port that was chosen if none was asked for. The last one, if it does not listen now.
    #[must_use]
    pub fn host(&self) -> Address {
        Address::Tcp(self.core.host())
    }

    /// What the port does now.
    #[must_use]
    pub fn state(&self) -> PortState {
        self.core.state()
    }

    /// How many connections that it accepted are alive.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.connections()
    }

    /// Accepts no more from this moment on. The socket is closed and the factory stopped before the loop sleeps, then the Deferred fires;
    /// it fails if `stop_factory` panics, and the port is stopped all the same. Connections are left alone. On a port that does not
    /// listen the Deferred has fired already.
    #[track_caller]
    pub fn stop_listening(&self) -> Deferred<()> {
        Rc::clone(&self.core).stop_listening()
    }

    /// Listens again, on the interface and port it was made with. While it listens: nothing.
    ///
    /// # Errors
    ///
    /// As [`listen_tcp`](crate::ReactorTcp::listen_tcp); while it is being drained; always for an adopted port, whose socket is gone.
    pub fn start_listening(&self) -> Result<(), CannotListenError> {
        Rc::clone(&self.core).start_listening()
    }

    /// Accepts no more, and closes the listening socket; the factory is not stopped, and connections go on. The first half of a
    /// [`drain`](Self::drain).
    pub fn stop_accepting(&self) {
        self.core.stop_accepting();
    }

    /// Ends the port gracefully: accepts no more, asks every connection to close
    /// ([`close_requested`](crate::Protocol::close_requested)), aborts those that are left when `deadline` has passed, and stops
    /// the factory. The Deferred fires when the last connection is lost.
    ///
    /// To drain when the reactor is stopped, return it from a before-shutdown trigger. The reactor waits for such a Deferred no longer than
    /// [`shutdown_timeout`](twistor_reactor::Limits::shutdown_timeout) (10 s): set that above `deadline`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "mio")] {
    /// use std::time::Duration;
    /// use twistor_net::{for_protocol, Protocol, ReactorTcp};
    /// use twistor_reactor::{Phase, Reactor, triggers::SHUTDOWN};
    ///
    /// struct Silent;
    /// impl Protocol for Silent {}
    ///
    /// let mut reactor = Reactor::builder().shutdown_timeout(Duration::from_secs(60)).build()?;
    /// let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Silent))?;
    /// reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| port.drain(Duration::from_secs(30)));
    /// reactor.call_when_running(|reactor| reactor.stop().unwrap());
    /// reactor.run()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn drain(&self, deadline: Duration) -> Deferred<Drained> {
        Rc::clone(&self.core).drain(deadline)
    }
}

impl fmt::Debug for ListeningPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListeningPort({} {:?}, {} connections)", self.host(), self.state(), self.connections())
    }
}

/// How a port comes to its socket.
enum Origin {
    Bound(Interface),
    /// Somebody else made it: it cannot be made again.
    Adopted,
}

pub(crate) fn listen<F: Factory>(
    reactor: &ReactorHandle,
    interface: Interface,
    factory: F,
    options: TcpServerOptions,
) -> Result<ListeningPort, CannotListenError> {
    let core = Core::new(reactor, Origin::Bound(interface), factory, options);
    core.open()?;
    Ok(ListeningPort { core })
}

pub(crate) fn adopt<F: Factory>(
    reactor: &ReactorHandle,
    fd: BorrowedFd<'_>,
    factory: F,
) -> Result<ListeningPort, CannotListenError> {
    let failed = |error| CannotListenError::new("adopted socket", 0, error);
    let kernel = reactor.kernel().ok_or_else(|| failed(gone()))?;
    let duplicate = twistor_reactor::kernel::duplicate(fd).map_err(failed)?;
    let listener = kernel.adopt_listener(duplicate).map_err(failed)?;
    let core = Core::new(reactor, Origin::Adopted, factory, TcpServerOptions::default());
    core.put_in_place(listener).map_err(failed)?;
    Ok(ListeningPort { core })
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, twistor_reactor::ReactorGone)
}

pub(super) struct Core<F: Factory> {
    pub(super) reactor: ReactorHandle,
    pub(super) context: Rc<NetContext>,
    origin: Origin,
    options: TcpServerOptions,
    /// `None` once the reactor is gone. Borrowed while the factory is called.
    factory: RefCell<Option<F>>,
    users: Cell<Users>,
    pub(super) state: Cell<PortState>,
    pub(super) listener: RefCell<Option<Box<dyn StreamListener>>>,
    pub(super) token: Cell<Option<Token>>,
    /// Shared with the connections, which have no other address of their own.
    pub(super) local: RefCell<Rc<SocketAddr>>,
    /// Accepts of the next readiness.
    pub(super) batch: Cell<usize>,
    /// Whether the table of sources will call `again`.
    pub(super) again: Cell<bool>,
    /// The pause after the last shortage of descriptors, if the port is in one.
    pub(super) back_off: Cell<Option<Duration>>,
    /// The end of that pause.
    pub(super) retry: RefCell<Option<DelayedCall>>,
    pub(super) connections: Cell<usize>,
    pub(super) drain: RefCell<Option<Drain>>,
    pub(super) this: Weak<Self>,
}

/// Whether the factory was told that it is in use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Users {
    /// It was not started, or stopped since.
    None,
    /// The start is queued.
    Starting,
    Started,
}

impl<F: Factory> Core<F> {
    /// The address listened on, by the last listener.
    pub(super) fn address(&self) -> SocketAddr {
        **self.local.borrow()
    }

    fn new(reactor: &ReactorHandle, origin: Origin, factory: F, options: TcpServerOptions) -> Rc<Self> {
        let core = Rc::new_cyclic(|this: &Weak<Self>| Self {
            reactor: reactor.clone(),
            context: reactor.extension::<NetContext>(),
            origin,
            batch: Cell::new(options.accepts_per_turn),
            options,
            factory: RefCell::new(Some(factory)),
            users: Cell::new(Users::None),
            state: Cell::new(PortState::Stopped),
            listener: RefCell::new(None),
            token: Cell::new(None),
            local: RefCell::new(Rc::new(([0, 0, 0, 0], 0).into())),
            again: Cell::new(false),
            back_off: Cell::new(None),
            retry: RefCell::new(None),
            connections: Cell::new(0),
            drain: RefCell::new(None),
            this: this.clone(),
        });
        let weak: Weak<dyn Holder> = core.this.clone();
        reactor.extension::<Holders>().add(weak);
        core
    }

    /// Binds and listens; the factory is started by a notification.
    fn open(self: &Rc<Self>) -> Result<(), CannotListenError> {
        let Origin::Bound(interface) = &self.origin else {
            let error = io::Error::new(io::ErrorKind::Unsupported, "the adopted socket was closed");
            return Err(CannotListenError::new("adopted socket", 0, error));
        };
        let failed = |error| CannotListenError::new(interface.text(), interface.port(), error);
        let address = interface.resolve().map_err(|text| {
            let why = format!("{text:?} is no address of an interface: use an IP address");
            failed(io::Error::new(io::ErrorKind::InvalidInput, why))
        })?;
        let kernel = self.reactor.kernel().ok_or_else(|| failed(gone()))?;
        let listener = kernel.listen_stream(address, &self.options.listen).map_err(failed)?;
        self.put_in_place(listener).map_err(failed)
    }

    fn put_in_place(self: &Rc<Self>, listener: Box<dyn StreamListener>) -> io::Result<()> {
        self.local.replace(Rc::new(listener.local()?));
        let token = self.reactor.register(Rc::clone(self) as Rc<dyn Source>).ok_or_else(gone)?;
        if let Err(error) = listener.register(token) {
            self.reactor.deregister(token);
            return Err(error);
        }
        self.token.set(Some(token));
        *self.listener.borrow_mut() = Some(listener);
        self.state.set(PortState::Listening);
        if self.users.get() == Users::None {
            self.users.set(Users::Starting);
            let core = Rc::clone(self);
            self.reactor.notify(move |_| core.ensure_started());
        }
        Ok(())
    }

    /// Starts the factory, if that is still to be done.
    pub(super) fn ensure_started(&self) {
        if self.users.get() != Users::Starting {
            return;
        }
        self.users.set(Users::Started);
        self.log_if_noisy("starting");
        let _ = self.tell("start_factory", Factory::start_factory);
    }

    /// Stops the factory, if it was started.
    pub(super) fn stop_factory(&self) -> Result<(), String> {
        self.ensure_started(); // A start that is queued comes first.
        if self.users.replace(Users::None) != Users::Started {
            return Ok(());
        }
        let stopped = self.tell("stop_factory", Factory::stop_factory);
        self.log_if_noisy("stopped");
        stopped.unwrap_or(Ok(()))
    }

    fn log_if_noisy(&self, what: &str) {
        let prefix = self.tell("log_prefix", |factory| factory.noisy().then(|| factory.log_prefix()));
        if let Some(Ok(Some(prefix))) = prefix {
            info!("{what} factory {prefix} on {}", self.address());
        }
    }

    /// Calls the factory, unless it is gone with the reactor; contains its panic.
    pub(super) fn tell<R>(&self, what: &str, f: impl FnOnce(&mut F) -> R) -> Option<Result<R, String>> {
        let mut slot = self.factory.try_borrow_mut().ok()?;
        let factory = slot.as_mut()?;
        Some(self.reactor.guard_for(self.token.get(), what, || f(factory)))
    }

    /// Takes the socket out of the loop and closes it: no code of the user's is in it.
    pub(super) fn close_socket(&self) {
        if let Some(token) = self.token.take() {
            drop(self.reactor.deregister(token));
        }
        self.again.set(false); // Asked for under the token that is gone.
        self.back_off.set(None);
        if let Some(retry) = self.retry.take() {
            let _ = retry.cancel();
        }
        let listener = self.listener.borrow_mut().take();
        drop(listener);
    }
}

impl<F: Factory> Object for Core<F> {
    fn start_listening(self: Rc<Self>) -> Result<(), CannotListenError> {
        match self.state.get() {
            PortState::Listening => Ok(()),
            PortState::Draining | PortState::Stopped if self.drain.borrow().is_some() => {
                let error = io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    "the port is being drained: wait for the end of that",
                );
                let local = self.address();
                Err(CannotListenError::new(&local.ip().to_string(), local.port(), error))
            }
            PortState::Draining | PortState::Stopped => self.open(),
        }
    }

    #[track_caller]
    fn stop_listening(self: Rc<Self>) -> Deferred<()> {
        if self.state.get() == PortState::Stopped {
            return succeed(());
        }
        self.state.set(PortState::Stopped);
        self.close_socket();
        let (promise, stopped) = deferred();
        let core = Rc::clone(&self);
        self.reactor.notify(move |_| {
            // Unless it was started again meanwhile, or a drain is to stop it.
            let stop = core.state.get() == PortState::Stopped && core.drain.borrow().is_none();
            fire(promise, if stop { core.stop_factory() } else { Ok(()) });
        });
        stopped
    }

    fn stop_accepting(&self) {
        if self.state.get() == PortState::Listening {
            self.state.set(PortState::Draining);
            self.close_socket();
        }
    }

    #[track_caller]
    fn drain(self: Rc<Self>, deadline: Duration) -> Deferred<Drained> {
        self.begin_drain(deadline)
    }

    fn host(&self) -> SocketAddr {
        self.address()
    }

    fn state(&self) -> PortState {
        self.state.get()
    }

    fn connections(&self) -> usize {
        self.connections.get()
    }
}

fn fire(promise: Promise<()>, result: Result<(), String>) {
    promise.fire(result.map_err(|text| Failure::new(Panicked(text))));
}

impl<F: Factory> Source for Core<F> {
    fn ready(self: Rc<Self>, _reactor: &ReactorHandle, _readiness: Readiness) {
        if !self.again.get() {
            self.accept_batch(); // Else the batch of this turn comes with `again`.
        }
    }

    fn again(self: Rc<Self>, _reactor: &ReactorHandle) {
        self.again.set(false);
        self.accept_batch();
    }

    fn shut_down(self: Rc<Self>, _reactor: &ReactorHandle, _reason: &CloseReason) {
        self.state.set(PortState::Stopped);
        self.close_socket();
        let _ = self.stop_factory();
    }

    fn kind(&self) -> SourceKind {
        SourceKind::Listener
    }

    fn describe(&self) -> Option<String> {
        Some(format!("listening port {}", self.address()))
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

impl<F: Factory> Owner for Core<F> {
    fn connection_lost(self: Rc<Self>, reason: &CloseReason) {
        self.count_drained(reason);
        self.connections.set(self.connections.get() - 1);
        self.check_drained();
    }
}

impl<F: Factory> Holder for Core<F> {
    fn release(&self) {
        // A port that only accepts no more is in nobody's table, and was not shut down.
        let _ = self.stop_factory();
        let factory = self.factory.try_borrow_mut().ok().and_then(|mut slot| slot.take());
        drop_contained(factory);
    }
}

impl<F: Factory> Drop for Core<F> {
    /// The last of its handles may go with a connection, inside the loop; or in a call of the user's, who let go of a port that accepts no
    /// more: then the factory is stopped by a notification.
    fn drop(&mut self) {
        let Some(mut factory) = self.factory.get_mut().take() else { return };
        if self.users.get() != Users::Started {
            return drop_contained(factory);
        }
        let stop = move |reactor: &ReactorHandle| {
            let _ = reactor.guard("stop_factory", || factory.stop_factory());
            drop_contained(factory);
        };
        if self.reactor.is_gone() {
            let reactor = self.reactor.clone();
            self.reactor.extension::<Holders>().release_at_the_end(move || stop(&reactor));
        } else {
            self.reactor.notify(stop);
        }
    }
}
