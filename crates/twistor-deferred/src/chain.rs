//! The engine: nodes in a row, and one loop that moves a result along them.
//!
//! A chain is a [`Root`], which the promise fires, and a [`Stage`] for each callback added, each one allocation. A
//! node owns the next one; the last one is reached through the `Deferred`. A result moves like this:
//!
//! ```text
//! Root<T> --Next--> Stage<F, U> --Next--> Stage<G, V> <-- Deferred<V>        a chain
//!                       ^
//! Root<A> --Next--> Stage<H, U>                                              an inner chain: H's node has
//!                       '-----------Forward                                  `Forward` to the node that waits
//! ```
//!
//! A node's [`Slot`] has a `value` (the result, once it is here) and a `link` (who wants it):
//!
//! | link       | meaning                                    | when the value comes                     |
//! |------------|--------------------------------------------|------------------------------------------|
//! | `Open`     | a `Deferred` points here, nothing is added | it stays, for the next add or `try_take` |
//! | `Awaited`  | the same, and a task has polled it         | it stays, and the task is woken          |
//! | `Next`     | a callback was added                       | it goes into the stage, whose code runs  |
//! | `Forward`  | the node's Deferred was returned           | it becomes the value of the node waiting |
//! | `Detached` | the `Deferred` was dropped                 | it is dropped, a failure is reported     |
//! | `Done`     | the value was handed on                    | (never)                                  |
//!
//! Rules, which every function here keeps:
//!
//! - Nothing is borrowed while the user's code runs: all state is in `Cell`s, taken out and put back. The user's code
//!   is every closure, every waker, and every destructor of a value or of a closure.
//! - Nothing recurses. [`Driver::run`] is the only loop that runs stages, and each of them returns the node to go on with.
//! - What a chain waits for is found through the chains' own links, never through nodes: see [`links`].

use std::cell::Cell;
use std::rc::Rc;
use std::task::Waker;

use crate::contain::{contain, drop_contained, log_panic};
use crate::debug::is_debug;
use crate::{Circular, Deferred, Failure, Outcome, Panicked};

mod abandon;
mod links;
mod root;

pub(crate) use links::{Chain, Phase, cancel, where_it_waits};
pub(crate) use root::{FireOnce, Root};

/// What a node keeps of a result: the value until somebody takes it, and who is to have it.
pub(crate) struct Slot<T> {
    value: Cell<Option<Result<T, Failure>>>,
    link: Cell<Link<T>>,
}

/// Who gets the value of a node. The table above has the details.
#[derive(Default)]
pub(crate) enum Link<T> {
    Open,
    Awaited(Waker),
    Next(Rc<dyn Accept<T>>),
    Forward(Rc<dyn Produce<T>>),
    Detached,
    #[default]
    Done,
}

/// A node whose value may have come: one step of the loop.
pub(crate) trait Step {
    /// Hands the value on, if it is here, and returns the node to go on with.
    fn advance(self: Rc<Self>, driver: &mut Driver) -> Option<Rc<dyn Step>>;
}

/// A node that ends up with a `T`.
pub(crate) trait Produce<T>: Step {
    fn slot(&self) -> &Slot<T>;
    fn into_step(self: Rc<Self>) -> Rc<dyn Step>;
}

/// A node that begins with a `T`.
pub(crate) trait Accept<T> {
    /// Runs the user's code on `input` and returns the node to go on with, which is this one unless it has to wait.
    fn accept(self: Rc<Self>, input: Result<T, Failure>, driver: &mut Driver) -> Option<Rc<dyn Step>>;
}

/// The loop, and what it knows: the chain whose code it runs, as long as anybody could cancel or return that chain.
pub(crate) struct Driver {
    chain: Option<Rc<dyn Chain>>,
}

impl<T> Slot<T> {
    pub(crate) const fn new(value: Option<Result<T, Failure>>) -> Self {
        Self { value: Cell::new(value), link: Cell::new(Link::Open) }
    }

