//! Connected TCP sockets, and those on the way to it.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use mio::Interest;
use mio::unix::SourceFd;
use rustix::io::{Errno, writev};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::{Core, poll_token, unsupported};
use crate::kernel::{
    ConnectOptions, ConnectProgress, KeepAlive, Received, ReceivedData, SocketOption, SocketOptionKind,
    StreamSocket, Token,
};

/// A TCP socket.
///
/// `TCP_NODELAY` is on from the beginning (R6: writes are gathered above). That it could not be set is no reason to lose a
/// connection, so such an error is ignored.
pub(super) struct TcpStream {
    socket: OwnedFd,
    core: Rc<Core>,
    /// Whether others may hold the same socket: then closing our descriptor does not take it out of the poller.
    shared: bool,
}

impl TcpStream {
    /// Begins to connect.
    pub(super) fn connect(
        core: &Rc<Core>,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        let _ = socket.set_tcp_nodelay(true);
        if let Some(local) = options.bind_address {
            socket.bind(&local.into())?;
        }
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(why) if is_under_way(&why) => {}
            Err(why) => return Err(why),
        }
        Ok(Self { socket: socket.into(), core: Rc::clone(core), shared: false })
    }

    /// A connection that a listener took, non-blocking and with `TCP_NODELAY` set already.
    pub(super) fn accepted(core: &Rc<Core>, socket: mio::net::TcpStream) -> Self {
        Self { socket: socket.into(), core: Rc::clone(core), shared: false }
    }

    /// A connected socket that somebody else made.
    pub(super) fn adopt(core: &Rc<Core>, fd: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(fd);
        check_tcp(&socket, "stream")?;
        socket.peer_addr()?;
        socket.set_cloexec(true)?;
        socket.set_nonblocking(true)?;
        let _ = socket.set_tcp_nodelay(true);
        Ok(Self { socket: socket.into(), core: Rc::clone(core), shared: true })
    }

    fn options(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }

    /// Whether packets of this connection are IPv4, on whatever kind of socket: then `IP_TOS` is what counts.
    fn speaks_v4(&self) -> io::Result<bool> {
        Ok(internet(self.options().local_addr())?.ip().to_canonical().is_ipv4())
    }
}

impl StreamSocket for TcpStream {
    fn register(&self, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interest = interest | Interest::PRIORITY;
        self.core.registry.register(&mut SourceFd(&self.socket.as_raw_fd()), poll_token(token), interest)
    }

    fn connect_progress(&self) -> io::Result<ConnectProgress> {
        if let Some(why) = self.options().take_error()? {
            return Err(why);
        }
        match internet(self.options().peer_addr()) {
            // A port that nobody listens on may be the very one the system chose for our end, and TCP then connects the socket to
            // itself. Nobody means that.
            Ok(peer) if internet(self.options().local_addr())? == peer => {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Ok(_) => Ok(ConnectProgress::Connected),
            Err(why) if why.kind() == io::ErrorKind::NotConnected || is_under_way(&why) => {
                Ok(ConnectProgress::InProgress)
            }
            Err(why) => Err(why),
        }
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.options().take_error()
    }

    fn recv(&self, scratch: &mut [u8]) -> io::Result<Received> {
        debug_assert!(!scratch.is_empty(), "a read into nothing looks like the end");
        let (len, _) = retry(|| recv(&self.socket, &mut *scratch, RecvFlags::empty()))?;
        Ok(Received { data: ReceivedData::Scratch(len), drained: 0 < len && len < scratch.len() })
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [part] => Ok(retry(|| send(&self.socket, part, QUIETLY))?),
            parts => write_parts(&self.socket, &parts[..parts.len().min(MOST_PARTS)]),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.options().shutdown(Shutdown::Write)
    }

    fn reset_on_close(&self) -> io::Result<()> {
        self.options().set_linger(Some(Duration::ZERO))
    }

    fn local(&self) -> io::Result<SocketAddr> {
        internet(self.options().local_addr())
    }

    fn peer(&self) -> io::Result<SocketAddr> {
        internet(self.options().peer_addr())
    }

    fn set_option(&self, option: SocketOption) -> io::Result<()> {
        let socket = self.options();
        match option {
            SocketOption::NoDelay(on) => socket.set_tcp_nodelay(on),
            SocketOption::KeepAlive(None) => socket.set_keepalive(false),
            SocketOption::KeepAlive(Some(times)) => {
                socket.set_keepalive(true)?;
                match times {
                    KeepAlive { idle: None, interval: None, probes: None } => Ok(()),
                    times => socket.set_tcp_keepalive(&to_system(times)),
                }
            }
            SocketOption::ReceiveBuffer(bytes) => socket.set_recv_buffer_size(bytes),
            SocketOption::SendBuffer(bytes) => socket.set_send_buffer_size(bytes),
            SocketOption::TypeOfService(value) if value > 0xFF => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("setting the type of service: {value} is over 255"),
            )),
            SocketOption::TypeOfService(value) if self.speaks_v4()? => socket.set_tos_v4(value),
            SocketOption::TypeOfService(value) => socket.set_tclass_v6(value),
            SocketOption::UserTimeout(timeout) => set_user_timeout(&socket, timeout),
        }
    }

    fn option(&self, kind: SocketOptionKind) -> io::Result<SocketOption> {
        let socket = self.options();
        Ok(match kind {
            SocketOptionKind::NoDelay => SocketOption::NoDelay(socket.tcp_nodelay()?),
            SocketOptionKind::KeepAlive if !socket.keepalive()? => SocketOption::KeepAlive(None),
            SocketOptionKind::KeepAlive => SocketOption::KeepAlive(Some(KeepAlive {
                idle: Some(socket.tcp_keepalive_time()?),
                interval: Some(socket.tcp_keepalive_interval()?),
                probes: Some(socket.tcp_keepalive_retries()?),
            })),
            SocketOptionKind::ReceiveBuffer => SocketOption::ReceiveBuffer(socket.recv_buffer_size()?),
            SocketOptionKind::SendBuffer => SocketOption::SendBuffer(socket.send_buffer_size()?),
            SocketOptionKind::TypeOfService if self.speaks_v4()? => {
                SocketOption::TypeOfService(socket.tos_v4()?)
            }
            SocketOptionKind::TypeOfService => SocketOption::TypeOfService(socket.tclass_v6()?),
            SocketOptionKind::UserTimeout => SocketOption::UserTimeout(user_timeout(&socket)?),
        })
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        if self.shared {
            // An error only says that it was never registered.
            let _ = self.core.registry.deregister(&mut SourceFd(&self.socket.as_raw_fd()));
        }
    }
}

