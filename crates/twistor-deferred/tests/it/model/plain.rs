//! What Deferreds are to do, in the plainest words: chains are places in a list, and everything recurses.

use std::collections::VecDeque;
use std::fmt;

use super::program::{Canceller, Code, Ending, Give, Kind, Step, Table};

mod steps;

/// A chain is called by its number; so are its promise, its Deferred and its cancellers.
type Id = usize;

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) journal: Vec<String>,
    chains: Vec<Chain>,
    promises: Table<()>,
    deferreds: Table<()>,
    cancellers: Table<Id>,
    tasks: Table<Task>,
    /// The chains of promises that were dropped while the chain of another dropped promise was run.
    dropped: Option<VecDeque<Id>>,
    closures: usize,
    results: usize,
    wakers: usize,
    cancellers_taken: usize,
    tasks_begun: usize,
}

struct Chain {
    phase: Phase,
    canceller: Option<(Closure, Canceller)>,
    stages: VecDeque<Waiting>,
    /// Absent while the promise is unfired, while a stage runs, while the chain waits, and when it was taken.
    result: Option<Outcome>,
    waits_on: Option<Id>,
    end: End,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Pending,
    Cancelling,
    Fired,
    Cancelled,
}

/// Who wants the result when all stages have run.
#[derive(Clone, Copy)]
enum End {
    Deferred,
    Task { name: usize, waker: usize },
    Chain(Id),
    Nobody,
}

/// A stage that has not run.
struct Waiting {
    kind: WaitingKind,
    closure: Closure,
    code: Code,
}

enum WaitingKind {
    One(Kind),
    Pair(Closure, Code),
}

/// What a closure holds until it is dropped.
struct Closure {
    name: String,
    owns: Option<Owned>,
    puts: bool,
}

enum Owned {
    Promise(Id),
    Deferred(Id),
}

struct Task {
    chain: Id,
    cancels: bool,
    waker: usize,
}

type Outcome = Result<Value, Failure>;

struct Value {
    name: usize,
    on_drop: Vec<Step>,
}

#[derive(Clone)]
enum Failure {
    Message(usize),
    Abandoned,
    Cancelled,
    Circular,
    Panicked(String),
}

enum Returned {
    Now(Outcome),
    Later(Id),
    Panic(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(name) => write!(f, "failure {name}"),
            Self::Abandoned => f.write_str("the promise was dropped before it was fired"),
            Self::Cancelled => f.write_str("the operation was cancelled"),
            Self::Circular => f.write_str("a Deferred was returned into its own chain"),
            Self::Panicked(text) => write!(f, "panicked: {text}"),
        }
    }
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Ok(value) => format!("value {}", value.name),
        Err(failure) => failure.to_string(),
    }
}

/// The engine.
impl Model {
    fn make(&mut self, phase: Phase, result: Option<Outcome>) -> Id {
        self.chains.push(Chain {
            phase,
            canceller: None,
            stages: VecDeque::new(),
            result,
            waits_on: None,
            end: End::Deferred,
        });
        self.chains.len() - 1
    }

    fn fire(&mut self, id: Id, outcome: Outcome) {
        match self.chains[id].phase {
            Phase::Pending | Phase::Cancelling => {
                self.settle(id, Phase::Fired, outcome);
                self.run(id);
            }
            Phase::Fired | Phase::Cancelled => self.drop_outcome(outcome),
        }
    }

    /// The promise of `id` has its result; its canceller is of no more use.
    fn settle(&mut self, id: Id, phase: Phase, outcome: Outcome) {
        self.chains[id].phase = phase;
        if let Some((closure, _)) = self.chains[id].canceller.take() {
            self.drop_closure(closure);
        }
        self.chains[id].result = Some(outcome);
    }

    /// Runs whatever can be run.
    fn run(&mut self, id: Id) {
        while let Some(input) = self.chains[id].result.take() {
            let Some(stage) = self.chains[id].stages.pop_front() else {
                self.chains[id].result = Some(input);
                return self.reach_end(id);
            };
            let outcome = match self.call(stage, input) {
                Returned::Now(outcome) => outcome,
                Returned::Panic(text) => Err(Failure::Panicked(text)),
                Returned::Later(inner) => match self.take_result(inner) {
                    Some(outcome) => outcome,
                    None if self.waits_for(inner, id) => {
                        self.drop_deferred(inner);
                        Err(Failure::Circular)
                    }
                    None => {
                        self.chains[id].waits_on = Some(inner);
                        self.chains[inner].end = End::Chain(id);
                        return;
                    }
                },
            };
            self.chains[id].result = Some(outcome);
        }
    }

    fn reach_end(&mut self, id: Id) {
        match self.chains[id].end {
            End::Deferred => {}
            End::Task { name, waker } => {
                self.chains[id].end = End::Deferred;
                self.note(format!("task {name} woken by waker {waker}"));
            }
            End::Chain(outer) => {
                self.chains[outer].waits_on = None;
                self.chains[outer].result = self.chains[id].result.take();
                self.run(outer);
            }
            End::Nobody => {
                if let Some(outcome) = self.chains[id].result.take() {
                    self.discard(outcome);
                }
            }
        }
    }

    /// Whether `id` can go on only after `wanted` has.
    fn waits_for(&self, id: Id, wanted: Id) -> bool {
        id == wanted || self.chains[id].waits_on.is_some_and(|inner| self.waits_for(inner, wanted))
    }

