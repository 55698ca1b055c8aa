//! Kernels of memory for twistor: networks without sockets and time without waiting.
//!
//! In reading order:
//!
//! - [`TestReactor`]: where to begin. A reactor in virtual time, for testing a protocol of yours.
//! - [`StringTransport`]: one protocol, and the peer in the test's hand. [`loopback()`]: two protocols against each other.
//! - [`success_of`], [`failure_of`], [`assert_no_result`], [`assert_failure`]: looking at a Deferred.
//! - [`LogCatcher`], [`leftovers()`], [`assert_clean`]: what was logged, and what is left at the end of a test.
//! - [`Accumulating`]: a protocol that keeps what it is sent. (For one that writes down everything it is told, see
//!   [`Side::recorder`](conformance::harness::Side::recorder).)
//! - [`ScriptedKernel`]: exact answers for unit tests. Virtual time, a lossless network in memory, a script of faults, a record of calls.
//! - [`Sim`]: a world of hosts on a virtual network, for whole programs: the same seed gives the same run, byte for byte.
//!   [`Host`]s lose power and come back, a [`Link`] has latency, losses and partitions, [`Fault`] and [`Chaos`] are what goes wrong,
//!   [`Stalled`] says who waits for what, [`Trace`] what happened, [`Divergence`] where two runs part; [`Sim::timeline`] draws it.
//!   [`Stalled`] says who waits for what, [`Trace`] what happened, [`Divergence`] where two runs part.
//! - [`Explore`]: runs a scenario over many seeds, and makes the first failure small enough to understand.
//! - [`Peer`] and [`PeerListener`]: the other end of a connection, played by the test.
//! - [`Call`], [`Answer`], [`Target`], [`Script`]: what a script is written in.
//! - [`errno`]: the error numbers it names.
//! - [`conformance`]: what every transport, kernel, clock and filter owes its users, as cases for any of them.
//!
//! The crate opens no socket and reads no clock; the one thread it starts is the conformance suite's, which wakes a kernel from there.
//!
//! # Examples
//!
//! For a protocol, see [`TestReactor`]; for programs on several hosts, [`Sim`]. Below them, a server that echoes once, over the bare kernel:
//!
//! ```
//! use std::io::IoSlice;
//! use std::time::Duration;
//! use twistor_reactor::kernel::{Kernel, ListenOptions, Token};
//! use twistor_sim::{Call, ScriptedKernel};
//!
//! let kernel = ScriptedKernel::new();
//! let listener = kernel.listen_stream("127.0.0.1:0".parse()?, &ListenOptions::default())?;
//! listener.register(Token::new(0, 0))?;
//!
//! // A client dials in a minute from now.
//! let address = listener.local()?;
//! kernel.at(Duration::from_secs(60), move |kernel| {
//!     let client = kernel.dial(address);
//!     client.send(b"hello");
//!     kernel.at(Duration::from_secs(1), move |_| assert_eq!(client.received(), b"hello"));
//! });
//!
//! let mut ready = Vec::new();
//! kernel.wait(None, &mut ready)?;
//! assert_eq!(kernel.now().as_nanos(), 60_000_000_000);
//! let accepted = listener.accept()?;
//! let mut scratch = [0; 64];
//! let len = accepted.socket.recv(&mut scratch)?.len();
//! accepted.socket.send(&[IoSlice::new(&scratch[..len])])?;
//!
//! kernel.advance(Duration::from_secs(1));
//! assert_eq!(kernel.count(Call::Send), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accumulating;
pub mod conformance;
mod deferreds;
mod edges;
pub mod errno;
mod explore;
mod leftovers;
mod log_catcher;
mod loopback;
mod opening;
mod scripted;
mod sim;
mod stream;
mod string_transport;
mod string_transport_builder;
mod test_reactor;

pub use self::accumulating::{Accumulated, Accumulating};
pub use self::deferreds::{assert_failure, assert_no_result, failure_of, success_of};
pub use self::explore::{Case, CaseError, Explore, Explored, Found, Progress, Trial, Verdict, explore};
pub use self::leftovers::{assert_clean, leftovers};
pub use self::log_catcher::LogCatcher;
pub use self::loopback::{Chunks, Conversation, Heard, Loopback, loopback};
pub use self::sim::{
    Chaos, Divergence, Fault, FaultGuard, Happening, Host, InstalledFault, Link, Report, RunOutcome, Sim,
    SimKernel, SocketId, StallCause, Stalled, Trace, TraceEvent,
};
pub use self::string_transport::StringTransport;
pub use self::string_transport_builder::StringTransportBuilder;
pub use self::test_reactor::TestReactor;

pub use self::scripted::{
    Answer, Call, CallRecord, Outcome as CallOutcome, Peer, PeerListener, Script, ScriptGuard,
    ScriptedKernel, Target,
};
