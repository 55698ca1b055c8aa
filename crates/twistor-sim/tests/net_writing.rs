//! Writing over a kernel that answers as badly as kernels may: TCP-23, TCP-24, TCP-33, TCP-34, and rulings R6 and R7.

mod net_support;

use net_support::{Bench, MILLISECOND, pattern};
use twistor_net::{Flow, ProducerKind};
use twistor_sim::conformance::harness::{Ending, Event, Feeding, Side};
use twistor_sim::{Answer, Call, CallOutcome, errno};

#[test]
fn r06_many_small_writes_are_one_send() {
    let mut bench = Bench::new();
    let side = Side::new().on_data(|transport, data| {
        for byte in data {
            transport.write(std::slice::from_ref(byte));
        }
    });
    let served = bench.serve(side);
    bench.kernel.forget_calls();
    served.peer.send(&pattern(1_000));
    bench.until("the echo", || served.peer.peek().len() == 1_000);
    assert_eq!(bench.kernel.count(Call::Send), 1);
    assert_eq!(served.peer.received(), pattern(1_000));
}

#[test]
fn r06_writes_to_others_leave_once_a_turn() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    let second = bench.kernel.dial(served.peer.remote());
    bench.until("both", || served.end.count(&Event::Made) == 2);
    let all = served.end.transports();
    bench.kernel.forget_calls();
    for round in 0..10_u8 {
        for transport in &all {
            transport.write(&[round]);
        }
    }
    assert_eq!(bench.kernel.count(Call::Send), 0, "nothing is sent inside the call");
    bench.turn();
    assert_eq!(bench.kernel.count(Call::Send), 2, "one each");
    assert_eq!((served.peer.received().len(), second.received().len()), (10, 10));
}

#[test]
fn r06_large_writes_leave_in_one_gathering_send() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1 << 20, 1 << 20));
    let served = bench.serve(Side::new());
    bench.kernel.forget_calls();
    for _ in 0..4 {
        served.end.transport().write_bytes(pattern(100_000));
        served.end.transport().write(b"and a little");
    }
    bench.until("all of it", || served.peer.peek().len() == 4 * 100_012);
    assert_eq!(bench.kernel.count(Call::Send), 1);
}

#[test]
fn tcp_23_short_writes_lose_nothing() {
    for size in [1, 7, 1_000] {
        let mut bench = Bench::new();
        let served = bench.serve(Side::new());
        let _short = bench.kernel.script(Call::Send, Answer::Short(size)).always().guard();
        let sent = pattern(2_500);
        served.end.transport().write(&sent[..1_200]);
        served.end.transport().write_bytes(sent[1_200..].to_vec());
        bench.until("all of it", || served.peer.peek().len() == sent.len());
        assert_eq!(served.peer.received(), sent, "in pieces of {size}");
        assert_eq!(served.end.transport().pending(), 0);
    }
}

#[test]
fn tcp_23_one_send_a_turn_so_that_nobody_starves() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    let _short = bench.kernel.script(Call::Send, Answer::Short(1)).always().guard();
    served.end.transport().write(b"12345");
    for count in 1..=5 {
        bench.turn();
        assert!(bench.kernel.count(Call::Send) <= count + 1, "{count}: {}", bench.kernel.count(Call::Send));
    }
}

#[test]
fn tcp_34_a_send_that_would_block_waits_for_room() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    served.peer.stop_reading();
    let sent = pattern(500_000);
    served.end.transport().write(&sent);
    bench.settle();
    let sends = bench.kernel.count(Call::Send);
    let blocked = bench.calls(Call::Send).last().map(|record| record.outcome);
    assert_eq!(blocked, Some(CallOutcome::WouldBlock));
    bench.pass(MILLISECOND * 500);
    assert_eq!(bench.kernel.count(Call::Send), sends, "no call until there is room");
    assert!(served.end.transport().pending() > 0);
    served.peer.start_reading();
    bench.until("all of it", || served.peer.peek().len() == sent.len());
    assert_eq!(served.peer.received(), sent);
}

