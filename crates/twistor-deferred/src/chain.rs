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
use std::mem;
use std::rc::Rc;
use std::task::Waker;

use crate::contain::{contain, drop_contained, log_panic};
use crate::debug::is_debug;
use crate::ending;
use crate::{Cancelled, Circular, Deferred, Failure, Outcome, Panicked};

mod abandon;
mod forsake;
mod links;
mod root;
mod tail;

pub(crate) use forsake::{abandoned_await, cancel_dropped, cancel_in_turn};
pub use forsake::{drop_cancelling, dropping_plainly};
pub(crate) use links::{Chain, Phase, cancel, stages_left, where_it_waits};
pub(crate) use root::{FireOnce, Root};
pub(crate) use tail::Tail;

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

/// Who let go of a node by dropping its Deferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detached {
    /// Nobody who waited for it.
    Plainly,
    /// A task that was waiting for the value, which is not here.
    FromTask,
}

/// A node, for whoever only looks at how a chain goes on.
pub(crate) trait Node {
    fn follower(&self) -> Follower;
}

/// What comes after a node.
pub(crate) enum Follower {
    /// The next stage of the chain.
    Stage(Rc<dyn Node>),
    /// The node of an outer chain that waits for this one.
    Outer(Rc<dyn Node>),
    Nobody,
}

/// A node whose value may have come: one step of the loop.
pub(crate) trait Step: Node {
    /// Hands the value on, if it is here, and returns the node to go on with.
    fn advance(self: Rc<Self>, driver: &mut Driver) -> Option<Rc<dyn Step>>;
}

/// A node that ends up with a `T`.
pub(crate) trait Produce<T>: Step {
    fn slot(&self) -> &Slot<T>;
    fn into_step(self: Rc<Self>) -> Rc<dyn Step>;
}

/// A node that begins with a `T`.
pub(crate) trait Accept<T>: Node {
    /// Takes the value out of `source`, runs the user's code on it and returns the node to go on with, which is this one
    /// unless it has to wait.
    fn accept(self: Rc<Self>, source: &Slot<T>, driver: &mut Driver) -> Option<Rc<dyn Step>>;
}

/// The loop, and what it knows: the chain whose code it runs, as long as anybody could cancel or return that chain.
pub(crate) struct Driver {
    chain: Option<Rc<dyn Chain>>,
}

impl<T> Default for Slot<T> {
    #[inline]
    fn default() -> Self {
        Self { value: Cell::new(None), link: Cell::new(Link::Open) }
    }
}

impl<T> Slot<T> {
    /// Takes the value out on behalf of the one Deferred that points here. (Always inlined, since a result on its way through
    /// memory costs more.)
    #[inline(always)]
    pub(crate) fn take_result(&self) -> Option<Result<T, Failure>> {
        let result = self.value.take()?;
        self.replace_link(Link::Done);
        Some(result)
    }

    #[inline]
    fn has_value(&self) -> bool {
        self.peek(|value| value.is_some())
    }

    /// What `look` makes of the value, which stays where it is. `look` must not run the user's code.
    #[inline]
    pub(crate) fn peek<R>(&self, look: impl FnOnce(Option<&Result<T, Failure>>) -> R) -> R {
        let value = self.value.take();
        let seen = look(value.as_ref());
        self.set_empty(value);
        seen
    }

    fn follower(&self) -> Follower {
        let link = self.link.take();
        let follower = match &link {
            Link::Next(stage) => Follower::Stage(Rc::clone(stage) as Rc<dyn Node>),
            Link::Forward(waiting) => Follower::Outer(Rc::clone(waiting) as Rc<dyn Node>),
            Link::Open | Link::Awaited(_) | Link::Detached | Link::Done => Follower::Nobody,
        };
        self.set_taken_link(link);
        follower
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
        self.set_taken_link(Link::Open);
        let new = match old {
            Link::Awaited(old) if old.will_wake(waker) => old,
            old => {
                drop_contained(old);
                waker.clone()
            }
        };
        self.link.set(Link::Awaited(new));
    }

    /// Has nobody wait for the value but `link`. (Always inlined, since a link on its way through memory costs more.)
    #[inline(always)]
    fn replace_link(&self, link: Link<T>) {
        match self.link.replace(link) {
            Link::Open | Link::Detached | Link::Done => {}
            Link::Awaited(waker) => drop_contained(waker),
            Link::Next(stage) => drop(stage),
            Link::Forward(waiting) => drop(waiting),
        }
    }

