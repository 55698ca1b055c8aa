use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use twistor_net::{CloseReason, ConnectError, Transport};

use super::event::{Ending, Event};
use super::watch::Watch;

/// One end of a case: everything that its protocols, its factory and its producers were told, in order.
///
/// A cheap clone: hooks take one along to write notes or to reach the other end.
#[derive(Clone)]
pub struct End {
    pub(super) state: Rc<State>,
}

pub(super) struct State {
    name: &'static str,
    pub(super) watch: Rc<Watch>,
    events: RefCell<Vec<Event>>,
    received: RefCell<Vec<u8>>,
    pieces: RefCell<Vec<usize>>,
    pub(super) transports: RefCell<Vec<Transport>>,
    /// One a protocol that was built: what it was told.
    pub(super) lives: RefCell<Vec<Vec<Event>>>,
    pub(super) reason: RefCell<Option<CloseReason>>,
    pub(super) factory_reason: RefCell<Option<CloseReason>>,
    pub(super) error: RefCell<Option<ConnectError>>,
    pub(super) drops: Cell<usize>,
}

impl End {
    pub(super) fn new(name: &'static str, watch: Rc<Watch>) -> Self {
        Self {
            state: Rc::new(State {
                name,
                watch,
                events: RefCell::default(),
                received: RefCell::default(),
                pieces: RefCell::default(),
                transports: RefCell::default(),
                lives: RefCell::default(),
                reason: RefCell::default(),
                factory_reason: RefCell::default(),
                error: RefCell::default(),
                drops: Cell::new(0),
            }),
        }
    }

    /// The transport of the latest connection.
    ///
    /// # Panics
    ///
    /// If there was none yet.
    #[must_use]
    #[track_caller]
    pub fn transport(&self) -> Transport {
        self.transports().pop().unwrap_or_else(|| panic!("there was no connection yet: {self:?}"))
    }

    /// The transports of all connections so far.
    #[must_use]
    pub fn transports(&self) -> Vec<Transport> {
        self.state.transports.borrow().clone()
    }

    /// Everything so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.state.events.borrow().clone()
    }

    /// What the protocols were told, without factory, producers and notes.
    #[must_use]
    pub fn protocol_events(&self) -> Vec<Event> {
        self.events().into_iter().filter(Event::is_protocol).collect()
    }

    /// What the producers were told.
    #[must_use]
    pub fn producer_events(&self) -> Vec<Event> {
        self.events().into_iter().filter(Event::is_producer).collect()
    }

    /// What the protocols were told of their beginning and end: made, a direction lost, lost.
    #[must_use]
    pub fn milestones(&self) -> Vec<Event> {
        let is_one = |event: &Event| {
            matches!(event, Event::Made | Event::ReadLost | Event::WriteLost | Event::Lost(_))
        };
        self.events().into_iter().filter(is_one).collect()
    }

    /// What was received so far.
    #[must_use]
    pub fn received(&self) -> Vec<u8> {
        self.state.received.borrow().clone()
    }

    /// How many bytes were received so far.
    #[must_use]
    pub fn received_len(&self) -> usize {
        self.state.received.borrow().len()
    }

    /// The size of each piece that was received.
    #[must_use]
    pub fn pieces(&self) -> Vec<usize> {
        self.state.pieces.borrow().clone()
    }

    /// How often `event` came.
    #[must_use]
    pub fn count(&self, event: &Event) -> usize {
        self.state.events.borrow().iter().filter(|seen| *seen == event).count()
    }

    /// Whether `event` came.
    #[must_use]
    pub fn saw(&self, event: &Event) -> bool {
        self.count(event) > 0
    }

    /// Whether a note with this text was written.
    #[must_use]
    pub fn noted(&self, text: &str) -> bool {
        self.saw(&Event::Note(text.to_owned()))
    }

    /// Writes a note. Hooks say so what they saw: a panic of theirs is the library's to contain, so they cannot assert.
    pub fn note(&self, text: impl Into<String>) {
        self.log(Event::Note(text.into()));
    }

    /// How the last connection that was lost ended.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.reason().as_ref().map(Ending::from)
    }

    /// Why the last connection that was lost ended, as the protocol was told.
    #[must_use]
    pub fn reason(&self) -> Option<CloseReason> {
        self.state.reason.borrow().clone()
    }

    /// Why the last connection that was lost ended, as the client's factory was told.
    #[must_use]
    pub fn factory_reason(&self) -> Option<CloseReason> {
        self.state.factory_reason.borrow().clone()
    }

    /// Why the last attempt to connect failed.
    #[must_use]
    pub fn connect_error(&self) -> Option<ConnectError> {
        self.state.error.borrow().clone()
    }

    /// How many protocols were dropped.
    #[must_use]
    pub fn drops(&self) -> usize {
        self.state.drops.get()
    }

    /// Whether as many connections were lost as were made, and there was one.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let lost = self.state.events.borrow().iter().filter(|event| matches!(event, Event::Lost(_))).count();
        lost > 0 && lost == self.count(&Event::Made)
    }

    /// Checks that the protocols were told exactly this.
    ///
    /// # Panics
    ///
    /// If they were told something else.
    #[track_caller]
    pub fn expect(&self, events: &[Event]) {
        assert!(self.protocol_events() == events, "expected {events:?}, but {self:?}");
    }

    /// Checks that the protocols' beginning and end were exactly this.
    ///
    /// # Panics
    ///
    /// If they were not.
    #[track_caller]
    pub fn expect_milestones(&self, events: &[Event]) {
        assert!(self.milestones() == events, "expected {events:?}, but {self:?}");
    }

    /// Checks that protocol, factory and producers were told exactly this, notes included.
    ///
    /// # Panics
    ///
    /// If they were told something else.
    #[track_caller]
    pub fn expect_all(&self, events: &[Event]) {
        assert!(self.events() == events, "expected {events:?}, but {self:?}");
    }

    pub(super) fn log(&self, event: Event) {
        let mut events = self.state.events.borrow_mut();
        merge(&mut events, event);
    }

    pub(super) fn log_data(&self, data: &[u8]) {
        self.state.received.borrow_mut().extend_from_slice(data);
        self.state.pieces.borrow_mut().push(data.len());
        self.log(Event::Data(data.len()));
    }

    /// What is wrong with the order of what each protocol was told: made, then anything, each direction lost at most once, pauses and resumes
    /// in turn, lost once and last; and none from inside another. `None` if all is well. A [`Runner`](super::Runner) asks by itself.
    #[must_use]
    pub fn misorder(&self) -> Option<String> {
        let violations = self.state.watch.violations();
        if !violations.is_empty() {
            return Some(violations.join("; "));
        }
        self.state.lives.borrow().iter().find_map(|life| misorder(life))
    }
}

