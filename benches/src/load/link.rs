//! [`Link`]: one connection, and its bytes both ways.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use super::pattern::PIECE;
use super::{Difference, LoadError, Pattern};

/// Where a link is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The connection is being made.
    Connecting,
    /// Bytes go both ways.
    Open,
    /// FIN is sent: once all that is owed has come, the server is to close.
    Finishing,
    /// The server's FIN came after all that was owed.
    Closed,
}

/// One connection. It knows what it is to send and what it is owed, and checks what comes.
#[derive(Debug)]
pub(super) struct Link {
    /// Which connection of the workload this is, from zero.
    pub(super) number: usize,
    pub(super) stage: Stage,
    /// Bytes that may be sent, from the beginning.
    pub(super) wanted: u64,
    /// Bytes that are sent.
    pub(super) sent: u64,
    /// Bytes that the server may send, from the beginning.
    pub(super) owed: u64,
    /// Bytes that came, all of them right.
    pub(super) received: u64,
    /// Where in the pattern its bytes begin, so that another link's bytes are wrong here.
    phase: u64,
    socket: TcpStream,
}

impl Link {
    /// Begins to connect. On loopback that is mostly over at once.
    pub(super) fn open(number: usize, phase: u64, server: SocketAddr) -> io::Result<Self> {
        let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let stage = match connect(&socket, &server) {
            Ok(()) => Stage::Open,
            // Asked again: by now the handshake may be over, and then nobody needs to wait for it.
            Err(Errno::INPROGRESS) => match connect(&socket, &server) {
                Ok(()) | Err(Errno::ISCONN) => Stage::Open,
                Err(Errno::ALREADY) => Stage::Connecting,
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        let socket = TcpStream::from(socket);
        Ok(Self { number, stage, wanted: 0, sent: 0, owed: 0, received: 0, phase, socket })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Its bytes are those of the pattern from `phase` on. Nothing may have been sent or received.
    pub(super) fn begin_at(&mut self, phase: u64) {
        self.phase = phase;
    }

    /// Takes note that the connection is made, or was refused.
    pub(super) fn opened(&mut self) -> Result<(), LoadError> {
        let failed = |source| LoadError::Connect { connection: self.number, source };
        match sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => self.stage = Stage::Open,
            Ok(Err(error)) | Err(error) => return Err(failed(error.into())),
        }
        Ok(())
    }

    /// Allows it to send `bytes` more, which the server owes back.
    pub(super) fn ask(&mut self, bytes: usize) {
        self.wanted += bytes as u64;
        self.owed += bytes as u64;
    }

    /// Sends what it may and the socket takes.
    pub(super) fn send(&mut self, pattern: &Pattern) -> Result<(), LoadError> {
        while self.sent < self.wanted {
            // At most a piece, so it fits.
            let length = (self.wanted - self.sent).min(PIECE as u64) as usize;
            match self.socket.write(pattern.at(self.phase + self.sent, length)) {
                Ok(count) => {
                    self.sent += count as u64;
                    if count < length {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
        Ok(())
    }

    /// Reads once, and checks what came. The number of bytes; the stage is [`Stage::Closed`] if the server's FIN came in time.
    pub(super) fn receive(&mut self, scratch: &mut [u8], pattern: &Pattern) -> Result<usize, LoadError> {
        let connection = self.number;
        match self.socket.read(scratch) {
            Ok(0) if self.stage == Stage::Finishing && self.received == self.owed => {
                self.stage = Stage::Closed;
                Ok(0)
            }
            Ok(0) => Err(LoadError::Closed { connection, received: self.received, owed: self.owed }),
            Ok(count) => {
                let got = &scratch[..count];
                if let Some((place, expected, got)) = pattern.differs(self.phase + self.received, got) {
                    let offset = self.received + place as u64;
                    // What is beyond what is owed is not a wrong byte, whatever it is.
                    if offset < self.owed {
                        return Err(LoadError::Wrong(Difference { connection, offset, expected, got }));
                    }
                }
                self.received += count as u64;
                if self.received > self.owed {
                    let surplus = self.received - self.owed;
                    return Err(LoadError::Surplus { connection, owed: self.owed, surplus });
                }
                Ok(count)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(0)
            }
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Sends FIN: it will ask for nothing more.
    pub(super) fn finish(&mut self) -> Result<(), LoadError> {
        self.stage = Stage::Finishing;
        self.socket.shutdown(Shutdown::Write).map_err(|error| self.lost(error))
    }

    /// What epoll told of a connection that nobody reads.
    pub(super) fn broken(&self) -> LoadError {
        let error = sockopt::socket_error(&self.socket).and_then(|found| found);
        self.lost(error.err().unwrap_or(Errno::PIPE).into())
    }

    fn lost(&self, source: io::Error) -> LoadError {
        LoadError::Lost { connection: self.number, received: self.received, source }
    }
}
