use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use twistor_reactor::kernel::Kernel;
use twistor_reactor::{Moment, Reactor, ReactorBuilder};

use crate::leftovers::complain;
use crate::{LogCatcher, ScriptedKernel, leftovers};

/// A reactor over a [`ScriptedKernel`], for testing a protocol in virtual time: nothing sleeps, and every run is the same.
///
/// Derefs to the [`Reactor`]; the kernel plays the rest of the world. Time passes only in [`pass`](Self::pass) and
/// [`run_until`](Self::run_until).
///
/// # Examples
///
/// A server that closes idle connections, and a client by hand that finds out when:
///
/// ```
/// use std::time::Duration;
/// use twistor_net::{for_protocol, Protocol, ReactorTcp, Transport};
/// use twistor_sim::TestReactor;
///
/// struct Impatient;
/// impl Protocol for Impatient {
///     fn connection_made(&mut self, transport: &Transport) {
///         transport.set_timeout(Some(Duration::from_secs(30)));
///     }
/// }
///
/// let mut test = TestReactor::new();
/// let port = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Impatient))?;
/// let client = test.kernel().dial(port.host().socket_addr().unwrap());
///
/// test.pass(Duration::from_millis(29_999));
/// assert!(!client.is_finished());
/// test.pass(Duration::from_millis(1));
/// assert!(client.is_finished());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestReactor {
    reactor: Reactor,
    kernel: ScriptedKernel,
}

/// Turns without a pause after which a program counts as one that never comes to rest.
const MOST_TURNS: usize = 100_000;

impl TestReactor {
    /// A started reactor over a new kernel, at the moment zero.
    ///
    /// # Panics
    ///
    /// Never: a new reactor starts.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Reactor::builder(), ScriptedKernel::new())
    }

    /// As [`new`](Self::new), with limits and a kernel of your own making.
    ///
    /// # Panics
    ///
    /// Never: a new reactor starts.
    #[must_use]
    pub fn with(builder: ReactorBuilder, kernel: ScriptedKernel) -> Self {
        let mut reactor = builder.build_with(kernel.clone());
        reactor.start().expect("a new reactor starts");
        Self { reactor, kernel }
    }

    /// The kernel: who dials in, who answers, what fails, what time it is.
    #[must_use]
    pub const fn kernel(&self) -> &ScriptedKernel {
        &self.kernel
    }

    /// Turns until everything that can happen now has happened. Time stands still.
    ///
    /// # Panics
    ///
    /// If the program does not come to rest within 100,000 turns.
    #[track_caller]
    pub fn settle(&mut self) {
        for _ in 0..MOST_TURNS {
            if self.is_quiet() {
                return;
            }
        }
        panic!("the program does not come to rest: {:?}", self.reactor);
    }

    /// Lets `time` pass: everything that is due in it happens at its moment, and at the end everything has settled.
    ///
    /// # Panics
    ///
    /// If the program does not come to rest within 100,000 turns.
    #[track_caller]
    pub fn pass(&mut self, time: Duration) {
        self.settle();
        let target = self.kernel.now().checked_add(time).unwrap_or(Moment::MAX);
        for _ in 0..MOST_TURNS {
            let left = target.saturating_duration_since(self.kernel.now());
            if left.is_zero() {
                return self.settle();
            }
            self.turn(left);
        }
        panic!("the program does not come to rest: {:?}", self.reactor);
    }

    /// Lets time pass until `done` says so, from one event to the next; says whether it did, within `limit` of virtual time.
    ///
    /// # Panics
    ///
    /// If the program does not come to rest within 100,000 turns.
    #[track_caller]
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        let target = self.kernel.now().checked_add(limit).unwrap_or(Moment::MAX);
        for _ in 0..MOST_TURNS {
            if done() {
                return true;
            }
            if !self.is_quiet() {
                continue; // What can happen now comes before time passes.
            }
            let left = target.saturating_duration_since(self.kernel.now());
            if left.is_zero() || done() {
                return done();
            }
            self.turn(left);
        }
        panic!("the program does not come to rest: {:?}", self.reactor);
    }

    /// Ends the test: lets everything happen that can happen now, and checks that nothing is left over, no timer, no connection, no port
    /// ([`leftovers()`]); then drops the reactor, and checks that no error was logged that the [`LogCatcher`] of this thread,
    /// if there is one, still has. Errors listed here count as taken.
    ///
    /// # Panics
    ///
    /// If something is left over or was logged, with a line about each; or if the program does not come to rest within 100,000 turns.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_net::{for_protocol, Protocol, ReactorTcp};
    /// use twistor_sim::{LogCatcher, TestReactor};
    ///
    /// struct Silent;
    /// impl Protocol for Silent {}
    ///
    /// let _log = LogCatcher::new();
    /// let test = TestReactor::new();
    /// let port = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Silent))?;
    /// drop(port.stop_listening()); // Without this line: `listening port 127.0.0.1:10000`.
    /// test.finish();
    /// # Ok::<(), twistor_net::CannotListenError>(())
    /// ```
    #[track_caller]
    pub fn finish(mut self) {
        self.settle();
        let mut left = leftovers(&self);
        drop(self);
        left.extend(LogCatcher::take_errors_here().into_iter().map(|error| format!("logged error: {error}")));
        complain(&left);
    }

    /// One turn without time; whether it found nothing, and left nothing to do.
    #[track_caller]
    pub(crate) fn is_quiet(&mut self) -> bool {
        let events = self.reactor.stats().events;
        self.turn(Duration::ZERO);
        self.reactor.stats().events == events && self.reactor.next_deadline() != Some(Duration::ZERO)
    }

    #[track_caller]
    pub(crate) fn turn(&mut self, longest: Duration) {
        if let Err(error) = self.reactor.iterate(Some(longest)) {
            panic!("{error}");
        }
    }
}

impl Default for TestReactor {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for TestReactor {
    type Target = Reactor;

    fn deref(&self) -> &Reactor {
        &self.reactor
    }
}

impl DerefMut for TestReactor {
    fn deref_mut(&mut self) -> &mut Reactor {
        &mut self.reactor
    }
}

impl fmt::Debug for TestReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestReactor").field(&self.reactor).finish()
    }
}
