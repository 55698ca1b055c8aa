use std::fmt;

use twistor_reactor::Moment;

use super::Sim;
use super::conn::{Conn, End, Owner, Power, Side};
use super::node::{Driver, Life};
use super::world::World;

/// Who waits for what in a world, in lines for people: hosts and reactors with their timers, lookups and jobs; connections
/// with the state of both ends, what is on its way and what is held; ways that are cut. Made by [`Sim::report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    lines: Vec<String>,
}

/// More connections than these are only counted.
const MOST_CONNECTIONS: usize = 100;
/// More hosts than these are only counted.
const MOST_HOSTS: usize = 100;

impl Report {
    /// The lines, the first of them with the seed and the time.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(super) fn of(sim: &Sim) -> Self {
        let timers: Vec<(u32, usize)> = sim
            .shared
            .fleet
            .handles()
            .iter()
            .map(|(id, handle)| (*id, handle.stats().timers_pending))
            .collect();
        let world = sim.core().world();
        let mut lines = vec![format!("seed {}, at {}", world.seed, seconds(world.now))];
        world.report_hosts(&timers, &mut lines);
        for (from, to) in world.paths.cuts() {
            lines.push(format!("cut: {} to {}", world.machines[from].name, world.machines[to].name));
        }
        let connections = world.conns.iter().take(MOST_CONNECTIONS);
        lines.extend(connections.map(|(number, conn)| world.describe(*number, conn)));
        if world.conns.len() > MOST_CONNECTIONS {
            lines.push(format!("and {} connections more", world.conns.len() - MOST_CONNECTIONS));
        }
        if let Some(next) = world.timeline.next_at() {
            lines.push(format!("planned: {} things, the next at {}", world.timeline.len(), seconds(next)));
        }
        Self { lines }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n  "))
    }
}

impl World {
    fn report_hosts(&self, timers: &[(u32, usize)], lines: &mut Vec<String>) {
        for machine in self.machines.iter().take(MOST_HOSTS) {
            let power = match machine.power {
                Power::On => "",
                Power::Idle => ", killed",
                Power::Off => ", without power",
            };
            lines.push(format!("host {}{power}", machine.name));
            for &id in &machine.nodes {
                let pending = timers.iter().find(|(other, _)| *other == id).map_or(0, |(_, count)| *count);
                lines.push(self.describe_reactor(id, pending));
            }
            for id in &machine.listeners {
                let Some((_, listener)) = self.listeners.get(id) else { continue };
                let (address, queue) = (listener.address, listener.queue.len());
                lines.push(format!("  listens on {address}, {queue} not accepted"));
            }
        }
        if self.machines.len() > MOST_HOSTS {
            lines.push(format!("and {} hosts more", self.machines.len() - MOST_HOSTS));
        }
    }

    fn describe_reactor(&self, id: u32, timers: usize) -> String {
        let node = &self.nodes[id as usize];
        let state = match (node.life, node.driver) {
            (Life::Finished, _) => "stopped",
            (_, Driver::Hand(_)) => "turned by hand",
            _ => "running",
        };
        let mut text = format!("  reactor {id}, {state}");
        if timers > 0 {
            text += &format!(", {timers} timers");
        }
        if let Some(deadline) = node.deadline {
            text += &format!(", the next at {}", seconds(deadline));
        }
        if node.jobs.waiting() + node.jobs.running > 0 {
            text += &format!(", {} jobs", node.jobs.waiting() + node.jobs.running);
        }
        for lookup in node.lookups.values() {
            let state = if lookup.answer.is_some() { "answered" } else { "not answered" };
            text += &format!(", looks up `{}` since {}, {state}", lookup.name, seconds(lookup.since));
        }
        for watched in &node.signals {
            text += &format!(", watches signal {}", watched.signal);
        }
        text
    }

    fn describe(&self, number: u64, conn: &Conn) -> String {
        let name = |side: Side| match conn.hosts[side as usize] {
            Some(host) => self.machines[host].name.as_str(),
            None => "nowhere",
        };
        let [from, to] = conn.addresses;
        let mut text =
            format!("connection {number}, {} {from} to {} {to}:", name(Side::Client), name(Side::Server));
        for side in [Side::Client, Side::Server] {
            let role = if side == Side::Client { "client" } else { "server" };
            text += &format!(" {role} {}", describe_end(&conn.ends[side as usize]));
            let wire = &conn.wires[side as usize];
            if !wire.queue.is_empty() {
                let how = if wire.held { "held" } else { "on the way" };
                text += &format!(", {} segments with {} bytes {how}", wire.queue.len(), wire.bytes());
            }
            text += ";";
        }
        text.pop();
        text
    }
}

fn describe_end(end: &End) -> String {
    match end {
        End::Unborn => "not there: the handshake was not answered".to_owned(),
        End::Over => "closed".to_owned(),
        End::Vanished => "lost with its machine".to_owned(),
        End::Here(socket) => {
            let owner = match socket.owner {
                Owner::Reactor(id) => format!("of reactor {id}"),
                Owner::HalfOpen(_) => "half open".to_owned(),
                Owner::Backlog(_) => "in the backlog".to_owned(),
                Owner::Nobody => "of nobody".to_owned(),
            };
            let mut text = format!("{owner} {}", socket.end.describe());
            if !socket.end.unread().is_empty() {
                text += &format!(", {} bytes unread", socket.end.unread().len());
            }
            if socket.end.unsent() > 0 {
                text += &format!(", {} bytes unsent", socket.end.unsent());
            }
            text
        }
    }
}

/// A moment in seconds, as traces have it.
fn seconds(at: Moment) -> String {
    let nanos = at.as_nanos();
    format!("{}.{:09} s", nanos / 1_000_000_000, nanos % 1_000_000_000)
}
