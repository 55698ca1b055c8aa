//! Random programs over Deferreds: what may be done, and what the code inside stages and cancellers does.
//!
//! A number says which of the things in a [`Table`] is meant, modulo how many there are.

use proptest::collection::vec;
use proptest::prelude::*;

/// One thing to do. On an empty table it does nothing.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A new promise and its Deferred come into the tables, with `true` a canceller too.
    Make(bool),
    /// A Deferred that has its result already comes into its table.
    Ready(Give),
    /// The Deferred gets one more stage.
    Add(usize, Stage),
    Fire(usize, Give),
    OnCancel(usize, Canceller),
    /// Cancels through the Deferred.
    Cancel(usize),
    /// Takes a canceller of the Deferred into its table.
    TakeCanceller(usize),
    CancelBy(usize),
    DropPromise(usize),
    DropDeferred(usize),
    DropCanceller(usize),
    /// Takes the result, if it is there.
    TryTake(usize),
    /// The Deferred becomes a task, which is polled; with `true` it is cancelled when the task is dropped.
    Await(usize, bool),
    /// Polls a task; with `true` by another waker than the last time.
    Poll(usize, bool),
    /// A task gives its Deferred back, unless that is to be cancelled on drop.
    EndTask(usize),
    DropTask(usize),
}

/// A result. A value has a destructor that does some steps.
#[derive(Clone, Debug)]
pub(crate) enum Give {
    Value(Vec<Step>),
    Failure,
    Cancelled,
}

/// What is added to a chain, and the code of it.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) kind: Kind,
    pub(crate) code: Code,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Callback,
    Errback,
    Both,
    /// The code is the callback, and this is the errback.
    Callbacks(Box<Code>),
    Map,
    MapFailure,
    Inspect,
}

/// A closure of a stage.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) owns: Owns,
    pub(crate) steps: Vec<Step>,
    pub(crate) ending: Ending,
}

/// What a closure owns and, when called, drops at its end; with `true` it puts it into the tables at its beginning.
#[derive(Clone, Debug)]
pub(crate) enum Owns {
    Nothing,
    Promise(usize, bool),
    Deferred(usize, bool),
}

/// What a closure of a stage returns.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// What it was given.
    PassOn,
    Give(Give),
    /// A Deferred of the table, or a value if there is none.
    Return(usize),
    Panic,
}

#[derive(Clone, Debug)]
pub(crate) struct Canceller {
    pub(crate) owns: Owns,
    /// What it fires its own promise with, if that is in the table.
    pub(crate) fires: Option<Give>,
    pub(crate) drops_promise: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) panics: bool,
}

