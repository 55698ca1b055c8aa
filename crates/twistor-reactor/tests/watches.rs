//! How watched objects end and how they are lent, over the real kernel (contract section 2: FDS-04 to 07, FDS-13).

#![cfg(feature = "mio")]

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{
    Log, Notes, Probe, child_succeeds, is_child, names, pipe, read, real_reactor, turn_until, turns, write,
};
use twistor_reactor::{CloseReason, Descriptor, LendError, Watch};

#[test]
fn fds_04_an_error_is_the_reason_and_a_panic_is_logged() {
    let log = Log::catch();
    let mut reactor = real_reactor();
    let notes = Notes::default();
    for (name, writing) in [("reader", false), ("writer", true)] {
        for panics in [false, true] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let fail = move |_: &OwnedFd, _: &Watch<Probe>| {
                assert!(!panics, "{name} panics");
                Err(CloseReason::Aborted)
            };
            let probe = Probe::new(name, &notes, ours).on_read(fail).on_write(fail);
            let watch = if writing { reactor.add_writer(probe) } else { reactor.add_reader(probe) }.unwrap();
            theirs.write_all(b"x").unwrap();
            turns(&mut reactor, 2);
            assert!(!watch.is_active());
        }
    }
    notes.expect(&[
        "reader read",
        "reader lost: connection was aborted by this end",
        "reader read",
        "reader lost: a callback panicked: reader panics",
        "writer write",
        "writer lost: connection was aborted by this end",
        "writer write",
        "writer lost: a callback panicked: writer panics",
    ]);
    log.expect(&["reader panics", "writer panics"]);
    assert_eq!(reactor.stats().sources, 0);
}

#[test]
fn fds_04_a_panic_anywhere_in_an_object_is_contained() {
    /// Panics wherever it is called.
    struct Bad(OwnedFd, Rc<Cell<bool>>);

    impl AsFd for Bad {
        fn as_fd(&self) -> BorrowedFd<'_> {
            assert!(!self.1.get(), "as_fd");
            self.0.as_fd()
        }
    }

    impl Descriptor for Bad {
        fn do_read(&mut self, _: &Watch<Self>) -> Result<(), CloseReason> {
            self.1.set(true);
            Ok(())
        }

        fn connection_lost(&mut self, reason: &CloseReason) {
            panic!("connection_lost of {reason}");
        }

        fn log_prefix(&self) -> String {
            panic!("log_prefix");
        }
    }

    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("drop");
        }
    }

    let log = Log::catch();
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let watch = read(&reactor, Bad(reader, Rc::default()));
    let (other, other_writer) = pipe();
    let _other = read(&reactor, Probe::new("other", &notes, other));
    assert_eq!(watch.any().log_prefix(), "-");
    log.expect(&["log_prefix"]);
    write(&writer, b"x");
    write(&other_writer, b"y");
    turns(&mut reactor, 2);
    assert!(!watch.is_active());
    notes.expect(&["other read", "other got y"]);
    log.expect(&["connection_lost of connection was lost: as_fd panicked: as_fd", "drop"]);

    // The end of another one comes in the middle of the dispatch of several.
    let (reader, writer) = pipe();
    let watch = read(&reactor, Bad(reader, Rc::default()));
    drop(writer);
    write(&other_writer, b"z");
    turns(&mut reactor, 1);
    assert!(!watch.is_active());
    notes.expect(&["other read", "other got z"]);
    log.expect(&["connection_lost of connection was closed cleanly", "drop"]);
}

#[test]
fn fds_04_a_panic_of_a_post_ends_the_watch_and_one_of_try_with_goes_on() {
    let log = Log::catch();
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let watch = read(&reactor, Probe::new("a", &notes, reader));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        watch.try_with(|_, _| panic!("the user's own"))
    }));
    assert!(caught.is_err());
    write(&writer, b"x");
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got x"]);
    watch.post(|_, _| panic!("posted"));
    turns(&mut reactor, 1);
    notes.expect(&["a lost: a callback panicked: posted"]);
    log.expect(&["posted"]);
}

