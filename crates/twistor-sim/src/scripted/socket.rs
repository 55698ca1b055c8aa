//! The sockets that the user of the kernel holds: numbers into the network, and nothing else.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use twistor_reactor::kernel::{
    Accepted, ConnectProgress, Received, ReceivedData, SocketOption, SocketOptionKind, StreamListener,
    StreamSocket, Token,
};

use super::ScriptedKernel;
use super::call::{Call, Outcome};
use super::endpoint::Socket;
use crate::errno;

pub(super) struct ScriptedStream {
    kernel: ScriptedKernel,
    id: u64,
}

impl ScriptedStream {
    pub(super) fn new(kernel: ScriptedKernel, id: u64) -> Self {
        Self { kernel, id }
    }

    fn look<R>(&self, ask: impl FnOnce(&mut Socket) -> R) -> io::Result<R> {
        let mut world = self.kernel.world();
        world.net.sockets.get_mut(&self.id).map(ask).ok_or_else(gone)
    }
}

impl StreamSocket for ScriptedStream {
    fn register(&self, token: Token) -> io::Result<()> {
        let mut world = self.kernel.world();
        let mut who = world.who(self.id);
        who.token = who.token.or(Some(token));
        world.call(
            Call::Register,
            who,
            |()| Outcome::Done,
            |world, _| {
                let socket = world.net.sockets.get_mut(&self.id).ok_or_else(gone)?;
                if socket.token.is_some() {
                    return Err(error(errno::EEXIST));
                }
                socket.token = Some(token);
                world.report_level(self.id, token);
                Ok(())
            },
        )
    }

