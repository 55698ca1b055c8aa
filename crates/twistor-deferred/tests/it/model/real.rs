//! The same programs, run with the library.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use twistor_deferred::{
    CancelOnDrop, Cancelled, Deferred, Failure, Outcome, Promise, deferred, fail, succeed,
};

use super::program::{Canceller, Code, Ending, Give, Kind, Machine, Owns, Stage, Step, Table};
use crate::support::Errors;

/// Everything a program has, where its closures reach it too. No cell is borrowed while the library is called.
pub(crate) struct World {
    journal: Arc<Mutex<Vec<String>>>,
    _errors: Errors,
    promises: RefCell<Table<Promise<Value>>>,
    deferreds: RefCell<Table<Deferred<Value>>>,
    cancellers: RefCell<Table<twistor_deferred::Canceller>>,
    tasks: RefCell<Table<Task>>,
    chains: Cell<usize>,
    closures: Cell<usize>,
    results: Cell<usize>,
    wakers: Cell<usize>,
    cancellers_taken: Cell<usize>,
    tasks_begun: Cell<usize>,
}

/// Counts one more; names of chains count from zero, all others from one.
fn next(counter: &Cell<usize>) -> usize {
    counter.replace(counter.get() + 1) + 1
}

/// A result with a destructor of its own.
struct Value {
    name: usize,
    on_drop: Vec<Step>,
    world: Rc<World>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.world.note(format!("value {} dropped", self.name));
        self.world.steps(std::mem::take(&mut self.on_drop));
    }
}

/// What a closure holds until it is dropped.
struct Closure {
    name: String,
    owns: Option<Owned>,
    puts: bool,
    world: Rc<World>,
}

enum Owned {
    Promise(usize, Promise<Value>),
    Deferred(usize, Deferred<Value>),
}

impl Closure {
    fn put_owned(&mut self) {
        if self.puts {
            match self.owns.take() {
                Some(Owned::Promise(id, promise)) => self.world.promises.borrow_mut().put(id, promise),
                Some(Owned::Deferred(id, deferred)) => self.world.deferreds.borrow_mut().put(id, deferred),
                None => {}
            }
        }
    }
}

impl Drop for Closure {
    fn drop(&mut self) {
        self.world.note(format!("{} dropped", self.name));
        drop(self.owns.take());
    }
}

struct Task {
    future: Awaited,
    waker: Waker,
}

enum Awaited {
    Plain(usize, Deferred<Value>),
    Cancels(CancelOnDrop<Value>),
}

struct Bell {
    text: String,
    journal: Arc<Mutex<Vec<String>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        note(&self.journal, self.text.clone());
    }
}

fn text(result: &Result<Value, Failure>) -> String {
    match result {
        Ok(value) => format!("value {}", value.name),
        Err(failure) => failure.to_string(),
    }
}

/// Writes `line` down, after what was logged before it.
fn note(journal: &Mutex<Vec<String>>, line: String) {
    let mut journal = journal.lock().unwrap();
    journal.extend(Errors::taken().into_iter().map(|line| format!("log: {line}")));
    journal.push(line);
}

