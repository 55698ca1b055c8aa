//! Destructors that call back.

use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use twistor_deferred::deferred;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::{Phase, Reactor, ReactorHandle, Watch};

use crate::common::{Log, Notes, OnDrop, Probe, TestSource, keep, ms, pipe, real_reactor, turns};

/// A destructor that does all that a user can do to a reactor from inside it.
fn busy(reactor: &ReactorHandle, drops: &Rc<Cell<usize>>) -> OnDrop<impl FnMut() + use<>> {
    let (reactor, drops) = (reactor.clone(), Rc::clone(drops));
    OnDrop(move || {
        drops.set(drops.get() + 1);
        for call in reactor.delayed_calls() {
            let _ = call.reset(ms(1));
        }
        let _ = reactor.call_later(ms(1), || ()).cancel();
        reactor.call_later(Duration::ZERO, || ());
        reactor.notify(|_| ());
        reactor.call_when_running(|_| ());
        let _ = reactor.add_system_event_trigger(Phase::Before, "busy", |_| ()).remove();
        reactor.fire_system_event("busy");
        let _ = reactor.remote().call_from_thread(|_| ());
        reactor.call_in_thread(|| ()).cancel();
        drop(reactor.defer_to_thread(|| Ok(())).add_both(|_| ()));
        if let Ok(handler) = reactor.on_signal(10, |_| ()) {
            handler.remove();
        }
        for watch in reactor.readers() {
            if let Some(watch) = watch.downcast::<Probe>() {
                watch.add_writer();
                watch.remove_writer();
                let _ = watch.try_with(|_, watch| watch.add_reader());
                watch.post(|_, _| ());
            }
        }
        let (reader, _writer) = UnixStream::pair().unwrap();
        let made: Option<Watch<Probe>> =
            reactor.add_reader(Probe::new("made", &Notes::default(), reader)).ok();
        if let Some(watch) = made {
            drop(watch.remove());
        }
        let _ =
            (reactor.stats(), reactor.sources().len(), reactor.remove_all().len(), format!("{reactor:?}"));
        reactor.with_scratch(|scratch| scratch.fill(0));
    })
}

/// Puts something busy wherever the reactor can drop it, and says how many there are.
fn put_everywhere(reactor: &ReactorHandle, drops: &Rc<Cell<usize>>) -> usize {
    let own = || {
        let busy = busy(reactor, drops);
        move || keep(&busy)
    };
    let own_with = || {
        let own = own();
        move |_: &ReactorHandle| own()
    };
    let (reader, writer) = pipe();
    drop(reactor.add_reader(Probe::new("reader", &Notes::default(), reader).on_lost(own())));
    drop(reactor.add_writer(Probe::new("writer", &Notes::default(), writer).on_lost(own())));
    reactor.call_later(ms(1), own());
    reactor.call_later(Duration::MAX, own());
    reactor.notify(own_with());
    reactor.add_system_event_trigger(Phase::Before, "never", own_with());
    reactor.call_when_running(own_with());
    let handler = own();
    reactor.on_signal(12, move |_| handler()).unwrap();
    reactor.extension::<RefCell<Vec<Box<dyn std::any::Any>>>>().borrow_mut().push(Box::new(own()));
    let (promise, wait) = deferred::<()>();
    let waiting = own();
    wait.add_both(move |_| waiting());
    let with_promise = own();
    reactor.call_later(Duration::MAX, move || {
        with_promise();
        drop(promise);
    });
    let mut source = TestSource::new("source", &Notes::default());
    let flush = own();
    source.on_flush = Box::new(move |_| flush());
    let source = Rc::new(source);
    reactor.register(source.clone()).unwrap();
    reactor.flush_later(source);
    12
}

#[test]
fn destructors_may_call_anything_wherever_the_reactor_drops_them() {
    let log = Log::catch();
    let ends: [fn(&mut Reactor); 4] = [
        |_| (),
        |reactor| {
            reactor.start().unwrap();
            turns(reactor, 2);
        },
        |reactor| {
            let handle = reactor.handle();
            reactor.call_later(ms(3), move || handle.stop().unwrap());
            reactor.run().unwrap(); // Not bounded by a timer, since they move those.
        },
        |reactor| {
            let handle = reactor.handle();
            reactor.call_later(Duration::ZERO, move || handle.crash());
            reactor.run().unwrap(); // Not bounded by a timer, since they move those.
        },
    ];
    for end in ends {
        let drops = Rc::new(Cell::new(0));
        let mut reactor = Reactor::builder().handle_signals(false).build().unwrap();
        let count = put_everywhere(&reactor, &drops);
        end(&mut reactor);
        drop(reactor);
        assert_eq!((drops.get(), Rc::strong_count(&drops)), (count, 1));
    }
    log.expect(&[]);
}

#[test]
fn destructors_may_stop_and_crash_the_reactor() {
    for stops in [true, false] {
        let mut reactor = real_reactor();
        let handle = reactor.handle();
        let ends = OnDrop(move || if stops { handle.stop().unwrap() } else { handle.crash() });
        reactor.call_later(Duration::from_secs(3_600), move || drop(ends)).cancel().unwrap();
        turns(&mut reactor, 1);
        assert!(reactor.is_finished());
    }
}

#[test]
fn destructors_of_watched_objects_may_take_others_away() {
    let mut reactor = real_reactor();
    let notes = Notes::default();
    let others: Rc<RefCell<Vec<Watch<Probe>>>> = Rc::default();
    let mut writers = Vec::new();
    for name in ["a", "b", "c"] {
        let (reader, writer) = pipe();
        let (all, seen) = (Rc::clone(&others), notes.clone());
        let take_all = OnDrop(move || {
            let all = all.take();
            seen.add(format_args!("{name} takes {}", all.iter().filter(|w| w.remove().is_ok()).count()));
        });
        let probe = Probe::new(name, &notes, reader).on_lost(move || keep(&take_all));
        others.borrow_mut().push(reactor.add_reader(probe).unwrap());
        writers.push(writer);
    }
    drop(writers.remove(1)); // "b" ends, and its destructor takes the two others.
    turns(&mut reactor, 2);
    notes.expect(&["b lost: connection was closed cleanly", "a takes 0", "c takes 0", "b takes 2"]);
    assert_eq!(reactor.stats().sources, 0);
}
