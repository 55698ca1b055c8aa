//! The search for a seed that fails: many worlds, on all cores, and what is left of the first one that goes wrong.
//!
//! [`Explore`] is the front. `case` is what is run once, `verdict` what a scenario may answer, `panics` hears of panics that
//! others contain, `search` hands out the seeds, `shrink` takes away what does not matter, `found` is what is reported,
//! `progress` who is told meanwhile.

mod case;
mod found;
mod panics;
mod progress;
mod search;
mod shrink;
mod verdict;

use std::fmt;
use std::num::NonZero;
use std::time::Duration;

pub use self::case::{Case, CaseError, Trial};
pub use self::found::{Explored, Found};
pub use self::progress::Progress;
pub use self::verdict::Verdict;

use self::case::Plan;
use self::progress::ProgressFn;
use crate::Chaos;

/// Runs a scenario over many seeds, each in a [`Sim`](crate::Sim) of its own, until one fails; then makes the failure small.
///
/// All knobs have defaults: `Explore::seeds(0..1_000).run(scenario)` is a whole search. Seeds are run on all cores, each world
/// in one thread. A scenario fails if it [answers](Verdict) with a failure, or if it panics. **Panics that the library
/// contains count too**: an `assert!` in a protocol's callback ends its connection and nothing else, but it fails the seed.
///
/// The failure that is reported is that of the first seed that fails, in the order of the seeds, whatever the number of
/// threads. It is then **shrunk**, as long as it stays the same but for its numbers: rules of [`chaos`](Self::chaos) are taken
/// away, by halves and one by one, each of the others doing exactly what it did; then [`scale`](Self::scale) and
/// [`time`](Self::time) are made smaller, if the scenario asks for them.
///
/// With `TWISTOR_SEED=17` in the environment it runs the seed 17 alone; with the longer form that is printed with a failure,
/// the shrunk case alone.
///
/// # Examples
///
/// In a test that is all there is:
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
/// use twistor_net::{for_protocol, Protocol, ReactorTcp, TcpClientOptions, Transport};
/// use twistor_sim::{Chaos, Explore};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
///
/// /// Says hello, and closes when the answer is there. It is wrong to take what comes in one piece for a message.
/// struct Greeter(Rc<RefCell<Vec<u8>>>);
/// impl Protocol for Greeter {
///     fn connection_made(&mut self, transport: &Transport) {
///         transport.write(b"hello");
///     }
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         self.0.borrow_mut().extend_from_slice(data);
///         transport.lose_connection();
///     }
/// }
///
/// let explored = Explore::seeds(0..200).faults(Chaos::harmless(0.5)).run(|sim| {
///     let (server, client) = (sim.host("server"), sim.host("client"));
///     server.start(|reactor| {
///         reactor.listen_tcp(("0.0.0.0", 7), for_protocol(|_| Echo)).unwrap();
///     });
///     let heard = Rc::new(RefCell::new(Vec::new()));
///     let into = Rc::clone(&heard);
///     let greeter = for_protocol(move |_| Greeter(Rc::clone(&into)));
///     client.reactor().connect_tcp_with(("server", 7), greeter, TcpClientOptions::new().timeout(None));
///     sim.run().expect_done();
///     let heard = heard.borrow();
///     if *heard == b"hello" { Ok(()) } else { Err(format!("heard {} bytes", heard.len())) }
/// });
///
/// // In a test: `.expect_clean()`. Here it is not: short reads and short writes tear the answer apart.
/// let found = explored.found().expect("the greeter is wrong");
/// assert_eq!(found.rules.len(), 1, "one rule of 14 is enough");
/// assert!(found.to_string().contains("takes a few bytes"));
/// assert!(found.repeat.starts_with(&format!("TWISTOR_SEED={}", found.seed)));
/// ```
pub struct Explore {
    seeds: Box<dyn Iterator<Item = u64> + Send>,
    plan: Plan,
    only: Option<Case>,
    threads: Option<usize>,
    progress: Option<ProgressFn>,
    tail: usize,
}

