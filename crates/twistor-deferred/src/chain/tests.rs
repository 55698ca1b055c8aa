//! Random worlds of chains that fire, wait, cancel and drop each other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proptest::prelude::*;

use super::where_it_waits;
use crate::{Deferred, Failure, Promise, deferred, succeed};

/// Numbers are places in the world's tables, modulo their length.
#[derive(Clone, Debug)]
enum Action {
    New,
    Add(usize, Box<Self>),
    Return(usize),
    Fire(usize),
    Errback(usize),
    Cancel(usize),
    DropPromise(usize),
    DropDeferred(usize),
    Panic,
}

#[derive(Default)]
struct World {
    promises: RefCell<Vec<Promise<u32>>>,
    deferreds: RefCell<Vec<Deferred<u32>>>,
    added: Cell<u32>,
    ran: Cell<u32>,
}

fn pick<T>(list: &RefCell<Vec<T>>, number: usize) -> Option<T> {
    let mut list = list.borrow_mut();
    if list.is_empty() {
        return None;
    }
    let place = number % list.len();
    Some(list.swap_remove(place))
}

impl World {
    /// Does `action`; what it returns is what a callback that did it returns.
    fn act(self: &Rc<Self>, action: Action) -> Option<Deferred<u32>> {
        match action {
            Action::New => {
                let (promise, deferred) = deferred();
                self.promises.borrow_mut().push(promise);
                self.deferreds.borrow_mut().push(deferred);
            }
            Action::Add(number, action) => {
                if let Some(before) = pick(&self.deferreds, number) {
                    self.added.set(self.added.get() + 1);
                    let world = Rc::clone(self);
                    let after = before.add_both(move |_| {
                        world.ran.set(world.ran.get() + 1);
                        world.act(*action).unwrap_or_else(|| succeed(1))
                    });
                    self.deferreds.borrow_mut().push(after);
                }
            }
            Action::Return(number) => return pick(&self.deferreds, number),
            Action::Fire(number) => {
                if let Some(promise) = pick(&self.promises, number) {
                    promise.callback(1);
                }
            }
            Action::Errback(number) => {
                if let Some(promise) = pick(&self.promises, number) {
                    promise.errback(Failure::message("random"));
                }
            }
            Action::Cancel(number) => {
                let canceller = {
                    let list = self.deferreds.borrow();
                    (!list.is_empty()).then(|| list[number % list.len()].canceller())
                };
                if let Some(canceller) = canceller {
                    canceller.cancel();
                }
            }
            Action::DropPromise(number) => drop(pick(&self.promises, number)),
            Action::DropDeferred(number) => drop(pick(&self.deferreds, number)),
            Action::Panic => std::panic::resume_unwind(Box::new("random")),
        }
        None
    }

    /// Lets go of all there is, until nothing new comes up.
    fn end(self: &Rc<Self>) {
        while let Some(promise) = pick(&self.promises, 0) {
            drop(promise);
        }
        while let Some(deferred) = pick(&self.deferreds, 0) {
            drop(deferred);
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let number = 0..16_usize;
    let leaf = prop_oneof![
        2 => Just(Action::New),
        6 => number.clone().prop_map(Action::Return),
        3 => number.clone().prop_map(Action::Fire),
        1 => number.clone().prop_map(Action::Errback),
        1 => number.clone().prop_map(Action::Cancel),
        1 => number.clone().prop_map(Action::DropPromise),
        1 => number.clone().prop_map(Action::DropDeferred),
        1 => Just(Action::Panic),
    ];
    leaf.prop_recursive(3, 8, 1, move |inner| {
        (number.clone(), inner).prop_map(|(number, action)| Action::Add(number, Box::new(action)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every callback runs exactly once, which says that no chain waits for itself unnoticed, and nothing is left in
    /// memory. (In test builds the engine also compares each search for a circle with a full one.)
    #[test]
    fn def_07_08_every_callback_of_a_random_world_runs_and_nothing_leaks(
        actions in prop::collection::vec(action(), 1..60)
    ) {
        let world = Rc::new(World::default());
        for _ in 0..4 {
            world.act(Action::New);
        }
        for action in actions {
            drop(crate::contain(|| world.act(action)));
        }
        while !world.promises.borrow().is_empty() || !world.deferreds.borrow().is_empty() {
            world.end();
        }
        prop_assert_eq!(world.ran.get(), world.added.get());
        prop_assert_eq!(Rc::strong_count(&world), 1);
    }
}

/// A loop of callbacks, each of which returns the next round.
fn round(waiting: &Rc<Cell<Option<Promise<()>>>>) -> Deferred<()> {
    let (promise, round) = deferred();
    waiting.set(Some(promise));
    let waiting = Rc::clone(waiting);
    round.add_callback(move |()| self::round(&waiting))
}

#[test]
fn def_07_rounds_that_are_over_are_not_kept() {
    for (detached, nested) in [(false, false), (false, true), (true, false), (true, true)] {
        let waiting = Rc::default();
        let mut answer = round(&waiting);
        if nested {
            answer = succeed(()).add_callback(move |()| answer);
        }
        let chain = Rc::clone(answer.chain());
        let kept = (!detached).then_some(answer);
        for _ in 0..10 {
            if let Some(promise) = waiting.take() {
                promise.callback(());
            }
            let depth = where_it_waits(&chain).1;
            assert_eq!(depth, 1, "detached: {detached}, nested: {nested}");
        }
        drop(kept);
    }
}

#[test]
fn def_05_an_inner_chain_that_is_over_is_let_go() {
    let (promise, inner) = deferred::<u32>();
    let (_later, after) = deferred::<u32>();
    let inner_chain = Rc::downgrade(inner.chain());
    let answer = succeed(()).add_callback(move |()| inner).map(|n| n + 1);
    promise.callback(1);
    assert!(inner_chain.upgrade().is_none());
    let answer = answer.add_callback(move |_| after);
    assert_eq!(where_it_waits(answer.chain()).1, 1);
}
