//! The ways between machines: how long a segment takes, and whether it comes through.

use std::collections::BTreeMap;
use std::time::Duration;

use twistor_reactor::Moment;

use super::dice::Dice;

/// How a way between two machines is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quality {
    pub(super) latency: Duration,
    /// What a segment takes longer at most, at random.
    pub(super) jitter: Duration,
    /// Bytes a second in each direction; `None` is as many as there are.
    pub(super) bandwidth: Option<u64>,
    pub(super) loss: f64,
    /// The most bytes of one segment.
    pub(super) segment: usize,
}

/// What fits into a packet of Ethernet.
const ETHERNET: usize = 1_460;
/// What fits into a packet of the loopback.
const LOOPBACK: usize = 65_483;

/// All ways. Those that nobody described are as the default says.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) default: Quality,
    loopback: Quality,
    described: BTreeMap<(usize, usize), Path>,
}

#[derive(Debug, Default)]
struct Path {
    /// `None`: as the default, whatever that becomes.
    quality: Option<Quality>,
    /// From the lower number to the higher, and back.
    directions: [Direction; 2],
}

#[derive(Debug, Default)]
struct Direction {
    cut: bool,
    /// Until when what was sent before takes all of the bandwidth.
    busy_until: Moment,
}

/// A way, and in which direction it is gone.
fn way(from: usize, to: usize) -> ((usize, usize), usize) {
    if from <= to { ((from, to), 0) } else { ((to, from), 1) }
}

impl Default for Paths {
    fn default() -> Self {
        let default = Quality {
            latency: MILLISECOND,
            jitter: Duration::ZERO,
            bandwidth: None,
            loss: 0.0,
            segment: ETHERNET,
        };
        let loopback = Quality { latency: Duration::ZERO, segment: LOOPBACK, ..default };
        Self { default, loopback, described: BTreeMap::new() }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

impl Paths {
    pub(super) fn quality(&self, from: usize, to: usize) -> Quality {
        let own = self.described.get(&way(from, to).0).and_then(|path| path.quality);
        own.unwrap_or(if from == to { self.loopback } else { self.default })
    }

    pub(super) fn describe(&mut self, a: usize, b: usize, change: impl FnOnce(&mut Quality)) {
        let mut quality = self.quality(a, b);
        change(&mut quality);
        self.described.entry(way(a, b).0).or_default().quality = Some(quality);
    }

    pub(super) fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        let (key, direction) = way(from, to);
        self.described.entry(key).or_default().directions[direction].cut = cut;
    }

    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        let (key, direction) = way(from, to);
        self.described.get(&key).is_some_and(|path| path.directions[direction].cut)
    }

    /// All ways that are cut, from and to.
    pub(super) fn cuts(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.described.iter().flat_map(|(&(low, high), path)| {
            let [there, back] = &path.directions;
            [(there.cut, (low, high)), (back.cut, (high, low))]
                .into_iter()
                .filter_map(|(cut, way)| cut.then_some(way))
        })
    }

    /// When `bytes` that leave at `now` are at the other end, losses aside. They wait for what was sent before them.
    pub(super) fn travel(
        &mut self,
        now: Moment,
        from: usize,
        to: usize,
        bytes: usize,
        dice: &mut Dice,
    ) -> Moment {
        let Quality { latency, jitter, bandwidth, .. } = self.quality(from, to);
        let mut left = now;
        if let Some(rate) = bandwidth {
            let (key, direction) = way(from, to);
            let busy = &mut self.described.entry(key).or_default().directions[direction].busy_until;
            left = later(now.max(*busy), time_of(bytes, rate));
            *busy = left;
        }
        let delay = if jitter.is_zero() { latency } else { latency.saturating_add(dice.time(jitter)) };
        later(left, delay)
    }
}

/// How long `bytes` take at `rate` bytes a second, rounded up to nanoseconds.
fn time_of(bytes: usize, rate: u64) -> Duration {
    let nanos = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The moment `delay` after `now`; one that cannot be represented is the last there is, which never comes.
pub(super) fn later(now: Moment, delay: Duration) -> Moment {
    now.checked_add(delay).unwrap_or(Moment::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;

    #[test]
    fn bandwidth_is_shared_in_order_and_each_direction_has_its_own() {
        let mut paths = Paths::default();
        let mut dice = Dice::new(0, Purpose::Network);
        paths.describe(0, 1, |quality| quality.bandwidth = Some(1_000));
        let mut travel = |from, to, bytes| paths.travel(Moment::ZERO, from, to, bytes, &mut dice).as_nanos();
        assert_eq!(travel(0, 1, 100), 101_000_000);
        assert_eq!(travel(0, 1, 100), 201_000_000);
        assert_eq!(travel(1, 0, 0), 1_000_000);
        assert_eq!(travel(1, 0, 1), 2_000_000);
        assert_eq!(travel(1, 2, 1_000_000), 1_000_000, "the default has no limit");
        assert_eq!(travel(2, 2, 7), 0, "the loopback takes no time");
    }

    #[test]
    fn a_cut_has_a_direction() {
        let mut paths = Paths::default();
        paths.set_cut(2, 1, true);
        assert!(paths.is_cut(2, 1) && !paths.is_cut(1, 2));
        assert_eq!(paths.cuts().collect::<Vec<_>>(), [(2, 1)]);
        paths.set_cut(2, 1, false);
        assert_eq!(paths.cuts().count(), 0);
    }
}
