//! Medians, and how sure one can be of them.

/// How often the samples are drawn again.
const RESAMPLES: usize = 2_000;

/// A median, and the interval in which 95 % of the medians of samples drawn again are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// 2.5 % are below.
    pub low: f64,
    /// The median of the samples themselves.
    pub median: f64,
    /// 2.5 % are above.
    pub high: f64,
}

impl Interval {
    /// The interval of `samples`, by drawing as many of them again, with replacement, 2,000 times, from the random numbers that `seed`
    /// begins. `None` if there are none. One sample alone is its own interval, which says nothing.
    #[must_use]
    pub fn of(samples: &[f64], seed: u64) -> Option<Self> {
        let middle = median(samples)?;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut drawn = vec![0.0; samples.len()];
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                drawn.iter_mut().for_each(|it| *it = samples[random.usize(..samples.len())]);
                middle_of(&mut drawn)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let at = |part: f64| medians[((RESAMPLES - 1) as f64 * part).round() as usize];
        Some(Self { low: at(0.025), median: middle, high: at(0.975) })
    }

    /// How far this reaches from 1, either way: what two equal things may differ by, if it is the interval of their ratio.
    #[must_use]
    pub fn spread(&self) -> f64 {
        (self.high - 1.0).max(1.0 - self.low).max(0.0)
    }

    /// How far this reaches from 0, either way: the same for the interval of a difference.
    #[must_use]
    pub fn reach(&self) -> f64 {
        self.high.max(-self.low).max(0.0)
    }
}

/// The median; of an even number of samples, halfway between the two in the middle. `None` if there are none.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| middle_of(&mut samples.to_vec()))
}

/// The median of samples that are there. It leaves them in another order.
fn middle_of(samples: &mut [f64]) -> f64 {
    let (half, odd) = (samples.len() / 2, samples.len() % 2 == 1);
    let (below, middle, _) = samples.select_nth_unstable_by(half, f64::total_cmp);
    let middle = *middle;
    if odd {
        return middle;
    }
    let below = below.iter().copied().max_by(f64::total_cmp).unwrap_or(middle);
    f64::midpoint(below, middle)
}

/// Each of `samples` through the one of `base` of the same round. Rounds that one of them has not are left out.
#[must_use]
pub fn ratios(samples: &[Option<f64>], base: &[Option<f64>]) -> Vec<f64> {
    pairs(samples, base).filter(|(_, base)| *base > 0.0).map(|(it, base)| it / base).collect()
}

/// Each of `samples` less the one of `base` of the same round. Rounds that one of them has not are left out.
#[must_use]
pub fn differences(samples: &[Option<f64>], base: &[Option<f64>]) -> Vec<f64> {
    pairs(samples, base).map(|(it, base)| it - base).collect()
}

fn pairs(samples: &[Option<f64>], base: &[Option<f64>]) -> impl Iterator<Item = (f64, f64)> {
    samples.iter().zip(base).filter_map(|(it, base)| Some(((*it)?, (*base)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn an_interval_of_equal_samples_is_a_point() {
        let same = Interval { low: 2.0, median: 2.0, high: 2.0 };
        assert_eq!(Interval::of(&[2.0; 9], 1), Some(same));
        assert_eq!(Interval::of(&[], 1), None);
    }

    #[test]
    fn an_interval_is_that_of_the_order_statistics() {
        // For 25 samples the median of a resample is below the k-th smallest if at least 13 of 25 draws are, which is binomial: the
        // 2.5 % points of 1..=25 are at 8 and 18, give or take one.
        let samples: Vec<f64> = (1..=25).map(f64::from).collect();
        for seed in 0..20 {
            let interval = Interval::of(&samples, seed).unwrap();
            assert_eq!(interval.median, 13.0);
            assert!((7.0..=9.0).contains(&interval.low), "{interval:?}");
            assert!((17.0..=19.0).contains(&interval.high), "{interval:?}");
        }
    }

    #[test]
    fn an_interval_holds_the_true_median_nineteen_times_of_twenty() {
        let mut random = fastrand::Rng::with_seed(7);
        let held = (0..400)
            .filter(|seed| {
                let samples: Vec<f64> = (0..21).map(|_| random.f64()).collect();
                let interval = Interval::of(&samples, *seed).unwrap();
                interval.low <= 0.5 && 0.5 <= interval.high
            })
            .count();
        assert!((365..=396).contains(&held), "{held} of 400");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let samples: Vec<f64> = (0..12).map(|it| f64::from(it * it % 7)).collect();
        assert_eq!(Interval::of(&samples, 3), Interval::of(&samples, 3));
    }

    #[test]
    fn a_spread_is_the_farther_end() {
        let of = |low, high| Interval { low, median: 1.0, high };
        assert!((of(0.98, 1.01).spread() - 0.02).abs() < 1e-12);
        assert!((of(0.99, 1.05).spread() - 0.05).abs() < 1e-12);
        assert!((of(1.0, 1.0).spread()).abs() < 1e-12);
        assert!((of(-3.0, 2.0).reach() - 3.0).abs() < 1e-12);
    }

    #[test]
    fn rounds_are_compared_with_themselves() {
        let samples = [Some(2.0), None, Some(9.0), Some(1.0)];
        let base = [Some(1.0), Some(5.0), Some(3.0), Some(0.0)];
        assert_eq!(ratios(&samples, &base), [2.0, 3.0]);
        assert_eq!(differences(&samples, &base), [1.0, 6.0, 1.0]);
    }
}
