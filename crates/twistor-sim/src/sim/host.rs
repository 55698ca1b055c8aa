use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use twistor_reactor::{Reactor, ReactorBuilder, ReactorHandle};

use super::Sim;
use super::conn::Power;

/// A machine of a [`Sim`], with reactors on it. A handle: clones are the same host.
///
/// # Examples
///
/// A server that loses power and comes back:
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
/// use twistor_sim::Sim;
///
/// let sim = Sim::new(3);
/// let server = sim.host("server");
/// let starts = Rc::new(Cell::new(0));
/// let count = Rc::clone(&starts);
/// server.start(move |_reactor| count.set(count.get() + 1));
/// assert_eq!(starts.get(), 1);
///
/// let machine = server.clone();
/// sim.at(Duration::from_secs(60), move |sim| {
///     machine.crash();
///     sim.at(Duration::from_secs(5), move |_| machine.restart());
/// });
/// sim.run();
/// assert_eq!(starts.get(), 2);
/// ```
#[derive(Clone)]
pub struct Host {
    sim: Sim,
    index: usize,
}

impl Host {
    pub(super) const fn new(sim: Sim, index: usize) -> Self {
        Self { sim, index }
    }

    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> String {
        self.sim.core().world().machines[self.index].name.clone()
    }

    /// The addresses, without those of the loopback.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.sim.core().world().machines[self.index].addresses.clone()
    }

    /// The first address.
    ///
    /// # Panics
    ///
    /// If the host was made without any.
    #[must_use]
    #[track_caller]
    pub fn address(&self) -> IpAddr {
        *self.addresses().first().expect("a host with an address")
    }

    /// The world.
    #[must_use]
    pub const fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Makes a reactor on this host, calls `boot` with it, and starts it; the world turns it from then on. Every
    /// [`restart`](Self::restart) does the same again. A host may have any number of reactors, each with a boot of its own,
    /// in the order in which they were given. On a host that is down only the restart does it.
    pub fn start(&self, boot: impl Fn(&ReactorHandle) + 'static) {
        self.start_with(Reactor::builder(), boot);
    }

    /// As [`start`](Self::start), for reactors that are built by `builder`. Its observer is replaced by the world's.
    pub fn start_with(&self, builder: ReactorBuilder, boot: impl Fn(&ReactorHandle) + 'static) {
        self.sim.install_boot(self.index, builder, Rc::new(boot));
    }

    /// The first reactor of this host, to be used directly; if there is none, one is made, without a boot, that the world
    /// turns. After the end of the process it is another one.
    ///
    /// # Panics
    ///
    /// If the host is down.
    #[must_use]
    #[track_caller]
    pub fn reactor(&self) -> ReactorHandle {
        assert!(self.is_up(), "{self:?} is down");
        self.sim.first_reactor(self.index)
    }

    /// A reactor on this host that the caller turns, by [`run`](Reactor::run) or by hand: its wait lets the rest of the
    /// world go on until something is ready for it. It keeps the world; a restart of the host does not bring it back. The
    /// observer of `builder` is replaced by the world's.
    ///
    /// # Panics
    ///
    /// If the host is down.
    #[must_use]
    #[track_caller]
    pub fn build(&self, builder: ReactorBuilder) -> Reactor {
        assert!(self.is_up(), "{self:?} is down");
        self.sim.build_by_hand(self.index, builder)
    }

    /// The power fails. Nobody is told: what is sent to the host is held until it is there again, or its sender gives up.
    /// Its reactors are dropped, which tells their users [`ReactorGone`](twistor_reactor::CloseReason::ReactorGone); nothing
    /// that they do then gets out. On a host without power it does nothing.
    pub fn crash(&self) {
        if self.power() == Power::Off {
            return;
        }
        let ended = self.sim.core().world().crash(self.index);
        self.sim.drop_reactors(ended);
    }

    /// The process ends; the machine goes on. Its kernel closes the sockets: those with unread input by a reset, the others
    /// in order; who connects is refused. The reactors are dropped as in [`crash`](Self::crash). On a host whose process
    /// does not run it does nothing.
    pub fn kill(&self) {
        if self.power() != Power::On {
            return;
        }
        let ended = self.sim.core().world().kill(self.index);
        self.sim.drop_reactors(ended);
    }

    /// The host begins anew: it is killed if it runs, then has power, and the boots of [`start`](Self::start) are called on
    /// new reactors. After a crash it knows none of its former connections: whatever it is sent on them is answered with a
    /// reset.
    pub fn restart(&self) {
        self.kill();
        self.sim.core().world().power_up(self.index);
        self.sim.boot_host(self.index);
    }

    /// Whether the host has power and its process runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.power() == Power::On
    }

    /// Sends `signal` to the process: every reactor of this host that watches it is told. If none does, it is listed as
    /// [unhandled](Self::unhandled_signals) and nothing happens.
    pub fn signal(&self, signal: i32) {
        self.sim.core().world().raise(self.index, signal);
    }

    /// The signals that nobody watched, in order.
    #[must_use]
    pub fn unhandled_signals(&self) -> Vec<i32> {
        self.sim.core().world().machines[self.index].unhandled.clone()
    }

    /// How many sockets and listeners the process may have; for more of them connecting, accepting and listening answer `EMFILE`.
    /// Default: no limit.
    pub fn set_descriptors(&self, most: usize) {
        self.sim.core().world().machines[self.index].budget = most;
    }

    /// How many sockets and listeners the process has.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        self.sim.core().world().machines[self.index].descriptors
    }

    fn power(&self) -> Power {
        self.sim.core().world().machines[self.index].power
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Host");
        if let Some(world) = self.sim.core().try_world() {
            out.field("name", &world.machines[self.index].name);
        }
        out.finish_non_exhaustive()
    }
}
