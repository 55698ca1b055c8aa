//! [`Moment`]: a point in time as a number, on whatever clock the program runs by.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: whole nanoseconds since the clock it was read from began.
///
/// A moment is eight bytes, can be recorded and compared, and says nothing about the calendar. Moments of two
/// different clocks must not be mixed; nothing in the type prevents it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use twistor_deferred::Moment;
///
/// let later = Moment::ZERO.checked_add(Duration::from_millis(5)).unwrap();
/// assert_eq!(later.as_nanos(), 5_000_000);
/// assert_eq!(later.saturating_duration_since(Moment::ZERO), Duration::from_millis(5));
/// assert_eq!(Moment::ZERO.saturating_duration_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The moment at which the clock began.
    pub const ZERO: Self = Self(0);

    /// The last moment that can be represented, some 584 years after the first.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the clock began.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock began.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` after this one, or `None` if it is too far away to represent.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// The moment `duration` before this one, or `None` if the clock had not begun then.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_sub(nanos).map(Self)
    }

    /// The time from `earlier` to this moment, or zero if `earlier` is the later one.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The time from the earlier moment to the later one; zero the other way round, as with [`saturating_duration_since`](Moment::saturating_duration_since).
impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// The moment `duration` later, at most [`Moment::MAX`].
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }
}

/// Seconds and nanoseconds, as in `Moment(1.500000000s)`.
impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({}.{:09}s)", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_checked_at_both_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(Moment::MAX.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(Moment::ZERO.checked_add(Duration::MAX), None);
        assert_eq!(Moment::ZERO.checked_sub(Duration::from_nanos(1)), None);
        assert_eq!(Moment::MAX.checked_sub(Duration::MAX), None);
        let one = Moment::ZERO.checked_add(second).unwrap();
        assert_eq!(one.checked_sub(second), Some(Moment::ZERO));
        assert_eq!(Moment::default(), Moment::ZERO);
        assert_eq!((one - Moment::ZERO, Moment::ZERO - one), (second, Duration::ZERO));
        assert_eq!((Moment::ZERO + second, one + Duration::MAX), (one, Moment::MAX));
    }

    #[test]
    fn debug_shows_seconds() {
        assert_eq!(format!("{:?}", Moment::from_nanos(1_500_000_000)), "Moment(1.500000000s)");
    }
}
