//! Readers and writers over the real kernel (contract section 2, FDS).

#![cfg(feature = "mio")]
#![expect(clippy::disallowed_methods, reason = "a regular file is one of the things to watch")]

mod common;

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use common::{Notes, Probe, ms, names, pipe, read, real_reactor, run_bounded, turns, write};
use rustix::event::{EventfdFlags, eventfd};
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{AnyWatch, Descriptor, LendError, Phase, Reactor, Watch, WatchError};

#[test]
fn fds_01_a_reader_is_called_every_turn_while_data_remains() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let watch = read(&reactor, Probe::new("a", &notes, reader));
    turns(&mut reactor, 2);
    notes.expect_nothing();
    write(&writer, b"xyz");
    turns(&mut reactor, 2);
    notes.expect(&["a read", "a got x", "a read", "a got y"]);
    watch.remove_reader();
    watch.remove_reader();
    turns(&mut reactor, 2);
    notes.expect_nothing();
    watch.add_reader();
    watch.add_reader();
    turns(&mut reactor, 2);
    notes.expect(&["a read", "a got z"]);
    watch.remove_writer(); // It was none.
    write(&writer, b"!");
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got !"]);
}

#[test]
fn fds_01_a_callback_that_does_nothing_is_called_again() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let _watch = read(&reactor, Probe::new("a", &notes, reader).on_read(|_, _| Ok(())));
    write(&writer, b"x");
    turns(&mut reactor, 3);
    notes.expect(&["a read", "a read", "a read"]);
    let _writing = reactor.add_writer(Probe::new("b", &notes, writer)).unwrap();
    turns(&mut reactor, 2);
    notes.expect(&["a read", "b write", "a read", "b write"]);
}

#[test]
fn fds_01_every_kind_of_descriptor_is_a_reader() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let counter = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let keep = counter.try_clone().unwrap();
    let drained = |fd: &OwnedFd, _: &Watch<Probe>| {
        rustix::io::read(fd, &mut [0_u8; 8]).map(|_| ()).map_err(|e| io::Error::from(e).into())
    };
    let _counter = read(&reactor, Probe::new("eventfd", &notes, counter).on_read(drained));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let _socket = read(&reactor, Probe::new("socket", &notes, ours));
    turns(&mut reactor, 2);
    notes.expect_nothing();
    write(&keep, &1_u64.to_ne_bytes());
    turns(&mut reactor, 2);
    notes.expect(&["eventfd read"]);
    theirs.write_all(b"s").unwrap();
    turns(&mut reactor, 2);
    notes.expect(&["socket read", "socket got s"]);
    // A terminal: the controlling end of a new one can always be written to.
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx").unwrap();
    let terminal = reactor.add_writer(Probe::new("tty", &notes, terminal)).unwrap();
    turns(&mut reactor, 2);
    notes.expect(&["tty write", "tty write"]);
    terminal.remove().unwrap();
    turns(&mut reactor, 1);
    notes.expect_nothing();
}

#[test]
fn fds_02_directions_are_independent() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let watch = reactor.add_writer(Probe::new("a", &notes, ours)).unwrap();
    theirs.write_all(b"xy").unwrap();
    turns(&mut reactor, 1);
    notes.expect(&["a write"]);
    watch.add_reader();
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got x", "a write"]);
    watch.remove_writer();
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got y"]);
    watch.remove_reader();
    drop(theirs); // Out of the poller, it hears of nothing.
    turns(&mut reactor, 2);
    notes.expect_nothing();
    assert!(watch.is_active());
    watch.add_reader();
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a lost: connection was closed cleanly"]);
}

#[test]
fn fds_02_an_object_that_was_removed_is_out_of_the_poller_and_can_come_back() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, writer) = pipe();
    let object = read(&reactor, Probe::new("a", &notes, reader)).remove().unwrap();
    write(&writer, b"x");
    turns(&mut reactor, 2);
    notes.expect_nothing();
    assert_eq!(reactor.stats().events, 0);
    let _again = read(&reactor, object);
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got x"]);
}

