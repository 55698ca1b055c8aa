use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use twistor_net::{Address, CloseReason, ConnectError, Connector, Transport};

use super::end::End;
use super::recorder::{Recorder, Recording};
use super::watch::Watch;

/// What one end does: a hook for each callback it is about. Where there is none, the library's default behaviour shows.
///
/// Hooks are `FnMut` and own what they need. Those that panic test what becomes of panics.
#[derive(Default)]
pub struct Side {
    pub(super) hooks: Hooks,
}

type Hook<F> = RefCell<Option<Box<F>>>;
type ForTransport = Hook<dyn FnMut(&Transport)>;

#[derive(Default)]
#[expect(clippy::type_complexity, reason = "a name for each kind of hook would hide what it is handed")]
pub(super) struct Hooks {
    pub(super) made: ForTransport,
    pub(super) data: Hook<dyn FnMut(&Transport, &[u8])>,
    pub(super) read_lost: ForTransport,
    pub(super) write_lost: ForTransport,
    pub(super) paused: ForTransport,
    pub(super) resumed: ForTransport,
    pub(super) timed_out: ForTransport,
    pub(super) close_requested: ForTransport,
    pub(super) lost: Hook<dyn FnMut(&Transport, &CloseReason)>,
    pub(super) dropped: Hook<dyn FnMut()>,
    pub(super) start: Hook<dyn FnMut()>,
    pub(super) stop: Hook<dyn FnMut()>,
    pub(super) build: Hook<dyn FnMut(&Address) -> bool>,
    pub(super) connecting: Hook<dyn FnMut(&Connector)>,
    pub(super) connection_made: Hook<dyn FnMut(&Connector, &Transport)>,
    pub(super) failed: Hook<dyn FnMut(&Connector, &ConnectError)>,
    pub(super) connection_lost: Hook<dyn FnMut(&Connector, &CloseReason)>,
}

/// Makes the setters: a line of documentation, the name, and what the hook is handed.
macro_rules! hooks {
    ($($doc:literal $name:ident = $field:ident($($kind:ty),*) $(-> $result:ty)?;)*) => {
        $(
            #[doc = $doc]
            #[must_use]
            pub fn $name(self, hook: impl FnMut($($kind),*) $(-> $result)? + 'static) -> Self {
                *self.hooks.$field.borrow_mut() = Some(Box::new(hook));
                self
            }
        )*
    };
}

impl Side {
    /// An end that does nothing but listen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    hooks! {
        "In `connection_made`." on_made = made(&Transport);
        "In `data_received`." on_data = data(&Transport, &[u8]);
        "In place of `read_connection_lost`, whose default closes." on_read_lost = read_lost(&Transport);
        "In `write_connection_lost`." on_write_lost = write_lost(&Transport);
        "In `pause_writing`." on_paused = paused(&Transport);
        "In `resume_writing`." on_resumed = resumed(&Transport);
        "In place of `timeout_connection`, whose default fails the connection." on_timed_out = timed_out(&Transport);
        "In place of `close_requested`, whose default closes." on_close_requested = close_requested(&Transport);
        "In `connection_lost`." on_lost = lost(&Transport, &CloseReason);
        "In the drop of the protocol." on_drop = dropped();
        "In `start_factory`." on_start = start();
        "In `stop_factory`." on_stop = stop();
        "In `build_protocol`: whether there is one." on_build = build(&Address) -> bool;
        "In `started_connecting`." on_connecting = connecting(&Connector);
        "In `client_connection_made`." on_connection_made = connection_made(&Connector, &Transport);
        "In `client_connection_failed`." on_failed = failed(&Connector, &ConnectError);
        "In `client_connection_lost`." on_connection_lost = connection_lost(&Connector, &CloseReason);
    }

    /// An end that sends back what it receives.
    #[must_use]
    pub fn echo() -> Self {
        Self::new().on_data(|transport, data| {
            transport.write(data);
        })
    }

    /// An end that reads nothing.
    #[must_use]
    pub fn deaf() -> Self {
        Self::new().on_made(Transport::pause_producing)
    }

    /// Stays open for writing when the peer has closed its direction.
    #[must_use]
    pub fn stay(self) -> Self {
        self.on_read_lost(|_| {})
    }

    /// This end as a protocol for a test of yours, and what it will have been told. The order of the calls is not checked by itself: ask
    /// [`End::misorder`].
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_sim::StringTransport;
    /// use twistor_sim::conformance::harness::{Ending, Event, Side};
    ///
    /// let (end, recorder) = Side::echo().recorder("server");
    /// let mut transport = StringTransport::new(recorder);
    /// transport.deliver(b"hello");
    /// transport.finish();
    /// end.expect(&[Event::Made, Event::Data(5), Event::ReadLost, Event::Lost(Ending::Done)]);
    /// assert_eq!(end.misorder(), None);
    /// ```
    #[must_use]
    pub fn recorder(self, name: &'static str) -> (End, Recorder) {
        let end = End::new(name, Watch::unbound());
        let recorder = Recorder::new(end.clone(), self.into_hooks());
        (end, recorder)
    }

    /// This end as a factory for a test of yours, for servers and clients, and what it and its protocols will have been told.
    #[must_use]
    pub fn recording(self, name: &'static str) -> (End, Recording) {
        let end = End::new(name, Watch::unbound());
        let recording = Recording::new(end.clone(), self.into_hooks());
        (end, recording)
    }

    pub(super) fn into_hooks(self) -> Rc<Hooks> {
        Rc::new(self.hooks)
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side").finish_non_exhaustive()
    }
}
