//! The server of the comparison on calloop. `peer-calloop --help` says what it does.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use calloop::generic::Generic;
use calloop::{Dispatcher, EventLoop, Interest, LoopHandle, PostAction, RegistrationToken};
use twistor_bench::servers::hub::{Hub, Next, Ready};
use twistor_bench::servers::{Mode, ServerOptions, announce, listeners, on_threads, prepare};

/// A socket that both the loop and the hub hold.
#[derive(Clone)]
struct Socket(Rc<TcpStream>);

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self.0).write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Server {
    hub: Hub<Socket>,
    mode: Mode,
    registered: BTreeMap<usize, Registered>,
    handle: LoopHandle<'static, Self>,
}

/// A socket's place in the loop, which tells levels: what is asked for changes when output has to wait.
struct Registered {
    token: RegistrationToken,
    source: Dispatcher<'static, Generic<Socket>, Server>,
    wants: (bool, bool),
}

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::read();
    prepare(&options)?;
    let listeners = listeners(&options)?;
    announce(listeners[0].local_addr()?)?;
    on_threads(listeners, move |listener| serve(listener, options.mode))
}

fn serve(listener: TcpListener, mode: Mode) -> anyhow::Result<()> {
    let mut events: EventLoop<'static, Server> = EventLoop::try_new()?;
    let source = Generic::new(listener, Interest::READ, calloop::Mode::Level);
    let accept = |_, listener: &mut calloop::generic::NoIoDrop<TcpListener>, server: &mut Server| {
        server.accept_all(listener)?;
        Ok(PostAction::Continue)
    };
    events.handle().insert_source(source, accept).map_err(|error| error.error)?;
    let mut server =
        Server { hub: Hub::new(mode), mode, registered: BTreeMap::new(), handle: events.handle() };
    Ok(events.run(None, &mut server, |_| {})?)
}

impl Server {
    fn accept_all(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            match listener.accept() {
                Ok((socket, _)) => self.insert(socket)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn insert(&mut self, socket: TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let _ = socket.set_nodelay(true);
        let socket = Socket(Rc::new(socket));
        let key = self.hub.next_key();
        self.hub.insert(socket.clone());
        let wants = self.hub.wants(key);
        let source = Generic::new(socket, interest(wants), calloop::Mode::Level);
        let ready =
            move |ready: calloop::Readiness, _: &mut _, server: &mut Self| Ok(server.ready(key, ready));
        let source = Dispatcher::new(source, ready);
        let token = self.handle.register_dispatcher(source.clone())?;
        self.registered.insert(key, Registered { token, source, wants });
        Ok(())
    }

    /// Has the loop ask for what each of `keys` wants, when it is done with the present event: a source cannot change inside its own.
    fn follow(&mut self, keys: impl IntoIterator<Item = usize>) {
        for key in keys {
            let wants = self.hub.wants(key);
            let Some(registered) =
                self.registered.get_mut(&key).filter(|registered| registered.wants != wants)
            else {
                continue;
            };
            registered.wants = wants;
            let (source, token, handle) = (registered.source.clone(), registered.token, self.handle.clone());
            self.handle.insert_idle(move |_| {
                source.as_source_mut().interest = interest(wants);
                // It may be gone by now.
                let _ = handle.update(&token);
            });
        }
    }

    fn ready(&mut self, key: usize, ready: calloop::Readiness) -> PostAction {
        let event = Ready {
            readable: ready.readable || ready.error,
            writable: ready.writable || ready.error,
            ended: ready.error,
        };
        let next = self.hub.ready(key, event);
        for key in self.hub.take_dropped() {
            self.hub.remove(key);
            if let Some(registered) = self.registered.remove(&key) {
                self.handle.remove(registered.token);
            }
        }
        if next == Next::Over {
            self.hub.remove(key);
            self.registered.remove(&key);
            return PostAction::Remove;
        }
        match self.mode {
            Mode::Echo => self.follow([key]),
            Mode::Stream => {}
            Mode::Broadcast => {
                let all: Vec<usize> = self.registered.keys().copied().collect();
                self.follow(all);
            }
        }
        PostAction::Continue
    }
}

const fn interest(wants: (bool, bool)) -> Interest {
    Interest { readable: wants.0, writable: wants.1 }
}
