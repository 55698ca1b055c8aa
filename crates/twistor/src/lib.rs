//! Twisted's reactor, transports, protocols, factories and Deferreds, made for Rust: one thread, one loop, callbacks that cannot race.
//!
//! # Examples
//!
//! An echo server, and a client that greets it:
//!
//! ```
//! # #[cfg(feature = "mio")] {
//! use twistor::prelude::*;
//!
//! struct Echo;
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         transport.write(data);
//!     }
//! }
//!
//! struct Hello;
//! impl Protocol for Hello {
//!     fn connection_made(&mut self, transport: &Transport) {
//!         transport.write(b"hello");
//!     }
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         assert_eq!(data, b"hello");
//!         transport.lose_connection();
//!     }
//!     fn connection_lost(&mut self, transport: &Transport, _reason: &CloseReason) {
//!         transport.reactor().stop().unwrap();
//!     }
//! }
//!
//! let mut reactor = Reactor::new()?;
//! let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Echo))?;
//! reactor.connect_tcp(("127.0.0.1", port.host().port()), for_protocol(|_| Hello));
//! reactor.run()?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Seeing what happens
//!
//! The library logs with [`tracing`](https://docs.rs/tracing) and shows nothing by itself: a panic of a callback and a failure that nobody handled
//! are errors, trouble is a warning, failed attempts to connect are info, the life of connections is debug. A program that wants to see it
//! installs a subscriber, such as `tracing_subscriber::fmt::init()`. Lines of a connection's callbacks are in a span `connection` whose field
//! `system` says which (`Echo,3,127.0.0.1`).
//!
//! # Testing your protocol
//!
//! With the feature `sim`, in `[dev-dependencies]`, the same code runs over a kernel of memory in virtual time: see `twistor::sim::TestReactor`.
//!
//! # Where things are
//!
//! - [`react`](react()): from `main` to the exit code, for a program that is one Deferred.
//! - [`prelude`]: everything a program usually needs.
//! - [`deferred`]: results that arrive later, and their chains of callbacks.
//! - [`reactor`]: the loop, timers, threads, signals, descriptors of your own, and the kernel below.
//! - [`net`]: protocols, factories, transports, TCP.
//! - `sim` (feature `sim`): kernels of memory for your tests, and the conformance suites.
//!
//! # Features
//!
//! - `mio` (default): the real kernel, epoll or kqueue. Without it the library makes no system call.
//! - `futures-io`: connections as `AsyncRead` and `AsyncWrite`, for async code: `ByteStream` and `for_stream`, in the prelude too.
//! - `sim`: [`twistor_sim`](https://docs.rs/twistor-sim), re-exported as `sim`.
//!
//! Unix only in this version. Panics of callbacks are contained, which needs `panic = "unwind"`, Rust's default.

mod react;

pub use twistor_deferred as deferred;
pub use twistor_net as net;
pub use twistor_reactor as reactor;
#[cfg(feature = "sim")]
pub use twistor_sim as sim;

pub use self::react::react_with;
#[cfg(feature = "mio")]
pub use self::react::{react, react_async};
pub use twistor_deferred::{Deferred, Failure, Promise};
pub use twistor_net::{Connector, Factory, ListeningPort, Protocol, ReactorTcp, Transport};
pub use twistor_reactor::{Reactor, ReactorHandle, Remote};

/// Everything a program usually needs: `use twistor::prelude::*;`.
pub mod prelude {
    pub use twistor_deferred::{
        Abandoned, CancelOnDrop, Cancelled, Canceller, Clock, CooperativeTask, Cooperator, Deferred,
        DeferredLock, DeferredQueue, DeferredSemaphore, DelayedCall, Failure, FailureError, FailureGroup,
        FirstError, IntoOutcome, LockGuard, LoopingCall, ManualClock, Moment, OneOf2, OneOf3, OneOf4, OrFail,
        Outcome, Panicked, Permit, Promise, TimedOut, defer_later, deferred, deferred_list, fail,
        first_result, first_success, gather_results, maybe_deferred, race, succeed,
    };
    pub use twistor_net::{
        Address, Bytes, CannotListenError, ClientFactory, ConnectError, Connection, Connector,
        ConnectorState, Destination, Drained, Factory, Flow, KeepAlive, ListeningPort, NetLimits, Producer,
        ProducerKind, Protocol, ReactorTcp, Shared, TcpClientOptions, TcpServerOptions, Transport,
        for_protocol,
    };
    #[cfg(feature = "futures-io")]
    pub use twistor_net::{ByteStream, for_stream};
    pub use twistor_reactor::signals::{SIGINT, SIGTERM};
    pub use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
    pub use twistor_reactor::{
        AnyWatch, CloseReason, Descriptor, IntoRemote, LendError, Phase, Reactor, ReactorHandle, Remote,
        RemotePromise, Rng, RunError, TaskHandle, Watch,
    };
}

/// Has the README's example compiled.
#[cfg(all(doctest, feature = "mio"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
