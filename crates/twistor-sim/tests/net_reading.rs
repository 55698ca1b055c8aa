//! Reading over a kernel that answers as badly as kernels may: TCP-24, TCP-33, TCP-36, and rulings R4 and R6.

mod net_support;

use net_support::{Bench, MILLISECOND, SECOND, pattern};
use twistor_net::Transport;
use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::SourceHost;
use twistor_sim::conformance::harness::{Ending, Event, Side};
use twistor_sim::{Answer, Call, errno};

#[test]
fn tcp_24_short_reads_bring_everything() {
    for size in [1, 7, 1_000] {
        let mut bench = Bench::new();
        let served = bench.serve(Side::new());
        let _short = bench.kernel.script(Call::Recv, Answer::Short(size)).always().guard();
        let sent = pattern(3_000);
        served.peer.send(&sent);
        served.peer.finish();
        bench.until("the end", || served.end.is_over());
        assert_eq!(served.end.received(), sent, "in pieces of {size}");
        assert!(served.end.pieces().iter().all(|piece| *piece <= size));
    }
}

#[test]
fn tcp_24_one_read_a_readiness_event_if_it_was_short() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.settle();
    bench.kernel.forget_calls();
    for count in 1..=5 {
        served.peer.send(b"ping");
        bench.settle();
        assert_eq!(
            bench.kernel.count(Call::Recv),
            count,
            "a short read of a TCP socket proves that nothing is left"
        );
    }
}

#[test]
fn tcp_24_one_read_a_turn_so_that_nobody_starves() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1 << 20, 1 << 20));
    let greedy = bench.serve(Side::new());
    let modest = bench.kernel.dial(greedy.peer.remote());
    bench.until("both", || greedy.end.count(&Event::Made) == 2);
    greedy.peer.send(&pattern(1 << 19));
    modest.send(b"me too");
    // Who has more than one read's worth does not keep the other waiting.
    bench.until("the modest one", || greedy.end.pieces().contains(&6));
    assert!(greedy.end.received_len() <= 2 * 65_536 + 6, "{:?}", greedy.end.pieces());
    bench.until("the rest", || greedy.end.received_len() == (1 << 19) + 6);
}

#[test]
fn r06_an_echo_is_one_read_and_one_send() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::echo());
    bench.settle();
    bench.kernel.forget_calls();
    for count in 1..=10 {
        served.peer.send(b"ping");
        bench.settle();
        assert_eq!((bench.kernel.count(Call::Recv), bench.kernel.count(Call::Send)), (count, count));
    }
    let other = [Call::Register, Call::SetOption, Call::ShutdownWrite, Call::Rearm, Call::Watch];
    assert!(other.iter().all(|call| bench.kernel.count(*call) == 0), "nothing else is called");
    assert_eq!(served.peer.received(), b"ping".repeat(10));
}

#[test]
fn readiness_for_nothing_is_harmless() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::echo());
    for _ in 0..3 {
        bench.kernel.spurious(served.port.host().port());
        bench.settle();
    }
    bench.kernel.script(Call::Recv, Answer::Spurious);
    served.peer.send(b"real");
    bench.until("the echo", || served.peer.peek() == b"real");
    served.end.expect(&[Event::Made, Event::Data(4)]);
}

#[test]
fn tcp_34_an_interrupted_read_is_tried_again() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::Recv, Answer::Errno(errno::EINTR)).times(3);
    served.peer.send(b"in the end");
    bench.until("the bytes", || served.end.received() == b"in the end");
    assert!(bench.kernel.script_left().is_empty());
}

#[test]
fn a_read_that_would_block_after_all_waits_for_the_next_event() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::Recv, Answer::WouldBlock).times(2);
    served.peer.send(b"late");
    bench.until("the bytes", || served.end.received() == b"late");
}

#[test]
fn tcp_33_an_error_of_a_read_is_the_reason() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::Recv, Answer::Errno(errno::ETIMEDOUT));
    served.peer.send(b"?");
    bench.until("the loss", || served.end.is_over());
    served.end.expect(&[Event::Made, Event::Lost(Ending::Lost)]);
    assert_eq!(served.end.reason().unwrap().io_kind(), Some(std::io::ErrorKind::TimedOut));
}

