//! What several test files need: a notebook, a catcher of log events, a thread with a small stack.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Once;
use std::thread;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A list that callbacks write to and tests read.
#[derive(Clone, Default)]
pub(crate) struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, text: impl fmt::Display) {
        self.0.borrow_mut().push(text.to_string());
    }

    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        assert_eq!(self.0.take(), expected);
    }
}

/// Calls back when dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Collects what is logged as an error on this thread while it lives.
///
/// One subscriber for the whole process, which looks at the thread: with one a test, `tracing` may remember for a moment that nobody listens to a
/// line, since another thread met it first.
pub(crate) struct Errors;

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

impl Errors {
    pub(crate) fn catch() -> Self {
        static CATCHER: Once = Once::new();
        CATCHER.call_once(|| tracing::subscriber::set_global_default(Catcher).unwrap());
        LINES.set(Some(Vec::new()));
        Self
    }

    pub(crate) fn take(&self) -> Vec<String> {
        LINES.replace(Some(Vec::new())).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        assert_eq!(self.take(), expected);
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

struct Catcher;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "hint" {
            return; // It is for people, and one test is about it.
        }
        let text = if field.name() == "message" {
            format!("{value:?}")
        } else {
            format!("[{}: {value:?}]", field.name())
        };
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&text);
    }
}

impl Subscriber for Catcher {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
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

/// Runs `f` on a thread with a stack of 256 KiB: what recurses a million times does not survive there.
#[track_caller]
pub(crate) fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(256 * 1024).spawn(f).unwrap();
    thread.join().unwrap();
}
