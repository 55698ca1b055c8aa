//! How the world goes on: one event or one turn at a time, and when that ends.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use twistor_deferred::drop_contained;
use twistor_reactor::Moment;

use super::Sim;
use super::node::{Driver, Life, Turning};
use super::report::Report;
use super::timeline::Event;
use super::world::World;

/// What a run came to.
#[derive(Clone, Debug)]
#[must_use = "a run may have stalled"]
pub enum RunOutcome {
    /// What was to be reached was reached.
    Done,
    /// It was not, and will not be, or not within the limits.
    Stalled(Box<Stalled>),
}

impl RunOutcome {
    /// Whether what was to be reached was reached.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Why not; `None` if it was.
    #[must_use]
    pub fn stalled(&self) -> Option<&Stalled> {
        match self {
            Self::Done => None,
            Self::Stalled(stalled) => Some(stalled),
        }
    }

    /// For tests.
    ///
    /// # Panics
    ///
    /// With the report, if it stalled.
    #[track_caller]
    pub fn expect_done(self) {
        if let Self::Stalled(stalled) = self {
            panic!("{stalled}");
        }
    }
}

/// Why a run ended without its goal, and who waited for what. Shown, it names the seed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stalled {
    /// Why.
    pub cause: StallCause,
    /// Who waited for what.
    pub report: Report,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.cause, self.report)
    }
}

/// Why a run ended without its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallCause {
    /// Nothing can happen any more: no timer, nothing planned, nothing on its way.
    Quiet,
    /// The time of [`Sim::limit_time`] passed.
    Time(Duration),
    /// There were as many turns as [`Sim::limit_turns`] allows.
    Turns(u64),
    /// Time stood still for as many steps as [`Sim::limit_steps_at_once`] allows: a loop without a pause.
    Spins(u64),
}

impl fmt::Display for StallCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quiet => f.write_str("nothing can happen any more, and the condition is not met"),
            Self::Time(limit) => write!(f, "the limit of {limit:?} of virtual time is over"),
            Self::Turns(limit) => write!(f, "the limit of {limit} turns is reached"),
            Self::Spins(limit) => {
                write!(f, "{limit} steps in a row at one moment: something loops without a pause")
            }
        }
    }
}

/// See [`Sim::limit_time`] and its neighbours.
pub(super) struct Limits {
    pub(super) time: Cell<Duration>,
    pub(super) turns: Cell<u64>,
    pub(super) at_once: Cell<u64>,
    running: Cell<bool>,
}

struct Running<'a>(&'a Cell<bool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            time: Cell::new(DAY),
            turns: Cell::new(10_000_000),
            at_once: Cell::new(1_000_000),
            running: Cell::new(false),
        }
    }
}

/// What one step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A reactor was turned.
    Turned,
    /// Something planned happened.
    Happened,
    /// There was nothing to do by then.
    Nothing,
}

/// # Running
impl Sim {
    /// Lets the world go on until nothing can ever happen any more. Connections that are idle do not keep it going, timers
    /// do: a program that repeats itself ends at the limits.
    ///
    /// # Panics
    ///
    /// As all of these: if it is called from inside of the world, by a callback or an action.
    #[track_caller]
    pub fn run(&self) -> RunOutcome {
        match self.drive(None, || false) {
            Some(StallCause::Quiet) | None => RunOutcome::Done,
            Some(cause) => self.stalled(cause),
        }
    }

