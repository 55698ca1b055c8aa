use std::fmt;

use crate::kernel::Token;

/// Somebody who watches a reactor from outside: a simulated world that writes down what happened, or that decides whose turn it is.
///
/// Set with [`ReactorBuilder::observer`](crate::ReactorBuilder::observer). It is told, not asked: it changes nothing, and a reactor
/// without one pays one comparison a callback. It is called with none of the reactor's cells borrowed, and must not call back.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "mio")] {
/// use std::cell::RefCell;
/// use std::fmt::Display;
/// use std::rc::Rc;
/// use std::time::Duration;
/// use twistor_reactor::kernel::Token;
/// use twistor_reactor::{Observer, Reactor};
///
/// #[derive(Debug, Default)]
/// struct Diary(RefCell<Vec<String>>);
/// impl Observer for Diary {
///     fn calling(&self, _source: Option<Token>, what: &dyn Display) {
///         self.0.borrow_mut().push(what.to_string());
///     }
/// }
///
/// let diary = Rc::new(Diary::default());
/// let mut reactor = Reactor::builder().observer(diary.clone()).build()?;
/// let handle = reactor.handle();
/// reactor.call_later(Duration::ZERO, move || handle.stop().unwrap());
/// reactor.run()?;
/// assert_eq!(*diary.0.borrow(), ["a timed call"]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: fmt::Debug {
    /// The reactor, or a transport on it, is about to call `what`, a piece of the user's code. Each call is told once, before it.
    ///
    /// `source` is what the call has to do with, as the kernel knows it: the connection of a protocol, the port of a server's factory,
    /// the attempt of a client's. `None` for timers, tasks, notifications and whatever else has nothing registered, or no longer.
    fn calling(&self, source: Option<Token>, what: &dyn fmt::Display);

    /// Something was queued that the loop must not sleep over: a notification, a flush, a stop. May be told of any number of times
    /// before a turn, during a turn as well as between turns.
    fn work_queued(&self) {}
}
