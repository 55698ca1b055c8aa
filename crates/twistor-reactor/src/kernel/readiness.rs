use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use super::Token;

/// One event of [`Kernel::wait`](super::Kernel::wait): which source, and what became possible.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The source.
    pub token: Token,
    flags: u8,
}

const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
const READ_CLOSED: u8 = 4;
const WRITE_CLOSED: u8 = 8;
const ERROR: u8 = 16;
const PRIORITY: u8 = 32;

impl Readiness {
    /// An event that says nothing yet.
    #[must_use]
    pub const fn new(token: Token) -> Self {
        Self { token, flags: 0 }
    }

    /// The same event, and reading is worth a try.
    #[must_use]
    pub const fn readable(self) -> Self {
        self.with(READABLE)
    }

    /// The same event, and writing is worth a try.
    #[must_use]
    pub const fn writable(self) -> Self {
        self.with(WRITABLE)
    }

    /// The same event, and the peer will send no more (`EPOLLRDHUP`): what it sent is read first.
    #[must_use]
    pub const fn read_closed(self) -> Self {
        self.with(READ_CLOSED)
    }

    /// The same event, and nothing can be sent any more (`EPOLLHUP`).
    #[must_use]
    pub const fn write_closed(self) -> Self {
        self.with(WRITE_CLOSED)
    }

    /// The same event, and an error waits to be fetched (`EPOLLERR`).
    #[must_use]
    pub const fn error(self) -> Self {
        self.with(ERROR)
    }

    /// The same event, and urgent data has arrived (`EPOLLPRI`).
    #[must_use]
    pub const fn priority(self) -> Self {
        self.with(PRIORITY)
    }

    const fn with(self, flag: u8) -> Self {
        Self { token: self.token, flags: self.flags | flag }
    }

    /// Whether a read is worth a try: data, an end or an error may be there.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.flags & (READABLE | READ_CLOSED | ERROR | PRIORITY) != 0
    }

    /// Whether a write is worth a try.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.flags & (WRITABLE | WRITE_CLOSED | ERROR) != 0
    }

    /// Whether data was announced, as apart from an end or an error.
    #[must_use]
    pub const fn has_data(self) -> bool {
        self.flags & READABLE != 0
    }

    /// Whether something other than plain data was announced on the reading side, so that a short read proves nothing.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.flags & (READ_CLOSED | WRITE_CLOSED | ERROR | PRIORITY) != 0
    }

    /// Whether an error waits to be fetched.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.flags & ERROR != 0
    }

    /// Whether the other end is gone as far as the kernel can tell (`EPOLLHUP` or `EPOLLERR`).
    #[must_use]
    pub const fn is_hang_up(self) -> bool {
        self.flags & (WRITE_CLOSED | ERROR) != 0
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.token)?;
        for (flag, name) in [
            (READABLE, "readable"),
            (WRITABLE, "writable"),
            (READ_CLOSED, "read-closed"),
            (WRITE_CLOSED, "write-closed"),
            (ERROR, "error"),
            (PRIORITY, "priority"),
        ] {
            if self.flags & flag != 0 {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

/// What a watched descriptor is watched for. Errors and hang-ups are reported whatever the interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    read: bool,
    write: bool,
}

impl Interest {
    /// Neither.
    pub const NONE: Self = Self { read: false, write: false };
    /// Reading.
    pub const READ: Self = Self { read: true, write: false };
    /// Writing.
    pub const WRITE: Self = Self { read: false, write: true };

    /// Whether reading is of interest.
    #[must_use]
    pub const fn is_read(self) -> bool {
        self.read
    }

    /// Whether writing is of interest.
    #[must_use]
    pub const fn is_write(self) -> bool {
        self.write
    }

    /// Whether nothing is of interest.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.read && !self.write
    }

    /// This interest without that of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self { read: self.read && !other.read, write: self.write && !other.write }
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { read: self.read || other.read, write: self.write || other.write }
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}
