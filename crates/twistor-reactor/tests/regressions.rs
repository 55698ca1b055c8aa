//! Defects of the reactor that were mended once: each test states the behaviour that was missing.

#![cfg(feature = "mio")]

mod common;

use std::cell::Cell;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use common::{Notes, Probe, ms, pipe, real_reactor, turn_until, turns};
use twistor_reactor::{CloseReason, Descriptor, LendError};

/// Every lending of a watched regular file began another chain of readiness.
#[test]
#[expect(clippy::disallowed_methods, reason = "a regular file is what is watched")]
fn a_regular_file_that_was_lent_is_still_read_once_a_turn() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let watch = reactor.add_reader(Probe::new("file", &notes, file).on_read(|_, _| Ok(()))).unwrap();
    for _ in 0..10 {
        assert_eq!(watch.try_with(|_, _| ()), Ok(()));
    }
    turns(&mut reactor, 5);
    notes.expect(&["file read"; 5]);
}

/// Panics when it is asked whether it goes on after the end of its input.
struct Undecided {
    fd: OwnedFd,
    notes: Notes,
}

impl AsFd for Undecided {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Descriptor for Undecided {
    fn is_half_closeable(&self) -> bool {
        panic!("undecided")
    }
    fn connection_lost(&mut self, reason: &CloseReason) {
        self.notes.add(format!("{reason:?}"));
    }
}

/// `is_half_closeable` was called outside of the guard that contains a panic.
#[test]
fn a_panic_in_is_half_closeable_is_taken_for_a_no() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let watch = reactor
        .add_reader(Undecided { fd: reader, notes: notes.clone() })
        .map_err(|refused| refused.error)
        .unwrap();
    drop(writer);
    turn_until(&mut reactor, || !notes.is_empty());
    turns(&mut reactor, 2);
    notes.expect(&["Done"]);
    assert!(matches!(watch.try_with(|_, _| ()), Err(LendError::Gone)));
}

/// Notes its end.
struct Noting {
    fd: OwnedFd,
    notes: Notes,
}

impl AsFd for Noting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Descriptor for Noting {
    fn connection_lost(&mut self, reason: &CloseReason) {
        self.notes.add(format!("{reason:?}"));
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        self.notes.add("dropped");
    }
}

/// The object was lent when the loss was to be told, so that it was neither told nor dropped.
#[test]
fn an_object_that_is_lent_while_its_reactor_is_dropped_is_dropped_afterwards() {
    let reactor = real_reactor();
    let notes = Notes::default();
    let (reader, _writer) = pipe();
    let watch = reactor
        .add_reader(Noting { fd: reader, notes: notes.clone() })
        .map_err(|refused| refused.error)
        .unwrap();
    assert_eq!(watch.try_with(move |_, _| drop(reactor)), Ok(()));
    drop(watch);
    notes.expect(&["ReactorGone", "dropped"]);
}

/// The delay counted from the making of the reactor, so that a call was early by all that happened in between.
#[test]
fn a_delay_that_is_given_before_the_run_counts_from_then() {
    let (mut reactor, world) = common::reactor();
    world.pass(ms(60));
    let fired = Rc::new(Cell::new(false));
    let (flag, handle) = (Rc::clone(&fired), reactor.handle());
    reactor.call_later(ms(50), move || {
        flag.set(true);
        handle.stop().unwrap();
    });
    turns(&mut reactor, 1);
    assert!(!fired.get(), "no time has passed since");
    world.pass(ms(49));
    turns(&mut reactor, 1);
    assert!(!fired.get(), "a millisecond is left");
    world.pass(ms(1));
    turns(&mut reactor, 1);
    assert!(fired.get());
}
