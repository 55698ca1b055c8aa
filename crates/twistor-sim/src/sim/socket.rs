//! The sockets that reactors hold: numbers into the world, and nothing else.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use twistor_reactor::kernel::{
    Accepted, ConnectProgress, Received, ReceivedData, SocketOption, SocketOptionKind, StreamListener,
    StreamSocket, Token,
};

use super::conn::Socket;
use super::kernel::SimKernel;
use super::world::{World, error};
use crate::errno;
use crate::scripted::call::{Call, Outcome};
use crate::scripted::socket::{default_of, kind_of};

pub(super) struct SimStream {
    kernel: SimKernel,
    id: u64,
}

impl SimStream {
    pub(super) const fn new(kernel: SimKernel, id: u64) -> Self {
        Self { kernel, id }
    }

    fn look<R>(&self, ask: impl FnOnce(&mut Socket) -> R) -> io::Result<R> {
        self.kernel.in_world(|world, _| world.socket_mut(self.id).map(ask).ok_or_else(gone))
    }

    fn call<T>(
        &self,
        call: Call,
        tally: impl FnOnce(&T) -> Outcome,
        real: impl FnOnce(&mut World, usize) -> io::Result<T>,
    ) -> io::Result<T> {
        self.kernel.in_world(|world, id| {
            let who = world.who(self.id);
            world.call(id, call, who, tally, real)
        })
    }
}

impl StreamSocket for SimStream {
    fn register(&self, token: Token) -> io::Result<()> {
        self.kernel.in_world(|world, id| {
            let mut who = world.who(self.id);
            who.token = who.token.or(Some(token));
            let real = |world: &mut World, _| world.register(id, self.id, token);
            world.call(id, Call::Register, who, |()| Outcome::Done, real)
        })
    }

    fn connect_progress(&self) -> io::Result<ConnectProgress> {
        let tally = |progress: &ConnectProgress| match progress {
            ConnectProgress::InProgress => Outcome::WouldBlock,
            ConnectProgress::Connected => Outcome::Done,
        };
        let result = self.call(Call::ConnectProgress, tally, |world, _| {
            let end = &mut world.socket_mut(self.id).ok_or_else(gone)?.end;
            end.connect_progress()
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ConnectProgress::InProgress),
            result => result,
        }
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.look(|socket| socket.end.take_error())
    }

    fn recv(&self, scratch: &mut [u8]) -> io::Result<Received> {
        let tally = |received: &Received| Outcome::Count(received.len());
        self.call(Call::Recv, tally, |world, most| {
            let (len, drained) =
                world.with_end(self.id, |end| end.recv(scratch, most)).ok_or_else(gone)??;
            Ok(Received { data: ReceivedData::Scratch(len), drained })
        })
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call(
            Call::Send,
            |len| Outcome::Count(*len),
            |world, most| world.with_end(self.id, |end| end.send(parts, most)).ok_or_else(gone)?,
        )
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.call(
            Call::ShutdownWrite,
            |()| Outcome::Done,
            |world, _| world.with_end(self.id, |end| end.shutdown_write()).ok_or_else(gone)?,
        )
    }

    fn reset_on_close(&self) -> io::Result<()> {
        self.call(
            Call::ResetOnClose,
            |()| Outcome::Done,
            |world, _| {
                world.socket_mut(self.id).ok_or_else(gone)?.reset_on_close = true;
                Ok(())
            },
        )
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.look(|socket| socket.local)
    }

    fn peer(&self) -> io::Result<SocketAddr> {
        self.look(|socket| socket.end.has_peer().then_some(socket.remote))?
            .ok_or_else(|| error(errno::ENOTCONN))
    }

    fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.call(
            Call::SetOption,
            |()| Outcome::Done,
            |world, _| {
                let kind = kind_of(&option)?;
                let socket = world.socket_mut(self.id).ok_or_else(gone)?;
                match option {
                    SocketOption::ReceiveBuffer(bytes) => socket.end.set_receive_capacity(bytes.max(1)),
                    SocketOption::SendBuffer(bytes) => socket.end.set_send_capacity(bytes.max(1)),
                    SocketOption::TypeOfService(class) if class > 255 => return Err(error(errno::EINVAL)),
                    _ => {
                        socket.options.retain(|other| kind_of(other).ok() != Some(kind));
                        socket.options.push(option);
                    }
                }
                world.pump(self.id);
                Ok(())
            },
        )
    }

    fn option(&self, kind: SocketOptionKind) -> io::Result<SocketOption> {
        self.look(|socket| match kind {
            SocketOptionKind::ReceiveBuffer => Ok(SocketOption::ReceiveBuffer(socket.end.receive_capacity())),
            SocketOptionKind::SendBuffer => Ok(SocketOption::SendBuffer(socket.end.send_capacity())),
            _ => match socket.options.iter().find(|option| kind_of(option).ok() == Some(kind)) {
                Some(option) => Ok(*option),
                None => default_of(kind),
            },
        })?
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.kernel.in_world(|world, id| {
            // What a reactor held whose machine or process ended is gone already.
            if world.is_held_by(self.id, id) {
                world.note_call(id, Call::Close, Some(self.id), Outcome::Done, false);
                world.close_socket(self.id, false);
            }
        });
    }
}

pub(super) struct SimListener {
    kernel: SimKernel,
    id: u64,
}

impl SimListener {
    pub(super) const fn new(kernel: SimKernel, id: u64) -> Self {
        Self { kernel, id }
    }
}

impl StreamListener for SimListener {
    fn register(&self, token: Token) -> io::Result<()> {
        self.kernel.in_world(|world, id| {
            let mut who = world.who(self.id);
            who.token = who.token.or(Some(token));
            let real = |world: &mut World, _| world.register(id, self.id, token);
            world.call(id, Call::Register, who, |()| Outcome::Done, real)
        })
    }

    fn accept(&self) -> io::Result<Accepted> {
        let (socket, peer) = self.kernel.in_world(|world, id| {
            let who = world.who(self.id);
            let real = |world: &mut World, _| world.accept(id, self.id);
            let socket = world.call(id, Call::Accept, who, |_| Outcome::Done, real)?;
            let peer = world.socket(socket).map(|socket| socket.remote).ok_or_else(gone)?;
            Ok::<_, io::Error>((socket, peer))
        })?;
        Ok(Accepted { socket: Box::new(SimStream::new(self.kernel.share(), socket)), peer })
    }

    fn shed(&self, most: usize) -> io::Result<usize> {
        self.kernel.in_world(|world, id| {
            let who = world.who(self.id);
            let tally = |count: &usize| Outcome::Count(*count);
            world
                .call(id, Call::Shed, who, tally, |world, limit| Ok(world.shed(id, self.id, most.min(limit))))
        })
    }

    fn local(&self) -> io::Result<SocketAddr> {
        let found =
            |world: &mut World, _| world.listeners.get(&self.id).map(|(_, listener)| listener.address);
        self.kernel.in_world(found).ok_or_else(gone)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.kernel.in_world(|world, id| {
            if world.listeners.contains_key(&self.id) {
                world.note_call(id, Call::Close, Some(self.id), Outcome::Done, false);
                world.close_listener(self.id);
            }
        });
    }
}

/// The socket object outlived its socket: its machine or its process ended.
fn gone() -> io::Error {
    error(errno::EBADF)
}
