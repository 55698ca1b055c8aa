//! The filters of a connection, and the way of the bytes through them.

use std::collections::VecDeque;
use std::rc::Rc;

use twistor_deferred::drop_contained;
use twistor_reactor::{CloseReason, DelayedCall};

use super::extras::Extras;
use super::outbox::Outbox;
use super::{Conn, Reading};
use crate::filter::{Filter, FilterIo};

/// One filter in its place: number 0 is next to the socket.
pub(super) struct Layer {
    filter: Box<dyn Filter>,
    timer: Option<DelayedCall>,
}

/// A filter that is to be put in place when the present call returns.
pub(super) struct Incoming {
    filter: Box<dyn Filter>,
    /// Written before it: goes through the filters that were there alone.
    before: Outbox,
    /// Received before it: goes through this one too.
    unread: Vec<u8>,
}

/// What there is to tell a filter.
enum Step {
    Opened,
    Received(Vec<u8>),
    Written(Vec<u8>),
    ReadClosed,
    Closing,
    Timer,
}

/// What came out of a walk through the stack.
#[derive(Default)]
struct Yield {
    up: Vec<u8>,
    down: Vec<u8>,
    failed: Option<CloseReason>,
}

impl Conn {
    #[inline]
    pub(super) fn is_filtered(&self) -> bool {
        self.extras.is_some_and(|extras| extras.depth > 0 || !extras.incoming.is_empty())
    }

    /// Puts a filter on top of the stack, between what is there and the protocol, when the present call returns.
    pub(super) fn push_filter(self: &Rc<Self>, filter: Box<dyn Filter>, unread: &[u8]) {
        if self.state.get().is_over() {
            return drop_contained(filter);
        }
        self.with_extras(|extras| {
            let before = std::mem::take(&mut extras.plain);
            extras.incoming.push(Incoming { filter, before, unread: unread.to_vec() });
        });
        if !self.is_being_called() {
            self.after_present_call();
        }
    }

    /// Puts the filters in place that were pushed during the call.
    pub(super) fn take_in_filters(self: &Rc<Self>) {
        loop {
            let first =
                |extras: &mut Extras| (!extras.incoming.is_empty()).then(|| extras.incoming.remove(0));
            let Some(next) = self.extras.with(first).flatten() else { return };
            let Incoming { filter, mut before, unread } = next;
            for piece in before.take() {
                self.walk_down(&piece);
                drop_contained(piece);
            }
            let at = self.with_extras(|extras| {
                extras.layers.push(Layer { filter, timer: None });
                extras.depth += 1;
                extras.depth - 1
            });
            self.walk(vec![(at, Step::Opened)]);
            if !unread.is_empty() {
                self.walk(vec![(at, Step::Received(unread))]);
            }
        }
    }

    /// Bytes from the socket.
    pub(super) fn filter_received(self: &Rc<Self>, data: &[u8]) {
        self.walk(vec![(0, Step::Received(data.to_vec()))]);
    }

    /// What the protocol has written since the last flush; then, if it is time, the word of the close.
    #[inline(never)]
    pub(super) fn filter_written(self: &Rc<Self>) {
        self.take_in_filters(); // Pushed from outside a call, and the flush was first.
        let plain = self.extras.with(|extras| extras.plain.take()).unwrap_or_default();
        for piece in plain {
            self.walk_down(&piece);
            drop_contained(piece);
        }
        if self.state.get().waits_for_flush() && !self.producer_holds_close() {
            self.tell_filters_of_close();
        }
    }

    fn walk_down(self: &Rc<Self>, data: &[u8]) {
        match self.depth().checked_sub(1) {
            Some(top) => self.walk_in_flush(vec![(top, Step::Written(data.to_vec()))]),
            None => {
                self.with_outbox(|outbox| outbox.push(data));
            }
        }
    }

    fn tell_filters_of_close(self: &Rc<Self>) {
        let told = self.with_extras(|extras| std::mem::replace(&mut extras.closing_told, true));
        if !told {
            self.walk_in_flush((0..self.depth()).rev().map(|at| (at, Step::Closing)).collect());
        }
    }

    /// Whether the filters have said their last: nothing written can go through them any more.
    pub(super) fn filters_have_closed(&self) -> bool {
        self.extras.is_some_and(|extras| extras.closing_told)
    }

    pub(super) fn filter_read_end(self: &Rc<Self>) {
        self.walk((0..self.depth()).map(|at| (at, Step::ReadClosed)).collect());
    }

    fn filter_timer(self: &Rc<Self>, at: usize) {
        if self.state.get().is_over() {
            return;
        }
        self.in_span(|| {
            self.walk(vec![(at, Step::Timer)]);
            self.flush_output();
        });
    }

    /// Whether a filter needs time before the FIN.
    pub(super) fn filters_hold_close(self: &Rc<Self>) -> bool {
        let layers = self.take_layers();
        let ask = |layer: &Layer| self.guard("is_closing of a filter", || layer.filter.is_closing());
        let hold = layers.iter().map(ask).find(|answer| *answer != Ok(false));
        self.restore_layers(layers);
        match hold {
            Some(Err(text)) => {
                self.panicked(text);
                false
            }
            answer => answer.is_some(),
        }
    }

    fn depth(&self) -> usize {
        self.extras.with(|extras| extras.depth).unwrap_or(0)
    }

    fn take_layers(&self) -> Vec<Layer> {
        self.extras.with(|extras| std::mem::take(&mut extras.layers)).unwrap_or_default()
    }

    fn restore_layers(&self, layers: Vec<Layer>) {
        if layers.is_empty() {
            return;
        }
        let mut layers = Some(layers);
        self.extras.with(|extras| extras.layers = layers.take().unwrap_or_default());
        for layer in layers.into_iter().flatten() {
            drop_contained(layer); // The connection was lost meanwhile.
        }
    }

