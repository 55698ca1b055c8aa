//! Signals as events: each watched one writes into a socket pair, and the poller reports the other end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Interest;
use mio::unix::SourceFd;
use signal_hook::consts::{FORBIDDEN, SIGBUS, SIGPIPE};
use signal_hook::{SigId, flag, low_level};

use super::{Core, poll_token};
use crate::kernel::{Signals, Token};

/// The signals that one kernel watches. Dropping it lets them act by default again, unless another kernel watches them too.
///
/// Arrivals are counted one by one, up to the few hundred that fit a socket's buffer; the rest collapse, as signals do.
pub(super) struct WatchedSignals {
    core: Rc<Core>,
    watched: RefCell<BTreeMap<Token, WatchedSignal>>,
}

struct WatchedSignal {
    reader: UnixStream,
    /// Where the signal is written to `reader`'s other end.
    writer: SigId,
    signal: i32,
}

impl WatchedSignals {
    pub(super) fn new(core: Rc<Core>) -> Self {
        Self { core, watched: RefCell::default() }
    }
}

impl Signals for WatchedSignals {
    fn watch(&self, signal: i32, token: Token) -> io::Result<()> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        self.core.registry.register(
            &mut SourceFd(&reader.as_raw_fd()),
            poll_token(token),
            Interest::READABLE,
        )?;
        let watched = WatchedSignal { reader, writer: Disposition::catch(signal, writer)?, signal };
        let replaced = self.watched.borrow_mut().insert(token, watched);
        drop(replaced); // After the new one took its place, so that the signal is never without a watcher.
        Ok(())
    }

    fn arrivals(&self, token: Token) -> usize {
        self.watched.borrow().get(&token).map_or(0, WatchedSignal::drain)
    }

    fn unwatch(&self, token: Token) {
        let watched = self.watched.borrow_mut().remove(&token);
        drop(watched);
    }
}

impl WatchedSignal {
    /// Reads to the end, since the poller reports edges.
    fn drain(&self) -> usize {
        let (mut total, mut buffer) = (0, [0; 256]);
        loop {
            match (&self.reader).read(&mut buffer) {
                Ok(0) => return total,
                Ok(len) => total += len,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return total,
            }
        }
    }
}

impl Drop for WatchedSignal {
    fn drop(&mut self) {
        Disposition::release(self.signal, self.writer);
    }
}

/// What this process does about a signal, for as long as it lives.
///
/// A handler is never uninstalled (signal-hook does not, since it cannot know who came after it), so once a signal was watched it has to
/// be given its default by hand: an action that stays with it and does what the default would, while nobody watches.
struct Disposition {
    /// How many watch it, over all kernels of the process.
    watchers: usize,
    by_default: Arc<AtomicBool>,
}

impl Disposition {
    /// Writes a byte to `writer` whenever `signal` comes, and keeps it from acting by default.
    fn catch(signal: i32, writer: UnixStream) -> io::Result<SigId> {
        // SIGBUS too comes from the instruction that caused it, which would be tried for ever.
        if FORBIDDEN.contains(&signal) || signal == SIGBUS {
            return Err(cannot(signal, "it cannot be caught"));
        }
        if low_level::signal_name(signal).is_none() {
            return Err(cannot(signal, "no such signal, or one whose default is not known"));
        }
        let mut all = Self::all();
        let this = match all.entry(signal) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Self::install(signal)?),
        };
        let id = low_level::pipe::register(signal, writer)?;
        this.watchers += 1;
        this.by_default.store(false, Ordering::SeqCst);
        Ok(id)
    }

    /// Undoes one [`catch`](Self::catch).
    fn release(signal: i32, writer: SigId) {
        let mut all = Self::all();
        if let Some(this) = all.get_mut(&signal) {
            this.watchers -= 1;
            if this.watchers == 0 {
                this.by_default.store(true, Ordering::SeqCst);
            }
        }
        low_level::unregister(writer);
    }

    /// The first time: the signal acts by default for a moment longer, until the first watcher is there.
    fn install(signal: i32) -> io::Result<Self> {
        let by_default = Arc::new(AtomicBool::new(true));
        // Rust ignores SIGPIPE from the start of the program, so that is what it goes back to.
        if signal != SIGPIPE {
            flag::register_conditional_default(signal, Arc::clone(&by_default))?;
        }
        Ok(Self { watchers: 0, by_default })
    }

    /// Every signal that was ever watched in this process: handlers belong to it as a whole. Never touched by a handler.
    fn all() -> MutexGuard<'static, BTreeMap<i32, Self>> {
        static ALL: Mutex<BTreeMap<i32, Disposition>> = Mutex::new(BTreeMap::new());
        ALL.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot(signal: i32, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("watching signal {signal}: {why}"))
}
