//! One end of a transfer: writes what the plan says, in one of four ways, checks every byte and every call it gets, and ends as the plan
//! says. What is wrong it panics about: the search hears of that.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use twistor_net::{CloseReason, Flow, Producer, ProducerKind, Protocol, Transport};

use super::Dice;

/// How a talker writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As long as `write` says `Ready`, then once more in the next turn, unless that is held up from `pause_writing` to `resume_writing`.
    Plain,
    /// A push producer: a piece now and then, by timers, while it is not paused.
    Push,
    /// A pull producer.
    Pull,
    /// A piece now and then, by timers, whatever the flow is.
    Timed,
}

/// What a talker does when everything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `lose_write_connection`.
    HalfClose,
    /// `lose_connection`.
    Close,
    /// `abort_connection`.
    Abort,
    /// Nothing: the other end closes.
    Stay,
}

/// What one end is to do. Known to both.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) amount: u64,
    pub(crate) manner: Manner,
    pub(crate) ending: Ending,
    /// Closes or aborts as soon as it has received so much.
    pub(crate) enough: Option<(u64, Ending)>,
    pub(crate) marks: Option<(usize, usize)>,
    /// Once in so many pieces received, it reads no more for a while; zero is never.
    pub(crate) nap: u64,
}

/// What became of one end.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) written: Cell<u64>,
    pub(crate) received: Cell<u64>,
    pub(crate) saw_fin: Cell<bool>,
    pub(crate) lost: RefCell<Option<CloseReason>>,
    pub(crate) aborted: Cell<bool>,
    pub(crate) closed: Cell<bool>,
    pub(crate) half_closed: Cell<bool>,
    pub(crate) told_write_lost: Cell<bool>,
    /// Whether a producer hangs on the transport, and was paused last.
    pub(crate) producing: Cell<bool>,
    pub(crate) producer_paused: Cell<bool>,
}

/// The byte at `offset` of what the end `key` sends.
pub(crate) fn byte(key: u64, offset: u64) -> u8 {
    ((offset.wrapping_mul(131) ^ (offset >> 8).wrapping_mul(29)).wrapping_add(key.wrapping_mul(97))) as u8
}

struct Shared {
    life: Rc<Life>,
    part: Part,
    key: u64,
    dice: RefCell<Dice>,
    /// Between `pause_writing` and `resume_writing`.
    held: Cell<bool>,
    /// The latest `write` said `Full`.
    full: Cell<bool>,
    /// A timer for the next piece runs.
    ticking: Cell<bool>,
    ended: Cell<bool>,
}

pub(crate) struct Talker {
    shared: Rc<Shared>,
    peer_key: u64,
    made: bool,
    writing_paused: bool,
    /// Until when it must not be told of data.
    napping: Rc<Cell<bool>>,
}

impl Talker {
    pub(crate) fn new(life: Rc<Life>, part: Part, keys: [u64; 2], seed: u64) -> Self {
        let dice = RefCell::new(Dice::new(seed, keys[0]));
        let [held, full, ticking, ended] = [false; 4].map(Cell::new);
        let shared = Rc::new(Shared { life, part, key: keys[0], dice, held, full, ticking, ended });
        Self { shared, peer_key: keys[1], made: false, writing_paused: false, napping: Rc::default() }
    }

    fn alive(&self) {
        assert!(self.made, "a call before connection_made");
        assert!(self.shared.life.lost.borrow().is_none(), "a call after connection_lost");
    }
}

impl Shared {
    /// Writes a piece. Says whether to go on.
    fn piece(&self, transport: &Transport) -> bool {
        let left = self.part.amount - self.life.written.get();
        let size = (1 + self.dice.borrow_mut().size(15)).min(left);
        if size == 0 {
            return false;
        }
        let from = self.life.written.get();
        let data: Vec<u8> = (from..from + size).map(|offset| byte(self.key, offset)).collect();
        let flow = if size & 3 == 0 { transport.write_bytes(data) } else { transport.write(&data) };
        if flow == Flow::Closed {
            return false;
        }
        self.life.written.set(from + size);
        self.full.set(flow == Flow::Full);
        true
    }

    fn is_done(&self) -> bool {
        self.life.written.get() >= self.part.amount
    }

