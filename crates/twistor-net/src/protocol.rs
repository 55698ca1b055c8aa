use std::any::Any;

use crate::{CloseReason, Transport};

/// One side of a conversation: what you implement.
///
/// A protocol is owned by its connection and called with `&mut self`, so plain fields do. It is handed its [`Transport`] in every call,
/// and may keep a clone. The calls come in this order, all on the reactor's thread, one at a time, never inside a call of yours to the
/// library:
///
/// 1. [`connection_made`](Self::connection_made), once;
/// 2. [`data_received`](Self::data_received), as often as something comes; [`pause_writing`](Self::pause_writing) and
///    [`resume_writing`](Self::resume_writing) in turn; [`read_connection_lost`](Self::read_connection_lost) and
///    [`write_connection_lost`](Self::write_connection_lost) at most once each;
/// 3. [`connection_lost`](Self::connection_lost), once and last, whatever happened; then the protocol is dropped.
///
/// A panic in any of them is logged and ends this connection alone, with [`CloseReason::Panicked`].
///
/// # Examples
///
/// An echo server's protocol:
///
/// ```
/// use twistor_net::{Protocol, Transport};
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
/// ```
#[expect(unused_variables, reason = "the parameters are named for those who override the methods")]
pub trait Protocol: 'static {
    /// The connection stands. Whatever is written here leaves when the call returns.
    fn connection_made(&mut self, transport: &Transport) {}

    /// Bytes came in: at least one, from the socket at most the reactor's read size (64 KiB); what a filter or a switch of protocols held
    /// back may be more. They are lent for the call.
    ///
    /// Streams have no messages: what the peer wrote in one piece may come in many, and the other way round. After a call that closed or
    /// paused the connection no more comes. The default ignores them.
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {}

    /// The connection is over, for `reason`. Called once per `connection_made`, and last: writes are dropped, addresses still known.
    fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {}

    /// The peer will send no more, but can still be written to (it closed its half). Called at most once.
    ///
    /// The default flushes what was written and then closes. A protocol that overrides it closes by itself later; when both directions
    /// are shut, `connection_lost` follows.
    fn read_connection_lost(&mut self, transport: &Transport) {
        transport.lose_connection();
    }

    /// Everything written before `lose_write_connection` was sent, and the end after it. Called at most once.
    fn write_connection_lost(&mut self, transport: &Transport) {}

    /// More than the high-water mark waits to be sent: hold what can be held.
    fn pause_writing(&mut self, transport: &Transport) {}

    /// What waited is down to the low-water mark: go on. Always after a `pause_writing`.
    fn resume_writing(&mut self, transport: &Transport) {}

    /// A secure layer finished its handshake. Not called on plain connections.
    fn handshake_completed(&mut self, transport: &Transport) {}

    /// Nothing came or was written for the time set with [`Transport::set_timeout`]. The default flushes and closes, with
    /// [`CloseReason::TimedOut`]; one that does neither hears of it again after the same time.
    fn timeout_connection(&mut self, transport: &Transport) {
        let limit = transport.timeout().unwrap_or_default();
        transport.fail(CloseReason::TimedOut(limit));
    }

    /// The application asks its connections to end ([`ListeningPort::drain`](crate::ListeningPort::drain)). The default closes at once;
    /// a protocol with a request under way finishes that first.
    fn close_requested(&mut self, transport: &Transport) {
        transport.lose_connection();
    }

    /// What log lines about the connection begin with. Default: the name of the type.
    fn log_prefix(&self) -> String {
        short_type_name::<Self>().to_owned()
    }
}

/// The last part of a type's path, without its parameters' paths.
pub(crate) fn short_type_name<T: ?Sized>() -> &'static str {
    let name = std::any::type_name::<T>();
    let end = name.find('<').unwrap_or(name.len());
    let start = name[..end].rfind("::").map_or(0, |at| at + 2);
    &name[start..end]
}

impl<P: Protocol + ?Sized> Protocol for Box<P> {
    fn connection_made(&mut self, transport: &Transport) {
        (**self).connection_made(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        (**self).data_received(transport, data);
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {
        (**self).connection_lost(transport, reason);
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        (**self).read_connection_lost(transport);
    }

    fn write_connection_lost(&mut self, transport: &Transport) {
        (**self).write_connection_lost(transport);
    }

    fn pause_writing(&mut self, transport: &Transport) {
        (**self).pause_writing(transport);
    }

    fn resume_writing(&mut self, transport: &Transport) {
        (**self).resume_writing(transport);
    }

    fn handshake_completed(&mut self, transport: &Transport) {
        (**self).handshake_completed(transport);
    }

    fn timeout_connection(&mut self, transport: &Transport) {
        (**self).timeout_connection(transport);
    }

    fn close_requested(&mut self, transport: &Transport) {
        (**self).close_requested(transport);
    }

    fn log_prefix(&self) -> String {
        (**self).log_prefix()
    }
}

/// A protocol whose type is known again to those who ask for the right one.
pub(crate) trait AnyProtocol: Protocol {
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<P: Protocol> AnyProtocol for P {
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