    /// Sets the link, which has been taken. As with [`set_empty`](Self::set_empty) it is cheaper not to look at what there was.
    #[inline]
    fn set_taken_link(&self, link: Link<T>) {
        let nothing = self.link.replace(link);
        debug_assert!(matches!(nothing, Link::Done), "only a link that was taken is put back");
        mem::forget(nothing);
    }

    /// Puts the value in, of which there is none yet.
    #[inline]
    fn put(&self, result: Result<T, Failure>) {
        self.set_empty(Some(result));
    }

    /// Sets the value, which is `None`. There being nothing to drop is worth saying: every result comes by here, and it is
    /// cheaper not to look.
    #[inline]
    fn set_empty(&self, value: Option<Result<T, Failure>>) {
        let nothing = self.value.replace(value);
        debug_assert!(nothing.is_none(), "a node gets its value once");
        mem::forget(nothing);
    }

    /// The Deferred that points here is dropped: nobody will add anything more.
    pub(crate) fn detach(&self, chain: &Rc<dyn Chain>) -> Detached {
        match self.link.take() {
            Link::Open => {
                self.detach_open(chain);
                Detached::Plainly
            }
            Link::Awaited(waker) => {
                let waits = self.detach_open(chain);
                drop_contained(waker);
                if waits { Detached::FromTask } else { Detached::Plainly }
            }
            taken => {
                self.set_taken_link(taken);
                Detached::Plainly
            }
        }
    }

    /// Whether the value is still to come.
    fn detach_open(&self, chain: &Rc<dyn Chain>) -> bool {
        match self.value.take() {
            Some(result) => {
                discard(result, Some(chain));
                false
            }
            None => {
                self.set_taken_link(Link::Detached);
                true
            }
        }
    }

    /// [`Step::advance`] of every node.
    ///
    /// The value is here, unless the link has become `Done` while the chain stood in the queue of [`abandon`].
    #[inline(always)]
    fn hand_on(&self, driver: &mut Driver) -> Option<Rc<dyn Step>> {
        match self.link.take() {
            Link::Next(stage) => return stage.accept(self, driver),
            Link::Forward(waiting) => {
                let result = self.value.take()?;
                driver.leave_inner_chain();
                waiting.slot().put(result);
                return Some(waiting.into_step());
            }
            Link::Open => self.set_taken_link(Link::Open),
            Link::Awaited(waker) => {
                self.set_taken_link(Link::Open);
                wake(waker);
            }
            Link::Detached | Link::Done => {
                if let Some(result) = self.value.take() {
                    discard(result, driver.chain.as_ref());
                }
            }
        }
        None
    }
}

/// Wakes a task. Apart, so that the waker comes here in registers: the link that it is part of is not put into memory for its sake.
#[inline(never)]
fn wake(waker: Waker) {
    if let Err(text) = contain(|| waker.wake()) {
        log_panic("waking a task", &text);
    }
}

