//! The reactor: one thread, one loop, callbacks that cannot race, over a kernel that is a trait.
//!
//! Modules in reading order:
//!
//! - [`kernel`]: what the library asks of the operating system, as traits; with the feature `mio` (default) the real one.
//! - the [`Reactor`], whose `turn` is the list of its phases, and the [`ReactorHandle`] that everybody else holds.
//! - [`sources`]: what can become ready, for transports written over the reactor.
//! - [`ReactorHandle::spawn`]: futures as tasks; [`ReactorHandle::sleep`], and the reactor as a [`Clock`].
//! - the FD set for descriptors of your own ([`Descriptor`], [`Watch`]), jobs on threads, [`triggers`], [`signals`], and the [`Remote`]
//!   for other threads, which a promise is taken to by [`IntoRemote`].
//! - [`ReactorHandle::rng`]: random numbers, from the kernel's seed.
//! - [`CloseReason`] and [`error`]: how things end and go wrong.
//!
//! Absent on purpose: sockets, protocols (`twistor-net`), and, without the feature `mio`, any system call.

pub mod error;
pub mod kernel;
pub mod rng;
pub mod signals;
pub mod sources;
pub mod triggers;

mod builder;
mod handle;
mod host;
mod inner;
mod limits;
mod observer;
mod reactor;
mod reason;
mod remote;
mod remote_promise;
mod stats;
mod sync;
mod tasks;
mod threads;
mod time;
mod waiting;
mod watch;

#[cfg(all(test, loom))]
mod loom_tests;

pub use self::builder::ReactorBuilder;
pub use self::error::{LendError, NotRunning, ReactorGone, RunError};
pub use self::handle::ReactorHandle;
pub use self::limits::Limits;
pub use self::observer::Observer;
pub use self::reactor::Reactor;
pub use self::reason::CloseReason;
pub use self::remote::Remote;
pub use self::remote_promise::{IntoRemote, RemotePromise};
pub use self::rng::Rng;
pub use self::signals::SignalHandler;
pub use self::stats::Stats;
pub use self::tasks::{CatchCancel, TaskHandle};
pub use self::threads::JobHandle;
pub use self::triggers::{Phase, Trigger};
pub use self::watch::{AnyWatch, Descriptor, Watch, WatchError};

pub use bytes::Bytes;
pub use twistor_deferred::{Clock, DelayedCall, Moment};
