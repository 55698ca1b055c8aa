//! Whatever two ends do to each other, and whatever the kernel answers: the rules that hold always. Both ends do random things in random
//! turns, over random short reads and writes; the harness checks the order of what each protocol is told and that nothing is called from
//! inside another call (TCP-32, R12), and this checks the bytes.

mod net_support;

use net_support::{Bench, MILLISECOND, pattern};
use proptest::prelude::*;
use twistor_net::{ProducerKind, Transport};
use twistor_sim::conformance::harness::{End, Ending, Event, Feeding, Side};
use twistor_sim::{Answer, Call, errno};

/// What an end may do.
#[derive(Clone, Copy, Debug)]
enum Act {
    Write(usize),
    Pause,
    Resume,
    LoseWrite,
    Lose,
    Abort,
    Timeout,
    Pull,
    Unregister,
    Panic,
    /// Nothing, for so many milliseconds.
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_usize..200_000).prop_map(Act::Write),
        2 => Just(Act::Pause),
        3 => Just(Act::Resume),
        1 => Just(Act::LoseWrite),
        1 => Just(Act::Lose),
        1 => Just(Act::Abort),
        1 => Just(Act::Timeout),
        1 => Just(Act::Pull),
        1 => Just(Act::Unregister),
        1 => Just(Act::Panic),
        4 => (0_u64..30).prop_map(Act::Pass),
    ]
}

/// What the kernel may answer.
fn fault() -> impl Strategy<Value = (Call, Answer)> {
    prop_oneof![
        (1_usize..5_000).prop_map(|most| (Call::Recv, Answer::Short(most))),
        (1_usize..5_000).prop_map(|most| (Call::Send, Answer::Short(most))),
        Just((Call::Recv, Answer::WouldBlock)),
        Just((Call::Send, Answer::WouldBlock)),
        Just((Call::Recv, Answer::Errno(errno::EINTR))),
        Just((Call::Send, Answer::Errno(errno::EINTR))),
        Just((Call::Send, Answer::Errno(errno::ENOBUFS))),
        Just((Call::Recv, Answer::Spurious)),
    ]
}

/// One of two ends, and what it has written that was taken.
struct Actor {
    end: End,
    written: Vec<u8>,
}

impl Actor {
    fn act(&mut self, act: Act) {
        let transport = self.end.transport();
        match act {
            Act::Write(len) => self.write(&transport, len),
            Act::Pause => transport.pause_producing(),
            Act::Resume => transport.resume_producing(),
            Act::LoseWrite => transport.lose_write_connection(),
            Act::Lose => transport.lose_connection(),
            Act::Abort => transport.abort_connection(),
            Act::Timeout => drop(transport.set_timeout(Some(MILLISECOND * 20))),
            Act::Pull => {
                let feeder = Feeding::new().on_resume(Transport::unregister_producer).feeder(&self.end);
                drop(transport.register_producer(feeder, ProducerKind::Pull));
            }
            Act::Unregister => transport.unregister_producer(),
            Act::Panic => {
                let connection = transport.connection::<twistor_sim::conformance::harness::Recorder>();
                connection.post(|_, _| panic!("a posted panic"));
            }
            Act::Pass(_) => {}
        }
    }

    fn write(&mut self, transport: &Transport, len: usize) {
        let data = pattern(len);
        let before = transport.pending();
        transport.write(&data);
        if transport.pending() == before + len {
            self.written.extend_from_slice(&data);
        }
    }
}

fn is_reset(ending: Option<Ending>) -> bool {
    matches!(ending, Some(Ending::Lost | Ending::Aborted | Ending::CloseTimedOut))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_ends_do(
        acts in prop::collection::vec((any::<bool>(), act()), 0..25),
        faults in prop::collection::vec(fault(), 0..12),
        stay in any::<[bool; 2]>(),
    ) {
        let mut bench = Bench::new();
        for (call, answer) in faults {
            bench.kernel.script(call, answer);
        }
        let side = |stay: bool| if stay { Side::new().stay() } else { Side::new() };
        let (port, server) = bench.listen(side(stay[0]));
        let (_, client) = bench.connect(port.host().socket_addr().unwrap(), side(stay[1]));
        let ends = [server.clone(), client.clone()];
        bench.until("both ends connected", || ends.iter().all(|end| end.saw(&Event::Made)));
        let mut actors = [server, client].map(|end| Actor { end, written: Vec::new() });
        for (which, act) in acts {
            actors[usize::from(which)].act(act);
            if let Act::Pass(time) = act {
                bench.pass(MILLISECOND * u32::try_from(time).unwrap());
            }
        }
        for actor in &actors {
            actor.end.transport().resume_producing();
            actor.end.transport().lose_connection();
        }
        bench.until("both ends lost", || ends.iter().all(End::is_over));
        bench.settle();

        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to) = (&actors[from], &actors[to]);
            let received = to.end.received();
            prop_assert!(from.written.starts_with(&received), "bytes that nobody wrote: {:?}", to.end);
            // Whoever was told of the end of its input has all of it, unless something was cut off.
            if to.end.saw(&Event::ReadLost) && !is_reset(from.end.ending()) {
                prop_assert_eq!(received.len(), from.written.len(), "{:?} of {:?}", &to.end, &from.end);
            }
            prop_assert_eq!(from.end.transport().pending(), 0);
            prop_assert_eq!(from.end.drops(), 1);
        }
        prop_assert!(bench.misorder().is_none(), "{:?}", bench.misorder());
        bench.pass(MILLISECOND * 2_500);
        prop_assert_eq!(bench.kernel.open_sockets(), 0, "nothing lingers for more than 2 s");
        prop_assert_eq!(bench.reactor().stats().connections, 0);
    }
}
