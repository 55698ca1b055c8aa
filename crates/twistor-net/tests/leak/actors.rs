//! Who takes part: protocols of every temper, their opposites, what they register, and who makes and counts them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connector, Factory, Filter, FilterIo, Producer,
    ProducerKind, Protocol, Transport,
};

use crate::common::{INJECTED, ms};
use crate::support::Alive;

/// The states of table 28b. Each call is made in each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum In {
    Open,
    Closing,
    WriteClosed,
    Aborting,
    Lost,
}

pub(crate) const STATES: [In; 5] = [In::Open, In::Closing, In::WriteClosed, In::Aborting, In::Lost];

/// The calls of table 28b, and some more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Do {
    Nothing,
    Write,
    WriteMuch,
    Lose,
    Abort,
    LoseWrite,
    Pause,
    PauseAndResume,
    RegisterPull,
    RegisterPush,
    Fail,
    PushFilter,
    Switch,
    SetTimeout,
    Panic,
    Ask,
}

pub(crate) const CALLS: [Do; 16] = [
    Do::Nothing,
    Do::Write,
    Do::WriteMuch,
    Do::Lose,
    Do::Abort,
    Do::LoseWrite,
    Do::Pause,
    Do::PauseAndResume,
    Do::RegisterPull,
    Do::RegisterPush,
    Do::Fail,
    Do::PushFilter,
    Do::Switch,
    Do::SetTimeout,
    Do::Panic,
    Do::Ask,
];

/// What the other end does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Nothing, until it sees the end.
    Waits,
    Closes,
    HalfCloses,
    Resets,
    WritesAndCloses,
}

pub(crate) const PEERS: [Peer; 5] =
    [Peer::Waits, Peer::Closes, Peer::HalfCloses, Peer::Resets, Peer::WritesAndCloses];

/// The end that is looked at. Its way is one cell of the table.
pub(crate) struct Subject {
    pub(crate) state: In,
    pub(crate) call: Do,
    pub(crate) alive: Alive,
    pub(crate) lost: Rc<Cell<usize>>,
}

impl Subject {
    pub(crate) fn act(&mut self, transport: &Transport) {
        match self.call {
            Do::Nothing => {}
            Do::Write => drop(transport.write(b"some")),
            Do::WriteMuch => drop(transport.write_bytes(vec![7; 100_000])),
            Do::Lose => transport.lose_connection(),
            Do::Abort => transport.abort_connection(),
            Do::LoseWrite => transport.lose_write_connection(),
            Do::Pause => transport.pause_producing(),
            Do::PauseAndResume => {
                transport.pause_producing();
                transport.resume_producing();
            }
            Do::RegisterPull => {
                let pull = Pull(3, Rc::clone(&self.alive));
                assert!(transport.register_producer(pull, ProducerKind::Pull).is_ok());
            }
            Do::RegisterPush => {
                let push = Pull(0, Rc::clone(&self.alive));
                assert!(transport.register_producer(push, ProducerKind::Push).is_ok());
            }
            Do::Fail => transport.fail(CloseReason::TimedOut(ms(1))),
            Do::PushFilter => transport.push_filter(Later(Rc::clone(&self.alive)), b"unread"),
            Do::Switch => {
                let next = Other { alive: Rc::clone(&self.alive), lost: Rc::clone(&self.lost) };
                transport.switch_protocol(next, b"unread");
            }
            Do::SetTimeout => drop(transport.set_timeout(Some(Duration::from_secs(3_600)))),
            Do::Panic => panic!("{INJECTED}"),
            Do::Ask => {
                assert!(transport.host().port() > 0 && transport.peer().port() > 0);
                let _ = (transport.set_no_delay(false), transport.set_keep_alive(None), transport.pending());
            }
        }
    }
}

