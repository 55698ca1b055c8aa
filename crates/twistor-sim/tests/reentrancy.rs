//! Anything from anywhere: a random program hangs calls of the whole public interface on every callback there is, and on the `Drop` of
//! every value that the library is given. A small model says what each connection, factory, attempt and producer must hear.
//!
//! A program is a list of orders, "at the third `data_received` of a server, abort the first connection". Each is carried out once, so
//! every program ends. What must hold, whatever the program:
//!
//! - no callback runs inside a call of the user's, but those of Deferreds, of `try_with`, and destructors;
//! - no panic leaves the reactor, and the library makes none of its own;
//! - a connection hears `connection_made` first, `connection_lost` once and last, each half's end once, pauses and resumes in turn, its
//!   bytes in order, and none after it was closed or while it is paused;
//! - an attempt fails once, or its connection is lost once, and the protocol hears of that before the factory;
//! - factories are started and stopped in turn, and producers paused and resumed in turn and stopped once;
//! - afterwards nothing is left: no source, timer, socket, or value of the user's;
//! - the same program gives the same calls again.
//!
//! `PROPTEST_CASES` says how many programs are tried, `TWISTOR_SEED` which.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use twistor_deferred::{Deferred, Promise, deferred};
use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connection, Connector, Factory, Filter, FilterIo,
    Flow, LendError, ListeningPort, NetLimits, Producer, ProducerKind, Protocol, ReactorTcp, Shared,
    SocketOptionKind, TcpClientOptions, Transport,
};
use twistor_reactor::kernel::Interest;
use twistor_reactor::{DelayedCall, Descriptor, Phase, Reactor, ReactorHandle, Trigger, Watch};
use twistor_sim::ScriptedKernel;

// ---------------------------------------------------------------------------------------------------------------------------------
// Programs.

/// Everything that the library calls, and everything it drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hook {
    /// Before the reactor runs, outside of it.
    Outside,
    ServerMade,
    ServerData,
    ServerLost,
    ClientMade,
    ClientData,
    ClientLost,
    ReadLost,
    WriteLost,
    PauseWriting,
    ResumeWriting,
    Timeout,
    CloseRequested,
    StartFactory,
    StopFactory,
    Build,
    StartedConnecting,
    AttemptMade,
    AttemptFailed,
    AttemptLost,
    ProducerPause,
    ProducerResume,
    ProducerStop,
    FilterOpened,
    FilterReceived,
    FilterWritten,
    FilterReadClosed,
    FilterClosing,
    FilterTimer,
    Timer,
    Post,
    RemotePost,
    Notification,
    Trigger,
    ThreadCall,
    SharedPost,
    Signal,
    WatchRead,
    WatchLost,
    WatchPost,
    /// Inside a `try_with`: in place, since the user asked for it.
    Lent,
    /// In a Deferred: in place, that is the rule.
    DeferredFired,
    DropProtocol,
    DropFactory,
    DropProducer,
    DropFilter,
    DropClosure,
    DropBytes,
    DropWatched,
}

const HOOKS: [Hook; 49] = {
    use Hook::*;
    [
        Outside,
        ServerMade,
        ServerData,
        ServerLost,
        ClientMade,
        ClientData,
        ClientLost,
        ReadLost,
        WriteLost,
        PauseWriting,
        ResumeWriting,
        Timeout,
        CloseRequested,
        StartFactory,
        StopFactory,
        Build,
        StartedConnecting,
        AttemptMade,
        AttemptFailed,
        AttemptLost,
        ProducerPause,
        ProducerResume,
        ProducerStop,
        FilterOpened,
        FilterReceived,
        FilterWritten,
        FilterReadClosed,
        FilterClosing,
        FilterTimer,
        Timer,
        Post,
        RemotePost,
        Notification,
        Trigger,
        ThreadCall,
        SharedPost,
        Signal,
        WatchRead,
        WatchLost,
        WatchPost,
        Lent,
        DeferredFired,
        DropProtocol,
        DropFactory,
        DropProducer,
        DropFilter,
        DropClosure,
        DropBytes,
        DropWatched,
    ]
};

impl Hook {
    /// Whether it may run inside a call of the user's.
    const fn may_nest(self) -> bool {
        use Hook::*;
        matches!(
            self,
            Lent | DeferredFired
                | DropProtocol
                | DropFactory
                | DropProducer
                | DropFilter
                | DropClosure
                | DropBytes
                | DropWatched
        )
    }
}

/// A call of the public interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Write,
    WriteBytes,
    WriteSequence,
    Lose,
    LoseWrite,
    Abort,
    Fail,
    PauseReading,
    ResumeReading,
    StopProducing,
    RegisterPush,
    RegisterPull,
    Unregister,
    StopConsuming,
    SetTimeout,
    SetMarks,
    SetMaxBuffer,
    SetCloseTimeout,
    Switch,
    PushFilter,
    Ask,
    TryWith,
    Post,
    Call,
    RemotePost,
    Connect,
    StopConnecting,
    Disconnect,
    ConnectTcp,
    ConnectNowhere,
    ConnectShared,
    ConnectProtocol,
    Listen,
    StopListening,
    StartListening,
    StopAccepting,
    Drain,
    SharedTryWith,
    SharedPost,
    Refuse,
    Stop,
    Crash,
    CallLater,
    CancelTimer,
    MoveTimer,
    CallWhenRunning,
    AddTrigger,
    FireEvent,
    RemoveTrigger,
    CallFromThread,
    DeferToThread,
    OnSignal,
    RaiseSignal,
    AddWatch,
    WatchInterest,
    WatchTryWith,
    WatchPost,
    RemoveWatch,
    RemoveAll,
    MakeDeferred,
    FirePromise,
    DropPromise,
    CancelDeferred,
    DropDeferred,
    LetGo,
    Panic,
}

