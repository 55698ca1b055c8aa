//! How machines and processes end and begin again, as the network sees it.

use twistor_reactor::kernel::Job;

use super::conn::{End, Owner, Power, Side, Socket, end_of};
use super::trace::Happening;
use super::world::World;

/// The reactors that ended, and what they leave to be dropped where that does no harm.
pub(super) struct Ended {
    pub(super) nodes: Vec<u32>,
    pub(super) jobs: Vec<Job>,
}

impl World {
    /// The machine loses power: whatever is sent to it is held, and nobody is told.
    pub(super) fn crash(&mut self, host: usize) -> Ended {
        self.machines[host].power = Power::Off;
        self.note_host(host, Happening::Crashed);
        let ended = self.end_nodes(host);
        for id in std::mem::take(&mut self.machines[host].listeners) {
            self.listeners.remove(&id);
            self.half_open.remove(&id);
        }
        for (number, side) in self.ends_on(host) {
            self.remove_end(number, side, End::Vanished);
            self.bury(number);
        }
        self.machines[host].ports.clear();
        self.machines[host].descriptors = 0;
        self.probe_all();
        ended
    }

    /// The programs end, and the kernel closes what they had: in order, or with a reset where input was not read.
    pub(super) fn kill(&mut self, host: usize) -> Ended {
        self.machines[host].power = Power::Idle;
        self.note_host(host, Happening::Killed);
        let reactors = self.machines[host].nodes.clone();
        for id in self.machines[host].listeners.clone() {
            self.close_listener(id);
        }
        let held = |socket: &Socket| matches!(socket.owner, Owner::Reactor(id) if reactors.contains(&id));
        for id in self.ends_of(held) {
            self.close_socket(id, false);
        }
        self.end_nodes(host)
    }

    /// Power is there: what was held for this machine arrives.
    pub(super) fn power_up(&mut self, host: usize) {
        self.machines[host].power = Power::On;
        self.note_host(host, Happening::Restarted);
        self.release();
    }

    fn end_nodes(&mut self, host: usize) -> Ended {
        let nodes = std::mem::take(&mut self.machines[host].nodes);
        let mut jobs = Vec::new();
        for id in &nodes {
            let node = &mut self.nodes[*id as usize];
            let deadline = node.deadline;
            jobs.extend(node.die());
            self.schedule.move_deadline(*id, deadline, None);
        }
        Ended { nodes, jobs }
    }

    fn ends_on(&self, host: usize) -> Vec<(u64, Side)> {
        let mut all = Vec::new();
        for (number, conn) in &self.conns {
            for side in [Side::Client, Side::Server] {
                if conn.hosts[side as usize] == Some(host) && conn.socket(side).is_some() {
                    all.push((*number, side));
                }
            }
        }
        all
    }

    /// Whether the reactor that made the socket `id` still has it: what a dead one drops is gone already.
    pub(super) fn is_held_by(&self, id: u64, reactor: u32) -> bool {
        let (number, side) = end_of(id);
        let socket = self.conns.get(&number).and_then(|conn| conn.socket(side));
        socket.is_some_and(|socket| socket.owner == Owner::Reactor(reactor))
    }
}
