//! Everything a scripted kernel is made of, behind its one cell, and the way every call takes through script and record.

use std::io;

use twistor_reactor::Moment;
use twistor_reactor::kernel::{Readiness, Token};

use super::call::{Call, CallRecord, Outcome, Recorder, Target, Who};
use super::descriptors::DescriptorTable;
use super::jobs::JobPool;
use super::network::Network;
use super::ready::ReadyQueue;
use super::resolver::Lookups;
use super::script::{Answer, Rules};
use super::signals::SignalTable;
use super::timeline::{Event, Timeline};
use crate::edges::Edges;
use crate::errno;

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) config: Config,
    pub(super) timeline: Timeline,
    pub(super) ready: ReadyQueue,
    pub(super) script: Rules,
    pub(super) record: Recorder,
    pub(super) net: Network,
    pub(super) lookups: Lookups,
    pub(super) jobs: JobPool,
    pub(super) signals: SignalTable,
    pub(super) descriptors: DescriptorTable,
    /// Sources that a script told to wait, and what the next wait is to look for on them.
    owed: Vec<(u64, Edges)>,
    /// How many waits in a row had nothing to report while the clock stood still.
    pub(super) idle_waits: usize,
}

#[derive(Debug)]
pub(super) struct Config {
    pub(super) seed: u64,
    pub(super) wall_clock: std::time::SystemTime,
    pub(super) connect_time: std::time::Duration,
    pub(super) patience: std::time::Duration,
}

impl Default for Config {
    fn default() -> Self {
        // The first of January 2025, so that certificates made for tests are neither too young nor too old.
        const BEGIN: std::time::Duration = std::time::Duration::from_secs(1_735_689_600);
        Self {
            seed: 0x0074_7769_7374_6f72,
            wall_clock: std::time::SystemTime::UNIX_EPOCH + BEGIN,
            connect_time: std::time::Duration::ZERO,
            patience: std::time::Duration::ZERO,
        }
    }
}

impl World {
    /// Makes one call: asks the script, then reality, then writes down what came of it.
    ///
    /// `real` is told how many bytes or connections it may deal with. It runs while the world is borrowed: it must not call out.
    pub(super) fn call<T>(
        &mut self,
        call: Call,
        who: Who,
        tally: impl FnOnce(&T) -> Outcome,
        real: impl FnOnce(&mut Self, usize) -> io::Result<T>,
    ) -> io::Result<T> {
        let answer = self.script.answer(call, &who);
        let result = match answer {
            None | Some(Answer::Pass) => real(self, usize::MAX),
            Some(Answer::Short(most)) => real(self, most.max(1)),
            Some(Answer::WouldBlock | Answer::Errno(errno::EAGAIN)) => {
                self.owe(call, &who);
                Err(error(errno::EAGAIN))
            }
            Some(Answer::Spurious) => {
                self.owe(call, &who);
                if let Some(token) = who.token {
                    self.ready.inject(spurious(token));
                }
                Err(error(errno::EAGAIN))
            }
            Some(Answer::Errno(code)) => Err(error(code)),
        };
        let outcome = match &result {
            Ok(value) => tally(value),
            Err(error) => Outcome::from(error),
        };
        let scripted = answer.is_some_and(|answer| answer != Answer::Pass);
        self.note(call, who, outcome, scripted);
        result
    }

    /// Writes down a call that no script has a say in.
    pub(super) fn note(&mut self, call: Call, who: Who, outcome: Outcome, scripted: bool) {
        let Who { socket, local, peer, .. } = who;
        self.record.note(CallRecord { at: self.now, call, socket, local, peer, outcome, scripted });
    }

    /// The way to everything that a socket call touches.
    pub(super) fn wires(&mut self) -> (&mut Network, &mut ReadyQueue) {
        (&mut self.net, &mut self.ready)
    }

    pub(super) fn who(&self, id: u64) -> Who {
        if let Some(socket) = self.net.sockets.get(&id) {
            let (local, peer) = (Some(socket.local.port()), Some(socket.remote.port()));
            return Who { socket: Some(id), token: socket.token, local, peer, listens: false };
        }
        if let Some(listener) = self.net.listeners.get(&id) {
            let local = Some(listener.address.port());
            return Who { socket: Some(id), token: listener.token, local, peer: None, listens: true };
        }
        Who { socket: Some(id), ..Who::default() }
    }

    /// Sends the first segment of `id` on its way.
    pub(super) fn set_out(&mut self, id: u64) {
        if self.config.connect_time.is_zero() {
            self.net.arrive(id, &mut self.ready);
        } else if let Some(at) = self.now.checked_add(self.config.connect_time) {
            self.timeline.plan(at, Event::Arrival(id));
        }
    }

    /// Reports again what a script hid, as far as it is still there.
    pub(super) fn pay_what_is_owed(&mut self) {
        for (id, side) in std::mem::take(&mut self.owed) {
            if let Some(token) = self.who(id).token {
                self.ready.report(token, Some(id), self.net.level(id) & side);
            }
        }
    }

    /// Reports what is possible now on a source that was just registered.
    pub(super) fn report_level(&mut self, id: u64, token: Token) {
        self.ready.report(token, Some(id), self.net.level(id));
    }

    /// Reports every source that `target` fits as ready for everything, whether it is or not.
    pub(super) fn wake_for_nothing(&mut self, target: Target) {
        if let Target::Token(token) = target {
            return self.ready.inject(spurious(token));
        }
        let ids = self.net.listeners.keys().chain(self.net.sockets.keys());
        let fitting = ids.map(|id| self.who(*id)).filter(|who| who.is(target));
        let tokens: Vec<Token> = fitting.filter_map(|who| who.token).collect();
        for token in tokens {
            self.ready.inject(spurious(token));
        }
    }

    /// Everything that is registered, in words.
    pub(super) fn registered(&self) -> Vec<String> {
        let mut all = Vec::new();
        for listener in self.net.listeners.values() {
            if let Some(token) = listener.token {
                all.push(format!("{token:?} listener on {}", listener.address));
            }
        }
        for socket in self.net.sockets.values() {
            if let Some(token) = socket.token {
                let (local, remote, state) = (socket.local, socket.remote, socket.end.describe());
                all.push(format!("{token:?} stream {local} to {remote}, {state}"));
            }
        }
        all.extend(self.lookups.describe());
        all.extend(self.signals.describe());
        all.extend(self.descriptors.describe());
        all
    }

    fn owe(&mut self, call: Call, who: &Who) {
        let Some(id) = who.socket else { return };
        let side = match call {
            Call::Recv | Call::Accept => Edges::READ_SIDE,
            Call::Send | Call::ConnectProgress => Edges::WRITE_SIDE,
            _ => return,
        };
        if call == Call::Send {
            // If there is no room either, room is the event that comes.
            if let Some(socket) = self.net.sockets.get_mut(&id) {
                socket.end.want_room();
            }
        }
        self.owed.push((id, side));
    }
}

fn spurious(token: Token) -> Readiness {
    Readiness::new(token).readable().writable()
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