#[test]
fn fds_03_reading_comes_first_and_its_loss_ends_the_event() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let watch = read(&reactor, Probe::new("a", &notes, ours));
    watch.add_writer();
    theirs.write_all(b"x").unwrap();
    turns(&mut reactor, 1);
    notes.expect(&["a read", "a got x", "a write"]);
    drop(theirs);
    turns(&mut reactor, 2);
    notes.expect(&["a read", "a lost: connection was closed cleanly"]);

    // A reader that takes its interest in writing back is not asked to write.
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let no_more = |_: &OwnedFd, watch: &Watch<Probe>| {
        watch.remove_writer();
        Ok(())
    };
    let watch = read(&reactor, Probe::new("b", &notes, ours).on_read(no_more));
    watch.add_writer();
    theirs.write_all(b"x").unwrap();
    turns(&mut reactor, 1);
    notes.expect(&["b read"]);
}

#[test]
fn fds_08_remove_all_gives_each_object_once_and_leaves_the_reactors_own() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let both = read(&reactor, Probe::new("both", &notes, ours));
    both.add_writer();
    let (reader, writer) = pipe();
    let _reader = read(&reactor, Probe::new("reader", &notes, reader));
    let _writer = reactor.add_writer(Probe::new("writer", &notes, writer)).unwrap();
    let (idle, _end) = pipe();
    let idle = read(&reactor, Probe::new("idle", &notes, idle));
    idle.remove_reader();
    assert_eq!(names(&reactor.readers()), ["both", "reader"]);
    assert_eq!(names(&reactor.writers()), ["both", "writer"]);
    assert!(reactor.readers().iter().all(AnyWatch::is::<Probe>) && both.any().downcast::<Probe>().is_some());

    assert_eq!(names(&reactor.remove_all()), ["both", "reader", "writer"]);
    assert_eq!(names(&reactor.remove_all()), [""; 0]);
    assert!(reactor.readers().is_empty() && reactor.writers().is_empty());
    theirs.write_all(b"x").unwrap();
    turns(&mut reactor, 2);
    notes.expect_nothing();
    // The wake-up still works, and the objects can be watched again.
    let remote = reactor.remote();
    let stop = std::thread::Builder::new().spawn(move || remote.call_from_thread(|_| ())).unwrap();
    stop.join().unwrap().unwrap();
    turns(&mut reactor, 1);
    assert_eq!(reactor.stats().thread_calls, 1);
    both.add_reader();
    turns(&mut reactor, 1);
    notes.expect(&["both read", "both got x"]);
}

#[test]
fn fds_09_an_object_without_interest_still_hears_of_shutdown() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let (reader, _writer) = pipe();
    let idle = read(&reactor, Probe::new("idle", &notes, reader));
    idle.remove_reader();
    let (reader, _writer) = pipe();
    let _watched = read(&reactor, Probe::new("watched", &notes, reader));
    reactor.add_system_event_trigger(Phase::During, SHUTDOWN, notes.note_with("during"));
    reactor.stop().unwrap();
    run_bounded(&mut reactor);
    notes.expect(&[
        "idle lost: reactor was stopped or dropped",
        "watched lost: reactor was stopped or dropped",
        "during",
    ]);
}

#[test]
fn fds_10_a_regular_file_is_ready_once_every_turn() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let same = file.try_clone().unwrap();
    let watch = read(&reactor, Probe::new("file", &notes, file).on_read(|_, _| Ok(())));
    turns(&mut reactor, 1);
    notes.expect(&["file read"]);
    // However often it is touched.
    for _ in 0..3 {
        watch.try_with(|_, _| ()).unwrap();
        watch.post(|_, _| ());
        watch.remove_reader();
        watch.add_reader();
    }
    turns(&mut reactor, 1);
    notes.expect(&["file read"]);
    reactor.iterate(None).unwrap(); // It does not sleep.
    notes.expect(&["file read"]);
    watch.add_writer();
    turns(&mut reactor, 2);
    notes.expect(&["file read", "file write", "file read", "file write"]);
    // Another descriptor of the same file is another object.
    let other = read(&reactor, Probe::new("same", &notes, same));
    assert_eq!(reactor.readers().len(), 2);
    other.remove().unwrap();
    watch.remove_reader();
    watch.remove_writer();
    turns(&mut reactor, 2);
    notes.expect_nothing();
    reactor.call_later(ms(1), || ());
    assert!(reactor.next_deadline().is_some_and(|deadline| !deadline.is_zero()));
}

