//! [`IdleKernel`]: a kernel in which nothing happens, and that at no cost.

use std::io;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, SystemTime};

use twistor_deferred::Moment;
use twistor_reactor::kernel::{
    ConnectOptions, Kernel, ListenOptions, Readiness, StreamListener, StreamSocket,
};

/// A kernel in which nothing happens: its clock stands still, waiting returns at once with nothing, and there are no
/// sockets. What a turn over it costs is the reactor's own work, and no system call.
///
/// A reactor over it is for turning by hand: one that *runs* with nothing to do would spin.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdleKernel;

impl Kernel for IdleKernel {
    fn now(&self) -> Moment {
        Moment::from_nanos(0)
    }

    fn wall_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn wait(&self, _timeout: Option<Duration>, _ready: &mut Vec<Readiness>) -> io::Result<()> {
        Ok(())
    }

    fn waker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn seed(&self) -> u64 {
        0
    }

    fn listen_stream(
        &self,
        _address: SocketAddr,
        _options: &ListenOptions,
    ) -> io::Result<Box<dyn StreamListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn connect_stream(
        &self,
        _address: SocketAddr,
        _options: &ConnectOptions,
    ) -> io::Result<Box<dyn StreamSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
