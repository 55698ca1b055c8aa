use std::io;

use twistor_reactor::kernel::{Signals, Token};

use super::kernel::SimKernel;
use super::node::{ARRIVED, WatchedSignal};
use super::world::{World, error};
use crate::errno;
use crate::scripted::call::{Call, Outcome, Who};
use crate::scripted::signals::is_catchable;

impl World {
    /// Every reactor of `host` that watches `signal` is told; if none does, it is listed as unhandled.
    pub(super) fn raise(&mut self, host: usize, signal: i32) {
        let mut told = Vec::new();
        for &id in &self.machines[host].nodes {
            let node = &mut self.nodes[id as usize];
            for watched in node.signals.iter_mut().filter(|watched| watched.signal == signal) {
                watched.arrivals += 1;
                told.push((id, watched.token));
            }
        }
        if told.is_empty() {
            self.machines[host].unhandled.push(signal);
        }
        for (id, token) in told {
            self.report(id, token, None, ARRIVED);
        }
    }
}

impl Signals for SimKernel {
    fn watch(&self, signal: i32, token: Token) -> io::Result<()> {
        self.in_world(|world, id| {
            world.call(
                id,
                Call::Watch,
                Who::token(token),
                |()| Outcome::Done,
                |world, _| {
                    if !is_catchable(signal) {
                        return Err(error(errno::EINVAL));
                    }
                    world.nodes[id as usize].signals.push(WatchedSignal { token, signal, arrivals: 0 });
                    Ok(())
                },
            )
        })
    }

    fn arrivals(&self, token: Token) -> usize {
        self.in_world(|world, id| {
            let watched = world.nodes[id as usize].signals.iter_mut().find(|watched| watched.token == token);
            watched.map_or(0, |watched| std::mem::take(&mut watched.arrivals))
        })
    }

    fn unwatch(&self, token: Token) {
        self.in_world(|world, id| {
            let node = &mut world.nodes[id as usize];
            node.signals.retain(|watched| watched.token != token);
            node.ready.forget(token);
        });
    }
}
