use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use twistor_reactor::kernel::{Descriptors, Interest, Polled, Token};

use super::ScriptedKernel;
use super::call::{Call, Outcome, Who};
use super::ready::ReadyQueue;
use crate::edges::Edges;
use crate::errno;

/// Descriptors as a test says they are. The real ones behind the numbers are never asked anything.
#[derive(Debug, Default)]
pub(super) struct DescriptorTable {
    /// What each is ready for; hung up is both and more.
    state: BTreeMap<RawFd, Edges>,
    unpollable: BTreeSet<RawFd>,
    watched: BTreeMap<RawFd, (Token, Interest)>,
}

impl DescriptorTable {
    pub(super) fn set(&mut self, fd: RawFd, edges: Edges, ready: &mut ReadyQueue) {
        self.state.insert(fd, edges);
        self.report(fd, ready);
    }

    pub(super) fn refuse_to_poll(&mut self, fd: RawFd) {
        self.unpollable.insert(fd);
    }

    pub(super) fn describe(&self) -> impl Iterator<Item = String> + '_ {
        self.watched.iter().map(|(fd, (token, interest))| format!("{token:?} descriptor {fd}, {interest:?}"))
    }

    fn report(&self, fd: RawFd, ready: &mut ReadyQueue) {
        let (Some((token, interest)), Some(state)) = (self.watched.get(&fd), self.state.get(&fd)) else {
            return;
        };
        // Hang-ups and errors are reported whatever the interest.
        let mut asked = Edges::READ_CLOSED | Edges::WRITE_CLOSED | Edges::ERROR;
        if interest.is_read() {
            asked |= Edges::READABLE;
        }
        if interest.is_write() {
            asked |= Edges::WRITABLE;
        }
        ready.report(*token, None, *state & asked);
    }
}

impl Descriptors for ScriptedKernel {
    fn watch(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<Polled> {
        let fd = fd.as_raw_fd();
        let mut world = self.world();
        world.call(
            Call::Watch,
            Who::token(token),
            |_| Outcome::Done,
            |world, _| {
                if interest.is_none() {
                    return Err(io::Error::from_raw_os_error(errno::EINVAL));
                }
                let table = &mut world.descriptors;
                if table.unpollable.contains(&fd) {
                    return Ok(Polled::Never);
                }
                if table.watched.contains_key(&fd) {
                    return Err(io::Error::from_raw_os_error(errno::EEXIST));
                }
                table.watched.insert(fd, (token, interest));
                table.report(fd, &mut world.ready);
                Ok(Polled::Events)
            },
        )
    }

    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        let fd = fd.as_raw_fd();
        let mut world = self.world();
        world.call(
            Call::Rearm,
            Who::token(token),
            |()| Outcome::Done,
            |world, _| {
                if interest.is_none() {
                    return Err(io::Error::from_raw_os_error(errno::EINVAL));
                }
                let watched = world.descriptors.watched.get_mut(&fd);
                let watched = watched.ok_or_else(|| io::Error::from_raw_os_error(errno::ENOENT))?;
                let (former, _) = std::mem::replace(watched, (token, interest));
                // What was queued for the former interest is asked anew.
                world.ready.forget(former);
                world.descriptors.report(fd, &mut world.ready);
                Ok(())
            },
        )
    }

    fn unwatch(&self, fd: RawFd) -> io::Result<()> {
        let mut world = self.world();
        let who =
            world.descriptors.watched.get(&fd).map_or_else(Who::default, |(token, _)| Who::token(*token));
        world.call(
            Call::Unwatch,
            who,
            |()| Outcome::Done,
            |world, _| {
                let watched = world.descriptors.watched.remove(&fd);
                let (token, _) = watched.ok_or_else(|| io::Error::from_raw_os_error(errno::ENOENT))?;
                world.ready.forget(token);
                Ok(())
            },
        )
    }
}
