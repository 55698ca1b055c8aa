//! What the modules share.

use std::cell::RefCell;
use std::time::Duration;

use twistor_reactor::sources::SourceHost;
use twistor_reactor::{Phase, ReactorHandle};

use crate::common::Notes;

pub(crate) const ZERO: Option<Duration> = Some(Duration::ZERO);

/// Where calls from threads find the notes, which cannot go there.
pub(crate) type Shared = RefCell<Notes>;

pub(crate) fn note_in_thread_call(text: &'static str) -> impl FnOnce(&ReactorHandle) + Send {
    move |reactor| reactor.extension::<Shared>().borrow().add(text)
}

pub(crate) fn on(reactor: &ReactorHandle, phase: Phase, event: &str, notes: &Notes, text: &'static str) {
    reactor.add_system_event_trigger(phase, event, notes.note_with(text));
}