const ACTIONS: [Action; 66] = {
    use Action::*;
    [
        Write,
        WriteBytes,
        WriteSequence,
        Lose,
        LoseWrite,
        Abort,
        Fail,
        PauseReading,
        ResumeReading,
        StopProducing,
        RegisterPush,
        RegisterPull,
        Unregister,
        StopConsuming,
        SetTimeout,
        SetMarks,
        SetMaxBuffer,
        SetCloseTimeout,
        Switch,
        PushFilter,
        Ask,
        TryWith,
        Post,
        Call,
        RemotePost,
        Connect,
        StopConnecting,
        Disconnect,
        ConnectTcp,
        ConnectNowhere,
        ConnectShared,
        ConnectProtocol,
        Listen,
        StopListening,
        StartListening,
        StopAccepting,
        Drain,
        SharedTryWith,
        SharedPost,
        Refuse,
        Stop,
        Crash,
        CallLater,
        CancelTimer,
        MoveTimer,
        CallWhenRunning,
        AddTrigger,
        FireEvent,
        RemoveTrigger,
        CallFromThread,
        DeferToThread,
        OnSignal,
        RaiseSignal,
        AddWatch,
        WatchInterest,
        WatchTryWith,
        WatchPost,
        RemoveWatch,
        RemoveAll,
        MakeDeferred,
        FirePromise,
        DropPromise,
        CancelDeferred,
        DropDeferred,
        LetGo,
        Panic,
    ]
};

/// At the `nth` call of `hook`: `action`, on the object `who` (0 is one's own, as far as there is one), with `size` of whatever it takes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Order {
    hook: Hook,
    nth: u8,
    action: Action,
    who: u8,
    size: u8,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hook, nth, action, who, size } = self;
        write!(f, "{hook:?} #{nth}: {action:?}(who {who}, size {size})")
    }
}

/// How the reactor is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Stopped in order, then dropped.
    Stop,
    /// Dropped after so many turns.
    DropAfter(u16),
}

#[derive(Clone, Debug)]
struct Program {
    orders: Vec<Order>,
    clients: u8,
    end: End,
}

fn programs() -> impl Strategy<Value = Program> {
    let order =
        (0..HOOKS.len(), prop_oneof![3 => Just(0_u8), 1 => 1..4_u8], 0..ACTIONS.len(), 0..4_u8, 0..6_u8);
    let order = order.prop_map(|(hook, nth, action, who, size)| Order {
        hook: HOOKS[hook],
        nth,
        action: ACTIONS[action],
        who,
        size,
    });
    let end = prop_oneof![Just(End::Stop), (0..40_u16).prop_map(End::DropAfter)];
    (proptest::collection::vec(order, 0..60), 1..4_u8, end).prop_map(|(orders, clients, end)| Program {
        orders,
        clients,
        end,
    })
}

// ---------------------------------------------------------------------------------------------------------------------------------
// The model.

/// What a connection heard so far, and what was done to it.
#[derive(Debug, Default)]
struct ConnModel {
    factory: Option<usize>,
    /// Protocols that it was given to.
    made: u32,
    lost: u32,
    read_lost: u32,
    write_lost: u32,
    write_paused: bool,
    closing: bool,
    read_paused: bool,
    sent: usize,
    received: usize,
}

/// What a factory heard so far.
#[derive(Debug, Default)]
struct FactoryModel {
    /// On several connectors at once.
    shared: bool,
    started: bool,
    /// Attempts that were begun while there was a reactor.
    attempts: u32,
    announced: u32,
    failed: u32,
    lost: u32,
}

struct World {
    program: Program,
    reactor: ReactorHandle,
    kernel: ScriptedKernel,
    /// Each hook's calls so far.
    counts: RefCell<BTreeMap<Hook, u8>>,
    stack: RefCell<Vec<Hook>>,
    over: Cell<bool>,
    log: RefCell<Vec<String>>,
    blames: RefCell<Vec<String>>,
    conns: RefCell<Vec<ConnModel>>,
    factories: RefCell<Vec<FactoryModel>>,
    /// A filter panicked: what it held is missing from a stream.
    broken_stream: Cell<bool>,
    refuse: Cell<bool>,
    transports: RefCell<Vec<(usize, Transport)>>,
    connections: RefCell<Vec<(usize, Connection<Proto>)>>,
    connectors: RefCell<Vec<(usize, Connector)>>,
    ports: RefCell<Vec<ListeningPort>>,
    shared: RefCell<Option<(usize, Shared<Fac>)>>,
    timers: RefCell<Vec<DelayedCall>>,
    triggers: RefCell<Vec<Trigger>>,
    watches: RefCell<Vec<Watch<Watched>>>,
    promises: RefCell<Vec<Promise<u32>>>,
    deferreds: RefCell<Vec<Deferred<u32>>>,
    others: RefCell<Vec<Box<dyn Any>>>,
    /// Alive as long as any value of the user's.
    canary: Arc<()>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
    /// Panics that no program asked for.
    static FOREIGN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

const INJECTED: &str = "injected";

fn world() -> Option<Rc<World>> {
    WORLD.with(|world| world.borrow().clone())
}

/// The byte at a place of every stream.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

/// Runs the orders of a hook. `own` is the connection that it is about.
fn hook(hook: Hook, own: Option<usize>) {
    let Some(world) = world() else { return };
    if world.over.get() || std::thread::panicking() {
        return;
    }
    /// Leaves the call, by a panic too.
    struct Leave(Rc<World>);
    impl Drop for Leave {
        fn drop(&mut self) {
            self.0.stack.borrow_mut().pop();
        }
    }
    let nested = !world.stack.borrow().is_empty();
    if nested && !hook.may_nest() {
        let inside = format!("{hook:?} was called inside {:?}", world.stack.borrow());
        world.blame(inside);
    }
    world.log.borrow_mut().push(format!("{hook:?} {own:?} at {:?}", world.reactor.now()));
    world.stack.borrow_mut().push(hook);
    let _leave = Leave(Rc::clone(&world));
    let nth = {
        let mut counts = world.counts.borrow_mut();
        let count = counts.entry(hook).or_default();
        *count = count.saturating_add(1);
        *count - 1
    };
    let orders: Vec<_> =
        world.program.orders.iter().filter(|o| o.hook == hook && o.nth == nth).copied().collect();
    for order in orders {
        world.perform(order, own);
    }
}

/// A part of every value that is given away: its destructor is a hook.
struct Canary {
    hook: Hook,
    _alive: Arc<()>,
}

impl Canary {
    fn new(hook: Hook) -> Self {
        let alive = world().map(|world| Arc::clone(&world.canary)).unwrap_or_default();
        Self { hook, _alive: alive }
    }

