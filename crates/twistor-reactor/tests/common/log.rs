//! Catching what is logged.

use std::cell::RefCell;
use std::fmt;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Collects what is logged on this thread as a warning or an error while it lives.
///
/// One subscriber for the whole process, which looks at the thread: with one a test, `tracing` may remember for a moment that nobody listens to a
/// line, since another thread met it first.
pub(crate) struct Log;

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

impl Log {
    pub(crate) fn catch() -> Self {
        static CATCHER: Once = Once::new();
        CATCHER.call_once(|| tracing::subscriber::set_global_default(Catcher).unwrap());
        LINES.set(Some(Vec::new()));
        Self
    }

    /// That so many lines were logged since it was asked last, each with the text expected of it.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        let lines = LINES.replace(Some(Vec::new())).unwrap_or_default();
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{line:?} instead of {expected:?}");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

struct Catcher;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl Subscriber for Catcher {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.push(line.0);
            }
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
