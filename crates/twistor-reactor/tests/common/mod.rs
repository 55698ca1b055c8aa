//! What the contract tests share: a kernel of memory with its time in the test's hands, a notebook for callbacks, a catcher of log events,
//! a descriptor that notes what it hears, and child processes for what concerns a whole process.

#![allow(dead_code, unused_imports, reason = "each file of tests uses its own part")]

mod gate;
mod log;
mod probe;
mod task;
mod world;

use std::cell::RefCell;
use std::fmt;
use std::os::fd::OwnedFd;
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::Once;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use twistor_reactor::{AnyWatch, Descriptor, Reactor, ReactorHandle, Watch};

pub(crate) use gate::Gate;
pub(crate) use log::Log;
pub(crate) use probe::{Probe, TestSource};
pub(crate) use task::{OwnCanceller, is_cancelled};
pub(crate) use world::{World, reactor, reactor_with, started};

/// The names of watches, which are in the order of their descriptors, in alphabetical order: numbers are as the process has them free.
#[track_caller]
pub(crate) fn names(watches: &[AnyWatch]) -> Vec<String> {
    assert!(watches.is_sorted_by_key(AnyWatch::fd));
    let mut names: Vec<_> = watches.iter().map(AnyWatch::log_prefix).collect();
    names.sort();
    names
}

/// Watches `object` for reading.
pub(crate) fn read<D: Descriptor>(reactor: &ReactorHandle, object: D) -> Watch<D> {
    reactor.add_reader(object).unwrap()
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A list that callbacks write to and tests read.
#[derive(Clone, Default)]
pub(crate) struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, text: impl fmt::Display) {
        self.0.borrow_mut().push(text.to_string());
    }

    /// A function that writes `text`.
    pub(crate) fn note(&self, text: &'static str) -> impl FnOnce() + 'static {
        let notes = self.clone();
        move || notes.add(text)
    }

    /// As [`note`](Self::note), for those who are handed the reactor.
    pub(crate) fn note_with(&self, text: &'static str) -> impl FnOnce(&ReactorHandle) + 'static {
        let note = self.note(text);
        move |_| note()
    }

    #[track_caller]
    pub(crate) fn expect<T: fmt::Debug>(&self, expected: &[T])
    where
        String: PartialEq<T>,
    {
        assert_eq!(self.0.take(), expected);
    }

    #[track_caller]
    pub(crate) fn expect_nothing(&self) {
        self.expect::<String>(&[]);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Calls back when dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Makes a closure own what it is handed, and do nothing with it.
pub(crate) fn keep<T>(_: &T) {}

/// Panics when dropped.
pub(crate) struct Rude(pub(crate) &'static str);

impl Drop for Rude {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// Turns that do not sleep.
#[track_caller]
pub(crate) fn turns(reactor: &mut Reactor, count: usize) {
    for _ in 0..count {
        reactor.iterate(Some(Duration::ZERO)).unwrap();
    }
}

/// Turns on the real clock until `done`, for at most ten seconds or so.
#[track_caller]
pub(crate) fn turn_until(reactor: &mut Reactor, mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        reactor.iterate(Some(ms(1))).unwrap();
    }
    panic!("it did not come to pass");
}

/// Runs a reactor over the real kernel, for ten seconds at most.
#[track_caller]
pub(crate) fn run_bounded(reactor: &mut Reactor) {
    const BOUND: Duration = Duration::from_secs(10);
    watch_over_the_process();
    let (handle, before) = (reactor.handle(), reactor.kernel().unwrap().now());
    let bound = reactor.call_later(BOUND, move || handle.crash());
    reactor.run().unwrap();
    // The last wait may have been the one that was too long, so the clock is asked as well.
    let took = reactor.kernel().unwrap().now().saturating_duration_since(before);
    assert!(took < BOUND && bound.cancel().is_ok(), "the reactor did not come to its end");
}

/// Ends the process, should its tests sleep for ever in the real kernel.
fn watch_over_the_process() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let watch = || {
            let (_sender, never) = channel::<()>();
            let _ = never.recv_timeout(Duration::from_secs(120));
            eprintln!("a test sleeps for ever");
            std::process::exit(101);
        };
        thread::Builder::new().spawn(watch).unwrap();
    });
}

/// A started reactor over the real kernel, which leaves signals alone.
pub(crate) fn real_reactor() -> Reactor {
    watch_over_the_process();
    let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
    reactor.start().unwrap();
    reactor
}

/// The reading and the writing end.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

pub(crate) fn write(fd: &OwnedFd, data: &[u8]) {
    assert_eq!(rustix::io::write(fd, data).unwrap(), data.len());
}

/// Runs the test called `name` in a process of its own. That test must begin with `if !is_child() { return }`.
#[track_caller]
pub(crate) fn run_child(name: &str) -> Output {
    child(name).output().unwrap()
}

/// As [`run_child`], for one that must end well.
#[track_caller]
pub(crate) fn child_succeeds(name: &str) {
    let output = run_child(name);
    assert!(
        output.status.success(),
        "{name}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "there is no test {name}");
}

pub(crate) fn child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command
}

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

const CHILD: &str = "TWISTOR_REACTOR_TEST_CHILD";

/// How many descriptors this process has open, the one that lists them included.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
