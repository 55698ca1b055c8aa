//! A semaphore and a queue at random, from inside the callbacks of those they serve.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proptest::prelude::*;

use twistor_deferred::{Canceller, DeferredQueue, DeferredSemaphore, Permit, Promise, contain, deferred};

/// Numbers are places in the world's lists, modulo their length.
#[derive(Clone, Debug)]
enum Step {
    /// Ask, and do this when served; at the end, give back or keep what was given.
    Ask {
        inside: Vec<Self>,
        keep: bool,
    },
    /// `run`, on a Deferred that is fired when told to.
    Run,
    Try,
    Release(usize),
    Fire(usize),
    Cancel(usize),
    Panic,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = 0..16_usize;
    let leaf = prop_oneof![
        2 => any::<bool>().prop_map(|keep| Step::Ask { inside: Vec::new(), keep }),
        1 => Just(Step::Run),
        2 => Just(Step::Try),
        6 => number.clone().prop_map(Step::Release),
        2 => number.clone().prop_map(Step::Fire),
        2 => number.prop_map(Step::Cancel),
        1 => Just(Step::Panic),
    ];
    let step = leaf.prop_recursive(4, 24, 4, |inner| {
        (prop::collection::vec(inner, 0..4), any::<bool>())
            .prop_map(|(inside, keep)| Step::Ask { inside, keep })
    });
    prop::collection::vec(step, 1..40)
}

/// A semaphore and a queue, used from inside their own callbacks.
struct World {
    semaphore: DeferredSemaphore,
    queue: DeferredQueue<u32>,
    permits: RefCell<Vec<Permit>>,
    fires: RefCell<Vec<Promise<()>>>,
    cancellers: RefCell<Vec<Canceller>>,
    asked: Cell<u32>,
    put: Cell<u32>,
    /// Whoever was given a permit or a value, in order; and the values.
    permitted: RefCell<Vec<u32>>,
    given: RefCell<Vec<u32>>,
    values: RefCell<Vec<u32>>,
    tried: RefCell<Vec<u32>>,
}

fn pick<T>(list: &RefCell<Vec<T>>, number: usize) -> Option<T> {
    let mut list = list.borrow_mut();
    let count = list.len();
    (count > 0).then(|| list.swap_remove(number % count))
}

impl World {
    fn new(tokens: usize) -> Rc<Self> {
        Rc::new(Self {
            semaphore: DeferredSemaphore::new(tokens).unwrap(),
            queue: DeferredQueue::new(),
            permits: RefCell::default(),
            fires: RefCell::default(),
            cancellers: RefCell::default(),
            asked: Cell::new(0),
            put: Cell::new(0),
            permitted: RefCell::default(),
            given: RefCell::default(),
            values: RefCell::default(),
            tried: RefCell::default(),
        })
    }

    fn next_name(&self) -> u32 {
        self.asked.replace(self.asked.get() + 1)
    }

    fn act(self: &Rc<Self>, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Ask { inside, keep } => self.ask(inside, keep),
                Step::Run => {
                    let (promise, fired) = deferred();
                    self.fires.borrow_mut().push(promise);
                    let running = self.semaphore.run(move || fired);
                    self.cancellers.borrow_mut().push(running.canceller());
                }
                Step::Try => {
                    let free = self.semaphore.available() > 0;
                    let permit = self.semaphore.try_acquire();
                    assert_eq!(permit.is_some(), free);
                    self.permits.borrow_mut().extend(permit);
                    let here = !self.queue.is_empty();
                    let value = self.queue.try_get();
                    assert_eq!(value.is_some(), here);
                    self.tried.borrow_mut().extend(value);
                }
                Step::Release(number) => {
                    let permit = pick(&self.permits, number);
                    drop(permit);
                    let value = self.put.replace(self.put.get() + 1);
                    self.queue.put(value).unwrap();
                }
                Step::Fire(number) => {
                    let promise = pick(&self.fires, number);
                    if let Some(promise) = promise {
                        promise.callback(());
                    }
                }
                Step::Cancel(number) => {
                    let canceller = pick(&self.cancellers, number);
                    if let Some(canceller) = canceller {
                        canceller.cancel();
                    }
                }
                Step::Panic => std::panic::resume_unwind(Box::new("random")),
            }
        }
    }

    fn ask(self: &Rc<Self>, inside: Vec<Step>, keep: bool) {
        let name = self.next_name();
        let (first, second) = (Rc::clone(self), Rc::clone(self));
        let steps = inside.clone();
        let permitted = self.semaphore.acquire().map(move |permit| {
            first.permitted.borrow_mut().push(name);
            if keep {
                first.permits.borrow_mut().push(permit);
                first.act(steps);
            } else {
                first.act(steps);
                drop(permit);
            }
        });
        self.cancellers.borrow_mut().push(permitted.canceller());
        let name = self.next_name();
        let given = self.queue.get().map(move |value| {
            second.given.borrow_mut().push(name);
            second.values.borrow_mut().push(value);
            second.act(inside);
        });
        self.cancellers.borrow_mut().push(given.canceller());
        for answer in [permitted, given] {
            answer.add_errback(|_| Ok(()));
        }
    }

    /// Lets go of everything there is, and puts a value for everybody who waits.
    fn end(self: &Rc<Self>) {
        loop {
            let (permit, promise) = (pick(&self.permits, 0), pick(&self.fires, 0));
            if permit.is_none() && promise.is_none() {
                break;
            }
            drop(permit);
            if let Some(promise) = promise {
                promise.callback(());
            }
        }
        for _ in 0..self.queue.waiting() {
            drop(contain(|| self.act(vec![Step::Release(0)])));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// From inside callbacks too, everybody is served in the order of asking, every token comes back, and every value
    /// is had once, by whoever asked for it in the order of putting.
    #[test]
    fn def_22_23_callbacks_that_use_what_served_them(tokens in 1..4_usize, steps in steps()) {
        let world = World::new(tokens);
        for step in steps {
            drop(contain(|| world.act(vec![step])));
            let (semaphore, queue) = (&world.semaphore, &world.queue);
            prop_assert!(semaphore.available() == 0 || semaphore.waiting() == 0);
            prop_assert!(queue.is_empty() || queue.waiting() == 0);
        }
        for _ in 0..1000 {
            if world.semaphore.available() < tokens || world.queue.waiting() > 0 {
                world.end();
            }
        }
        prop_assert_eq!((world.semaphore.available(), world.queue.waiting()), (tokens, 0));
        prop_assert!(world.permitted.borrow().is_sorted_by(|a, b| a < b));
        prop_assert!(world.given.borrow().is_sorted_by(|a, b| a < b));
        prop_assert!(world.values.borrow().is_sorted_by(|a, b| a < b));
        let mut values = world.values.take();
        values.extend(world.tried.take());
        values.extend(std::iter::from_fn(|| world.queue.try_get()));
        values.sort_unstable();
        prop_assert_eq!(values, (0..world.put.get()).collect::<Vec<_>>());
        world.cancellers.take();
        prop_assert_eq!(Rc::strong_count(&world), 1);
    }
}