#[test]
fn fds_05_the_end_of_input_of_a_half_closeable_object_leaves_it_writing() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    for half in [true, false] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let probe = Probe::new("a", &notes, ours).on_write(|fd, watch| {
            watch.remove_writer();
            write(fd, b"still");
            Ok(())
        });
        let watch = read(&reactor, if half { probe.half_closeable() } else { probe });
        turns(&mut reactor, 2);
        assert_eq!(watch.is_active(), half);
        watch.add_writer();
        turns(&mut reactor, 2);
        if half {
            notes.expect(&["a read", "a read end lost", "a write"]);
            let mut answer = [0; 5];
            theirs.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"still");
            assert_eq!(reactor.readers().len(), 0);
            let _ = watch.remove();
        } else {
            notes.expect(&["a read", "a lost: connection was closed cleanly"]);
        }
    }
}

#[test]
fn fds_05_dropping_a_watch_leaves_the_object_watched() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    drop(read(&reactor, Probe::new("a", &notes, reader)));
    drop(writer);
    turn_until(&mut reactor, || !notes.is_empty());
    notes.expect(&["a lost: connection was closed cleanly"]);
}

#[test]
fn fds_06_a_hang_up_without_data_is_the_end_for_a_reader_and_a_loss_for_a_writer() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let _reader = read(&reactor, Probe::new("reader", &notes, reader));
    drop(writer);
    turns(&mut reactor, 2);
    notes.expect(&["reader lost: connection was closed cleanly"]);

    let (reader, writer) = pipe();
    let half = read(&reactor, Probe::new("half", &notes, reader).half_closeable());
    drop(writer);
    turns(&mut reactor, 2);
    notes.expect(&["half read end lost"]);
    assert!(half.is_active() && reactor.readers().is_empty());

    let (reader, writer) = pipe();
    let _writer = reactor.add_writer(Probe::new("writer", &notes, writer)).unwrap();
    drop(reader);
    turns(&mut reactor, 2);
    notes.expect(&["writer lost BrokenPipe"]);
}

#[test]
fn fds_06_what_was_sent_before_a_hang_up_is_read_first() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let _watch = read(&reactor, Probe::new("a", &notes, reader));
    write(&writer, b"xy");
    drop(writer);
    turns(&mut reactor, 3);
    notes.expect(&["a read", "a got x", "a read", "a got y", "a lost: connection was closed cleanly"]);
}

#[test]
fn fds_07_a_descriptor_that_vanished_is_a_loss() {
    child_succeeds("child_loses_descriptors");
}