    /// Calls the closure of a stage that `input` is for, and drops the other.
    fn call(&mut self, stage: Waiting, input: Outcome) -> Returned {
        let Waiting { kind, closure, code } = stage;
        let kind = match kind {
            WaitingKind::Pair(other, other_code) => {
                return if input.is_ok() {
                    self.drop_closure(other);
                    self.call_code(closure, code, input)
                } else {
                    self.drop_closure(closure);
                    self.call_code(other, other_code, input)
                };
            }
            WaitingKind::One(kind) => kind,
        };
        let is_for = match kind {
            Kind::Callback | Kind::Map => input.is_ok(),
            Kind::Errback | Kind::MapFailure | Kind::Inspect => input.is_err(),
            Kind::Both | Kind::Callbacks(_) => true,
        };
        if is_for {
            self.call_code(closure, code, input)
        } else {
            self.drop_closure(closure);
            Returned::Now(input)
        }
    }

    fn call_code(&mut self, mut closure: Closure, code: Code, input: Outcome) -> Returned {
        self.note(format!("{} hears {}", closure.name, text(&input)));
        self.put_owned(&mut closure);
        let passed_on = match code.ending {
            Ending::PassOn => Some(input),
            _ => {
                self.drop_outcome(input);
                None
            }
        };
        self.steps(code.steps);
        let returned = match (code.ending, passed_on) {
            (_, Some(input)) => Returned::Now(input),
            (Ending::Give(give), _) => Returned::Now(self.give(give)),
            (Ending::Return(number), _) => match self.deferreds.pick(number) {
                Some((inner, ())) => Returned::Later(inner),
                None => Returned::Now(self.give(Give::Value(Vec::new()))),
            },
            (Ending::Panic | Ending::PassOn, _) => Returned::Panic(format!("{} panics", closure.name)),
        };
        self.drop_closure(closure);
        returned
    }

    fn take_result(&mut self, id: Id) -> Option<Outcome> {
        if self.has_result(id) { self.chains[id].result.take() } else { None }
    }

    fn has_result(&self, id: Id) -> bool {
        self.chains[id].stages.is_empty() && self.chains[id].result.is_some()
    }

    fn add(&mut self, id: Id, stage: Waiting) {
        self.chains[id].end = End::Deferred;
        let runs_now = self.has_result(id);
        self.chains[id].stages.push_back(stage);
        if runs_now {
            self.run(id);
        }
    }

    fn cancel(&mut self, id: Id) {
        if let Some(inner) = self.chains[id].waits_on {
            return self.cancel(inner);
        }
        if self.chains[id].phase != Phase::Pending {
            return;
        }
        self.chains[id].phase = Phase::Cancelling;
        if let Some((closure, canceller)) = self.chains[id].canceller.take() {
            self.call_canceller(id, closure, canceller);
        }
        if self.chains[id].phase == Phase::Cancelling {
            self.settle(id, Phase::Cancelled, Err(Failure::Cancelled));
            self.run(id);
        }
    }

    fn is_waiting(&self, id: Id) -> bool {
        match self.chains[id].waits_on {
            Some(inner) => self.is_waiting(inner),
            None => self.chains[id].phase == Phase::Pending,
        }
    }

    fn is_cancelled(&self, id: Id) -> bool {
        matches!(self.chains[id].phase, Phase::Cancelling | Phase::Cancelled)
    }

    fn call_canceller(&mut self, id: Id, mut closure: Closure, canceller: Canceller) {
        self.note(format!("{} called", closure.name));
        self.put_owned(&mut closure);
        if let Some(give) = canceller.fires {
            if self.promises.pick_named(id).is_some() {
                let outcome = self.give(give);
                self.fire(id, outcome);
            }
        }
        if canceller.drops_promise && self.promises.pick_named(id).is_some() {
            self.drop_promise(id);
        }
        self.steps(canceller.steps);
        let name = closure.name.clone();
        self.drop_closure(closure);
        if canceller.panics {
            self.log(format!("panic while cancelling a Deferred [panic: \"{name} panics\"]"));
        }
    }

    fn drop_promise(&mut self, id: Id) {
        if self.chains[id].phase != Phase::Pending {
            return;
        }
        self.settle(id, Phase::Fired, Err(Failure::Abandoned));
        if self.chains[id].stages.is_empty() && matches!(self.chains[id].end, End::Deferred) {
            return;
        }
        if let Some(dropped) = &mut self.dropped {
            return dropped.push_back(id);
        }
        self.dropped = Some(VecDeque::from([id]));
        while let Some(next) = self.dropped.as_mut().and_then(VecDeque::pop_front) {
            self.run(next);
        }
        self.dropped = None;
    }

    fn drop_deferred(&mut self, id: Id) {
        match self.take_result(id) {
            Some(outcome) => self.discard(outcome),
            None => self.chains[id].end = End::Nobody,
        }
    }

    /// Nobody will look at the result.
    fn discard(&mut self, outcome: Outcome) {
        match &outcome {
            Ok(_) | Err(Failure::Cancelled) => {}
            Err(failure) => self.log(format!("unhandled failure in a Deferred [failure: {failure}]")),
        }
        self.drop_outcome(outcome);
    }

    fn drop_outcome(&mut self, outcome: Outcome) {
        if let Ok(value) = outcome {
            self.note(format!("value {} dropped", value.name));
            self.steps(value.on_drop);
        }
    }

    fn drop_closure(&mut self, closure: Closure) {
        self.note(format!("{} dropped", closure.name));
        match closure.owns {
            Some(Owned::Promise(id)) => self.drop_promise(id),
            Some(Owned::Deferred(id)) => self.drop_deferred(id),
            None => {}
        }
    }

    fn poll(&mut self, name: usize, task: Task) {
        if let Some(outcome) = self.take_result(task.chain) {
            self.note(format!("task {name} has {}", text(&outcome)));
            self.drop_outcome(outcome);
        } else {
            self.chains[task.chain].end = End::Task { name, waker: task.waker };
            self.tasks.put(name, task);
        }
    }
}
