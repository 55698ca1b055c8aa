//! Semaphores and queues under random use, beside models that are too simple to be wrong.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use proptest::prelude::*;

use twistor_deferred::{Deferred, DeferredQueue, DeferredSemaphore, Permit, QueueOverflow, QueueUnderflow};

/// Numbers are places in the list of Deferreds that are still held, modulo its length.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// `acquire`, or `get`.
    Ask,
    /// `try_acquire`, kept; or `try_get`.
    Try,
    /// Release what the Deferred has; or take what it has and put the next value.
    Give(usize),
    Cancel(usize),
    Drop(usize),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let number = 0..16_usize;
    let action = prop_oneof![
        5 => Just(Action::Ask),
        1 => Just(Action::Try),
        4 => number.clone().prop_map(Action::Give),
        2 => number.clone().prop_map(Action::Cancel),
        1 => number.prop_map(Action::Drop),
    ];
    prop::collection::vec(action, 1..80)
}

/// What a model says of a Deferred that is still held.
#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Waiting,
    Has(u32),
    Over,
}

/// Who asked, in the order of asking. Whose Deferred was dropped is still in `line`, and nowhere else.
#[derive(Default)]
struct Model {
    /// Tokens, or values.
    things: VecDeque<u32>,
    line: VecDeque<u32>,
    held: Vec<(u32, State)>,
    /// Who was served, in order.
    served: Vec<u32>,
}

impl Model {
    fn ask(&mut self, name: u32) {
        let state = match self.things.pop_front() {
            Some(thing) => {
                self.served.push(name);
                State::Has(thing)
            }
            None => {
                self.line.push_back(name);
                State::Waiting
            }
        };
        self.held.push((name, state));
    }

    /// Gives `thing` to the first in line. Whether somebody is there to keep it.
    fn give(&mut self, thing: u32) -> bool {
        let Some(name) = self.line.pop_front() else {
            self.things.push_back(thing);
            return true;
        };
        self.served.push(name);
        let there = self.held.iter_mut().find(|(held, _)| *held == name);
        there.map(|(_, state)| *state = State::Has(thing)).is_some()
    }

    fn cancel(&mut self, place: usize) {
        let (name, state) = &mut self.held[place];
        if *state == State::Waiting {
            *state = State::Over;
            self.line.retain(|waiting| waiting != name);
        }
    }
}

/// The Deferreds of the real thing, in the order of the model's `held`.
struct Real<T> {
    held: Vec<Deferred<T>>,
    served: Rc<RefCell<Vec<u32>>>,
    alive: Rc<()>,
}