    /// For closures: there is nothing to do but to own it.
    fn keep(&self) {}
}

impl Drop for Canary {
    fn drop(&mut self) {
        hook(self.hook, None);
    }
}

impl World {
    fn blame(&self, what: String) {
        self.blames.borrow_mut().push(what);
    }

    fn with_conn<R>(&self, id: usize, f: impl FnOnce(&mut ConnModel) -> R) -> R {
        f(&mut self.conns.borrow_mut()[id])
    }

    fn new_conn(&self, factory: Option<usize>) -> usize {
        self.conns.borrow_mut().push(ConnModel { factory, ..ConnModel::default() });
        self.conns.borrow().len() - 1
    }

    fn new_factory(&self, server: bool) -> Fac {
        self.factories.borrow_mut().push(FactoryModel::default());
        let id = self.factories.borrow().len() - 1;
        Fac { id, server, canary: Canary::new(Hook::DropFactory) }
    }

    /// An attempt of `factory` began, if there is a reactor to tell of its end.
    fn attempted(&self, factory: usize) {
        if !self.reactor.is_gone() {
            self.factories.borrow_mut()[factory].attempts += 1;
        }
    }

    /// Something that only a connection between its beginning and its end may hear.
    fn hear(&self, id: usize, what: &str, f: impl FnOnce(&mut ConnModel) -> Result<(), String>) {
        let trouble = self.with_conn(id, |conn| {
            if conn.made == 0 {
                return Some("before connection_made".to_owned());
            }
            if conn.lost > 0 {
                return Some("after connection_lost".to_owned());
            }
            f(conn).err()
        });
        if let Some(trouble) = trouble {
            self.blame(format!("connection {id} heard {what} {trouble}"));
        }
    }

    fn pick<T: Clone>(list: &RefCell<Vec<T>>, who: u8) -> Option<T> {
        let list = list.borrow();
        list.get(usize::from(who) % list.len().max(1)).cloned()
    }

    /// The transport of `own`, or another one.
    fn transport(&self, who: u8, own: Option<usize>) -> Option<(usize, Transport)> {
        let mine = own.filter(|_| who == 0);
        if let Some(mine) = mine {
            return self.transports.borrow().iter().find(|(id, _)| *id == mine).cloned();
        }
        Self::pick(&self.transports, who)
    }

    fn connection(&self, who: u8, own: Option<usize>) -> Option<(usize, Connection<Proto>)> {
        let mine = own.filter(|_| who == 0);
        if let Some(mine) = mine {
            return self.connections.borrow().iter().rev().find(|(id, _)| *id == mine).cloned();
        }
        Self::pick(&self.connections, who)
    }

    /// The next bytes of the stream of `id`. Taken as written, since a destructor may write more before the call returns.
    fn next_bytes(&self, id: usize, size: u8) -> Vec<u8> {
        let len = [1, 10, 1_500, 5_000, 70_000, 300_000][usize::from(size) % 6];
        let begin = self.with_conn(id, |conn| {
            conn.sent += len;
            conn.sent - len
        });
        (begin..begin + len).map(pattern).collect()
    }

    /// They were not, if the answer says so.
    fn wrote(&self, id: usize, len: usize, flow: Flow) {
        if flow == Flow::Closed {
            self.with_conn(id, |conn| conn.sent -= len);
        }
    }

    fn keep_deferred(&self, deferred: Deferred<u32>) {
        let canary = Canary::new(Hook::DropClosure);
        let deferred = deferred.add_both(move |_| {
            canary.keep();
            hook(Hook::DeferredFired, None);
            Ok::<_, twistor_deferred::Failure>(0)
        });
        self.deferreds.borrow_mut().push(deferred);
    }

