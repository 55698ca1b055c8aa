//! Watching the user's descriptors.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use rustix::event::{EventfdFlags, eventfd};
use twistor_reactor::kernel::{Interest, Kernel, Polled, Readiness};

use crate::support::{CLIENT, OTHER, await_event, await_readable, kernel, pipe, ready_now};

#[test]
fn fds_01_rearming_makes_readiness_level_triggered() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let (mut reader, mut writer) = pipe();
    assert_eq!(descriptors.watch(reader.as_fd(), OTHER, Interest::READ).unwrap(), Polled::Events);
    assert_eq!(ready_now(&kernel), []);
    writer.write_all(b"ab").unwrap();
    for _ in 0..3 {
        assert!(await_readable(&kernel, OTHER).has_data());
        assert_eq!(ready_now(&kernel), []);
        descriptors.rearm(reader.as_fd(), OTHER, Interest::READ).unwrap();
    }
    reader.read_exact(&mut [0; 2]).unwrap();
    descriptors.rearm(reader.as_fd(), OTHER, Interest::READ).unwrap();
    assert_eq!(ready_now(&kernel), []);
    drop(writer);
    let event = await_readable(&kernel, OTHER);
    assert!(event.is_hang_up() && !event.has_data(), "{event:?}");
    descriptors.unwatch(reader.as_raw_fd()).unwrap();
    assert!(descriptors.unwatch(reader.as_raw_fd()).is_err());
}

#[test]
fn fds_02_directions_are_independent() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let (fd, both) = (ours.as_fd(), Interest::READ | Interest::WRITE);
    descriptors.watch(fd, OTHER, Interest::WRITE).unwrap();
    let event = await_event(&kernel, OTHER, Readiness::is_writable);
    assert!(!event.is_readable());
    descriptors.rearm(fd, CLIENT, Interest::READ).unwrap();
    let event = await_readable(&kernel, CLIENT);
    assert!(!event.is_writable());
    descriptors.rearm(fd, CLIENT, both).unwrap();
    let event = await_readable(&kernel, CLIENT);
    assert!(event.is_writable());
    let error = descriptors.watch(fd, OTHER, both).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    for result in [
        descriptors.watch(theirs.as_fd(), OTHER, Interest::NONE).map(drop),
        descriptors.rearm(fd, OTHER, Interest::NONE),
    ] {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn the_reader_of_a_pipe_going_away_is_reported_to_the_writer() {
    let kernel = kernel();
    let (reader, writer) = pipe();
    kernel.descriptors().unwrap().watch(writer.as_fd(), OTHER, Interest::WRITE).unwrap();
    assert!(!await_event(&kernel, OTHER, Readiness::is_writable).is_hang_up());
    drop(reader);
    await_event(&kernel, OTHER, Readiness::is_hang_up);
}

#[test]
fn fds_10_a_regular_file_is_never_polled() {
    let kernel = kernel();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let descriptors = kernel.descriptors().unwrap();
    assert_eq!(descriptors.watch(file.as_fd(), OTHER, Interest::READ).unwrap(), Polled::Never);
    assert!(descriptors.unwatch(file.as_raw_fd()).is_err(), "it is not registered");
}

#[test]
fn eventfds_and_terminals_are_polled() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let counter = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    descriptors.watch(counter.as_fd(), OTHER, Interest::READ).unwrap();
    rustix::io::write(&counter, &1_u64.to_ne_bytes()).unwrap();
    await_readable(&kernel, OTHER);
    // The controlling end of a new terminal.
    if let Ok(terminal) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/ptmx") {
        assert_eq!(descriptors.watch(terminal.as_fd(), CLIENT, Interest::WRITE).unwrap(), Polled::Events);
        await_event(&kernel, CLIENT, Readiness::is_writable);
    }
}

#[test]
fn fds_13_a_descriptor_that_left_the_poller_is_an_error_of_rearm() {
    let kernel = kernel();
    let descriptors = kernel.descriptors().unwrap();
    let (reader, _writer) = pipe();
    descriptors.watch(reader.as_fd(), OTHER, Interest::READ).unwrap();
    descriptors.unwatch(reader.as_raw_fd()).unwrap();
    let error = descriptors.rearm(reader.as_fd(), OTHER, Interest::READ).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}
