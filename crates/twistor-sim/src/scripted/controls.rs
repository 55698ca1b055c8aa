//! What a test says to its kernel.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, SystemTime};

use twistor_reactor::Moment;
use twistor_reactor::kernel::{Interest, Kernel, ListenOptions, Readiness};

use super::ScriptedKernel;
use super::call::{Call, CallRecord, Target};
use super::endpoint::Owner;
use super::peer::{Peer, PeerListener, fresh_hand};
use super::resolver::{Host, HostSays};
use super::script::{Answer, Script};
use super::timeline::Event;
use crate::edges::Edges;

/// # Time
impl ScriptedKernel {
    /// Moves the clock on by `time`, through everything that is planned on the way. Reports nothing: that is for the next wait.
    pub fn advance(&self, time: Duration) {
        let end = self.now().checked_add(time).unwrap_or(Moment::MAX);
        loop {
            let next = self.world().timeline.next_at().filter(|next| *next <= end);
            self.advance_clock(next.unwrap_or(end));
            if next.is_none() {
                return;
            }
            self.run_due();
        }
    }

    /// Runs `action` when `delay` from now has passed, in the wait (or [`advance`](Self::advance)) that gets there. Actions of one
    /// moment run in the order in which they were planned; the kernel is not borrowed meanwhile, so they may do anything with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use twistor_reactor::kernel::{Kernel, ListenOptions, Token};
    /// use twistor_sim::ScriptedKernel;
    ///
    /// let kernel = ScriptedKernel::new();
    /// let listener = kernel.listen_stream("127.0.0.1:80".parse()?, &ListenOptions::default())?;
    /// listener.register(Token::new(0, 0))?;
    /// kernel.at(Duration::from_secs(3600), |kernel| kernel.dial("127.0.0.1:80".parse().unwrap()).send(b"hi"));
    ///
    /// let mut ready = Vec::new();
    /// kernel.wait(None, &mut ready)?;
    /// assert_eq!(ready.len(), 1);
    /// assert_eq!(kernel.now().as_nanos(), 3_600_000_000_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(&self, delay: Duration, action: impl FnOnce(&Self) + 'static) {
        let mut world = self.world();
        // A time that cannot be represented is the last one there is.
        let at = world.now.checked_add(delay).unwrap_or(Moment::MAX);
        world.timeline.plan(at, Event::Action(Box::new(action)));
    }

    /// Sets what the reactor's random numbers begin with. There is a fixed default.
    pub fn set_seed(&self, seed: u64) {
        self.world().config.seed = seed;
    }

    /// Sets the time of day that it was at time zero. Default: the first moment of 2025, UTC.
    pub fn set_wall_clock(&self, begin: SystemTime) {
        self.world().config.wall_clock = begin;
    }

    /// A wait that could never end sleeps up to `patience` of *real* time for another thread to wake it, before that is an error. Default
    /// zero. For tests with threads of their own, which virtual time cannot know about.
    pub fn set_patience(&self, patience: Duration) {
        self.world().config.patience = patience;
    }

    /// Limits the events that one wait reports, at least one; the others come with the next. Default: no limit.
    pub fn set_events_per_wait(&self, most: usize) {
        self.world().ready.most = most.max(1);
    }
}

/// # The network
impl ScriptedKernel {
    /// Connects to a listener of this kernel from outside; the connection is in its backlog, or waits for room there.
    ///
    /// # Panics
    ///
    /// If nobody listens at `address`; where that is the question, ask [`is_listening`](Self::is_listening).
    #[track_caller]
    pub fn dial(&self, address: SocketAddr) -> Peer {
        let anywhere = if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        self.dial_from(anywhere.parse().expect("both are addresses"), address)
    }

    /// As [`dial`](Self::dial), from the address `from`; with port zero, from one of its ports.
    ///
    /// # Panics
    ///
    /// If nobody listens at `address`, or if `from` is of another family.
    #[track_caller]
    pub fn dial_from(&self, from: SocketAddr, address: SocketAddr) -> Peer {
        let mut world = self.world();
        let (net, ready) = world.wires();
        assert!(net.is_listening(address), "nobody listens at {address}");
        let id = match net.connecting(Some(from), address, fresh_hand()) {
            Ok(id) => id,
            Err(error) => panic!("cannot dial {address} from {from}: {error}"),
        };
        net.arrive(id, ready);
        drop(world);
        Peer::new(self.clone(), id)
    }

    /// Whether a dial to `address` would find a listener of this kernel.
    #[must_use]
    pub fn is_listening(&self, address: SocketAddr) -> bool {
        self.world().net.is_listening(address)
    }

