//! The user's values: what a program's connections, factories, producers, filters and watched objects are, and what they check.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connector, Factory, Filter, FilterIo, Flow, Producer,
    Protocol, Transport,
};
use twistor_reactor::{Descriptor, Watch};

use crate::program::Hook;
use crate::world::{Canary, ConnModel, FactoryModel, hook, pattern, world};

pub(crate) struct OwnedBytes(pub(crate) Vec<u8>, pub(crate) Canary);

impl AsRef<[u8]> for OwnedBytes {
    fn as_ref(&self) -> &[u8] {
        self.1.keep();
        &self.0
    }
}

pub(crate) struct Proto {
    pub(crate) conn: usize,
    pub(crate) server: bool,
    pub(crate) canary: Canary,
}

impl Proto {
    fn hear(&self, what: Hook, f: impl FnOnce(&mut ConnModel) -> Result<(), String>) {
        self.canary.keep();
        let Some(world) = world() else { return };
        world.hear(self.conn, &format!("{what:?}"), f);
        hook(what, Some(self.conn));
    }
}

fn once(count: &mut u32) -> Result<(), String> {
    *count += 1;
    if *count == 1 { Ok(()) } else { Err("again".to_owned()) }
}

impl Protocol for Proto {
    fn connection_made(&mut self, transport: &Transport) {
        let Some(world) = world() else { return };
        let first = world.with_conn(self.conn, |conn| {
            conn.made += 1;
            conn.write_paused = false; // The next protocol is told anew.
            conn.made == 1
        });
        if first {
            world.transports.borrow_mut().push((self.conn, transport.clone()));
            world.connections.borrow_mut().push((self.conn, transport.connection()));
        }
        self.hear(if self.server { Hook::ServerMade } else { Hook::ClientMade }, |_| Ok(()));
    }
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let Some(world) = world() else { return };
        let broken = world.broken_stream.get();
        self.hear(if self.server { Hook::ServerData } else { Hook::ClientData }, |conn| {
            let begin = conn.received;
            conn.received += data.len();
            match () {
                () if conn.closing => Err("after it was closed".to_owned()),
                () if conn.read_paused => Err("while it was paused".to_owned()),
                () if data.is_empty() => Err("of nothing".to_owned()),
                () if !broken && !data.iter().enumerate().all(|(i, &byte)| byte == pattern(begin + i)) => {
                    Err(format!("out of order at {begin}"))
                }
                () => Ok(()),
            }
        });
    }
    fn connection_lost(&mut self, transport: &Transport, _reason: &CloseReason) {
        let Some(world) = world() else { return };
        if transport.write(b"x") != Flow::Closed {
            world.blame(format!("connection {} takes writes in connection_lost", self.conn));
        }
        self.hear(if self.server { Hook::ServerLost } else { Hook::ClientLost }, |conn| once(&mut conn.lost));
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        self.hear(Hook::ReadLost, |conn| once(&mut conn.read_lost));
        // Half of them stay.
        if self.conn.is_multiple_of(2) {
            transport.lose_connection();
        }
    }
    fn write_connection_lost(&mut self, _transport: &Transport) {
        self.hear(Hook::WriteLost, |conn| once(&mut conn.write_lost));
    }
    fn pause_writing(&mut self, _transport: &Transport) {
        self.hear(Hook::PauseWriting, |conn| {
            if std::mem::replace(&mut conn.write_paused, true) { Err("twice".to_owned()) } else { Ok(()) }
        });
    }
    fn resume_writing(&mut self, _transport: &Transport) {
        self.hear(Hook::ResumeWriting, |conn| {
            if std::mem::replace(&mut conn.write_paused, false) { Ok(()) } else { Err("unpaused".to_owned()) }
        });
    }
    fn timeout_connection(&mut self, _transport: &Transport) {
        self.hear(Hook::Timeout, |_| Ok(()));
    }
    fn close_requested(&mut self, transport: &Transport) {
        self.hear(Hook::CloseRequested, |_| Ok(()));
        if !self.conn.is_multiple_of(3) {
            if let Some(world) = world() {
                world.with_conn(self.conn, |conn| conn.closing = true);
            }
            transport.lose_connection();
        }
    }
}

pub(crate) struct Fac {
    pub(crate) id: usize,
    pub(crate) server: bool,
    pub(crate) canary: Canary,
}

impl Fac {
    fn hear(&self, what: Hook, f: impl FnOnce(&mut FactoryModel) -> Result<(), String>) {
        self.canary.keep();
        let Some(world) = world() else { return };
        let trouble = f(&mut world.factories.borrow_mut()[self.id]).err();
        if let Some(trouble) = trouble {
            world.blame(format!("factory {} heard {what:?} {trouble}", self.id));
        }
        hook(what, None);
    }

    /// Of an attempt: whether it was announced, and is told of its end once.
    fn end(factory: &mut FactoryModel) -> Result<(), String> {
        let ended = factory.failed + factory.lost;
        if !factory.started {
            return Err("while stopped".to_owned());
        }
        if ended > factory.announced { Err("without an attempt".to_owned()) } else { Ok(()) }
    }
}

impl Factory for Fac {
    type Protocol = Proto;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Proto> {
        self.hear(
            Hook::Build,
            |factory| if factory.started { Ok(()) } else { Err("while stopped".to_owned()) },
        );
        let world = world()?;
        if world.refuse.take() {
            return None;
        }
        let conn = world.new_conn(Some(self.id));
        Some(Proto { conn, server: self.server, canary: Canary::new(Hook::DropProtocol) })
    }
    fn start_factory(&mut self) {
        self.hear(Hook::StartFactory, |factory| {
            if std::mem::replace(&mut factory.started, true) { Err("twice".to_owned()) } else { Ok(()) }
        });
    }
    fn stop_factory(&mut self) {
        self.hear(Hook::StopFactory, |factory| {
            if std::mem::replace(&mut factory.started, false) { Ok(()) } else { Err("unstarted".to_owned()) }
        });
    }
}