/// Appends `event`, or adds its bytes to those at the end.
pub(super) fn merge(events: &mut Vec<Event>, event: Event) {
    match (events.last_mut(), &event) {
        (Some(Event::Data(before)), Event::Data(more)) => *before += more,
        _ => events.push(event),
    }
}

/// The grammar of a protocol's life: made, then anything, reading and writing lost once each, pauses and resumes in turn, lost once and
/// last.
fn misorder(life: &[Event]) -> Option<String> {
    let wrong = |why: &str| Some(format!("{why}: {life:?}"));
    let count = |wanted: &Event| life.iter().filter(|event| *event == wanted).count();
    let lost = life.iter().filter(|event| matches!(event, Event::Lost(_))).count();
    match life {
        [] => return None,
        [Event::Made, ..] => {}
        _ => return wrong("connection_made was not the first call"),
    }
    if count(&Event::Made) > 1 {
        return wrong("connection_made was called twice");
    }
    if lost > 1 {
        return wrong("connection_lost was called twice");
    }
    if lost == 1 && !matches!(life.last(), Some(Event::Lost(_))) {
        return wrong("something was called after connection_lost");
    }
    if count(&Event::ReadLost) > 1 || count(&Event::WriteLost) > 1 {
        return wrong("a direction was lost twice");
    }
    if let Some(at) = life.iter().position(|event| *event == Event::ReadLost) {
        if life[at..].iter().any(|event| matches!(event, Event::Data(_))) {
            return wrong("data came after read_connection_lost");
        }
    }
    let mut paused = false;
    for event in life.iter().filter(|event| matches!(event, Event::Paused | Event::Resumed)) {
        if paused == (*event == Event::Paused) {
            return wrong("pause_writing and resume_writing did not come in turn");
        }
        paused = !paused;
    }
    None
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} saw {:?}", self.state.name, self.state.events.borrow())?;
        for transport in self.transports() {
            write!(f, ", now {transport:?}")?;
        }
        if let Some(reason) = self.reason() {
            write!(f, " ({reason})")?;
        }
        if let Some(error) = self.connect_error() {
            write!(f, " ({error})")?;
        }
        Ok(())
    }
}
