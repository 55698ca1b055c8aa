//! Groups against what they are said to be: any order of events, and cancellers that do anything to the others.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;

use super::oops;
use crate::support::Errors;
use twistor_deferred::{
    Cancelled, Canceller, Deferred, Failure, FailureGroup, FirstError, Promise, deferred, deferred_list,
    first_result, first_success, gather_results, race,
};

type Value = Rc<usize>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    List,
    Gather,
    FirstResult,
    FirstSuccess,
    Race,
}

/// What a step, or a canceller, does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Nothing,
    Fire(usize),
    Fail(usize),
    Abandon(usize),
    CancelInput(usize),
    CancelGroup,
}

/// What happened, in the order in which it did.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Arrived(usize, bool),
    GroupCancelled,
}

/// The world that steps and cancellers act on.
#[derive(Default)]
struct World {
    promises: RefCell<Vec<Option<Promise<Value>>>>,
    cancellers: RefCell<Vec<Canceller>>,
    group: RefCell<Option<Canceller>>,
    events: RefCell<Vec<Event>>,
    outcome: RefCell<Vec<String>>,
    token: RefCell<Value>,
}

impl World {
    fn act(&self, act: Act) {
        let take = |number: usize| self.promises.borrow_mut()[number].take();
        match act {
            Act::Nothing => {}
            Act::Fire(number) => {
                if let Some(promise) = take(number) {
                    promise.callback(Rc::clone(&self.token.borrow()));
                }
            }
            Act::Fail(number) => {
                if let Some(promise) = take(number) {
                    promise.errback(oops());
                }
            }
            Act::Abandon(number) => drop(take(number)),
            Act::CancelInput(number) => {
                let canceller = self.cancellers.borrow()[number].clone();
                canceller.cancel();
            }
            Act::CancelGroup => {
                let canceller = self.group.borrow().clone();
                if let Some(canceller) = canceller {
                    self.events.borrow_mut().push(Event::GroupCancelled);
                    canceller.cancel();
                }
            }
        }
    }
}

/// What the events so far make of a group: the documentation, as a function.
fn specified(kind: Kind, count: usize, events: &[Event]) -> Option<String> {
    let mut arrived = vec![None; count];
    for &event in events {
        let Event::Arrived(index, good) = event else { return Some("cancelled".to_owned()) };
        arrived[index] = Some(good);
        let all = arrived.iter().all(Option::is_some);
        match kind {
            Kind::List if all => {
                return Some(format!("list {:?}", arrived.into_iter().flatten().collect::<Vec<_>>()));
            }
            Kind::Gather if !good => return Some(format!("input {index} failed")),
            Kind::Gather if all => return Some(format!("{count} values")),
            Kind::FirstResult => return Some(format!("{index} {good}")),
            Kind::FirstSuccess | Kind::Race if good => return Some(format!("{index} won")),
            Kind::FirstSuccess | Kind::Race if all => return Some(format!("{count} failed")),
            _ => {}
        }
    }
    None
}

fn make(kind: Kind, inputs: Vec<Deferred<Value>>) -> Deferred<String> {
    match kind {
        Kind::List => deferred_list(inputs)
            .map(|all| format!("list {:?}", all.into_iter().map(|it| it.is_ok()).collect::<Vec<_>>())),
        Kind::Gather => gather_results(inputs).map(|all| format!("{} values", all.len())),
        Kind::FirstResult => {
            first_result(inputs).map(|(index, result)| format!("{index} {}", result.is_ok()))
        }
        Kind::FirstSuccess => first_success(inputs).map(|(index, _)| format!("{index} won")),
        Kind::Race => race(inputs).map(|(index, _)| format!("{index} won")),
    }
}

fn told(failure: &Failure) -> String {
    if let Some(first) = failure.downcast_ref::<FirstError>() {
        format!("input {} failed", first.index)
    } else if let Some(group) = failure.downcast_ref::<FailureGroup>() {
        format!("{} failed", group.failures().len())
    } else {
        assert!(failure.check::<Cancelled>(), "{failure:?}");
        "cancelled".to_owned()
    }
}

fn play(kind: Kind, cancellers: &[Act], before: &[Act], after: &[Act]) {
    let errors = Errors::catch();
    let count = cancellers.len();
    let world = Rc::new(World::default());
    let mut inputs = Vec::new();
    for (number, &act) in cancellers.iter().enumerate() {
        let (promise, input) = deferred();
        let weak = Rc::downgrade(&world);
        promise.on_cancel(move || weak.upgrade().unwrap().act(act));
        world.promises.borrow_mut().push(Some(promise));
        world.cancellers.borrow_mut().push(input.canceller());
        let weak = Rc::downgrade(&world);
        inputs.push(input.add_both(move |result| {
            weak.upgrade().unwrap().events.borrow_mut().push(Event::Arrived(number, result.is_ok()));
            result
        }));
    }
    for &act in before {
        world.act(act);
    }
    // Those that have fired count in input order.
    world.events.borrow_mut().sort_by_key(|event| match event {
        Event::Arrived(number, _) => *number,
        Event::GroupCancelled => count,
    });
    let answer = make(kind, inputs);
    *world.group.borrow_mut() = Some(answer.canceller());
    let weak = Rc::downgrade(&world);
    drop(answer.add_both(move |result| {
        let text = result.unwrap_or_else(|failure| told(&failure));
        weak.upgrade().unwrap().outcome.borrow_mut().push(text);
    }));
    for &act in after {
        world.act(act);
        let expected = specified(kind, count, &world.events.borrow());
        assert_eq!(world.outcome.borrow().first(), expected.as_ref());
        let ended_by_cancelling = match &expected {
            Some(text) => text == "cancelled" || (kind == Kind::Race && text.ends_with("won")),
            None => false,
        };
        if ended_by_cancelling {
            let events = world.events.borrow();
            let arrived = events.iter().filter(|event| matches!(event, Event::Arrived(..))).count();
            assert_eq!(arrived, count, "every input that waited was cancelled");
        }
    }
    // Everything ends with the promises, exactly once, and nothing is kept or logged.
    for number in 0..count {
        world.act(Act::Abandon(number));
    }
    assert_eq!(world.outcome.borrow().len(), 1);
    assert_eq!(Rc::strong_count(&world.token.borrow()), 1);
    errors.expect(&[]);
}

fn act(count: usize) -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Nothing),
        4 => (0..count).prop_map(Act::Fire),
        4 => (0..count).prop_map(Act::Fail),
        2 => (0..count).prop_map(Act::Abandon),
        2 => (0..count).prop_map(Act::CancelInput),
        1 => Just(Act::CancelGroup),
    ]
}

fn plays() -> impl Strategy<Value = (Kind, Vec<Act>, Vec<Act>, Vec<Act>)> {
    const KINDS: [Kind; 5] = [Kind::List, Kind::Gather, Kind::FirstResult, Kind::FirstSuccess, Kind::Race];
    (proptest::sample::select(&KINDS[..]), 1_usize..6).prop_flat_map(|(kind, count)| {
        (
            Just(kind),
            proptest::collection::vec(act(count), count),
            proptest::collection::vec(act(count), 0..2),
            proptest::collection::vec(act(count), 1..10),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn def_19_any_order_of_events_ends_as_specified((kind, cancellers, before, after) in plays()) {
        play(kind, &cancellers, &before, &after);
    }
}