    /// Takes the value out on behalf of the one Deferred that points here.
    pub(crate) fn take_result(&self) -> Option<Result<T, Failure>> {
        let result = self.value.take()?;
        self.replace_link(Link::Done);
        Some(result)
    }

    /// What `look` makes of the value, which stays where it is. `look` must not run the user's code.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(Option<&Result<T, Failure>>) -> R) -> R {
        let value = self.value.take();
        let seen = look(value.as_ref());
        self.value.set(value);
        seen
    }

    /// Leaves the waker of a task that wants to hear of the value.
    ///
    /// # Panics
    ///
    /// If the value was handed out before: the future was polled again after it had completed.
    pub(crate) fn await_with(&self, waker: &Waker) {
        let old = self.link.take();
        assert!(!matches!(old, Link::Done), "a Deferred was polled after it had given its result");
        // Cloning and dropping a waker is foreign code: the link is in a sane state meanwhile.
        self.link.set(Link::Open);
        let new = match old {
            Link::Awaited(old) if old.will_wake(waker) => old,
            old => {
                drop_contained(old);
                waker.clone()
            }
        };
        self.link.set(Link::Awaited(new));
    }

    fn replace_link(&self, link: Link<T>) {
        if let Link::Awaited(waker) = self.link.replace(link) {
            drop_contained(waker);
        }
    }

    /// The Deferred that points here is dropped: nobody will add anything more.
    pub(crate) fn detach(&self, chain: &Rc<dyn Chain>) {
        match self.link.take() {
            Link::Open | Link::Awaited(_) => match self.value.take() {
                Some(result) => discard(result, Some(chain)),
                None => self.link.set(Link::Detached),
            },
            taken => self.link.set(taken),
        }
    }

    /// [`Step::advance`] of every node.
    fn hand_on(&self, driver: &mut Driver) -> Option<Rc<dyn Step>> {
        let result = self.value.take()?;
        match self.link.take() {
            Link::Next(stage) => return stage.accept(result, driver),
            Link::Forward(waiting) => {
                driver.leave_inner_chain();
                waiting.slot().value.set(Some(result));
                return Some(waiting.into_step());
            }
            Link::Open => {
                self.value.set(Some(result));
                self.link.set(Link::Open);
            }
            Link::Awaited(waker) => {
                self.value.set(Some(result));
                self.link.set(Link::Open);
                if let Err(text) = contain(|| waker.wake()) {
                    log_panic("waking a task", &text);
                }
            }
            Link::Detached | Link::Done => discard(result, driver.chain.as_ref()),
        }
        None
    }
}

/// Drops a result that nobody will look at; a failure is reported.
///
/// A failure that is `Cancelled` is not: only a cancel makes one, and whoever cancelled knows.
fn discard<T>(result: Result<T, Failure>, chain: Option<&Rc<dyn Chain>>) {
    match result {
        Ok(value) => drop_contained(value),
        Err(failure) => {
            if !failure.is_cancelled() {
                report(&failure, chain);
            }
            drop_contained(failure);
        }
    }
}

/// Logs a failure that nobody handled, and in debug mode where it and its Deferred come from. The logging is the application's code.
#[cold]
fn report(failure: &Failure, chain: Option<&Rc<dyn Chain>>) {
    let _ = contain(|| {
        let failed_at = failure.place().map(|place| format!("{place:#}"));
        let (made, fired) = chain.map_or((None, None), |chain| chain.links().places());
        let made_at = made.map(|place| format!("{place:#}"));
        let fired_at = fired.map(|place| format!("{place:#}"));
        let hint = (!is_debug()).then_some("set TWISTOR_DEBUG=1 to see where it was made and fired");
        tracing::error!(
            failure = %format_args!("{failure:#}"),
            made_at = made_at.map(tracing::field::display),
            fired_at = fired_at.map(tracing::field::display),
            failed_at = failed_at.map(tracing::field::display),
            hint,
            "unhandled failure in a Deferred"
        );
    });
}

/// One callback, or a pair: the code to run, and the slot for what comes of it.
pub(crate) struct Stage<F, U> {
    code: Cell<Option<F>>,
    slot: Slot<U>,
}