    fn perform(self: &Rc<Self>, order: Order, own: Option<usize>) {
        let Order { action, who, size, .. } = order;
        let ms = Duration::from_millis(u64::from(size) * 7);
        let reactor = &self.reactor;
        match action {
            Action::Write | Action::WriteBytes | Action::WriteSequence => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let data = self.next_bytes(id, size);
                let len = data.len();
                let flow = match action {
                    Action::Write => transport.write(&data),
                    Action::WriteBytes => {
                        let canary = Canary::new(Hook::DropBytes);
                        transport.write_bytes(Bytes::from_owner(OwnedBytes(data, canary)))
                    }
                    _ => transport.write_sequence(data.chunks(1_000)),
                };
                self.wrote(id, len, flow);
            }
            Action::Lose | Action::Abort | Action::Fail | Action::StopProducing | Action::StopConsuming => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                self.with_conn(id, |conn| conn.closing = true);
                match action {
                    Action::Lose => transport.lose_connection(),
                    Action::Abort => transport.abort_connection(),
                    Action::Fail => transport.fail(CloseReason::TimedOut(ms)),
                    Action::StopProducing => transport.stop_producing(),
                    _ => transport.stop_consuming(),
                }
            }
            Action::LoseWrite => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.lose_write_connection();
                }
            }
            Action::PauseReading => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                self.with_conn(id, |conn| conn.read_paused = true);
                transport.pause_producing();
            }
            Action::ResumeReading => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                self.with_conn(id, |conn| conn.read_paused = false);
                transport.resume_producing();
            }
            Action::RegisterPush | Action::RegisterPull => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let push = action == Action::RegisterPush;
                let kind = if push { ProducerKind::Push } else { ProducerKind::Pull };
                let canary = Canary::new(Hook::DropProducer);
                let producer = Prod { conn: id, push, paused: false, stopped: false, left: size, canary };
                let _ = transport.register_producer(producer, kind);
            }
            Action::Unregister => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.unregister_producer();
                }
            }
            Action::SetTimeout => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.set_timeout((size > 0).then_some(ms));
                }
            }
            Action::SetMarks => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.set_write_buffer_limits(usize::from(size) * 1_000, usize::from(size) * 500);
                }
            }
            Action::SetMaxBuffer => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let limit = usize::from(size) * 20_000;
                transport.set_max_write_buffer((size > 0).then_some(limit));
                let _ = id;
            }
            Action::SetCloseTimeout => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.set_close_timeout(Some(ms));
                }
            }
            Action::Switch => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let next = Proto { conn: id, server: size % 2 == 0, canary: Canary::new(Hook::DropProtocol) };
                let connection = transport.switch_protocol(next, b"");
                self.connections.borrow_mut().push((id, connection));
            }
            Action::PushFilter => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let canary = Canary::new(Hook::DropFilter);
                transport.push_filter(Delay { conn: id, delay: ms, up: vec![], down: vec![], canary }, b"");
            }
            Action::Ask => {
                let Some((_, transport)) = self.transport(who, own) else { return };
                let _ = (transport.peer(), transport.host(), transport.pending(), transport.is_connected());
                let _ = (transport.is_closing(), format!("{transport:?}"), transport.set_no_delay(size > 2));
                let _ = (transport.option(SocketOptionKind::NoDelay), transport.set_keep_alive(None));
                let _ =
                    (reactor.stats(), reactor.is_running(), reactor.delayed_calls(), format!("{reactor:?}"));
                let _ = (
                    reactor.readers(),
                    reactor.writers(),
                    format!("{:?}", reactor.readers()),
                    reactor.limits(),
                );
                for port in self.ports.borrow().iter() {
                    let _ = (port.host(), port.state(), port.connections(), format!("{port:?}"));
                }
                for (_, connector) in self.connectors.borrow().iter() {
                    let _ = (connector.state(), format!("{connector:?}"));
                }
            }
            Action::TryWith => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let result = connection.try_with(|proto, transport| {
                    let known = *transport == connection.transport() && proto.conn == id;
                    hook(Hook::Lent, Some(id));
                    known
                });
                match result {
                    Ok(known) => assert!(known, "{} other connection was lent", "not injected:"),
                    Err(LendError::Busy | LendError::Gone | LendError::Switched) => {}
                }
            }
            Action::Post => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let canary = Canary::new(Hook::DropClosure);
                connection.post(move |_, _| {
                    canary.keep();
                    hook(Hook::Post, Some(id));
                });
            }
            Action::Call => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let canary = Canary::new(Hook::DropClosure);
                let answer = connection.call(move |_, _| {
                    canary.keep();
                    hook(Hook::Post, Some(id));
                    1_u32
                });
                self.keep_deferred(answer);
            }
            Action::RemotePost => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let canary = Canary::new(Hook::DropClosure);
                let _ = connection.remote().post(move |_, _| {
                    canary.keep();
                    hook(Hook::RemotePost, Some(id));
                });
            }
            Action::Connect => {
                let Some((factory, connector)) = Self::pick(&self.connectors, who) else { return };
                if connector.connect().is_ok() {
                    self.attempted(factory);
                }
            }
            Action::StopConnecting => {
                if let Some((_, connector)) = Self::pick(&self.connectors, who) {
                    let _ = connector.stop_connecting();
                }
            }
            Action::Disconnect => {
                if let Some((_, connector)) = Self::pick(&self.connectors, who) {
                    connector.disconnect();
                }
            }
            Action::ConnectTcp => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                self.connect(port.host().port(), size);
            }
            Action::ConnectNowhere => self.connect(9, size),
            Action::ConnectShared => {
                let Some((factory, shared)) = self.shared.borrow().clone() else { return };
                let port = Self::pick(&self.ports, who).map_or(9, |port| port.host().port());
                self.attempted(factory);
                let connector = reactor.connect_tcp(("127.0.0.1", port), shared);
                self.connectors.borrow_mut().push((factory, connector));
            }
            Action::ConnectProtocol => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                let id = self.new_conn(None);
                let proto = Proto { conn: id, server: false, canary: Canary::new(Hook::DropProtocol) };
                let made = reactor.connect_protocol(("127.0.0.1", port.host().port()), proto);
                self.keep_deferred(made.map(|_| 1));
            }
            Action::Listen => {
                let factory = self.new_factory(true);
                if let Ok(port) = reactor.listen_tcp(("127.0.0.1", 0), factory) {
                    self.ports.borrow_mut().push(port);
                }
            }
            Action::StopListening => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                self.keep_deferred(port.stop_listening().map(|()| 1));
            }
            Action::StartListening => {
                if let Some(port) = Self::pick(&self.ports, who) {
                    let _ = port.start_listening();
                }
            }
            Action::StopAccepting => {
                if let Some(port) = Self::pick(&self.ports, who) {
                    port.stop_accepting();
                }
            }
            Action::Drain => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                // At its deadline it aborts connections that the model does not know by name.
                for conn in self.conns.borrow_mut().iter_mut() {
                    conn.read_paused = false;
                }
                self.keep_deferred(port.drain(ms).map(|_| 1));
            }
            Action::SharedTryWith => {
                let Some((_, shared)) = self.shared.borrow().clone() else { return };
                let _ = shared.try_with(|_| hook(Hook::Lent, None));
            }
            Action::SharedPost => {
                let Some((_, shared)) = self.shared.borrow().clone() else { return };
                let canary = Canary::new(Hook::DropClosure);
                shared.post(reactor, move |_| {
                    canary.keep();
                    hook(Hook::SharedPost, None);
                });
            }
            Action::Refuse => self.refuse.set(true),
            Action::Stop => {
                let _ = reactor.stop();
            }
            Action::Crash => reactor.crash(),
            Action::CallLater => {
                let canary = Canary::new(Hook::DropClosure);
                let call = reactor.call_later(ms, move || {
                    canary.keep();
                    hook(Hook::Timer, None);
                });
                self.timers.borrow_mut().push(call);
            }
            Action::CancelTimer => {
                if let Some(call) = Self::pick(&self.timers, who) {
                    let _ = call.cancel();
                }
            }
            Action::MoveTimer => {
                if let Some(call) = Self::pick(&self.timers, who) {
                    let _ = call.reset(ms);
                }
            }
            Action::CallWhenRunning => {
                let canary = Canary::new(Hook::DropClosure);
                let trigger = reactor.call_when_running(move |_| {
                    canary.keep();
                    hook(Hook::Notification, None);
                });
                self.triggers.borrow_mut().push(trigger);
            }
            Action::AddTrigger => {
                let phase = [Phase::Before, Phase::During, Phase::After][usize::from(who) % 3];
                let event = ["startup", "shutdown", "mine"][usize::from(size) % 3];
                let canary = Canary::new(Hook::DropClosure);
                let trigger = reactor.add_system_event_trigger(phase, event, move |_| {
                    canary.keep();
                    hook(Hook::Trigger, None);
                });
                self.triggers.borrow_mut().push(trigger);
            }
            Action::FireEvent => reactor.fire_system_event("mine"),
            Action::RemoveTrigger => {
                let trigger = self.triggers.borrow_mut().pop();
                if let Some(trigger) = trigger {
                    let _ = trigger.remove();
                }
            }
            Action::CallFromThread => {
                let canary = Canary::new(Hook::DropClosure);
                let _ = reactor.remote().call_from_thread(move |_| {
                    canary.keep();
                    hook(Hook::ThreadCall, None);
                });
            }
            Action::DeferToThread => {
                let result = reactor.defer_to_thread(|| Ok(1_u32));
                self.keep_deferred(result);
            }
            Action::OnSignal => {
                let canary = Canary::new(Hook::DropClosure);
                let handler = reactor.on_signal(10, move |_| {
                    canary.keep();
                    hook(Hook::Signal, None);
                });
                self.others.borrow_mut().push(Box::new(handler));
            }
            Action::RaiseSignal => self.kernel.raise(10),
            Action::AddWatch => {
                let Ok((reader, _)) = UnixStream::pair() else { return };
                let fd = reader.as_raw_fd();
                let canary = Canary::new(Hook::DropWatched);
                let watched = Watched { reader, left: size, lost: false, canary };
                if let Ok(watch) = reactor.add_reader(watched) {
                    debug_assert!(fd > 0);
                    let _ =
                        watch.try_with(|watched, _| self.kernel.set_ready(watched.as_fd(), Interest::READ));
                    self.watches.borrow_mut().push(watch);
                }
            }
            Action::WatchInterest => {
                let Some(watch) = Self::pick(&self.watches, who) else { return };
                match size % 4 {
                    0 => watch.remove_reader(),
                    1 => watch.add_reader(),
                    2 => watch.add_writer(),
                    _ => watch.remove_writer(),
                }
            }
            Action::WatchTryWith => {
                let Some(watch) = Self::pick(&self.watches, who) else { return };
                let _ = watch.try_with(|_, _| hook(Hook::Lent, None));
            }
            Action::WatchPost => {
                let Some(watch) = Self::pick(&self.watches, who) else { return };
                let canary = Canary::new(Hook::DropClosure);
                watch.post(move |_, _| {
                    canary.keep();
                    hook(Hook::WatchPost, None);
                });
            }
            Action::RemoveWatch => {
                if let Some(watch) = Self::pick(&self.watches, who) {
                    drop(watch.remove());
                }
            }
            Action::RemoveAll => drop(reactor.remove_all()),
            Action::MakeDeferred => {
                let (promise, result) = deferred::<u32>();
                self.promises.borrow_mut().push(promise);
                self.keep_deferred(result);
            }
            Action::FirePromise => {
                let promise = self.promises.borrow_mut().pop();
                if let Some(promise) = promise {
                    promise.callback(1);
                }
            }
            Action::DropPromise => {
                let promise = self.promises.borrow_mut().pop();
                drop(promise);
            }
            Action::CancelDeferred => {
                let deferred = self.deferreds.borrow_mut().pop();
                if let Some(deferred) = deferred {
                    deferred.cancel();
                }
            }
            Action::DropDeferred => {
                let deferred = self.deferreds.borrow_mut().pop();
                drop(deferred);
            }
            Action::LetGo => self.let_go(),
            Action::Panic => {
                if let Some(own) = own {
                    self.with_conn(own, |conn| conn.closing |= !matches!(order.hook, Hook::Lent));
                }
                let filter = matches!(
                    order.hook,
                    Hook::FilterReceived | Hook::FilterWritten | Hook::FilterTimer | Hook::FilterOpened
                );
                if filter || order.hook == Hook::FilterClosing || order.hook == Hook::FilterReadClosed {
                    self.broken_stream.set(true);
                }
                panic!("{INJECTED} by {order:?}");
            }
        }
    }

    fn connect(&self, port: u16, size: u8) {
        let factory = self.new_factory(false);
        let id = factory.id;
        self.attempted(id);
        let options =
            TcpClientOptions::new().timeout((size > 0).then_some(Duration::from_millis(u64::from(size))));
        let connector = self.reactor.connect_tcp_with(("127.0.0.1", port), factory, options);
        self.connectors.borrow_mut().push((id, connector));
    }

    /// Forgets every handle: that ends nothing.
    fn let_go(&self) {
        fn clear<T>(list: &RefCell<Vec<T>>) {
            loop {
                let last = list.borrow_mut().pop();
                let Some(last) = last else { return };
                drop(last);
            }
        }
        clear(&self.transports);
        clear(&self.connections);
        clear(&self.connectors);
        clear(&self.ports);
        clear(&self.timers);
        clear(&self.triggers);
        clear(&self.watches);
        clear(&self.promises);
        clear(&self.deferreds);
        clear(&self.others);
        let shared = self.shared.take();
        drop(shared);
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// The user's values.

struct OwnedBytes(Vec<u8>, Canary);

impl AsRef<[u8]> for OwnedBytes {
    fn as_ref(&self) -> &[u8] {
        self.1.keep();
        &self.0
    }
}

struct Proto {
    conn: usize,
    server: bool,
    canary: Canary,
}

impl Proto {
    fn hear(&self, what: Hook, f: impl FnOnce(&mut ConnModel) -> Result<(), String>) {
        self.canary.keep();
        let Some(world) = world() else { return };
        world.hear(self.conn, &format!("{what:?}"), f);
        hook(what, Some(self.conn));
    }
}

fn once(count: &mut u32) -> Result<(), String> {
    *count += 1;
    if *count == 1 { Ok(()) } else { Err("again".to_owned()) }
}

impl Protocol for Proto {
    fn connection_made(&mut self, transport: &Transport) {
        let Some(world) = world() else { return };
        let first = world.with_conn(self.conn, |conn| {
            conn.made += 1;
            conn.write_paused = false; // The next protocol is told anew.
            conn.made == 1
        });
        if first {
            world.transports.borrow_mut().push((self.conn, transport.clone()));
            world.connections.borrow_mut().push((self.conn, transport.connection()));
        }
        self.hear(if self.server { Hook::ServerMade } else { Hook::ClientMade }, |_| Ok(()));
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let Some(world) = world() else { return };
        let broken = world.broken_stream.get();
        self.hear(if self.server { Hook::ServerData } else { Hook::ClientData }, |conn| {
            let begin = conn.received;
            conn.received += data.len();
            match () {
                () if conn.closing => Err("after it was closed".to_owned()),
                () if conn.read_paused => Err("while it was paused".to_owned()),
                () if data.is_empty() => Err("of nothing".to_owned()),
                () if !broken && !data.iter().enumerate().all(|(i, &byte)| byte == pattern(begin + i)) => {
                    Err(format!("out of order at {begin}"))
                }
                () => Ok(()),
            }
        });
    }
    fn connection_lost(&mut self, transport: &Transport, _reason: &CloseReason) {
        let Some(world) = world() else { return };
        if transport.write(b"x") != Flow::Closed {
            world.blame(format!("connection {} takes writes in connection_lost", self.conn));
        }
        self.hear(if self.server { Hook::ServerLost } else { Hook::ClientLost }, |conn| once(&mut conn.lost));
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.hear(Hook::ReadLost, |conn| once(&mut conn.read_lost));
        // Half of them stay.
        if self.conn % 2 == 0 {
            transport.lose_connection();
        }
    }
    fn write_connection_lost(&mut self, _transport: &Transport) {
        self.hear(Hook::WriteLost, |conn| once(&mut conn.write_lost));
    }
    fn pause_writing(&mut self, _transport: &Transport) {
        self.hear(Hook::PauseWriting, |conn| {
            if std::mem::replace(&mut conn.write_paused, true) { Err("twice".to_owned()) } else { Ok(()) }
        });
    }
    fn resume_writing(&mut self, _transport: &Transport) {
        self.hear(Hook::ResumeWriting, |conn| {
            if std::mem::replace(&mut conn.write_paused, false) { Ok(()) } else { Err("unpaused".to_owned()) }
        });
    }
    fn timeout_connection(&mut self, _transport: &Transport) {
        self.hear(Hook::Timeout, |_| Ok(()));
    }
    fn close_requested(&mut self, transport: &Transport) {
        self.hear(Hook::CloseRequested, |_| Ok(()));
        if self.conn % 3 != 0 {
            if let Some(world) = world() {
                world.with_conn(self.conn, |conn| conn.closing = true);
            }
            transport.lose_connection();
        }
    }
}

struct Fac {
    id: usize,
    server: bool,
    canary: Canary,
}

impl Fac {
    fn hear(&self, what: Hook, f: impl FnOnce(&mut FactoryModel) -> Result<(), String>) {
        self.canary.keep();
        let Some(world) = world() else { return };
        let trouble = f(&mut world.factories.borrow_mut()[self.id]).err();
        if let Some(trouble) = trouble {
            world.blame(format!("factory {} heard {what:?} {trouble}", self.id));
        }
        hook(what, None);
    }

    /// Of an attempt: whether it was announced, and is told of its end once.
    fn end(factory: &mut FactoryModel) -> Result<(), String> {
        let ended = factory.failed + factory.lost;
        if !factory.started {
            return Err("while stopped".to_owned());
        }
        if ended > factory.announced { Err("without an attempt".to_owned()) } else { Ok(()) }
    }
}

impl Factory for Fac {
    type Protocol = Proto;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Proto> {
        self.hear(
            Hook::Build,
            |factory| if factory.started { Ok(()) } else { Err("while stopped".to_owned()) },
        );
        let world = world()?;
        if world.refuse.take() {
            return None;
        }
        let conn = world.new_conn(Some(self.id));
        Some(Proto { conn, server: self.server, canary: Canary::new(Hook::DropProtocol) })
    }
    fn start_factory(&mut self) {
        self.hear(Hook::StartFactory, |factory| {
            if std::mem::replace(&mut factory.started, true) { Err("twice".to_owned()) } else { Ok(()) }
        });
    }
    fn stop_factory(&mut self) {
        self.hear(Hook::StopFactory, |factory| {
            if std::mem::replace(&mut factory.started, false) { Ok(()) } else { Err("unstarted".to_owned()) }
        });
    }
}

impl ClientFactory for Fac {
    fn started_connecting(&mut self, _connector: &Connector) {
        self.hear(Hook::StartedConnecting, |factory| {
            factory.announced += 1;
            if factory.started { Ok(()) } else { Err("while stopped".to_owned()) }
        });
    }
    fn client_connection_made(&mut self, _connector: &Connector, _transport: &Transport) {
        self.hear(Hook::AttemptMade, |factory| {
            if factory.announced > factory.failed + factory.lost {
                Ok(())
            } else {
                Err("without an attempt".to_owned())
            }
        });
    }
    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        // Without a reactor to begin it, an attempt is not announced.
        let unannounced = matches!(reason, ConnectError::ReactorGone);
        self.hear(Hook::AttemptFailed, |factory| {
            factory.failed += 1;
            if unannounced && factory.announced < factory.failed + factory.lost {
                factory.announced += 1;
                return Ok(());
            }
            Self::end(factory)
        });
    }
    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &CloseReason) {
        if let Some(world) = world() {
            let conns = world.conns.borrow();
            let alive =
                conns.iter().filter(|conn| conn.factory == Some(self.id) && conn.made > 0 && conn.lost == 0);
            let shared = world.factories.borrow()[self.id].shared;
            if alive.count() > 0 && !shared {
                world.blame(format!("factory {} heard of a loss before its protocol", self.id));
            }
        }
        self.hear(Hook::AttemptLost, |factory| {
            factory.lost += 1;
            Self::end(factory)
        });
    }
}