/// Refuses what is no TCP socket of IPv4 or IPv6; `role` names what was hoped for.
pub(super) fn check_tcp(socket: &Socket, role: &str) -> io::Result<()> {
    if socket.r#type()? != Type::STREAM {
        return Err(unsupported(format!("adopting a {role}: the socket is not of type SOCK_STREAM")));
    }
    let local = socket.local_addr()?;
    if local.as_socket().is_none() {
        return Err(unsupported(format!(
            "adopting a {role}: the address family {} is neither IPv4 nor IPv6",
            local.family()
        )));
    }
    Ok(())
}

/// An address of a socket that was made, or looked at, to be one of IPv4 or IPv6.
fn internet(address: io::Result<SockAddr>) -> io::Result<SocketAddr> {
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, "neither IPv4 nor IPv6");
    address?.as_socket().ok_or_else(unknown)
}

/// Whether a connect goes on. An interrupted one does as well (connect(2)).
fn is_under_way(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::Interrupted || why.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error())
}

/// Retries what a signal interrupted, but not for ever: the error is then the caller's to retry.
#[inline(always)]
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    match call() {
        Err(Errno::INTR) => retry_on(call),
        answer => answer,
    }
}

#[cold]
fn retry_on<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 2..MOST_TRIES {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
    call()
}

/// Many pieces in one call, by writev(2).
#[inline(never)]
fn write_parts(socket: &OwnedFd, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(retry(|| writev(socket, parts))?)
}

/// The system counts in seconds and refuses zero, so anything shorter is one.
fn to_system(times: KeepAlive) -> TcpKeepalive {
    let seconds = |time: Duration| Duration::from_secs(time.as_secs().max(1));
    let mut system = TcpKeepalive::new();
    if let Some(idle) = times.idle {
        system = system.with_time(seconds(idle));
    }
    if let Some(interval) = times.interval {
        system = system.with_interval(seconds(interval));
    }
    if let Some(probes) = times.probes {
        system = system.with_retries(probes);
    }
    system
}

/// Zero milliseconds would be the system's choice, so anything shorter than one is one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_user_timeout(socket: &SockRef<'_>, timeout: Option<Duration>) -> io::Result<()> {
    socket.set_tcp_user_timeout(timeout.map(|time| time.max(Duration::from_millis(1))))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn user_timeout(socket: &SockRef<'_>) -> io::Result<Option<Duration>> {
    // The system says zero for its own choice.
    Ok(socket.tcp_user_timeout()?.filter(|time| !time.is_zero()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_user_timeout(_socket: &SockRef<'_>, _timeout: Option<Duration>) -> io::Result<()> {
    Err(unsupported("setting TCP_USER_TIMEOUT: this system has no such option".to_owned()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn user_timeout(_socket: &SockRef<'_>) -> io::Result<Option<Duration>> {
    Err(unsupported("reading TCP_USER_TIMEOUT: this system has no such option".to_owned()))
}

/// How many parts one send takes: `IOV_MAX` of Linux, the BSDs and macOS.
const MOST_PARTS: usize = 1_024;
/// No SIGPIPE for a peer that is gone, whatever the program does about that signal. (Apple's systems have an option of the socket for it.)
#[cfg(not(target_vendor = "apple"))]
const QUIETLY: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const QUIETLY: SendFlags = SendFlags::empty();
/// How often an interrupted call is made.
const MOST_TRIES: usize = 8;
