//! The names of the calls a kernel answers, which of them a rule is about, and the record of those that were made.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use twistor_reactor::Moment;
use twistor_reactor::kernel::Token;

/// A call of the kernel's, as scripts and records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Call {
    /// `Kernel::wait`
    Wait,
    /// `Kernel::listen_stream`
    Listen,
    /// `Kernel::connect_stream`
    Connect,
    /// `StreamListener::accept`
    Accept,
    /// `StreamListener::shed`
    Shed,
    /// `StreamSocket::register` and `StreamListener::register`
    Register,
    /// `StreamSocket::connect_progress`
    ConnectProgress,
    /// `StreamSocket::recv`
    Recv,
    /// `StreamSocket::send`
    Send,
    /// `StreamSocket::shutdown_write`
    ShutdownWrite,
    /// `StreamSocket::reset_on_close`
    ResetOnClose,
    /// `StreamSocket::set_option`
    SetOption,
    /// The drop of a socket or a listener. It cannot fail, so a script has no say in it.
    Close,
    /// `Descriptors::watch` and `Signals::watch`
    Watch,
    /// `Descriptors::rearm`
    Rearm,
    /// `Descriptors::unwatch` and `Signals::unwatch`
    Unwatch,
    /// `Resolver::look_up`
    LookUp,
    /// `Jobs::submit`. It cannot fail, so a script has no say in it.
    Submit,
}

/// Which source is meant. A [`Token`] and a port number (that of this end) turn into one by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Whichever.
    #[default]
    Any,
    /// The socket or listener whose own port is this. For a `Listen`, the port asked for.
    Local(u16),
    /// The socket whose other end has this port. For a `Connect`, the port asked for.
    Peer(u16),
    /// The listener on this port, and none of the connections it accepted.
    Listener(u16),
    /// The source registered under this token.
    Token(Token),
}

impl From<u16> for Target {
    fn from(port: u16) -> Self {
        Self::Local(port)
    }
}

impl From<Token> for Target {
    fn from(token: Token) -> Self {
        Self::Token(token)
    }
}

/// Who a call was made on, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) socket: Option<u64>,
    pub(crate) token: Option<Token>,
    pub(crate) local: Option<u16>,
    pub(crate) peer: Option<u16>,
    pub(crate) listens: bool,
}

impl Who {
    /// A source that is no socket.
    pub(crate) fn token(token: Token) -> Self {
        Self { token: Some(token), ..Self::default() }
    }

    pub(crate) fn is(&self, target: Target) -> bool {
        match target {
            Target::Any => true,
            Target::Local(port) => self.local == Some(port),
            Target::Peer(port) => self.peer == Some(port),
            Target::Listener(port) => self.listens && self.local == Some(port),
            Target::Token(token) => self.token == Some(token),
        }
    }
}

/// One call that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRecord {
    /// When.
    pub at: Moment,
    /// Which.
    pub call: Call,
    /// The number of the socket or listener, in the order in which the kernel made them; `None` for calls on neither.
    pub socket: Option<u64>,
    /// The port of this end.
    pub local: Option<u16>,
    /// The port of the other end.
    pub peer: Option<u16>,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether a script had its hand in that.
    pub scripted: bool,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It succeeded.
    Done,
    /// It succeeded with so many bytes (`Recv`, `Send`), events (`Wait`) or connections (`Shed`).
    Count(usize),
    /// There was nothing to do; for a `ConnectProgress`, the handshake is still going on.
    WouldBlock,
    /// It failed with this number of [`errno`](crate::errno).
    Errno(i32),
    /// It failed with an error that has no number.
    Error(io::ErrorKind),
}

impl From<&io::Error> for Outcome {
    fn from(error: &io::Error) -> Self {
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::WouldBlock => Self::WouldBlock,
            Some(code) => Self::Errno(code),
            None => Self::Error(error.kind()),
        }
    }
}

/// The calls that were made: each counted, the newest of them kept.
#[derive(Debug)]
pub(super) struct Recorder {
    counts: BTreeMap<Call, usize>,
    kept: VecDeque<CallRecord>,
    limit: usize,
}

/// Enough for any unit test to see all of its calls, and little enough (some 600 KiB) for a test that makes millions.
const DEFAULT_LIMIT: usize = 10_000;

impl Default for Recorder {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), kept: VecDeque::new(), limit: DEFAULT_LIMIT }
    }
}

impl Recorder {
    pub(super) fn note(&mut self, record: CallRecord) {
        *self.counts.entry(record.call).or_default() += 1;
        self.kept.push_back(record);
        self.trim();
    }

    /// The last call made socket `id`, whose port turned out to be `local`.
    pub(super) fn name_last(&mut self, id: u64, local: u16) {
        if let Some(record) = self.kept.back_mut() {
            (record.socket, record.local) = (Some(id), Some(local));
        }
    }

    pub(super) fn keep(&mut self, limit: usize) {
        self.limit = limit;
        self.trim();
    }

    pub(super) fn count(&self, call: Call) -> usize {
        self.counts.get(&call).copied().unwrap_or(0)
    }

    pub(super) fn kept(&self) -> Vec<CallRecord> {
        self.kept.iter().copied().collect()
    }

    pub(super) fn forget(&mut self) {
        self.counts.clear();
        self.kept.clear();
    }

    fn trim(&mut self) {
        while self.kept.len() > self.limit {
            self.kept.pop_front();
        }
    }
}