impl World {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            journal: Arc::default(),
            _errors: Errors::catch(),
            promises: RefCell::default(),
            deferreds: RefCell::default(),
            cancellers: RefCell::default(),
            tasks: RefCell::default(),
            chains: Cell::default(),
            closures: Cell::default(),
            results: Cell::default(),
            wakers: Cell::default(),
            cancellers_taken: Cell::default(),
            tasks_begun: Cell::default(),
        })
    }

    /// What was observed since the last time, with what was logged between.
    pub(crate) fn journal(&self) -> Vec<String> {
        self.note("end".to_owned());
        std::mem::take(&mut *self.journal.lock().unwrap())
    }

    fn note(&self, line: String) {
        note(&self.journal, line);
    }

    fn steps(self: &Rc<Self>, steps: Vec<Step>) {
        for step in steps {
            self.step(step);
        }
    }

    fn value(self: &Rc<Self>, on_drop: Vec<Step>) -> Value {
        Value { name: next(&self.results), on_drop, world: Rc::clone(self) }
    }

    fn give(self: &Rc<Self>, give: Give) -> Result<Value, Failure> {
        match give {
            Give::Value(on_drop) => Ok(self.value(on_drop)),
            Give::Failure => Err(Failure::message(format!("failure {}", next(&self.results)))),
            Give::Cancelled => {
                next(&self.results);
                Err(Failure::new(Cancelled))
            }
        }
    }

    fn closure(self: &Rc<Self>, what: &str, owns: &Owns) -> Closure {
        let name = format!("{what} {}", next(&self.closures));
        let (owns, puts) = match *owns {
            Owns::Nothing => (None, false),
            Owns::Promise(number, puts) => {
                let picked = self.promises.borrow_mut().pick(number);
                (picked.map(|(id, promise)| Owned::Promise(id, promise)), puts)
            }
            Owns::Deferred(number, puts) => {
                let picked = self.deferreds.borrow_mut().pick(number);
                (picked.map(|(id, deferred)| Owned::Deferred(id, deferred)), puts)
            }
        };
        Closure { name, owns, puts, world: Rc::clone(self) }
    }

    fn add_stage(self: &Rc<Self>, before: Deferred<Value>, stage: Stage) -> Deferred<Value> {
        let (closure, code) = (self.closure("stage", &stage.code.owns), stage.code);
        match stage.kind {
            Kind::Callback => before.add_callback(move |value| call(closure, code, Ok(value))),
            Kind::Errback => before.add_errback(move |failure| call(closure, code, Err(failure))),
            Kind::Both => before.add_both(move |result| call(closure, code, result)),
            Kind::Callbacks(other_code) => {
                let other = self.closure("stage", &other_code.owns);
                before.add_callbacks(
                    move |value| call(closure, code, Ok(value)),
                    move |failure| call(other, *other_code, Err(failure)),
                )
            }
            Kind::Map => before.map(move |value| match call(closure, code, Ok(value)) {
                Outcome::Done(Ok(value)) => value,
                _ => unreachable!("the program says so"),
            }),
            Kind::MapFailure => before.map_failure(move |failure| match call(closure, code, Err(failure)) {
                Outcome::Done(Err(failure)) => failure,
                _ => unreachable!("the program says so"),
            }),
            Kind::Inspect => before.inspect_failure(move |failure| {
                call(closure, code, Err(failure.clone()));
            }),
        }
    }

    fn take_canceller(&self, deferred: &Deferred<Value>) {
        self.cancellers.borrow_mut().put(next(&self.cancellers_taken), deferred.canceller());
    }

    fn on_cancel(self: &Rc<Self>, id: usize, promise: &Promise<Value>, canceller: Canceller) {
        let closure = self.closure("canceller", &canceller.owns);
        promise.on_cancel(move || call_canceller(id, closure, canceller));
    }

    fn waker(&self, task: usize) -> Waker {
        let text = format!("task {task} woken by waker {}", next(&self.wakers));
        Waker::from(Arc::new(Bell { text, journal: Arc::clone(&self.journal) }))
    }

    fn poll(&self, name: usize, mut task: Task) {
        let mut cx = Context::from_waker(&task.waker);
        let polled = match &mut task.future {
            Awaited::Plain(_, deferred) => Pin::new(deferred).poll(&mut cx),
            Awaited::Cancels(future) => Pin::new(future).poll(&mut cx),
        };
        match polled {
            Poll::Ready(result) => {
                self.note(format!("task {name} has {}", text(&result)));
                drop(result);
            }
            Poll::Pending => self.tasks.borrow_mut().put(name, task),
        }
    }

    fn step(self: &Rc<Self>, step: Step) {
        match step {
            Step::Make(with_canceller) => {
                let id = next(&self.chains) - 1;
                let (promise, deferred) = deferred();
                if with_canceller {
                    self.take_canceller(&deferred);
                }
                self.promises.borrow_mut().put(id, promise);
                self.deferreds.borrow_mut().put(id, deferred);
            }
            Step::Ready(give) => {
                let id = next(&self.chains) - 1;
                let deferred = match self.give(give) {
                    Ok(value) => succeed(value),
                    Err(failure) => fail(failure),
                };
                self.deferreds.borrow_mut().put(id, deferred);
            }
            Step::Add(number, stage) => {
                let picked = self.deferreds.borrow_mut().pick(number);
                if let Some((id, before)) = picked {
                    let after = self.add_stage(before, stage);
                    self.deferreds.borrow_mut().put(id, after);
                }
            }
            Step::Fire(number, give) => {
                let picked = self.promises.borrow_mut().pick(number);
                if let Some((_, promise)) = picked {
                    fire(promise, self.give(give));
                }
            }
            Step::OnCancel(number, canceller) => {
                let picked = self.promises.borrow_mut().pick(number);
                if let Some((id, promise)) = picked {
                    self.on_cancel(id, &promise, canceller);
                    self.promises.borrow_mut().put(id, promise);
                }
            }
            Step::Cancel(number) => {
                let picked = self.deferreds.borrow_mut().pick(number);
                if let Some((id, deferred)) = picked {
                    deferred.cancel();
                    self.deferreds.borrow_mut().put(id, deferred);
                }
            }
            Step::TakeCanceller(number) => {
                let picked = self.deferreds.borrow_mut().pick(number);
                if let Some((id, deferred)) = picked {
                    self.take_canceller(&deferred);
                    self.deferreds.borrow_mut().put(id, deferred);
                }
            }
            Step::CancelBy(number) => {
                let picked = self.cancellers.borrow_mut().pick(number);
                if let Some((name, canceller)) = picked {
                    canceller.cancel();
                    self.cancellers.borrow_mut().put(name, canceller);
                }
            }
            Step::DropPromise(number) => {
                let picked = self.promises.borrow_mut().pick(number);
                drop(picked);
            }
            Step::DropDeferred(number) => {
                let picked = self.deferreds.borrow_mut().pick(number);
                drop(picked);
            }
            Step::DropCanceller(number) => {
                let picked = self.cancellers.borrow_mut().pick(number);
                drop(picked);
            }
            Step::TryTake(number) => {
                let picked = self.deferreds.borrow_mut().pick(number);
                if let Some((id, deferred)) = picked {
                    match deferred.try_take() {
                        Ok(result) => {
                            self.note(format!("took {}", text(&result)));
                            drop(result);
                        }
                        Err(deferred) => self.deferreds.borrow_mut().put(id, deferred),
                    }
                }
            }
            Step::Await(number, cancels) => {
                let picked = self.deferreds.borrow_mut().pick(number);
                if let Some((id, deferred)) = picked {
                    let name = next(&self.tasks_begun);
                    let future = match cancels {
                        true => Awaited::Cancels(deferred.cancel_on_drop()),
                        false => Awaited::Plain(id, deferred),
                    };
                    self.poll(name, Task { future, waker: self.waker(name) });
                }
            }
            Step::Poll(number, fresh) => {
                let picked = self.tasks.borrow_mut().pick(number);
                if let Some((name, mut task)) = picked {
                    if fresh {
                        task.waker = self.waker(name);
                    }
                    self.poll(name, task);
                }
            }
            Step::EndTask(number) => {
                let picked = self.tasks.borrow_mut().pick(number);
                match picked {
                    Some((_, Task { future: Awaited::Plain(id, deferred), .. })) => {
                        self.deferreds.borrow_mut().put(id, deferred);
                    }
                    Some((name, task)) => self.tasks.borrow_mut().put(name, task),
                    None => {}
                }
            }
            Step::DropTask(number) => {
                let picked = self.tasks.borrow_mut().pick(number);
                drop(picked);
            }
        }
    }
}