struct Prod {
    conn: usize,
    push: bool,
    paused: bool,
    stopped: bool,
    left: u8,
    canary: Canary,
}

impl Prod {
    fn hear(&mut self, what: Hook, right: bool) {
        self.canary.keep();
        if let Some(world) = world() {
            if !right || self.stopped {
                world.blame(format!("a producer of connection {} heard {what:?} out of turn", self.conn));
            }
        }
    }
}

impl Producer for Prod {
    fn resume_producing(&mut self, consumer: &Transport) {
        let right = !self.push || self.paused;
        self.paused = false;
        self.hear(Hook::ProducerResume, right);
        hook(Hook::ProducerResume, Some(self.conn));
        if self.left == 0 {
            return consumer.unregister_producer();
        }
        self.left -= 1;
        if let Some(world) = world() {
            let data = world.next_bytes(self.conn, 1);
            let flow = consumer.write(&data);
            world.wrote(self.conn, data.len(), flow);
        }
    }
    fn pause_producing(&mut self, _consumer: &Transport) {
        let right = self.push && !self.paused;
        self.paused = true;
        self.hear(Hook::ProducerPause, right);
        hook(Hook::ProducerPause, Some(self.conn));
    }
    fn stop_producing(&mut self, _consumer: &Transport) {
        self.hear(Hook::ProducerStop, true);
        self.stopped = true;
        hook(Hook::ProducerStop, Some(self.conn));
    }
}

