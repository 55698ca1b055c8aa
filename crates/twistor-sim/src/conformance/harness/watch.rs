use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Whether callbacks come when they may: from the loop alone, one at a time.
#[derive(Debug, Default)]
pub(super) struct Watch {
    looping: Cell<bool>,
    inside: Cell<Option<&'static str>>,
    violations: RefCell<Vec<String>>,
}

impl Watch {
    /// For an end whose loop is somebody else's to turn: calls may come at any time.
    pub(super) fn unbound() -> Rc<Self> {
        let watch = Self::default();
        watch.looping.set(true);
        Rc::new(watch)
    }

    /// Runs `f`, which turns the loop.
    pub(super) fn looping<R>(&self, f: impl FnOnce() -> R) -> R {
        self.looping.set(true);
        let result = f();
        self.looping.set(false);
        result
    }

    /// The callback `what` begins, and ends with the drop of the answer.
    pub(super) fn enter(&self, what: &'static str) -> Inside<'_> {
        if !self.looping.get() {
            self.violate(format!("{what} was called from outside the loop"));
        }
        let outer = self.inside.replace(Some(what));
        if let Some(outer) = outer {
            self.violate(format!("{what} was called from inside {outer}"));
        }
        Inside { watch: self, outer }
    }

    pub(super) fn violate(&self, what: String) {
        self.violations.borrow_mut().push(what);
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.violations.borrow().clone()
    }
}

/// A callback under way.
pub(super) struct Inside<'a> {
    watch: &'a Watch,
    outer: Option<&'static str>,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.watch.inside.set(self.outer);
    }
}
