use std::fmt;
use std::time::Duration;

use super::Sim;
use super::conn::Side;
use super::host::Host;
use crate::errno;
use crate::scripted::call::{Call, Target};

/// A rule by which a kernel or the network of a [`Sim`] misbehaves: what, where, how probably, how often.
///
/// Rules stand in a list and are asked in the order in which they were installed ([`Sim::fault`]): the first that fits, and
/// whose dice say so, decides. Each rule has dice of its own, so that taking one away does not move what the others do.
///
/// # Examples
///
/// ```
/// use twistor_sim::{Call, Fault, Sim, errno};
///
/// let sim = Sim::new(1);
/// let server = sim.host("server");
/// // One read in ten on the server takes a few bytes only.
/// sim.fault(Fault::short(Call::Recv).on(&server).chance(0.1));
/// // The first three accepts on port 80 find no descriptor.
/// sim.fault(Fault::errno(Call::Accept, errno::EMFILE).target(80).times(3));
/// // Whoever connects to port 443 is cut off after 1,000 bytes, as long as the guard lives.
/// let _guard = sim.fault(Fault::reset_after(1_000).target(443)).guard();
/// assert_eq!(sim.faults().len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) kind: Kind,
    /// The host of the call, or of the server.
    pub(super) host: Option<usize>,
    /// The host of the client, for faults of connections.
    pub(super) client: Option<usize>,
    pub(super) target: Target,
    pub(super) chance: f64,
    pub(super) left: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Call(Call, Does),
    Spurious,
    EarlyWake(Duration),
    SlowLookup(Duration),
    FailedLookup,
    Refuse,
    Swallow,
    /// After so many bytes from this side, with a reset or an end.
    Cut {
        from: Side,
        bytes: u64,
        reset: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Does {
    Short,
    ShortTo(usize),
    WouldBlock(Duration),
    Errno(i32),
}

/// When what a `WouldBlock` hid is reported at the latest, unless [`Fault::delay`] says otherwise.
const OWED: Duration = Duration::from_millis(1);

/// # Faults of calls
impl Fault {
    /// `call` (`Recv`, `Send`) takes at most a few bytes: a random number, from one to some thousands, small ones as probable as
    /// large ones.
    #[must_use]
    pub const fn short(call: Call) -> Self {
        Self::new(Kind::Call(call, Does::Short))
    }

    /// `call` (`Recv`, `Send`) takes at most `most` bytes; zero counts as one.
    #[must_use]
    pub const fn short_to(call: Call, most: usize) -> Self {
        Self::new(Kind::Call(call, Does::ShortTo(if most == 0 { 1 } else { most })))
    }

    /// `call` has nothing to do although it was reported. What is there is reported again within 1 ms, or [`delay`](Self::delay).
    #[must_use]
    pub const fn would_block(call: Call) -> Self {
        Self::new(Kind::Call(call, Does::WouldBlock(OWED)))
    }

    /// `call` fails with this number of [`errno`] and does nothing else. For `EAGAIN` use [`would_block`](Self::would_block).
    /// `EINTR` is tried again at once by whoever gets it: without [`times`](Self::times) or [`chance`](Self::chance) that
    /// never ends.
    #[must_use]
    pub const fn errno(call: Call, code: i32) -> Self {
        Self::new(Kind::Call(call, Does::Errno(code)))
    }

    /// A wait reports one registered socket or listener, at random, as ready for everything, whether it is or not.
    #[must_use]
    pub const fn spurious() -> Self {
        Self::new(Kind::Spurious)
    }

    /// A reactor that went to sleep is woken for nothing, within 1 ms or [`delay`](Self::delay).
    #[must_use]
    pub const fn early_wake() -> Self {
        Self::new(Kind::EarlyWake(OWED))
    }

    /// A lookup takes longer, up to `most`, at random.
    #[must_use]
    pub const fn slow_lookup(most: Duration) -> Self {
        Self::new(Kind::SlowLookup(most))
    }

    /// A lookup fails, with an error of the kind `TimedOut`.
    #[must_use]
    pub const fn failed_lookup() -> Self {
        Self::new(Kind::FailedLookup)
    }
}

/// # Faults of connections
///
/// They are decided when the first segment is at the server: [`on`](Self::on) is the server's host, [`target`](Self::target)
/// its port, [`by`](Self::by) the client's host.
impl Fault {
    /// The server's machine refuses the connection although somebody listens.
    #[must_use]
    pub const fn refuse() -> Self {
        Self::new(Kind::Refuse)
    }

    /// The first segment vanishes: nobody answers. The client repeats it, and the dice are thrown again.
    #[must_use]
    pub const fn black_hole() -> Self {
        Self::new(Kind::Swallow)
    }

    /// When the client has sent `bytes` bytes something in between resets the connection, to both ends. The bytes arrive;
    /// zero strikes with the first data.
    #[must_use]
    pub const fn reset_after(bytes: u64) -> Self {
        Self::new(Kind::Cut { from: Side::Client, bytes, reset: true })
    }

    /// When the client has sent `bytes` bytes the server sees the end of the input behind them, and whatever else is sent is
    /// answered with a reset: the message was cut off without an error.
    #[must_use]
    pub const fn end_after(bytes: u64) -> Self {
        Self::new(Kind::Cut { from: Side::Client, bytes, reset: false })
    }

    /// [`reset_after`](Self::reset_after) and [`end_after`](Self::end_after) count what the server sends, and strike at the client.
    #[must_use]
    pub const fn of_server(mut self) -> Self {
        if let Kind::Cut { from, .. } = &mut self.kind {
            *from = Side::Server;
        }
        self
    }
}

/// # Where and when
impl Fault {
    /// Only on `host`.
    #[must_use]
    pub fn on(mut self, host: &Host) -> Self {
        self.host = Some(host.index());
        self
    }

    /// Only connections that `host` makes.
    #[must_use]
    pub fn by(mut self, host: &Host) -> Self {
        self.client = Some(host.index());
        self
    }

    /// Only on `target`: a port number is that of the own end of a call, or that of the server.
    #[must_use]
    pub fn target(mut self, target: impl Into<Target>) -> Self {
        self.target = target.into();
        self
    }

    /// With a probability of `chance`, zero to one. Default one.
    #[must_use]
    pub const fn chance(mut self, chance: f64) -> Self {
        self.chance = chance;
        self
    }

    /// At most `times` times. Default for ever.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.left = Some(times);
        self
    }

    /// How long [`would_block`](Self::would_block), [`early_wake`](Self::early_wake) and [`slow_lookup`](Self::slow_lookup)
    /// take at most.
    #[must_use]
    pub const fn delay(mut self, most: Duration) -> Self {
        match &mut self.kind {
            Kind::Call(_, Does::WouldBlock(delay)) | Kind::EarlyWake(delay) | Kind::SlowLookup(delay) => {
                *delay = most
            }
            _ => {}
        }
        self
    }

    const fn new(kind: Kind) -> Self {
        Self { kind, host: None, client: None, target: Target::Any, chance: 1.0, left: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Call(call, does) => match does {
                Does::Short => write!(f, "{call:?} takes a few bytes")?,
                Does::ShortTo(most) => write!(f, "{call:?} takes at most {most} bytes")?,
                Does::WouldBlock(delay) => write!(f, "{call:?} would block for up to {delay:?}")?,
                Does::Errno(code) => match errno::name(*code) {
                    Some(name) => write!(f, "{call:?} fails with {name}")?,
                    None => write!(f, "{call:?} fails with error {code}")?,
                },
            },
            Kind::Spurious => f.write_str("a socket is reported for nothing")?,
            Kind::EarlyWake(delay) => write!(f, "the reactor is woken for nothing within {delay:?}")?,
            Kind::SlowLookup(most) => write!(f, "a lookup takes up to {most:?} longer")?,
            Kind::FailedLookup => f.write_str("a lookup fails")?,
            Kind::Refuse => f.write_str("a connection is refused")?,
            Kind::Swallow => f.write_str("a connection is not answered")?,
            Kind::Cut { from, bytes, reset } => {
                let how = if *reset { "reset" } else { "ended" };
                let role = if *from == Side::Client { "client" } else { "server" };
                write!(f, "a connection is {how} after {bytes} bytes of the {role}")?;
            }
        }
        if self.target != Target::Any {
            write!(f, ", on {:?}", self.target)?;
        }
        if let Some(host) = self.host {
            write!(f, ", on host {host}")?;
        }
        if let Some(client) = self.client {
            write!(f, ", from host {client}")?;
        }
        if self.chance < 1.0 {
            write!(f, ", {} %", self.chance * 100.0)?;
        }
        match self.left {
            Some(left) => write!(f, ", {left} times"),
            None => Ok(()),
        }
    }
}

/// A rule that was installed. Dropping this changes nothing; see [`guard`](Self::guard).
#[derive(Clone, Debug)]
pub struct InstalledFault {
    sim: Sim,
    id: u64,
}

impl InstalledFault {
    pub(super) const fn new(sim: Sim, id: u64) -> Self {
        Self { sim, id }
    }

    /// How often the rule struck so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.sim.core().world().faults.used(self.id)
    }

    /// Takes the rule back.
    pub fn remove(self) {
        self.sim.core().world().faults.remove(self.id);
    }

    /// Ties the rule to a guard, whose drop takes it back.
    #[must_use = "the rule is taken back when the guard is dropped"]
    pub const fn guard(self) -> FaultGuard {
        FaultGuard { fault: self }
    }
}

/// Takes its rule back when dropped. Made by [`InstalledFault::guard`].
#[derive(Debug)]
pub struct FaultGuard {
    fault: InstalledFault,
}

impl FaultGuard {
    /// How often the rule struck so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.fault.used()
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.fault.sim.core().world().faults.remove(self.fault.id);
    }
}
