//! The test reactor: time passes when it is told to, and everything settles.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{CloseReason, Protocol, ReactorTcp, Transport, for_protocol};
use twistor_sim::TestReactor;

struct Echo(Rc<Cell<usize>>);

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn to_settle_moves_no_time_and_leaves_nothing_to_do() {
    let mut test = TestReactor::new();
    let lost = Rc::new(Cell::new(0));
    let count = Rc::clone(&lost);
    let port = test.listen_tcp(("127.0.0.1", 0), for_protocol(move |_| Echo(Rc::clone(&count)))).unwrap();
    let before = test.now();
    let client = test.kernel().dial(port.host().socket_addr().unwrap());
    client.send(b"hello");
    test.settle();
    assert_eq!(client.received(), b"hello");
    client.close();
    test.settle();
    assert_eq!((lost.get(), test.now()), (1, before));
}

#[test]
fn what_is_due_happens_at_its_moment() {
    let mut test = TestReactor::new();
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    for millis in [30, 10, 20] {
        let (seen, reactor) = (Rc::clone(&seen), test.handle());
        test.call_later(Duration::from_millis(millis), move || {
            seen.borrow_mut().push(reactor.now().as_nanos() / 1_000_000)
        });
    }
    test.pass(Duration::from_millis(19));
    assert_eq!(*seen.borrow(), [10]);
    test.pass(Duration::from_millis(1));
    assert_eq!(*seen.borrow(), [10, 20]);
    test.pass(Duration::from_secs(7 * 24 * 3_600));
    assert_eq!(*seen.borrow(), [10, 20, 30]);
}

#[test]
fn run_until_stops_at_the_event_or_at_the_limit() {
    let mut test = TestReactor::new();
    let done = Rc::new(Cell::new(false));
    let flag = Rc::clone(&done);
    test.call_later(Duration::from_secs(5), move || flag.set(true));
    assert!(!test.run_until(Duration::from_secs(4), || done.get()));
    assert!(test.run_until(Duration::from_secs(4), || done.get()));
    assert_eq!(test.now().as_nanos(), 5_000_000_000);
}

#[test]
#[should_panic(expected = "does not come to rest")]
fn a_program_that_never_rests_is_told_apart_from_a_slow_one() {
    fn again(reactor: twistor_reactor::ReactorHandle) {
        let next = reactor.clone();
        reactor.call_later(Duration::ZERO, move || again(next));
    }
    let mut test = TestReactor::new();
    again(test.handle());
    test.settle();
}