/// Runs `scenario` over `seeds`, without faults but its own: [`Explore::seeds`]`(seeds).run(scenario)`.
///
/// # Examples
///
/// ```
/// twistor_sim::explore(0..10, |sim| sim.run()).expect_clean();
/// ```
pub fn explore<V: Verdict>(
    seeds: impl IntoIterator<Item = u64, IntoIter: Send + 'static>,
    scenario: impl Fn(&Trial) -> V + Send + Sync,
) -> Explored {
    Explore::seeds(seeds).run(scenario)
}

/// # What is run
impl Explore {
    /// Over these seeds, in this order; none at all is clean.
    #[must_use]
    pub fn seeds(seeds: impl IntoIterator<Item = u64, IntoIter: Send + 'static>) -> Self {
        Self {
            seeds: Box::new(seeds.into_iter()),
            plan: Plan::default(),
            only: None,
            threads: None,
            progress: None,
            tail: 40,
        }
    }

    /// With [`Chaos::new`]`(level)` installed in each world before the scenario begins. Default: nothing goes wrong.
    #[must_use]
    pub fn chaos(self, level: f64) -> Self {
        self.faults(Chaos::new(level))
    }

    /// As [`chaos`](Self::chaos), with a mix of your own. It replaces the one before. Rules that are about one host are the scenario's to
    /// install; those are not shrunk.
    #[must_use]
    pub fn faults(mut self, chaos: Chaos) -> Self {
        self.plan.chaos = chaos;
        self
    }

    /// What [`Trial::scale`] says: how many hosts, connections or messages. Shrunk down to one. Default one.
    #[must_use]
    pub fn scale(mut self, scale: u32) -> Self {
        self.plan.scale = scale;
        self
    }

    /// What [`Trial::time`] says: how long the scenario goes on. Shrunk down to a millisecond. Default a minute.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        self.plan.time = time;
        self
    }

    /// Panics that the library contained are no failure: for scenarios that test just those.
    #[must_use]
    pub const fn allow_contained_panics(mut self) -> Self {
        self.plan.contained_fail = false;
        self
    }

    /// Runs `case` alone, whatever the seeds and the environment are.
    #[must_use]
    pub fn only(mut self, case: Case) -> Self {
        self.only = Some(case);
        self
    }
}

/// # How
impl Explore {
    /// On so many threads, at least one. Default: as many as the machine has cores.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(if threads == 0 { 1 } else { threads });
        self
    }

    /// Calls `told` after each seed that passed, from the thread that ran it. What it panics with ends the search.
    #[must_use]
    pub fn progress(mut self, told: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Box::new(told));
        self
    }

    /// Shows on the standard error how far it is, if that is a terminal.
    #[must_use]
    pub fn show_progress(self) -> Self {
        if progress::is_shown() { self.progress(progress::show) } else { self }
    }

    /// How many events of the failing run's trace are kept. Default 40.
    #[must_use]
    pub const fn tail(mut self, events: usize) -> Self {
        self.tail = events;
        self
    }

    /// Runs the search. `scenario` builds its world in the [`Trial`], which is a `Sim` and more, runs it, and answers. It is called from
    /// several threads at once, and must depend on nothing but the trial.
    ///
    /// # Panics
    ///
    /// If `TWISTOR_SEED` is set to what is no case, or if the iterator of seeds or the listener of the progress panics.
    #[track_caller]
    pub fn run<V: Verdict>(self, scenario: impl Fn(&Trial) -> V + Send + Sync) -> Explored {
        let Self { seeds, plan, only, threads, progress, tail } = self;
        let attempt = |case: &Case, tail: usize| plan.attempt(case, tail, &scenario);
        if let Some(case) = only.or_else(Case::from_environment) {
            let found = found::examine(&plan, &case, 0, tail, &attempt);
            return Explored::new(1, found);
        }
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
        let searched =
            search::search(seeds, threads, progress.as_ref(), |seed| attempt(&Case::new(seed), 0).failure);
        let found = searched.first.map(|first| {
            let case = Case::new(first.seed);
            found::examine(&plan, &case, first.index, tail, &attempt)
                .unwrap_or_else(|| found::unrepeated(&plan, &case, &first))
        });
        Explored::new(searched.runs, found)
    }
}

impl fmt::Debug for Explore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explore")
            .field("plan", &self.plan)
            .field("only", &self.only)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
