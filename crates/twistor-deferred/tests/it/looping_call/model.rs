//! Random intervals, stalls and resets, against a loop as the rules have it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proptest::prelude::*;

use super::ms;
use crate::support::Turns;
use twistor_deferred::{LoopingCall, Moment};

/// What happens in one step of the test.
#[derive(Debug, Clone)]
struct Event {
    /// So long the program sleeps, ...
    sleep: u64,
    /// ... is reset, ...
    reset: bool,
    /// ... begins a turn with other work, ...
    busy: u64,
    /// ... and spends so long in the function, if that is called.
    stall: u64,
}

/// A loop as the rules have it, tick by tick.
struct Model {
    interval: u64,
    grid: u64,
    /// Up to here, ticks have been counted.
    told: Option<u64>,
    carried: u64,
    due: u64,
}

impl Model {
    /// The ticks of the grid in `(from, to]`, the start among them if `from` is nothing.
    fn ticks(&self, from: Option<u64>, to: u64) -> u64 {
        (0..)
            .map(|n| self.grid + n * self.interval)
            .take_while(|&tick| tick <= to)
            .filter(|&tick| from < Some(tick))
            .count() as u64
    }

    fn tick_after(&self, moment: u64) -> u64 {
        (0..).map(|n| self.grid + n * self.interval).find(|&tick| tick > moment).unwrap()
    }

    fn call(&mut self, now: u64, stall: u64) -> u64 {
        let count = self.ticks(self.told, now) + self.carried;
        self.told = Some(now);
        self.carried = 0;
        self.due = self.tick_after(now + stall);
        count
    }

    fn reset(&mut self, now: u64) {
        if self.told.is_some() {
            self.carried += self.ticks(self.told, now);
            self.told = Some(now);
            self.due = now + self.interval;
        }
        self.grid = now;
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let often_zero = |most: u64| prop_oneof![2 => Just(0), 1 => 1..most];
    let event = (0_u64..150, prop::bool::weighted(0.2), often_zero(120), often_zero(120))
        .prop_map(|(sleep, reset, busy, stall)| Event { sleep, reset, busy, stall });
    prop::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn task_02_task_05_task_06_random_stalls_and_resets_against_a_model(
        interval in 1_u64..60,
        later in any::<bool>(),
        begin in 0_u64..100,
        events in events(),
    ) {
        let turns = Turns::new();
        turns.pass(begin);
        let calls = Rc::new(RefCell::new(Vec::new()));
        let stall = Rc::new(Cell::new(0));
        let (list, time, next_stall) = (Rc::clone(&calls), turns.clone(), Rc::clone(&stall));
        let looping = LoopingCall::with_count(&turns.timers, move |count| {
            list.borrow_mut().push((time.millis(), count));
            time.pass(next_stall.get());
        });
        let mut model = Model { interval, grid: begin, told: None, carried: 0, due: begin };
        let _over = if later { looping.start_later(ms(interval)) } else { looping.start(ms(interval)) };
        if later {
            (model.told, model.due) = (Some(begin), begin + interval);
        }
        for Event { sleep, reset, busy, stall: stalls } in events {
            turns.pass(sleep);
            if reset {
                looping.reset().unwrap();
                model.reset(turns.millis());
            }
            stall.set(stalls);
            let now = turns.millis();
            turns.turn(busy);
            let expected = if model.due <= now {
                vec![(now + busy, model.call(now + busy, stalls))]
            } else {
                Vec::new()
            };
            prop_assert_eq!(calls.take(), expected);
            prop_assert_eq!(turns.timers.len(), 1);
            prop_assert_eq!(turns.timers.next_deadline(), Some(Moment::from_nanos(model.due * 1_000_000)));
        }
    }
}
