//! One-shot clients: FACT-04, and the row of table 28a about connecting through a Deferred.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use twistor_deferred::{Canceller, Failure};
use twistor_net::{CloseReason, ConnectError, ReactorTcp, Transport};

use super::Make;
use super::harness::{End, Ending, Event, Runner, Side};

/// Connects the protocol of `side`, and writes a note of how that ended.
fn connect(runner: &mut Runner, port: u16, side: Side) -> (End, Rc<RefCell<Option<Failure>>>) {
    let (end, protocol) = runner.protocol("client", side);
    let failure = Rc::new(RefCell::new(None));
    let (fired, failed, kept) = (end.clone(), end.clone(), Rc::clone(&failure));
    drop(runner.reactor().connect_protocol(("127.0.0.1", port), protocol).add_callbacks(
        move |_| fired.note("fired"),
        move |failure| {
            *kept.borrow_mut() = Some(failure);
            failed.note("failed");
        },
    ));
    (end, failure)
}

pub(super) fn fact_04_fires_after_connection_made(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _server) = runner.listen(Side::new());
    let (client, _) = connect(&mut runner, port.host().port(), Side::new());
    client.expect_all(&[]);
    let seen = client.clone();
    runner.until("the connection", || seen.noted("fired"));
    client.expect_all(&[Event::Made, Event::Note("fired".to_owned())]);
}

pub(super) fn fact_04_reaches_the_protocol(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let (_client, protocol) = runner.protocol("client", Side::new());
    let connected = runner.reactor().connect_protocol(("127.0.0.1", port.host().port()), protocol);
    runner.until("the connection", || connected.has_result() && server.saw(&Event::Made));
    let connection = connected.try_take().expect("it has a result").expect("it is connected");
    assert!(connection.try_with(|_, transport: &Transport| transport.write(b"hi")).is_ok());
    runner.until("what it wrote", || server.received() == b"hi");
}

pub(super) fn fact_04_fails_with_the_reason(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let nobody = runner.nobody();
    let (client, failure) = connect(&mut runner, nobody, Side::new());
    let seen = client.clone();
    runner.until("the refusal", || seen.noted("failed"));
    let failure = failure.borrow_mut().take().expect("the failure was kept");
    assert!(matches!(failure.downcast_ref(), Some(ConnectError::Refused(_))), "{failure}");
    client.expect(&[]);
    assert_eq!(client.drops(), 1);
}

pub(super) fn fact_04_cancelling_stops_the_attempt(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let (client, protocol) = runner.protocol("client", Side::new());
    let connected = runner.reactor().connect_protocol(("127.0.0.1", port.host().port()), protocol);
    connected.cancel();
    assert!(connected.try_take().expect("at once").is_err_and(|failure| failure.is_cancelled()));
    runner.settle();
    client.expect(&[]);
    assert!(!server.saw(&Event::Made) || server.is_over(), "{server:?}");
    assert_eq!(client.drops(), 1);
}

pub(super) fn fact_04_cancelling_closes_a_connection(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let place: Rc<RefCell<Option<Canceller>>> = Rc::default();
    let canceller = Rc::clone(&place);
    let side = Side::new().on_made(move |_| {
        if let Some(canceller) = canceller.borrow().as_ref() {
            canceller.cancel();
        }
    });
    let (client, protocol) = runner.protocol("client", side);
    let connected = runner.reactor().connect_protocol(("127.0.0.1", port.host().port()), protocol);
    *place.borrow_mut() = Some(connected.canceller());
    runner.until("both ends lost", || server.is_over() && client.is_over());
    assert!(connected.try_take().expect("it has a result").is_err_and(|failure| failure.is_cancelled()));
    assert_eq!(client.ending(), Some(Ending::Done));
}

pub(super) fn fact_04_dropping_the_deferred_detaches(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, server) = runner.listen(Side::new());
    let (client, protocol) = runner.protocol("client", Side::new());
    drop(runner.reactor().connect_protocol(("127.0.0.1", port.host().port()), protocol));
    runner.until("the connection", || server.saw(&Event::Made));
    runner.settle();
    client.expect(&[Event::Made]);
}

pub(super) fn table_28a_a_panic_in_connection_made_fails_the_deferred(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _server) = runner.listen(Side::new());
    let (client, failure) =
        connect(&mut runner, port.host().port(), Side::new().on_made(|_| panic!("not made")));
    let seen = client.clone();
    runner.until("the failure", || seen.noted("failed"));
    let failure = failure.borrow_mut().take().expect("the failure was kept");
    assert!(matches!(failure.downcast_ref(), Some(CloseReason::Panicked(_))), "{failure}");
    client.expect(&[Event::Made, Event::Lost(Ending::Panicked)]);
}

pub(super) fn fact_04_an_early_close_fails_the_deferred_once(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _server) = runner.listen(Side::new());
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let (client, protocol) = runner.protocol("client", Side::new().on_made(Transport::lose_connection));
    drop(
        runner
            .reactor()
            .connect_protocol(("127.0.0.1", port.host().port()), protocol)
            .add_both(move |_| count.set(count.get() + 1)),
    );
    runner.until("the loss", || client.is_over());
    runner.settle();
    assert_eq!(calls.get(), 1);
}
