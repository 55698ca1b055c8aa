//! Handles that outlive the reactor.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use twistor_deferred::{Abandoned, TimerError};
use twistor_reactor::sources::{Note, SourceHost};
use twistor_reactor::triggers::SHUTDOWN;
use twistor_reactor::{LendError, NotRunning, Phase, ReactorGone, ReactorHandle, Trigger};

use crate::common::{Notes, Probe, TestSource, ms, pipe, reactor, real_reactor};

#[test]
fn a_handle_outlives_its_reactor_and_every_method_is_harmless() {
    let (reactor, world) = reactor();
    let (notes, handle) = (Notes::default(), reactor.handle());
    let (token, drops) = (reactor.register(Rc::new(TestSource::new("source", &notes))).unwrap(), Rc::new(()));
    let own = || {
        let drops = Rc::clone(&drops);
        move || drop(drops)
    };
    let own_with = || {
        let own = own();
        move |_: &ReactorHandle| own()
    };
    let timer = reactor.call_later(ms(1), own());
    drop(reactor);
    notes.expect(&["source shut down"]);
    assert_eq!(timer.cancel(), Err(TimerError::Cleared));
    assert_eq!(world.holders(), 1, "the kernel is gone");

    assert_eq!(handle.stop(), Err(NotRunning));
    handle.crash();
    assert!(!handle.is_running() && handle.is_gone());
    assert!(!handle.remote().is_alive());
    assert_eq!(handle.now().as_nanos(), 0);
    let late = handle.call_later(ms(1), own());
    assert!(!late.active() && handle.delayed_calls().is_empty());
    assert!(handle.kernel().is_none());
    let source = Rc::new(TestSource::new("late", &notes));
    assert!(handle.register(source.clone()).is_none());
    assert!(handle.replace(token, source.clone()).is_err());
    assert!(handle.deregister(token).is_none() && handle.source(token).is_none());
    assert!(!handle.is_registered(token) && handle.sources().is_empty());
    handle.again(token);
    handle.flush_later(source.clone());
    handle.notify_source(source.clone(), Note(1));
    assert_eq!(Rc::strong_count(&source), 1);
    handle.notify(own_with());
    assert_eq!(handle.guard("what", || 7), Ok(7));
    assert_eq!(handle.with_scratch(|scratch| scratch.len()), handle.limits().read_size);
    handle.extension::<RefCell<Vec<u8>>>().borrow_mut().push(1);
    assert!(handle.extension::<RefCell<Vec<u8>>>().borrow().is_empty(), "not kept");
    handle.count_gathered(1);
    handle.count_received(1);

    let (reader, _writer) = pipe();
    let refused = handle.add_reader(Probe::new("a", &notes, reader)).unwrap_err();
    assert_eq!(refused.error.kind(), io::ErrorKind::NotConnected);
    assert!(refused.to_string().contains("the reactor was dropped"), "{refused}");
    assert!(handle.add_writer(refused.object).is_err());
    assert!(handle.readers().is_empty() && handle.writers().is_empty() && handle.remove_all().is_empty());

    let unrun: Vec<Trigger> = vec![
        handle.add_system_event_trigger(Phase::Before, SHUTDOWN, own_with()),
        handle.call_when_running(own_with()),
    ];
    assert!(unrun.iter().all(|trigger| trigger.remove().is_err()));
    handle.fire_system_event("event");
    let own_signal = own_with();
    let mut once = Some(own_signal);
    assert!(handle.on_signal(10, move |reactor| once.take().unwrap()(reactor)).is_err());
    assert_eq!(handle.exit_signal(), None);

    let shared = Arc::new(());
    let (one, two) = (Arc::clone(&shared), Arc::clone(&shared));
    assert!(!handle.call_in_thread(move || drop(one)).cancel());
    handle.call_in_thread_with_callback(|| Ok(()), |_| unreachable!());
    handle.call_multiple_in_thread([Box::new(move || drop(two)) as Box<dyn FnOnce() + Send>]);
    let answer = handle.defer_to_thread(|| Ok(())).try_take().unwrap();
    assert!(answer.unwrap_err().check::<Abandoned>());
    handle.suggest_thread_pool_size(3);
    assert_eq!(handle.remote().call_from_thread(|_| ()), Err(ReactorGone));
    assert!(format!("{handle:?}").contains("Gone"));
    assert_eq!((Rc::strong_count(&drops), Arc::strong_count(&shared)), (1, 1));
    notes.expect_nothing();
}

#[test]
fn a_watch_and_a_signal_handler_outlive_their_reactor() {
    let reactor = real_reactor();
    let notes = Notes::default();
    let (reader, _writer) = pipe();
    let watch = reactor.add_reader(Probe::new("a", &notes, reader)).unwrap();
    let signal = reactor.on_signal(28, |_| ()).unwrap(); // SIGWINCH on Linux.
    drop(reactor);
    notes.expect(&["a lost: reactor was stopped or dropped"]);
    watch.add_reader();
    watch.add_writer();
    watch.remove_reader();
    watch.remove_writer();
    watch.post(|_, _| unreachable!());
    assert!(matches!(watch.try_with(|_, _| ()), Err(LendError::Gone)));
    assert!(matches!(watch.remove(), Err(LendError::Gone)));
    assert!(!watch.is_active() && !watch.any().is_reader());
    assert_eq!(watch.any().log_prefix(), "-");
    signal.remove();
}

#[test]
fn an_object_that_is_lent_while_its_reactor_is_dropped_hears_of_it_afterwards() {
    let reactor = real_reactor();
    let notes = Notes::default();
    let (reader, _writer) = pipe();
    let watch = reactor.add_reader(Probe::new("a", &notes, reader)).unwrap();
    let seen = notes.clone();
    let lent = watch.try_with(move |_, watch| {
        drop(reactor);
        watch.add_writer();
        seen.add("still lent");
    });
    assert_eq!(lent, Ok(()));
    notes.expect(&["still lent", "a lost: reactor was stopped or dropped"]);
    assert!(matches!(watch.remove(), Err(LendError::Gone)));
}