#[test]
fn fds_10_one_registration_a_descriptor() {
    /// A second object on the descriptor of somebody else.
    struct Alias(Rc<OwnedFd>);

    impl AsFd for Alias {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    impl Descriptor for Alias {}

    let mut reactor = real_reactor();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let (reader, writer) = pipe();
    for fd in [Rc::new(reader), Rc::new(file.into())] {
        let first = read(&reactor, Alias(Rc::clone(&fd)));
        let refuse = |reactor: &Reactor| {
            let WatchError { object, error } = reactor.add_writer(Alias(Rc::clone(&fd))).unwrap_err();
            assert_eq!((error.kind(), Rc::strong_count(&object.0)), (io::ErrorKind::AlreadyExists, 3));
        };
        refuse(&reactor);
        assert_eq!((reactor.stats().sources, reactor.readers().len()), (1, 1));
        first.remove_reader(); // Held without interest, it is registered all the same.
        refuse(&reactor);
        first.remove().unwrap();
        let second = read(&reactor, Alias(Rc::clone(&fd)));
        turns(&mut reactor, 1);
        second.remove().unwrap();
    }
    // A duplicate is a descriptor of its own.
    let notes = Notes::default();
    let (reader, second_writer) = pipe();
    let duplicate = reader.try_clone().unwrap();
    let first = read(&reactor, Probe::new("first", &notes, reader).on_read(|_, _| Ok(())));
    let _second = read(&reactor, Probe::new("second", &notes, duplicate));
    write(&second_writer, b"x");
    turns(&mut reactor, 1);
    let mut lines = notes.take();
    lines.sort();
    assert!(lines.contains(&"second got x".to_owned()), "{lines:?}");
    drop(first.remove().unwrap());
    notes.take();
    write(&second_writer, b"y");
    turns(&mut reactor, 2);
    notes.expect(&["second read", "second got y"]);
    drop(writer);
}

#[test]
fn fds_11_more_ready_descriptors_than_one_wait_reports_are_all_served() {
    let mut reactor = real_reactor();
    let count = Rc::new(Cell::new(0));
    let notes = Notes::default();
    let watches: Vec<_> = (0..200)
        .map(|_| {
            let count = Rc::clone(&count);
            let fd = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
            read(
                &reactor,
                Probe::new("e", &notes, fd).on_read(move |_, watch| {
                    count.set(count.get() + 1);
                    watch.remove_reader();
                    Ok(())
                }),
            )
        })
        .collect();
    turns(&mut reactor, 3);
    assert_eq!((count.get(), watches.len()), (200, 200));
}

#[test]
fn fds_12_a_callback_may_remove_others_of_the_same_batch() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let all: Rc<RefCell<Vec<Watch<Probe>>>> = Rc::default();
    let mut writers = Vec::new();
    for name in ["a", "b", "c"] {
        let (reader, writer) = pipe();
        write(&writer, b"x");
        writers.push(writer);
        let (others, handle, seen) = (Rc::clone(&all), reactor.handle(), notes.clone());
        let remove_others = move |_: &OwnedFd, own: &Watch<Probe>| {
            assert!(matches!(own.remove(), Err(LendError::Busy)));
            for watch in others.take() {
                if watch.remove().is_ok() {
                    // Closed, and its place in the table taken at once by one that is ready as well.
                    let (reader, _writer) = pipe();
                    read(&handle, Probe::new("new", &seen, reader));
                }
            }
            Ok(())
        };
        let watch = read(&reactor, Probe::new(name, &notes, reader).on_read(remove_others));
        all.borrow_mut().push(watch);
    }
    turns(&mut reactor, 1);
    notes.expect(&["a read"]);
    assert_eq!(names(&reactor.readers()), ["a", "new", "new"].map(str::to_owned));
    assert_eq!(reactor.stats().stale_events, 2);
    turns(&mut reactor, 1);
    let mut lines = notes.take();
    lines.sort();
    let lost = "new lost: connection was closed cleanly";
    assert_eq!(lines, ["a read", lost, lost]);
}
