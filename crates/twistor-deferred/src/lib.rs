//! Results that arrive later, and calls that are due later, for one thread and in the hands of whoever drives it.
//!
//! A [`Deferred`] is the consumer's end of a result that may not be here yet, with the callbacks it goes through; a
//! [`Promise`] is the producer's end, fired once. A [`Failure`] is any error on its way through such callbacks.
//! [`Timers`] know which call is due when, and [`Moment`] is how this library writes down a time.
//!
//! # Map
//!
//! In reading order:
//!
//! - [`Moment`]: nanoseconds on some clock.
//! - [`Timers`], [`DelayedCall`]: calls in the order they are due, run in passes by a driver that has the clock.
//! - [`Clock`], whatever makes such calls; [`ManualClock`], one that is moved by hand.
//! - [`Failure`], [`OrFail`], and the errors of this crate's own: [`Abandoned`], [`Cancelled`], [`Circular`],
//!   [`Panicked`], [`TimedOut`].
//! - [`contain()`], [`drop_contained`], [`panic_text`]: running the user's code without being taken down by it.
//! - [`deferred()`], [`Promise`], [`Deferred`], [`Canceller`], [`CancelOnDrop`]; [`succeed`], [`fail`],
//!   [`maybe_deferred`].
//! - [`IntoOutcome`], [`Outcome`]: what a callback may return.
//! - [`set_debug`]: where Deferreds and failures come from, in the logs.
//! - [`groups`]: several Deferreds made one. [`deferred_list`], [`gather_results`], [`first_result`],
//!   [`first_success`], [`race`]; [`FirstError`], [`FailureGroup`]; [`OneOf2`], [`OneOf3`], [`OneOf4`].
//! - [`DeferredSemaphore`], [`Permit`]; [`DeferredLock`], [`LockGuard`]; [`DeferredQueue`]: waiting in line.
//! - [`defer_later()`], [`sleep`]: once, later. [`LoopingCall`]: again and again. [`Cooperator`], [`CooperativeTask`]: long
//!   work, in small steps.
//!
//! Inside, `chain` is the engine of Deferreds and opens with a drawing of it.
//!
//! # Example
//!
//! A lookup that takes a while, a caller that wants a number, and a deadline:
//!
//! ```
//! use std::time::Duration;
//! use twistor_deferred::{Deferred, Promise, Timers, deferred};
//!
//! /// The caller's side: what to do with the answer, written before there is one.
//! fn port(answer: Deferred<String>) -> Deferred<u16> {
//!     answer
//!         .add_callback(|text| Ok(text.trim().parse()?))
//!         .add_errback(|failure| if failure.is_cancelled() { Ok(80) } else { Err(failure) })
//! }
//!
//! // The answer comes in time.
//! let (promise, answer): (Promise<String>, _) = deferred();
//! let number = port(answer);
//! promise.callback("8080\n".to_owned());
//! assert_eq!(number.try_take().unwrap().unwrap(), 8080);
//!
//! // It does not, and a timer gives up on it.
//! let timers = Timers::new();
//! let (promise, answer) = deferred::<String>();
//! let number = port(answer);
//! let canceller = number.canceller();
//! timers.schedule_after(Duration::from_secs(5), move || canceller.cancel());
//!
//! timers.set_now(timers.next_deadline().unwrap());
//! let pass = timers.begin_pass();
//! while let Some(due) = timers.pop_due(&pass) {
//!     due.run();
//! }
//! assert!(promise.is_cancelled());
//! assert_eq!(number.try_take().unwrap().unwrap(), 80);
//! ```
//!
//! # Promises of the crate
//!
//! - The user's code (closures, wakers, destructors of values and closures) never runs while anything is borrowed, so
//!   it may call whatever it likes from wherever it is.
//! - Its panics are contained: in a stage they become a [`Panicked`] failure, elsewhere they are logged. This needs
//!   `panic = "unwind"`.
//! - Firing, cancelling and dropping take constant stack, however long or deep the chain.
//!
//! # What is absent
//!
//! No I/O, no threads, no clock, no randomness, no executor. Nothing here is `Send` but [`Failure`] and plain data. Thread-locals are the
//! queues by which dropping and cancelling do without recursion, and the mark of a reactor that ends; they are empty between calls.
#![doc(test(attr(deny(warnings))))]

mod moment;

mod alarm;
mod clock;
mod delayed_call;
mod manual_clock;
mod timers;

mod contain;
mod debug;
mod ending;
mod failure;

mod canceller;
mod chain;
mod deferred;
mod outcome;
mod promise;

pub mod groups;
mod waiters;

mod cooperator;
mod defer_later;
mod lock;
mod looping_call;
mod queue;
mod semaphore;

pub use canceller::Canceller;
pub use chain::{drop_cancelling, dropping_plainly};
pub use clock::Clock;
pub use contain::{contain, drop_contained, panic_text};
pub use cooperator::{
    CooperativeTask, Cooperator, CooperatorBuilder, SchedulerStopped, TaskError, TaskStopped,
};
pub use debug::{Place, is_debug, set_debug};
pub use defer_later::{defer_later, sleep};
pub use deferred::{CancelOnDrop, Deferred, fail, maybe_deferred, succeed};
pub use delayed_call::{DelayedCall, TimerError};
pub use ending::{Ending, begin_ending};
pub use failure::{
    Abandoned, Cancelled, Circular, Failure, FailureError, OrFail, Panicked, TimedOut, Trapped,
};
pub use groups::{
    FailureGroup, FirstError, OneOf2, OneOf3, OneOf4, deferred_list, first_result, first_success,
    gather_results, race,
};
pub use lock::{DeferredLock, LockGuard};
pub use looping_call::{LoopingCall, LoopingCallError};
pub use manual_clock::ManualClock;
pub use moment::Moment;
pub use outcome::{IntoOutcome, Outcome};
pub use promise::{Promise, deferred};
pub use queue::{DeferredQueue, QueueOverflow, QueueUnderflow};
pub use semaphore::{DeferredSemaphore, NoTokens, Permit};
pub use timers::{DueCall, Pass, Timers};