    /// The plain manner.
    fn pump(self: &Rc<Self>, transport: &Transport) {
        while !self.held.get() && self.piece(transport) {
            if self.full.get() && !self.is_done() {
                return self.pump_later(transport);
            }
        }
        if self.is_done() {
            self.end(transport, self.part.ending);
        }
    }

    fn pump_later(self: &Rc<Self>, transport: &Transport) {
        if self.ticking.replace(true) {
            return;
        }
        let (shared, transport) = (Rc::downgrade(self), transport.clone());
        on_time(&transport.clone(), Duration::ZERO, move || {
            if let Some(shared) = Weak::upgrade(&shared) {
                shared.ticking.set(false);
                if shared.life.lost.borrow().is_none() {
                    shared.pump(&transport);
                }
            }
        });
    }

    fn end(&self, transport: &Transport, ending: Ending) {
        if !transport.is_connected() {
            return;
        }
        match ending {
            Ending::HalfClose if !self.ended.get() => {
                self.life.half_closed.set(true);
                transport.lose_write_connection();
            }
            Ending::Close => {
                self.life.closed.set(true);
                transport.lose_connection();
                assert_eq!(transport.write(b"too late"), self.flow_after_close());
            }
            Ending::Abort => {
                self.life.aborted.set(true);
                transport.abort_connection();
                assert_eq!(transport.write(b"too late"), Flow::Closed);
            }
            Ending::HalfClose | Ending::Stay => {}
        }
        self.ended.set(true);
    }

    /// Nobody ends with a producer registered, so nothing is taken any more.
    const fn flow_after_close(&self) -> Flow {
        Flow::Closed
    }

    /// The manners with timers: a piece, and the timer for the next.
    fn tick(self: &Rc<Self>, transport: &Transport) {
        if self.life.lost.borrow().is_some() || self.life.producer_paused.get() {
            return;
        }
        self.piece(transport);
        if self.is_done() {
            return self.finish(transport);
        }
        let writes = self.life.producing.get() || transport.is_connected();
        if !writes || self.ticking.replace(true) {
            return;
        }
        let delay = Duration::from_micros(self.dice.borrow_mut().size(17));
        let (shared, transport) = (Rc::downgrade(self), transport.clone());
        on_time(&transport.clone(), delay, move || {
            if let Some(shared) = Weak::upgrade(&shared) {
                shared.ticking.set(false);
                shared.tick(&transport);
            }
        });
    }

    fn finish(&self, transport: &Transport) {
        if self.life.producing.replace(false) {
            transport.unregister_producer();
        }
        self.end(transport, self.part.ending);
    }
}

/// Calls `f` after `delay`, and checks that it comes when it should, and in another turn.
fn on_time(transport: &Transport, delay: Duration, f: impl FnOnce() + 'static) {
    let reactor = transport.reactor().clone();
    let (due, turn) = (reactor.now().checked_add(delay).unwrap(), reactor.stats().turns);
    transport.reactor().call_later(delay, move || {
        assert_eq!(reactor.now(), due, "a timer comes when it is due");
        let turns = reactor.stats().turns - turn;
        assert!(turns > 0 || !delay.is_zero(), "a timer never comes in the turn it was made in");
        f();
    });
}

struct Feeder(Rc<Shared>);

impl Producer for Feeder {
    fn resume_producing(&mut self, transport: &Transport) {
        assert!(self.0.life.producing.get(), "a producer that is gone is resumed");
        if self.0.part.manner == Manner::Push {
            assert!(self.0.life.producer_paused.replace(false), "a producer that runs is resumed");
            return self.0.tick(transport);
        }
        self.0.piece(transport);
        if self.0.is_done() {
            self.0.finish(transport);
        }
    }

    fn pause_producing(&mut self, _transport: &Transport) {
        assert_eq!(self.0.part.manner, Manner::Push, "a pull producer is never paused");
        assert!(!self.0.life.producer_paused.replace(true), "a producer is paused twice");
    }

    fn stop_producing(&mut self, _transport: &Transport) {
        assert!(self.0.life.producing.replace(false), "a producer is stopped twice");
        self.0.life.producer_paused.set(false);
    }
}

