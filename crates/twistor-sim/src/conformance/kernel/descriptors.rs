//! Watching descriptors of the user's, where the kernel can.

use std::io;
use std::os::fd::AsRawFd;

use twistor_reactor::kernel::{Descriptors, Interest, Polled, Readiness, Token};

use super::MakeKernel;
use super::bench::{Bench, CLIENT, OTHER, kind, offered};
use super::surroundings::Channel;

/// The service, and a descriptor for it.
fn begin(bench: &Bench) -> Option<(&dyn Descriptors, Box<dyn Channel + '_>)> {
    let descriptors = offered("watching descriptors", bench.kernel().descriptors())?;
    Some((descriptors, offered("a descriptor that becomes ready", bench.world().channel())?))
}

/// What is told of `token` until nothing is.
fn told(bench: &Bench, token: Token) -> Vec<Readiness> {
    let mut told = Vec::new();
    loop {
        let ready = bench.ready_now();
        if ready.is_empty() {
            return told;
        }
        told.extend(ready.into_iter().filter(|event| event.token == token));
    }
}

pub(in super::super) fn fds_01_a_watched_descriptor_is_reported_once_and_again_after_a_rearm(
    make: MakeKernel<'_>,
) {
    let bench = Bench::new(make);
    let Some((descriptors, mut channel)) = begin(&bench) else { return };
    assert_eq!(descriptors.watch(channel.fd(), OTHER, Interest::READ).unwrap(), Polled::Events);
    assert_eq!(told(&bench, OTHER), []);
    channel.fill();
    for _ in 0..3 {
        assert!(bench.event(OTHER, Readiness::is_readable).has_data());
        assert_eq!(told(&bench, OTHER), [], "readiness is an edge");
        descriptors.rearm(channel.fd(), OTHER, Interest::READ).unwrap();
    }
    channel.drain();
    descriptors.rearm(channel.fd(), OTHER, Interest::READ).unwrap();
    assert_eq!(told(&bench, OTHER), [], "a rearm tells of what there is, and of nothing else");
}

pub(in super::super) fn fds_02_what_is_not_of_interest_is_not_reported(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some((descriptors, mut channel)) = begin(&bench) else { return };
    channel.fill();
    descriptors.watch(channel.fd(), OTHER, Interest::WRITE).unwrap();
    assert!(!bench.event(OTHER, Readiness::is_writable).is_readable());
    descriptors.rearm(channel.fd(), CLIENT, Interest::READ).unwrap();
    assert!(!bench.event(CLIENT, Readiness::is_readable).is_writable(), "and the token is the new one");
    assert_eq!(told(&bench, OTHER), []);
    descriptors.rearm(channel.fd(), CLIENT, Interest::READ | Interest::WRITE).unwrap();
    assert!(bench.event(CLIENT, Readiness::is_readable).is_writable());
}

pub(in super::super) fn fds_06_a_hang_up_is_reported_whatever_the_interest(make: MakeKernel<'_>) {
    for interest in [Interest::READ, Interest::WRITE] {
        let bench = Bench::new(make);
        let Some((descriptors, mut channel)) = begin(&bench) else { return };
        descriptors.watch(channel.fd(), OTHER, interest).unwrap();
        channel.hang_up();
        bench.event(OTHER, Readiness::is_hang_up);
    }
}

pub(in super::super) fn fds_10_one_registration_a_descriptor(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some((descriptors, channel)) = begin(&bench) else { return };
    descriptors.watch(channel.fd(), OTHER, Interest::READ).unwrap();
    assert_eq!(kind(descriptors.watch(channel.fd(), CLIENT, Interest::WRITE)), io::ErrorKind::AlreadyExists);
    descriptors.unwatch(channel.fd().as_raw_fd()).unwrap();
    descriptors.watch(channel.fd(), CLIENT, Interest::WRITE).unwrap();
    bench.event(CLIENT, Readiness::is_writable);
}

pub(in super::super) fn fds_13_what_is_not_watched_cannot_be_rearmed(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some((descriptors, mut channel)) = begin(&bench) else { return };
    assert_eq!(kind(descriptors.rearm(channel.fd(), OTHER, Interest::READ)), io::ErrorKind::NotFound);
    descriptors.watch(channel.fd(), OTHER, Interest::READ).unwrap();
    channel.fill();
    descriptors.unwatch(channel.fd().as_raw_fd()).unwrap();
    assert_eq!(told(&bench, OTHER), []);
    assert_eq!(kind(descriptors.rearm(channel.fd(), OTHER, Interest::READ)), io::ErrorKind::NotFound);
    assert_eq!(kind(descriptors.unwatch(channel.fd().as_raw_fd())), io::ErrorKind::NotFound);
}

pub(in super::super) fn an_interest_in_nothing_is_refused(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let Some((descriptors, channel)) = begin(&bench) else { return };
    let refused = descriptors.watch(channel.fd(), OTHER, Interest::NONE);
    assert_eq!(kind(refused), io::ErrorKind::InvalidInput);
    descriptors.watch(channel.fd(), OTHER, Interest::WRITE).unwrap();
    let refused = descriptors.rearm(channel.fd(), OTHER, Interest::NONE);
    assert_eq!(kind(refused), io::ErrorKind::InvalidInput);
}