fn fire(promise: Promise<Value>, result: Result<Value, Failure>) {
    match result {
        Ok(value) => promise.callback(value),
        Err(failure) => promise.errback(failure),
    }
}

/// The code of a stage. `closure` is dropped at its end, or while it panics.
fn call(mut closure: Closure, code: Code, input: Result<Value, Failure>) -> Outcome<Value> {
    let world = Rc::clone(&closure.world);
    world.note(format!("{} hears {}", closure.name, text(&input)));
    closure.put_owned();
    let passed_on = match code.ending {
        Ending::PassOn => Some(input),
        _ => {
            drop(input);
            None
        }
    };
    world.steps(code.steps);
    match (code.ending, passed_on) {
        (_, Some(input)) => Outcome::Done(input),
        (Ending::Give(give), _) => Outcome::Done(world.give(give)),
        (Ending::Return(number), _) => {
            let picked = world.deferreds.borrow_mut().pick(number);
            match picked {
                Some((_, inner)) => Outcome::Wait(inner),
                None => Outcome::Done(Ok(world.value(Vec::new()))),
            }
        }
        (Ending::Panic | Ending::PassOn, _) => resume_unwind(Box::new(format!("{} panics", closure.name))),
    }
}

fn call_canceller(id: usize, mut closure: Closure, canceller: Canceller) {
    let world = Rc::clone(&closure.world);
    world.note(format!("{} called", closure.name));
    closure.put_owned();
    if let Some(give) = canceller.fires {
        let own = world.promises.borrow_mut().pick_named(id);
        if let Some(promise) = own {
            fire(promise, world.give(give));
        }
    }
    if canceller.drops_promise {
        let own = world.promises.borrow_mut().pick_named(id);
        drop(own);
    }
    world.steps(canceller.steps);
    if canceller.panics {
        resume_unwind(Box::new(format!("{} panics", closure.name)));
    }
}

impl Machine for Rc<World> {
    fn step(&mut self, step: Step) {
        World::step(self, step);
    }

    fn observe(&mut self) {
        let mut line = String::new();
        for (id, promise) in self.promises.borrow().iter() {
            line += &format!("promise {id}: {}. ", promise.is_cancelled());
        }
        for (id, deferred) in self.deferreds.borrow().iter() {
            line +=
                &format!("Deferred {id}: {} {}. ", deferred.has_result(), deferred.canceller().is_waiting());
        }
        for (name, canceller) in self.cancellers.borrow().iter() {
            line += &format!("canceller {name}: {}. ", canceller.is_waiting());
        }
        self.note(line);
    }

    fn has_empty_tables(&self) -> bool {
        self.promises.borrow().is_empty()
            && self.deferreds.borrow().is_empty()
            && self.cancellers.borrow().is_empty()
            && self.tasks.borrow().is_empty()
    }
}
