//! Random numbers that are the same on every machine and in every version of every dependency: SplitMix64, ten lines of our own.

use std::time::Duration;

/// A generator. Each purpose has one of its own, so that a draw more for one does not move what another draws.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

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
    pub(super) const fn new(seed: u64, purpose: Purpose) -> Self {
        let (kind, number) = match purpose {
            Purpose::Network => (1, 0),
            Purpose::Reactor(number) => (2, number as u64),
            Purpose::Fault(number) => (3, number),
            Purpose::Plans => (4, 0),
        };
        Self(mix(mix(seed ^ mix(kind)).wrapping_add(number)))
    }

    /// The next 64 random bits.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number below `bound`; zero if that is zero. The bias is below one in 2^64 / `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product: bound * (next / 2^64), rounded down.
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True with a probability of `chance`: never at zero or less (or no number), always at one or more.
    pub(super) fn chance(&mut self, chance: f64) -> bool {
        // 53 random bits are exactly a double below one.
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < chance
    }

    /// A time between zero and `most`, both included.
    pub(super) fn time(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }
}

/// The golden ratio as a fraction of 2^64, odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads each bit over all of them; one to one.
pub(super) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // The first three of the published reference for the seed 1234567.
        let mut dice = Dice(1_234_567);
        let drawn = [dice.next(), dice.next(), dice.next()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn bounds_hold_and_purposes_differ() {
        let mut dice = Dice::new(7, Purpose::Network);
        assert!((0..1000).all(|_| dice.below(10) < 10));
        assert_eq!(dice.below(0), 0);
        assert!((0..100).all(|_| !dice.chance(0.0) && dice.chance(1.0)));
        assert!((0..100).all(|_| dice.time(Duration::from_nanos(3)) <= Duration::from_nanos(3)));
        assert_eq!(dice.time(Duration::ZERO), Duration::ZERO);
        let hits = (0..10_000).filter(|_| dice.chance(0.25)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
        let first = |purpose| Dice::new(7, purpose).next();
        assert_ne!(first(Purpose::Reactor(0)), first(Purpose::Reactor(1)));
        assert_ne!(first(Purpose::Reactor(0)), first(Purpose::Fault(0)));
        assert_ne!(first(Purpose::Plans), Dice::new(8, Purpose::Plans).next());
    }
}