/// Changes nothing, but holds back for a while.
struct Delay {
    conn: usize,
    delay: Duration,
    up: Vec<u8>,
    down: Vec<u8>,
    canary: Canary,
}

impl Delay {
    fn hook(&self, what: Hook) {
        self.canary.keep();
        hook(what, Some(self.conn));
    }

    fn let_go(&mut self, io: &mut FilterIo) {
        io.deliver(&std::mem::take(&mut self.up));
        io.send(&std::mem::take(&mut self.down));
    }
}

impl Filter for Delay {
    fn opened(&mut self, _io: &mut FilterIo) {
        self.hook(Hook::FilterOpened);
    }
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.hook(Hook::FilterReceived);
        self.up.extend_from_slice(data);
        if self.delay.is_zero() { self.let_go(io) } else { io.wake_after(self.delay) }
    }
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.hook(Hook::FilterWritten);
        self.down.extend_from_slice(data);
        if self.delay.is_zero() { self.let_go(io) } else { io.wake_after(self.delay) }
    }
    fn read_closed(&mut self, io: &mut FilterIo) {
        self.hook(Hook::FilterReadClosed);
        io.deliver(&std::mem::take(&mut self.up));
    }
    fn closing(&mut self, io: &mut FilterIo) {
        self.hook(Hook::FilterClosing);
        io.send(&std::mem::take(&mut self.down));
    }
    fn timer(&mut self, io: &mut FilterIo) {
        self.hook(Hook::FilterTimer);
        self.let_go(io);
    }
}

