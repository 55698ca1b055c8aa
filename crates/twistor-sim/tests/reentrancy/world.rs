//! The model: what everybody heard so far, what was done to them, and every handle that was ever given.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use twistor_deferred::{Deferred, Promise};
use twistor_net::{Connection, Connector, Flow, ListeningPort, Shared, Transport};
use twistor_reactor::{DelayedCall, ReactorHandle, Trigger, Watch};
use twistor_sim::ScriptedKernel;

use crate::program::{Hook, Program};
use crate::user::{Fac, Proto, Watched};

/// What a connection heard so far, and what was done to it.
#[derive(Debug, Default)]
pub(crate) struct ConnModel {
    pub(crate) factory: Option<usize>,
    /// Protocols that it was given to.
    pub(crate) made: u32,
    pub(crate) lost: u32,
    pub(crate) read_lost: u32,
    pub(crate) write_lost: u32,
    pub(crate) write_paused: bool,
    pub(crate) closing: bool,
    pub(crate) read_paused: bool,
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

/// What a factory heard so far.
#[derive(Debug, Default)]
pub(crate) struct FactoryModel {
    /// On several connectors at once.
    pub(crate) shared: bool,
    pub(crate) started: bool,
    /// Attempts that were begun while there was a reactor.
    pub(crate) attempts: u32,
    pub(crate) announced: u32,
    pub(crate) failed: u32,
    pub(crate) lost: u32,
}

pub(crate) struct World {
    pub(crate) program: Program,
    pub(crate) reactor: ReactorHandle,
    pub(crate) kernel: ScriptedKernel,
    /// Each hook's calls so far.
    pub(crate) counts: RefCell<BTreeMap<Hook, u8>>,
    pub(crate) stack: RefCell<Vec<Hook>>,
    pub(crate) over: Cell<bool>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) blames: RefCell<Vec<String>>,
    pub(crate) conns: RefCell<Vec<ConnModel>>,
    pub(crate) factories: RefCell<Vec<FactoryModel>>,
    /// A filter panicked: what it held is missing from a stream.
    pub(crate) broken_stream: Cell<bool>,
    pub(crate) refuse: Cell<bool>,
    pub(crate) transports: RefCell<Vec<(usize, Transport)>>,
    pub(crate) connections: RefCell<Vec<(usize, Connection<Proto>)>>,
    pub(crate) connectors: RefCell<Vec<(usize, Connector)>>,
    pub(crate) ports: RefCell<Vec<ListeningPort>>,
    pub(crate) shared: RefCell<Option<(usize, Shared<Fac>)>>,
    pub(crate) timers: RefCell<Vec<DelayedCall>>,
    pub(crate) triggers: RefCell<Vec<Trigger>>,
    pub(crate) watches: RefCell<Vec<Watch<Watched>>>,
    pub(crate) promises: RefCell<Vec<Promise<u32>>>,
    pub(crate) deferreds: RefCell<Vec<Deferred<u32>>>,
    pub(crate) others: RefCell<Vec<Box<dyn Any>>>,
    /// Alive as long as any value of the user's.
    pub(crate) canary: Arc<()>,
}

thread_local! {
    pub(crate) static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
    /// Panics that no program asked for.
    pub(crate) static FOREIGN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(crate) const INJECTED: &str = "injected";

pub(crate) fn world() -> Option<Rc<World>> {
    WORLD.with(|world| world.borrow().clone())
}

/// The byte at a place of every stream.
pub(crate) fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

/// Runs the orders of a hook. `own` is the connection that it is about.
pub(crate) fn hook(hook: Hook, own: Option<usize>) {
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
pub(crate) struct Canary {
    hook: Hook,
    _alive: Arc<()>,
}

impl Canary {
    pub(crate) fn new(hook: Hook) -> Self {
        let alive = world().map(|world| Arc::clone(&world.canary)).unwrap_or_default();
        Self { hook, _alive: alive }
    }

    /// For closures: there is nothing to do but to own it.
    pub(crate) fn keep(&self) {}
}

impl Drop for Canary {
    fn drop(&mut self) {
        hook(self.hook, None);
    }
}

impl World {
    pub(crate) fn blame(&self, what: String) {
        self.blames.borrow_mut().push(what);
    }

    pub(crate) fn with_conn<R>(&self, id: usize, f: impl FnOnce(&mut ConnModel) -> R) -> R {
        f(&mut self.conns.borrow_mut()[id])
    }

    pub(crate) fn new_conn(&self, factory: Option<usize>) -> usize {
        self.conns.borrow_mut().push(ConnModel { factory, ..ConnModel::default() });
        self.conns.borrow().len() - 1
    }

    pub(crate) fn new_factory(&self, server: bool) -> Fac {
        self.factories.borrow_mut().push(FactoryModel::default());
        let id = self.factories.borrow().len() - 1;
        Fac { id, server, canary: Canary::new(Hook::DropFactory) }
    }

    /// An attempt of `factory` began, if there is a reactor to tell of its end.
    pub(crate) fn attempted(&self, factory: usize) {
        if !self.reactor.is_gone() {
            self.factories.borrow_mut()[factory].attempts += 1;
        }
    }

    /// Something that only a connection between its beginning and its end may hear.
    pub(crate) fn hear(&self, id: usize, what: &str, f: impl FnOnce(&mut ConnModel) -> Result<(), String>) {
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

    pub(crate) fn pick<T: Clone>(list: &RefCell<Vec<T>>, who: u8) -> Option<T> {
        let list = list.borrow();
        list.get(usize::from(who) % list.len().max(1)).cloned()
    }

    /// The transport of `own`, or another one.
    pub(crate) fn transport(&self, who: u8, own: Option<usize>) -> Option<(usize, Transport)> {
        let mine = own.filter(|_| who == 0);
        if let Some(mine) = mine {
            return self.transports.borrow().iter().find(|(id, _)| *id == mine).cloned();
        }
        Self::pick(&self.transports, who)
    }

    pub(crate) fn connection(&self, who: u8, own: Option<usize>) -> Option<(usize, Connection<Proto>)> {
        let mine = own.filter(|_| who == 0);
        if let Some(mine) = mine {
            return self.connections.borrow().iter().rev().find(|(id, _)| *id == mine).cloned();
        }
        Self::pick(&self.connections, who)
    }

    /// The next bytes of the stream of `id`. Taken as written, since a destructor may write more before the call returns.
    pub(crate) fn next_bytes(&self, id: usize, size: u8) -> Vec<u8> {
        let len = [1, 10, 1_500, 5_000, 70_000, 300_000][usize::from(size) % 6];
        let begin = self.with_conn(id, |conn| {
            conn.sent += len;
            conn.sent - len
        });
        (begin..begin + len).map(pattern).collect()
    }

    /// They were not, if the answer says so.
    pub(crate) fn wrote(&self, id: usize, len: usize, flow: Flow) {
        if flow == Flow::Closed {
            self.with_conn(id, |conn| conn.sent -= len);
        }
    }

    pub(crate) fn keep_deferred(&self, deferred: Deferred<u32>) {
        let canary = Canary::new(Hook::DropClosure);
        let deferred = deferred.add_both(move |_| {
            canary.keep();
            hook(Hook::DeferredFired, None);
            Ok::<_, twistor_deferred::Failure>(0)
        });
        self.deferreds.borrow_mut().push(deferred);
    }

    /// Forgets every handle: that ends nothing.
    pub(crate) fn let_go(&self) {
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
