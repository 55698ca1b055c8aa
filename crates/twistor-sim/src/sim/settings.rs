//! What can be set for a whole world.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::Sim;
use super::resolver::Says;

/// # The network
impl Sim {
    /// The sizes in bytes of the receive and the send buffer of sockets that are made from now on, at least one. Default 64
    /// KiB each. A receive buffer is the window: how much can be on its way or unread.
    pub fn set_buffers(&self, receive: usize, send: usize) {
        let mut world = self.core().world();
        (world.settings.receive_buffer, world.settings.send_buffer) = (receive.max(1), send.max(1));
    }

    /// How long what was sent may stay undelivered before its sender gives up, with `ETIMEDOUT`. Default 924.6 s, which is
    /// what Linux makes of fifteen repetitions. A socket's own
    /// [`UserTimeout`](twistor_reactor::kernel::SocketOption::UserTimeout) goes before. (Connecting has a limit of its own:
    /// 127 s.)
    pub fn set_patience(&self, patience: Duration) {
        self.core().world().settings.patience = patience;
    }
}

/// # Names, jobs, the time of day
impl Sim {
    /// Lookups of `name` give `addresses`, in this order. Hosts have their names by themselves; `localhost` is 127.0.0.1, an
    /// address in writing is its own answer, any other name is not found. Names are compared without case.
    pub fn name<A: Into<IpAddr>>(&self, name: &str, addresses: impl IntoIterator<Item = A>) {
        let says = Says::Addresses(addresses.into_iter().map(Into::into).collect());
        self.core().world().names.set(name, says);
    }

    /// Lookups of `name` fail with `kind`.
    pub fn name_fails(&self, name: &str, kind: io::ErrorKind) {
        self.core().world().names.set(name, Says::Fails(kind));
    }

    /// Lookups of `name` are never answered.
    pub fn name_silent(&self, name: &str) {
        self.core().world().names.set(name, Says::Nothing);
    }

    /// Lookups that begin from now on take `time`. Default zero.
    pub fn set_lookup_time(&self, time: Duration) {
        self.core().world().settings.lookup_time = time;
    }

    /// Jobs on threads that are started from now on take `time` and run at its end, as many at once as their reactor's pool
    /// has threads. Default zero: all run in line in the next wait, in order.
    pub fn set_job_time(&self, time: Duration) {
        self.core().world().settings.job_time = time;
    }

    /// The time of day that it was at the moment zero. Default: the first moment of 2025, UTC.
    pub fn set_wall_clock(&self, begin: SystemTime) {
        self.core().world().settings.wall_clock = begin;
    }
}

/// # Limits of a run
///
/// They make a result of what would be a hang. Each counts within one call of [`run`](Sim::run) and its kin.
impl Sim {
    /// How much virtual time may pass. Default a day.
    pub fn limit_time(&self, time: Duration) {
        self.shared.limits.time.set(time);
    }

    /// How many turns all reactors together may take. Default ten million.
    pub fn limit_turns(&self, turns: u64) {
        self.shared.limits.turns.set(turns);
    }

    /// How many turns and events there may be at one moment: a loop that never lets time pass. Default one million.
    pub fn limit_steps_at_once(&self, steps: u64) {
        self.shared.limits.at_once.set(steps);
    }
}
