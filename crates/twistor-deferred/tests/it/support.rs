//! What several test files need: a notebook, a catcher of log events, a thread with a small stack.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
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
pub(crate) struct Errors {
    lines: Arc<Mutex<Vec<String>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Errors {
    pub(crate) fn catch() -> Self {
        let lines = Arc::default();
        let catcher = Catcher { lines: Arc::clone(&lines) };
        Self { lines, _guard: tracing::subscriber::set_default(catcher) }
    }

    #[track_caller]
    pub(crate) fn expect(&self, expected: &[&str]) {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        assert_eq!(lines, expected);
    }
}

struct Catcher {
    lines: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
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
        self.lines.lock().unwrap().push(line.0);
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
