//! [`Cores`]: who runs on which processor.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Which processors the servers and the load generator run on. The affinity that the thread had before comes back when this is dropped.
#[derive(Debug)]
pub struct Cores {
    before: CpuSet,
    apart: Option<(usize, usize)>,
}

impl Cores {
    /// The last processor that this thread may use for the servers, the first one for the load; with one alone, or unless `pinned`, both
    /// run anywhere.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn new(pinned: bool) -> io::Result<Self> {
        let before = sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|core| before.is_set(*core));
        let apart = usable.next().zip(usable.next_back()).filter(|_| pinned);
        Ok(Self { before, apart })
    }

    /// Where the server runs and where the load does, if apart.
    #[must_use]
    pub fn apart(&self) -> Option<(usize, usize)> {
        self.apart.map(|(load, server)| (server, load))
    }

    /// Runs `start` where a server belongs, so that the process that it starts and all its threads are there from the beginning, then moves
    /// to where the load belongs. With two `reactors` both share both processors.
    ///
    /// # Errors
    ///
    /// What `start` gives, or if the system refuses.
    pub fn place<T>(&self, reactors: usize, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let Some((load, server)) = self.apart else { return start() };
        let (server, load) = if reactors > 1 {
            (&[load, server][..], &[load, server][..])
        } else {
            (&[server][..], &[load][..])
        };
        go(server)?;
        let started = start();
        go(load)?;
        started
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // Nothing can be done about it here.
        let _ = sched_setaffinity(None, &self.before);
    }
}

fn go(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None, &set)?)
}
