//! [`Probe`]: what a process has cost so far, from `/proc`.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::clock;

/// How long a server may go on working after its clients have all they are owed.
const SETTLING: Duration = Duration::from_millis(500);

/// How long it is to have done nothing.
const STILL: Duration = Duration::from_millis(2);

/// A view of a process.
#[derive(Debug, Clone)]
pub struct Probe {
    folder: PathBuf,
}

/// What a process has used of processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    /// Nanoseconds on a processor, of all threads that live, user and system together.
    pub ns: u64,
    /// Ticks in user mode, by sampling: good for a proportion.
    pub user_ticks: u64,
    /// Ticks in the system, by sampling.
    pub system_ticks: u64,
}

impl Probe {
    /// A view of the process `pid`.
    #[must_use]
    pub fn new(pid: u32) -> Self {
        Self { folder: format!("/proc/{pid}").into() }
    }

    /// Waits until all threads of the process sleep and have done so for a moment, or half a second, whatever comes first. What it
    /// has used is up to date then: that of a thread that runs is only so every few milliseconds.
    ///
    /// # Errors
    ///
    /// If the process is gone.
    pub fn settle(&self) -> io::Result<()> {
        let began = clock::now();
        let mut before = None;
        while clock::now().saturating_duration_since(began) < SETTLING {
            let ns = self.asleep()?.then(|| self.nanoseconds()).transpose()?;
            if ns.is_some() && ns == before {
                return Ok(());
            }
            before = ns;
            clock::pause(STILL);
        }
        Ok(())
    }

    /// What it has used so far.
    ///
    /// # Errors
    ///
    /// If the process is gone.
    pub fn cpu(&self) -> io::Result<Cpu> {
        let stat = fs::read_to_string(self.folder.join("stat"))?;
        // User and system time are the 14th and 15th field; the second, a name in parentheses, may contain anything.
        let mut fields = after_name(&stat)?.split_ascii_whitespace().skip(11);
        let (user_ticks, system_ticks) = (number(fields.next())?, number(fields.next())?);
        Ok(Cpu { ns: self.nanoseconds()?, user_ticks, system_ticks })
    }

    /// Resident bytes.
    ///
    /// # Errors
    ///
    /// If the process is gone, or the system does not tell.
    pub fn resident(&self) -> io::Result<u64> {
        // Exact, where that of `status` may be off by some pages a processor.
        self.kilobytes("smaps_rollup", "Rss:").or_else(|_| self.kilobytes("status", "VmRSS:"))
    }

    /// The most bytes that were ever resident.
    ///
    /// # Errors
    ///
    /// If the process is gone, or the system does not tell.
    pub fn peak(&self) -> io::Result<u64> {
        self.kilobytes("status", "VmHWM:")
    }

    fn nanoseconds(&self) -> io::Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(self.folder.join("task"))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"));
            // A thread may have ended since the folder was read.
            sum += text.map_or(Ok(0), |text| number(text.split_ascii_whitespace().next()))?;
        }
        Ok(sum)
    }

    fn asleep(&self) -> io::Result<bool> {
        for thread in fs::read_dir(self.folder.join("task"))? {
            let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
            if !after_name(&stat)?.trim_start().starts_with('S') {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn kilobytes(&self, file: &str, name: &str) -> io::Result<u64> {
        let text = fs::read_to_string(self.folder.join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(number(line.and_then(|line| line.split_ascii_whitespace().next()))? * 1_024)
    }
}

fn after_name(stat: &str) -> io::Result<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest).ok_or_else(unreadable)
}

fn number(word: Option<&str>) -> io::Result<u64> {
    word.and_then(|word| word.parse().ok()).ok_or_else(unreadable)
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the system tells of a process in an unknown way")
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn a_process_that_works_and_allocates_is_seen_to() {
        let probe = Probe::new(std::process::id());
        let (before, resident) = (probe.cpu().unwrap(), probe.resident().unwrap());
        let own = clock::own_cpu();
        let memory = black_box(vec![1_u8; 64 << 20]);
        while clock::own_cpu() - own < Duration::from_millis(50) {
            black_box(memory.iter().map(|it| u64::from(*it)).sum::<u64>());
        }
        let after = probe.cpu().unwrap();
        // What the scheduler has not written down yet is less than a tick of at most 10 ms.
        assert!(after.ns - before.ns > 30_000_000, "{before:?} {after:?}");
        assert!(after.user_ticks + after.system_ticks > before.user_ticks + before.system_ticks);
        let grown = probe.resident().unwrap() - resident;
        assert!(grown > 60 << 20, "{grown}");
        assert!(probe.peak().unwrap() >= probe.resident().unwrap());
        drop(memory);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        // Larger than any number of a process.
        let probe = Probe::new(u32::MAX);
        assert!(probe.cpu().is_err() && probe.resident().is_err() && probe.settle().is_err());
    }
}
