//! Listening TCP sockets, and the descriptor kept for the day when there are no more.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;

use mio::Interest;
use mio::unix::SourceFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::stream::{TcpStream, check_tcp};
use super::{Core, poll_token, unsupported};
use crate::kernel::{Accepted, ListenOptions, StreamListener, Token};

/// A listening TCP socket. Dropping it closes it and does not shut it down: other holders of an adopted one go on accepting.
pub(super) struct TcpListener {
    socket: mio::net::TcpListener,
    core: Rc<Core>,
    /// Whether somebody else made it and may hold it still: then closing our descriptor does not take it out of the poller, and its
    /// options are not ours to set.
    adopted: bool,
}

impl TcpListener {
    pub(super) fn bind(core: &Rc<Core>, address: SocketAddr, options: &ListenOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(options.reuse_address)?;
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv6() {
            // Always said, since the default is the administrator's.
            socket.set_only_v6(!options.dual_stack)?;
        }
        // Connections inherit it, which saves a call for each.
        let _ = socket.set_tcp_nodelay(true);
        socket.bind(&address.into())?;
        socket.listen(options.backlog)?;
        Ok(Self::new(core, socket, false))
    }

    pub(super) fn adopt(core: &Rc<Core>, fd: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(fd);
        check_tcp(&socket, "listener")?;
        if !is_listening(&socket)? {
            return Err(unsupported("adopting a listener: the socket does not listen".to_owned()));
        }
        socket.set_cloexec(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self::new(core, socket, true))
    }

    fn new(core: &Rc<Core>, socket: Socket, adopted: bool) -> Self {
        // Without a spare, `shed` tries again.
        let _ = core.spare.reserve();
        Self { socket: mio::net::TcpListener::from_std(socket.into()), core: Rc::clone(core), adopted }
    }

    /// Accepts and closes up to `most` connections, until an error.
    fn turn_away(&self, most: usize) -> (usize, Option<io::Error>) {
        let mut closed = 0;
        for _ in 0..most {
            match self.socket.accept() {
                Ok(connection) => {
                    drop(connection);
                    closed += 1;
                }
                Err(why) => match why.kind() {
                    io::ErrorKind::WouldBlock => break,
                    // That one went by itself.
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => return (closed, Some(why)),
                },
            }
        }
        (closed, None)
    }
}

impl StreamListener for TcpListener {
    fn register(&self, token: Token) -> io::Result<()> {
        self.core.registry.register(
            &mut SourceFd(&self.socket.as_raw_fd()),
            poll_token(token),
            Interest::READABLE,
        )
    }

    fn accept(&self) -> io::Result<Accepted> {
        let (socket, peer) = self.socket.accept()?;
        if self.adopted {
            let _ = SockRef::from(&socket).set_tcp_nodelay(true);
        }
        Ok(Accepted { socket: Box::new(TcpStream::accepted(&self.core, socket)), peer })
    }

    fn shed(&self, most: usize) -> io::Result<usize> {
        let spare = &self.core.spare;
        spare.reserve()?;
        spare.release();
        let (closed, error) = self.turn_away(most);
        // Whoever takes it first keeps it; the next call tries again.
        let _ = spare.reserve();
        match error {
            Some(why) if closed == 0 => Err(why),
            _ => Ok(closed),
        }
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        if self.adopted {
            // An error only says that it was never registered.
            let _ = self.core.registry.deregister(&mut SourceFd(&self.socket.as_raw_fd()));
        }
    }
}

/// A descriptor that is good for nothing but to be given up, one for all listeners of a kernel.
#[derive(Default)]
pub(super) struct Spare(RefCell<Option<OwnedFd>>);

impl Spare {
    /// Takes one, unless there is one already.
    fn reserve(&self) -> io::Result<()> {
        let mut spare = self.0.borrow_mut();
        if spare.is_none() {
            // A socket rather than `/dev/null`, which a confined process may not have.
            *spare = Some(UnixDatagram::unbound()?.into());
        }
        Ok(())
    }

    fn release(&self) {
        self.0.borrow_mut().take();
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn is_listening(socket: &Socket) -> io::Result<bool> {
    socket.is_listener()
}

/// Where the system does not say, the caller is believed; `accept` then tells.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn is_listening(_socket: &Socket) -> io::Result<bool> {
    Ok(true)
}
