//! The server of the comparison on Twistor, by its public API alone. `bench-server --help` says what it does.
//!
//! `TCP_NODELAY`, which the peers set, is Twistor's default.

use std::cell::RefCell;
use std::rc::Rc;

use slab::Slab;
use twistor::net::TcpServerOptions;
use twistor::prelude::*;
use twistor_bench::servers::{
    BACKLOG, MOST_UNSENT, Mode, PIECES_AT_ONCE, ServerOptions, announce, piece, prepare,
};

/// Sends back what comes. Who does not read is not read from.
struct Echo;

impl Protocol for Echo {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }

    fn pause_writing(&mut self, transport: &Transport) {
        transport.pause_producing();
    }

    fn resume_writing(&mut self, transport: &Transport) {
        transport.resume_producing();
    }
}

/// Sends pieces without end.
struct Endless(Bytes);

impl Protocol for Endless {
    fn connection_made(&mut self, transport: &Transport) {
        let pieces = Pieces(self.0.clone());
        transport.register_producer(pieces, ProducerKind::Pull).expect("the first producer");
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        transport.abort_connection();
    }
}

/// The producer of [`Endless`], asked each time all was sent.
struct Pieces(Bytes);

impl Producer for Pieces {
    fn resume_producing(&mut self, transport: &Transport) {
        for _ in 0..PIECES_AT_ONCE {
            transport.write_bytes(self.0.clone());
        }
    }

    fn pause_producing(&mut self, _transport: &Transport) {}

    fn stop_producing(&mut self, _transport: &Transport) {}
}

type Room = Rc<RefCell<Slab<Transport>>>;

/// Sends what comes to all others. Its key is that of its place in the room, once it is connected.
struct Speaker {
    key: usize,
    room: Room,
}

impl Protocol for Speaker {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_max_write_buffer(Some(MOST_UNSENT));
        self.key = self.room.borrow_mut().insert(transport.clone());
    }

    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let data = Bytes::copy_from_slice(data);
        for (_, other) in self.room.borrow().iter().filter(|(key, _)| *key != self.key) {
            other.write_bytes(data.clone());
        }
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        self.room.borrow_mut().remove(self.key);
    }
}

fn listen(
    reactor: &ReactorHandle,
    port: u16,
    options: ServerOptions,
) -> Result<ListeningPort, CannotListenError> {
    let backlog = u16::try_from(BACKLOG).unwrap_or(u16::MAX);
    let how = TcpServerOptions::new().backlog(backlog).reuse_port(options.reactors > 1);
    let at = ("127.0.0.1", port);
    match options.mode {
        Mode::Echo => reactor.listen_tcp_with(at, for_protocol(|_| Echo), how),
        Mode::Stream => {
            let piece = Bytes::from(piece());
            reactor.listen_tcp_with(at, for_protocol(move |_| Endless(piece.clone())), how)
        }
        Mode::Broadcast => {
            let room = Room::default();
            let factory = for_protocol(move |_| Speaker { key: usize::MAX, room: Rc::clone(&room) });
            reactor.listen_tcp_with(at, factory, how)
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::read();
    prepare(&options)?;
    let mut reactor = Reactor::new()?;
    let port = listen(&reactor.handle(), options.port, options)?;
    let Address::Tcp(address) = port.host() else { anyhow::bail!("not a TCP port") };
    for _ in 1..options.reactors {
        others(address.port(), options)?;
    }
    announce(address)?;
    Ok(reactor.run()?)
}

/// One more reactor on a thread of its own.
fn others(port: u16, options: ServerOptions) -> anyhow::Result<()> {
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let run = || -> anyhow::Result<()> {
            let mut reactor = Reactor::builder().handle_signals(false).build()?;
            listen(&reactor.handle(), port, options)?;
            ready.send(())?;
            Ok(reactor.run()?)
        };
        if let Err(error) = run() {
            eprintln!("error: {error:#}");
            std::process::exit(1);
        }
    })?;
    Ok(is_ready.recv()?)
}
