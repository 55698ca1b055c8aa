//! Lookups and jobs, which have threads of their own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::channel;
use std::thread;

use twistor_reactor::kernel::{JobLoad, Kernel, Readiness};

use crate::support::{CLIENT, OTHER, SERVER, await_event, await_readable, kernel, ready_now};

#[test]
fn dns_02_localhost_is_found_and_fetched_once() {
    let kernel = kernel();
    let resolver = kernel.resolver().unwrap();
    assert!(resolver.answer(OTHER).is_none());
    resolver.look_up("localhost", OTHER).unwrap();
    assert!(await_readable(&kernel, OTHER).has_data());
    let addresses = resolver.answer(OTHER).unwrap().unwrap();
    assert!(!addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    assert!(resolver.answer(OTHER).is_none());
}

#[test]
fn a_failed_lookup_is_an_answer() {
    let kernel = kernel();
    let resolver = kernel.resolver().unwrap();
    resolver.look_up("no\0name", OTHER).unwrap();
    await_readable(&kernel, OTHER);
    assert!(resolver.answer(OTHER).unwrap().is_err());
}

#[test]
fn a_cancelled_lookup_is_not_heard_of_again() {
    let kernel = kernel();
    let resolver = kernel.resolver().unwrap();
    for round in 0..100 {
        resolver.look_up("127.0.0.1", CLIENT).unwrap();
        if round % 2 == 0 {
            thread::yield_now(); // The answer may be there or not.
        }
        resolver.cancel(CLIENT);
        resolver.cancel(SERVER); // Unknown.
        resolver.look_up("127.0.0.2", OTHER).unwrap();
        let event = await_event(&kernel, OTHER, Readiness::has_data);
        assert_eq!(event, Readiness::new(OTHER).readable());
        assert!(resolver.answer(CLIENT).is_none());
        assert_eq!(resolver.answer(OTHER).unwrap().unwrap(), [Ipv4Addr::new(127, 0, 0, 2)]);
    }
    // A token that is used again gets its own answer alone.
    resolver.look_up("127.0.0.3", OTHER).unwrap();
    resolver.cancel(OTHER);
    resolver.look_up("127.0.0.4", OTHER).unwrap();
    await_readable(&kernel, OTHER);
    assert_eq!(resolver.answer(OTHER).unwrap().unwrap(), [Ipv4Addr::new(127, 0, 0, 4)]);
    assert_eq!(ready_now(&kernel), []);
}

#[test]
fn jobs_run_on_threads_until_the_kernel_is_gone() {
    let kernel = kernel();
    let jobs = kernel.jobs().unwrap();
    assert_eq!(jobs.load(), JobLoad::default());
    let (sender, receiver) = channel();
    for _ in 0..30 {
        let sender = sender.clone();
        jobs.submit(Box::new(move || sender.send(thread::current().id()).unwrap()));
    }
    let ids: Vec<_> = receiver.iter().take(30).collect();
    assert!(ids.iter().all(|id| *id != thread::current().id()));
    assert!((1..=10).contains(&jobs.load().threads));
    drop(sender);
    drop(kernel);
    assert!(receiver.recv().is_err(), "every job is gone");
}
