//! Names to addresses: the system's resolver (getaddrinfo), on threads of its own (R17).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pool::Pool;
use super::wakeup::Wakeup;
use crate::kernel::{Jobs, Readiness, Resolver, Token};

/// Lookups on threads. An answer is put into a table, and the kernel is woken to announce it.
///
/// The system's resolver cannot be interrupted: a lookup that is cancelled keeps its thread until the system gives up, and its answer
/// is dropped. One that waits for a thread is skipped when its turn comes, and counts as waiting until then.
pub(super) struct ThreadResolver {
    pool: Pool,
    table: Arc<Table>,
}

/// What the threads share with the kernel.
struct Table {
    state: Mutex<State>,
    wakeup: Arc<Wakeup>,
}

#[derive(Default)]
struct State {
    lookups: BTreeMap<Token, Lookup>,
    /// Who has an answer that was not announced yet.
    answered: Vec<Token>,
    /// The ticket of the next lookup.
    next: u64,
}

enum Lookup {
    /// No answer yet. Only the thread with this ticket may give it: a token may be looked up again.
    Pending(u64),
    Answered(io::Result<Vec<IpAddr>>),
}

impl ThreadResolver {
    pub(super) fn new(wakeup: Arc<Wakeup>) -> Self {
        let table = Table { state: Mutex::default(), wakeup };
        Self { pool: Pool::new("twistor-dns", MOST_LOOKUPS), table: Arc::new(table) }
    }

    /// Tells which lookups have an answer since the last call. For `wait`, when it was woken.
    pub(super) fn announce(&self, ready: &mut Vec<Readiness>) {
        let State { lookups, answered, .. } = &mut *self.table.lock();
        for token in answered.drain(..) {
            if matches!(lookups.get(&token), Some(Lookup::Answered(_))) {
                ready.push(Readiness::new(token).readable());
            }
        }
    }
}

impl Resolver for ThreadResolver {
    fn look_up(&self, host: &str, token: Token) -> io::Result<()> {
        if self.pool.load().queued >= MOST_WAITING {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!("looking up {host:?}: {MOST_WAITING} lookups are waiting already"),
            ));
        }
        let ticket = self.table.begin(token);
        let (table, host) = (Arc::clone(&self.table), host.to_owned());
        let started = self.pool.try_submit(Box::new(move || {
            if table.is_wanted(token, ticket) {
                table.finish(token, ticket, addresses(&host));
            }
        }));
        if started.is_err() {
            self.cancel(token);
        }
        started
    }

    fn answer(&self, token: Token) -> Option<io::Result<Vec<IpAddr>>> {
        let mut state = self.table.lock();
        match state.lookups.remove(&token)? {
            Lookup::Answered(answer) => Some(answer),
            pending @ Lookup::Pending(_) => {
                state.lookups.insert(token, pending);
                None
            }
        }
    }

    fn cancel(&self, token: Token) {
        self.table.lock().lookups.remove(&token);
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, token: Token) -> u64 {
        let mut state = self.lock();
        let ticket = state.next;
        state.next += 1;
        state.lookups.insert(token, Lookup::Pending(ticket));
        ticket
    }

    fn is_wanted(&self, token: Token, ticket: u64) -> bool {
        matches!(self.lock().lookups.get(&token), Some(Lookup::Pending(wanted)) if *wanted == ticket)
    }

    fn finish(&self, token: Token, ticket: u64, answer: io::Result<Vec<IpAddr>>) {
        let mut state = self.lock();
        let Some(lookup) = state.lookups.get_mut(&token) else { return };
        match lookup {
            Lookup::Pending(wanted) if *wanted == ticket => *lookup = Lookup::Answered(answer),
            Lookup::Pending(_) | Lookup::Answered(_) => return, // Cancelled, and asked again.
        }
        state.answered.push(token);
        drop(state);
        self.wakeup.wake_up();
    }
}

/// Asks the system. Blocks for as long as that takes.
fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok(without_repeats((host, 0).to_socket_addrs()?.map(|address: SocketAddr| address.ip())))
}

/// The first of each, in order.
fn without_repeats(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen = BTreeSet::new();
    addresses.filter(|address| seen.insert(*address)).collect()
}

/// How many lookups run at once. More than the connections a reactor usually starts together, so that one dead name server is not
/// felt by names that another one answers.
const MOST_LOOKUPS: usize = 16;
/// How many lookups may wait for a thread. Whoever has more names than that does not need them all at once.
const MOST_WAITING: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_removed_and_the_order_stays() {
        let given = ["127.0.0.2", "::1", "127.0.0.2", "127.0.0.1", "::1"].map(|ip| ip.parse().unwrap());
        let kept = ["127.0.0.2", "::1", "127.0.0.1"].map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(without_repeats(given.into_iter()), kept);
    }
}