#[test]
fn child_loses_descriptors() {
    if !is_child() {
        return; // In a process of its own, where nobody else opens descriptors.
    }
    let mut reactor = real_reactor();
    let notes = Notes::default();
    // Closed, while the object holds another descriptor: it is noticed when the reactor next uses it.
    let (reader, writer) = pipe();
    let number = reader.as_raw_fd();
    let former = read(&reactor, Probe::new("former", &notes, reader));
    let (other, _other_writer) = pipe();
    former.try_with(|probe, _| drop(std::mem::replace(&mut probe.fd, other))).unwrap();
    assert!(former.is_active());
    turns(&mut reactor, 1);
    notes.expect(&["former lost NotFound"]);
    drop(writer);

    // Another file under the same number.
    let (reader, writer) = pipe();
    assert_eq!(reader.as_raw_fd(), number);
    let (other, other_writer) = pipe();
    let watch = read(&reactor, Probe::new("a", &notes, reader));
    watch.try_with(|probe, _| rustix::io::dup2(&other, &mut probe.fd).unwrap()).unwrap();
    write(&other_writer, b"x");
    turns(&mut reactor, 2);
    notes.expect(&["a lost NotFound"]);
    drop(writer);

    // Or taken by another object: it gets the events, the former one is told, and once.
    let (reader, _writer) = pipe();
    let number = reader.as_raw_fd();
    let former = read(&reactor, Probe::new("former", &notes, reader));
    let (other, _other_writer) = pipe();
    let again = former.try_with(|probe, _| {
        drop(std::mem::replace(&mut probe.fd, other));
        let (reader, writer) = pipe();
        assert_eq!(reader.as_raw_fd(), number);
        (read(&reactor, Probe::new("present", &notes, reader)), writer)
    });
    let (present, writer) = again.unwrap();
    write(&writer, b"x");
    turns(&mut reactor, 2);
    notes.expect(&["former lost NotFound", "present read", "present got x"]);
    assert!(!former.is_active() && present.is_active());
    assert_eq!(names(&reactor.readers()), ["present"]);
    assert!(matches!(former.remove(), Err(LendError::Gone)));
    present.remove().unwrap();
    assert_eq!(reactor.stats().sources, 0);

    // An object whose number has changed can be removed.
    let (reader, _writer) = pipe();
    let watch = read(&reactor, Probe::new("a", &notes, reader));
    let (other, _other_writer) = pipe();
    watch.try_with(|probe, _| probe.fd = other).unwrap();
    watch.remove().unwrap();
    turns(&mut reactor, 1);
    notes.expect_nothing();
}

#[test]
fn fds_13_what_the_system_refuses_is_an_error_or_a_loss() {
    child_succeeds("child_is_refused");
}

#[test]
fn child_is_refused() {
    if !is_child() {
        return;
    }
    let mut reactor = real_reactor();
    let notes = Notes::default();
    // Its file was exchanged while it had no interest: asking again begins anew.
    let (reader, _writer) = pipe();
    let watch = read(&reactor, Probe::new("a", &notes, reader));
    watch.remove_reader();
    let (other, other_writer) = pipe();
    watch.try_with(|probe, _| rustix::io::dup2(&other, &mut probe.fd).unwrap()).unwrap();
    watch.add_reader();
    write(&other_writer, b"x");
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got x"]);
    // And while it had: the kernel has dropped it, which the object hears of instead of the caller.
    let (third, _third_writer) = pipe();
    drop(other);
    watch.try_with(|probe, _| rustix::io::dup2(&third, &mut probe.fd).unwrap()).unwrap();
    watch.add_writer();
    notes.expect_nothing();
    turns(&mut reactor, 1);
    notes.expect(&["a lost NotFound"]);
    watch.add_reader(); // Nothing.
    turns(&mut reactor, 1);
    notes.expect_nothing();
    assert_eq!(reactor.stats().sources, 0);
}

#[test]
fn watches_lend_their_object_and_take_posts_in_order() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let watch = read(&reactor, Probe::new("a", &notes, reader));
    let seen = notes.clone();
    watch.post(move |_, watch| {
        seen.add("posted");
        assert!(matches!(watch.try_with(|_, _| ()), Err(LendError::Busy)));
        let again = seen.clone();
        watch.post(move |_, _| again.add("posted by that"));
        seen.add("still that");
    });
    notes.expect_nothing();
    turns(&mut reactor, 1);
    notes.expect(&["posted", "still that", "posted by that"]);
    // Interest that changes while the object is lent counts at once.
    watch.try_with(|_, watch| watch.remove_reader()).unwrap();
    write(&writer, b"xyz");
    turns(&mut reactor, 1);
    notes.expect_nothing();
    watch.post(|_, watch| watch.add_reader());
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got x"]);

    let dropped = Rc::new(());
    let held = Rc::clone(&dropped);
    watch.post(move |_, _| drop(held));
    watch.remove().unwrap();
    assert!(matches!(watch.try_with(|_, _| ()), Err(LendError::Gone)));
    turns(&mut reactor, 1);
    assert_eq!(Rc::strong_count(&dropped), 1);
    notes.expect_nothing();
}
