//! How connections end, to the millisecond: TCP-27 to TCP-31, HALF-03, and rulings R9 and R10.

mod net_support;

use std::io;

use net_support::{Bench, MILLISECOND, SECOND, Served, pattern};
use twistor_net::{CloseReason, NetLimits, ReactorTcp, Transport};
use twistor_sim::conformance::harness::{Ending, Event, Side};
use twistor_sim::{Answer, Call, errno};

/// A connection with more to send than its peer takes.
fn stuck(bench: &mut Bench, side: Side) -> Served {
    let served = bench.serve(side);
    served.peer.stop_reading();
    served.end.transport().write(&pattern(1_000_000));
    bench.settle();
    assert!(served.end.transport().pending() > 0);
    served
}

/// Sets limits.
fn limit(bench: &Bench, change: impl FnOnce(&mut NetLimits)) {
    let mut limits = bench.reactor().net_limits();
    change(&mut limits);
    bench.reactor().set_net_limits(limits);
}

#[test]
fn r09_a_close_has_30_s() {
    let mut bench = Bench::new();
    let served = stuck(&mut bench, Side::new());
    let begin = bench.time();
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(served.end.ending(), Some(Ending::CloseTimedOut));
    let took = bench.time().saturating_duration_since(begin);
    assert!(took >= SECOND * 30 && took < SECOND * 31, "{took:?}");
    assert!(served.peer.was_reset(), "the connection is aborted");
    assert_eq!(bench.kernel.open_sockets(), 0);
}

#[test]
fn r09_a_slow_reader_of_something_long_gets_it_whole() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(10_000, 10_000));
    let served = stuck(&mut bench, Side::new());
    served.end.transport().lose_connection();
    let mut taken = 0;
    // Each of some fifty pieces takes 20 s, and the deadline is for a peer that takes nothing.
    for _ in 0..200 {
        taken += served.peer.received().len();
        bench.pass(SECOND * 20);
    }
    taken += served.peer.received().len();
    assert_eq!((taken, served.end.ending()), (1_000_000, Some(Ending::Done)), "{:?}", bench.time());
}

#[test]
fn r09_the_deadline_can_be_turned_off() {
    let mut bench = Bench::new();
    let served = stuck(&mut bench, Side::new().on_made(|transport| transport.set_close_timeout(None)));
    served.end.transport().lose_connection();
    bench.pass(SECOND * 600);
    assert!(!served.end.is_over());
    served.peer.start_reading();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(served.end.ending(), Some(Ending::Done));
    assert_eq!(served.peer.received().len(), 1_000_000);
}

#[test]
fn r09_the_deadline_of_the_reactor_can_be_set() {
    let mut bench = Bench::new();
    limit(&bench, |limits| limits.close_timeout = Some(SECOND));
    let served = stuck(&mut bench, Side::new());
    let begin = bench.time();
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    assert!(bench.time().saturating_duration_since(begin) < SECOND * 2);
}

#[test]
fn r09_a_half_close_has_a_deadline_when_the_peer_is_done() {
    let mut bench = Bench::new();
    let served = stuck(&mut bench, Side::new().stay());
    served.end.transport().lose_write_connection();
    bench.pass(SECOND * 60);
    assert!(!served.end.is_over(), "the peer may still have a lot to say");
    served.peer.finish();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(served.end.ending(), Some(Ending::CloseTimedOut));
}

#[test]
fn tcp_29_a_reset_during_the_close_ends_it() {
    let mut bench = Bench::new();
    let served = stuck(&mut bench, Side::new());
    served.end.transport().lose_connection();
    bench.turn();
    served.peer.reset();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(served.end.ending(), Some(Ending::Lost));
}

