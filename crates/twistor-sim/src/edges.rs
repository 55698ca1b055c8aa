use std::ops::{BitAnd, BitOr, BitOrAssign};

use twistor_reactor::kernel::{Readiness, Token};

/// What became possible on a source: a set that can be merged, which [`Readiness`] cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edges(u8);

impl Edges {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READABLE: Self = Self(1);
    pub(crate) const WRITABLE: Self = Self(2);
    pub(crate) const READ_CLOSED: Self = Self(4);
    pub(crate) const WRITE_CLOSED: Self = Self(8);
    pub(crate) const ERROR: Self = Self(16);

    /// The peer's end: something to read, namely that nothing more will come.
    pub(crate) const END: Self = Self(1 | 4);
    /// Both directions are closed: nothing can block any more (`EPOLLHUP`).
    pub(crate) const HANG_UP: Self = Self(1 | 2 | 4 | 8);
    /// A reset or a refusal: the hang-up, and an error to be fetched.
    pub(crate) const FAILED: Self = Self(1 | 2 | 4 | 8 | 16);
    /// All that concerns reading.
    pub(crate) const READ_SIDE: Self = Self(1 | 4 | 16);
    /// All that concerns writing.
    pub(crate) const WRITE_SIDE: Self = Self(2 | 8 | 16);

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The event that reports these edges of `token`.
    pub(crate) fn on(self, token: Token) -> Readiness {
        let mut event = Readiness::new(token);
        if self.contains(Self::READABLE) {
            event = event.readable();
        }
        if self.contains(Self::WRITABLE) {
            event = event.writable();
        }
        if self.contains(Self::READ_CLOSED) {
            event = event.read_closed();
        }
        if self.contains(Self::WRITE_CLOSED) {
            event = event.write_closed();
        }
        if self.contains(Self::ERROR) {
            event = event.error();
        }
        event
    }
}

impl BitOr for Edges {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Edges {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Edges {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
