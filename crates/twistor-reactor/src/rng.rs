//! Random numbers that are the same on every machine and in every version of every dependency: SplitMix64, ten lines of our own.

use std::cell::Cell;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::rc::Rc;
use std::time::Duration;

/// A generator of random numbers: for delays, choices and test data, and **not for secrets**, since a few draws tell all the others.
///
/// [`ReactorHandle::rng`](crate::ReactorHandle::rng) has that of a reactor. The same seed gives the same draws, on every platform and in
/// every build: a program that draws from it alone repeats itself in a simulated world.
///
/// A cheap clone, which shares the state: what one draws, the other does not draw again. [`fork`](Self::fork) makes one of its own.
/// It is SplitMix64: 64 bits of state, each of the 2^64 numbers once before any comes again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use twistor_reactor::Rng;
///
/// let rng = Rng::seeded(42);
/// let die: u8 = rng.range(1..=6);
/// assert!((1..=6).contains(&die));
/// let jitter = rng.duration(Duration::ZERO, Duration::from_millis(100));
/// assert!(jitter <= Duration::from_millis(100));
/// let mut order = ["a", "b", "c"];
/// rng.shuffle(&mut order);
/// assert_eq!(Rng::seeded(42).range(1..=6_u8), die);
/// ```
#[derive(Clone)]
pub struct Rng {
    state: Rc<Cell<u64>>,
}

impl Rng {
    /// The generator that begins with `seed`. Any will do, zero included.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { state: Rc::new(Cell::new(seed)) }
    }

    /// A generator of its own, whose draws have nothing to do with those of this one, whatever either draws from now on. It costs one
    /// draw.
    #[must_use]
    pub fn fork(&self) -> Self {
        // Not the bare draw, or a fork could begin with what this one drew.
        Self::seeded(mix(self.next_u64() ^ FORK))
    }

    /// 64 random bits.
    #[must_use = "a draw that is not used moves all that come after it"]
    pub fn next_u64(&self) -> u64 {
        let state = self.state.get().wrapping_add(GAMMA);
        self.state.set(state);
        mix(state)
    }

    /// A number below `bound`, each as likely as the others; zero if `bound` is zero.
    #[must_use = "a draw that is not used moves all that come after it"]
    pub fn below(&self, bound: u64) -> u64 {
        loop {
            // The high half of the product is bound * (draw / 2^64), rounded down. Of the draws that lead to one number there is one
            // more for some numbers than for others: those, the first 2^64 mod bound of each stretch, are drawn again.
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let low = product as u64;
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number of `range`, each as likely as the others, of any type of integer up to 64 bits. An end that is left out is that of
    /// the type.
    ///
    /// # Panics
    ///
    /// If there is no number in `range`.
    #[must_use = "a draw that is not used moves all that come after it"]
    #[track_caller]
    pub fn range<T: RangeInteger>(&self, range: impl RangeBounds<T>) -> T {
        let from = match range.start_bound() {
            Bound::Included(from) => from.widen(),
            Bound::Excluded(from) => from.widen() + 1,
            Bound::Unbounded => T::LOWEST.widen(),
        };
        let to = match range.end_bound() {
            Bound::Included(to) => to.widen(),
            Bound::Excluded(to) => to.widen() - 1,
            Bound::Unbounded => T::HIGHEST.widen(),
        };
        assert!(from <= to, "there is no number from {from} to {to}");
        let drawn = match u64::try_from(to - from) {
            Ok(u64::MAX) | Err(_) => self.next_u64(), // At most 64 bits between them.
            Ok(most) => self.below(most + 1),
        };
        T::narrow(from + i128::from(drawn))
    }

    /// A number from zero to one, one excluded, of 2^53 that are equally likely.
    #[must_use = "a draw that is not used moves all that come after it"]
    pub fn f64(&self) -> f64 {
        // 53 random bits are exactly a double below one.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability: never at zero or less (or no number), always at one or more. It is one draw in any case.
    #[must_use = "a draw that is not used moves all that come after it"]
    pub fn chance(&self, probability: f64) -> bool {
        self.f64() < probability
    }

    /// A time between `from` and `to`, both included, to the nanosecond; `from` if `to` is not later. Times of more than 584 years
    /// above `from` are never drawn.
    #[must_use = "a draw that is not used moves all that come after it"]
    pub fn duration(&self, from: Duration, to: Duration) -> Duration {
        let nanos = u64::try_from(to.saturating_sub(from).as_nanos()).unwrap_or(u64::MAX);
        from.saturating_add(Duration::from_nanos(self.range(0..=nanos)))
    }

    /// One of `items`, each as likely as the others; `None` if there are none.
    #[must_use = "a draw that is not used moves all that come after it"]
    pub fn choose<'a, T>(&self, items: &'a [T]) -> Option<&'a T> {
        items.get(usize::try_from(self.below(items.len() as u64)).ok()?)
    }

    /// Puts `items` into a random order, each as likely as the others as far as 64 bits of state can tell them apart.
    pub fn shuffle<T>(&self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.range(0..=place));
        }
    }

    /// Fills `bytes`, eight of them a draw.
    pub fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next_u64().to_le_bytes()[..piece.len()]);
        }
    }
}

/// Shows nothing of the state.
impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng").finish_non_exhaustive()
    }
}

/// Spreads each bit of a number over all 64, one to one: for hashes, and to make seeds out of seeds.
#[must_use]
pub const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The golden ratio as a fraction of 2^64, odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Any number but zero.
const FORK: u64 = 0x666f_726b;

/// The integers that [`Rng::range`] draws. Implemented for all of up to 64 bits, and for nothing else.
pub trait RangeInteger: sealed::Sealed {
    #[doc(hidden)]
    const LOWEST: Self;
    #[doc(hidden)]
    const HIGHEST: Self;
    #[doc(hidden)]
    fn widen(&self) -> i128;
    #[doc(hidden)]
    fn narrow(wide: i128) -> Self;
}

mod sealed {
    pub trait Sealed: Copy {}
}

macro_rules! range_integers {
    ($($integer:ty)*) => {
        $(
            impl sealed::Sealed for $integer {}
            impl RangeInteger for $integer {
                const LOWEST: Self = Self::MIN;
                const HIGHEST: Self = Self::MAX;
                fn widen(&self) -> i128 {
                    *self as i128
                }
                fn narrow(wide: i128) -> Self {
                    wide as Self
                }
            }
        )*
    };
}

range_integers! { u8 u16 u32 u64 usize i8 i16 i32 i64 isize }

#[cfg(test)]
mod tests;