struct Watched {
    reader: UnixStream,
    left: u8,
    lost: bool,
    canary: Canary,
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Descriptor for Watched {
    fn do_read(&mut self, _watch: &Watch<Self>) -> Result<(), CloseReason> {
        self.canary.keep();
        hook(Hook::WatchRead, None);
        if self.left == 0 {
            return Err(CloseReason::Done);
        }
        self.left -= 1;
        Ok(())
    }
    fn connection_lost(&mut self, _reason: &CloseReason) {
        if let Some(world) = world() {
            if std::mem::replace(&mut self.lost, true) {
                world.blame("a watched object was lost twice".to_owned());
            }
        }
        hook(Hook::WatchLost, None);
    }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// Running.

/// Notes panics that no program asked for, and keeps the others off standard error.
fn watch_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| info.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
            if world().is_none() {
                return usual(info);
            }
            if !text.starts_with(INJECTED) {
                FOREIGN.with(|foreign| foreign.borrow_mut().push(format!("{text} at {:?}", info.location())));
            }
        }));
    });
}

/// Runs a program to its end. Gives the calls that were made, or what went wrong.
fn run(program: &Program) -> Result<Vec<String>, String> {
    watch_panics();
    FOREIGN.with(|foreign| foreign.borrow_mut().clear());
    let kernel = ScriptedKernel::new();
    let reactor = Reactor::builder().shutdown_timeout(Duration::from_millis(100)).build_with(kernel.clone());
    let mut limits = NetLimits::default();
    limits.close_timeout = Some(Duration::from_millis(200));
    limits.linger_time = Duration::from_millis(50);
    reactor.set_net_limits(limits);
    let world = Rc::new(World {
        program: program.clone(),
        reactor: reactor.handle(),
        kernel: kernel.clone(),
        counts: RefCell::default(),
        stack: RefCell::default(),
        over: Cell::new(false),
        log: RefCell::default(),
        blames: RefCell::default(),
        conns: RefCell::default(),
        factories: RefCell::default(),
        broken_stream: Cell::new(false),
        refuse: Cell::new(false),
        transports: RefCell::default(),
        connections: RefCell::default(),
        connectors: RefCell::default(),
        ports: RefCell::default(),
        shared: RefCell::default(),
        timers: RefCell::default(),
        triggers: RefCell::default(),
        watches: RefCell::default(),
        promises: RefCell::default(),
        deferreds: RefCell::default(),
        others: RefCell::default(),
        canary: Arc::default(),
    });
    WORLD.with(|place| *place.borrow_mut() = Some(Rc::clone(&world)));
    let escaped = catch_unwind(AssertUnwindSafe(|| live(&world, reactor))).err();
    world.over.set(true);
    let result = verdict(&world, &kernel, escaped);
    WORLD.with(|place| place.borrow_mut().take());
    result
}

