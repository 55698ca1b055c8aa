//! A small filter that does all a filter may do: it upper-cases both ways, holds bytes back by a timer, and says something at the close.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{Filter, FilterIo, Transport};

use crate::common::{Heard, INJECTED, Pair, Probe, Side, pair};

/// How a [`Shout`] takes the close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// Says its word at once.
    AtOnce,
    /// Says it when a time has passed, and holds the close so long.
    After(Duration),
    /// Holds the close for ever.
    Never,
}

/// The filter: upper-cases both ways, holds back for `delay`, says `word` at the close.
pub(crate) struct Shout {
    delay: Duration,
    word: &'static str,
    farewell: Farewell,
    /// Whether the peer's FIN brings out what is held back.
    pub(crate) yields_at_fin: bool,
    /// The method that panics.
    panics_in: &'static str,
    /// Bytes held back, up and down.
    up: Vec<u8>,
    down: Vec<u8>,
    closing: bool,
    log: Rc<RefCell<Vec<&'static str>>>,
    /// Alive as long as the filter is.
    _alive: Rc<()>,
}

/// What a test keeps of a filter that it gave away.
#[derive(Clone)]
pub(crate) struct Seen {
    log: Rc<RefCell<Vec<&'static str>>>,
    alive: std::rc::Weak<()>,
}

impl Seen {
    pub(crate) fn count(&self, what: &str) -> usize {
        self.log.borrow().iter().filter(|said| **said == what).count()
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.alive.strong_count() == 0
    }
}

impl Shout {
    pub(crate) fn new(word: &'static str) -> (Self, Seen) {
        let alive = Rc::new(());
        let seen = Seen { log: Rc::default(), alive: Rc::downgrade(&alive) };
        let shout = Self {
            delay: Duration::ZERO,
            word,
            farewell: Farewell::AtOnce,
            yields_at_fin: true,
            panics_in: "",
            up: Vec::new(),
            down: Vec::new(),
            closing: false,
            log: Rc::clone(&seen.log),
            _alive: alive,
        };
        (shout, seen)
    }

    pub(crate) fn holding(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn leaving(mut self, farewell: Farewell) -> Self {
        self.farewell = farewell;
        self
    }

    pub(crate) fn panicking_in(mut self, method: &'static str) -> Self {
        self.panics_in = method;
        self
    }

    fn note(&self, method: &'static str) {
        self.log.borrow_mut().push(method);
        assert!(self.panics_in != method, "{INJECTED} in {method}");
    }

    /// Lets go of what is held back, now or by the timer.
    fn let_go_in_time(&mut self, io: &mut FilterIo) {
        if self.delay.is_zero() { self.let_go(io) } else { io.wake_after(self.delay) }
    }

    fn let_go(&mut self, io: &mut FilterIo) {
        io.deliver(&std::mem::take(&mut self.up));
        io.send(&std::mem::take(&mut self.down));
    }
}

impl Filter for Shout {
    fn opened(&mut self, _io: &mut FilterIo) {
        self.note("opened");
    }
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        assert!(!data.is_empty());
        self.note("received");
        self.up.extend(data.iter().map(u8::to_ascii_uppercase));
        self.let_go_in_time(io);
    }
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        assert!(!data.is_empty() && !self.closing, "nothing is written after the close");
        self.note("written");
        self.down.extend(data.iter().map(u8::to_ascii_uppercase));
        self.let_go_in_time(io);
    }
    fn read_closed(&mut self, io: &mut FilterIo) {
        self.note("read_closed");
        if self.yields_at_fin {
            io.deliver(&std::mem::take(&mut self.up));
        }
    }
    fn closing(&mut self, io: &mut FilterIo) {
        self.note("closing");
        self.closing = true;
        match self.farewell {
            Farewell::AtOnce => {
                self.let_go(io);
                io.send(self.word.as_bytes());
            }
            Farewell::After(time) => io.wake_after(time),
            Farewell::Never => {}
        }
    }
    fn is_closing(&self) -> bool {
        self.note("is_closing");
        self.closing && self.farewell != Farewell::AtOnce
    }
    fn timer(&mut self, io: &mut FilterIo) {
        self.note("timer");
        self.let_go(io);
        if self.closing && matches!(self.farewell, Farewell::After(_)) {
            io.send(self.word.as_bytes());
            self.farewell = Farewell::AtOnce;
        }
    }
}

impl Drop for Shout {
    fn drop(&mut self) {
        if self.panics_in == "drop" {
            panic!("{INJECTED} in drop");
        }
    }
}

/// Puts brackets around every piece that goes down, and braces around every one that comes up.
pub(crate) struct Brackets;

impl Filter for Brackets {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.deliver(&[b"{", data, b"}"].concat());
    }
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.send(&[b"[", data, b"]"].concat());
    }
    fn closing(&mut self, io: &mut FilterIo) {
        io.send(b"(brackets close)");
    }
}

pub(crate) fn idle() -> (Probe, Side) {
    Probe::new(|_, _| {})
}

/// Pushes a filter.
pub(crate) type Push = Box<dyn FnOnce(&Transport)>;

/// A server that pushes `filters` in its `connection_made`, and a plain client.
pub(crate) fn filtered(filters: Vec<Push>) -> Pair {
    let mut filters = Some(filters);
    pair(
        Probe::new(move |heard, transport| {
            if *heard == Heard::Made {
                for push in filters.take().into_iter().flatten() {
                    push(transport);
                }
            }
        }),
        idle(),
    )
}

pub(crate) fn push(filter: impl Filter) -> Push {
    Box::new(move |transport| transport.push_filter(filter, b""))
}
