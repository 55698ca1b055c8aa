//! The ways in which calling the reactor can be wrong, split by what the caller should do about it.

use std::error::Error;
use std::fmt;
use std::io;

use thiserror::Error;
use twistor_deferred::Cancelled;

/// Why [`Reactor::run`](crate::Reactor::run) or [`iterate`](crate::Reactor::iterate) did not do its work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The reactor was run and stopped before: make a new one.
    #[error("a reactor that was stopped cannot run again: make a new one with Reactor::new")]
    NotRestartable,
    /// The kernel's poller is broken, or (kernels of memory) nothing could ever happen any more.
    #[error("waiting for events failed: {0}")]
    Wait(#[source] io::Error),
}

/// [`stop`](crate::ReactorHandle::stop) was called on a reactor that is not running, or that is stopping already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the reactor is not running, or is stopping already")]
pub struct NotRunning;

/// The reactor was dropped: what was asked of it cannot happen any more.
///
/// Its source is [`Cancelled`], since that is what became of it: so a failure that nobody hears, of a task in the background say, is not logged when
/// a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReactorGone;

impl fmt::Display for ReactorGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reactor was dropped")
    }
}

impl Error for ReactorGone {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&Cancelled)
    }
}

/// Why an object that the reactor owns could not be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LendError {
    /// It is being called at this moment, further up the stack: `post` what should be done after that call.
    #[error("it is being called right now: use post, which waits for its turn")]
    Busy,
    /// It is gone.
    #[error("it is gone: the connection was lost or the object removed")]
    Gone,
    /// Another protocol has taken its place on the connection.
    #[error("another protocol has taken its place on the connection")]
    Switched,
}

/// Why a trigger could not be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TriggerError {
    /// It has been called, or is being called.
    #[error("the trigger was fired already")]
    AlreadyFired,
    /// It was removed before.
    #[error("the trigger was removed already")]
    AlreadyRemoved,
}

/// A call from another thread that wanted an answer and cannot have one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlockingCallError {
    /// It was made on the reactor's own thread, where waiting for the reactor would never end.
    #[error("blocking_call would wait for its own thread: call the function directly")]
    OnReactorThread,
    /// The reactor was dropped before the answer came.
    #[error("the reactor was dropped before it answered")]
    ReactorGone,
    /// The call failed.
    #[error("{0}")]
    Failed(twistor_deferred::Failure),
}