#[test]
fn tcp_33_what_came_before_the_end_is_delivered_first() {
    for reset in [false, true] {
        let mut bench = Bench::new();
        let served = bench.serve(Side::new());
        served.peer.send(b"last words");
        if reset {
            served.peer.reset()
        } else {
            served.peer.finish()
        }
        bench.until("the loss", || served.end.is_over());
        assert_eq!(served.end.received(), b"last words");
        let ending = if reset { Ending::Lost } else { Ending::Done };
        assert_eq!(served.end.ending(), Some(ending));
    }
}

#[test]
fn r04_a_reset_is_heard_in_every_state_that_does_not_read() {
    type Act = fn(&Transport);
    let states: [(&str, Act); 4] = [
        ("paused", Transport::pause_producing),
        ("paused and half closed", |transport| {
            transport.pause_producing();
            transport.lose_write_connection();
        }),
        ("open", |_| {}),
        ("half closed", Transport::lose_write_connection),
    ];
    for (name, act) in states {
        let mut bench = Bench::new();
        let served = bench.serve(Side::new().stay());
        act(&served.end.transport());
        bench.settle();
        served.peer.reset();
        let begin = bench.time();
        bench.until("the loss", || served.end.is_over());
        assert_eq!(served.end.ending(), Some(Ending::Lost), "{name}");
        assert_eq!(bench.time(), begin, "{name}: at once");
    }
}

#[test]
fn r04_a_reset_of_a_read_closed_connection_is_heard() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new().stay());
    served.peer.finish();
    bench.until("the end of the input", || served.end.saw(&Event::ReadLost));
    served.peer.reset();
    bench.until("the loss", || served.end.is_over());
    served.end.expect(&[Event::Made, Event::ReadLost, Event::Lost(Ending::Lost)]);
}

#[test]
fn tcp_36_pausing_makes_no_call_of_the_kernel() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.settle();
    bench.kernel.forget_calls();
    for _ in 0..10 {
        served.end.transport().pause_producing();
        served.end.transport().resume_producing();
        served.end.transport().pause_producing();
        bench.turn();
    }
    let all = bench.kernel.calls();
    assert!(all.iter().all(|record| record.call == Call::Wait), "{all:?}");
    // The peer is slowed down by it: its window fills.
    served.peer.send(&pattern(1 << 20));
    bench.settle();
    assert!(served.peer.unsent() > 0 && served.end.received_len() == 0);
    served.end.transport().resume_producing();
    bench.until("all of it", || served.end.received_len() == 1 << 20);
}

#[test]
fn resetting_an_idle_time_out_costs_no_call_and_no_timer() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.end.transport().set_timeout(Some(SECOND));
    let timers = bench.reactor().stats().timers_pending;
    bench.kernel.forget_calls();
    for _ in 0..50 {
        served.peer.send(b"x");
        bench.pass(MILLISECOND * 100);
        assert_eq!(bench.reactor().stats().timers_pending, timers);
    }
    assert!(!served.end.saw(&Event::TimedOut));
    assert_eq!(bench.kernel.count(Call::Recv), 50);
    let last = bench.time();
    bench.until("the time-out", || served.end.saw(&Event::TimedOut));
    let idle = bench.time().saturating_duration_since(last);
    assert!(idle >= MILLISECOND * 900 && idle <= SECOND, "{idle:?}");
}

#[test]
fn an_event_of_a_connection_that_is_gone_is_dropped() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    let token = bench.reactor().sources().last().map(|(token, _)| *token).unwrap();
    served.end.transport().abort_connection();
    bench.until("the loss", || served.end.is_over());
    let stale = bench.reactor().stats().stale_events;
    bench.kernel.report(Readiness::new(token).readable().writable().error());
    bench.settle();
    assert_eq!(bench.reactor().stats().stale_events, stale + 1);
    served.end.expect(&[Event::Made, Event::Lost(Ending::Aborted)]);
}
