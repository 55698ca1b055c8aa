//! [`Case`] and [`Variant`]: some work, and the ways to do it.

use std::fmt;
use std::hint::black_box;

use crate::Clock;

/// Some work, and the ways to do it. The first one is what the others are compared with.
#[derive(Debug)]
pub struct Case {
    /// A short name, as in `deferred/three_stages`.
    pub name: &'static str,
    /// What one iteration does, in words.
    pub what: &'static str,
    /// How many times an iteration does the work: one, or as often as it takes to spread a cost that all share. Figures are
    /// for one time.
    pub unit: i64,
    /// The ways to do it, of which there is at least one.
    pub variants: Vec<Variant>,
}

/// One way to do the work of a [`Case`].
pub struct Variant {
    /// Whose way it is.
    pub name: &'static str,
    /// What its time is taken by.
    pub clock: Clock,
    run: Box<dyn FnMut(i64)>,
}

impl Variant {
    /// A variant that does `iterations` of the work when `run(iterations)` is called, and checks the results itself.
    pub fn new(name: &'static str, run: impl FnMut(i64) + 'static) -> Self {
        Self { name, clock: Clock::Wall, run: Box::new(run) }
    }

    /// The same variant, its time taken by `clock`.
    #[must_use]
    pub fn by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// A variant that does one iteration with the input `n` when `work(n)` is called, and checks that `expected(n)`
    /// comes of it.
    ///
    /// # Panics
    ///
    /// Not here: what is made panics when it is run and a result is wrong.
    pub fn each(
        name: &'static str,
        expected: fn(i64) -> i64,
        mut work: impl FnMut(i64) -> i64 + 'static,
    ) -> Self {
        Self::new(name, move |iterations| {
            for n in 0..iterations {
                assert_eq!(work(black_box(n)), expected(n), "{name}");
            }
        })
    }

    /// Does the work `iterations` times; zero and less do nothing.
    ///
    /// # Panics
    ///
    /// If a result is not what it ought to be.
    pub fn run(&mut self, iterations: i64) {
        (self.run)(iterations);
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Variant").field(&self.name).finish()
    }
}
