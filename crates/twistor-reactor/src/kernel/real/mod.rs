//! The real kernel: epoll or kqueue through mio, sockets through socket2, threads for what can only block.
//!
//! - `stream`, `listener`: TCP sockets, and adopting those that others made.
//! - `descriptors`: watching the user's descriptors.
//! - `signals`: signals as events, and the way back to what they do by default.
//! - `pool`: the threads of jobs and lookups; `resolver`: names to addresses on threads of their own.
//! - `wakeup`: the one way in from other threads.
//!
//! Nothing here calls back: no method runs code of the user's but jobs, and those on their threads.

mod descriptors;
mod listener;
mod pool;
mod resolver;
mod signals;
mod stream;
mod wakeup;

use std::cell::RefCell;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::{Events, Poll, Registry};
use twistor_deferred::Moment;

use self::descriptors::WatchedDescriptors;
use self::listener::{Spare, TcpListener};
use self::pool::Pool;
use self::resolver::ThreadResolver;
use self::signals::WatchedSignals;
use self::stream::TcpStream;
use self::wakeup::Wakeup;
use super::{
    ConnectOptions, Descriptors, Jobs, Kernel, ListenOptions, Readiness, Resolver, Signals, StreamListener,
    StreamSocket, Token,
};

/// The real kernel: this machine's sockets, clock, threads and signals.
///
/// Sockets that outlive it are harmless: they work, and nobody reports them any more. Dropping it ends its threads (those that are
/// busy are left behind) and lets the signals it watched act by default again.
pub struct MioKernel {
    /// When this kernel began.
    origin: Instant,
    seed: u64,
    /// Borrowed in `wait` alone, which runs nobody's code.
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    core: Rc<Core>,
    wakeup: Arc<Wakeup>,
    descriptors: WatchedDescriptors,
    resolver: ThreadResolver,
    jobs: Pool,
    signals: WatchedSignals,
}

/// What the sockets share with their kernel.
struct Core {
    /// A second handle of the poller, so that it can be reached while `wait` sleeps in the first one.
    registry: Registry,
    /// What listeners give up when no descriptors are left.
    spare: Spare,
}

impl MioKernel {
    /// A kernel with a random seed.
    ///
    /// # Errors
    ///
    /// If the system has no descriptors left for a poller.
    pub fn new() -> io::Result<Self> {
        // The keys of a new `RandomState` come from the system's randomness, and differ between any two of a thread.
        Self::with_seed(RandomState::new().build_hasher().finish())
    }

    /// A kernel with this seed: the random decisions of two runs agree, as far as the rest of the world does.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_seed(seed: u64) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let wakeup = Arc::new(Wakeup::new(&registry, WAKEUP)?);
        let core = Rc::new(Core { registry, spare: Spare::default() });
        Ok(Self {
            origin: begin(),
            seed,
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(FIRST_EVENTS)),
            descriptors: WatchedDescriptors::new(Rc::clone(&core)),
            resolver: ThreadResolver::new(Arc::clone(&wakeup)),
            jobs: Pool::new("twistor-job", DEFAULT_THREADS),
            signals: WatchedSignals::new(Rc::clone(&core)),
            core,
            wakeup,
        })
    }

    /// Translates what the poller reported.
    fn report(&self, events: &Events, ready: &mut Vec<Readiness>) {
        for event in events {
            if event.token() == WAKEUP {
                // Acknowledged first: what is queued from now on wakes again.
                self.wakeup.acknowledge();
                self.resolver.announce(ready);
            } else {
                ready.push(readiness(event));
            }
        }
    }
}

impl Kernel for MioKernel {
    fn now(&self) -> Moment {
        // 584 years fit.
        Moment::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the wall clock of the library")]
    fn wall_time(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        let mut events = self.events.borrow_mut();
        // mio rounds up to milliseconds where the system wants those.
        match self.poll.borrow_mut().poll(&mut events, timeout.map(|time| time.min(LONGEST_SLEEP))) {
            Ok(()) => {}
            // A signal: the events are empty, and the loop reads its clock and comes back.
            Err(why) if why.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(why) => return Err(why),
        }
        self.report(&events, ready);
        let capacity = events.capacity();
        if capacity < MOST_EVENTS && events.iter().count() == capacity {
            // There may be more; the poller keeps it for the next call, which has room.
            *events = Events::with_capacity((capacity * 2).min(MOST_EVENTS));
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.wakeup))
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn listen_stream(
        &self,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<Box<dyn StreamListener>> {
        Ok(Box::new(TcpListener::bind(&self.core, address, options)?))
    }

    fn connect_stream(
        &self,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<Box<dyn StreamSocket>> {
        Ok(Box::new(TcpStream::connect(&self.core, address, options)?))
    }

    fn adopt_listener(&self, fd: OwnedFd) -> io::Result<Box<dyn StreamListener>> {
        Ok(Box::new(TcpListener::adopt(&self.core, fd)?))
    }

    fn adopt_stream(&self, fd: OwnedFd) -> io::Result<Box<dyn StreamSocket>> {
        Ok(Box::new(TcpStream::adopt(&self.core, fd)?))
    }

    fn descriptors(&self) -> io::Result<&dyn Descriptors> {
        Ok(&self.descriptors)
    }

    fn resolver(&self) -> io::Result<&dyn Resolver> {
        Ok(&self.resolver)
    }

    fn jobs(&self) -> io::Result<&dyn Jobs> {
        Ok(&self.jobs)
    }

    fn signals(&self) -> io::Result<&dyn Signals> {
        Ok(&self.signals)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.core.registry.as_fd())
    }
}

impl fmt::Debug for MioKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MioKernel")
            .field("now", &self.now())
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// Starts the clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the library")]
fn begin() -> Instant {
    Instant::now()
}

/// The poller's word for a token. All 64 bits are needed, so a `usize` must have them.
fn poll_token(token: Token) -> mio::Token {
    mio::Token(token.to_bits() as usize)
}

fn readiness(event: &Event) -> Readiness {
    let mut readiness = Readiness::new(Token::from_bits(event.token().0 as u64));
    if event.is_readable() {
        readiness = readiness.readable();
    }
    if event.is_writable() {
        readiness = readiness.writable();
    }
    if event.is_read_closed() {
        readiness = readiness.read_closed();
    }
    if event.is_write_closed() {
        readiness = readiness.write_closed();
    }
    if event.is_error() {
        readiness = readiness.error();
    }
    if event.is_priority() {
        readiness = readiness.priority();
    }
    readiness
}

fn unsupported(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what)
}

const _: () = assert!(usize::BITS >= u64::BITS, "a token needs 64 bits of the poller's user data");

/// The poller's token of [`Wakeup`], never reported. A reactor would need four thousand million sources to give it away.
const WAKEUP: mio::Token = mio::Token(usize::MAX);
/// How many events one `wait` can bring at first: 12 KiB on Linux.
const FIRST_EVENTS: usize = 1_024;
/// And at most: enough that a loop with very many busy sources makes few calls, few enough that a turn has an end.
const MOST_EVENTS: usize = 16_384;
/// The longest sleep, some 24.8 days: its milliseconds fit a C `int` (TIME-10).
const LONGEST_SLEEP: Duration = Duration::from_secs(2_147_483);
/// How many threads run jobs, unless [`Jobs::resize`] says otherwise (THR-04).
const DEFAULT_THREADS: usize = 10;
