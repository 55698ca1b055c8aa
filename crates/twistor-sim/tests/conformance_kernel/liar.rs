//! Each lie of a kernel is found.

use std::cell::Cell;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::task::Waker;
use std::time::{Duration, SystemTime};

use twistor_deferred::contain;
use twistor_reactor::Moment;
use twistor_reactor::kernel::{
    Accepted, ConnectOptions, ConnectProgress, Descriptors, Interest, Kernel, ListenOptions, Polled,
    Readiness, Received, Signals, SocketOption, SocketOptionKind, StreamListener, StreamSocket, Token,
};
use twistor_sim::conformance::{Channel, Surroundings};
use twistor_sim::{ScriptedKernel, conformance};

use crate::STARVED;

/// How a kernel breaks its word.
#[derive(Clone, Copy)]
enum Lie {
    CutsTimeoutsShort,
    SaysThatNothingIsLeft,
    ForgetsToTellOfRoom,
    ForgetsToTellOfData,
    ForgetsHangUps,
    ClearsTheList,
    NeverResets,
    KeepsErrors,
    ShedsNobody,
    ShedsOneMore,
    RefusesTheFifth,
    ReportsWhateverTheInterest,
    RegistersTwice,
    ForgetsToRearm,
    CountsSignalsTwice,
    GoesOnWithSignals,
    CatchesEverything,
    AdoptsAnything,
}

/// An honest kernel behind a liar.
struct Liar {
    honest: ScriptedKernel,
    lie: Lie,
    connects: Cell<usize>,
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
            Lie::ForgetsHangUps => event.is_hang_up(),
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
        self.connects.set(self.connects.get() + 1);
        if matches!(self.lie, Lie::RefusesTheFifth) && self.connects.get() == 5 {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let honest = self.honest.connect_stream(to, options)?;
        Ok(Box::new(LyingSocket { honest, lie: self.lie }))
    }

    fn adopt_listener(&self, fd: OwnedFd) -> io::Result<Box<dyn StreamListener>> {
        match self.lie {
            Lie::AdoptsAnything => {
                self.listen_stream(SocketAddr::from(([127, 0, 0, 1], 0)), &ListenOptions::default())
            }
            _ => self.honest.adopt_listener(fd),
        }
    }

    fn descriptors(&self) -> io::Result<&dyn Descriptors> {
        Ok(self)
    }

    fn signals(&self) -> io::Result<&dyn Signals> {
        Ok(self)
    }
}

impl Descriptors for Liar {
    fn watch(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<Polled> {
        let interest = match self.lie {
            Lie::ReportsWhateverTheInterest => Interest::READ | Interest::WRITE,
            _ => interest,
        };
        match Descriptors::watch(&self.honest, fd, token, interest) {
            Err(_) if matches!(self.lie, Lie::RegistersTwice) => Ok(Polled::Events),
            answer => answer,
        }
    }

    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        if matches!(self.lie, Lie::ForgetsToRearm) {
            return Ok(());
        }
        self.honest.rearm(fd, token, interest)
    }

    fn unwatch(&self, fd: RawFd) -> io::Result<()> {
        Descriptors::unwatch(&self.honest, fd)
    }
}

impl Signals for Liar {
    fn watch(&self, signal: i32, token: Token) -> io::Result<()> {
        match Signals::watch(&self.honest, signal, token) {
            Err(_) if matches!(self.lie, Lie::CatchesEverything) => Ok(()),
            answer => answer,
        }
    }

    fn arrivals(&self, token: Token) -> usize {
        let times = if matches!(self.lie, Lie::CountsSignalsTwice) { 2 } else { 1 };
        self.honest.arrivals(token) * times
    }

    fn unwatch(&self, token: Token) {
        if !matches!(self.lie, Lie::GoesOnWithSignals) {
            Signals::unwatch(&self.honest, token);
        }
    }
}

impl Surroundings for Liar {
    fn kernel(&self) -> &dyn Kernel {
        self
    }

    fn raise(&self, signal: i32) -> io::Result<()> {
        Surroundings::raise(&self.honest, signal)
    }

    fn starve(&self) -> io::Result<Box<dyn fmt::Debug + '_>> {
        self.honest.starve()
    }

    fn channel(&self) -> io::Result<Box<dyn Channel + '_>> {
        self.honest.channel()
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
        match self.lie {
            Lie::ShedsNobody => Ok(0),
            Lie::ShedsOneMore => self.honest.shed(most + 1),
            _ => self.honest.shed(most),
        }
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
        (Lie::ShedsOneMore, "tcp_19_who_waits_can_be_shed"),
        (Lie::ShedsNobody, STARVED),
        (Lie::RefusesTheFifth, "who_finds_a_full_backlog_waits_for_room"),
        (Lie::ForgetsToRearm, "fds_01_a_watched_descriptor_is_reported_once_and_again_after_a_rearm"),
        (Lie::ReportsWhateverTheInterest, "fds_02_what_is_not_of_interest_is_not_reported"),
        (Lie::ForgetsHangUps, "fds_06_a_hang_up_is_reported_whatever_the_interest"),
        (Lie::RegistersTwice, "fds_10_one_registration_a_descriptor"),
        (Lie::ForgetsToRearm, "fds_13_what_is_not_watched_cannot_be_rearmed"),
        (Lie::ReportsWhateverTheInterest, "an_interest_in_nothing_is_refused"),
        (Lie::CountsSignalsTwice, "a_watched_signal_is_told_and_counted"),
        (Lie::CountsSignalsTwice, "each_signal_is_told_under_its_own_token"),
        (Lie::GoesOnWithSignals, "a_signal_that_is_not_watched_any_more_is_not_told"),
        (Lie::CatchesEverything, "signals_that_cannot_be_caught_are_refused"),
        (Lie::AdoptsAnything, "tcp_22_an_adopted_listener_leaves_other_holders_accepting"),
        (Lie::AdoptsAnything, "tcp_22_what_is_no_socket_is_not_adopted"),
    ];
    for (lie, case) in lies {
        let make = || Liar { honest: ScriptedKernel::new(), lie, connects: Cell::default() };
        let found = contain(|| conformance::kernel_case(case, make));
        assert!(found.is_err(), "{case} finds nothing wrong with a kernel that lies");
    }
    assert!(conformance::kernel_names().count() > 50);
}