#[test]
fn r10_the_socket_lingers_until_the_peers_fin() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.end.transport().write(b"the tail");
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(bench.kernel.open_sockets(), 1, "the reactor keeps it");
    assert!(served.peer.is_finished(), "our FIN has left");
    assert_eq!(bench.reactor().stats().connections, 0, "but it is no connection any more");
    served.peer.send(b"still talking");
    bench.settle();
    served.peer.finish();
    bench.settle();
    assert_eq!(bench.kernel.open_sockets(), 0);
    assert!(!served.peer.was_reset());
    assert_eq!(served.peer.received(), b"the tail");
    assert_eq!(served.end.received(), b"", "what came was thrown away");
}

#[test]
fn r10_for_2_s_at_most() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    bench.pass(MILLISECOND * 1_900);
    assert_eq!(bench.kernel.open_sockets(), 1);
    bench.pass(MILLISECOND * 200);
    assert_eq!(bench.kernel.open_sockets(), 0);
}

#[test]
fn r10_for_1_mib_at_most() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    served.peer.send(&pattern((1 << 20) - 1));
    bench.settle();
    assert_eq!(bench.kernel.open_sockets(), 1, "not yet");
    served.peer.send(b"1");
    bench.settle();
    assert_eq!(bench.kernel.open_sockets(), 0);
}

#[test]
fn r10_not_at_all_if_the_fin_was_seen() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.peer.finish();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(bench.kernel.open_sockets(), 0);
    assert!(!served.peer.was_reset());
}

#[test]
fn r10_not_after_an_abort() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.end.transport().abort_connection();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(bench.kernel.open_sockets(), 0);
    assert!(served.peer.was_reset());
}

#[test]
fn r10_not_if_it_is_turned_off() {
    let mut bench = Bench::new();
    limit(&bench, |limits| limits.linger_time = std::time::Duration::ZERO);
    let served = bench.serve(Side::new());
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(bench.kernel.open_sockets(), 0);
}

/// Closes `count` connections whose peers keep theirs open, one after another; gives the peers.
fn linger(bench: &mut Bench, count: usize) -> Vec<Served> {
    (0..count)
        .map(|_| {
            let served = bench.serve(Side::new());
            served.end.transport().lose_connection();
            bench.until("the loss", || served.end.is_over());
            served
        })
        .collect()
}

#[test]
fn r10_the_oldest_ends_when_there_are_too_many() {
    let mut bench = Bench::new();
    limit(&bench, |limits| limits.linger_sockets = 3);
    let all = linger(&mut bench, 5);
    assert_eq!(bench.kernel.open_sockets(), 3);
    // Data to a socket that is closed is answered by a reset.
    for served in &all {
        served.peer.send(b"?");
    }
    bench.settle();
    let reset: Vec<bool> = all.iter().map(|served| served.peer.was_reset()).collect();
    assert_eq!(reset, [true, true, false, false, false]);
}

#[test]
fn r10_those_that_are_over_do_not_count() {
    let mut bench = Bench::new();
    limit(&bench, |limits| limits.linger_sockets = 2);
    let slow = linger(&mut bench, 1);
    for _ in 0..5 {
        linger(&mut bench, 1)[0].peer.finish();
        bench.turn();
    }
    slow[0].peer.send(b"?");
    bench.settle();
    assert!(!slow[0].peer.was_reset(), "one at a time beside it: never too many");
}

#[test]
fn r10_unread_input_at_the_close_does_not_reset() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::deaf());
    served.peer.send(&pattern(40));
    bench.settle();
    served.peer.stop_reading();
    let sent = pattern(300_000);
    served.end.transport().write(&sent);
    served.end.transport().lose_connection();
    bench.pass(SECOND);
    served.peer.start_reading();
    bench.until("the loss", || served.end.is_over());
    bench.settle();
    assert_eq!(served.peer.received(), sent);
    assert!(served.peer.is_finished() && !served.peer.was_reset());
}

#[test]
fn r10_a_lingering_socket_that_is_reset_is_closed_quietly() {
    let mut bench = Bench::new();
    let served = linger(&mut bench, 1).remove(0);
    served.peer.reset();
    bench.settle();
    assert_eq!(bench.kernel.open_sockets(), 0);
    served.end.expect(&[Event::Made, Event::Lost(Ending::Done)]);
}