/// Things with a name each, in the order in which they came.
pub(crate) struct Table<T>(Vec<(usize, T)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    pub(crate) fn put(&mut self, name: usize, thing: T) {
        self.0.push((name, thing));
    }

    pub(crate) fn pick(&mut self, number: usize) -> Option<(usize, T)> {
        if self.0.is_empty() { None } else { Some(self.0.remove(number % self.0.len())) }
    }

    pub(crate) fn pick_named(&mut self, name: usize) -> Option<T> {
        let place = self.0.iter().position(|(other, _)| *other == name)?;
        Some(self.0.remove(place).1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(usize, T)> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Something that runs programs, and keeps a journal of all that can be observed.
pub(crate) trait Machine {
    fn step(&mut self, step: Step);
    /// Writes down the state of everything in the tables.
    fn observe(&mut self);
    fn has_empty_tables(&self) -> bool;
}

/// Runs `program`, and then lets go of all there is until nothing new comes up.
pub(crate) fn run(machine: &mut impl Machine, program: &[Step]) {
    for step in program {
        machine.step(step.clone());
        machine.observe();
    }
    while !machine.has_empty_tables() {
        for step in [Step::DropTask(0), Step::DropPromise(0), Step::DropDeferred(0), Step::DropCanceller(0)] {
            machine.step(step);
            machine.observe();
        }
    }
}

/// Programs whose closures nest no deeper than `depth`.
pub(crate) fn program(depth: u32) -> impl Strategy<Value = Vec<Step>> {
    vec(step(depth), 1..60)
}

fn number() -> impl Strategy<Value = usize> {
    0..6_usize
}

fn step(depth: u32) -> BoxedStrategy<Step> {
    prop_oneof![
        8 => any::<bool>().prop_map(Step::Make),
        2 => give(depth).prop_map(Step::Ready),
        16 => (number(), stage(depth)).prop_map(|(n, stage)| Step::Add(n, stage)),
        8 => (number(), give(depth)).prop_map(|(n, give)| Step::Fire(n, give)),
        4 => (number(), canceller(depth)).prop_map(|(n, canceller)| Step::OnCancel(n, canceller)),
        3 => number().prop_map(Step::Cancel),
        2 => number().prop_map(Step::TakeCanceller),
        3 => number().prop_map(Step::CancelBy),
        3 => number().prop_map(Step::DropPromise),
        2 => number().prop_map(Step::DropDeferred),
        1 => number().prop_map(Step::DropCanceller),
        2 => number().prop_map(Step::TryTake),
        3 => (number(), any::<bool>()).prop_map(|(n, cancels)| Step::Await(n, cancels)),
        2 => (number(), any::<bool>()).prop_map(|(n, fresh)| Step::Poll(n, fresh)),
        1 => number().prop_map(Step::EndTask),
        1 => number().prop_map(Step::DropTask),
    ]
    .boxed()
}

/// The steps inside a closure or a destructor: few, so that a program does not grow without end.
fn inner_steps(depth: u32) -> BoxedStrategy<Vec<Step>> {
    match depth.checked_sub(1) {
        None => Just(Vec::new()).boxed(),
        Some(depth) => prop_oneof![2 => Just(Vec::new()), 3 => vec(step(depth), 1..4)].boxed(),
    }
}

fn give(depth: u32) -> BoxedStrategy<Give> {
    prop_oneof![
        6 => Just(Give::Value(Vec::new())),
        1 => inner_steps(depth.min(1)).prop_map(Give::Value),
        3 => Just(Give::Failure),
        1 => Just(Give::Cancelled),
    ]
    .boxed()
}

fn owns() -> impl Strategy<Value = Owns> {
    prop_oneof![
        5 => Just(Owns::Nothing),
        3 => (number(), any::<bool>()).prop_map(|(n, puts)| Owns::Promise(n, puts)),
        1 => (number(), any::<bool>()).prop_map(|(n, puts)| Owns::Deferred(n, puts)),
    ]
}

fn code(depth: u32) -> BoxedStrategy<Code> {
    let ending = prop_oneof![
        2 => Just(Ending::PassOn),
        3 => give(depth).prop_map(Ending::Give),
        5 => number().prop_map(Ending::Return),
        1 => Just(Ending::Panic),
    ];
    (owns(), inner_steps(depth), ending)
        .prop_map(|(owns, steps, ending)| Code { owns, steps, ending })
        .boxed()
}

fn stage(depth: u32) -> impl Strategy<Value = Stage> {
    let kind = prop_oneof![
        4 => Just(Kind::Callback),
        2 => Just(Kind::Errback),
        3 => Just(Kind::Both),
        1 => code(depth.saturating_sub(1)).prop_map(|code| Kind::Callbacks(Box::new(code))),
        1 => Just(Kind::Map),
        1 => Just(Kind::MapFailure),
        1 => Just(Kind::Inspect),
    ];
    (kind, code(depth)).prop_map(|(kind, mut code)| {
        // Some kinds cannot return just anything.
        code.ending = match (&kind, code.ending) {
            (_, ending @ (Ending::PassOn | Ending::Panic)) => ending,
            (Kind::Map, Ending::Give(Give::Value(steps))) => Ending::Give(Give::Value(steps)),
            (Kind::MapFailure, Ending::Give(Give::Cancelled)) => Ending::Give(Give::Cancelled),
            (Kind::Map, _) => Ending::Give(Give::Value(Vec::new())),
            (Kind::MapFailure, _) => Ending::Give(Give::Failure),
            (Kind::Inspect, _) => Ending::PassOn,
            (_, ending) => ending,
        };
        Stage { kind, code }
    })
}

fn canceller(depth: u32) -> impl Strategy<Value = Canceller> {
    let fires = prop_oneof![2 => Just(None), 1 => give(depth).prop_map(Some)];
    let (often, seldom) = (prop::bool::weighted(0.2), prop::bool::weighted(0.15));
    (owns(), fires, often, inner_steps(depth), seldom).prop_map(
        |(owns, fires, drops_promise, steps, panics)| Canceller { owns, fires, drops_promise, steps, panics },
    )
}