    /// Tells the steps to their filters, one after another, each with all that follows from it, then hands on what came out.
    fn walk(self: &Rc<Self>, steps: Vec<(usize, Step)>) {
        self.walk_and(steps, |conn, data| match conn.posts.get() {
            0 => conn.deliver_or_hold(data),
            _ => conn.hold(data), // The posts come first; the last one asks for it.
        });
    }

    /// As `walk`. What comes up in answer to what the protocol wrote comes next turn: an echo above a mirror would never return.
    fn walk_in_flush(self: &Rc<Self>, steps: Vec<(usize, Step)>) {
        self.walk_and(steps, |conn, data| {
            conn.hold(data);
            conn.come_again();
        });
    }

    fn walk_and(self: &Rc<Self>, steps: Vec<(usize, Step)>, hand_up: impl FnOnce(&Rc<Self>, &[u8])) {
        let mut layers = self.take_layers();
        let mut out = Yield::default();
        let mut outcome = Ok(());
        for (at, step) in steps {
            outcome = self.follow(&mut layers, at, step, &mut out);
            if outcome.is_err() || out.failed.is_some() {
                break;
            }
        }
        let held_back = |layer: &Layer| self.guard("pending of a filter", || layer.filter.pending());
        let retained = layers.iter().map(|layer| held_back(layer).unwrap_or(0)).sum();
        self.restore_layers(layers);
        let before = self.extras.with(|extras| std::mem::replace(&mut extras.retained, retained));
        if before.is_some_and(|before| retained < before) {
            self.plan_flush(); // Whoever waits for room hears of it after a flush, be it one of nothing.
        }
        if !out.down.is_empty() {
            self.with_outbox(|outbox| outbox.push(&out.down));
            self.plan_flush();
        }
        if !out.up.is_empty() {
            match (&outcome, &out.failed) {
                (Ok(()), None) => hand_up(self, &out.up),
                _ => self.deliver_or_hold(&out.up), // There is no next turn.
            }
        }
        if let Err(text) = outcome {
            self.panicked(text);
        } else if let Some(reason) = out.failed {
            self.fail(reason);
        }
    }

    /// One step, and the bytes that it sets going, until they have left the stack at either end.
    fn follow(
        self: &Rc<Self>,
        layers: &mut [Layer],
        at: usize,
        step: Step,
        out: &mut Yield,
    ) -> Result<(), String> {
        let mut queue = VecDeque::from([(at, step)]);
        while let Some((at, step)) = queue.pop_front() {
            let Some(layer) = layers.get_mut(at) else { continue };
            let mut io = FilterIo::at(self.reactor.now());
            self.guard("a filter", || tell(&mut *layer.filter, &step, &mut io))?;
            self.keep_timer(layer, at, &io);
            if !io.down.is_empty() {
                match at.checked_sub(1) {
                    Some(below) => queue.push_back((below, Step::Written(io.down))),
                    None => out.down.append(&mut io.down),
                }
            }
            if !io.up.is_empty() {
                if at + 1 < layers.len() {
                    queue.push_back((at + 1, Step::Received(io.up)));
                } else {
                    out.up.append(&mut io.up);
                }
            }
            if let Some(reason) = io.failed {
                out.failed.get_or_insert(reason);
            }
        }
        Ok(())
    }

    fn keep_timer(self: &Rc<Self>, layer: &mut Layer, at: usize, io: &FilterIo) {
        let Some(deadline) = io.wake else { return };
        if let Some(timer) = layer.timer.take() {
            let _ = timer.cancel(); // It may have fired: then this is the next one.
        }
        let conn = Rc::downgrade(self);
        let delay = deadline.saturating_duration_since(self.reactor.now());
        layer.timer = Some(self.reactor.call_later(delay, move || {
            if let Some(conn) = conn.upgrade() {
                conn.filter_timer(at);
            }
        }));
    }

    /// Bytes for the protocol that may have paused meanwhile, or is about to be switched for another.
    pub(super) fn deliver_or_hold(self: &Rc<Self>, data: &[u8]) {
        if self.reading.get() == Reading::Paused || self.has_held() || self.is_switching() {
            self.hold(data);
        } else if self.state.get().reads() {
            self.deliver(data);
        }
    }

    fn hold(&self, data: &[u8]) {
        if self.state.get().reads() {
            self.with_extras(|extras| extras.held.extend_from_slice(data));
        }
    }

    fn is_switching(&self) -> bool {
        self.extras.is_some_and(|extras| extras.next.is_some())
    }

    #[inline]
    pub(super) fn has_held(&self) -> bool {
        self.extras.is_some_and(|extras| !extras.held.is_empty())
    }

    /// Delivers what was held back.
    #[inline]
    pub(super) fn release_held(self: &Rc<Self>) {
        if self.has_held() {
            self.deliver_held();
        }
    }

    #[cold]
    fn deliver_held(self: &Rc<Self>) {
        let held = self.take_held();
        if !held.is_empty() {
            self.deliver(&held);
        }
    }

    pub(super) fn take_held(&self) -> Vec<u8> {
        self.take_extra(|extras| Some(std::mem::take(&mut extras.held))).unwrap_or_default()
    }
}

fn tell(filter: &mut dyn Filter, step: &Step, io: &mut FilterIo) {
    match step {
        Step::Opened => filter.opened(io),
        Step::Received(data) => filter.received(io, data),
        Step::Written(data) => filter.written(io, data),
        Step::ReadClosed => filter.read_closed(io),
        Step::Closing => filter.closing(io),
        Step::Timer => filter.timer(io),
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            let _ = timer.cancel();
        }
    }
}
