//! From moments to places on the page: even where something happens, broken where nothing does for long.

/// Something that needs a place of its own: a moment, and the number of its event.
pub(super) type Point = (u64, u64);

/// What the scale should come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// The place of the first point.
    pub(super) top: f64,
    /// How far points are apart at least; zero puts those of one moment on one place.
    pub(super) step: f64,
    /// The height, at most.
    pub(super) height: f64,
    /// From what height on a gap is broken.
    pub(super) gap: f64,
    /// How many gaps are broken at most.
    pub(super) breaks: usize,
}

/// A stretch of time that was cut out, without its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Break {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

#[derive(Debug)]
pub(super) struct Scale {
    knots: Vec<(Point, f64)>,
    breaks: Vec<Break>,
    /// Nanoseconds to the pixel, where time is even.
    unit: u64,
}

/// The height of a break.
const BROKEN: f64 = 34.0;

impl Scale {
    /// The finest scale that meets `wish`, of 1, 2 or 5 times a power of ten nanoseconds to the pixel. `points` are sorted, at least one.
    pub(super) fn new(mut points: Vec<Point>, wish: Wish) -> Self {
        if wish.step == 0.0 {
            points.dedup_by_key(|point| point.0);
        }
        let fits = |unit: &u64| {
            let (mut height, mut breaks) = (0.0, 0);
            for pair in points.windows(2) {
                match gap(pair[1].0 - pair[0].0, *unit, wish) {
                    Some(gap) => height += gap,
                    None => (height, breaks) = (height + BROKEN, breaks + 1),
                }
            }
            height <= wish.height && breaks <= wish.breaks
        };
        // The coarsest of all is one pixel to an hour, or to as many as there are.
        let unit = ladder().find(fits).unwrap_or(3_600_000_000_000);
        let mut scale = Self { knots: Vec::with_capacity(points.len()), breaks: Vec::new(), unit };
        let mut y = wish.top;
        for (index, point) in points.iter().enumerate() {
            if index > 0 {
                let before = points[index - 1].0;
                let top = y;
                y += gap(point.0 - before, unit, wish).unwrap_or(BROKEN);
                if gap(point.0 - before, unit, wish).is_none() {
                    scale.breaks.push(Break { from: before, to: point.0, top, bottom: y });
                }
            }
            scale.knots.push((*point, y));
        }
        scale
    }

    /// The place of a point.
    pub(super) fn y(&self, point: Point) -> f64 {
        let above = self.knots.partition_point(|(knot, _)| *knot <= point);
        let Some(&((time, _), y)) = self.knots.get(above.wrapping_sub(1)).or_else(|| self.knots.first())
        else {
            return 0.0;
        };
        match self.knots.get(above) {
            Some(&((next, _), y_next)) if next > time && point.0 > time => {
                y + (y_next - y) * (point.0 - time) as f64 / (next - time) as f64
            }
            _ => y,
        }
    }

    /// The place of a moment: of its first event, if it has several.
    pub(super) fn moment(&self, time: u64) -> f64 {
        self.y((time, 0))
    }

    pub(super) fn top(&self) -> f64 {
        self.knots.first().map_or(0.0, |(_, y)| *y)
    }

    pub(super) fn bottom(&self) -> f64 {
        self.knots.last().map_or(0.0, |(_, y)| *y)
    }

    pub(super) fn breaks(&self) -> &[Break] {
        &self.breaks
    }

    pub(super) const fn unit(&self) -> u64 {
        self.unit
    }

