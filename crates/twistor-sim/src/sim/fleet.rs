//! The reactors that the world turns, and how they come and go.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use twistor_deferred::drop_contained;
use twistor_reactor::{Reactor, ReactorBuilder, ReactorHandle};

use super::Sim;
use super::conn::Power;
use super::dice::{Dice, Purpose};
use super::kernel::SimKernel;
use super::node::{Driver, Handling, Life, Node, Turning};
use super::paths::later;
use super::power::Ended;
use super::waker::Bell;

type BootFn = Rc<dyn Fn(&ReactorHandle)>;

/// The reactors, and what makes them anew. Its cell is never borrowed while one of them is turned, made or dropped.
#[derive(Default)]
pub(super) struct Fleet {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By number.
    reactors: BTreeMap<u32, Place>,
    /// By host.
    boots: BTreeMap<usize, Vec<Boot>>,
}

struct Place {
    handle: ReactorHandle,
    /// `None` while it is made or turned.
    reactor: Option<Reactor>,
}

#[derive(Clone)]
struct Boot {
    host: usize,
    builder: ReactorBuilder,
    call: BootFn,
}

impl Fleet {
    /// Drops everything, one by one.
    pub(super) fn end(&self) {
        let Inner { reactors, boots } = std::mem::take(&mut *self.inner.borrow_mut());
        for place in reactors.into_values() {
            drop_contained(place.reactor);
        }
        drop_contained(boots);
    }

    /// Takes a reactor out for its turn.
    fn take(&self, id: u32) -> Option<Reactor> {
        self.inner.borrow_mut().reactors.get_mut(&id)?.reactor.take()
    }

    /// Puts it back; gives it back if it was to be dropped meanwhile.
    fn put_back(&self, id: u32, reactor: Reactor) -> Option<Reactor> {
        match self.inner.borrow_mut().reactors.get_mut(&id) {
            Some(place) => place.reactor.replace(reactor),
            None => Some(reactor),
        }
    }

    /// The numbers of all of them.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.inner.borrow().reactors.keys().copied().collect()
    }

    /// The handle of reactor `id`, unless that is turned by hand.
    fn handle(&self, id: u32) -> Option<ReactorHandle> {
        self.inner.borrow().reactors.get(&id).map(|place| place.handle.clone())
    }

    /// The handle of each.
    pub(super) fn handles(&self) -> Vec<(u32, ReactorHandle)> {
        self.inner.borrow().reactors.iter().map(|(id, place)| (*id, place.handle.clone())).collect()
    }
}

impl Sim {
    pub(super) fn install_boot(&self, host: usize, builder: ReactorBuilder, call: BootFn) {
        let boot = Boot { host, builder, call };
        self.shared.fleet.inner.borrow_mut().boots.entry(host).or_default().push(boot.clone());
        let on = self.core().world().machines[host].power == Power::On;
        if on {
            self.boot(&boot);
        }
    }

    /// Makes the reactors of a host that begins, in the order in which their boots were given.
    pub(super) fn boot_host(&self, host: usize) {
        let boots = self.shared.fleet.inner.borrow().boots.get(&host).cloned().unwrap_or_default();
        for boot in &boots {
            self.boot(boot);
        }
    }

    fn boot(&self, boot: &Boot) -> ReactorHandle {
        let id = self.add_node(boot.host, Driver::World(Turning::Turns));
        let kernel = SimKernel::new(Rc::clone(self.core()), id, None);
        let observer = kernel.observer();
        let mut reactor = boot.builder.clone().observer(observer).build_with(kernel);
        let handle = reactor.handle();
        let place = Place { handle: handle.clone(), reactor: None };
        self.shared.fleet.inner.borrow_mut().reactors.insert(id, place);
        (boot.call)(&handle);
        // Only a reactor that was run and stopped before refuses.
        let _ = reactor.start();
        self.settle_node(id, reactor);
        handle
    }

    pub(super) fn first_reactor(&self, host: usize) -> ReactorHandle {
        let nodes = self.core().world().machines[host].nodes.clone();
        let found = nodes.into_iter().find_map(|id| self.shared.fleet.handle(id));
        found.unwrap_or_else(|| self.boot(&Boot { host, builder: Reactor::builder(), call: Rc::new(|_| ()) }))
    }

    pub(super) fn build_by_hand(&self, host: usize, builder: ReactorBuilder) -> Reactor {
        let id = self.add_node(host, Driver::Hand(Handling::Awake));
        let kernel = SimKernel::new(Rc::clone(self.core()), id, Some(self.clone()));
        builder.observer(kernel.observer()).build_with(kernel)
    }

    fn add_node(&self, host: usize, driver: Driver) -> u32 {
        let board = Arc::clone(&self.core().board);
        let mut world = self.core().world();
        let id = u32::try_from(world.nodes.len()).expect("fewer than 2^32 reactors");
        let seed = Dice::new(world.seed, Purpose::Reactor(id)).next();
        world.nodes.push(Node::new(host, driver, seed, Bell::new(id, &board)));
        world.machines[host].nodes.push(id);
        id
    }

    /// Drops reactors that ended; one that is in its turn is dropped after it.
    pub(super) fn drop_reactors(&self, ended: Ended) {
        for id in ended.nodes {
            let place = self.shared.fleet.inner.borrow_mut().reactors.remove(&id);
            drop_contained(place.and_then(|place| place.reactor));
        }
        drop_contained(ended.jobs);
    }

    /// One turn of reactor `id`. Says whether there was one.
    pub(super) fn turn(&self, id: u32) -> bool {
        let Some(mut reactor) = self.shared.fleet.take(id) else { return false };
        self.core().world().nodes[id as usize].driver = Driver::World(Turning::Turns);
        // It fails only if its machine or process ended in this very turn.
        let _ = reactor.iterate(Some(Duration::ZERO));
        self.settle_node(id, reactor);
        true
    }

    /// Asks reactor `id`, whose queues or timers were changed from outside, when it is to be turned.
    pub(super) fn look_after(&self, id: u32) {
        self.core().world().nodes[id as usize].touched = false;
        let Some(reactor) = self.shared.fleet.take(id) else { return };
        let mut world = self.core().world();
        let driver = &mut world.nodes[id as usize].driver;
        if *driver == Driver::World(Turning::Queued) {
            drop(world);
            self.shared.fleet.put_back(id, reactor);
            return;
        }
        *driver = Driver::World(Turning::Turns);
        drop(world);
        self.settle_node(id, reactor);
    }

    /// After a turn, or a look: when is its next?
    fn settle_node(&self, id: u32, reactor: Reactor) {
        let finished = reactor.is_finished();
        let next = if finished { None } else { reactor.next_deadline() };
        if let Some(dead) = self.shared.fleet.put_back(id, reactor) {
            drop_contained(dead);
        }
        let mut world = self.core().world();
        let world = &mut *world;
        let now = world.now;
        let node = &mut world.nodes[id as usize];
        if node.life == Life::Dead {
            return;
        }
        node.life = if finished { Life::Finished } else { Life::Alive };
        node.driver = Driver::World(Turning::Rests);
        let at_once = !finished && (next == Some(Duration::ZERO) || node.has_news());
        let deadline = next.filter(|_| !at_once).map(|next| later(now, next));
        let former = std::mem::replace(&mut node.deadline, deadline);
        world.schedule.move_deadline(id, former, deadline);
        if at_once {
            world.wake(id);
        }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").finish_non_exhaustive()
    }
}
