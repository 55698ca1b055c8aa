//! Filters: what stands between a socket and its protocol and knows neither. Bytes in, bytes out, no I/O and no clock.

use std::time::Duration;

use twistor_reactor::Moment;

use crate::CloseReason;

/// A layer of a connection's stack: TLS, a PROXY header, a throttle, a traffic log.
///
/// It turns received bytes into bytes, written bytes into bytes, and has something to say when it is put in, at the close, and by a
/// timer. It never sees a socket, a transport or a clock: everything goes through [`FilterIo`]. A stack of none, the default, costs
/// nothing. A panic ends the connection with [`CloseReason::Panicked`].
#[expect(unused_variables, reason = "the parameters are named for those who override the methods")]
pub trait Filter: 'static {
    /// The filter was put in place.
    fn opened(&mut self, io: &mut FilterIo) {}

    /// Bytes came from the side of the socket: at least one. What the protocol is to see is handed on with [`FilterIo::deliver`].
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.deliver(data);
    }

    /// Bytes were written on the side of the protocol: at least one. What the peer is to see is handed on with [`FilterIo::send`].
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.send(data);
    }

    /// The peer will send no more. What was held back is delivered now or never; to call a cut-off stream an error, use
    /// [`FilterIo::fail`].
    fn read_closed(&mut self, io: &mut FilterIo) {}

    /// This end closes its writing direction, and everything written went through [`written`](Self::written). The last chance to send;
    /// called once. A filter that needs time keeps [`is_closing`](Self::is_closing) true until it has sent its last.
    fn closing(&mut self, io: &mut FilterIo) {}

    /// Whether the close has to wait for a timer of this filter. The deadline of the close bounds it.
    fn is_closing(&self) -> bool {
        false
    }

    /// How many bytes that were written it holds back. They count against the marks of back-pressure, so that a throttle is felt by the
    /// writer. Asked after every other call. Default 0.
    fn pending(&self) -> usize {
        0
    }

    /// The time asked for with [`FilterIo::wake_after`] has come.
    fn timer(&mut self, io: &mut FilterIo) {}
}

/// What a filter has to say in one call.
#[derive(Debug, Default)]
pub struct FilterIo {
    pub(crate) now: Moment,
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
    pub(crate) wake: Option<Moment>,
    pub(crate) failed: Option<CloseReason>,
}

impl FilterIo {
    pub(crate) fn at(now: Moment) -> Self {
        Self { now, ..Self::default() }
    }

    /// Hands bytes on toward the protocol: to the next filter, or to `data_received`. Nothing is handed on for an empty slice.
    pub fn deliver(&mut self, data: &[u8]) {
        self.up.extend_from_slice(data);
    }

    /// Hands bytes on toward the socket: to the next filter, or to the peer.
    pub fn send(&mut self, data: &[u8]) {
        self.down.extend_from_slice(data);
    }

    /// Has [`Filter::timer`] called when `delay` has passed. A filter has one timer: asking again replaces it.
    pub fn wake_after(&mut self, delay: Duration) {
        self.wake = self.now.checked_add(delay);
    }

    /// Ends the connection with `reason`. What was handed on before is still delivered; what was written is still sent.
    pub fn fail(&mut self, reason: CloseReason) {
        self.failed.get_or_insert(reason);
    }

    /// The time of this call, on the reactor's clock.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }
}