impl<F, U> Stage<F, U>
where
    U: 'static,
    F: 'static,
{
    /// Adds `code` to the node `before`, of `chain`, and runs it at once if the value is there.
    pub(crate) fn add<T>(before: &Rc<dyn Produce<T>>, chain: &Rc<dyn Chain>, code: F) -> Deferred<U>
    where
        T: 'static,
        F: FnOnce(Result<T, Failure>) -> Outcome<U>,
    {
        let stage = Rc::new(Self { code: Cell::new(Some(code)), slot: Slot::new(None) });
        chain.links().stage_added();
        match before.slot().take_result() {
            Some(input) => {
                let mut driver = Driver::new(Rc::clone(chain));
                let next = Rc::clone(&stage).accept(input, &mut driver);
                driver.run(next);
            }
            None => before.slot().replace_link(Link::Next(Rc::clone(&stage) as Rc<dyn Accept<T>>)),
        }
        Deferred::new(stage, Rc::clone(chain))
    }
}

impl<F: 'static, U: 'static> Step for Stage<F, U> {
    fn advance(self: Rc<Self>, driver: &mut Driver) -> Option<Rc<dyn Step>> {
        self.slot.hand_on(driver)
    }
}

impl<F: 'static, U: 'static> Produce<U> for Stage<F, U> {
    fn slot(&self) -> &Slot<U> {
        &self.slot
    }

    fn into_step(self: Rc<Self>) -> Rc<dyn Step> {
        self
    }
}

impl<T, F, U> Accept<T> for Stage<F, U>
where
    U: 'static,
    F: FnOnce(Result<T, Failure>) -> Outcome<U> + 'static,
{
    fn accept(self: Rc<Self>, input: Result<T, Failure>, driver: &mut Driver) -> Option<Rc<dyn Step>> {
        // A stage is linked to once, so its code is there.
        let code = self.code.take()?;
        if let Some(chain) = &driver.chain {
            chain.links().stage_runs();
        }
        let result = match contain(|| code(input)) {
            Ok(Outcome::Done(result)) => result,
            Ok(Outcome::Wait(inner)) => driver.wait_for(Rc::clone(&self) as Rc<dyn Produce<U>>, inner)?,
            Err(text) => Err(Failure::new(Panicked(text))),
        };
        self.slot.value.set(Some(result));
        Some(self)
    }
}

impl Driver {
    const fn new(chain: Rc<dyn Chain>) -> Self {
        Self { chain: Some(chain) }
    }

    /// Moves the value of `next` along until it has found its place. Never panics and never recurses.
    fn run(mut self, mut next: Option<Rc<dyn Step>>) {
        while let Some(node) = next {
            next = node.advance(&mut self);
        }
    }

    /// `node` is to have the result of `inner`: gives it if it is there, else arranges for it to come.
    fn wait_for<U>(&self, node: Rc<dyn Produce<U>>, inner: Deferred<U>) -> Option<Result<U, Failure>> {
        let (source, inner_chain) = inner.parts();
        if let Some(result) = source.slot().take_result() {
            return Some(result);
        }
        if let Some(chain) = &self.chain {
            if links::would_be_circular(chain, inner_chain) {
                return Some(Err(Failure::new(Circular)));
            }
        }
        // A node that only passes its value on is left out of the way: the inner chain reports straight to whoever waits
        // for this one. Thus a loop of callbacks that return the next round takes no more memory as it goes.
        let (link, node_stays) = match node.slot().link.take() {
            passing_on @ Link::Forward(_) => (passing_on, false),
            link => {
                node.slot().link.set(link);
                (Link::Forward(node), true)
            }
        };
        source.slot().replace_link(link);
        if let Some(chain) = &self.chain {
            links::wait(chain, inner_chain, node_stays);
        }
        None
    }

    /// The value goes from the end of an inner chain to the node that waited for it.
    fn leave_inner_chain(&mut self) {
        self.chain = self.chain.take().and_then(links::leave);
    }
}

#[cfg(test)]
mod tests;