    fn connect_progress(&self) -> io::Result<ConnectProgress> {
        let tally = |progress: &ConnectProgress| match progress {
            ConnectProgress::InProgress => Outcome::WouldBlock,
            ConnectProgress::Connected => Outcome::Done,
        };
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        let result = world.call(Call::ConnectProgress, who, tally, |world, _| {
            let end = &mut world.net.sockets.get_mut(&self.id).ok_or_else(gone)?.end;
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
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.call(
            Call::Recv,
            who,
            |received: &Received| Outcome::Count(received.len()),
            |world, most| {
                let (net, ready) = world.wires();
                let (len, drained) =
                    net.with(self.id, ready, |end| end.recv(scratch, most)).ok_or_else(gone)??;
                Ok(Received { data: ReceivedData::Scratch(len), drained })
            },
        )
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.call(
            Call::Send,
            who,
            |len| Outcome::Count(*len),
            |world, most| {
                let (net, ready) = world.wires();
                net.with(self.id, ready, |end| end.send(parts, most)).ok_or_else(gone)?
            },
        )
    }

    fn shutdown_write(&self) -> io::Result<()> {
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.call(
            Call::ShutdownWrite,
            who,
            |()| Outcome::Done,
            |world, _| {
                let (net, ready) = world.wires();
                net.with(self.id, ready, |end| end.shutdown_write()).ok_or_else(gone)?
            },
        )
    }

    fn reset_on_close(&self) -> io::Result<()> {
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.call(
            Call::ResetOnClose,
            who,
            |()| Outcome::Done,
            |world, _| {
                world.net.sockets.get_mut(&self.id).ok_or_else(gone)?.reset_on_close = true;
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
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.call(
            Call::SetOption,
            who,
            |()| Outcome::Done,
            |world, _| {
                let kind = kind_of(&option)?;
                let socket = world.net.sockets.get_mut(&self.id).ok_or_else(gone)?;
                match option {
                    SocketOption::ReceiveBuffer(bytes) => socket.end.set_receive_capacity(bytes.max(1)),
                    SocketOption::SendBuffer(bytes) => socket.end.set_send_capacity(bytes.max(1)),
                    SocketOption::TypeOfService(class) if class > 255 => return Err(error(errno::EINVAL)),
                    _ => {
                        socket.options.retain(|other| kind_of(other).ok() != Some(kind));
                        socket.options.push(option);
                    }
                }
                let (net, ready) = world.wires();
                net.pump(self.id, ready);
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

impl Drop for ScriptedStream {
    fn drop(&mut self) {
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.note(Call::Close, who, Outcome::Done, false);
        let (net, ready) = world.wires();
        net.close(self.id, false, ready);
    }
}

pub(super) struct ScriptedListener {
    kernel: ScriptedKernel,
    id: u64,
}

impl ScriptedListener {
    pub(super) fn new(kernel: ScriptedKernel, id: u64) -> Self {
        Self { kernel, id }
    }
}

impl StreamListener for ScriptedListener {
    fn register(&self, token: Token) -> io::Result<()> {
        let mut world = self.kernel.world();
        let mut who = world.who(self.id);
        who.token = who.token.or(Some(token));
        world.call(
            Call::Register,
            who,
            |()| Outcome::Done,
            |world, _| {
                let listener = world.net.listeners.get_mut(&self.id).ok_or_else(gone)?;
                if listener.token.is_some() {
                    return Err(error(errno::EEXIST));
                }
                listener.token = Some(token);
                world.report_level(self.id, token);
                Ok(())
            },
        )
    }

    fn accept(&self) -> io::Result<Accepted> {
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        let id = world.call(
            Call::Accept,
            who,
            |_| Outcome::Done,
            |world, _| {
                let (net, ready) = world.wires();
                net.accept(self.id, ready)
            },
        )?;
        let peer = world.net.sockets[&id].remote;
        drop(world);
        Ok(Accepted { socket: Box::new(ScriptedStream::new(self.kernel.clone(), id)), peer })
    }

    fn shed(&self, most: usize) -> io::Result<usize> {
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.call(
            Call::Shed,
            who,
            |count| Outcome::Count(*count),
            |world, limit| {
                let (net, ready) = world.wires();
                let mut count = 0;
                while count < most.min(limit) {
                    let Ok(id) = net.accept(self.id, ready) else { break };
                    net.close(id, false, ready);
                    count += 1;
                }
                Ok(count)
            },
        )
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.kernel.world().net.listeners.get(&self.id).map(|listener| listener.address).ok_or_else(gone)
    }
}

impl Drop for ScriptedListener {
    fn drop(&mut self) {
        let mut world = self.kernel.world();
        let who = world.who(self.id);
        world.note(Call::Close, who, Outcome::Done, false);
        let (net, ready) = world.wires();
        net.close_listener(self.id, ready);
    }
}

pub(crate) fn kind_of(option: &SocketOption) -> io::Result<SocketOptionKind> {
    match option {
        SocketOption::NoDelay(_) => Ok(SocketOptionKind::NoDelay),
        SocketOption::KeepAlive(_) => Ok(SocketOptionKind::KeepAlive),
        SocketOption::ReceiveBuffer(_) => Ok(SocketOptionKind::ReceiveBuffer),
        SocketOption::SendBuffer(_) => Ok(SocketOptionKind::SendBuffer),
        SocketOption::TypeOfService(_) => Ok(SocketOptionKind::TypeOfService),
        SocketOption::UserTimeout(_) => Ok(SocketOptionKind::UserTimeout),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

pub(crate) fn default_of(kind: SocketOptionKind) -> io::Result<SocketOption> {
    match kind {
        SocketOptionKind::NoDelay => Ok(SocketOption::NoDelay(true)),
        SocketOptionKind::KeepAlive => Ok(SocketOption::KeepAlive(None)),
        SocketOptionKind::TypeOfService => Ok(SocketOption::TypeOfService(0)),
        SocketOptionKind::UserTimeout => Ok(SocketOption::UserTimeout(None)),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The socket object outlived its socket, which nothing brings about but a fault of this module.
fn gone() -> io::Error {
    error(errno::EBADF)
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
