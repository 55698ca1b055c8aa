use std::io;

use twistor_reactor::kernel::{Signals, Token};

use super::ScriptedKernel;
use super::call::{Call, Outcome, Who};
use super::ready::ReadyQueue;
use crate::edges::Edges;
use crate::errno;

/// Who watches which signal, and what came.
#[derive(Debug, Default)]
pub(super) struct SignalTable {
    /// In the order of their registration.
    watched: Vec<Watched>,
    pub(super) unhandled: Vec<i32>,
}

#[derive(Debug)]
struct Watched {
    token: Token,
    signal: i32,
    arrivals: usize,
}

impl SignalTable {
    pub(super) fn raise(&mut self, signal: i32, ready: &mut ReadyQueue) {
        let mut handled = false;
        for watched in self.watched.iter_mut().filter(|watched| watched.signal == signal) {
            handled = true;
            watched.arrivals += 1;
            ready.report(watched.token, None, Edges::READABLE);
        }
        if !handled {
            self.unhandled.push(signal);
        }
    }

    pub(super) fn describe(&self) -> impl Iterator<Item = String> + '_ {
        self.watched.iter().map(|watched| format!("{:?} signal {}", watched.token, watched.signal))
    }
}

impl Signals for ScriptedKernel {
    fn watch(&self, signal: i32, token: Token) -> io::Result<()> {
        let mut world = self.world();
        world.call(
            Call::Watch,
            Who::token(token),
            |()| Outcome::Done,
            |world, _| {
                if !is_catchable(signal) {
                    return Err(io::Error::from_raw_os_error(errno::EINVAL));
                }
                world.signals.watched.push(Watched { token, signal, arrivals: 0 });
                Ok(())
            },
        )
    }

    fn arrivals(&self, token: Token) -> usize {
        let mut world = self.world();
        let watched = world.signals.watched.iter_mut().find(|watched| watched.token == token);
        watched.map_or(0, |watched| std::mem::take(&mut watched.arrivals))
    }

    fn unwatch(&self, token: Token) {
        let mut world = self.world();
        world.signals.watched.retain(|watched| watched.token != token);
        world.ready.forget(token);
        world.note(Call::Unwatch, Who::token(token), Outcome::Done, false);
    }
}

/// Whether a program may have `signal` reported: it exists, and is neither one that cannot be caught nor one of a crash.
pub(crate) fn is_catchable(signal: i32) -> bool {
    (1..=LAST).contains(&signal) && !FORBIDDEN.contains(&signal)
}

/// The last signal there is.
const LAST: i32 = 64;

/// SIGILL, SIGFPE, SIGKILL, SIGSEGV, then SIGBUS and SIGSTOP, whose numbers differ.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FORBIDDEN: [i32; 6] = [4, 8, 9, 11, 7, 19];
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FORBIDDEN: [i32; 6] = [4, 8, 9, 11, 10, 17];