#[test]
fn tcp_34_no_buffers_and_interrupted_are_tried_again() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::Send, Answer::Errno(errno::EINTR)).then(Answer::Errno(errno::ENOBUFS)).times(3);
    let begin = bench.time();
    served.end.transport().write(b"in the end");
    bench.until("the bytes", || served.peer.peek() == b"in the end");
    assert!(bench.kernel.script_left().is_empty());
    assert_eq!(bench.times(Call::Send, begin), [0, 0, 10, 20, 30], "10 ms after each shortage");
    assert_eq!(served.end.protocol_events(), [Event::Made]);
}

#[test]
fn tcp_34_a_close_waits_for_a_shortage_of_buffers() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.kernel.script(Call::Send, Answer::Errno(errno::ENOBUFS)).times(5);
    served.end.transport().write(b"the rest");
    served.end.transport().lose_connection();
    bench.until("the loss", || served.end.is_over());
    assert_eq!(served.peer.received(), b"the rest");
    assert_eq!(served.end.ending(), Some(Ending::Done));
}

#[test]
fn tcp_33_an_error_of_a_send_is_the_reason() {
    for code in [errno::EPIPE, errno::ECONNRESET] {
        let mut bench = Bench::new();
        let served = bench.serve(Side::new());
        bench.kernel.script(Call::Send, Answer::Errno(code));
        served.end.transport().write(b"?");
        assert!(!served.end.is_over());
        bench.until("the loss", || served.end.is_over());
        served.end.expect(&[Event::Made, Event::Lost(Ending::Lost)]);
        assert_eq!(served.end.transport().pending(), 0);
        let bare = std::io::Error::from_raw_os_error(code);
        assert_eq!(served.end.reason().unwrap().io_kind(), Some(bare.kind()));
    }
}

#[test]
fn tcp_33_an_error_of_a_send_inside_a_callback_is_told_after_it() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::echo());
    bench.kernel.script(Call::Send, Answer::Errno(errno::ECONNRESET));
    served.peer.send(b"?");
    bench.until("the loss", || served.end.is_over());
    served.end.expect(&[Event::Made, Event::Data(1), Event::Lost(Ending::Lost)]);
}

#[test]
fn r07_pause_and_resume_come_at_the_marks() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(10_000, 10_000));
    let served = bench.serve(Side::new());
    served.peer.stop_reading();
    let transport = served.end.transport();
    assert_eq!(transport.write(&pattern(65_536 + 20_000)), Flow::Full, "nothing has left yet");
    bench.settle();
    assert_eq!(transport.pending(), 65_536, "two buffers' worth has left");
    served.end.expect(&[Event::Made, Event::Paused]);
    // Down to the mark is not down to zero.
    let _ = served.peer.received();
    bench.settle();
    served.end.expect(&[Event::Made, Event::Paused]);
    served.peer.start_reading();
    bench.until("the resume", || served.end.saw(&Event::Resumed));
    assert_eq!(transport.pending(), 0);
}

#[test]
fn prod_03_pause_and_resume_of_a_producer_coalesce() {
    let mut bench = Bench::with(|kernel| kernel.set_buffers(1 << 20, 1 << 20));
    let served = bench.serve(Side::new());
    let feeder = Feeding::new().feeder(&served.end);
    served.end.transport().register_producer(feeder, ProducerKind::Push).unwrap();
    // Over the mark and gone again before anybody is told: written in a callback, taken by the socket at its end.
    let connection = served.end.transport().connection::<twistor_sim::conformance::harness::Recorder>();
    connection.post(|_, transport| {
        transport.write(&pattern(200_000));
    });
    bench.until("all of it", || served.peer.peek().len() == 200_000);
    bench.settle();
    assert_eq!(served.end.producer_events(), [], "a pause and a resume that cancel out are not made");
}

#[test]
fn an_idle_connection_makes_no_call() {
    let mut bench = Bench::new();
    let served = bench.serve(Side::new());
    bench.settle();
    bench.kernel.forget_calls();
    bench.pass(MILLISECOND * 10_000);
    let all = bench.kernel.calls();
    assert!(all.iter().all(|record| record.call == Call::Wait), "{all:?}");
    served.end.expect(&[Event::Made]);
}