impl<T: 'static> Real<T> {
    fn new() -> Self {
        Self { held: Vec::new(), served: Rc::default(), alive: Rc::default() }
    }

    /// Holds the answer to what `name` asked for.
    fn hold(&mut self, name: u32, answer: Deferred<T>) {
        let (served, alive) = (Rc::clone(&self.served), Rc::clone(&self.alive));
        let noted = answer.map(move |thing| {
            let _alive = alive;
            served.borrow_mut().push(name);
            thing
        });
        self.held.push(noted);
    }

    fn same_as(&self, model: &Model) -> Result<(), TestCaseError> {
        prop_assert_eq!(&*self.served.borrow(), &model.served);
        for (deferred, (name, state)) in self.held.iter().zip(&model.held) {
            prop_assert_eq!(deferred.has_result(), *state != State::Waiting, "{}: {:?}", name, state);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn def_22_a_semaphore_does_as_its_model(tokens in 1..4_u32, actions in actions()) {
        let semaphore = DeferredSemaphore::new(tokens as usize).unwrap();
        let mut model = Model { things: (0..tokens).map(|_| 0).collect(), ..Model::default() };
        let mut real = Real::<Permit>::new();
        let mut tried = Vec::new();
        for (name, action) in (0_u32..).zip(actions) {
            // A token that finds nobody comes back, and goes to the next.
            let give_back = |model: &mut Model| while !model.give(0) {};
            let count = real.held.len().max(1);
            match action {
                Action::Ask => {
                    model.ask(name);
                    let answer = semaphore.acquire();
                    real.hold(name, answer);
                }
                Action::Try => {
                    let permit = semaphore.try_acquire();
                    prop_assert_eq!(permit.is_some(), model.things.pop_front().is_some());
                    tried.extend(permit);
                }
                Action::Give(_) if !tried.is_empty() => {
                    give_back(&mut model);
                    drop(tried.pop());
                }
                Action::Give(number) | Action::Drop(number) if !real.held.is_empty() => {
                    let waits = model.held[number % count].1 == State::Waiting;
                    if waits && matches!(action, Action::Give(_)) {
                        continue;
                    }
                    let (_, state) = model.held.remove(number % count);
                    if state == State::Has(0) {
                        give_back(&mut model);
                    }
                    drop(real.held.remove(number % count));
                }
                Action::Cancel(number) if !real.held.is_empty() => {
                    model.cancel(number % count);
                    real.held[number % count].cancel();
                }
                _ => {}
            }
            real.same_as(&model)?;
            prop_assert_eq!(semaphore.available(), model.things.len());
            prop_assert_eq!(semaphore.waiting(), model.line.len());
        }
        drop(tried);
        while !real.held.is_empty() {
            drop(real.held.remove(0));
        }
        prop_assert_eq!((semaphore.available(), semaphore.waiting()), (tokens as usize, 0));
        prop_assert_eq!(Rc::strong_count(&real.alive), 1);
    }

    #[test]
    fn def_23_a_queue_does_as_its_model(
        size in prop::option::of(0..4_usize),
        backlog in prop::option::of(0..4_usize),
        actions in actions(),
    ) {
        let queue = DeferredQueue::<u32>::with_limits(size, backlog);
        let mut model = Model::default();
        let mut real = Real::<u32>::new();
        for (name, action) in (0_u32..).zip(actions) {
            let count = real.held.len().max(1);
            match action {
                Action::Ask => {
                    let answer = queue.get();
                    if model.things.is_empty() && backlog.is_some_and(|most| model.line.len() >= most) {
                        let failure = answer.try_take().unwrap().unwrap_err();
                        prop_assert!(failure.check::<QueueUnderflow>());
                        continue;
                    }
                    model.ask(name);
                    real.hold(name, answer);
                }
                Action::Try => prop_assert_eq!(queue.try_get(), model.things.pop_front()),
                Action::Give(number) => {
                    let full = model.line.is_empty() && size.is_some_and(|most| model.things.len() >= most);
                    let put = queue.put(name).map_err(QueueOverflow::into_value);
                    prop_assert_eq!(put, if full { Err(name) } else { Ok(()) });
                    if !full {
                        model.give(name);
                    }
                    let over = model.held.get(number % count).is_some_and(|(_, state)| *state != State::Waiting);
                    if over {
                        let (_, state) = model.held.remove(number % count);
                        let result = real.held.remove(number % count).try_take().unwrap();
                        prop_assert_eq!(result.map_or(State::Over, State::Has), state);
                    }
                }
                Action::Cancel(number) if !real.held.is_empty() => {
                    model.cancel(number % count);
                    real.held[number % count].cancel();
                }
                Action::Drop(number) if !real.held.is_empty() => {
                    model.held.remove(number % count);
                    drop(real.held.remove(number % count));
                }
                _ => {}
            }
            real.same_as(&model)?;
            prop_assert_eq!((queue.len(), queue.waiting()), (model.things.len(), model.line.len()));
        }
        for (deferred, (_, state)) in real.held.into_iter().zip(model.held) {
            let result = deferred.try_take().map_or(State::Waiting, |result| result.map_or(State::Over, State::Has));
            prop_assert_eq!(result, state);
        }
        drop(queue);
        prop_assert_eq!(Rc::strong_count(&real.alive), 1);
    }
}