#[test]
fn r10_errors_while_lingering_are_quiet() {
    for answer in [Answer::Errno(errno::EINTR), Answer::WouldBlock, Answer::Short(1)] {
        let mut bench = Bench::new();
        let served = linger(&mut bench, 1).remove(0);
        bench.kernel.script(Call::Recv, answer).times(2);
        served.peer.send(b"some more");
        served.peer.finish();
        bench.settle();
        assert_eq!(bench.kernel.open_sockets(), 0, "{answer:?}");
        assert!(!served.peer.was_reset(), "{answer:?}");
    }
}

#[test]
fn tcp_27_a_fin_that_cannot_be_sent_means_the_peer_was_faster() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::ShutdownWrite, Answer::Errno(errno::ENOTCONN));
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    served.end.expect(&[Event::Made, Event::Lost(Ending::Lost)]);
    assert_eq!(bench.kernel.open_sockets(), 0);
}

/// `shutdown(2)` says of such a socket that it is not connected, which tells nobody anything.
#[test]
fn tcp_33_a_close_that_meets_a_reset_gives_the_reset_as_the_reason() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.peer.reset();
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    let reason = served.end.reason();
    let Some(CloseReason::Lost(error)) = &reason else { panic!("{reason:?}") };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
}

#[test]
fn half_03_a_fin_of_a_half_close_that_cannot_be_sent_is_a_loss() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::ShutdownWrite, Answer::Errno(errno::ENOTCONN));
    served.end.transport().lose_write_connection();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(served.end.ending(), Some(Ending::Lost));
    assert_eq!(served.end.milestones().last(), Some(&Event::Lost(Ending::Lost)));
}

#[test]
fn tcp_31_an_abort_whose_reset_fails_closes_all_the_same() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::ResetOnClose, Answer::Errno(errno::EINVAL));
    served.end.transport().abort_connection();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(served.end.ending(), Some(Ending::Aborted));
    assert_eq!(bench.kernel.open_sockets(), 0);
}

#[test]
fn tcp_31_connection_lost_comes_before_the_loop_sleeps() {
    type Act = fn(&Transport);
    let acts: [(Act, Ending); 2] =
        [(Transport::abort_connection, Ending::Aborted), (Transport::lose_connection, Ending::Done)];
    for (act, ending) in acts {
        let mut bench = Bench::new();
        let served = bench.serve(Side::new());
        bench.settle();
        act(&served.end.transport());
        let begin = bench.time();
        bench.turn_for(SECOND);
        assert_eq!(served.end.ending(), Some(ending));
        let told_at = bench.calls(Call::Wait).iter().filter(|wait| wait.at >= begin).count();
        assert!(told_at <= 2, "{told_at} waits");
    }
}

#[test]
fn a_close_makes_no_more_calls_than_it_needs() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.settle();
    bench.kernel.forget_calls();
    served.end.transport().write(b"bye");
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    served.peer.finish();
    bench.settle();
    let counts = [Call::Send, Call::ShutdownWrite, Call::Recv, Call::Close, Call::ResetOnClose];
    assert_eq!(counts.map(|call| bench.kernel.count(call)), [1, 1, 1, 1, 0], "{:?}", bench.kernel.calls());
}

#[test]
fn a_stopped_reactor_sends_what_the_sockets_take() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.end.transport().write(b"goodbye");
    bench.stop();
    assert_eq!(served.peer.received(), b"goodbye");
    assert_eq!(served.end.ending(), Some(Ending::ReactorGone));
}

#[test]
fn a_dropped_reactor_closes_every_socket() {
    let mut bench = Bench::new();
    let lingering = linger(&mut bench, 2);
    let served = bench.serve(Side::new());
    assert_eq!(bench.kernel.open_sockets(), 3);
    bench.drop_reactor();
    assert_eq!((bench.kernel.open_sockets(), bench.kernel.open_listeners()), (0, 0));
    assert_eq!(served.end.ending(), Some(Ending::ReactorGone));
    assert_eq!(lingering[0].end.ending(), Some(Ending::Done));
}
