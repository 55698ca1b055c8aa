//! The kernel of one reactor, and its wait.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use twistor_reactor::kernel::{
    ConnectOptions, Jobs, Kernel, ListenOptions, Readiness, Resolver, Signals, StreamListener, StreamSocket,
    Token,
};
use twistor_reactor::{Moment, Observer};

use super::Sim;
use super::conn::end_of;
use super::node::{Driver, Handling, Life, Turning, spurious};
use super::paths::later;
use super::run::Step;
use super::socket::{SimListener, SimStream};
use super::timeline::Event;
use super::trail::Origin;
use super::waker::WakeBoard;
use super::world::{World, down, number};
use crate::scripted::call::{Call, Outcome, Who};

/// What a world and its kernels share.
pub(super) struct Core {
    world: RefCell<World>,
    pub(super) board: Arc<WakeBoard>,
}

impl Core {
    pub(super) fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self { world: RefCell::new(World::new(seed)), board: Arc::default() })
    }

    /// The one cell. Borrowed for the length of one step that calls nobody: jobs, actions and drops of either happen outside.
    pub(super) fn world(&self) -> RefMut<'_, World> {
        self.world.borrow_mut()
    }

    /// For those who format: `None` while it is borrowed.
    pub(super) fn try_world(&self) -> Option<RefMut<'_, World>> {
        self.world.try_borrow_mut().ok()
    }

    /// Something was queued on reactor `id`, or one of its timers was changed. Within its turn that is seen to at the end of it.
    fn touch(&self, id: u32) {
        // A reactor's clock is read by whoever formats it, which may be a report.
        let Ok(mut world) = self.world.try_borrow_mut() else { return };
        let world = &mut *world;
        let node = &mut world.nodes[id as usize];
        match node.driver {
            _ if node.life != Life::Alive => {}
            Driver::World(Turning::Rests) if !std::mem::replace(&mut node.touched, true) => {
                world.schedule.touched.push(id);
            }
            Driver::Hand(Handling::Waits) => node.bell.ring_for_nothing(),
            _ => {}
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

/// The kernel of one reactor of a [`Sim`]: its share of the virtual network, and the world's clock.
///
/// Under [`Sim::run`] and the like a wait never sleeps: the world chooses whose turn it is. A reactor that is turned by hand
/// ([`Host::build`](super::Host::build)) waits in virtual time: its wait lets the rest of the world go on until something is
/// ready for it, or its timeout is over. If neither can ever be, that is an error of the kind `Deadlock` that says who waits
/// for what.
///
/// Descriptors cannot be watched, and none adopted: there are none. The waker may be used from other threads, but a wait does not
/// sleep for them, and what they do is not repeated by the seed.
pub struct SimKernel {
    core: Rc<Core>,
    id: u32,
    /// The world, for those that let it go on by themselves. The world owns the others, and they must not own it.
    sim: Option<Sim>,
}

impl SimKernel {
    pub(super) const fn new(core: Rc<Core>, id: u32, sim: Option<Sim>) -> Self {
        Self { core, id, sim }
    }

    pub(super) fn in_world<R>(&self, act: impl FnOnce(&mut World, u32) -> R) -> R {
        act(&mut self.core.world(), self.id)
    }

    fn run_jobs_in_line(&self) {
        let count = self.in_world(|world, id| world.nodes[id as usize].jobs.in_line());
        for _ in 0..count {
            let job = self.in_world(|world, id| world.nodes[id as usize].jobs.take_in_line());
            if let Some(job) = job {
                job();
            }
        }
    }

    fn collect(&self, ready: &mut Vec<Readiness>) -> usize {
        self.in_world(|world, id| {
            let mut queue = std::mem::take(&mut world.nodes[id as usize].ready);
            let count = queue.drain(ready, |source| world.level(source));
            world.nodes[id as usize].ready = queue;
            count
        })
    }

    /// Faults of waiting: a false event, a waker that comes for nothing.
    fn misbehave(&self) {
        self.in_world(|world, id| {
            let fate = world.faults.on_wait(world.nodes[id as usize].host);
            if let Some(draw) = fate.spurious {
                let tokens = &world.nodes[id as usize].tokens;
                let chosen = tokens.len().max(1) as u64;
                let chosen = usize::try_from(draw % chosen).unwrap_or(0);
                if let Some(token) = tokens.keys().nth(chosen).copied() {
                    world.nodes[id as usize].ready.inject(spurious(token));
                }
            }
            if let Some(delay) = fate.wake {
                world.plan(delay, Event::Wake(id));
            }
        });
    }

    /// One wait: jobs, what is ready; for a reactor that is turned by hand also whatever the world has to do until then.
    fn wait_in_world(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        let deadline = self.in_world(|world, _| timeout.map(|timeout| later(world.now, timeout)));
        loop {
            if self.in_world(|world, id| world.nodes[id as usize].life == Life::Dead) {
                return Err(down());
            }
            self.run_jobs_in_line();
            if let Some(sim) = &self.sim {
                sim.settle_now();
            }
            let woken = self.in_world(|world, id| world.nodes[id as usize].bell.take());
            if self.collect(ready) > 0 || woken {
                return Ok(());
            }
            let Some(sim) = &self.sim else { return Ok(()) };
            if deadline.is_some_and(|deadline| deadline <= sim.now()) {
                return Ok(());
            }
            self.let_others_go_on(sim, deadline)?;
        }
    }

    /// One step of the world, or the end of the wait's time.
    fn let_others_go_on(&self, sim: &Sim, deadline: Option<Moment>) -> io::Result<()> {
        self.in_world(|world, id| world.nodes[id as usize].driver = Driver::Hand(Handling::Waits));
        let stepped = sim.step_until(deadline.unwrap_or(Moment::MAX)) != Step::Nothing || sim.sweep();
        self.in_world(|world, id| world.nodes[id as usize].driver = Driver::Hand(Handling::Awake));
        match deadline {
            _ if stepped => {}
            Some(deadline) => sim.set_clock(deadline),
            None => return Err(io::Error::new(io::ErrorKind::Deadlock, sim.report().to_string())),
        }
        Ok(())
    }
}

impl Kernel for SimKernel {
    fn now(&self) -> Moment {
        self.core.touch(self.id);
        self.core.world().now
    }

    fn wall_time(&self) -> SystemTime {
        let world = self.core.world();
        world.settings.wall_clock + world.now.saturating_duration_since(Moment::ZERO)
    }

    fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        self.misbehave();
        let before = ready.len();
        let result = self.wait_in_world(timeout, ready);
        let outcome = match &result {
            Ok(()) => Outcome::Count(ready.len() - before),
            Err(error) => Outcome::from(error),
        };
        self.in_world(|world, id| world.note_call(id, Call::Wait, None, outcome, false));
        result
    }

    fn waker(&self) -> Waker {
        self.in_world(|world, id| world.nodes[id as usize].bell.waker())
    }

    fn seed(&self) -> u64 {
        self.in_world(|world, id| world.nodes[id as usize].seed)
    }

    fn listen_stream(
        &self,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<Box<dyn StreamListener>> {
        let who = Who { local: Some(address.port()), listens: true, ..Who::default() };
        let number = self.in_world(|world, id| {
            world.call(
                id,
                Call::Listen,
                who,
                |_| Outcome::Done,
                |world, _| world.listen(id, address, options),
            )
        })?;
        Ok(Box::new(SimListener::new(self.share(), number)))
    }

    fn connect_stream(
        &self,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<Box<dyn StreamSocket>> {
        let local = options.bind_address.map(|bind| bind.port());
        let who = Who { local, peer: Some(address.port()), ..Who::default() };
        let number = self.in_world(|world, id| {
            let connect = |world: &mut World, _| world.connect(id, options.bind_address, address);
            let number = world.call(id, Call::Connect, who, |_| Outcome::Done, connect)?;
            world.dial(end_of(number).0);
            Ok::<_, io::Error>(number)
        })?;
        Ok(Box::new(SimStream::new(self.share(), number)))
    }

    fn resolver(&self) -> io::Result<&dyn Resolver> {
        Ok(self)
    }

    fn jobs(&self) -> io::Result<&dyn Jobs> {
        Ok(self)
    }

    fn signals(&self) -> io::Result<&dyn Signals> {
        Ok(self)
    }
}

impl SimKernel {
    /// The same kernel for a socket, without the world that drives it.
    pub(super) fn share(&self) -> Self {
        Self { core: Rc::clone(&self.core), id: self.id, sim: None }
    }

    /// What tells the world of the callbacks and the queues of this kernel's reactor.
    pub(super) fn observer(&self) -> Rc<dyn Observer> {
        Rc::new(Ear { core: Rc::clone(&self.core), id: self.id })
    }
}

impl fmt::Debug for SimKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimKernel").field("reactor", &self.id).finish_non_exhaustive()
    }
}

/// The world's ear at one reactor.
#[derive(Debug)]
struct Ear {
    core: Rc<Core>,
    id: u32,
}

impl Observer for Ear {
    fn calling(&self, source: Option<Token>, what: &dyn fmt::Display) {
        let mut world = self.core.world();
        let node = &world.nodes[self.id as usize];
        let socket = source.and_then(|token| node.tokens.get(&token).copied());
        let origin = Origin { host: Some(number(node.host)), reactor: Some(self.id), socket };
        let now = world.now;
        world.trail.note_callback(now, origin, what);
    }

    fn work_queued(&self) {
        self.core.touch(self.id);
    }
}
