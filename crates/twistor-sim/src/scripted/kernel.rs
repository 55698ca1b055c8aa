//! The kernel's own calls, the wait among them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use twistor_reactor::Moment;
use twistor_reactor::kernel::{
    ConnectOptions, Descriptors, Jobs, Kernel, ListenOptions, Readiness, Resolver, Signals, StreamListener,
    StreamSocket,
};

use super::ScriptedKernel;
use super::call::{Call, Outcome, Who};
use super::endpoint::Owner;
use super::resolver::ANSWERED;
use super::socket::{ScriptedListener, ScriptedStream};
use super::timeline::Event;
use super::world::World;

impl Kernel for ScriptedKernel {
    fn now(&self) -> Moment {
        self.world().now
    }

    fn wall_time(&self) -> SystemTime {
        let world = self.world();
        world.config.wall_clock + world.now.saturating_duration_since(Moment::ZERO)
    }

    fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        let scripted = self.world().script.answer(Call::Wait, &Who::default());
        let before = ready.len();
        let result = match scripted.and_then(super::Answer::as_wait) {
            Some(answer) => answer,
            None => self.wait_in_truth(timeout, ready),
        };
        let outcome = match &result {
            Ok(()) => Outcome::Count(ready.len() - before),
            Err(error) => Outcome::from(error),
        };
        self.world().note(Call::Wait, Who::default(), outcome, scripted.is_some());
        result
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.core.wake))
    }

    fn seed(&self) -> u64 {
        self.world().config.seed
    }

    fn listen_stream(
        &self,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<Box<dyn StreamListener>> {
        let who = Who { local: Some(address.port()), listens: true, ..Who::default() };
        let mut world = self.world();
        let id = world.call(
            Call::Listen,
            who,
            |_| Outcome::Done,
            |world, _| world.net.listen(address, options, false),
        )?;
        let port = world.net.listeners[&id].address.port();
        world.record.name_last(id, port);
        Ok(Box::new(ScriptedListener::new(self.clone(), id)))
    }

    fn connect_stream(
        &self,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<Box<dyn StreamSocket>> {
        let local = options.bind_address.map(|bind| bind.port());
        let who = Who { local, peer: Some(address.port()), ..Who::default() };
        let mut world = self.world();
        let id = world.call(
            Call::Connect,
            who,
            |_| Outcome::Done,
            |world, _| world.net.connecting(options.bind_address, address, Owner::User),
        )?;
        let port = world.net.sockets[&id].local.port();
        world.record.name_last(id, port);
        world.set_out(id);
        Ok(Box::new(ScriptedStream::new(self.clone(), id)))
    }

    fn descriptors(&self) -> io::Result<&dyn Descriptors> {
        Ok(self)
    }

    fn resolver(&self) -> io::Result<&dyn Resolver> {
        Ok(self)
    }

    fn jobs(&self) -> io::Result<&dyn Jobs> {
        Ok(self)
    }

    fn signals(&self) -> io::Result<&dyn Signals> {
        Ok(self)
    }
}

/// How many planned events one wait goes through without anything becoming ready, before it counts as one that never ends: far
/// more than a unit test plans.
const EVENTS_PER_WAIT: usize = 100_000;

/// How many waits in a row may report nothing while the clock stands still, before that counts as a loop that spins: a second's
/// worth, so that it fails and does not hang.
const IDLE_WAITS: usize = 1_000_000;

impl ScriptedKernel {
    /// One wait: jobs, what is due, what is ready; and as long as that is nothing, on to the next planned event.
    fn wait_in_truth(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        // A deadline that cannot be represented is further away than anything planned.
        let begin = self.world().now;
        let deadline = timeout.map(|timeout| begin.checked_add(timeout).unwrap_or(Moment::MAX));
        let mut budget = EVENTS_PER_WAIT;
        loop {
            self.run_jobs_in_line();
            budget = budget.saturating_sub(self.run_due());
            let woken = self.core.wake.take();
            if self.collect(ready) > 0 || woken {
                self.world().idle_waits = 0;
                return Ok(());
            }
            if budget == 0 {
                return Err(io::Error::other(format!(
                    "{EVENTS_PER_WAIT} planned events passed in one wait, and nothing became ready"
                )));
            }
            let next = self.world().timeline.next_at();
            let jump = match (next, deadline) {
                (_, Some(deadline)) if deadline <= self.world().now => return self.report_nothing(begin),
                (Some(next), Some(deadline)) => next.min(deadline),
                (Some(next), None) => next,
                (None, Some(deadline)) => deadline,
                (None, None) => return self.sleep_for_others(),
            };
            self.advance_clock(jump);
        }
    }

    fn run_jobs_in_line(&self) {
        let count = self.world().jobs.in_line();
        for _ in 0..count {
            let job = self.world().jobs.take_in_line();
            if let Some(job) = job {
                job();
            }
        }
    }

    /// Lets happen what was planned for a time up to now, except what is planned meanwhile. Says how much that was.
    pub(super) fn run_due(&self) -> usize {
        let mark = self.world().timeline.mark();
        let mut count = 0;
        loop {
            // Not in the condition: there the borrow would last through the body.
            let event = {
                let mut world = self.world();
                let now = world.now;
                world.timeline.take_due(now, mark)
            };
            let Some(event) = event else { return count };
            self.happen(event);
            count += 1;
        }
    }

    fn happen(&self, event: Event) {
        match event {
            Event::Action(action) => action(self),
            Event::Job(job) => {
                job();
                let mut world = self.world();
                let world = &mut *world;
                world.jobs.finished(world.now, &mut world.timeline);
            }
            Event::Arrival(id) => {
                let mut world = self.world();
                let (net, ready) = world.wires();
                net.arrive(id, ready);
            }
            Event::Lookup(id, answer) => {
                let mut world = self.world();
                if let Some(token) = world.lookups.arrived(id, answer) {
                    world.ready.report(token, None, ANSWERED);
                }
            }
        }
    }

    fn collect(&self, ready: &mut Vec<Readiness>) -> usize {
        let mut world = self.world();
        world.pay_what_is_owed();
        let World { ready: queue, net, .. } = &mut *world;
        queue.drain(ready, |source| net.level(source))
    }

    /// The timeout of a wait that began at `begin` is over.
    fn report_nothing(&self, begin: Moment) -> io::Result<()> {
        let mut world = self.world();
        world.idle_waits = if world.now == begin { world.idle_waits + 1 } else { 0 };
        // Who has patience may well spin until a thread is done.
        if world.idle_waits < IDLE_WAITS || !world.config.patience.is_zero() {
            return Ok(());
        }
        let text = format!("{IDLE_WAITS} waits in a row had no timeout to wait for and nothing to report");
        Err(io::Error::other(text))
    }

    /// The clock goes on to `to`, never back.
    pub(super) fn advance_clock(&self, to: Moment) {
        let mut world = self.world();
        world.now = world.now.max(to);
    }

    /// Nothing is planned and there is no timeout: only another thread could end this wait.
    fn sleep_for_others(&self) -> io::Result<()> {
        let patience = self.world().config.patience;
        if !patience.is_zero() && self.core.wake.sleep(patience) {
            return Ok(());
        }
        let mut registered = self.world().registered();
        registered.extend(self.world().jobs.describe());
        let list = if registered.is_empty() { "nothing".to_owned() } else { registered.join("; ") };
        let text = format!("nothing can ever become ready: no timeout, nothing planned; registered: {list}");
        Err(io::Error::new(io::ErrorKind::Deadlock, text))
    }
}