    /// From now on connects to `address` are answered by the test, until the result is dropped. It stands for another machine: a
    /// listener of this kernel on the same address hears nothing meanwhile.
    ///
    /// # Panics
    ///
    /// If the test answers at `address` already.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_reactor::kernel::{ConnectOptions, Kernel};
    /// use twistor_sim::ScriptedKernel;
    ///
    /// let kernel = ScriptedKernel::new();
    /// let server = kernel.expect_connect("198.51.100.7:443".parse()?);
    /// let socket = kernel.connect_stream("198.51.100.7:443".parse()?, &ConnectOptions::default())?;
    /// let peer = server.accept().expect("somebody connected");
    /// assert_eq!(peer.remote(), socket.local()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn expect_connect(&self, address: SocketAddr) -> PeerListener {
        let mut world = self.world();
        let (net, ready) = world.wires();
        let Ok(id) = net.listen(address, &ListenOptions::default(), true) else {
            panic!("connects to {address} are answered already");
        };
        let address = net.listeners[&id].address;
        net.retry(ready);
        drop(world);
        PeerListener::new(self.clone(), id, address)
    }

    /// From now on connects to `address` get no answer at all, nor do those to any of its ports if its port is zero.
    pub fn black_hole(&self, address: SocketAddr) {
        let mut world = self.world();
        let (net, ready) = world.wires();
        net.set_black_hole(address, true, ready);
    }

    /// Takes back a [`black_hole`](Self::black_hole). Connects that are waiting get their answer now.
    pub fn lift_black_hole(&self, address: SocketAddr) {
        let mut world = self.world();
        let (net, ready) = world.wires();
        net.set_black_hole(address, false, ready);
    }

    /// Every connect of this kernel's sockets from now on takes `time` to be answered or refused. Default zero: at the next wait.
    pub fn set_connect_time(&self, time: Duration) {
        self.world().config.connect_time = time;
    }

    /// The sizes in bytes of the receive and the send buffer of sockets that are made from now on, at least one. Default 64 KiB each, so that
    /// 128 KiB can be on their way to a peer that does not read.
    pub fn set_buffers(&self, receive: usize, send: usize) {
        let mut world = self.world();
        (world.net.receive_capacity, world.net.send_capacity) = (receive.max(1), send.max(1));
    }
}

/// # Faults
impl ScriptedKernel {
    /// The next `call` answers `answer` instead of the truth. The result says more precisely which call is meant, how often, and what
    /// comes after; it can be ignored.
    ///
    /// Rules are asked in the order in which they were made: the first that fits a call answers it. Peers are not concerned.
    ///
    /// # Examples
    ///
    /// ```
    /// use twistor_sim::{Answer, Call, ScriptedKernel, Target, errno};
    ///
    /// let kernel = ScriptedKernel::new();
    /// kernel.script(Call::Recv, Answer::Short(3));
    /// kernel.script(Call::Accept, Answer::Errno(errno::EMFILE)).on(Target::Listener(80)).times(5);
    /// // The third send to port 443 fails.
    /// kernel.script(Call::Send, Answer::Pass).times(2).on(Target::Peer(443)).then(Answer::Errno(errno::EPIPE));
    /// // As long as the guard lives, every read on our port 80 takes one byte.
    /// let _slow = kernel.script(Call::Recv, Answer::Short(1)).on(80).always().guard();
    /// assert_eq!(kernel.script_left().len(), 4);
    /// ```
    pub fn script(&self, call: Call, answer: Answer) -> Script {
        let rule = self.world().script.add(call, Target::Any, answer);
        Script::new(self.clone(), rule)
    }

    /// The rules that still have answers to give, in words, without those that are given for ever. Empty at the end of a test whose
    /// script was played to its end.
    #[must_use]
    pub fn script_left(&self) -> Vec<String> {
        self.world().script.left()
    }

    /// The next wait reports whatever `target` fits as readable and writable, though nothing is there. A [`Token`] is reported even if
    /// nothing is registered under it, as a kernel may do with one whose owner is gone.
    ///
    /// [`Token`]: twistor_reactor::kernel::Token
    pub fn spurious(&self, target: impl Into<Target>) {
        self.world().wake_for_nothing(target.into());
    }

    /// The next wait reports `event`, before everything else, whatever the truth is.
    pub fn report(&self, event: Readiness) {
        self.world().ready.inject(event);
    }
}

/// # Names, jobs, signals, descriptors
impl ScriptedKernel {
    /// Lookups of `name` give `addresses`, in this order, at the next wait. Names are compared without case; `localhost` is 127.0.0.1 by
    /// itself, an address in writing is its own answer, any other name is not found.
    pub fn host<A: Into<IpAddr>>(&self, name: &str, addresses: impl IntoIterator<Item = A>) {
        self.host_after(name, Duration::ZERO, addresses);
    }

