//! The server of the comparison on bare mio. `peer-mio --help` says what it does.

use std::io;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use twistor_bench::servers::hub::{Hub, Next, Ready};
use twistor_bench::servers::{Mode, ServerOptions, announce, listeners, on_threads, prepare};

/// The listener, among the keys of the connections.
const LISTENER: Token = Token(usize::MAX - 1);

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::read();
    prepare(&options)?;
    let listeners = listeners(&options)?;
    announce(listeners[0].local_addr()?)?;
    on_threads(listeners, move |listener| serve(TcpListener::from_std(listener), options.mode))
}

fn serve(mut listener: TcpListener, mode: Mode) -> anyhow::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut hub = Hub::new(mode);
    let mut events = Events::with_capacity(1_024);
    loop {
        match poll.poll(&mut events, None) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.token() == LISTENER {
                accept_all(&listener, poll.registry(), &mut hub)?;
                continue;
            }
            let ended = event.is_read_closed() || event.is_error();
            let readable = ended || event.is_readable();
            let writable = event.is_writable() || event.is_write_closed() || event.is_error();
            let Token(key) = event.token();
            if hub.ready(key, Ready { readable, writable, ended }) == Next::Over {
                hub.remove(key);
            }
        }
        for key in hub.take_dropped() {
            hub.remove(key);
        }
    }
}

fn accept_all(listener: &TcpListener, registry: &Registry, hub: &mut Hub<TcpStream>) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((mut socket, _)) => {
                let _ = socket.set_nodelay(true);
                let both = Interest::READABLE | Interest::WRITABLE;
                registry.register(&mut socket, Token(hub.next_key()), both)?;
                hub.insert(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
            Err(error) => return Err(error),
        }
    }
}
