//! From `main` to the exit code: a program that is one Deferred.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::process::{ExitCode, Termination};
use std::rc::Rc;

use twistor_deferred::{Failure, IntoOutcome, contain, drop_contained, maybe_deferred};
use twistor_reactor::{Reactor, ReactorHandle, RunError};

/// Runs a reactor until what `main` returns is done, and gives the exit code of the program.
///
/// `main` is called once, with the reactor started (and running, unless a trigger before startup returned a Deferred), and returns what a callback may: a [`Deferred`](crate::Deferred) mostly, that of
/// [`spawn`](ReactorHandle::spawn) for instance. When that has its result, the reactor is stopped in order (see [`ReactorHandle::stop`]), and:
///
/// - A value is the exit code: `()` is success, an [`ExitCode`] is itself, and so on by [`Termination`]. Make `()` of any other with
///   [`map`](crate::Deferred::map).
/// - A failure, a panic of `main` included, is logged as an error as soon as it is here, printed to standard error as `Error: ..`, with its
///   sources, when the reactor has stopped, and gives code 1.
///
/// If the reactor stops before (by SIGINT, by SIGTERM, by anybody's [`stop`](ReactorHandle::stop)), it does not wait for `main`, and the
/// code is 0, unless `main` comes to an end during shutdown: then that counts. Tasks that have not ended are dropped. A reactor that cannot be made, or whose kernel is broken, is said so
/// on standard error, and gives code 1.
///
/// The reactor is dropped before this returns. For one of your own making, see [`react_with`]; for a `main` that is a future, [`react_async`].
///
/// A `main` that uses `?` and ends with a Deferred goes through [`flatten`](crate::Deferred::flatten):
///
/// ```no_run
/// # use twistor::prelude::*;
/// # struct Echo;
/// # impl Protocol for Echo {}
/// # fn serve_until_told(_port: ListeningPort) -> Deferred<()> { succeed(()) }
/// twistor::react(|reactor| {
///     maybe_deferred(|| {
///         let port = reactor.listen_tcp(("127.0.0.1", 8000), for_protocol(|_| Echo))?;
///         Ok(serve_until_told(port))
///     })
///     .flatten()
/// });
/// ```
///
/// # Examples
///
/// ```
/// use std::process::ExitCode;
/// use std::time::Duration;
/// use twistor::prelude::*;
///
/// fn answer(reactor: &ReactorHandle) -> Deferred<u32> {
///     reactor.sleep(Duration::from_millis(1)).map(|()| 42)
/// }
///
/// fn main() -> ExitCode {
///     twistor::react(|reactor| {
///         answer(reactor).add_callback(|answer| println!("{answer}"))
///     })
/// }
/// ```
///
/// The same with `async` and `await`, and a code of its own:
///
/// ```
/// # use std::process::ExitCode;
/// # use std::time::Duration;
/// # use twistor::prelude::*;
/// let code = twistor::react(|reactor| {
///     let handle = reactor.clone();
///     reactor.spawn(async move {
///         handle.sleep(Duration::from_millis(1)).await?;
///         let answer: u8 = "42".parse()?;
///         Ok(ExitCode::from(answer))
///     })
/// });
/// assert_eq!(code, ExitCode::from(42));
/// ```
#[cfg(feature = "mio")]
pub fn react<R>(main: impl FnOnce(&ReactorHandle) -> R) -> ExitCode
where
    R: IntoOutcome,
    R::Value: Termination,
{
    match Reactor::new() {
        Ok(mut reactor) => react_with(&mut reactor, main),
        Err(error) => {
            complain(&format_args!(
                "the reactor could not be made: {error}; it needs a few free file descriptors (see `ulimit -n`)"
            ));
            ExitCode::FAILURE
        }
    }
}