impl Protocol for Subject {
    fn connection_made(&mut self, transport: &Transport) {
        // Whatever the way, it comes to an end: not every call leads to one.
        let later = transport.clone();
        let end = transport.reactor().call_later(ms(3), move || {
            later.unregister_producer();
            later.lose_connection();
        });
        drop(end);
        match self.state {
            In::Open => self.act(transport),
            In::Closing => {
                transport.write(b"first");
                transport.lose_connection();
                self.act(transport);
            }
            In::WriteClosed => transport.lose_write_connection(),
            In::Aborting => {
                transport.abort_connection();
                self.act(transport);
            }
            In::Lost => transport.lose_connection(),
        }
    }
    fn read_connection_lost(&mut self, transport: &Transport) {
        if self.state != In::WriteClosed {
            transport.lose_connection();
        }
    }
    fn write_connection_lost(&mut self, transport: &Transport) {
        if self.state == In::WriteClosed {
            self.act(transport);
        }
    }
    fn connection_lost(&mut self, transport: &Transport, _reason: &CloseReason) {
        self.lost.set(self.lost.get() + 1);
        if self.state == In::Lost {
            self.act(transport);
        }
    }
}

/// What a [`Subject`] is switched for.
pub(crate) struct Other {
    pub(crate) alive: Alive,
    pub(crate) lost: Rc<Cell<usize>>,
}

impl Protocol for Other {
    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        assert!(Rc::strong_count(&self.alive) > 0);
        self.lost.set(self.lost.get() + 1);
    }
}

pub(crate) struct Pull(pub(crate) u32, pub(crate) Alive);

impl Producer for Pull {
    fn resume_producing(&mut self, consumer: &Transport) {
        assert!(Rc::strong_count(&self.1) > 0);
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                consumer.write(b"piece");
            }
            None => consumer.unregister_producer(),
        }
    }
}

/// Holds everything back, for longer than the connection lives.
pub(crate) struct Later(pub(crate) Alive);

impl Filter for Later {
    fn written(&mut self, io: &mut FilterIo, _data: &[u8]) {
        assert!(Rc::strong_count(&self.0) > 0);
        io.wake_after(Duration::from_secs(3_600));
    }
}

/// The other end.
pub(crate) struct Opposite {
    pub(crate) peer: Peer,
    pub(crate) _alive: Alive,
    pub(crate) lost: Rc<Cell<usize>>,
}

impl Protocol for Opposite {
    fn connection_made(&mut self, transport: &Transport) {
        match self.peer {
            Peer::Waits => {}
            Peer::Closes => transport.lose_connection(),
            Peer::HalfCloses => transport.lose_write_connection(),
            Peer::Resets => transport.abort_connection(),
            Peer::WritesAndCloses => {
                transport.write(&[1; 10_000]);
                transport.lose_connection();
            }
        }
    }
    fn connection_lost(&mut self, _transport: &Transport, _reason: &CloseReason) {
        self.lost.set(self.lost.get() + 1);
    }
}

/// Makes what it was told to make next, on either end.
pub(crate) struct Maker<P> {
    pub(crate) next: Rc<RefCell<Vec<P>>>,
    pub(crate) told: Rc<RefCell<Told>>,
    pub(crate) _alive: Alive,
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) started: usize,
    pub(crate) stopped: usize,
    pub(crate) failed: usize,
    pub(crate) lost: usize,
}

impl<P: Protocol> Factory for Maker<P> {
    type Protocol = P;

    fn build_protocol(&mut self, _peer: &Address) -> Option<P> {
        self.next.borrow_mut().pop()
    }
    fn start_factory(&mut self) {
        self.told.borrow_mut().started += 1;
    }
    fn stop_factory(&mut self) {
        self.told.borrow_mut().stopped += 1;
    }
    fn noisy(&self) -> bool {
        false
    }
}

impl<P: Protocol> ClientFactory for Maker<P> {
    fn client_connection_failed(&mut self, _connector: &Connector, _reason: &ConnectError) {
        self.told.borrow_mut().failed += 1;
    }
    fn client_connection_lost(&mut self, _connector: &Connector, _reason: &CloseReason) {
        self.told.borrow_mut().lost += 1;
    }
}
