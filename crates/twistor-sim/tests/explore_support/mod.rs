//! Scenarios for the search: used by tests, with few seeds, and by `examples/explore.rs`, with many.
#![allow(dead_code, reason = "each user needs a part of it")]

pub(crate) mod talker;
pub(crate) mod transfer;

/// Random numbers of a scenario: whatever is asked for in between, the same name gives the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64, name: u64) -> Self {
        let mut dice =
            Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ name.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.next();
        dice
    }

    /// xorshift, multiplied.
    pub(crate) fn next(&mut self) -> u64 {
        if self.0 == 0 {
            self.0 = 0x1234_5678_9abc_def1;
        }
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound.max(1)
    }

    /// Below two to `bits`, each magnitude as probable as the other.
    pub(crate) fn size(&mut self, bits: u64) -> u64 {
        let magnitude = self.below(bits) + 1;
        self.below(1 << magnitude)
    }

    /// Once in `times`.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