/// As [`react`], for a `main` that is a future: it is given a handle of its own, and spawned.
///
/// If the reactor stops before `main` is done (SIGINT), `main` is dropped where it stands, at the end. For a clean-up that takes time, add a trigger before shutdown
/// ([`add_system_event_trigger`](ReactorHandle::add_system_event_trigger)) that returns a Deferred.
///
/// # Examples
///
/// ```
/// use std::process::ExitCode;
/// use std::time::Duration;
/// use twistor::prelude::*;
///
/// fn main() -> ExitCode {
///     twistor::react_async(|reactor| async move {
///         reactor.sleep(Duration::from_millis(1)).await?;
///         let answer: u8 = "42".parse()?;
///         println!("{answer}");
///         Ok(())
///     })
/// }
/// ```
#[cfg(feature = "mio")]
pub fn react_async<F, R>(main: impl FnOnce(ReactorHandle) -> F) -> ExitCode
where
    F: Future<Output = R> + 'static,
    R: IntoOutcome + 'static,
    R::Value: Termination,
{
    react(|reactor| reactor.spawn(main(reactor.clone())))
}

/// As `react`, on a reactor of your own: with other limits, or over another kernel, in a test say.
///
/// The reactor is started if it was not; it is the caller's to drop.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use std::process::ExitCode;
/// use std::time::Duration;
/// use twistor::prelude::*;
/// use twistor::sim::ScriptedKernel;
///
/// let mut reactor = Reactor::builder().build_with(ScriptedKernel::new());
/// let code = twistor::react_with(&mut reactor, |reactor| reactor.sleep(Duration::from_secs(86_400)));
/// assert_eq!(code, ExitCode::SUCCESS); // A day later, at once.
/// # }
/// ```
pub fn react_with<R>(reactor: &mut Reactor, main: impl FnOnce(&ReactorHandle) -> R) -> ExitCode
where
    R: IntoOutcome,
    R::Value: Termination,
{
    let end = Rc::new(RefCell::new(End::Awaited));
    let ran = run(reactor, main, &end);
    let end = end.replace(End::Missed);
    if let Err(error) = &ran {
        complain(&Advice(error));
    }
    let code = match end {
        End::Value(value) => contain(|| value.report())
            .unwrap_or_else(|text| failed(&Failure::message(format!("panicked: {text}")))),
        End::Failure(failure) => failed(&failure),
        End::Awaited | End::Missed => ExitCode::SUCCESS,
    };
    if ran.is_ok() { code } else { ExitCode::FAILURE }
}

/// What came of `main`.
enum End<T> {
    Awaited,
    Value(T),
    Failure(Failure),
    /// The reactor has stopped: it is too late for a result.
    Missed,
}

fn run<R: IntoOutcome>(
    reactor: &mut Reactor,
    main: impl FnOnce(&ReactorHandle) -> R,
    end: &Rc<RefCell<End<R::Value>>>,
) -> Result<(), RunError> {
    reactor.start()?;
    let (handle, ended) = (reactor.handle(), Rc::clone(end));
    maybe_deferred(|| main(&reactor.handle())).add_both(move |result| {
        if matches!(*ended.borrow(), End::Missed) {
            return drop_contained(result);
        }
        if let Err(failure) = &result {
            let _ = contain(|| tracing::error!(failure = %format_args!("{failure:#}"), "main failed"));
        }
        ended.replace(result.map_or_else(End::Failure, End::Value));
        let _ = handle.stop(); // Unless it is stopping already.
    });
    reactor.run()
}

/// As Rust's own `main` says it.
fn complain(what: &dyn fmt::Display) {
    // What is said may be the application's code, and nobody may be left to hear it: the exit code stays what it is.
    let _ = contain(|| writeln!(io::stderr().lock(), "Error: {what}"));
}

fn failed(failure: &Failure) -> ExitCode {
    complain(&format_args!("{failure:#}"));
    ExitCode::FAILURE
}

/// A broken run, and what to do about it.
struct Advice<'a>(&'a RunError);

impl fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0 {
            RunError::Wait(_) => f.write_str(
                "; the kernel under the reactor is broken, and only a new process has another one",
            ),
            _ => Ok(()),
        }
    }
}
