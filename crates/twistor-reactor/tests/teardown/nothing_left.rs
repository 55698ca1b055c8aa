//! Nothing is left behind.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use twistor_deferred::deferred;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::triggers::{SHUTDOWN, STARTUP};
use twistor_reactor::{Phase, Reactor, ReactorHandle};

use crate::common::{
    Notes, Probe, child_succeeds, is_child, keep, ms, open_descriptors, pipe, run_bounded, turns,
};

/// Registers one of everything with the reactor, and each owns a clone of `token`.
fn populate(reactor: &ReactorHandle, token: &Rc<()>, shared: &Arc<()>) -> Vec<Box<dyn std::any::Any>> {
    let own = || {
        let (token, handle) = (Rc::clone(token), reactor.clone());
        move || {
            keep(&token);
            keep(&handle);
        }
    };
    let own_with = || {
        let own = own();
        move |_: &ReactorHandle| own()
    };
    let job = || {
        let shared = Arc::clone(shared);
        move || drop(shared)
    };
    let (reader, writer) = pipe();
    let (other_reader, other_writer) = pipe();
    let idle = reactor.add_reader(Probe::new("idle", &Notes::default(), other_reader).on_lost(own()));
    idle.as_ref().unwrap().remove_reader();
    let watch = reactor.add_reader(Probe::new("reader", &Notes::default(), reader).on_lost(own()));
    let (promise, waiting) = deferred::<()>();
    let own_promise = own();
    let timer = reactor.call_later(Duration::from_secs(3_600), move || {
        own_promise();
        promise.callback(());
    });
    let own_wait = own();
    let answer = reactor.defer_to_thread({
        let job = job();
        move || {
            job();
            Ok(())
        }
    });
    reactor.notify(own_with());
    reactor.remote().call_from_thread(|_| ()).unwrap();
    reactor.extension::<RefCell<Vec<Box<dyn std::any::Any>>>>().borrow_mut().push(Box::new(own()));
    // Handles are kept, which must not keep alive what they are handles of.
    vec![
        Box::new((writer, other_writer, idle.unwrap(), watch.unwrap(), timer)),
        Box::new(reactor.call_later(Duration::MAX, own())),
        Box::new(reactor.on_signal(28, {
            let own = own();
            move |_| own()
        })),
        Box::new(reactor.add_system_event_trigger(Phase::Before, "never", own_with())),
        Box::new(reactor.add_system_event_trigger(Phase::After, SHUTDOWN, own_with())),
        Box::new(reactor.call_when_running(own_with())),
        Box::new(reactor.call_in_thread(job())),
        Box::new(waiting.add_both(move |_| own_wait())),
        Box::new(answer.add_both(|_| ())),
        Box::new((reactor.clone(), reactor.remote())),
    ]
}

#[test]
fn a_reactor_leaves_nothing_behind_however_it_ends() {
    child_succeeds("nothing_left::child_leaves_nothing_behind");
}

#[test]
fn child_leaves_nothing_behind() {
    if !is_child() {
        return; // Descriptors are counted: in a process of its own.
    }
    let stopped = |reactor: &mut Reactor| {
        let handle = reactor.handle();
        reactor.call_later(ms(1), move || handle.stop().unwrap());
        run_bounded(reactor);
    };
    let crashed = |reactor: &mut Reactor| {
        let handle = reactor.handle();
        reactor.call_later(ms(1), move || handle.crash());
        run_bounded(reactor);
    };
    let by_hand = |reactor: &mut Reactor| {
        reactor.start().unwrap();
        turns(reactor, 3);
    };
    let stopping = |reactor: &mut Reactor| {
        let (_promise, wait) = deferred::<()>();
        reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move |_| wait);
        reactor.start().unwrap();
        reactor.stop().unwrap();
        turns(reactor, 2);
    };
    let idle = |_: &mut Reactor| ();
    stopped(&mut Reactor::new().unwrap()); // Signals keep a pipe for the life of the process.
    let before = open_descriptors();
    for (name, end) in [
        ("stopped", &stopped as &dyn Fn(&mut Reactor)),
        ("crashed", &crashed),
        ("by hand", &by_hand),
        ("stopping", &stopping),
        ("idle", &idle),
    ] {
        for populated in [true, false] {
            let (token, shared) = (Rc::new(()), Arc::new(()));
            let mut reactor = Reactor::new().unwrap();
            let handle = reactor.handle();
            let kept = if populated { populate(&reactor, &token, &shared) } else { Vec::new() };
            end(&mut reactor);
            let more = if populated { populate_again(&reactor, &token, &shared) } else { Vec::new() };
            drop(reactor);
            assert_eq!(Rc::strong_count(&token), 1, "{name}");
            wait_until(|| Arc::strong_count(&shared) == 1);
            assert_eq!(Arc::strong_count(&shared), 1, "{name}");
            let stats = handle.stats();
            assert_eq!((stats.timers_pending, stats.sources, stats.connections), (0, 0, 0), "{name}");
            assert_eq!(handle.delayed_calls().len(), 0);
            drop((kept, more));
            wait_until(|| open_descriptors() == before);
            assert_eq!(open_descriptors(), before, "{name}");
        }
    }
}

/// Waits for a thread that is at the end of its job, within bounds.
fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if done() {
            return;
        }
        std::thread::yield_now();
    }
}

/// What can be left with a reactor after its run.
fn populate_again(reactor: &ReactorHandle, token: &Rc<()>, shared: &Arc<()>) -> Vec<Box<dyn std::any::Any>> {
    let own = || {
        let (token, handle) = (Rc::clone(token), reactor.clone());
        move |_: &ReactorHandle| drop((token, handle))
    };
    reactor.notify(own());
    reactor.fire_system_event("left behind");
    let own_timer = own();
    let (handle, job) = (reactor.clone(), Arc::clone(shared));
    vec![
        Box::new(reactor.call_when_running(own())),
        Box::new(reactor.call_later(ms(1), move || own_timer(&handle))),
        Box::new(reactor.add_system_event_trigger(Phase::Before, STARTUP, own())),
        Box::new(reactor.call_in_thread(move || drop(job))),
    ]
}