/// Drops a result that nobody will look at; a failure is reported.
///
/// A failure that is `Cancelled`, or has it as a source, is not: only a cancel makes one, and whoever cancelled knows.
fn discard<T>(result: Result<T, Failure>, chain: Option<&Rc<dyn Chain>>) {
    match result {
        Ok(value) => drop_contained(value),
        Err(failure) => {
            // An error's `source` is the application's code. One that panics has not said that it is a cancel.
            if !contain(|| failure.find::<Cancelled>().is_some()).unwrap_or(false) {
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
        if ending::is_ending() && !failure.is_panicked() {
            return tracing::debug!(failure = %format_args!("{failure:#}"), "unhandled failure in a Deferred, at the end of its reactor");
        }
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

impl<F, U> Default for Stage<F, U> {
    #[inline]
    fn default() -> Self {
        Self { code: Cell::new(None), slot: Slot::default() }
    }
}

impl<F, U> Stage<F, U>
where
    U: 'static,
    F: 'static,
{
    /// Adds `code` to the end of `chain`, and runs it at once if the value is there.
    #[inline]
    pub(crate) fn add<T>(before: Rc<dyn Produce<T>>, chain: Rc<dyn Chain>, code: F) -> Deferred<U>
    where
        T: 'static,
        F: FnOnce(Result<T, Failure>) -> Outcome<U>,
    {
        // Made empty and then filled, since `Rc::new` puts its argument together elsewhere and copies it. There is no old code
        // to drop.
        let stage = Rc::<Self>::default();
        mem::forget(stage.code.replace(Some(code)));
        let slot = before.slot();
        if slot.has_value() {
            // Out of the slot first: the waker that may be in it is dropped by this, and finds nothing half done.
            let input = Slot::default();
            input.set_empty(slot.take_result());
            let mut driver = Driver::new(Rc::clone(&chain));
            let next = Rc::clone(&stage).accept(&input, &mut driver);
            driver.run(next);
        } else {
            slot.replace_link(Link::Next(Rc::clone(&stage) as Rc<dyn Accept<T>>));
        }
        Deferred::new(stage, chain)
    }
}

impl<F: 'static, U: 'static> Node for Stage<F, U> {
    fn follower(&self) -> Follower {
        self.slot.follower()
    }
}

impl<F: 'static, U: 'static> Step for Stage<F, U> {
    fn advance(self: Rc<Self>, driver: &mut Driver) -> Option<Rc<dyn Step>> {
        let next = self.slot.hand_on(driver);
        // Whoever is the last to hold a node that was advanced holds an empty one: its code has run, and the value was handed on,
        // or was dropped with the Deferred. To forget it frees its memory without another look at what it might own.
        if let Some(stage) = Rc::into_inner(self) {
            debug_assert!(!stage.slot.has_value(), "the last one to hold a node has left its value there");
            mem::forget(stage);
        }
        next
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
    fn accept(self: Rc<Self>, source: &Slot<T>, driver: &mut Driver) -> Option<Rc<dyn Step>> {
        // The value is fetched, and the result goes where it belongs, from inside `contain`: both are cheaper than handing them in and out.
        let called = contain(|| {
            let code = self.code.take().expect("a stage is linked to once");
            let input = source.value.take().expect("a stage is called when the value is there");
            match code(input) {
                Outcome::Done(result) => {
                    self.slot.put(result);
                    None
                }
                Outcome::Wait(inner) => Some(inner),
            }
        });
        match called {
            Ok(None) => {}
            Ok(Some(inner)) => {
                let result = driver.wait_for(Rc::clone(&self) as Rc<dyn Produce<U>>, inner)?;
                self.slot.put(result);
            }
            Err(text) => self.slot.put(Err(Failure::placeless(Panicked(text)))),
        }
        Some(self)
    }
}

impl Driver {
    #[inline]
    const fn new(chain: Rc<dyn Chain>) -> Self {
        Self { chain: Some(chain) }
    }

    /// Moves the value of `next` along until it has found its place. Never panics and never recurses.
    #[inline]
    fn run(&mut self, mut next: Option<Rc<dyn Step>>) {
        while let Some(node) = next {
            next = node.advance(self);
        }
    }

    /// `node` is to have the result of `inner`: gives it if it is there, else arranges for it to come.
    fn wait_for<U>(&self, node: Rc<dyn Produce<U>>, inner: Deferred<U>) -> Option<Result<U, Failure>> {
        let source = inner.into_tail();
        if let Some(result) = source.slot().take_result() {
            return Some(result);
        }
        if let Some(chain) = &self.chain {
            if links::would_be_circular(chain, source.chain()) {
                return Some(Err(Failure::placeless(Circular)));
            }
        }
        // A node that only passes its value on is left out of the way: the inner chain reports straight to whoever waits
        // for this one. Thus a loop of callbacks that return the next round takes no more memory as it goes.
        let (link, node_stays) = match node.slot().link.take() {
            passing_on @ Link::Forward(_) => (passing_on, false),
            link => {
                node.slot().set_taken_link(link);
                (Link::Forward(node), true)
            }
        };
        if let Some(chain) = &self.chain {
            links::wait(chain, source.chain(), node_stays);
        }
        // Last: this drops the waker of a task that has polled it, and that may fire the inner promise.
        source.slot().replace_link(link);
        None
    }

    /// The value goes from the end of an inner chain to the node that waited for it.
    fn leave_inner_chain(&mut self) {
        self.chain = self.chain.take().and_then(links::leave);
    }
}

#[cfg(test)]
mod tests;