    /// Lets `time` pass: everything that is due in it happens at its moment, that of its end included.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn run_for(&self, time: Duration) -> RunOutcome {
        let end = self.moment_in(time);
        match self.drive(Some(end), || false) {
            None | Some(StallCause::Quiet) => {
                self.set_clock(end);
                RunOutcome::Done
            }
            Some(cause) => self.stalled(cause),
        }
    }

    /// Lets the world go on until `condition`, which is asked before each step. Stalls if nothing can happen any more.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_sim::{Sim, StallCause};
    ///
    /// let sim = Sim::new(5);
    /// let outcome = sim.run_until(|| false);
    /// let stalled = outcome.stalled().expect("nothing happens in an empty world");
    /// assert_eq!(stalled.cause, StallCause::Quiet);
    /// assert!(stalled.to_string().contains("seed 5"));
    /// ```
    #[track_caller]
    pub fn run_until(&self, condition: impl FnMut() -> bool) -> RunOutcome {
        match self.drive(None, condition) {
            None => RunOutcome::Done,
            Some(cause) => self.stalled(cause),
        }
    }

    /// One step: the next thing that is planned happens, or the next reactor takes its turn, after time has passed if it has
    /// to. Says whether there was one.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn step(&self) -> bool {
        let _running = self.begin_running();
        loop {
            if self.step_until(Moment::MAX) != Step::Nothing {
                return true;
            }
            if !self.sweep() {
                return false;
            }
        }
    }

    fn stalled(&self, cause: StallCause) -> RunOutcome {
        RunOutcome::Stalled(Box::new(Stalled { cause, report: self.report() }))
    }

    /// Marks that the world goes on, until the result is dropped.
    #[track_caller]
    fn begin_running(&self) -> Running<'_> {
        let running = &self.shared.limits.running;
        assert!(!running.replace(true), "the world goes on already: it cannot be run from inside of itself");
        Running(running)
    }

    /// Goes on until `done` (`None`), or until it cannot: quiet until `end`, or a limit.
    #[track_caller]
    fn drive(&self, end: Option<Moment>, mut done: impl FnMut() -> bool) -> Option<StallCause> {
        let _running = self.begin_running();
        let limits = &self.shared.limits;
        let (longest, turns_left, at_once) = (limits.time.get(), limits.turns.get(), limits.at_once.get());
        let last = self.moment_in(longest);
        let (mut turns, mut steps, mut at) = (0, 0, self.now());
        self.sweep();
        loop {
            if done() {
                return None;
            }
            if turns >= turns_left {
                return Some(StallCause::Turns(turns_left));
            }
            if steps >= at_once {
                return Some(StallCause::Spins(at_once));
            }
            match self.step_until(end.unwrap_or(last).min(last)) {
                Step::Turned => turns += 1,
                Step::Happened => {}
                Step::Nothing if self.sweep() => {}
                Step::Nothing => {
                    let more =
                        self.next_at().is_some_and(|next| next > last) && end.is_none_or(|end| end > last);
                    return Some(if more { StallCause::Time(longest) } else { StallCause::Quiet });
                }
            }
            let now = self.now();
            steps = if now == at { steps + 1 } else { 0 };
            at = now;
        }
    }

    /// When the next thing happens for which time has to pass.
    fn next_at(&self) -> Option<Moment> {
        let world = self.core().world();
        let next = world.timeline.next_at().into_iter().chain(world.schedule.next_deadline()).min();
        next.filter(|at| *at < Moment::MAX) // The last moment never comes.
    }

    /// One step, for which time may pass up to `limit`.
    pub(super) fn step_until(&self, limit: Moment) -> Step {
        loop {
            self.hear();
            let event = {
                let mut world = self.core().world();
                let now = world.now;
                world.timeline.take_due(now)
            };
            if let Some(event) = event {
                self.happen(event);
                return Step::Happened;
            }
            while let Some(id) = self.next_in_queue() {
                if self.turn(id) {
                    return Step::Turned;
                }
            }
            match self.next_at().filter(|next| *next <= limit) {
                Some(next) => self.core().world().advance(next),
                None => return Step::Nothing,
            }
        }
    }

    fn next_in_queue(&self) -> Option<u32> {
        let mut world = self.core().world();
        let id = world.schedule.queue.pop_front()?;
        world.nodes[id as usize].driver = Driver::World(Turning::Rests);
        Some(id)
    }

    /// Sees to the reactors that were woken, or changed from outside.
    fn hear(&self) {
        for id in self.core().board.take() {
            self.core().world().wake(id);
        }
        loop {
            let touched = std::mem::take(&mut self.core().world().schedule.touched);
            if touched.is_empty() {
                return;
            }
            for id in touched {
                self.look_after(id);
            }
        }
    }

    /// Looks at every reactor once, for what no one told of. Says whether one of them has something to do now.
    pub(super) fn sweep(&self) -> bool {
        for id in self.shared.fleet.ids() {
            self.look_after(id);
        }
        !self.core().world().schedule.queue.is_empty()
    }

    /// Lets happen what is due at this moment, without anybody's turn.
    pub(super) fn settle_now(&self) {
        for _ in 0..self.shared.limits.at_once.get() {
            let event = {
                let mut world = self.core().world();
                let now = world.now;
                world.timeline.take_due(now)
            };
            let Some(event) = event else { return };
            self.happen(event);
        }
    }

    fn happen(&self, event: Event) {
        match event {
            Event::Action(action) => action(self),
            Event::Job(id, job) => {
                if self.core().world().nodes[id as usize].life == Life::Dead {
                    return drop_contained(job);
                }
                job();
                self.core().world().job_done(id);
            }
            event => self.core().world().happen(event),
        }
    }
}

impl World {
    /// The clock goes on to `to`; those whose deadline that is are queued.
    fn advance(&mut self, to: Moment) {
        self.now = self.now.max(to);
        while let Some(id) = self.schedule.take_due(self.now) {
            self.nodes[id as usize].deadline = None;
            self.wake(id);
        }
    }

    fn job_done(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        node.jobs.running = node.jobs.running.saturating_sub(1);
        node.jobs.start(id, self.now, self.settings.job_time, &mut self.timeline);
    }

    /// What happens without any code of the user's.
    fn happen(&mut self, event: Event) {
        match event {
            Event::Syn(number) => self.syn_arrives(number),
            Event::SynUnanswered(number, repetition) => self.syn_unanswered(number, repetition),
            Event::Refusal(number) => self.refusal_arrives(number),
            Event::NoRoute(number) => self.no_route(number),
            Event::HalfOpenExpired(number) => self.half_open_expired(number),
            Event::Arrival(number, side) => self.arrive(number, side),
            Event::GiveUp(number, side) => self.give_up(number, side),
            Event::Lookup(id, number, answer) => self.answered(id, number, answer),
            Event::Owed(id, side) => self.pay(id, side),
            Event::Wake(id) => self.nodes[id as usize].bell.ring_for_nothing(),
            Event::Action(_) | Event::Job(..) => unreachable!("code of the user's is called outside"),
        }
    }
}
