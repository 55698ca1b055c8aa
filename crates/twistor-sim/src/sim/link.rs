use std::fmt;
use std::time::Duration;

use super::Sim;
use super::paths::Quality;
use super::trace::Happening;

/// The way between two hosts, or what all ways are like that nobody described. Made by [`Sim::link`] and [`Sim::links`].
///
/// What is said is true from now on, in both directions unless it says otherwise; what is on its way already arrives as it was
/// sent. Of a way between two hosts the first setting makes a copy of the default.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use twistor_sim::Sim;
///
/// let sim = Sim::new(1);
/// let (home, work) = (sim.host("home"), sim.host("work"));
/// sim.links().latency(Duration::from_millis(20));
/// // A bad line: 80 to 100 ms, a megabit a second, one segment in a hundred lost.
/// let line = sim.link(&home, &work);
/// line.latency(Duration::from_millis(80)).jitter(Duration::from_millis(20)).bandwidth(125_000).loss(0.01);
/// line.partition_from(&home); // what work sends still arrives at home
/// line.heal();
/// ```
#[derive(Clone)]
pub struct Link {
    sim: Sim,
    ends: Option<(usize, usize)>,
}

impl Link {
    pub(super) const fn between(sim: Sim, a: usize, b: usize) -> Self {
        Self { sim, ends: Some((a, b)) }
    }

    pub(super) const fn default_of(sim: Sim) -> Self {
        Self { sim, ends: None }
    }

    /// How long a segment takes from one end to the other. Default 1 ms; on a loopback zero.
    pub fn latency(&self, latency: Duration) -> &Self {
        self.change(|quality| quality.latency = latency)
    }

    /// What a segment takes longer at most, at random, each value as probable as the other. The order of one connection's
    /// segments is kept. Default zero.
    pub fn jitter(&self, most: Duration) -> &Self {
        self.change(|quality| quality.jitter = most)
    }

    /// How many bytes a second come through in each direction, at least one; all connections share them, first come first served. A
    /// segment is there when its last byte is. Only the user's bytes count. Default: no limit.
    pub fn bandwidth(&self, bytes_per_second: u64) -> &Self {
        self.change(|quality| quality.bandwidth = Some(bytes_per_second.max(1)))
    }

    /// No limit of bandwidth any more.
    pub fn no_bandwidth(&self) -> &Self {
        self.change(|quality| quality.bandwidth = None)
    }

    /// The probability with which a segment is lost, zero to one. TCP repeats it: it arrives later by 200 ms, twice as much
    /// for each further loss, and what was sent behind it waits. Default zero.
    pub fn loss(&self, probability: f64) -> &Self {
        self.change(|quality| quality.loss = probability)
    }

    /// The most bytes that travel in one piece, at least one. Default 1,460, as over Ethernet; on a loopback 65,483.
    pub fn segment_size(&self, bytes: usize) -> &Self {
        self.change(|quality| quality.segment = bytes.max(1))
    }

    /// Nothing gets through any more, either way. What is sent is held, parts of handshakes are dropped.
    ///
    /// # Panics
    ///
    /// On the [default](Sim::links): cut ways one by one.
    #[track_caller]
    pub fn partition(&self) {
        let (a, b) = self.ends();
        self.cut(&[(a, b), (b, a)], true);
    }

    /// Nothing from `host` gets through any more; what is sent to it does. (Acknowledgements are not simulated: only who
    /// sends over the cut way finds out, when its patience ends.)
    ///
    /// # Panics
    ///
    /// If `host` is not at one of the ends; on the [default](Sim::links).
    #[track_caller]
    pub fn partition_from(&self, host: &super::Host) {
        let (a, b) = self.ends();
        assert!([a, b].contains(&host.index()), "{host:?} is not at an end of {self:?}");
        let other = if host.index() == a { b } else { a };
        self.cut(&[(host.index(), other)], true);
    }

    /// Everything gets through again, both ways: what was held arrives one latency from now, in order; handshakes go on when their
    /// next repetition comes.
    ///
    /// # Panics
    ///
    /// On the [default](Sim::links).
    #[track_caller]
    pub fn heal(&self) {
        let (a, b) = self.ends();
        self.cut(&[(a, b), (b, a)], false);
    }

    #[track_caller]
    fn ends(&self) -> (usize, usize) {
        self.ends.expect("only a way between two hosts can be cut")
    }

    fn change(&self, change: impl FnOnce(&mut Quality)) -> &Self {
        let mut world = self.sim.core().world();
        match self.ends {
            Some((a, b)) => world.paths.describe(a, b, change),
            None => change(&mut world.paths.default),
        }
        drop(world);
        self
    }

    fn cut(&self, ways: &[(usize, usize)], cut: bool) {
        let mut world = self.sim.core().world();
        for (from, to) in ways {
            if world.paths.is_cut(*from, *to) != cut {
                world.paths.set_cut(*from, *to, cut);
                let to = world.trail.host_name(*to);
                world.note_host(*from, if cut { Happening::Cut(to) } else { Happening::Healed(to) });
            }
        }
        world.release();
        world.probe_all();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("ends", &self.ends).finish_non_exhaustive()
    }
}