/// The life of the reactor, from the first connect to the drop.
fn live(world: &Rc<World>, mut reactor: Reactor) {
    let server = world.new_factory(true);
    let port = reactor.listen_tcp(("127.0.0.1", 0), server).expect("a free port");
    let number = port.host().port();
    world.ports.borrow_mut().push(port);
    let shared = world.new_factory(false);
    world.factories.borrow_mut()[shared.id].shared = true;
    *world.shared.borrow_mut() = Some((shared.id, Shared::new(shared)));
    for _ in 0..world.program.clients {
        world.connect(number, 0);
    }
    // What it throws is its own affair: nothing of the library is above it.
    let _ = catch_unwind(|| hook(Hook::Outside, None));
    let turns = match world.program.end {
        End::Stop => 150,
        End::DropAfter(turns) => usize::from(turns),
    };
    let turn =
        |reactor: &mut Reactor| reactor.iterate(Some(Duration::from_millis(4))).expect("the kernel waits");
    reactor.start().expect("a new reactor");
    for _ in 0..turns {
        if reactor.is_finished() && reactor.start().is_err() {
            break; // It was stopped. A crashed one goes on.
        }
        turn(&mut reactor);
    }
    if matches!(world.program.end, End::Stop) {
        let _ = reactor.stop();
        for _ in 0..200 {
            if reactor.is_finished() {
                break;
            }
            turn(&mut reactor);
        }
        if !reactor.is_finished() {
            world.blame("the reactor did not stop".to_owned());
        }
    }
    drop(reactor);
}

fn verdict(
    world: &Rc<World>,
    kernel: &ScriptedKernel,
    escaped: Option<Box<dyn Any + Send>>,
) -> Result<Vec<String>, String> {
    let mut blames = world.blames.take();
    if let Some(panic) = escaped {
        blames.push(format!("a panic got out of the reactor: {}", twistor_deferred::panic_text(panic)));
    }
    blames.extend(
        FOREIGN
            .with(|foreign| foreign.take())
            .into_iter()
            .map(|text| format!("a panic of the library's: {text}")),
    );
    let stats = world.reactor.stats();
    if (stats.sources, stats.connections, stats.timers_pending) != (0, 0, 0) {
        blames.push(format!("something is left in the reactor: {stats:?}"));
    }
    let sockets = (kernel.open_sockets(), kernel.open_listeners());
    if sockets != (0, 0) {
        blames.push(format!("sockets and listeners are left: {sockets:?}"));
    }
    for (id, conn) in world.conns.borrow().iter().enumerate() {
        if conn.made > 0 && conn.lost != 1 {
            blames.push(format!("connection {id} was lost {} times: {conn:?}", conn.lost));
        }
    }
    for (id, factory) in world.factories.borrow().iter().enumerate() {
        if factory.started {
            blames.push(format!("factory {id} was not stopped: {factory:?}"));
        }
        if factory.attempts != factory.failed + factory.lost || factory.attempts != factory.announced {
            blames.push(format!("factory {id} did not hear the end of every attempt: {factory:?}"));
        }
    }
    world.let_go();
    let left = Arc::strong_count(&world.canary) - 1;
    if left > 0 {
        blames.push(format!("{left} values of the user's are left"));
    }
    if blames.is_empty() {
        Ok(world.log.take())
    } else {
        Err(format!("{}\n{}", blames.join("\n"), world.log.borrow().join("\n")))
    }
}

fn seed() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test is an application")]
    let given = std::env::var("TWISTOR_SEED");
    given.ok().and_then(|text| text.parse().ok()).unwrap_or(20_250_101)
}

#[test]
fn r12_anything_may_be_called_from_anywhere() {
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut config =
        ProptestConfig { failure_persistence: None, max_shrink_iters: 4_000, ..ProptestConfig::default() };
    if config.cases == 256 {
        config.cases = CASES;
    }
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let reached = RefCell::new(BTreeSet::new());
    let result = runner.run(&programs(), |program| {
        let first = run(&program).map_err(TestCaseError::fail)?;
        let again = run(&program).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&first, &again, "the same program, other calls");
        let mut reached = reached.borrow_mut();
        reached.extend(first.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned));
        Ok(())
    });
    if let Err(error) = result {
        panic!("TWISTOR_SEED={seed}: {error}");
    }
    let all: BTreeSet<_> = HOOKS.iter().map(|hook| format!("{hook:?}")).collect();
    let missing: Vec<_> = all.difference(&reached.borrow()).cloned().collect();
    assert!(missing.is_empty(), "no program reached {missing:?}");
}

/// How many programs are tried, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 4_000;
