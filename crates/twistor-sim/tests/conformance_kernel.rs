//! The kernels' own conformance suite, over both.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use twistor_deferred::contain;
use twistor_reactor::Moment;
use twistor_reactor::kernel::{
    Accepted, ConnectOptions, ConnectProgress, Kernel, ListenOptions, MioKernel, Readiness, Received,
    SocketOption, SocketOptionKind, StreamListener, StreamSocket, Token,
};
use twistor_sim::{Answer, Call, ScriptedKernel, conformance, errno, kernel_conformance};

kernel_conformance!(scripted, || Box::new(ScriptedKernel::new()));
kernel_conformance!(real, || Box::new(MioKernel::new().unwrap()));

#[test]
fn small_buffers_and_few_events_a_wait_change_nothing() {
    conformance::kernel(|| {
        let kernel = ScriptedKernel::new();
        kernel.set_buffers(1_000, 2_000);
        kernel.set_events_per_wait(1);
        Box::new(kernel)
    });
}

#[test]
fn a_kernel_that_breaks_its_word_is_told_with_every_case() {
    let broken = || {
        let kernel = ScriptedKernel::new();
        kernel.script(Call::ShutdownWrite, Answer::Errno(errno::ENOTCONN)).always();
        Box::new(kernel) as Box<dyn Kernel>
    };
    let why = contain(|| conformance::kernel(broken)).expect_err("no half close");
    assert!(why.contains("a_half_close_ends_one_direction: "), "{why}");
    assert!(!why.contains("a_timeout_is_not_cut_short"), "{why}");
}

/// How a kernel breaks its word.
#[derive(Clone, Copy)]
enum Lie {
    CutsTimeoutsShort,
    SaysThatNothingIsLeft,
    ForgetsToTellOfRoom,
    ForgetsToTellOfData,
    ClearsTheList,
    NeverResets,
    KeepsErrors,
}

/// An honest kernel behind a liar.
struct Liar {
    honest: ScriptedKernel,
    lie: Lie,
}

struct LyingSocket {
    honest: Box<dyn StreamSocket>,
    lie: Lie,
}

struct LyingListener {
    honest: Box<dyn StreamListener>,
    lie: Lie,
}

impl Kernel for Liar {
    fn now(&self) -> Moment {
        self.honest.now()
    }

    fn wall_time(&self) -> SystemTime {
        self.honest.wall_time()
    }

    fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Readiness>) -> io::Result<()> {
        let timeout = match self.lie {
            Lie::CutsTimeoutsShort => timeout.map(|timeout| timeout / 2),
            _ => timeout,
        };
        if matches!(self.lie, Lie::ClearsTheList) {
            ready.clear();
        }
        let before = ready.len();
        self.honest.wait(timeout, ready)?;
        let forgotten = |event: &Readiness| match self.lie {
            Lie::ForgetsToTellOfRoom => event.is_writable() && !event.is_readable(),
            Lie::ForgetsToTellOfData => event.has_data(),
            _ => false,
        };
        let new = ready.split_off(before);
        ready.extend(new.into_iter().filter(|event| !forgotten(event)));
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.honest.waker()
    }

    fn seed(&self) -> u64 {
        self.honest.seed()
    }

    fn listen_stream(&self, at: SocketAddr, options: &ListenOptions) -> io::Result<Box<dyn StreamListener>> {
        let honest = self.honest.listen_stream(at, options)?;
        Ok(Box::new(LyingListener { honest, lie: self.lie }))
    }

    fn connect_stream(&self, to: SocketAddr, options: &ConnectOptions) -> io::Result<Box<dyn StreamSocket>> {
        let honest = self.honest.connect_stream(to, options)?;
        Ok(Box::new(LyingSocket { honest, lie: self.lie }))
    }
}

impl StreamListener for LyingListener {
    fn register(&self, token: Token) -> io::Result<()> {
        self.honest.register(token)
    }

    fn accept(&self) -> io::Result<Accepted> {
        let Accepted { socket: honest, peer } = self.honest.accept()?;
        Ok(Accepted { socket: Box::new(LyingSocket { honest, lie: self.lie }), peer })
    }

    fn shed(&self, most: usize) -> io::Result<usize> {
        self.honest.shed(most)
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.honest.local()
    }
}

impl StreamSocket for LyingSocket {
    fn register(&self, token: Token) -> io::Result<()> {
        self.honest.register(token)
    }

    fn connect_progress(&self) -> io::Result<ConnectProgress> {
        self.honest.connect_progress()
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        if matches!(self.lie, Lie::KeepsErrors) {
            return Ok(None);
        }
        self.honest.take_error()
    }

    fn recv(&self, scratch: &mut [u8]) -> io::Result<Received> {
        let mut received = self.honest.recv(scratch)?;
        received.drained |= matches!(self.lie, Lie::SaysThatNothingIsLeft);
        Ok(received)
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.honest.send(parts)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.honest.shutdown_write()
    }

    fn reset_on_close(&self) -> io::Result<()> {
        if matches!(self.lie, Lie::NeverResets) {
            return Ok(());
        }
        self.honest.reset_on_close()
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.honest.local()
    }

    fn peer(&self) -> io::Result<SocketAddr> {
        self.honest.peer()
    }

    fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.honest.set_option(option)
    }

    fn option(&self, kind: SocketOptionKind) -> io::Result<SocketOption> {
        self.honest.option(kind)
    }
}

#[test]
fn each_lie_is_found_by_the_case_about_it() {
    let lies = [
        (Lie::CutsTimeoutsShort, "a_timeout_is_not_cut_short"),
        (Lie::SaysThatNothingIsLeft, "every_arrival_at_a_drained_socket_is_announced"),
        (Lie::ForgetsToTellOfRoom, "a_full_socket_says_when_there_is_room"),
        (Lie::ForgetsToTellOfData, "each_source_is_told_under_its_own_token"),
        (Lie::ClearsTheList, "what_is_ready_is_appended"),
        (Lie::NeverResets, "a_reset_is_an_error_at_the_other_end"),
        (Lie::KeepsErrors, "an_error_is_fetched_once"),
    ];
    for (lie, case) in lies {
        let make = || Box::new(Liar { honest: ScriptedKernel::new(), lie }) as Box<dyn Kernel>;
        let found = contain(|| conformance::kernel_case(case, make));
        assert!(found.is_err(), "{case} finds nothing wrong with a kernel that lies");
    }
    assert!(conformance::kernel_names().count() > 30);
}
