//! What several test files need: a notebook, a catcher of log events, a thread with a small stack.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Once;
use std::thread;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use twistor_deferred::{Moment, Timers};

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

    /// What was logged on this thread since the last look.
    pub(crate) fn taken() -> Vec<String> {
        LINES.replace(Some(Vec::new())).unwrap_or_default()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        Self::taken()
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

/// Timers that are driven as a reactor drives them: the time stands still for the callbacks of a turn, and passes meanwhile.
#[derive(Clone)]
pub(crate) struct Turns {
    pub(crate) timers: Timers,
    millis: Rc<Cell<u64>>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let turns = Self { timers: Timers::new(), millis: Rc::default() };
        let clock = Rc::clone(&turns.millis);
        turns.timers.set_clock(Some(Rc::new(move || Moment::from_nanos(clock.get() * 1_000_000))));
        turns
    }

    /// What the clock on the wall says.
    pub(crate) fn millis(&self) -> u64 {
        self.millis.get()
    }

    /// Time passes, whatever is going on.
    pub(crate) fn pass(&self, millis: u64) {
        self.millis.set(self.millis.get() + millis);
    }

    /// One turn, of which the first `busy` milliseconds are somebody else's.
    pub(crate) fn turn(&self, busy: u64) {
        self.timers.set_now(self.timers.now());
        self.timers.freeze();
        let pass = self.timers.begin_pass();
        self.pass(busy);
        while let Some(due) = self.timers.pop_due(&pass) {
            due.run();
        }
        self.timers.thaw();
    }

    /// Turns, as they become due, until the clock says `millis`.
    pub(crate) fn run_until(&self, millis: u64) {
        while let Some(deadline) = self.timers.next_deadline() {
            let due = (deadline.as_nanos() / 1_000_000).max(self.millis());
            if due > millis {
                break;
            }
            self.millis.set(due);
            self.turn(0);
        }
        self.millis.set(self.millis().max(millis));
    }
}
