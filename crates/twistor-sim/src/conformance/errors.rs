//! Errors: ERR-01 to ERR-03, ERR-05 and ERR-06, as they come from a transport.

use std::error::Error;

use twistor_net::{CannotConnect, CannotListenError, CloseReason, NotConnecting, ReactorTcp};

use super::Make;
use super::harness::{Event, Pair, Runner, Side};

pub(super) fn err_01_ends_are_told_apart_by_family(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.server.transport().lose_connection();
    pair.until_over();
    for end in [&pair.server, &pair.client] {
        assert!(end.reason().is_some_and(|reason| reason.is_clean()), "{end:?}");
    }
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.server.transport().abort_connection();
    pair.until_over();
    for end in [&pair.server, &pair.client] {
        assert!(end.reason().is_some_and(|reason| !reason.is_clean()), "{end:?}");
    }
    let Some(CloseReason::Lost(error)) = pair.client.reason() else { panic!("{:?}", pair.client) };
    assert!(pair.client.reason().unwrap().source().is_some(), "{error}");
}

pub(super) fn err_02_failures_of_a_connect_are_one_type(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let nobody = runner.nobody();
    let (_, refused) = runner.connect(("127.0.0.1", nobody), Side::new());
    let (stopped_connector, stopped) = runner.connect(("127.0.0.1", nobody), Side::new());
    stopped_connector.stop_connecting().unwrap();
    let (one, two) = (refused.clone(), stopped.clone());
    runner.until("both failures", || one.saw(&Event::Stopped) && two.saw(&Event::Stopped));
    let (refused, stopped) = (refused.connect_error().unwrap(), stopped.connect_error().unwrap());
    assert!(stopped.is_ours() && !refused.is_ours());
    assert!(!refused.is_timeout() && !stopped.is_timeout());
    assert!(refused.to_string().contains(&nobody.to_string()), "{refused}");
}

pub(super) fn err_03_cannot_listen_says_where_and_why(make: Make<'_>) {
    let mut runner = Runner::new(make);
    let (port, _) = runner.listen(Side::new());
    let (_, factory) = runner.end("second", Side::new());
    let number = port.host().port();
    let result = runner.reactor().listen_tcp(("127.0.0.1", number), factory);
    let Err(CannotListenError { interface, port, error, .. }) = result else { panic!("{result:?}") };
    assert_eq!((interface.as_str(), port), ("127.0.0.1", number));
    assert!(error.raw_os_error().is_some(), "{error:?}");
}

pub(super) fn err_06_misuse_is_an_error_of_the_call(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.until_client_saw(&Event::ConnectionMade);
    assert_eq!(pair.connector().connect(), Err(CannotConnect::AlreadyConnecting));
    assert_eq!(pair.connector().stop_connecting(), Err(NotConnecting));
    pair.drop_reactor();
    let (_, factory) = pair.end("late", Side::new());
    let error = pair.reactor().listen_tcp(("127.0.0.1", 0), factory).expect_err("the reactor is gone");
    assert!(error.to_string().contains("dropped"), "{error}");
}
