//! [`LogCatcher`]: what is logged during a test, so that an error nobody expected fails it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default, set_global_default};
use tracing::{Event, Level, Metadata, Subscriber};

/// Collects what is logged on this thread while it lives: errors, or whatever is at least as grave as a level of your choice.
///
/// The library logs as errors what nobody was there to hear: a panic of a callback, a failure that nobody handled. A test that holds a catcher
/// has to [`take`](Self::take) or [`expect`](Self::expect) them: **dropping a catcher with errors that were not taken panics** (unless the
/// thread panics already). Lines of other threads, and lines below the level, are not seen.
///
/// The first catcher of a process installs itself as the global subscriber of [`tracing`], which looks at the thread a line comes from. Where
/// the program has a global subscriber of its own, each catcher takes its place on the catcher's thread instead. Catchers may be
/// nested: a line goes to the latest.
///
/// # Examples
///
/// ```
/// use twistor_deferred::{Failure, fail};
/// use twistor_sim::LogCatcher;
///
/// let log = LogCatcher::new();
/// drop(fail::<u8>(Failure::message("no poem")));
/// let errors = log.take();
/// assert_eq!(errors.len(), 1);
/// assert!(errors[0].contains("unhandled failure") && errors[0].contains("no poem"));
/// log.expect_none();
/// ```
pub struct LogCatcher {
    page: Rc<Page>,
    /// Where another subscriber is the global one.
    _guard: Option<DefaultGuard>,
}

/// What one catcher has collected.
struct Page {
    level: Level,
    lines: RefCell<Vec<(Level, String)>>,
}

thread_local! {
    /// The catchers of this thread, the latest last.
    static PAGES: RefCell<Vec<Rc<Page>>> = const { RefCell::new(Vec::new()) };
    /// Whether a line is being written down: what that logs itself is left out.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

impl LogCatcher {
    /// Collects errors from now on.
    #[must_use]
    pub fn new() -> Self {
        Self::at_least(Level::ERROR)
    }

    /// Collects lines of `level` and graver ones: `Level::WARN` is warnings and errors.
    #[must_use]
    pub fn at_least(level: Level) -> Self {
        let page = Rc::new(Page { level, lines: RefCell::default() });
        PAGES.with_borrow_mut(|pages| pages.push(Rc::clone(&page)));
        Self { page, _guard: install() }
    }

    /// The lines so far, oldest first, without taking them: the message, then each other field as `[name: value]`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.page.lines.borrow().iter().map(|(_, line)| line.clone()).collect()
    }

    /// The errors so far, without taking them.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.page.errors()
    }

    /// Takes the lines so far, errors and others: they were expected.
    #[must_use = "these are the lines; `expect` checks them"]
    pub fn take(&self) -> Vec<String> {
        self.page.lines.take().into_iter().map(|(_, line)| line).collect()
    }

    /// Takes the lines so far, and checks that there are as many as `parts`, each with the part expected of it.
    ///
    /// # Panics
    ///
    /// If they are others.
    #[track_caller]
    pub fn expect(&self, parts: &[&str]) {
        let lines = self.take();
        let fit =
            lines.len() == parts.len() && lines.iter().zip(parts).all(|(line, part)| line.contains(part));
        assert!(fit, "expected lines with {parts:#?}, but these were logged: {lines:#?}");
    }

    /// Checks that nothing was logged that was not taken.
    ///
    /// # Panics
    ///
    /// If something was. It counts as taken then.
    #[track_caller]
    pub fn expect_none(&self) {
        let lines = self.take();
        assert!(lines.is_empty(), "these lines were logged and not expected: {lines:#?}");
    }

    /// Takes the errors that the latest catcher of this thread has and nobody took; none if there is no catcher.
    pub(crate) fn take_errors_here() -> Vec<String> {
        let Some(page) = PAGES.with_borrow(|pages| pages.last().cloned()) else { return Vec::new() };
        let errors = page.errors();
        page.lines.borrow_mut().retain(|(level, _)| *level != Level::ERROR);
        errors
    }
}

impl Page {
    fn errors(&self) -> Vec<String> {
        let lines = self.lines.borrow();
        lines.iter().filter(|(level, _)| *level == Level::ERROR).map(|(_, line)| line.clone()).collect()
    }
}

impl Default for LogCatcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for LogCatcher {
    fn drop(&mut self) {
        PAGES.with_borrow_mut(|pages| pages.retain(|page| !Rc::ptr_eq(page, &self.page)));
        let errors = self.page.errors();
        if !std::thread::panicking() {
            assert!(errors.is_empty(), "errors were logged and not taken from the LogCatcher: {errors:#?}");
        }
    }
}

impl fmt::Debug for LogCatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogCatcher").field("level", &self.page.level).field("lines", &self.lines()).finish()
    }
}

/// Sees to it that lines of this thread come here.
///
/// One subscriber for the whole process, if that is possible: with one a test, `tracing` may remember for a moment that nobody listens to a line,
/// since another thread met it first.
fn install() -> Option<DefaultGuard> {
    static GLOBAL: Once = Once::new();
    static OURS: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    use std::sync::atomic::Ordering;
    GLOBAL.call_once(|| OURS.store(set_global_default(Catcher).is_ok(), Ordering::Release));
    (!OURS.load(Ordering::Acquire)).then(|| set_default(Catcher))
}

/// The subscriber: it has no state of its own.
struct Catcher;

impl Subscriber for Catcher {
    // Whether anybody listens depends on the thread and changes: never to be remembered.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = PAGES.try_with(|pages| pages.try_borrow().ok()?.last().map(|page| page.level));
        level.ok().flatten().is_some_and(|level| *metadata.level() <= level)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        /// Ends the writing, by a panic as well.
        struct Written;
        impl Drop for Written {
            fn drop(&mut self) {
                WRITING.set(false);
            }
        }
        if WRITING.replace(true) {
            return;
        }
        let written = Written;
        let mut line = Line(String::new());
        event.record(&mut line); // The user's `Debug` and `Display` run here: nothing is borrowed.
        drop(written);
        let page = PAGES.with_borrow(|pages| pages.last().cloned());
        if let Some(page) = page {
            page.lines.borrow_mut().push((*event.metadata().level(), line.0));
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One line, as it is put together.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0 += &match field.name() {
            "message" => format!("{value:?}"),
            name => format!("[{name}: {value:?}]"),
        };
    }
}
