//! The steps of a program, as the model does them.

use super::{Closure, Failure, Id, Model, Outcome, Owned, Phase, Task, Value, Waiting, WaitingKind, text};
use crate::model::program::{Canceller, Give, Kind, Machine, Owns, Stage, Step};

impl Model {
    pub(crate) fn note(&mut self, line: String) {
        self.journal.push(line);
    }

    pub(super) fn log(&mut self, line: String) {
        self.journal.push(format!("log: {line}"));
    }

    /// Whether some closures can never be dropped, since a circle of them own each other.
    pub(crate) fn leaks(&self) -> bool {
        self.chains.iter().any(|chain| !chain.stages.is_empty() || chain.canceller.is_some())
    }

    pub(super) fn steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.step(step);
        }
    }

    pub(super) fn give(&mut self, give: Give) -> Outcome {
        self.results += 1;
        match give {
            Give::Value(on_drop) => Ok(Value { name: self.results, on_drop }),
            Give::Failure => Err(Failure::Message(self.results)),
            Give::Cancelled => Err(Failure::Cancelled),
        }
    }

    fn closure(&mut self, what: &str, owns: &Owns) -> Closure {
        self.closures += 1;
        let name = format!("{what} {}", self.closures);
        let (owns, puts) = match *owns {
            Owns::Nothing => (None, false),
            Owns::Promise(number, puts) => {
                (self.promises.pick(number).map(|(id, ())| Owned::Promise(id)), puts)
            }
            Owns::Deferred(number, puts) => {
                (self.deferreds.pick(number).map(|(id, ())| Owned::Deferred(id)), puts)
            }
        };
        Closure { name, owns, puts }
    }

    pub(super) fn put_owned(&mut self, closure: &mut Closure) {
        if closure.puts {
            match closure.owns.take() {
                Some(Owned::Promise(id)) => self.promises.put(id, ()),
                Some(Owned::Deferred(id)) => self.deferreds.put(id, ()),
                None => {}
            }
        }
    }

    fn add_stage(&mut self, id: Id, stage: Stage) {
        let closure = self.closure("stage", &stage.code.owns);
        let kind = match stage.kind {
            Kind::Callbacks(code) => WaitingKind::Pair(self.closure("stage", &code.owns), *code),
            kind => WaitingKind::One(kind),
        };
        self.add(id, Waiting { kind, closure, code: stage.code });
        self.deferreds.put(id, ());
    }

    fn take_canceller(&mut self, id: Id) {
        self.cancellers_taken += 1;
        self.cancellers.put(self.cancellers_taken, id);
    }

    fn on_cancel(&mut self, id: Id, canceller: Canceller) {
        let closure = self.closure("canceller", &canceller.owns);
        if self.is_cancelled(id) {
            self.call_canceller(id, closure, canceller);
        } else if let Some((old, _)) = self.chains[id].canceller.replace((closure, canceller)) {
            self.drop_closure(old);
        }
        self.promises.put(id, ());
    }
}

impl Machine for Model {
    fn step(&mut self, step: Step) {
        match step {
            Step::Make(with_canceller) => {
                let id = self.make(Phase::Pending, None);
                if with_canceller {
                    self.take_canceller(id);
                }
                self.promises.put(id, ());
                self.deferreds.put(id, ());
            }
            Step::Ready(give) => {
                let outcome = self.give(give);
                let id = self.make(Phase::Fired, Some(outcome));
                self.deferreds.put(id, ());
            }
            Step::Add(number, stage) => {
                if let Some((id, ())) = self.deferreds.pick(number) {
                    self.add_stage(id, stage);
                }
            }
            Step::Fire(number, give) => {
                if let Some((id, ())) = self.promises.pick(number) {
                    let outcome = self.give(give);
                    self.fire(id, outcome);
                }
            }
            Step::OnCancel(number, canceller) => {
                if let Some((id, ())) = self.promises.pick(number) {
                    self.on_cancel(id, canceller);
                }
            }
            Step::Cancel(number) => {
                if let Some((id, ())) = self.deferreds.pick(number) {
                    self.cancel(id);
                    self.deferreds.put(id, ());
                }
            }
            Step::TakeCanceller(number) => {
                if let Some((id, ())) = self.deferreds.pick(number) {
                    self.take_canceller(id);
                    self.deferreds.put(id, ());
                }
            }
            Step::CancelBy(number) => {
                if let Some((name, id)) = self.cancellers.pick(number) {
                    self.cancel(id);
                    self.cancellers.put(name, id);
                }
            }
            Step::DropPromise(number) => {
                if let Some((id, ())) = self.promises.pick(number) {
                    self.drop_promise(id);
                }
            }
            Step::DropDeferred(number) => {
                if let Some((id, ())) = self.deferreds.pick(number) {
                    self.drop_deferred(id);
                }
            }
            Step::DropCanceller(number) => drop(self.cancellers.pick(number)),
            Step::TryTake(number) => {
                if let Some((id, ())) = self.deferreds.pick(number) {
                    match self.take_result(id) {
                        Some(outcome) => {
                            self.note(format!("took {}", text(&outcome)));
                            self.drop_outcome(outcome);
                        }
                        None => self.deferreds.put(id, ()),
                    }
                }
            }
            Step::Await(number, cancels) => {
                if let Some((chain, ())) = self.deferreds.pick(number) {
                    self.tasks_begun += 1;
                    self.wakers += 1;
                    self.poll(self.tasks_begun, Task { chain, cancels, waker: self.wakers });
                }
            }
            Step::Poll(number, fresh) => {
                if let Some((name, mut task)) = self.tasks.pick(number) {
                    if fresh {
                        self.wakers += 1;
                        task.waker = self.wakers;
                    }
                    self.poll(name, task);
                }
            }
            Step::EndTask(number) => match self.tasks.pick(number) {
                Some((name, task)) if task.cancels => self.tasks.put(name, task),
                Some((_, task)) => self.deferreds.put(task.chain, ()),
                None => {}
            },
            Step::DropTask(number) => {
                if let Some((_, task)) = self.tasks.pick(number) {
                    self.drop_deferred(task.chain);
                    if task.cancels {
                        self.cancel(task.chain);
                    }
                }
            }
        }
    }

    fn observe(&mut self) {
        let mut line = String::new();
        for &(id, ()) in self.promises.iter() {
            line += &format!("promise {id}: {}. ", self.is_cancelled(id));
        }
        for &(id, ()) in self.deferreds.iter() {
            line += &format!("Deferred {id}: {} {}. ", self.has_result(id), self.is_waiting(id));
        }
        for &(name, id) in self.cancellers.iter() {
            line += &format!("canceller {name}: {}. ", self.is_waiting(id));
        }
        self.note(line);
    }

    fn has_empty_tables(&self) -> bool {
        self.promises.is_empty()
            && self.deferreds.is_empty()
            && self.cancellers.is_empty()
            && self.tasks.is_empty()
    }
}