    /// Where to write the time, and the step it is a multiple of. After a break there is always one, if need be at the first moment.
    pub(super) fn ticks(&self) -> (Vec<(u64, f64)>, u64) {
        /// How far ticks are apart, on an average and at least.
        const USUAL: f64 = 52.0;
        const LEAST: f64 = 15.0;
        let stretches = self.stretches();
        let most = ((self.bottom() - self.top()) / USUAL).max(2.0) as u64;
        let count = |step: &u64| stretches.iter().map(|(from, to)| (to - from) / step).sum::<u64>() <= most;
        let step = steps().find(count).unwrap_or(3_600_000_000_000);
        let mut ticks: Vec<(u64, f64)> = Vec::new();
        for (from, to) in stretches {
            let before = ticks.len();
            let mut next = from.div_ceil(step).checked_mul(step);
            while let Some(time) = next.filter(|time| *time <= to) {
                let y = self.moment(time);
                if ticks.last().is_none_or(|(_, last)| y - last >= LEAST) {
                    ticks.push((time, y));
                }
                next = time.checked_add(step);
            }
            if ticks.len() == before {
                ticks.push((from, self.moment(from)));
            }
        }
        (ticks, step)
    }

    /// What is between the breaks.
    fn stretches(&self) -> Vec<(u64, u64)> {
        let first = self.knots.first().map_or(0, |((time, _), _)| *time);
        let last = self.knots.last().map_or(0, |((time, _), _)| *time);
        let starts = std::iter::once(first).chain(self.breaks.iter().map(|gone| gone.to));
        starts.zip(self.breaks.iter().map(|gone| gone.from).chain([last])).collect()
    }
}

/// How high `time` is, or `None` if that is cut out.
fn gap(time: u64, unit: u64, wish: Wish) -> Option<f64> {
    let height = time as f64 / unit as f64;
    (height <= wish.gap).then(|| height.max(wish.step))
}

/// 1, 2, 5, 10, and so on, up to what is beyond any trace.
fn ladder() -> impl Iterator<Item = u64> {
    (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)))
}

/// As far apart as ticks can be: 1, 2, 5, 10, and so on up to 10 s, then what divides minutes, hours and days.
fn steps() -> impl Iterator<Item = u64> {
    const SECOND: u64 = 1_000_000_000;
    let large = [20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 18_000, 36_000, 86_400];
    ladder().take_while(|step| *step <= 10 * SECOND).chain(large.map(|step| step * SECOND)).chain(
        // Longer than a day: as many days as it takes.
        ladder().map(|days| days.saturating_mul(86_400 * SECOND)).take_while(|step| *step < u64::MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: Wish = Wish { top: 10.0, step: 0.0, height: 500.0, gap: 100.0, breaks: 1 };

    #[test]
    fn what_is_even_stays_even() {
        let scale = Scale::new((0..=10).map(|n| (n * 1_000, n)).collect(), WISH);
        assert_eq!((scale.unit(), scale.breaks().len()), (20, 0));
        assert_eq!(scale.moment(0), 10.0);
        assert_eq!(scale.moment(500), 35.0);
        assert_eq!(scale.moment(10_000), 510.0);
        assert_eq!(scale.moment(99_000), 510.0, "nothing is beyond the last point");
    }

    #[test]
    fn what_is_long_and_empty_is_cut_out() {
        let scale = Scale::new(vec![(0, 0), (100, 1), (1_000_000, 2), (1_000_100, 3)], WISH);
        assert_eq!(scale.unit(), 1);
        let gone = scale.breaks()[0];
        assert_eq!((gone.from, gone.to, gone.top, gone.bottom), (100, 1_000_000, 110.0, 144.0));
        assert_eq!(scale.moment(1_000_050), 194.0);
        // Each part has its ticks.
        let (ticks, step) = scale.ticks();
        assert!(step >= 20, "{step}");
        assert!(
            ticks.iter().any(|(time, _)| *time <= 100) && ticks.iter().any(|(time, _)| *time >= 1_000_000)
        );
    }

    #[test]
    fn events_of_one_moment_have_places_of_their_own_if_wished() {
        let scale = Scale::new(vec![(5, 1), (5, 2), (5, 3)], Wish { step: 11.0, ..WISH });
        assert_eq!([(5, 1), (5, 2), (5, 3)].map(|point| scale.y(point)), [10.0, 21.0, 32.0]);
        let flat = Scale::new(vec![(5, 1), (5, 2), (5, 3)], WISH);
        assert_eq!([(5, 1), (5, 2), (5, 3)].map(|point| flat.y(point)), [10.0, 10.0, 10.0]);
    }
}