impl ClientFactory for Fac {
    fn started_connecting(&mut self, _connector: &Connector) {
        self.hear(Hook::StartedConnecting, |factory| {
            factory.announced += 1;
            if factory.started { Ok(()) } else { Err("while stopped".to_owned()) }
        });
    }
    fn client_connection_made(&mut self, _connector: &Connector, _transport: &Transport) {
        self.hear(Hook::AttemptMade, |factory| {
            if factory.announced > factory.failed + factory.lost {
                Ok(())
            } else {
                Err("without an attempt".to_owned())
            }
        });
    }
    fn client_connection_failed(&mut self, _connector: &Connector, reason: &ConnectError) {
        // Without a reactor to begin it, an attempt is not announced.
        let unannounced = matches!(reason, ConnectError::ReactorGone);
        self.hear(Hook::AttemptFailed, |factory| {
            factory.failed += 1;
            if unannounced && factory.announced < factory.failed + factory.lost {
                factory.announced += 1;
                return Ok(());
            }
            Self::end(factory)
        });
    }
    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &CloseReason) {
        if let Some(world) = world() {
            let conns = world.conns.borrow();
            let alive =
                conns.iter().filter(|conn| conn.factory == Some(self.id) && conn.made > 0 && conn.lost == 0);
            let shared = world.factories.borrow()[self.id].shared;
            if alive.count() > 0 && !shared {
                world.blame(format!("factory {} heard of a loss before its protocol", self.id));
            }
        }
        self.hear(Hook::AttemptLost, |factory| {
            factory.lost += 1;
            Self::end(factory)
        });
    }
}

pub(crate) struct Prod {
    pub(crate) conn: usize,
    pub(crate) push: bool,
    pub(crate) paused: bool,
    pub(crate) stopped: bool,
    pub(crate) left: u8,
    pub(crate) canary: Canary,
}

impl Prod {
    fn hear(&mut self, what: Hook, right: bool) {
        self.canary.keep();
        if let Some(world) = world() {
            if !right || self.stopped {
                world.blame(format!("a producer of connection {} heard {what:?} out of turn", self.conn));
            }
        }
    }
}

impl Producer for Prod {
    fn resume_producing(&mut self, consumer: &Transport) {
        let right = !self.push || self.paused;
        self.paused = false;
        self.hear(Hook::ProducerResume, right);
        hook(Hook::ProducerResume, Some(self.conn));
        if self.left == 0 {
            return consumer.unregister_producer();
        }
        self.left -= 1;
        if let Some(world) = world() {
            let data = world.next_bytes(self.conn, 1);
            let flow = consumer.write(&data);
            world.wrote(self.conn, data.len(), flow);
        }
    }
    fn pause_producing(&mut self, _consumer: &Transport) {
        let right = self.push && !self.paused;
        self.paused = true;
        self.hear(Hook::ProducerPause, right);
        hook(Hook::ProducerPause, Some(self.conn));
    }
    fn stop_producing(&mut self, _consumer: &Transport) {
        self.hear(Hook::ProducerStop, true);
        self.stopped = true;
        hook(Hook::ProducerStop, Some(self.conn));
    }
}

/// Changes nothing, but holds back for a while.
pub(crate) struct Delay {
    pub(crate) conn: usize,
    pub(crate) delay: Duration,
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
    pub(crate) canary: Canary,
}

impl Delay {
    fn hook(&self, what: Hook) {
        self.canary.keep();
        hook(what, Some(self.conn));
    }

    fn let_go(&mut self, io: &mut FilterIo) {
        io.deliver(&std::mem::take(&mut self.up));
        io.send(&std::mem::take(&mut self.down));
    }
}

impl Filter for Delay {
    fn opened(&mut self, _io: &mut FilterIo) {
        self.hook(Hook::FilterOpened);
    }
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.hook(Hook::FilterReceived);
        self.up.extend_from_slice(data);
        if self.delay.is_zero() { self.let_go(io) } else { io.wake_after(self.delay) }
    }
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        self.hook(Hook::FilterWritten);
        self.down.extend_from_slice(data);
        if self.delay.is_zero() { self.let_go(io) } else { io.wake_after(self.delay) }
    }
    fn read_closed(&mut self, io: &mut FilterIo) {
        self.hook(Hook::FilterReadClosed);
        io.deliver(&std::mem::take(&mut self.up));
    }
    fn closing(&mut self, io: &mut FilterIo) {
        self.hook(Hook::FilterClosing);
        io.send(&std::mem::take(&mut self.down));
    }
    fn timer(&mut self, io: &mut FilterIo) {
        self.hook(Hook::FilterTimer);
        self.let_go(io);
    }
}

pub(crate) struct Watched {
    pub(crate) reader: UnixStream,
    pub(crate) left: u8,
    pub(crate) lost: bool,
    pub(crate) canary: Canary,
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Descriptor for Watched {
    fn do_read(&mut self, _watch: &Watch<Self>) -> Result<(), CloseReason> {
        self.canary.keep();
        hook(Hook::WatchRead, None);
        if self.left == 0 {
            return Err(CloseReason::Done);
        }
        self.left -= 1;
        Ok(())
    }
    fn connection_lost(&mut self, _reason: &CloseReason) {
        if let Some(world) = world() {
            if std::mem::replace(&mut self.lost, true) {
                world.blame("a watched object was lost twice".to_owned());
            }
        }
        hook(Hook::WatchLost, None);
    }
}