    /// As [`host`](Self::host), but the answer takes `delay`.
    pub fn host_after<A: Into<IpAddr>>(
        &self,
        name: &str,
        delay: Duration,
        addresses: impl IntoIterator<Item = A>,
    ) {
        let says = HostSays::Addresses(addresses.into_iter().map(Into::into).collect());
        self.world().lookups.set(name, Host { delay, says });
    }

    /// Lookups of `name` fail with `kind` after `delay`.
    pub fn host_fails(&self, name: &str, delay: Duration, kind: io::ErrorKind) {
        self.world().lookups.set(name, Host { delay, says: HostSays::Fails(kind) });
    }

    /// Lookups of `name` are never answered.
    pub fn host_silent(&self, name: &str) {
        self.world().lookups.set(name, Host { delay: Duration::ZERO, says: HostSays::Nothing });
    }

    /// Every job that is started from now on takes `time` and runs at its end, as many at once as the pool has threads. Default zero:
    /// all run in line in the next wait, in order, however many threads there are.
    pub fn job_time(&self, time: Duration) {
        let mut world = self.world();
        let world = &mut *world;
        world.jobs.set_time(time, world.now, &mut world.timeline);
    }

    /// The process gets `signal`. If nobody watches it, it acts by default, which here means that it is listed as
    /// [unhandled](Self::unhandled_signals).
    pub fn raise(&self, signal: i32) {
        let mut world = self.world();
        let world = &mut *world;
        world.signals.raise(signal, &mut world.ready);
    }

    /// The signals that came when nobody watched them, in order.
    #[must_use]
    pub fn unhandled_signals(&self) -> Vec<i32> {
        self.world().signals.unhandled.clone()
    }

    /// Says that `fd` is ready for `interest` from now on, and for nothing else. The descriptor itself is not asked anything.
    pub fn set_ready(&self, fd: BorrowedFd<'_>, interest: Interest) {
        let mut edges = Edges::NONE;
        if interest.is_read() {
            edges |= Edges::READABLE;
        }
        if interest.is_write() {
            edges |= Edges::WRITABLE;
        }
        self.set_descriptor(fd, edges);
    }

    /// Says that the other end of `fd` hung up.
    pub fn hang_up(&self, fd: BorrowedFd<'_>) {
        self.set_descriptor(fd, Edges::READ_CLOSED | Edges::WRITE_CLOSED);
    }

    /// Says that `fd` cannot be polled, like a regular file.
    pub fn refuse_to_poll(&self, fd: BorrowedFd<'_>) {
        self.world().descriptors.refuse_to_poll(fd.as_raw_fd());
    }

    fn set_descriptor(&self, fd: BorrowedFd<'_>, edges: Edges) {
        let mut world = self.world();
        let world = &mut *world;
        world.descriptors.set(fd.as_raw_fd(), edges, &mut world.ready);
    }
}

/// # What happened, and what is left
impl ScriptedKernel {
    /// The calls that were made, oldest first; the last 10,000, or as many as [`keep_calls`](Self::keep_calls) said.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.world().record.kept()
    }

    /// How often `call` was made since the beginning or [`forget_calls`](Self::forget_calls), whether it is still on record or not.
    #[must_use]
    pub fn count(&self, call: Call) -> usize {
        self.world().record.count(call)
    }

    /// Keeps the last `limit` calls on record; zero keeps none. They are counted all the same.
    pub fn keep_calls(&self, limit: usize) {
        self.world().record.keep(limit);
    }

    /// Forgets all calls, and counts from zero again.
    pub fn forget_calls(&self) {
        self.world().record.forget();
    }

    /// How many stream sockets the user of the kernel holds; peers and connections in a backlog are not counted.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.world().net.sockets.values().filter(|socket| matches!(socket.owner, Owner::User)).count()
    }

    /// How many listeners the user of the kernel holds.
    #[must_use]
    pub fn open_listeners(&self) -> usize {
        self.world().net.listeners.values().filter(|listener| !listener.by_hand).count()
    }

    /// How many dropped sockets live on in the network, since what they have to send did not all arrive, or the other end did not close.
    #[must_use]
    pub fn lingering(&self) -> usize {
        self.world().net.sockets.values().filter(|socket| matches!(socket.owner, Owner::Nobody)).count()
    }

    /// How many sources are registered under a token: sockets, listeners, lookups, signals, descriptors.
    #[must_use]
    pub fn registered(&self) -> usize {
        self.world().registered().len()
    }
}
