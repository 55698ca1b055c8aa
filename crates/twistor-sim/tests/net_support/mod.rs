//! A reactor over the scripted kernel, and the far ends of its connections in the test's hand.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use twistor_net::ListeningPort;
use twistor_reactor::kernel::Kernel;
use twistor_reactor::{Moment, Reactor};
use twistor_sim::conformance::harness::{End, Event, Runner, Side};
use twistor_sim::{Call, CallRecord, Peer, ScriptedKernel};

/// A reactor, and the kernel below it. Derefs to the runner.
pub(crate) struct Bench {
    pub(crate) kernel: ScriptedKernel,
    runner: Runner,
    /// What is registered before anything happens: the signals that stop a reactor.
    bare: (usize, usize),
}

/// A connection that was accepted: its protocol's log, and the client as a hand.
pub(crate) struct Served {
    pub(crate) end: End,
    pub(crate) peer: Peer,
    pub(crate) port: ListeningPort,
}

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With a kernel that is set up first.
    pub(crate) fn with(prepare: impl FnOnce(&ScriptedKernel)) -> Self {
        let kernel = ScriptedKernel::new();
        prepare(&kernel);
        let clone = kernel.clone();
        let runner = Runner::new(&move || Reactor::builder().build_with(clone.clone()));
        let bare = (kernel.registered(), runner.reactor().stats().sources);
        Self { kernel, runner: runner.limit(Duration::from_secs(3_600)), bare }
    }

    /// A server whose one client is dialled from outside.
    #[track_caller]
    pub(crate) fn serve(&mut self, side: Side) -> Served {
        let (port, end) = self.listen(side);
        let peer = self.kernel.dial(address(&port));
        let seen = end.clone();
        self.until("the connection", || seen.saw(&Event::Made));
        Served { end, peer, port }
    }

    /// How much more than at the beginning is registered, with the kernel and with the reactor.
    pub(crate) fn left(&self) -> (usize, usize) {
        (self.kernel.registered() - self.bare.0, self.reactor().stats().sources - self.bare.1)
    }

    /// The kernel's time.
    pub(crate) fn time(&self) -> Moment {
        self.kernel.now()
    }

    /// When the last socket was closed.
    pub(crate) fn last_close(&self) -> Duration {
        let at = self.calls(Call::Close).last().map(|record| record.at).unwrap_or_default();
        at.saturating_duration_since(Moment::default())
    }

    /// When each of the recorded calls `call` was made, in milliseconds since `begin`.
    pub(crate) fn times(&self, call: Call, begin: Moment) -> Vec<u128> {
        let calls =
            self.kernel.calls().into_iter().filter(|record| record.call == call && record.at >= begin);
        calls.map(|record| record.at.saturating_duration_since(begin).as_millis()).collect()
    }

    /// The recorded calls `call`.
    pub(crate) fn calls(&self, call: Call) -> Vec<CallRecord> {
        self.kernel.calls().into_iter().filter(|record| record.call == call).collect()
    }
}

impl Deref for Bench {
    type Target = Runner;

    fn deref(&self) -> &Runner {
        &self.runner
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Runner {
        &mut self.runner
    }
}

pub(crate) fn address(port: &ListeningPort) -> SocketAddr {
    port.host().socket_addr().expect("a port has an address")
}

/// Writes `len` bytes that are all different enough to be told apart.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("less than 256")).collect()
}
