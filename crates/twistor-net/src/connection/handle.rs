use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use twistor_deferred::{Deferred, deferred};
use twistor_reactor::kernel::Token;
use twistor_reactor::sources::SourceHost;
use twistor_reactor::{LendError, ReactorGone, Remote};

use super::{Conn, Transport};
use crate::{Address, Protocol};

/// A handle of a connection whose protocol is a `P`: how to reach a protocol from outside.
///
/// A cheap clone; dropping it closes nothing.
pub struct Connection<P> {
    conn: Rc<Conn>,
    epoch: u32,
    protocol: PhantomData<fn(P)>,
}

impl<P: Protocol> Connection<P> {
    pub(crate) const fn new(conn: Rc<Conn>, epoch: u32) -> Self {
        Self { conn, epoch, protocol: PhantomData }
    }

    /// Lends the protocol to `f`, at once.
    ///
    /// A panic of `f` is the caller's; the connection is left as it is.
    ///
    /// # Errors
    ///
    /// [`LendError::Busy`] while the protocol is being called further up the stack ([`post`](Self::post) waits for that),
    /// [`LendError::Gone`] after the loss, [`LendError::Switched`] if another protocol has its place. `f` is dropped uncalled.
    pub fn try_with<R>(&self, f: impl FnOnce(&mut P, &Transport) -> R) -> Result<R, LendError> {
        self.conn.lend(self.epoch, f)
    }

    /// Calls `f` with the protocol after the present call has returned, in order with other notifications and before the connection's next
    /// data. Dropped uncalled after the loss or a switch. A panic of `f` ends the connection, as one of the protocol's own would.
    pub fn post(&self, f: impl FnOnce(&mut P, &Transport) + 'static) {
        self.conn.post(self.epoch, f);
    }

    /// As [`post`](Self::post), with an answer. If the connection is lost before, the failure is
    /// [`Abandoned`](twistor_deferred::Abandoned).
    #[track_caller]
    pub fn call<R: 'static>(&self, f: impl FnOnce(&mut P, &Transport) -> R + 'static) -> Deferred<R> {
        let (promise, answer) = deferred();
        self.post(move |protocol, transport| promise.callback(f(protocol, transport)));
        answer
    }

    /// The transport of the connection.
    #[must_use]
    pub fn transport(&self) -> Transport {
        Transport::new(Rc::clone(&self.conn))
    }

    /// The address of the other end.
    #[must_use]
    pub fn peer(&self) -> Address {
        Address::Tcp(self.conn.peer.address())
    }

    /// A handle for other threads.
    #[must_use]
    pub fn remote(&self) -> RemoteConnection<P> {
        RemoteConnection {
            remote: self.conn.reactor.remote(),
            token: self.conn.token.get(),
            epoch: self.epoch,
            protocol: PhantomData,
        }
    }
}

impl<P> Clone for Connection<P> {
    fn clone(&self) -> Self {
        Self { conn: Rc::clone(&self.conn), epoch: self.epoch, protocol: PhantomData }
    }
}

impl<P> fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = crate::protocol::short_type_name::<P>();
        write!(f, "Connection<{name}>({} {:?})", self.conn.peer, self.conn.state.get())
    }
}

/// A connection, seen from other threads.
pub struct RemoteConnection<P> {
    remote: Remote,
    token: Option<Token>,
    epoch: u32,
    protocol: PhantomData<fn(P)>,
}

impl<P: Protocol> RemoteConnection<P> {
    /// Has `f` called with the protocol on the reactor's thread, as [`Connection::post`] does. Dropped uncalled if the connection is lost
    /// or has another protocol by then.
    ///
    /// # Errors
    ///
    /// [`ReactorGone`] if the reactor was dropped.
    pub fn post(&self, f: impl FnOnce(&mut P, &Transport) + Send + 'static) -> Result<(), ReactorGone> {
        let (token, epoch) = (self.token, self.epoch);
        self.remote.call_from_thread(move |reactor| {
            let source = token.and_then(|token| reactor.source(token));
            if let Some(conn) = source.and_then(|source| source.as_any().downcast::<Conn>().ok()) {
                conn.post(epoch, f);
            }
        })
    }
}

impl<P> Clone for RemoteConnection<P> {
    fn clone(&self) -> Self {
        Self { remote: self.remote.clone(), token: self.token, epoch: self.epoch, protocol: PhantomData }
    }
}

impl<P> fmt::Debug for RemoteConnection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteConnection<{}>({:?})", crate::protocol::short_type_name::<P>(), self.token)
    }
}
