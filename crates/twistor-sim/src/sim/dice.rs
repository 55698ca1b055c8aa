//! The generators of a world, all from its one seed.

use std::time::Duration;

use twistor_reactor::Rng;
pub(super) use twistor_reactor::rng::mix;

/// A generator. Each purpose has one of its own, so that a draw more for one does not move what another draws.
#[derive(Debug)]
pub(super) struct Dice(Rng);

/// What a generator is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Jitter and loss.
    Network,
    /// The seed of one reactor.
    Reactor(u32),
    /// One rule of faults: taking another rule away does not move its draws.
    Fault(u64),
    /// When things that are planned at random happen.
    Plans,
}

impl Dice {
    /// The generator that the world of `seed` has for `purpose`.
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let (kind, number) = match purpose {
            Purpose::Network => (1, 0),
            Purpose::Reactor(number) => (2, u64::from(number)),
            Purpose::Fault(number) => (3, number),
            Purpose::Plans => (4, 0),
        };
        Self(Rng::seeded(mix(mix(seed ^ mix(kind)).wrapping_add(number))))
    }

    /// The next 64 random bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; zero if that is zero.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// True with a probability of `chance`: never at zero or less (or no number), always at one or more.
    pub(super) fn chance(&mut self, chance: f64) -> bool {
        self.0.chance(chance)
    }

    /// A time between zero and `most`, both included.
    pub(super) fn time(&mut self, most: Duration) -> Duration {
        self.0.duration(Duration::ZERO, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_differ() {
        let first = |purpose| Dice::new(7, purpose).next();
        assert_ne!(first(Purpose::Reactor(0)), first(Purpose::Reactor(1)));
        assert_ne!(first(Purpose::Reactor(0)), first(Purpose::Fault(0)));
        assert_ne!(first(Purpose::Network), first(Purpose::Plans));
        assert_ne!(first(Purpose::Plans), Dice::new(8, Purpose::Plans).next());
    }
}
