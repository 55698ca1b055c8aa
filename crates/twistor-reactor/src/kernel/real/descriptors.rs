//! Watching descriptors of the user's.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use mio::unix::SourceFd;
use rustix::io::Errno;

use super::{Core, poll_token};
use crate::kernel::{Descriptors, Interest, Polled, Token};

/// Descriptors in the poller. It keeps no table: the poller itself knows them.
pub(super) struct WatchedDescriptors {
    core: Rc<Core>,
}

impl WatchedDescriptors {
    pub(super) fn new(core: Rc<Core>) -> Self {
        Self { core }
    }
}

impl Descriptors for WatchedDescriptors {
    fn watch(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<Polled> {
        let interest = to_poller(interest)?;
        match self.core.registry.register(&mut SourceFd(&fd.as_raw_fd()), poll_token(token), interest) {
            Ok(()) => Ok(Polled::Events),
            Err(why) if why.raw_os_error() == Some(Errno::PERM.raw_os_error()) => Ok(Polled::Never),
            Err(why) => Err(why),
        }
    }

    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        // Changing a registration makes the poller look again: what is ready is an edge once more.
        let interest = to_poller(interest)?;
        self.core.registry.reregister(&mut SourceFd(&fd.as_raw_fd()), poll_token(token), interest)
    }

    fn unwatch(&self, fd: RawFd) -> io::Result<()> {
        self.core.registry.deregister(&mut SourceFd(&fd))
    }
}

fn to_poller(interest: Interest) -> io::Result<mio::Interest> {
    match (interest.is_read(), interest.is_write()) {
        (true, true) => Ok(mio::Interest::READABLE | mio::Interest::WRITABLE),
        (true, false) => Ok(mio::Interest::READABLE),
        (false, true) => Ok(mio::Interest::WRITABLE),
        (false, false) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "watching a descriptor for nothing: unwatch it instead",
        )),
    }
}