impl Protocol for Talker {
    fn connection_made(&mut self, transport: &Transport) {
        assert!(!std::mem::replace(&mut self.made, true), "connection_made came twice");
        let shared = Rc::clone(&self.shared);
        if let Some((high, low)) = shared.part.marks {
            transport.set_write_buffer_limits(high, low);
        }
        match shared.part.manner {
            Manner::Plain => shared.pump(transport),
            Manner::Timed => shared.tick(transport),
            manner => {
                shared.life.producing.set(true);
                let kind = if manner == Manner::Push { ProducerKind::Push } else { ProducerKind::Pull };
                transport.register_producer(Feeder(Rc::clone(&shared)), kind).expect("the first");
                if manner == Manner::Push {
                    shared.tick(transport);
                }
            }
        }
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.alive();
        let life = &self.shared.life;
        assert!(!data.is_empty(), "data_received with nothing");
        assert!(!life.saw_fin.get(), "data after the end of the input");
        assert!(!life.closed.get() && !life.aborted.get(), "data after the close");
        assert!(!self.napping.get(), "data while reading is paused");
        let from = life.received.get();
        let wrong = (from..).zip(data).find(|(offset, got)| byte(self.peer_key, *offset) != **got);
        assert_eq!(wrong.map(|(offset, _)| offset), None, "what arrives is what was sent");
        life.received.set(from + data.len() as u64);
        let (nap, enough) = (self.shared.part.nap, self.shared.part.enough);
        if nap > 0 && self.shared.dice.borrow_mut().once_in(nap) {
            let delay = Duration::from_micros(self.shared.dice.borrow_mut().size(18));
            self.napping.set(true);
            transport.pause_producing();
            let (napping, transport) = (Rc::clone(&self.napping), transport.clone());
            on_time(&transport.clone(), delay, move || {
                napping.set(false);
                transport.resume_producing();
            });
        }
        if let Some((amount, ending)) = enough {
            if life.received.get() >= amount && !life.producing.get() {
                self.shared.end(transport, ending);
            }
        }
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        self.alive();
        assert!(!self.shared.life.saw_fin.replace(true), "the input ended twice");
        if self.shared.part.ending == Ending::Stay && !self.shared.life.closed.replace(true) {
            transport.lose_connection();
        }
    }

    fn write_connection_lost(&mut self, _transport: &Transport) {
        self.alive();
        let life = &self.shared.life;
        assert!(life.half_closed.get(), "the output ended by itself");
        assert!(!life.told_write_lost.replace(true), "the output ended twice");
    }

    fn pause_writing(&mut self, _transport: &Transport) {
        self.alive();
        assert!(!std::mem::replace(&mut self.writing_paused, true), "writing is paused twice");
        self.shared.held.set(true);
    }

    fn resume_writing(&mut self, transport: &Transport) {
        self.alive();
        assert!(std::mem::replace(&mut self.writing_paused, false), "writing is resumed twice");
        if self.shared.part.manner == Manner::Plain {
            self.shared.held.set(false);
            self.shared.pump(transport);
        }
    }

    fn timeout_connection(&mut self, _transport: &Transport) {
        panic!("nobody set a time-out");
    }

    fn connection_lost(&mut self, _transport: &Transport, reason: &CloseReason) {
        self.alive();
        let life = &self.shared.life;
        assert!(!life.producing.get(), "the producer hears of the loss first");
        check_reason(life, reason);
        *life.lost.borrow_mut() = Some(reason.clone());
    }
}

/// Whether the end can have been this.
fn check_reason(life: &Life, reason: &CloseReason) {
    let own = life.closed.get() || life.aborted.get();
    match reason {
        CloseReason::Aborted => assert!(life.aborted.get(), "aborted, and nobody did"),
        CloseReason::Done => {
            assert!(!life.aborted.get(), "aborted, and told that it ended in order");
            let both = life.saw_fin.get() && life.half_closed.get();
            assert!(own || both, "ended in order, and nobody closed: {life:?}");
        }
        CloseReason::Lost(_) => {
            assert!(!life.aborted.get(), "the abort is the reason");
        }
        // The world is over: that it never ended by itself is the scenario's to say.
        CloseReason::ReactorGone => {}
        CloseReason::CloseTimedOut(_) => assert!(own || life.half_closed.get(), "no close to wait for"),
        other => panic!("lost for a reason that nobody gave: {other}"),
    }
}
