//! What the peers that are executors share: who is there in a broadcast. A task reads a client and hands what came to everybody else's
//! channel; another one empties the client's own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use slab::Slab;

use super::MOST_UNSENT;

/// Who is there. `T` is the sending end of a client's channel.
#[derive(Debug)]
pub struct Room<T>(Mutex<Slab<(T, Unsent)>>);

/// How many bytes wait in a client's channel.
pub type Unsent = Arc<AtomicUsize>;

impl<T> Default for Room<T> {
    fn default() -> Self {
        Self(Mutex::new(Slab::new()))
    }
}

impl<T> Room<T> {
    /// A client comes; gives the key to leave with.
    pub fn enter(&self, channel: T, unsent: &Unsent) -> usize {
        self.clients().insert((channel, Arc::clone(unsent)))
    }

    /// A client goes. Its channel ends.
    pub fn leave(&self, key: usize) {
        self.clients().try_remove(key);
    }

    /// Hands `len` bytes of the client `from` to everybody else by `send`. Who lets too much wait leaves.
    pub fn tell(&self, from: usize, len: usize, send: impl Fn(&T)) {
        self.clients().retain(|key, (channel, unsent)| {
            if key == from {
                return true;
            }
            let fits = unsent.fetch_add(len, Ordering::Relaxed) + len <= MOST_UNSENT;
            if fits {
                send(channel);
            }
            fits
        });
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Slab<(T, Unsent)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
