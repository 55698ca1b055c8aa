//! How streams end: in one direction, in both, in order or not.

use std::io;

use twistor_reactor::kernel::Readiness;

use super::MakeKernel;
use super::bench::{Bench, CLIENT, SERVER, kind, recv, send};

pub(in super::super) fn a_half_close_ends_one_direction(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    send(&*ends.client, b"last words");
    ends.client.shutdown_write().unwrap();
    bench.event(SERVER, Readiness::is_readable);
    assert_eq!(bench.read_to_end(&*ends.server, SERVER).unwrap(), b"last words");
    // The end stays, and the other direction is open.
    assert!(recv(&*ends.server, 1).unwrap().0.is_empty());
    send(&*ends.server, b"an answer");
    assert_eq!(bench.read(&*ends.client, CLIENT, 9), b"an answer");
}

pub(in super::super) fn an_end_is_announced(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    assert_eq!(kind(recv(&*ends.server, 1)), io::ErrorKind::WouldBlock);
    ends.client.shutdown_write().unwrap();
    bench.until("the end", |_| recv(&*ends.server, 1).is_ok_and(|(data, _)| data.is_empty()).then_some(()));
    let other = Bench::new(make);
    let ends = other.ends();
    send(&*ends.client, b"x");
    other.event(SERVER, Readiness::has_data);
    let (_, _) = recv(&*ends.server, 9).unwrap();
    ends.client.shutdown_write().unwrap();
    other.event(SERVER, Readiness::is_readable);
    assert!(recv(&*ends.server, 1).unwrap().0.is_empty());
}

pub(in super::super) fn a_close_in_order_is_an_end(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    send(&*ends.client, b"goodbye");
    drop(ends.client);
    assert_eq!(bench.read_to_end(&*ends.server, SERVER).unwrap(), b"goodbye");
}

pub(in super::super) fn a_reset_is_an_error_at_the_other_end(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    ends.client.reset_on_close().unwrap();
    drop(ends.client);
    bench.event(SERVER, |event| event.is_readable() && event.is_final());
    assert_eq!(kind(bench.read_to_end(&*ends.server, SERVER)), io::ErrorKind::ConnectionReset);
}

pub(in super::super) fn a_close_with_unread_input_is_a_reset(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    send(&*ends.client, b"never read");
    bench.event(SERVER, Readiness::has_data);
    drop(ends.server);
    bench.event(CLIENT, |event| event.is_readable() && event.is_final());
    assert_eq!(kind(bench.read_to_end(&*ends.client, CLIENT)), io::ErrorKind::ConnectionReset);
}

pub(in super::super) fn an_error_is_fetched_once(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    assert!(ends.server.take_error().unwrap().is_none());
    ends.client.reset_on_close().unwrap();
    drop(ends.client);
    bench.event(SERVER, Readiness::is_hang_up);
    let error = ends.server.take_error().unwrap().expect("the reset waits to be fetched");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(ends.server.take_error().unwrap().is_none());
}

pub(in super::super) fn who_sends_to_one_that_is_gone_is_told(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    drop(ends.server);
    bench.event(CLIENT, Readiness::is_readable);
    // The first send may be taken: it is the answer to it that tells.
    let error = bench.until("an error of a send", |_| {
        let sent = ends.client.send(&[io::IoSlice::new(b"hello?")]);
        sent.err().filter(|error| error.kind() != io::ErrorKind::WouldBlock)
    });
    assert!(
        matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
        "reset or broken pipe, not {error}"
    );
}
