//! The server of the comparison on bare epoll: the limit of what a loop can be. `peer-epoll --help` says what it does.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt};
use twistor_bench::servers::hub::{Hub, Next, Ready};
use twistor_bench::servers::{Mode, ServerOptions, announce, listeners, on_threads, prepare};

/// The listener, among the keys of the connections.
const LISTENER: u64 = u64::MAX;

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::read();
    prepare(&options)?;
    let listeners = listeners(&options)?;
    let address = listeners[0].local_addr()?;
    announce(address)?;
    on_threads(listeners, move |listener| serve(&listener, options.mode))
}

fn serve(listener: &TcpListener, mode: Mode) -> anyhow::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut hub = Hub::new(mode);
    let mut events: Vec<Event> = Vec::with_capacity(1_024);
    loop {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let (key, flags) = (event.data.u64(), event.flags);
            if key == LISTENER {
                accept_all(listener, &epoll, &mut hub)?;
                continue;
            }
            let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            let readable = ended || flags.contains(EventFlags::IN);
            let writable = flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
            if hub.ready(key as usize, Ready { readable, writable, ended }) == Next::Over {
                // Closing takes it out of epoll.
                hub.remove(key as usize);
            }
        }
        for key in hub.take_dropped() {
            hub.remove(key);
        }
    }
}

fn accept_all(listener: &TcpListener, epoll: &OwnedFd, hub: &mut Hub<TcpStream>) -> anyhow::Result<()> {
    loop {
        match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => {
                let _ = sockopt::set_tcp_nodelay(&socket, true);
                let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
                epoll::add(epoll, &socket, EventData::new_u64(hub.next_key() as u64), flags)?;
                hub.insert(TcpStream::from(socket));
            }
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
